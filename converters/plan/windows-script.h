/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_PLAN_WINDOWS_SCRIPT_H
#define CONVERTERS_PLAN_WINDOWS_SCRIPT_H

/* The script that Windows runs once, at its first start as a virtual machine. */

#include "converters/plan/windows.h"

#define WINDOWS_SERVICE "p2v-firstboot"

/* Adds its lines to the last step. Nothing that a guest or a medium says goes into them but
 * addresses, which are numbers, and names of DNS. */
void plan_windows_script(struct planning *p);
/* Those of its lines that set up the network cards. */
void plan_windows_script_cards(struct planning *p);
/* There is something for it to do. */
bool plan_windows_has_script(const struct planning *p);
/* The guest agent can be installed from the medium. */
bool plan_windows_takes_agent(const struct planning *p);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_UI_WORKER_H
#define AGENT_UI_WORKER_H

/*
 * The one that works: network, settings, p2v-agent, and what is to be done afterwards. It says what
 * it does in DIR/state.json, and takes DIR/answers.
 *
 *	        +-----------------------------------------------+
 *	        v                                               |
 *	    PREPARING --> ASKING --(answers)------------------->+
 *	        |                                               |
 *	        +--> COUNTING --(answers)---------------------->+
 *	        |       |                                       |
 *	        |       v                                       |
 *	        |    SENDING --(answers: stops p2v-agent)------>+
 *	        v       |  \                                    |
 *	      FAILED <--+   +--> DONE --(answers)-------------->+
 *	        +--(answers, or on-failure=retry and time)------+
 */

#include "p2v/core/err.h"

/* argv: of main. Ends only by a stop request, after poweroff or reboot, or where DIR fails. */
int ui_worker_run(const char *dir, int argc, char **argv, struct p2v_err *err);
/* Prints the settings as they hold on this machine now. */
int ui_worker_settings(const char *dir, int argc, char **argv, struct p2v_err *err);

#endif

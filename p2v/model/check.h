/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_MODEL_CHECK_H
#define P2V_MODEL_CHECK_H

/*
 * Checks of single values that several nouns share. They matter because the values become file
 * names, XML and arguments: `noun` names the document in the sentence; all return 0 or P2V_EFORMAT.
 */

#include <stdbool.h>
#include <stddef.h>

#include "p2v/core/err.h"

/* A machine's name: 1 to 64 letters, digits, '.', '-', '_'; starts with a letter or digit. */
bool model_name_ok(const char *name);
int model_check_name(const char *name, const char *noun, struct p2v_err *err);
/* disk<i>, in order, none missing. */
int model_check_disk_id(const char *id, size_t i, const char *noun, struct p2v_err *err);
/* aa:bb:cc:dd:ee:ff in lower case. */
bool model_mac_ok(const char *mac);
int model_check_mac(const char *mac, const char *noun, struct p2v_err *err);
/* bios or uefi. */
int model_check_firmware(const char *firmware, const char *noun, struct p2v_err *err);

#endif

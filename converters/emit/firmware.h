/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_EMIT_FIRMWARE_H
#define P2V_EMIT_FIRMWARE_H

/*
 * Where this host keeps UEFI firmware for guests: the code, and the template of a variable store.
 */

#include "p2v/core/err.h"
#include "p2v/model/output.h"

struct emit_firmware {
	const char *code, *vars; /* absolute paths of static duration; NULL both for BIOS */
};

/* P2V_ENOTFOUND where the output needs UEFI and this host has none installed. */
int emit_firmware_find(const struct output *output, struct emit_firmware *ret, struct p2v_err *err);

#endif

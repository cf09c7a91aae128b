/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_INSPECT_FSTAB_H
#define CONVERTERS_INSPECT_FSTAB_H

/*
 * fstab(5): six fields a line, the last three may be absent; '#' starts a comment line; \040 and
 * the like stand for blanks inside a field.
 */

#include "p2v/core/span.h"
#include "p2v/model/facts.h"

#define FSTAB_MAX_LINES ((size_t)4096)

/* Appends a facts_mount (device left NULL) for each line that has two fields; other lines are
 * passed over. More than FSTAB_MAX_LINES of them are P2V_EFORMAT. */
int fstab_parse(struct p2v_span text, struct facts_os *os, struct p2v_err *err);

#endif

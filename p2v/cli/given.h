/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CLI_GIVEN_H
#define P2V_CLI_GIVEN_H

/*
 * The disks that a verb is given: files or block devices named on the command line, or what lies in
 * a job directory. Both become the noun `image`.
 */

#include <stddef.h>

#include "p2v/core/err.h"
#include "p2v/model/image.h"
#include "p2v/model/machine.h"

/*
 * Disks from the command line. Their format is found by qemu-img unless `format` names it for all
 * of them; an image that leans on another file (backing file, data file) is P2V_EREFUSED, because
 * opening it would open whatever its header names.
 */
int cli_given_disks(const char *const *paths, size_t n_paths, const char *format, struct image *ret,
	struct p2v_err *err);

/* A job directory's image.json, its paths made absolute and checked to be there. */
int cli_given_job(const char *dir, struct image *ret, struct p2v_err *err);

/* Either: one operand that is a directory with image.json in it, or disks. */
int cli_given(const char *const *operands, size_t n, const char *format, struct image *ret,
	struct p2v_err *err);

#endif

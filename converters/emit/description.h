/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_EMIT_DESCRIPTION_H
#define P2V_EMIT_DESCRIPTION_H

/*
 * Descriptions of the machine that is handed over, one row each: what a hypervisor or a person
 * starts it with. To add one: a writer, a row.
 */

#include "converters/emit/firmware.h"
#include "p2v/core/buf.h"
#include "p2v/model/machine.h"
#include "p2v/model/output.h"

struct emit_description_input {
	const struct output *output;   /* paths in it are relative to dir */
	const struct machine *machine; /* or NULL */
	struct emit_firmware firmware;
	const char *dir; /* the job directory, absolute */
};

struct emit_description {
	const char *suffix; /* of output/NAME<suffix> */
	unsigned mode;
	size_t path_offset; /* of the path in struct output */
	int (*write)(
		const struct emit_description_input *in, struct p2v_buf *out, struct p2v_err *err);
};

extern const struct emit_description emit_descriptions[];
extern const size_t emit_n_descriptions;

/* libvirt: https://libvirt.org/formatdomain.html */
int emit_domain_write(
	const struct emit_description_input *in, struct p2v_buf *out, struct p2v_err *err);
/* A POSIX shell script that needs QEMU and nothing else. */
int emit_script_write(
	const struct emit_description_input *in, struct p2v_buf *out, struct p2v_err *err);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_INSPECT_REFS_H
#define CONVERTERS_INSPECT_REFS_H

/* What the readers of references share: one row a file, or a pattern of files. */

#include "converters/inspect/inspection.h"

struct place {
	const char *path;
	const char *what; /* facts_ref.what */
	int (*read)(struct inspection *in, const struct place *place, struct p2v_span text);
	const char *inside; /* path is an initramfs, and this the file in it; else NULL */
};

/* A reference. key stands before the device in both texts ("root="), or is "". */
int refs_add(struct inspection *in, const struct place *p, uint32_t line, const char *key,
	struct p2v_span spec, const struct facts_fs *f);
/* A line, or a file, that is meant as a whole. */
int refs_add_line(
	struct inspection *in, const struct place *p, uint32_t line, struct p2v_span text);

/* text, and what to say instead; without that (empty) the operator is told. One that is known
 * already is passed over. */
int refs_add_as(struct inspection *in, const struct place *p, uint32_t line, struct p2v_span text,
	struct p2v_span stable);

/* refs-volumes.c: mdadm.conf, lvm.conf; also where an initramfs has a copy. */
int refs_read_mdadm(struct inspection *in, const struct place *p, struct p2v_span text);
int refs_read_lvm(struct inspection *in, const struct place *p, struct p2v_span text);
/* modprobe.d, also where an initramfs has a copy. */
int refs_read_blocks(struct inspection *in, const struct place *p, struct p2v_span text);

/* The rows of refs-system.c: what is about other hardware than disks. */
extern const struct place refs_system_places[]; /* the last has a NULL path */

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SOURCE_TABLE_H
#define AGENT_SOURCE_TABLE_H

/*
 * What lies on a disk: its partition table and what each partition holds, as libblkid sees it
 * through a descriptor that is open for reading only. (libparted opens devices for writing where it
 * can, even to look; that is why it is not asked.)
 *
 * Labels and names are the disk's bytes: foreign.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/err.h"

#define SOURCE_DOUBTFUL "doubtful"

struct source_part {
	uint32_t number; /* 1.. as in /dev/sda1; 0: the whole disk, where there is no table */
	uint64_t offset_bytes, length_bytes;
	bool extended; /* a container of logical partitions: holds nothing itself */
	/* of the content: ext4, swap, LVM2_member, ...; NULL: unknown; SOURCE_DOUBTFUL: the disk
	 * has a table, and content as a whole, too */
	char *type;
	char *label, *uuid;
};

struct source_table {
	const char *kind; /* gpt, dos, none; another word of libblkid's counts as "none" */
	struct source_part *parts;
	size_t n_parts;
};

/* P2V_EIO and others where the disk cannot be read. */
int source_table_read(const char *path, struct source_table *ret, struct p2v_err *err);
void source_table_finish(struct source_table *table);
#define source_autotable __attribute__((cleanup(source_table_finish)))

#endif

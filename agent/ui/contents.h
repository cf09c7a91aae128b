/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_UI_CONTENTS_H
#define AGENT_UI_CONTENTS_H

/*
 * What is on the disks and how much of it is used, as `p2v-agent --map` has it; and what somebody
 * should know of this machine before it is copied. Only this machine's own facts: what will be
 * changed in it is the server's to say.
 */

#include "agent/ui/settings.h"
#include "p2v/core/buf.h"
#include "p2v/core/err.h"
#include "p2v/model/machine.h"

struct ui_region {
	uint32_t depth;
	uint64_t length_bytes, used_bytes;
	char *what, *why_used;
};

struct ui_contents {
	struct ui_disk_contents {
		char *path;
		uint64_t used_bytes;
		struct ui_region *regions;
		size_t n_regions;
	} * disks;
	size_t n_disks;
};

/* Looks at the disks that would be sent, which takes a moment, and leaves DIR/map.json. */
int ui_contents_make(
	const struct ui_settings *s, const struct machine *m, const char *dir, struct p2v_err *err);
/* P2V_ENOTFOUND: not known yet. */
int ui_contents_load(const char *dir, struct ui_contents *ret, struct p2v_err *err);
void ui_contents_finish(struct ui_contents *c);
#define ui_auto_contents __attribute__((cleanup(ui_contents_finish)))

/* NULL where the disk is none of them. */
const struct ui_disk_contents *ui_contents_disk(const struct ui_contents *c, const char *path);
uint64_t ui_contents_used(const struct ui_contents *c);
/* Of all disks: what was done before the one that label ("web01:/dev/sdb") ends with. Its number
 * from 1; 0: none of them. */
size_t ui_contents_at(const struct ui_contents *c, const char *label, uint64_t *ret_before);
/* How long the copy takes at the speed of the cards' link, or of an old disk where that is less; 0:
 * not known. */
uint64_t ui_contents_ms(const struct ui_contents *c, const struct machine *m);

/* Each disk with what is on it; the time; what needs attention. */
void ui_contents_text(const struct ui_contents *c, const struct machine *m, struct p2v_buf *out);

#endif

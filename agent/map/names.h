/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_MAP_NAMES_H
#define AGENT_MAP_NAMES_H

/*
 * What those share that say which files have bytes where a disk could not be read. Each looks into
 * one kind of content, through a disk that reads zeros there (files.c), and believes nothing: what
 * makes no sense is passed over.
 */

#include "agent/map/files.h"
#include "agent/map/mappers.h"

/* Where it could not be read, and where to say what lies there. */
struct map_bad {
	struct map_span *spans; /* in bytes of the part that is looked at; owned */
	size_t n_spans;
	char *where; /* "partition 3: "; owned, foreign */
	char ***lines;
	size_t *n_lines;
};

bool map_bad_touches(const struct map_bad *bad, uint64_t offset, uint64_t length);
/* Adds a line: where, text. Both are foreign. */
int map_bad_say(const struct map_bad *bad, const char *text, struct p2v_err *err);
/* Those within [offset, offset + length), as [to, ...) of something else, go to ret. */
int map_bad_move(const struct map_bad *bad, uint64_t offset, uint64_t length, uint64_t to,
	struct map_bad *ret, struct p2v_err *err);
void map_bad_finish(struct map_bad *bad);
#define map_auto_bad __attribute__((cleanup(map_bad_finish)))

/* Looks at what lies in v. type NULL: the magics say. P2V_ENOMEM only. */
int map_bad_name(
	const struct map_view *v, const char *type, struct map_bad *bad, struct p2v_err *err);

/* The files that were met, by their numbers. */
struct map_hits {
	uint64_t ids[MAP_FILES_MAX];
	bool named[MAP_FILES_MAX];
	size_t n;
	bool more; /* than fit */
};

void map_hits_add(struct map_hits *hits, uint64_t id); /* once */
/* The index of one that has no name yet; n where there is none. */
size_t map_hits_nameless(const struct map_hits *hits, uint64_t id);
/* What is left to say when all names are said. root: that file is called "/". */
int map_hits_end(
	const struct map_hits *hits, uint64_t root, struct map_bad *bad, struct p2v_err *err);

/* For the array of mappers. Errors: P2V_ENOMEM, or whatever shows that nothing can be told. */
int map_names_ext(const struct map_view *v, struct map_bad *bad, struct p2v_err *err);
int map_names_xfs(const struct map_view *v, struct map_bad *bad, struct p2v_err *err);
int map_names_ntfs(const struct map_view *v, struct map_bad *bad, struct p2v_err *err);
int map_names_btrfs(const struct map_view *v, struct map_bad *bad, struct p2v_err *err);
int map_names_md(const struct map_view *v, struct map_bad *bad, struct p2v_err *err);
int map_names_lvm(const struct map_view *v, struct map_bad *bad, struct p2v_err *err);

#endif

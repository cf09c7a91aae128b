/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_MAP_MAPPERS_H
#define AGENT_MAP_MAPPERS_H

/*
 * What the mappers share: their array, the part that they look at, and what they say of it.
 *
 * A mapper proves blocks to be free, or leaves them. Its file system was cleanly unmounted, every
 * structure that it looked at is what its format says, and what lies beyond the file system's own
 * size is not its business.
 */

#include "agent/map/map.h"

/* The part is [offset, offset + length) of io; offsets of all calls below count from its start. */
struct map_view {
	struct block_io *io;
	uint64_t offset_bytes, length_bytes;
	uint32_t number;	       /* for sentences; 0 where it is not a partition */
	unsigned depth;		       /* how many containers it lies in */
	const struct map_peers *peers; /* or NULL */
};

struct map_out {
	struct extent_list *extents; /* of the whole io; this part of it is all USED at first */
	const char *why_used;	     /* constant texts */
	const char *why_free;	     /* NULL at the end: none of it is free, whatever was marked */
	struct map_region *inner;    /* volumes within, of depth 1; owned */
	size_t n_inner;
};

struct map_bad;

struct mapper {
	const char *type; /* as libblkid calls it */
	/*
	 * Sets the texts of out and marks what is free. P2V_EREFUSED and P2V_ENOMEM end the mapping
	 * of the disk; any other error leaves the part used: P2V_EFORMAT where its structures
	 * contradict each other, P2V_EIO where it cannot be read.
	 */
	int (*map)(const struct map_view *v, struct map_out *out, struct p2v_err *err);
	/* Where map is NULL: why all of it is copied. */
	const char *why_used;
	bool busy; /* maps a part that is in use as well */
	/* Says which files lie where the disk could not be read; NULL: nobody can (names.h). */
	int (*names)(const struct map_view *v, struct map_bad *bad, struct p2v_err *err);
	/* What stands where in each of its kind; NULL: it is never found within a container. */
	uint32_t magic_at;
	const char *magic;
};

/* What map.c calls parts that are not as the table should have them. */
#define MAP_CUT_OFF	"cut off"
#define MAP_OVERLAPPING "overlapping"

/* In any order; a type that has several magics has several rows, all with the same mapper. */
extern const struct mapper mappers[];
extern const size_t n_mappers;

/* What a part is and is made of: for map.c and for containers. type NULL: the magics say, where
 * just one of them matches. ret_type: a constant, or type. */
int map_view_map(const struct map_view *v, const char *type, bool busy, struct map_out *out,
	const char **ret_type, struct p2v_err *err);

/* P2V_EFORMAT where it is not within the part. */
int map_view_read(
	const struct map_view *v, uint64_t offset, void *buf, size_t n, struct p2v_err *err);
/* [offset, offset + length) is free; P2V_EFORMAT where it is not within the part. */
int map_view_free(const struct map_view *v, struct map_out *out, uint64_t offset, uint64_t length,
	struct p2v_err *err);
/* All of it is copied, because. Returns 0. */
int map_out_used(struct map_out *out, const char *why);
/* P2V_EFORMAT with what is wrong. */
int map_odd(struct p2v_err *err, const char *what);

int map_swap(const struct map_view *v, struct map_out *out, struct p2v_err *err);
int map_ext(const struct map_view *v, struct map_out *out, struct p2v_err *err);
int map_btrfs(const struct map_view *v, struct map_out *out, struct p2v_err *err);
int map_md(const struct map_view *v, struct map_out *out, struct p2v_err *err);
int map_ntfs(const struct map_view *v, struct map_out *out, struct p2v_err *err);
int map_fat(const struct map_view *v, struct map_out *out, struct p2v_err *err);
int map_exfat(const struct map_view *v, struct map_out *out, struct p2v_err *err);
int map_lvm(const struct map_view *v, struct map_out *out, struct p2v_err *err);
int map_xfs(const struct map_view *v, struct map_out *out, struct p2v_err *err);

#endif

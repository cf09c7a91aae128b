/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_MAP_NTFS_RECORD_H
#define AGENT_MAP_NTFS_RECORD_H

#include "agent/map/mappers.h"

/* The volume whose clusters are meant. */
struct map_ntfs_clusters {
	const struct map_view *view;
	struct map_out *out;
	uint64_t n, bytes_each; /* all within the view */
};

/* Marks as used the clusters that one file record (n >= MAP_NTFS_RECORD_MIN bytes, its fixups
 * applied) says are its own, up to where it makes no sense. A record that is not in use has none.
 * P2V_ENOMEM only. */
#define MAP_NTFS_RECORD_MIN 48u
int map_ntfs_record(
	const struct map_ntfs_clusters *c, const uint8_t *record, size_t n, struct p2v_err *err);

/* Each attribute of a record in use, up to where it makes no sense. Stops where one fails. */
typedef int (*map_ntfs_attribute_fn)(
	void *ctx, uint32_t type, const uint8_t *attribute, size_t n, struct p2v_err *err);
int map_ntfs_attributes(const uint8_t *record, size_t n, map_ntfs_attribute_fn attribute, void *ctx,
	struct p2v_err *err);
/* Each run of clusters of an attribute that is not resident. */
typedef int (*map_ntfs_run_fn)(void *ctx, uint64_t first, uint64_t count, struct p2v_err *err);
int map_ntfs_runs(const uint8_t *attribute, size_t n, uint64_t clusters, map_ntfs_run_fn run,
	void *ctx, struct p2v_err *err);

#endif

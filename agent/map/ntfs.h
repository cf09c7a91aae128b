/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_MAP_NTFS_H
#define AGENT_MAP_NTFS_H

#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <ntfs-3g/types.h>
/* the other needs those above */
#include <ntfs-3g/volume.h>

#include "agent/map/mappers.h"

/*
 * Marks as used whatever the file records in use say is theirs, whether $Bitmap has it or not. For
 * a volume that ntfs-3g wrote to last: it leaves no mark while it is mounted, so the bitmap may lag
 * behind the files where the plug was pulled. A record that cannot be read shows no file to anybody
 * either.
 */
int map_ntfs_records(
	ntfs_volume *vol, const struct map_view *v, struct map_out *out, struct p2v_err *err);

/* Each file record, its fixups applied, in order; n >= MAP_NTFS_RECORD_MIN. */
typedef int (*map_ntfs_record_fn)(
	void *ctx, uint64_t number, const uint8_t *record, size_t n, struct p2v_err *err);
int map_ntfs_records_each(
	ntfs_volume *vol, map_ntfs_record_fn record, void *ctx, struct p2v_err *err);

/* What the library's device is: a part, and where in it the next read begins. */
struct map_ntfs_device {
	const struct map_view *view;
	s64 at;
};
/* Opens the volume, read-only; dev outlives it. NULL is fine for the other. */
int map_ntfs_open(struct map_ntfs_device *dev, ntfs_volume **ret, struct p2v_err *err);
void map_ntfs_close(ntfs_volume **vol);
#define map_auto_ntfs __attribute__((cleanup(map_ntfs_close)))

#endif

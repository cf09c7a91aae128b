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

#endif

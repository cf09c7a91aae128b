/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/map/ntfs.h"
/* the others need what that includes */
#include <ntfs-3g/attrib.h>
#include <ntfs-3g/device.h>
#include <ntfs-3g/inode.h>
#include <ntfs-3g/logfile.h>
#include <ntfs-3g/logging.h>

#include "agent/map/runs.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

/*
 * NTFS through libntfs-3g, which follows $MFT and the attribute lists of a fragmented $Bitmap.
 * Windows marks a volume dirty only where it knows of damage; whether it was unmounted stands in
 * the restart pages of $LogFile, and whether it sleeps (fast startup included) in hiberfil.sys.
 * ntfs-3g wipes the log and marks nothing, mounted or not: what it wrote to last is believed only
 * as far as the file records agree.
 */
#define PIECE_BYTES ((size_t)64 << 10)

static int dev_open(struct ntfs_device *dev, int flags)
{
	(void)flags;
	NDevSetOpen(dev);
	NDevSetReadOnly(dev);
	return 0;
}

static int dev_close(struct ntfs_device *dev)
{
	NDevClearOpen(dev);
	return 0;
}

static s64 dev_seek(struct ntfs_device *dev, s64 offset, int whence)
{
	struct map_ntfs_device *d = dev->d_private;
	s64 base = whence == SEEK_END ? (s64)d->view->length_bytes : whence == SEEK_CUR ? d->at : 0;

	if (offset < -base || offset > (s64)d->view->length_bytes - base) {
		errno = EINVAL;
		return -1;
	}
	d->at = base + offset;
	return d->at;
}

static s64 dev_pread(struct ntfs_device *dev, void *buf, s64 count, s64 offset)
{
	const struct map_ntfs_device *d = dev->d_private;

	if (count < 0 || offset < 0 ||
		map_view_read(d->view, (uint64_t)offset, buf, (size_t)count, NULL) < 0) {
		errno = EIO;
		return -1;
	}
	return count;
}

static s64 dev_read(struct ntfs_device *dev, void *buf, s64 count)
{
	struct map_ntfs_device *d = dev->d_private;
	s64 got = dev_pread(dev, buf, count, d->at);

	d->at += got > 0 ? got : 0;
	return got;
}

static s64 dev_write(struct ntfs_device *dev, const void *buf, s64 count)
{
	(void)dev, (void)buf, (void)count;
	errno = EROFS;
	return -1;
}

static s64 dev_pwrite(struct ntfs_device *dev, const void *buf, s64 count, s64 offset)
{
	(void)offset;
	return dev_write(dev, buf, count);
}

static int dev_sync(struct ntfs_device *dev)
{
	(void)dev;
	return 0;
}

static int dev_stat(struct ntfs_device *dev, struct stat *st)
{
	const struct map_ntfs_device *d = dev->d_private;

	*st = (struct stat){.st_mode = S_IFREG, .st_size = (off_t)d->view->length_bytes};
	return 0;
}

static int dev_ioctl(struct ntfs_device *dev, unsigned long request, void *arg)
{
	(void)dev, (void)request, (void)arg;
	errno = EOPNOTSUPP;
	return -1;
}

static struct ntfs_device_operations dev_ops = {.open = dev_open,
	.close = dev_close,
	.seek = dev_seek,
	.read = dev_read,
	.write = dev_write,
	.pread = dev_pread,
	.pwrite = dev_pwrite,
	.sync = dev_sync,
	.stat = dev_stat,
	.ioctl = dev_ioctl};

int map_ntfs_open(struct map_ntfs_device *dev, ntfs_volume **ret, struct p2v_err *err)
{
	struct ntfs_device *device;

	ntfs_log_set_handler(ntfs_log_handler_null);
	device = ntfs_device_alloc(dev->view->io->name, 0, &dev_ops, dev);
	if (!device)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	*ret = ntfs_device_mount(device, NTFS_MNT_RDONLY);
	if (*ret)
		return 0;
	ntfs_device_free(device);
	return map_odd(err, "it is not as an NTFS should be");
}

void map_ntfs_close(ntfs_volume **vol)
{
	if (*vol)
		ntfs_umount(*vol, TRUE);
}

/* ret_empty: it says nothing at all. */
static bool log_is_clean(ntfs_volume *vol, bool *ret_empty)
{
	ntfs_inode *ni = ntfs_inode_open(vol, FILE_LogFile);
	ntfs_attr *na = ni ? ntfs_attr_open(ni, AT_DATA, AT_UNNAMED, 0) : NULL;
	RESTART_PAGE_HEADER *page = NULL;
	bool clean = na && ntfs_check_logfile(na, &page) && ntfs_is_logfile_clean(na, page);

	*ret_empty = !page;
	free(page);
	if (na)
		ntfs_attr_close(na);
	if (ni)
		ntfs_inode_close(ni);
	return clean;
}

/* P2V_EREFUSED where Windows sleeps. ret_why: why not to believe the bitmap, or NULL; ret_empty:
 * the log does not say who wrote to it last. */
static int doubt(ntfs_volume *vol, const struct map_view *v, const char **ret_why, bool *ret_empty,
	struct p2v_err *err)
{
	uint64_t size;

	*ret_why = NULL;
	if (ntfs_volume_check_hiberfile(vol, 0) < 0) {
		if (errno == EPERM)
			return p2v_err_set(err, P2V_EREFUSED,
				"%s: partition %u holds a Windows that sleeps, or was shut down "
				"with fast startup: its file systems are in use. Start it, run "
				"'shutdown /s /f /t 0' there, then try again",
				v->io->name, v->number);
		*ret_why = "NTFS: whether Windows sleeps cannot be told: all copied";
	} else if (vol->flags & VOLUME_IS_DIRTY) {
		*ret_why = "NTFS: it is marked as dirty: all copied";
	} else if (!log_is_clean(vol, ret_empty)) {
		*ret_why = "NTFS: its log is not clean: all copied";
	} else if (vol->nr_clusters <= 0 ||
		   !p2v_mul_u64((uint64_t)vol->nr_clusters, vol->cluster_size, &size) ||
		   size > v->length_bytes) {
		*ret_why = "NTFS: larger than its partition: all copied";
	}
	return 0;
}

static int bitmap_map(
	ntfs_volume *vol, const struct map_view *v, struct map_out *out, struct p2v_err *err)
{
	p2v_autofree uint8_t *piece = malloc(PIECE_BYTES);
	uint64_t clusters = (uint64_t)vol->nr_clusters;
	struct map_runs runs = {.view = v, .out = out, .unit_bytes = vol->cluster_size};
	int r = 0;

	if (!piece)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	for (uint64_t at = 0; at < clusters && r == 0; at += PIECE_BYTES * 8) {
		uint64_t n = p2v_min_u64(clusters - at, PIECE_BYTES * 8);
		s64 bytes = (s64)p2v_div_up(n, 8);

		if (ntfs_attr_pread(vol->lcnbmp_na, (s64)(at / 8), bytes, piece) != bytes)
			return p2v_err_set(err, P2V_EIO, "its bitmap cannot be read");
		r = map_runs_bits(&runs, piece, at, n, err);
	}
	return r == 0 ? map_runs_end(&runs, err) : r;
}

int map_ntfs(const struct map_view *v, struct map_out *out, struct p2v_err *err)
{
	struct map_ntfs_device dev = {.view = v};
	map_auto_ntfs ntfs_volume *vol = NULL;
	const char *why = NULL;
	bool empty = false;
	int r = map_ntfs_open(&dev, &vol, err);

	if (r == 0)
		r = doubt(vol, v, &why, &empty, err);
	if (r < 0 || why)
		return r < 0 ? r : map_out_used(out, why);
	out->why_used = "files and metadata, by its $Bitmap";
	out->why_free = empty ? "free by its $Bitmap and in no file's record"
			      : "free by its $Bitmap; cleanly unmounted";
	r = bitmap_map(vol, v, out, err);
	return r == 0 && empty ? map_ntfs_records(vol, v, out, err) : r;
}

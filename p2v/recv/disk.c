/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/recv/disk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"

/* What is noted before a sync begins, and while it is under way: with what may be under way on all
 * connections, below the 64 MiB of PROTOCOL.md. */
#define SYNC_BYTES  (24 * P2V_MIB)
#define LATE_BYTES  (16 * P2V_MIB)
#define SYNC_MS	    10000
#define PENDING_MAX P2V_MIB
#define QEMU_IMG_MS 60000
#define LOCKED_MS   20000
#define GRAIN	    BLOCK_GRAIN_BYTES

/* How an image is made that grows with what is written. VHDX is none of them: QEMU takes whole
 * sectors only for it, and grains need not end with one. */
static const struct format {
	const char *name, *options;
} formats[] = {
	{"qcow2", "preallocation=off,cluster_size=65536"},
	{"raw", "preallocation=off"},
	{"vmdk", "subformat=monolithicSparse"},
	{"vdi", "preallocation=off"},
};

static const struct format *format_find(const char *name)
{
	for (size_t i = 0; i < P2V_N(formats); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

bool recv_format_known(const char *format)
{
	return format_find(format) != NULL;
}

static int qemu_create(
	void *ctx, const char *path, const char *format, uint64_t size_bytes, struct p2v_err *err)
{
	p2v_autofree char *size = p2v_strf("%llu", (unsigned long long)size_bytes);
	const char *const argv[] = {"qemu-img", "create", "-q", "-f", format, "-o",
		format_find(format)->options, "--", path, size, NULL};
	int r;

	(void)ctx;
	if (!size)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	r = p2v_proc_run(argv, NULL, 0, QEMU_IMG_MS, NULL, err);
	return r < 0 ? p2v_err_wrap(err, r, "%s: cannot be made", path) : 0;
}

static int qemu_open(void *ctx, const char *path, const char *format, bool writable,
	struct block_io **ret, struct p2v_err *err)
{
	const struct block_io_nbd_spec spec = {.path = path,
		.format = format,
		.writable = writable,
		.connections = RECV_DISK_THREADS + 1,
		.direct = true};
	uint64_t until_ms = p2v_now_ms() + LOCKED_MS;
	struct p2v_err why = {0};
	int r;

	/* The daemon of a receiver that was killed a moment ago may still hold the image's lock: on
	 * a slow medium it cannot die before its last write is done. */
	(void)ctx;
	while ((r = block_io_nbd_open(&spec, ret, &why)) < 0 &&
		strstr(why.text, "another process using the image") && p2v_now_ms() < until_ms &&
		!p2v_stop_requested())
		p2v_sleep_ms(500);
	if (r < 0 && err)
		*err = why;
	return r;
}

const struct recv_images recv_images_qemu = {qemu_create, qemu_open, NULL, block_io_can_direct};

int recv_disk_image_open(struct recv_disk *disk, bool writable, struct p2v_err *err)
{
	const struct recv_images *images = disk->images;
	int r = images->open(images->ctx, disk->path, disk->format, writable, &disk->io, err);

	if (r < 0 || disk->io->size_bytes == disk->size_bytes)
		return r;
	return p2v_err_set(err, P2V_EFORMAT, "%s: the image has %llu bytes, the disk %llu",
		disk->path, (unsigned long long)disk->io->size_bytes,
		(unsigned long long)disk->size_bytes);
}

void recv_disk_image_close(struct recv_disk *disk)
{
	block_io_free(disk->io);
	disk->io = NULL;
}

static int disk_paths(struct recv_disk *disk, const char *dir, uint16_t index, const char *format,
	uint64_t size_bytes, struct p2v_err *err)
{
	*disk = (struct recv_disk){.index = index,
		.format = format,
		.size_bytes = size_bytes,
		.settle_lock = PTHREAD_MUTEX_INITIALIZER};
	disk->path = p2v_strf("%s/disk%u.%s", dir, index, format);
	disk->journal_path = p2v_strf("%s/disk%u.journal", dir, index);
	if (!disk->path || !disk->journal_path)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	return 0;
}

/* Whoever wrote the image after the last word of its journal was not us, or was killed. Clocks of
 * file systems tick slowly: the same time may be later. */
static bool is_touched(const struct recv_disk *disk)
{
	struct stat image, journal;

	if (stat(disk->path, &image) < 0 || stat(disk->journal_path, &journal) < 0)
		return false; /* both begin anew */
	return image.st_mtim.tv_sec > journal.st_mtim.tv_sec ||
	       (image.st_mtim.tv_sec == journal.st_mtim.tv_sec &&
		       image.st_mtim.tv_nsec >= journal.st_mtim.tv_nsec);
}

static int disk_prepare(struct recv_disk *disk, const char *dir, struct p2v_err *err)
{
	const struct recv_images *images = disk->images;
	int r = 0;

	disk->touched = is_touched(disk);
	if (!p2v_file_exists(disk->path) || !p2v_file_exists(disk->journal_path)) {
		unlink(disk->journal_path);
		r = images->create(images->ctx, disk->path, disk->format, disk->size_bytes, err);
		if (r == 0)
			r = p2v_dir_sync(dir, err);
	}
	if (r == 0)
		r = recv_disk_image_open(disk, true, err);
	if (r == 0)
		r = recv_journal_open(disk->journal_path, disk->size_bytes, &disk->journal, err);
	if (r == 0)
		r = recv_journal_add(disk->journal, JOURNAL_OPENED, 0, 0, NULL, err);
	if (r == 0)
		r = recv_journal_commit(disk->journal, recv_journal_mark(disk->journal), err);
	return r == 0 ? p2v_dir_sync(dir, err) : r;
}

int recv_disk_open(struct recv_disk *disk, const struct recv_images *images, const char *dir,
	uint16_t index, const char *format, uint64_t size_bytes, struct p2v_err *err)
{
	struct recv_disk made;
	int r = disk_paths(&made, dir, index, format, size_bytes, err);

	made.images = images;
	if (r == 0)
		r = disk_prepare(&made, dir, err);
	if (r < 0) {
		recv_disk_finish(&made);
		return r;
	}
	made.synced_ms = p2v_now_ms();
	*disk = made;
	return 0;
}

void recv_disk_finish(struct recv_disk *disk)
{
	recv_disk_image_close(disk);
	recv_journal_free(disk->journal);
	free(disk->path);
	free(disk->journal_path);
	*disk = (struct recv_disk){0};
}

int recv_disk_journal(const char *dir, uint16_t index, uint64_t size_bytes, const char *format,
	struct journal **ret, struct p2v_err *err)
{
	struct recv_disk disk;
	struct journal *journal = NULL;
	int r = disk_paths(&disk, dir, index, format, size_bytes, err);

	if (r == 0 && p2v_file_exists(disk.path) && p2v_file_exists(disk.journal_path))
		r = recv_journal_look(disk.journal_path, size_bytes, &journal, err);
	recv_disk_finish(&disk);
	if (r == 0)
		*ret = journal;
	return r;
}

/* The image is flushed, then the journal may say what the pending records say. Needs the lock: the
 * kernel reports what it could not write once, and counts it as clean from then on, so nobody else
 * may flush before it is known to be unsure. */
static int settle_locked(struct recv_disk *disk, struct p2v_err *err)
{
	uint64_t mark = recv_journal_mark(disk->journal);
	int r;

	if (disk->unsure)
		return p2v_err_set(err, P2V_EIO, "%s: an earlier flush has failed", disk->path);
	r = block_flush(disk->io, err);
	disk->unsure = r < 0;
	return r < 0 ? r : recv_journal_commit(disk->journal, mark, err);
}

int recv_disk_settle(struct recv_disk *disk, struct p2v_err *err)
{
	int r = 0;

	pthread_mutex_lock(&disk->settle_lock);
	if (recv_journal_pending(disk->journal))
		r = settle_locked(disk, err);
	pthread_mutex_unlock(&disk->settle_lock);
	return r;
}

/* Whether any, and whether all, of the grains are durable with these leaves (NULL: zeros). */
static int range_compare(struct recv_disk *disk, uint64_t first, uint64_t count,
	const uint8_t *leaves, bool *ret_any, bool *ret_same, struct p2v_err *err)
{
	bool any = false, same = true, durable;

	for (uint64_t i = 0; i < count; i++) {
		struct digest leaf, want = {0};
		int r = recv_journal_leaf(disk->journal, first + i, &durable, &leaf, err);

		if (r < 0)
			return r;
		if (leaves)
			wire_leaf_at(leaves, i, &want);
		any = any || durable;
		same = same && durable && block_digest_equal(&leaf, &want);
	}
	*ret_any = any;
	*ret_same = same;
	return 0;
}

/* Before a range is written: what the journal calls durable there must not be trusted if we are
 * killed half way. ret_same: all of it is durable with these leaves already (NULL: zeros). */
static int range_release(struct recv_disk *disk, uint64_t first, uint64_t count,
	const uint8_t *leaves, bool *ret_same, struct p2v_err *err)
{
	bool any = false, same = false;
	uint64_t gap = 0, gap_n = 0;
	int r;

	/* Most often nothing is durable there: one look at the bitmap. */
	if (recv_journal_missing(disk->journal, first, &gap, &gap_n) && gap == first &&
		gap_n >= count) {
		*ret_same = false;
		return 0;
	}
	r = range_compare(disk, first, count, leaves, &any, &same, err);
	if (r == 0 && any && !same) {
		r = recv_journal_add(disk->journal, JOURNAL_MISSING, first, count, NULL, err);
		if (r == 0)
			r = recv_disk_settle(disk, err);
	}
	*ret_same = same;
	return r;
}

/* Writes zeros where the image does not read as zero already, so that it stays sparse. */
static int zero_write(struct recv_disk *disk, uint64_t offset, uint64_t length, struct p2v_err *err)
{
	uint64_t end = offset + length;
	struct extent e;

	while (offset < end) {
		int r = block_extent(disk->io, offset, end - offset, &e, err);

		if (r == 0 && e.kind != EXTENT_ZERO)
			r = block_write_zeroes(disk->io, offset, e.length_bytes, err);
		if (r < 0)
			return r;
		offset += e.length_bytes;
	}
	return 0;
}

static bool leaf_is_zero(const struct wire_unpacked *data, size_t i)
{
	struct digest leaf;

	wire_leaf_at(data->leaves, i, &leaf);
	return block_digest_is_zero(&leaf);
}

/* A chunk by its runs of zero grains and of others. */
static int data_write(struct recv_disk *disk, uint64_t offset, const struct wire_unpacked *data,
	struct p2v_err *err)
{
	for (size_t i = 0, n; i < data->n_leaves; i += n) {
		bool zero = leaf_is_zero(data, i);
		size_t at = i * GRAIN, length;
		int r;

		for (n = 1; i + n < data->n_leaves && leaf_is_zero(data, i + n) == zero; n++)
			;
		length = p2v_min_u64(n * GRAIN, data->n - at);
		if (zero)
			r = zero_write(disk, offset + at, length, err);
		else
			r = block_write(disk->io, offset + at, data->bytes + at, length, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int recv_disk_write(struct recv_disk *disk, uint64_t offset, uint64_t length,
	const struct wire_unpacked *data, bool *ret_same, struct p2v_err *err)
{
	int r = range_release(disk, offset / GRAIN, p2v_div_up(length, GRAIN),
		data ? data->leaves : NULL, ret_same, err);

	if (r < 0 || *ret_same)
		return r;
	return data ? data_write(disk, offset, data, err) : zero_write(disk, offset, length, err);
}

int recv_disk_has(struct recv_disk *disk, uint64_t offset, uint64_t length, const uint8_t *leaves,
	bool *ret_same, struct p2v_err *err)
{
	bool any;

	return range_compare(
		disk, offset / GRAIN, p2v_div_up(length, GRAIN), leaves, &any, ret_same, err);
}

int recv_disk_note(struct recv_disk *disk, uint64_t offset, uint64_t length,
	const struct wire_unpacked *data, bool same, struct p2v_err *err)
{
	if (same)
		return 0;
	disk->unsynced_bytes += data ? length : 0;
	return recv_journal_add(disk->journal, data ? JOURNAL_DATA : JOURNAL_ZERO, offset / GRAIN,
		p2v_div_up(length, GRAIN), data ? data->leaves : NULL, err);
}

void recv_disk_sync_begin(struct recv_disk *disk)
{
	disk->unsynced_bytes = 0;
	disk->synced_ms = p2v_now_ms();
}

int recv_disk_sync(struct recv_disk *disk, struct p2v_err *err)
{
	recv_disk_sync_begin(disk);
	return recv_disk_settle(disk, err);
}

bool recv_disk_sync_due(const struct recv_disk *disk)
{
	uint64_t pending = recv_journal_pending(disk->journal);

	return pending > 0 && (pending >= PENDING_MAX || disk->unsynced_bytes >= SYNC_BYTES ||
				      p2v_now_ms() - disk->synced_ms >= SYNC_MS);
}

bool recv_disk_sync_late(const struct recv_disk *disk)
{
	return recv_journal_pending(disk->journal) >= 2 * PENDING_MAX ||
	       disk->unsynced_bytes >= LATE_BYTES;
}

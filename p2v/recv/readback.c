/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/recv/disk.h"
#include "p2v/recv/verify.h"

#define GRAIN BLOCK_GRAIN_BYTES

struct readback {
	struct recv_disk *disk;
	struct recv_verdict *verdict;
	block_progress_fn progress;
	void *ctx;
};

/* Where the image's file system knows no O_DIRECT. What was written is on the medium; only then
 * does dropping it from the page cache do anything. Where the kernel will not drop it, the proof is
 * of the cache: no worse than not reading. */
static void cache_drop(const char *path)
{
	p2v_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* Journalled as missing, and named to the agent where there is room. */
static int bad_note(void *ctx, uint64_t first, uint64_t n, struct p2v_err *err)
{
	struct readback *rb = ctx;
	uint64_t offset = first * GRAIN;

	if (rb->verdict->n_ranges < WIRE_RANGES_MAX) {
		wire_range_add(&rb->verdict->ranges, offset,
			p2v_min_u64(n * GRAIN, rb->disk->size_bytes - offset));
		rb->verdict->n_ranges++;
	}
	return recv_journal_add(rb->disk->journal, JOURNAL_MISSING, first, n, NULL, err);
}

static int progress_note(void *ctx, uint64_t done_bytes, struct p2v_err *err)
{
	struct readback *rb = ctx;

	return rb->progress ? rb->progress(rb->ctx, done_bytes, err) : 0;
}

static int compare(struct readback *rb, struct p2v_err *err)
{
	struct journal *journal = rb->disk->journal;
	const struct recv_verify spec = {.io = rb->disk->io,
		.journal = journal,
		.ctx = rb,
		.bad = bad_note,
		.progress = progress_note,
		.trust = !rb->disk->touched};
	int r = recv_verify_run(&spec, &rb->verdict->root, err);

	if (r == 0)
		r = recv_journal_commit(journal, recv_journal_mark(journal), err);
	return r == 0 ? p2v_buf_check(&rb->verdict->ranges, err) : r;
}

int recv_disk_verify(struct recv_disk *disk, block_progress_fn progress, void *ctx,
	struct recv_verdict *ret, struct p2v_err *err)
{
	struct recv_verdict verdict = {0};
	struct readback rb = {disk, &verdict, progress, ctx};
	int r = recv_disk_sync(disk, err);

	if (r == 0) {
		recv_disk_image_close(disk);
		cache_drop(disk->path);
		r = recv_disk_image_open(disk, false, err);
	}
	if (r == 0)
		r = compare(&rb, err);
	if (r == 0 && verdict.n_ranges > 0) {
		recv_disk_image_close(disk);
		r = recv_disk_image_open(disk, true, err);
	}
	if (r < 0) {
		p2v_buf_finish(&verdict.ranges);
		return r;
	}
	*ret = verdict;
	return 0;
}

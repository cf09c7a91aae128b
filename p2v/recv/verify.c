/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/recv/disk.h"

#define READ_BYTES P2V_MIB
#define GRAIN	   BLOCK_GRAIN_BYTES

/* The read-back as it goes: where it stands, and the run of bad grains that is still open. */
struct verify {
	struct recv_disk *disk;
	struct disk_digest *digest;
	struct recv_verdict *verdict;
	uint64_t grain, bad_first, bad_n;
};

/* What was written is on the medium; only then does dropping it from the page cache do anything.
 * Where the kernel will not drop it, the proof is of the cache: no worse than not reading. */
static void cache_drop(const char *path)
{
	p2v_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* Ends the run of bad grains: journalled as missing, and named to the agent where there is room. */
static int bad_end(struct verify *v, struct p2v_err *err)
{
	uint64_t offset = v->bad_first * GRAIN, length;
	int r;

	if (v->bad_n == 0)
		return 0;
	length = p2v_min_u64(v->bad_n * GRAIN, v->disk->size_bytes - offset);
	if (v->verdict->n_ranges < WIRE_RANGES_MAX) {
		wire_range_add(&v->verdict->ranges, offset, length);
		v->verdict->n_ranges++;
	}
	r = recv_journal_add(v->disk->journal, JOURNAL_MISSING, v->bad_first, v->bad_n, NULL, err);
	v->bad_n = 0;
	return r;
}

static int grain_check(struct verify *v, const struct digest *found, struct p2v_err *err)
{
	struct digest want;
	bool durable;
	int r = recv_journal_leaf(v->disk->journal, v->grain, &durable, &want, err);

	if (r < 0)
		return r;
	block_disk_digest_add(v->digest, found);
	if (durable && block_digest_equal(found, &want)) {
		r = bad_end(v, err);
	} else {
		if (v->bad_n == 0)
			v->bad_first = v->grain;
		v->bad_n++;
	}
	v->grain++;
	return r;
}

/* One piece that begins and ends on grains (or ends the disk). */
static int piece_check(struct verify *v, uint8_t *buf, struct p2v_err *err)
{
	uint64_t offset = v->grain * GRAIN;
	size_t n = p2v_min_u64(READ_BYTES, v->disk->size_bytes - offset);
	struct extent e;
	int r = block_extent(v->disk->io, offset, n, &e, err);
	bool zero = r == 0 && e.kind == EXTENT_ZERO && e.length_bytes == n;

	if (r == 0 && !zero)
		r = block_read(v->disk->io, offset, buf, n, err);
	for (size_t at = 0; r == 0 && at < n; at += GRAIN) {
		struct digest leaf = {0};

		if (!zero)
			block_digest_leaf(buf + at, p2v_min_u64(GRAIN, n - at), &leaf);
		r = grain_check(v, &leaf, err);
	}
	return r;
}

static int verify_all(struct verify *v, block_progress_fn progress, void *ctx, struct p2v_err *err)
{
	p2v_autofree uint8_t *buf = malloc(READ_BYTES);
	int r = 0;

	if (!buf || !v->digest)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	while (r == 0 && v->grain < recv_journal_grains(v->disk->journal)) {
		r = piece_check(v, buf, err);
		if (r == 0 && progress)
			r = progress(ctx, p2v_min_u64(v->grain * GRAIN, v->disk->size_bytes), err);
	}
	if (r == 0)
		r = bad_end(v, err);
	if (r == 0)
		r = recv_journal_commit(v->disk->journal, err);
	if (r == 0)
		r = p2v_buf_check(&v->verdict->ranges, err);
	return r == 0 ? block_disk_digest_end(v->digest, &v->verdict->root, err) : r;
}

int recv_disk_verify(struct recv_disk *disk, block_progress_fn progress, void *ctx,
	struct recv_verdict *ret, struct p2v_err *err)
{
	p2v_auto(block_disk_digest_free) struct disk_digest *digest =
		block_disk_digest_new(disk->size_bytes);
	struct recv_verdict verdict = {0};
	struct verify v = {.disk = disk, .digest = digest, .verdict = &verdict};
	int r = recv_disk_sync(disk, err);

	if (r == 0) {
		recv_disk_image_close(disk);
		cache_drop(disk->path);
		r = recv_disk_image_open(disk, false, err);
	}
	if (r == 0)
		r = verify_all(&v, progress, ctx, err);
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

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/recv/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2v/block/bitmap.h"
#include "p2v/core/buf.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"

#define MAGIC		"p2v-journal-1\n\0"
#define MAGIC_BYTES	16
#define HEADER_BYTES	48
#define HEAD_BYTES	24 /* of a record, before its leaves */
#define LEAF_BYTES	16
#define VERIFIED_LEAVES 3 /* room for the root and four numbers */
#define BAD_BYTES	16
#define BAD_MAX		65536
#define PROVE_BATCH	64
#define RECORD_MAX	(HEAD_BYTES + LEAF_BYTES * (JOURNAL_LEAVES_MAX + 1))

struct journal {
	pthread_mutex_t lock;	     /* all of it, once it is open */
	pthread_mutex_t commit_lock; /* one commit at a time; taken before the lock */
	char *path;
	int fd, leaves_fd;	  /* leaves_fd -1: none are kept */
	uint64_t size_bytes, end; /* end: where the next record goes */
	struct bitmap durable;	  /* grain is on stable storage */
	struct bitmap data;	  /* and its leaf is in leaves_fd, else it is zero */
	struct bitmap unproved;
	uint64_t missed; /* MISSING records */
	struct p2v_buf pending;
	unsigned opened;
	uint64_t written_bytes;
	bool is_verified, is_refreshing;
	struct journal_verified verified;
	struct p2v_buf bad; /* BAD_BYTES each: offset, length */
};

struct record {
	enum journal_kind kind;
	uint32_t n_leaves;
	uint64_t first, count;
	const uint8_t *leaves;
};

static int write_all(int fd, const void *bytes, size_t n, uint64_t at)
{
	const uint8_t *p = bytes;

	while (n > 0) {
		ssize_t done = pwrite(fd, p, n, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return -1;
		p += done;
		n -= (size_t)done;
		at += (uint64_t)done;
	}
	return 0;
}

/* As many as there are: at the end of the file, fewer. -1: errno. */
static ssize_t read_some(int fd, void *bytes, size_t n, uint64_t at)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(fd, (uint8_t *)bytes + done, n - done, (off_t)(at + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

/* True where the record can be one of this disk. */
static bool record_ok(const struct journal *j, const struct record *rec)
{
	uint64_t grains = block_grains(j->size_bytes);
	bool range = rec->count > 0 && rec->first < grains && rec->count <= grains - rec->first;

	switch (rec->kind) {
	case JOURNAL_MISSING:
	case JOURNAL_ZERO:
		return range && rec->n_leaves == 0;
	case JOURNAL_DATA:
		return range && rec->n_leaves == rec->count && rec->count <= JOURNAL_LEAVES_MAX;
	case JOURNAL_OPENED:
	case JOURNAL_REFRESH:
		return rec->n_leaves == 0;
	case JOURNAL_VERIFIED:
		return rec->n_leaves == VERIFIED_LEAVES;
	case JOURNAL_BAD:
		return rec->n_leaves == 0 &&
		       p2v_range_within(rec->first, rec->count, j->size_bytes);
	default:
		return false;
	}
}

/* Takes one whole record off rd, or false: torn, damaged or none. */
static bool record_read(const struct journal *j, struct p2v_rd *rd, struct record *ret)
{
	const uint8_t *start = rd->p, *said;
	struct digest digest;

	ret->kind = p2v_rd_u8(rd);
	p2v_rd_bytes(rd, 3);
	ret->n_leaves = p2v_rd_be32(rd);
	ret->first = p2v_rd_be64(rd);
	ret->count = p2v_rd_be64(rd);
	if (rd->failed || ret->n_leaves > JOURNAL_LEAVES_MAX)
		return false;
	ret->leaves = p2v_rd_bytes(rd, (size_t)ret->n_leaves * LEAF_BYTES);
	said = p2v_rd_bytes(rd, sizeof(digest.bytes));
	if (!said)
		return false;
	block_digest_of(start, (size_t)(said - start), &digest);
	return memcmp(said, digest.bytes, sizeof(digest.bytes)) == 0 && record_ok(j, ret);
}

static void verified_apply(struct journal *j, const uint8_t *bytes)
{
	struct p2v_rd rd = p2v_rd_init(bytes, VERIFIED_LEAVES * LEAF_BYTES);
	struct journal_verified *v = &j->verified;

	memcpy(v->root.bytes, p2v_rd_bytes(&rd, LEAF_BYTES), LEAF_BYTES);
	v->read_bytes = p2v_rd_be64(&rd);
	v->sent_bytes = p2v_rd_be64(&rd);
	v->zero_bytes = p2v_rd_be64(&rd);
	v->free_bytes = p2v_rd_be64(&rd);
	block_bitmap_clear_range(&j->unproved, 0, j->unproved.n_bits);
	j->is_verified = true;
	j->is_refreshing = false;
}

static void refresh_apply(struct journal *j)
{
	j->is_verified = false;
	if (j->is_refreshing)
		return;
	j->is_refreshing = true;
	j->opened = 1;
	j->written_bytes = 0;
	p2v_buf_reset(&j->bad);
}

/* An agent that sends DONE again names the same ranges again. */
static int bad_apply(struct journal *j, const struct record *rec, struct p2v_err *err)
{
	for (size_t i = 0; i < recv_journal_n_bad(j); i++) {
		uint64_t offset, length;

		recv_journal_bad(j, i, &offset, &length);
		if (offset == rec->first && length == rec->count)
			return 0;
	}
	if (recv_journal_n_bad(j) >= BAD_MAX)
		return p2v_err_set(
			err, P2V_EFORMAT, "%s: more than %d bad ranges", j->path, BAD_MAX);
	p2v_buf_add_be64(&j->bad, rec->first);
	p2v_buf_add_be64(&j->bad, rec->count);
	return p2v_buf_check(&j->bad, err);
}

/* Bytes of the record's grains that are not zero; the last one of the disk may be short. */
static uint64_t data_bytes(const struct journal *j, const struct record *rec)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < rec->n_leaves; i++)
		if (!p2v_is_zero(rec->leaves + (size_t)i * LEAF_BYTES, LEAF_BYTES))
			sum += p2v_min_u64(BLOCK_GRAIN_BYTES,
				j->size_bytes - (rec->first + i) * BLOCK_GRAIN_BYTES);
	return sum;
}

static int journal_apply(struct journal *j, const struct record *rec, struct p2v_err *err)
{
	if (rec->kind <= JOURNAL_ZERO) {
		j->is_verified = false;
		block_bitmap_set_range(&j->unproved, rec->first, rec->count);
	}
	switch (rec->kind) {
	case JOURNAL_MISSING:
		block_bitmap_clear_range(&j->durable, rec->first, rec->count);
		j->missed++;
		break;
	case JOURNAL_ZERO:
		block_bitmap_set_range(&j->durable, rec->first, rec->count);
		block_bitmap_clear_range(&j->data, rec->first, rec->count);
		break;
	case JOURNAL_DATA:
		if (j->leaves_fd >= 0 &&
			write_all(j->leaves_fd, rec->leaves, (size_t)rec->n_leaves * LEAF_BYTES,
				rec->first * LEAF_BYTES) < 0)
			return p2v_err_errno(err, errno, "%s: leaves", j->path);
		block_bitmap_set_range(&j->durable, rec->first, rec->count);
		block_bitmap_set_range(&j->data, rec->first, rec->count);
		j->written_bytes += data_bytes(j, rec);
		break;
	case JOURNAL_OPENED:
		j->opened++;
		break;
	case JOURNAL_REFRESH:
		refresh_apply(j);
		break;
	case JOURNAL_BAD:
		return bad_apply(j, rec, err);
	case JOURNAL_VERIFIED:
		verified_apply(j, rec->leaves);
		break;
	}
	return 0;
}

static void header_make(uint64_t size_bytes, struct p2v_buf *out)
{
	struct digest digest;

	p2v_buf_add(out, MAGIC, MAGIC_BYTES);
	p2v_buf_add_be64(out, size_bytes);
	p2v_buf_add_be32(out, BLOCK_GRAIN_BYTES);
	p2v_buf_add_be32(out, 1);
	if (out->failed)
		return;
	block_digest_of(out->data, out->len, &digest);
	p2v_buf_add(out, digest.bytes, sizeof(digest.bytes));
}

/* The header is there, or is written where there is none yet (or one that a crash cut short). */
static int journal_begin(struct journal *j, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf want = {0};
	uint8_t found[HEADER_BYTES];
	ssize_t n = read_some(j->fd, found, sizeof(found), 0);
	int r;

	header_make(j->size_bytes, &want);
	r = p2v_buf_check(&want, err);
	if (r < 0)
		return r;
	if (n < 0)
		return p2v_err_errno(err, errno, "%s: read", j->path);
	j->end = HEADER_BYTES;
	if (n == HEADER_BYTES && memcmp(found, want.data, HEADER_BYTES) == 0)
		return 0;
	if (n == HEADER_BYTES)
		return p2v_err_set(err, P2V_EFORMAT,
			"%s: it is not the journal of a disk of %llu bytes", j->path,
			(unsigned long long)j->size_bytes);
	if (write_all(j->fd, want.data, HEADER_BYTES, 0) < 0 || fsync(j->fd) < 0)
		return p2v_err_errno(err, errno, "%s: write", j->path);
	return 0;
}

/* Reads the records; what follows the last good one is cut off. */
static int journal_replay(struct journal *j, struct p2v_err *err)
{
	p2v_autofree uint8_t *bytes = malloc(RECORD_MAX);
	struct stat st;

	if (!bytes)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	for (;;) {
		ssize_t n = read_some(j->fd, bytes, RECORD_MAX, j->end);
		struct p2v_rd rd = p2v_rd_init(bytes, n > 0 ? (size_t)n : 0);
		struct record rec;
		const uint8_t *good = bytes;

		if (n < 0)
			return p2v_err_errno(err, errno, "%s: read", j->path);
		while (record_read(j, &rd, &rec)) {
			int r = journal_apply(j, &rec, err);

			if (r < 0)
				return r;
			good = rd.p;
		}
		if (good == bytes)
			break;
		j->end += (uint64_t)(good - bytes);
	}
	/* A whole one keeps its time: recv/disk.h compares it with the image's. */
	if (fstat(j->fd, &st) == 0 && st.st_size == (off_t)j->end)
		return 0;
	if (ftruncate(j->fd, (off_t)j->end) < 0)
		return p2v_err_errno(err, errno, "%s: truncate", j->path);
	return 0;
}

/* Without a name, so that a killed receiver leaves nothing behind. */
static int leaves_open(struct journal *j, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_strf("%s.leaves.XXXXXX", j->path);

	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	j->leaves_fd = mkostemp(path, O_CLOEXEC);
	if (j->leaves_fd < 0)
		return p2v_err_errno(err, errno, "%s", path);
	unlink(path);
	if (ftruncate(j->leaves_fd, (off_t)(block_grains(j->size_bytes) * LEAF_BYTES)) < 0)
		return p2v_err_errno(err, errno, "%s", path);
	return 0;
}

static int journal_open(const char *path, uint64_t size_bytes, bool leaves, struct journal **ret,
	struct p2v_err *err)
{
	p2v_auto(recv_journal_free) struct journal *j = calloc(1, sizeof(*j));
	uint64_t grains = block_grains(size_bytes);
	int r;

	if (!j)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	pthread_mutex_init(&j->lock, NULL);
	pthread_mutex_init(&j->commit_lock, NULL);
	j->size_bytes = size_bytes;
	j->leaves_fd = -1;
	j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (j->fd < 0)
		return p2v_err_errno(err, errno, "%s", path);
	j->path = strdup(path);
	if (!j->path)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	r = block_bitmap_init(&j->durable, grains, err);
	if (r == 0)
		r = block_bitmap_init(&j->data, grains, err);
	if (r == 0)
		r = block_bitmap_init(&j->unproved, grains, err);
	if (r == 0 && leaves)
		r = leaves_open(j, err);
	if (r == 0) {
		block_bitmap_set_range(&j->unproved, 0, grains);
		r = journal_begin(j, err);
	}
	if (r == 0)
		r = journal_replay(j, err);
	if (r < 0)
		return r;
	*ret = p2v_steal(j);
	return 0;
}

int recv_journal_open(
	const char *path, uint64_t size_bytes, struct journal **ret, struct p2v_err *err)
{
	return journal_open(path, size_bytes, true, ret, err);
}

int recv_journal_look(
	const char *path, uint64_t size_bytes, struct journal **ret, struct p2v_err *err)
{
	return journal_open(path, size_bytes, false, ret, err);
}

void recv_journal_free(struct journal *j)
{
	if (!j)
		return;
	if (j->fd >= 0)
		close(j->fd);
	if (j->leaves_fd >= 0)
		close(j->leaves_fd);
	block_bitmap_finish(&j->durable);
	block_bitmap_finish(&j->data);
	block_bitmap_finish(&j->unproved);
	p2v_buf_finish(&j->pending);
	p2v_buf_finish(&j->bad);
	pthread_mutex_destroy(&j->lock);
	pthread_mutex_destroy(&j->commit_lock);
	free(j->path);
	free(j);
}

/* n_leaves times 16 bytes follow the head. */
static int record_add(struct journal *j, const struct record *rec, struct p2v_err *err)
{
	size_t begin = j->pending.len;
	struct digest digest;

	if (!record_ok(j, rec))
		return p2v_err_set(err, P2V_EINVAL, "%s: a record of %llu+%llu cannot be", j->path,
			(unsigned long long)rec->first, (unsigned long long)rec->count);
	p2v_buf_add_u8(&j->pending, (uint8_t)rec->kind);
	p2v_buf_add_zeros(&j->pending, 3);
	p2v_buf_add_be32(&j->pending, rec->n_leaves);
	p2v_buf_add_be64(&j->pending, rec->first);
	p2v_buf_add_be64(&j->pending, rec->count);
	p2v_buf_add(&j->pending, rec->leaves, (size_t)rec->n_leaves * LEAF_BYTES);
	if (j->pending.failed)
		return p2v_buf_check(&j->pending, err);
	block_digest_of(j->pending.data + begin, j->pending.len - begin, &digest);
	p2v_buf_add(&j->pending, digest.bytes, sizeof(digest.bytes));
	return p2v_buf_check(&j->pending, err);
}

int recv_journal_add(struct journal *j, enum journal_kind kind, uint64_t first, uint64_t count,
	const uint8_t *leaves, struct p2v_err *err)
{
	struct record rec = {kind, 0, first, count, leaves};
	int r;

	if (kind == JOURNAL_DATA)
		rec.n_leaves = (uint32_t)p2v_min_u64(count, UINT32_MAX);
	pthread_mutex_lock(&j->lock);
	r = record_add(j, &rec, err);
	pthread_mutex_unlock(&j->lock);
	return r;
}

int recv_journal_add_verified(
	struct journal *j, const struct journal_verified *verified, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf body = {0};
	struct record rec = {JOURNAL_VERIFIED, VERIFIED_LEAVES, 0, 0, NULL};
	int r;

	p2v_buf_add(&body, verified->root.bytes, LEAF_BYTES);
	p2v_buf_add_be64(&body, verified->read_bytes);
	p2v_buf_add_be64(&body, verified->sent_bytes);
	p2v_buf_add_be64(&body, verified->zero_bytes);
	p2v_buf_add_be64(&body, verified->free_bytes);
	rec.leaves = body.data;
	if (body.failed)
		return p2v_buf_check(&body, err);
	pthread_mutex_lock(&j->lock);
	r = record_add(j, &rec, err);
	pthread_mutex_unlock(&j->lock);
	return r;
}

uint64_t recv_journal_pending(struct journal *j)
{
	uint64_t n;

	pthread_mutex_lock(&j->lock);
	n = j->pending.len;
	pthread_mutex_unlock(&j->lock);
	return n;
}

/* Where in the file the last of the pending records will end. */
uint64_t recv_journal_mark(struct journal *j)
{
	uint64_t mark;

	pthread_mutex_lock(&j->lock);
	mark = j->end + j->pending.len;
	pthread_mutex_unlock(&j->lock);
	return mark;
}

/* What the first n bytes of the pending records say is so from now on. Needs the lock. */
static int pending_apply(struct journal *j, size_t n, struct p2v_err *err)
{
	struct p2v_rd rd = p2v_rd_init(j->pending.data, n);
	struct record rec;
	int r = 0;

	j->end += n;
	while (r == 0 && rd.left > 0 && record_read(j, &rd, &rec))
		r = journal_apply(j, &rec, err);
	memmove(j->pending.data, j->pending.data + n, j->pending.len - n);
	j->pending.len -= n;
	return r;
}

/* Others add and ask while the disk is waited for. Needs the commit lock. */
static int journal_write(struct journal *j, uint64_t mark, struct p2v_err *err)
{
	bool ok = true;
	size_t n;
	int r = 0;

	pthread_mutex_lock(&j->lock);
	n = mark > j->end ? p2v_min_u64(mark - j->end, j->pending.len) : 0;
	ok = write_all(j->fd, j->pending.data, n, j->end) == 0;
	pthread_mutex_unlock(&j->lock);
	if (!ok || (n && fdatasync(j->fd) < 0))
		return p2v_err_errno(err, errno, "%s: write", j->path);
	pthread_mutex_lock(&j->lock);
	if (n)
		r = pending_apply(j, n, err);
	pthread_mutex_unlock(&j->lock);
	return r;
}

int recv_journal_commit(struct journal *j, uint64_t mark, struct p2v_err *err)
{
	int r;

	pthread_mutex_lock(&j->commit_lock);
	r = journal_write(j, mark, err);
	pthread_mutex_unlock(&j->commit_lock);
	return r;
}

uint64_t recv_journal_grains(const struct journal *j)
{
	return j->durable.n_bits;
}

uint64_t recv_journal_durable(struct journal *j)
{
	uint64_t n;

	pthread_mutex_lock(&j->lock);
	n = j->durable.n_set;
	pthread_mutex_unlock(&j->lock);
	return n;
}

/* Needs the lock. The leaves of a run lie together: one read for all that has content. */
static int leaves_read(struct journal *j, uint64_t first, size_t n, bool *ret_durable,
	struct digest *ret_leaves, struct p2v_err *err)
{
	_Static_assert(sizeof(struct digest) == LEAF_BYTES, "a leaf as it lies in the file");
	size_t from = n, to = 0;

	for (size_t i = 0; i < n; i++) {
		ret_durable[i] = block_bitmap_test(&j->durable, first + i);
		if (!ret_durable[i] || !block_bitmap_test(&j->data, first + i))
			continue;
		from = from == n ? i : from;
		to = i + 1;
	}
	if (from < to && read_some(j->leaves_fd, ret_leaves + from, (to - from) * LEAF_BYTES,
				 (first + from) * LEAF_BYTES) < (ssize_t)((to - from) * LEAF_BYTES))
		return p2v_err_errno(err, errno, "%s: leaves", j->path);
	for (size_t i = 0; i < n; i++)
		if (!ret_durable[i] || !block_bitmap_test(&j->data, first + i))
			ret_leaves[i] = (struct digest){0};
	return 0;
}

int recv_journal_leaves(struct journal *j, uint64_t first, size_t n, bool *ret_durable,
	struct digest *ret_leaves, struct p2v_err *err)
{
	int r;

	pthread_mutex_lock(&j->lock);
	r = leaves_read(j, first, n, ret_durable, ret_leaves, err);
	pthread_mutex_unlock(&j->lock);
	return r;
}

int recv_journal_leaf(struct journal *j, uint64_t grain, bool *ret_durable, struct digest *ret_leaf,
	struct p2v_err *err)
{
	struct digest leaf;
	bool durable;
	int r = recv_journal_leaves(j, grain, 1, &durable, &leaf, err);

	if (r < 0)
		return r;
	*ret_durable = durable;
	*ret_leaf = leaf;
	return 0;
}

uint64_t recv_journal_missed(struct journal *j)
{
	uint64_t n;

	pthread_mutex_lock(&j->lock);
	n = j->missed;
	pthread_mutex_unlock(&j->lock);
	return n;
}

int recv_journal_prove(struct journal *j, uint64_t first, size_t n, const struct digest *found,
	uint64_t as_of, struct p2v_err *err)
{
	int r = 0;

	/* Under the lock as a whole: what is written anew is first missing, then unproved. */
	pthread_mutex_lock(&j->lock);
	for (size_t at = 0, part; r == 0 && j->missed == as_of && at < n; at += part) {
		struct digest want[PROVE_BATCH];
		bool durable[PROVE_BATCH];

		part = p2v_min_u64(n - at, PROVE_BATCH);
		r = leaves_read(j, first + at, part, durable, want, err);
		for (size_t i = 0; r == 0 && i < part; i++)
			if (durable[i] && block_digest_equal(&want[i], &found[at + i]))
				block_bitmap_clear(&j->unproved, first + at + i);
	}
	pthread_mutex_unlock(&j->lock);
	return r;
}

/* The first run at or after from that is set in all three. Needs the lock. */
static bool run_of_all(
	const struct bitmap *const maps[3], uint64_t from, uint64_t *ret_first, uint64_t *ret_n)
{
	uint64_t at = from, end = UINT64_MAX, first, n;

	for (unsigned i = 0; i < 3; i++) {
		if (!block_bitmap_run(maps[i], at, true, &first, &n))
			return false;
		end = p2v_min_u64(end, first + n);
		if (first == at)
			continue;
		/* All of them have to be asked again from there on. */
		at = first;
		end = UINT64_MAX;
		i = UINT32_MAX;
	}
	*ret_first = at;
	*ret_n = end - at;
	return true;
}

bool recv_journal_provable(struct journal *j, uint64_t from, uint64_t *ret_first, uint64_t *ret_n)
{
	const struct bitmap *const maps[] = {&j->unproved, &j->data, &j->durable};
	bool any;

	pthread_mutex_lock(&j->lock);
	any = run_of_all(maps, from, ret_first, ret_n);
	pthread_mutex_unlock(&j->lock);
	return any;
}

bool recv_journal_unproved(struct journal *j, uint64_t from, uint64_t *ret_first, uint64_t *ret_n)
{
	bool any;

	pthread_mutex_lock(&j->lock);
	any = block_bitmap_run(&j->unproved, from, true, ret_first, ret_n);
	pthread_mutex_unlock(&j->lock);
	return any;
}

bool recv_journal_missing(struct journal *j, uint64_t from, uint64_t *ret_first, uint64_t *ret_n)
{
	bool any;

	pthread_mutex_lock(&j->lock);
	any = block_bitmap_run(&j->durable, from, false, ret_first, ret_n);
	pthread_mutex_unlock(&j->lock);
	return any;
}

uint64_t recv_journal_written(const struct journal *j)
{
	return j->written_bytes;
}

unsigned recv_journal_opened(const struct journal *j)
{
	return j->opened;
}

bool recv_journal_verified(const struct journal *j, struct journal_verified *ret)
{
	if (j->is_verified)
		*ret = j->verified;
	return j->is_verified;
}

bool recv_journal_refreshing(const struct journal *j)
{
	return j->is_refreshing;
}

size_t recv_journal_n_bad(const struct journal *j)
{
	return j->bad.len / BAD_BYTES;
}

void recv_journal_bad(const struct journal *j, size_t i, uint64_t *ret_offset, uint64_t *ret_length)
{
	*ret_offset = p2v_get_be64(j->bad.data + BAD_BYTES * i);
	*ret_length = p2v_get_be64(j->bad.data + BAD_BYTES * i + 8);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A disk arrives as it is, or not at all, whatever fails on the way.
 *
 * usage: faults [ROUNDS [SEED]]
 *
 * Each round sends a random disk with the real sender to the real receiver, in this process, over
 * links that deliver short, late, damaged and cut, on one connection or several; from a disk whose
 * n-th read fails, onto an image whose n-th write or flush fails, or that loses power and with it a
 * random part of what was not flushed. After each failure it is started again, as a person would.
 *
 * Always: what the journal calls durable is on the medium, with that digest; and an end without a
 * failure leaves the disk's own bytes. The seed of a round that is wrong is printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/send/send.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/recv/recv.h"

#define GRAIN	      ((uint64_t)BLOCK_GRAIN_BYTES)
#define SECTOR	      512u
#define REPEAT	      4096u /* the unit of repeats */
#define ATTEMPTS_MAX  14    /* the last ones without faults */
#define ATTEMPTS_GOOD 9
#define THREADS_MAX   256
#define HEAD_BYTES    64 /* of a chunk's frame: no digest covers where it goes */

static void die(const char *what)
{
	fprintf(stderr, "faults: %s\n", what);
	abort();
}

/* ---- chance ---- */

static uint64_t next(uint64_t *rng)
{
	*rng ^= *rng << 13, *rng ^= *rng >> 7, *rng ^= *rng << 17;
	return *rng;
}

static uint64_t below(uint64_t *rng, uint64_t n)
{
	return next(rng) % n;
}

static bool chance(uint64_t *rng, unsigned percent)
{
	return below(rng, 100) < percent;
}

/* ---- an image on a medium that can lose what was not flushed ---- */

struct medium {
	pthread_mutex_t lock;
	uint8_t *now, *safe;
	bool *dirty; /* by sector */
	uint64_t size, rng;
	uint64_t calls, cut_at, fail_at; /* the how-manieth write or flush; 0: never */
	int errnum;
	bool off;
};

struct medium_io {
	struct block_io io;
	struct medium *m;
};

static struct medium *medium_of(struct block_io *io)
{
	return ((struct medium_io *)io)->m;
}

static void medium_settle(struct medium *m, unsigned percent)
{
	for (uint64_t s = 0; s * SECTOR < m->size; s++) {
		uint64_t at = s * SECTOR, n = p2v_min_u64(SECTOR, m->size - at);

		if (!m->dirty[s])
			continue;
		if (chance(&m->rng, percent))
			memcpy(m->safe + at, m->now + at, n);
		else
			memcpy(m->now + at, m->safe + at, n);
		m->dirty[s] = false;
	}
}

/* Needs the lock. 0: goes on. */
static int medium_call(struct medium *m, const char *what, struct p2v_err *err)
{
	m->calls++;
	if (!m->off && m->cut_at && m->calls == m->cut_at) {
		medium_settle(m, (unsigned)below(&m->rng, 101));
		m->off = true;
	}
	if (m->off)
		return p2v_err_errno(err, EIO, "%s: no power", what);
	return m->fail_at && m->calls == m->fail_at ? p2v_err_errno(err, m->errnum, "%s", what) : 0;
}

static int medium_pread(
	struct block_io *io, uint64_t offset, void *buf, size_t n, struct p2v_err *err)
{
	struct medium *m = medium_of(io);
	int r = 0;

	pthread_mutex_lock(&m->lock);
	if (m->off)
		r = p2v_err_errno(err, EIO, "read: no power");
	else
		memcpy(buf, m->now + offset, n);
	pthread_mutex_unlock(&m->lock);
	return r;
}

static int medium_pwrite(
	struct block_io *io, uint64_t offset, const void *buf, size_t n, struct p2v_err *err)
{
	struct medium *m = medium_of(io);
	int r;

	pthread_mutex_lock(&m->lock);
	r = medium_call(m, "write", err);
	/* One that fails may have written some. */
	if (r < 0 && !m->off)
		n = (size_t)below(&m->rng, n + 1);
	if (!m->off) {
		memcpy(m->now + offset, buf, n);
		for (uint64_t at = offset; at < offset + n; at++)
			m->dirty[at / SECTOR] = true;
	}
	pthread_mutex_unlock(&m->lock);
	return r;
}

static int medium_flush(struct block_io *io, struct p2v_err *err)
{
	struct medium *m = medium_of(io);
	int r;

	pthread_mutex_lock(&m->lock);
	r = medium_call(m, "flush", err);
	/* After a flush that failed nobody knows what is there. */
	if (!m->off)
		medium_settle(m, r == 0 ? 100 : 50);
	pthread_mutex_unlock(&m->lock);
	return r;
}

static void medium_close(struct block_io *io)
{
	free(io);
}

static const struct block_io_ops medium_ops = {
	.pread = medium_pread,
	.pwrite = medium_pwrite,
	.flush = medium_flush,
	.close = medium_close,
};

static int medium_create(
	void *ctx, const char *path, const char *format, uint64_t size_bytes, struct p2v_err *err)
{
	struct medium *m = ctx;
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)format;
	if (fd < 0)
		return p2v_err_errno(err, errno, "%s", path);
	close(fd);
	if (size_bytes != m->size)
		die("another size");
	memset(m->now, 0, m->size);
	memset(m->safe, 0, m->size);
	return 0;
}

static int medium_open(void *ctx, const char *path, const char *format, bool writable,
	struct block_io **ret, struct p2v_err *err)
{
	struct medium_io *io = calloc(1, sizeof(*io));

	(void)format;
	if (!io)
		die("no memory");
	io->m = ctx;
	if (block_io_setup(&io->io, &medium_ops, path, io->m->size, SECTOR, writable, err) < 0)
		die("no memory");
	*ret = &io->io;
	return 0;
}

/* ---- a link that is short, late, damaged and cut ---- */

struct bad_link {
	struct link link;
	struct link *inner;
	uint64_t read_rng, write_rng;
	unsigned damage_percent, late_percent;
};

static struct bad_link *bad_of(struct link *l)
{
	return (struct bad_link *)l;
}

static void late(uint64_t *rng, unsigned percent)
{
	if (chance(rng, percent))
		usleep((useconds_t)below(rng, 3000));
}

static int bad_read(struct link *l, void *buf, size_t n, size_t *ret_n, struct p2v_err *err)
{
	struct bad_link *b = bad_of(l);

	late(&b->read_rng, b->late_percent);
	return link_read(b->inner, buf, chance(&b->read_rng, 50) ? 1 + below(&b->read_rng, n) : n,
		ret_n, err);
}

static int bad_write(struct link *l, const void *buf, size_t n, struct p2v_err *err)
{
	struct bad_link *b = bad_of(l);
	uint8_t *copy = malloc(n);
	size_t half = (size_t)below(&b->write_rng, n + 1);
	int r;

	if (!copy)
		die("no memory");
	memcpy(copy, buf, n);
	if (n > 2 * HEAD_BYTES && chance(&b->write_rng, b->damage_percent))
		copy[HEAD_BYTES + below(&b->write_rng, n - HEAD_BYTES)] ^=
			(uint8_t)(1u << below(&b->write_rng, 8));
	r = link_write(b->inner, copy, half, err);
	late(&b->write_rng, b->late_percent);
	if (r == 0)
		r = link_write(b->inner, copy + half, n - half, err);
	free(copy);
	return r;
}

static int bad_wait(struct link *l, int timeout_ms, struct p2v_err *err)
{
	return bad_of(l)->inner->ops->wait(bad_of(l)->inner, timeout_ms, err);
}

static int bad_shutdown(struct link *l, struct p2v_err *err)
{
	return link_shutdown_write(bad_of(l)->inner, err);
}

static void bad_cancel(struct link *l)
{
	link_cancel(bad_of(l)->inner);
}

static void bad_close(struct link *l)
{
	link_free(bad_of(l)->inner);
	free(l);
}

static const struct link_ops bad_ops = {
	.read = bad_read,
	.write = bad_write,
	.wait = bad_wait,
	.shutdown_write = bad_shutdown,
	.cancel = bad_cancel,
	.close = bad_close,
};

/* ---- the world of one round ---- */

struct receiver {
	pthread_t thread;
	struct recv_spec spec;
	struct link *link;
};

struct world {
	uint64_t rng;
	char *base;
	uint8_t *disk; /* what has to arrive */
	uint64_t size;
	struct extent_list extents;
	struct machine_disk noun;
	struct machine machine;
	struct medium medium;
	struct recv_images images;
	/* of one attempt */
	bool faults;
	unsigned cut_percent;
	pthread_mutex_t lock;
	struct receiver receivers[THREADS_MAX];
	size_t n_receivers;
};

static unsigned n_cut, n_power, n_failed, n_damage, n_ok, n_attempts, n_streams;

static void *receive(void *arg)
{
	struct receiver *rx = arg;

	recv_run(&rx->spec, rx->link, NULL);
	link_free(rx->link);
	return NULL;
}

static int world_connect(void *ctx, struct link **ret, struct p2v_err *err)
{
	struct link_pair_cut cut = {UINT64_MAX, UINT64_MAX};
	struct bad_link *bad = calloc(1, sizeof(*bad));
	struct world *w = ctx;
	struct receiver *rx;

	pthread_mutex_lock(&w->lock);
	if (!bad || w->n_receivers == THREADS_MAX ||
		link_setup(&bad->link, &bad_ops, "bad", err) < 0)
		die("no memory");
	rx = &w->receivers[w->n_receivers++];
	bad->read_rng = next(&w->rng);
	bad->write_rng = next(&w->rng);
	if (w->faults && chance(&w->rng, w->cut_percent)) {
		cut.a_to_b_bytes = below(&w->rng, w->size / 3 + 4096);
		n_cut++;
	}
	if (w->faults && chance(&w->rng, 5))
		cut.b_to_a_bytes = below(&w->rng, 3000);
	if (w->faults && chance(&w->rng, 15)) {
		bad->damage_percent = 1 + (unsigned)below(&w->rng, 20);
		n_damage++;
	}
	bad->late_percent = chance(&w->rng, 30) ? 20 : 0;
	if (link_pair_new(&cut, &bad->inner, &rx->link, err) < 0)
		die("no pair");
	rx->spec = (struct recv_spec){.base = w->base, .format = "raw", .images = &w->images};
	if (pthread_create(&rx->thread, NULL, receive, rx) != 0)
		die("no thread");
	pthread_mutex_unlock(&w->lock);
	*ret = &bad->link;
	return 0;
}

/* What is read is not what is safe; but nothing is proved that was not read. */
static bool medium_direct(const char *path)
{
	(void)path;
	return true;
}

static void world_paint(struct world *w)
{
	for (uint64_t at = 0, n; at < w->size; at += n) {
		static const enum extent_kind kinds[] = {
			EXTENT_USED, EXTENT_USED, EXTENT_USED, EXTENT_ZERO, EXTENT_FREE};
		enum extent_kind kind = kinds[below(&w->rng, P2V_N(kinds))];
		unsigned how = (unsigned)below(&w->rng, 4);
		uint64_t from; /* of a repeat */

		n = p2v_min_u64((1 + below(&w->rng, 30)) * GRAIN, w->size - at);
		from = at > n ? below(&w->rng, (at - n) / REPEAT + 1) * REPEAT : 0;
		if (block_extents_set(&w->extents, at, n, kind, NULL) < 0)
			die("extents");
		for (uint64_t i = at; kind == EXTENT_USED && i < at + n; i++)
			w->disk[i] = how == 0	? (uint8_t)next(&w->rng)
				     : how == 1 ? (uint8_t)(i % 61)
				     : how == 2 ? w->disk[from + (i - at)]
						: 0;
	}
}

static void world_init(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	w->size = (1 + below(&w->rng, 300)) * GRAIN + below(&w->rng, 3) * SECTOR;
	w->disk = calloc(1, w->size);
	w->medium = (struct medium){.now = calloc(1, w->size),
		.safe = calloc(1, w->size),
		.dirty = calloc(w->size / SECTOR + 1, sizeof(bool)),
		.size = w->size,
		.rng = next(&w->rng)};
	pthread_mutex_init(&w->lock, NULL);
	pthread_mutex_init(&w->medium.lock, NULL);
	w->images = (struct recv_images){medium_create, medium_open, &w->medium, medium_direct};
	if (p2v_dir_temp("faults", &w->base, NULL) < 0 ||
		block_extents_init(&w->extents, w->size, NULL) < 0)
		die("no directory");
	world_paint(w);
	w->noun = (struct machine_disk){
		.id = strdup("disk0"), .path = strdup("/dev/sda"), .size_bytes = w->size};
	w->machine = (struct machine){.version = 1,
		.name = strdup("web01"),
		.firmware = strdup("bios"),
		.memory_bytes = P2V_GIB,
		.disks = &w->noun,
		.n_disks = 1};
}

static void world_finish(struct world *w)
{
	p2v_dir_remove(w->base);
	free(w->base);
	free(w->disk);
	free(w->medium.now);
	free(w->medium.safe);
	free(w->medium.dirty);
	block_extents_finish(&w->extents);
	free(w->noun.id);
	free(w->noun.path);
	free(w->machine.name);
	free(w->machine.firmware);
}

/* The source of one attempt: the disk, some of whose reads fail. */
static struct block_io *source_new(struct world *w)
{
	struct block_io_faults faults = {.errnum = EIO};
	struct block_io *inner, *io;

	if (block_io_memory_new("/dev/sda", w->size, &inner, NULL) < 0)
		die("no memory");
	memcpy(block_io_memory_bytes(inner), w->disk, w->size);
	if (w->faults && chance(&w->rng, 15))
		faults.nth_read = 1 + below(&w->rng, 20);
	if (block_io_fault_new(inner, &faults, &io, NULL) < 0)
		die("no memory");
	return io;
}

static void medium_faults(struct world *w)
{
	struct medium *m = &w->medium;
	uint64_t calls = 4 + w->size / P2V_MIB;

	m->calls = m->cut_at = m->fail_at = 0;
	m->off = false;
	if (!w->faults)
		return;
	if (chance(&w->rng, 35)) {
		m->cut_at = 1 + below(&w->rng, calls);
	} else if (chance(&w->rng, 25)) {
		m->fail_at = 1 + below(&w->rng, calls);
		m->errnum = chance(&w->rng, 50) ? EIO : ENOSPC;
	}
}

static char *journal_path(const struct world *w)
{
	return p2v_strf("%s/web01/image/disk0.journal", w->base);
}

/* The record that was being written when the power went. */
static void journal_tear(struct world *w)
{
	p2v_autofree char *path = journal_path(w);
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	uint8_t waste[60];

	for (size_t i = 0; i < sizeof(waste); i++)
		waste[i] = (uint8_t)next(&w->rng);
	if (fd >= 0 && write(fd, waste, below(&w->rng, sizeof(waste))) < 0)
		die("cannot tear the journal");
	if (fd >= 0)
		close(fd);
}

/* What the journal promises is on the medium. */
static const char *journal_check(const struct world *w)
{
	p2v_autofree char *path = journal_path(w);
	p2v_auto(recv_journal_free) struct journal *j = NULL;
	struct digest said, is;
	bool durable;

	if (!p2v_file_exists(path))
		return NULL;
	if (recv_journal_open(path, w->size, &j, NULL) < 0)
		return "the journal cannot be opened";
	for (uint64_t i = 0; i < recv_journal_grains(j); i++) {
		if (recv_journal_leaf(j, i, &durable, &said, NULL) < 0)
			return "the journal cannot be read";
		block_digest_leaf(
			w->medium.safe + i * GRAIN, p2v_min_u64(GRAIN, w->size - i * GRAIN), &is);
		if (durable && !block_digest_equal(&said, &is))
			return "a grain that is called durable is not";
	}
	return NULL;
}

/* One run of the agent. */
static int attempt(struct world *w, struct p2v_err *err)
{
	struct block_io *io = source_new(w);
	const struct send_disk source = {io, &w->extents};
	const struct send_spec spec = {.connect = world_connect,
		.connect_ctx = w,
		.machine = &w->machine,
		.disks = &source,
		.compress = {1, true},
		.streams = 1 + (unsigned)below(&w->rng, 3),
		.n_workers = 2};
	struct send_result result = {0};
	int r;

	medium_faults(w);
	w->cut_percent = (unsigned)below(&w->rng, 60);
	r = send_run(&spec, &result, err);
	for (size_t i = 0; i < w->n_receivers; i++)
		pthread_join(w->receivers[i].thread, NULL);
	w->n_receivers = 0;
	n_streams += result.streams.most > 1;
	send_result_finish(&result);
	block_io_free(io);
	n_attempts++;
	n_power += w->medium.off;
	/* Only the last word was lost. */
	if (r == P2V_EREFUSED && strstr(err->text, "was copied before"))
		r = 0;
	n_failed += r < 0;
	n_ok += r == 0;
	if (w->medium.off && chance(&w->rng, 50))
		journal_tear(w);
	return r;
}

/* NULL, or what was wrong. */
static const char *round_run(uint64_t seed)
{
	struct world *w = malloc(sizeof(*w));
	struct p2v_err err = {0};
	const char *wrong = NULL;
	int r = -1;

	if (!w)
		die("no memory");
	world_init(w, seed);
	for (unsigned i = 0; r < 0 && !wrong && i < ATTEMPTS_MAX; i++) {
		w->faults = i < ATTEMPTS_GOOD;
		p2v_err_clear(&err);
		r = attempt(w, &err);
		wrong = journal_check(w);
	}
	if (!wrong && r < 0) {
		fprintf(stderr, "%s\n", err.text);
		wrong = "it never arrives";
	}
	if (!wrong && memcmp(w->medium.safe, w->disk, w->size) != 0)
		wrong = "another disk has arrived";
	world_finish(w);
	free(w);
	return wrong;
}

int main(int argc, char **argv)
{
	uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 60;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : p2v_now_ms() % 1000000;
	int failed = 0;

	printf("faults: %llu rounds from seed %llu\n", (unsigned long long)rounds,
		(unsigned long long)seed);
	for (uint64_t i = 0; i < rounds; i++) {
		const char *wrong = round_run(seed + i);

		if (!wrong)
			continue;
		failed = 1;
		printf("FAIL: %s: faults 1 %llu\n", wrong, (unsigned long long)(seed + i));
	}
	printf("faults: %u attempts, %u failed and %u arrived; %u lines cut, %u damaging, power "
	       "lost "
	       "%u times, several connections in %u\n",
		n_attempts, n_failed, n_ok, n_cut, n_damage, n_power, n_streams);
	return failed;
}

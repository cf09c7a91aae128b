/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>
#include <errno.h>
#include <signal.h>

#include "agent/send/send.h"
#include "p2v/core/num.h"
#include "p2v/core/stop.h"
#include "receiver.h"

#define DISK_BYTES (9 * P2V_MIB + 123 * 512)
#define GRAIN	   BLOCK_GRAIN_BYTES

/* A machine with one disk in memory, and a receiver for it. */
struct scene {
	struct receiver rx;
	struct block_io *disk;
	struct extent_list extents;
	struct machine_disk noun_disk;
	struct machine machine;
	struct send_disk source;
	struct send_spec spec;
	struct send_result result;
	struct p2v_err err;
};

/* A little of everything: noise, text that shrinks, zeros. */
static void disk_paint(uint8_t *bytes, uint64_t n, unsigned seed)
{
	uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (uint64_t at = 0; at < n; at++) {
		unsigned kind = (unsigned)((at / (3 * GRAIN)) % 3);

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		bytes[at] = kind == 0 ? (uint8_t)x : kind == 1 ? (uint8_t)(at % 61 + seed) : 0;
	}
}

static struct scene *scene_new_sized(uint64_t size)
{
	struct scene *s = calloc(1, sizeof(*s));

	assert_int_equal(block_io_memory_new("/dev/sda", size, &s->disk, NULL), 0);
	assert_int_equal(block_extents_init(&s->extents, size, NULL), 0);
	disk_paint(block_io_memory_bytes(s->disk), size, 1);
	receiver_init(&s->rx, size);
	s->noun_disk = (struct machine_disk){
		.id = strdup("disk0"), .path = strdup("/dev/sda"), .size_bytes = size};
	s->machine = (struct machine){.version = 1,
		.name = strdup("web01"),
		.firmware = strdup("bios"),
		.memory_bytes = P2V_GIB,
		.disks = &s->noun_disk,
		.n_disks = 1};
	s->source = (struct send_disk){s->disk, &s->extents};
	s->spec = (struct send_spec){.connect = receiver_connect,
		.connect_ctx = &s->rx,
		.machine = &s->machine,
		.disks = &s->source,
		.compress = {1, true},
		.retry_for_ms = 20000,
		.streams = 1,
		.n_workers = 3};
	return s;
}

static struct scene *scene_new(void)
{
	return scene_new_sized(DISK_BYTES);
}

/* One whose disk fails so. */
static struct scene *scene_new_failing(const struct block_io_faults *faults)
{
	struct scene *s = scene_new();

	assert_int_equal(block_io_fault_new(s->disk, faults, &s->disk, NULL), 0);
	s->source.io = s->disk;
	return s;
}

static int scene_run(struct scene *s)
{
	int r = send_run(&s->spec, &s->result, &s->err);

	receiver_join(&s->rx);
	return r;
}

static void scene_free(struct scene *s)
{
	send_result_finish(&s->result);
	receiver_finish(&s->rx);
	block_extents_finish(&s->extents);
	block_io_free(s->disk);
	free(s->noun_disk.id);
	free(s->noun_disk.path);
	free(s->machine.name);
	free(s->machine.firmware);
	free(s);
}

static void assert_same_disk(const struct scene *s)
{
	struct digest root;

	assert_memory_equal(s->rx.image, block_io_memory_bytes(s->disk), s->rx.size);
	assert_int_equal(block_io_digest(s->disk, NULL, NULL, &root, NULL), 0);
	assert_true(block_digest_equal(&root, &s->result.disks[0].root));
	assert_true(s->result.disks[0].verified);
}

static void test_disk_arrives(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	assert_int_equal(scene_run(s), 0);
	assert_same_disk(s);
	assert_string_equal(s->result.job, "job-7");
	assert_int_equal(s->result.connections, 1);
	assert_int_equal(s->result.disks[0].read_bytes, DISK_BYTES);
	assert_int_equal(s->rx.done.read, DISK_BYTES);
	assert_true(s->rx.done.sent < DISK_BYTES);
	assert_non_null(strstr(s->rx.inventory, "\"web01\""));
	scene_free(s);
}

static void test_sizes(void **state)
{
	static const uint64_t sizes[] = {
		512, GRAIN - 512, GRAIN, GRAIN + 512, P2V_MIB, P2V_MIB + 512, 3 * P2V_MIB - 512};

	(void)state;
	for (size_t i = 0; i < P2V_N(sizes); i++) {
		struct scene *s = scene_new_sized(sizes[i]);

		assert_int_equal(scene_run(s), 0);
		assert_same_disk(s);
		scene_free(s);
	}
}

static void test_zero_and_free_are_not_read(void **state)
{
	struct scene *s = scene_new();
	uint8_t *bytes = block_io_memory_bytes(s->disk);

	(void)state;
	memset(bytes + P2V_MIB, 0, P2V_MIB);
	block_extents_set(&s->extents, P2V_MIB, P2V_MIB, EXTENT_ZERO, NULL);
	block_extents_set(&s->extents, 4 * P2V_MIB, 2 * P2V_MIB, EXTENT_FREE, NULL);
	assert_int_equal(scene_run(s), 0);
	/* What was free reads as zero at the far end, and counts so in the root. */
	memset(bytes + 4 * P2V_MIB, 0, 2 * P2V_MIB);
	assert_same_disk(s);
	assert_int_equal(s->result.disks[0].read_bytes, DISK_BYTES - 3 * P2V_MIB);
	assert_int_equal(s->result.disks[0].free_bytes, 2 * P2V_MIB);
	assert_int_equal(s->rx.free_chunks, 1);
	scene_free(s);
}

/* Whatever byte the cable breaks at, the disk arrives, and what was durable is not sent again. */
static void test_cut_and_resume(void **state)
{
	static const uint64_t cuts[] = {5, 200, 300000, 5000000};

	(void)state;
	for (size_t i = 0; i < P2V_N(cuts); i++) {
		struct scene *s = scene_new();

		s->spec.compress = (struct send_compress){-1000, false};
		s->rx.durable_every = 2;
		s->rx.n_cuts = 1;
		s->rx.cuts[0] = (struct link_pair_cut){cuts[i], UINT64_MAX};
		assert_int_equal(scene_run(s), 0);
		assert_same_disk(s);
		assert_int_equal(s->result.connections, 2);
		assert_int_equal(s->rx.again_durable, 0);
		if (cuts[i] == 5000000)
			assert_true(s->result.disks[0].kept_bytes > 0);
		scene_free(s);
	}
}

static void test_cut_on_the_way_back(void **state)
{
	static const uint64_t cuts[] = {3, 60, 250, 420};
	struct scene *s = scene_new();

	(void)state;
	s->rx.n_cuts = P2V_N(cuts);
	for (size_t i = 0; i < P2V_N(cuts); i++)
		s->rx.cuts[i] = (struct link_pair_cut){UINT64_MAX, cuts[i]};
	s->rx.durable_every = 1;
	assert_int_equal(scene_run(s), 0);
	assert_same_disk(s);
	assert_true(s->result.connections > 3);
	assert_int_equal(s->rx.again_durable, 0);
	scene_free(s);
}

/* Any disk, any map, any order of workers, a cut anywhere: what is used arrives byte for byte. */
static void random_once(unsigned seed)
{
	uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	struct scene *s = scene_new_sized((x >> 40) % (12 * P2V_MIB / 512) * 512 + 512);
	uint8_t *bytes = block_io_memory_bytes(s->disk);

	disk_paint(bytes, s->rx.size, seed);
	for (int i = 0; i < 24; i++) {
		uint64_t at, len, unit = i < 12 ? GRAIN : 4096;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		at = x % (s->rx.size / unit + 1) * unit;
		at = at < s->rx.size ? at : 0;
		len = p2v_min_u64((x >> 32) % 40 * unit, s->rx.size - at);
		block_extents_set(&s->extents, at, len, i % 2 ? EXTENT_FREE : EXTENT_USED, NULL);
	}
	s->spec.n_workers = seed % 5 + 1;
	s->spec.compress = (struct send_compress){seed % 2 ? 3 : -1000, seed % 3 == 0};
	s->rx.durable_every = seed % 3 + 1;
	s->rx.resend_chunk = seed % 4 ? 0 : x % 6;
	s->rx.n_cuts = seed % 6 == 0;
	s->rx.cuts[0] = (struct link_pair_cut){x % s->rx.size, UINT64_MAX};
	assert_int_equal(scene_run(s), 0);
	for (struct extent e = block_extents_at(&s->extents, 0, s->rx.size); e.length_bytes;
		e = block_extents_next(&s->extents, e, s->rx.size))
		if (e.kind == EXTENT_FREE)
			memset(bytes + e.offset_bytes, 0, e.length_bytes);
	assert_same_disk(s);
	scene_free(s);
}

static void test_random_disks(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 40; seed++)
		random_once(seed);
}

/* The source after a while: a byte here, two grains there, one that became zero, free ones. */
static void disk_change(struct scene *s)
{
	uint8_t *bytes = block_io_memory_bytes(s->disk);

	bytes[5] ^= 1;
	memset(bytes + 20 * GRAIN, 'x', 2 * GRAIN);
	memset(bytes + 37 * GRAIN, 0, GRAIN);
	memset(bytes + 60 * GRAIN, 0, 8 * GRAIN);
	bytes[s->rx.size - 1] ^= 1;
	assert_int_equal(
		block_extents_set(&s->extents, 60 * GRAIN, 8 * GRAIN, EXTENT_FREE, NULL), 0);
}

/* A second pass sends the grains that differ, over any number of connections. */
static void refresh_with_cuts(unsigned n_cuts)
{
	struct scene *s = scene_new();
	unsigned before;

	assert_int_equal(scene_run(s), 0);
	send_result_finish(&s->result);
	disk_change(s);
	before = s->rx.connections;
	s->rx.data_bytes = s->rx.free_chunks = s->rx.zero_chunks = 0;
	s->rx.n_cuts = before + n_cuts;
	for (unsigned i = before; i < s->rx.n_cuts; i++)
		s->rx.cuts[i] =
			(struct link_pair_cut){30000 + 60000 * (uint64_t)(i - before), UINT64_MAX};
	s->rx.durable_every = 1;
	s->spec.refresh = true;
	assert_int_equal(scene_run(s), 0);
	assert_same_disk(s);
	assert_int_equal(s->rx.pass, WIRE_PASS_REFRESH);
	assert_int_equal(s->rx.connections - before, n_cuts + 1);
	assert_int_equal(s->rx.free_chunks, 1);
	assert_int_equal(s->rx.zero_chunks, 1);
	assert_int_equal(s->rx.data_bytes, 3 * GRAIN + 123 * 512 % GRAIN);
	if (n_cuts == 0)
		assert_int_equal(s->result.disks[0].read_bytes, DISK_BYTES - 8 * GRAIN);
	scene_free(s);
}

static void test_refresh(void **state)
{
	(void)state;
	for (unsigned cuts = 0; cuts < 3; cuts++)
		refresh_with_cuts(cuts);
}

/* Asked before each piece: the receiver's answers come in time, whatever the load here. */
static bool slow_down(void *ctx)
{
	(void)ctx;
	p2v_sleep_ms(40);
	return false;
}

/* What an earlier run has sent may be of another time (the machine was started in between): the
 * result is the disk as it is now, and what is the same is not sent again. */
static void continued_with_cuts(unsigned n_cuts)
{
	struct scene *s = scene_new_sized(40 * P2V_MIB);
	uint8_t *bytes = block_io_memory_bytes(s->disk);
	unsigned before;

	s->rx.durable_every = 1;
	s->rx.cancel_after = 36;
	assert_int_equal(scene_run(s), P2V_ECANCELED);
	s->rx.cancel_after = 0;
	s->spec.paused = slow_down;
	for (unsigned i = 0; i < 2; i++)
		disk_paint(bytes + 29 * P2V_MIB * i, GRAIN, 77);
	before = s->rx.connections;
	s->rx.n_cuts = before + n_cuts;
	/* Where the second of the two is sent. */
	if (n_cuts)
		s->rx.cuts[before] = (struct link_pair_cut){100000, UINT64_MAX};
	s->rx.data_bytes = 0;
	assert_int_equal(scene_run(s), 0);
	assert_same_disk(s);
	assert_int_equal(s->result.connections, n_cuts + 1);
	assert_true(s->result.disks[0].kept_bytes >= 30 * P2V_MIB);
	assert_true(s->rx.data_bytes < 8 * P2V_MIB);
	/* What was compared before the link was lost is not read once more. */
	assert_true(s->result.disks[0].read_bytes <= (40 + n_cuts * 20) * P2V_MIB);
	scene_free(s);
}

static void test_continued_is_compared(void **state)
{
	(void)state;
	for (unsigned cuts = 0; cuts < 2; cuts++)
		continued_with_cuts(cuts);
}

/* So is a disk that an earlier run was done with, where the job was not. */
static void test_verified_another_day(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	assert_int_equal(scene_run(s), 0);
	send_result_finish(&s->result);
	disk_change(s);
	s->rx.finished = false;
	s->rx.unwanted = true;
	s->rx.data_bytes = 0;
	assert_int_equal(scene_run(s), 0);
	assert_same_disk(s);
	assert_int_equal(s->rx.pass, WIRE_PASS_REFRESH);
	assert_int_equal(s->rx.data_bytes, 3 * GRAIN + 123 * 512 % GRAIN);
	scene_free(s);
}

static void test_refresh_of_nothing(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	s->spec.refresh = true;
	assert_int_equal(scene_run(s), 0);
	assert_same_disk(s);
	s->rx.chunks = 0;
	send_result_finish(&s->result);
	assert_int_equal(scene_run(s), 0);
	assert_same_disk(s);
	assert_int_equal(s->rx.chunks, 0);
	scene_free(s);
}

static void test_finished_wants_refresh(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	assert_int_equal(scene_run(s), 0);
	send_result_finish(&s->result);
	s->rx.chunks = 0;
	assert_int_equal(scene_run(s), P2V_EREFUSED);
	assert_non_null(strstr(s->err.text, "--refresh"));
	assert_int_equal(s->rx.chunks, 0);
	assert_true(s->rx.cancel_seen);
	s->rx.features = WIRE_FEATURE_ZSTD | WIRE_FEATURE_RESUME;
	s->spec.refresh = true;
	assert_int_equal(scene_run(s), P2V_EUNSUPPORTED);
	scene_free(s);
}

static void test_gives_up(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	s->spec.retry_for_ms = 1;
	s->rx.n_cuts = 1;
	s->rx.cuts[0] = (struct link_pair_cut){1500000, UINT64_MAX};
	assert_int_equal(scene_run(s), P2V_ELINK);
	assert_non_null(strstr(s->err.text, "gave up"));
	assert_non_null(strstr(s->err.text, "to continue"));
	scene_free(s);
}

/* Rejected, and changed on the source in the meantime: the root is still what the image holds. */
static void test_resend(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	s->rx.resend_chunk = 3;
	assert_int_equal(scene_run(s), 0);
	assert_same_disk(s);
	assert_true(s->result.disks[0].kept_bytes > 0);
	scene_free(s);
}

static void test_mismatch(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	s->rx.mismatch_rounds = 2;
	assert_int_equal(scene_run(s), 0);
	assert_same_disk(s);
	scene_free(s);
}

static void test_mismatch_for_ever(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	s->rx.mismatch_rounds = 1000;
	assert_int_equal(scene_run(s), P2V_EIO);
	assert_non_null(strstr(s->err.text, "/dev/sda"));
	assert_true(s->rx.error_seen);
	scene_free(s);
}

static void test_window_is_kept(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	s->rx.hold_taken = true;
	s->rx.window = 3u << 20;
	assert_int_equal(scene_run(s), 0);
	assert_same_disk(s);
	assert_true(s->rx.window_seen <= 3 * P2V_MIB);
	assert_true(s->rx.window_seen > P2V_MIB);
	scene_free(s);
}

static void test_pull_comes_first(void **state)
{
	struct scene *s = scene_new_sized(24 * P2V_MIB);

	(void)state;
	/* Seven chunks may be under way when the wish comes; its own turn is 2 s later. */
	s->spec.limit_bytes_per_second = 4 << 20;
	s->rx.pull_offset = 22 * P2V_MIB;
	s->rx.pull_length = 2 * GRAIN;
	assert_int_equal(scene_run(s), 0);
	assert_same_disk(s);
	assert_in_range(s->rx.pulled_at, 1, 15);
	/* Read twice, as the fold has its own order. */
	assert_int_equal(s->result.disks[0].read_bytes, 24 * P2V_MIB + 2 * GRAIN);
	scene_free(s);
}

static void test_ping_is_answered(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	s->rx.ping = true;
	assert_int_equal(scene_run(s), 0);
	assert_true(s->rx.pong_seen);
	scene_free(s);
}

/* Nothing is closed, and nothing comes any more; the writer is stuck by then. */
static void test_silence(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	s->rx.mute_after = 3;
	assert_int_equal(scene_run(s), 0);
	assert_same_disk(s);
	assert_int_equal(s->rx.connections, 2);
	scene_free(s);
}

static void test_another_version(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	s->rx.version = 2;
	assert_int_equal(scene_run(s), P2V_EUNSUPPORTED);
	assert_non_null(strstr(s->err.text, "chose protocol 2, this agent speaks 1 to 1"));
	assert_int_equal(s->rx.connections, 1);
	scene_free(s);
}

/* Such a receiver takes no data connections: one has to do. */
static void test_no_features(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	s->spec.streams = 4;
	s->rx.features = UINT64_C(1) << 40; /* one that nobody knows */
	s->rx.resend_chunk = 2;
	assert_int_equal(scene_run(s), 0);
	assert_same_disk(s);
	assert_int_equal(s->rx.have_asked, 0);
	assert_true(s->rx.done.sent > 6 * P2V_MIB); /* not compressed */
	scene_free(s);
}

static void test_follow(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	s->spec.follow = true;
	s->rx.features = WIRE_FEATURE_ZSTD | WIRE_FEATURE_RESUME | WIRE_FEATURE_STATUS;
	s->rx.stage = "proven";
	assert_int_equal(scene_run(s), 0);
	assert_string_equal(s->result.server_stage, "proven");
	assert_string_equal(s->result.server_text, "it said so");
	scene_free(s);

	/* A server that knows no STATUS has no more to say. */
	s = scene_new();
	s->spec.follow = true;
	s->rx.features = WIRE_FEATURE_ZSTD;
	assert_int_equal(scene_run(s), 0);
	assert_null(s->result.server_stage);
	scene_free(s);
}

static void test_log(void **state)
{
	char path[] = "/tmp/p2v-test-log-XXXXXX";
	int fd = mkstemp(path);
	struct scene *s = scene_new();

	(void)state;
	assert_true(fd >= 0);
	for (unsigned i = 0; i < 3000; i++)
		dprintf(fd, "line %u of what was done\x1b[31m before\n", i);
	close(fd);
	s->spec.log_file = path;
	assert_int_equal(scene_run(s), 0);
	/* The last ones, whole, without what a terminal would obey. */
	assert_in_range(s->rx.logs, 1000, 2000);
	assert_string_equal(s->rx.log, "line 2999 of what was done?[31m before");
	scene_free(s);
	unlink(path);
}

static void test_far_end_says_no(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	s->rx.refuse = true;
	assert_int_equal(scene_run(s), P2V_EREFUSED);
	assert_non_null(strstr(s->err.text, "not today"));
	scene_free(s);

	s = scene_new();
	s->rx.cancel_after = 3;
	assert_int_equal(scene_run(s), P2V_ECANCELED);
	assert_non_null(strstr(s->err.text, "enough"));
	scene_free(s);
}

/* The server's disk is full: the agent comes again, for as long as it was told, and goes on once
 * there is room. */
static void test_far_disk_is_full(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	s->rx.error_after = 3;
	assert_int_equal(scene_run(s), 0);
	assert_int_equal(s->rx.connections, 2);
	assert_same_disk(s);
	scene_free(s);

	/* Often: a sender that is about to write when the word comes must not take the closed
	 * session for the reason. */
	for (int i = 0; i < 20; i++) {
		s = scene_new();
		s->rx.error_after = 3;
		s->spec.retry_for_ms = 0;
		assert_int_equal(scene_run(s), P2V_ENOSPC);
		assert_non_null(strstr(s->err.text, "the disk is full"));
		assert_non_null(strstr(s->err.text, "gave up after"));
		assert_int_equal(s->rx.connections, 1);
		scene_free(s);
	}
}

/* To be connected and to have nothing to send (a place in the queue, a second pass in which nothing
 * has changed yet) is not to try in vain. */
static void test_patience_begins_with_the_loss(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	s->rx.wait_ms = 2000;
	s->spec.retry_for_ms = 1500;
	assert_int_equal(scene_run(s), 0);
	assert_int_equal(s->result.connections, 2);
	assert_same_disk(s);
	scene_free(s);
}

static void test_read_error_names_disk_and_offset(void **state)
{
	const struct block_io_faults faults = {
		.errnum = EIO, .bad_offset = 5 * P2V_MIB, .bad_length = 512};
	struct scene *s = scene_new_failing(&faults);

	(void)state;
	assert_int_equal(scene_run(s), P2V_EIO);
	assert_memory_equal(s->err.text, "/dev/sda: read at 5242880", 25);
	assert_true(s->rx.error_seen);
	scene_free(s);
}

static void bad_name(void *ctx, uint16_t disk, const struct send_bad *bad, char *const **ret_lines,
	size_t *ret_n)
{
	static char line[] = "partition 1: /etc/hosts", *lines[] = {line};

	(void)ctx;
	assert_int_equal(disk, 0);
	assert_int_equal(bad->n, 1);
	*ret_lines = lines;
	*ret_n = 1;
}

/* With rescue the bad sectors, and they alone, become zeros and are named; so are their files. */
static void rescue_from(int errnum)
{
	struct scene *s = scene_new();
	const struct block_io_faults faults = {
		.errnum = errnum, .bad_offset = 5 * P2V_MIB - 512, .bad_length = 1536};
	uint8_t *bytes = block_io_memory_bytes(s->disk);
	struct wire_range bad;

	assert_int_equal(block_io_fault_new(s->disk, &faults, &s->disk, NULL), 0);
	s->source.io = s->disk;
	s->spec.rescue = true;
	s->spec.name_bad = bad_name;
	assert_int_equal(scene_run(s), 0);
	assert_int_equal(s->rx.logs, 1);
	assert_string_equal(s->rx.log, "unreadable: disk0: partition 1: /etc/hosts");
	memset(bytes + faults.bad_offset, 0, faults.bad_length);
	assert_memory_equal(s->rx.image, bytes, s->rx.size);
	assert_int_equal(s->rx.n_bad, 1);
	bad = s->rx.bad;
	assert_int_equal(bad.offset, faults.bad_offset);
	assert_int_equal(bad.length, faults.bad_length);
	assert_int_equal(s->result.disks[0].bad.n, 1);
	/* It came last, when the rest was there. */
	assert_int_equal(s->rx.last_offset, 5 * P2V_MIB);
	scene_free(s);
}

/* As the kernel calls it: for a bad sector read past the page cache, for one that took too long. */
static void test_rescue(void **state)
{
	(void)state;
	rescue_from(EIO);
	rescue_from(ENODATA);
	rescue_from(ETIMEDOUT);
}

/* As on a large disk: until the receiver was told that we are still here, or 5 s. */
static void bad_name_slowly(void *ctx, uint16_t disk, const struct send_bad *bad,
	char *const **ret_lines, size_t *ret_n)
{
	struct receiver *rx = ctx;
	uint64_t until_ms = p2v_now_ms() + 5000;

	while (rx->pings == 0 && p2v_now_ms() < until_ms)
		p2v_sleep_ms(20);
	bad_name(NULL, disk, bad, ret_lines, ret_n);
}

/* While files are looked for, the receiver is not left without a word. */
static void test_naming_takes_long(void **state)
{
	const struct block_io_faults faults = {
		.errnum = EIO, .bad_offset = 5 * P2V_MIB, .bad_length = 512};
	struct scene *s = scene_new_failing(&faults);

	(void)state;
	s->spec.rescue = true;
	s->spec.name_bad = bad_name_slowly;
	s->spec.name_bad_ctx = &s->rx;
	s->rx.short_of_patience = true;
	assert_int_equal(scene_run(s), 0);
	assert_true(s->rx.pings > 0);
	assert_string_equal(s->rx.log, "unreadable: disk0: partition 1: /etc/hosts");
	assert_int_equal(s->result.connections, 1);
	scene_free(s);
}

static void test_limit(void **state)
{
	struct scene *s = scene_new();
	uint64_t before = p2v_now_ms(), took;

	(void)state;
	s->spec.compress = (struct send_compress){-1000, false};
	s->rx.limit_to = 8 << 20; /* the receiver's wish is obeyed */
	assert_int_equal(scene_run(s), 0);
	took = p2v_now_ms() - before;
	assert_same_disk(s);
	assert_true(took >= 1000 * s->rx.done.sent / (8 << 20) * 8 / 10);
	scene_free(s);
}

/* Last: the request to stop stays. */
static void test_interrupt(void **state)
{
	struct scene *s = scene_new();

	(void)state;
	p2v_stop_install();
	s->spec.limit_bytes_per_second = 1 << 20;
	raise(SIGINT);
	assert_int_equal(scene_run(s), P2V_ECANCELED);
	scene_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disk_arrives),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_zero_and_free_are_not_read),
		cmocka_unit_test(test_cut_and_resume),
		cmocka_unit_test(test_cut_on_the_way_back),
		cmocka_unit_test(test_random_disks),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_refresh_of_nothing),
		cmocka_unit_test(test_finished_wants_refresh),
		cmocka_unit_test(test_gives_up),
		cmocka_unit_test(test_resend),
		cmocka_unit_test(test_mismatch),
		cmocka_unit_test(test_mismatch_for_ever),
		cmocka_unit_test(test_window_is_kept),
		cmocka_unit_test(test_pull_comes_first),
		cmocka_unit_test(test_ping_is_answered),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_another_version),
		cmocka_unit_test(test_no_features),
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_far_end_says_no),
		cmocka_unit_test(test_far_disk_is_full),
		cmocka_unit_test(test_read_error_names_disk_and_offset),
		cmocka_unit_test(test_patience_begins_with_the_loss),
		cmocka_unit_test(test_continued_is_compared),
		cmocka_unit_test(test_verified_another_day),
		cmocka_unit_test(test_rescue),
		cmocka_unit_test(test_naming_takes_long),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_interrupt),
	};

	return cmocka_run_group_tests_name("agent-send", tests, NULL, NULL);
}

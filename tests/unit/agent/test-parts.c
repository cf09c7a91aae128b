/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pure parts of agent/send: window, rate, walk, compression. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

#include "agent/send/adapt.h"
#include "agent/send/bucket.h"
#include "agent/send/compress.h"
#include "agent/send/pipeline.h"
#include "agent/send/walk.h"
#include "agent/send/window.h"
#include "p2v/core/num.h"
#include "p2v/wire/codec.h"

#define GRAIN BLOCK_GRAIN_BYTES

static void test_window(void **state)
{
	struct send_window w;

	(void)state;
	send_window_init(&w, 100);
	assert_true(send_window_fits(&w, 1000)); /* an empty one takes any */
	send_window_sent(&w, 60);
	assert_true(send_window_fits(&w, 40));
	assert_false(send_window_fits(&w, 41));
	send_window_sent(&w, 0);
	send_window_sent(&w, 40);
	assert_int_equal(send_window_taken(&w, 4, NULL), P2V_EFORMAT);
	assert_int_equal(send_window_taken(&w, 2, NULL), 0);
	assert_int_equal(w.used_bytes, 40);
	assert_int_equal(send_window_taken(&w, 1, NULL), P2V_EFORMAT);
	assert_int_equal(send_window_durable(&w, 3, NULL), 0);
	assert_int_equal(w.used_bytes, 0);
	assert_int_equal(w.taken_seq, 3);
}

static void test_window_counts_empty_chunks(void **state)
{
	struct send_window w;

	(void)state;
	send_window_init(&w, 100);
	for (unsigned i = 0; i < SEND_WINDOW_CHUNKS; i++) {
		assert_true(send_window_fits(&w, 0));
		send_window_sent(&w, 0);
	}
	assert_false(send_window_fits(&w, 0));
	assert_int_equal(send_window_taken(&w, 1, NULL), 0);
	assert_true(send_window_fits(&w, 0));
}

/* Over many seconds the rate holds, at high and at low ones, whatever the slices. */
static void test_rate(void **state)
{
	static const uint64_t rates[] = {1000, 100 << 10, 50 << 20, UINT64_C(3) << 30};

	(void)state;
	for (size_t i = 0; i < P2V_N(rates); i++) {
		struct send_bucket b;
		uint64_t now = 5000, gone = 0;

		send_bucket_rate(&b, rates[i], now);
		while (now < 15000) {
			unsigned wait_ms = 0;
			size_t part = send_bucket_take(&b, 256 << 10, now, &wait_ms);

			gone += part;
			assert_true(part || wait_ms);
			now += part ? 0 : 1;
		}
		assert_true(gone <= rates[i] * 101 / 10);
		/* Less the slice that is not full yet. */
		assert_true(rates[i] > (1 << 30) || gone + 1024 >= rates[i] * 98 / 10);
	}
}

static void test_no_rate(void **state)
{
	struct send_bucket b;
	unsigned wait_ms;

	(void)state;
	send_bucket_rate(&b, 0, 0);
	assert_int_equal(send_bucket_take(&b, 1 << 30, 0, &wait_ms), 1 << 30);
}

static void test_compress_parse(void **state)
{
	static const char *const bad[] = {"", "0", "20", "-1", "best", "1 "};
	struct send_compress c;

	(void)state;
	assert_int_equal(send_compress_parse(NULL, &c, NULL), 0);
	assert_true(c.adaptive);
	assert_int_equal(send_compress_parse("none", &c, NULL), 0);
	assert_int_equal(c.level, WIRE_LEVEL_RAW);
	assert_int_equal(send_compress_parse("19", &c, NULL), 0);
	assert_true(!c.adaptive && c.level == 19);
	for (size_t i = 0; i < P2V_N(bad); i++)
		assert_int_equal(send_compress_parse(bad[i], &c, NULL), P2V_EINVAL);
}

static void test_trial(void **state)
{
	struct send_trial t = {0};
	unsigned tries = 0;

	(void)state;
	/* Noise: soon one in 17 is tried. */
	for (int i = 0; i < 1000; i++)
		if (send_trial_wanted(&t)) {
			tries++;
			send_trial_result(&t, 1000, 1000);
		}
	assert_true(tries > 50 && tries < 80);
	/* Text: all. */
	while (!send_trial_wanted(&t))
		;
	send_trial_result(&t, 1000, 500);
	for (int i = 0; i < 100; i++) {
		assert_true(send_trial_wanted(&t));
		send_trial_result(&t, 1000, 500);
	}
}

static void test_adapt(void **state)
{
	const struct send_compress fixed = {7, false}, automatic = {3, true};
	struct send_adapt a;

	(void)state;
	send_adapt_init(&a, &fixed);
	assert_int_equal(a.level, 7);
	send_adapt_init(&a, &automatic);
	assert_int_equal(a.level, 2);
	send_adapt_step(&a, SEND_STAGE_COMPRESS, 0);
	assert_int_equal(a.level, 2);
	/* A slow link, and processors that idle. */
	send_adapt_step(&a, SEND_STAGE_LINK, 80);
	assert_int_equal(a.level, 3);
	send_adapt_step(&a, SEND_STAGE_SERVER, 80);
	send_adapt_step(&a, SEND_STAGE_LINK, 80);
	assert_int_equal(a.level, 3);
	send_adapt_step(&a, SEND_STAGE_LINK, 20);
	assert_int_equal(a.level, 3);
	/* All processors busy: less, and not more again at once. */
	send_adapt_step(&a, SEND_STAGE_LINK, 3);
	assert_int_equal(a.level, 2);
	send_adapt_step(&a, SEND_STAGE_LINK, 90);
	assert_int_equal(a.level, 2);
	for (int i = 0; i < 10; i++)
		send_adapt_step(&a, SEND_STAGE_LINK, 90);
	assert_int_equal(a.level, 3);
	/* A limit that people set: nothing is gained by compressing less. */
	send_adapt_step(&a, SEND_STAGE_LIMIT, 3);
	assert_int_equal(a.level, 3);
}

static void test_workers_fit(void **state)
{
	struct send_compress c = {1, true};

	(void)state;
	assert_int_equal(send_workers_fit(2, &c), 2);
	assert_true(send_workers_fit(64, &c) >= 7);
	c.level = 19;
	assert_true(send_workers_fit(64, &c) >= 1);
	assert_true(send_workers_fit(64, &c) <= 4);
}

/* Random extents, spans and ranges: the pieces cover the disk once, in order, and each is what the
 * grains in it say. */
static uint64_t random_next(uint64_t *x)
{
	*x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
	return *x;
}

static enum send_piece_kind expected(const struct extent_list *extents,
	const struct send_span *span, const struct send_ranges *must, uint64_t at)
{
	static const enum send_piece_kind kinds[] = {SEND_READ, SEND_ZERO, SEND_FREE};
	uint64_t grain = p2v_min_u64(GRAIN, extents->size_bytes - at);
	struct extent e;

	if (span && span->durable[at / GRAIN - span->first] && !send_ranges_touch(must, at, 1))
		return SEND_KEEP;
	e = block_extents_at(extents, at, grain);
	return e.length_bytes == grain ? kinds[e.kind] : SEND_READ;
}

static void walk_once(uint64_t seed)
{
	uint64_t x = seed * 7919 + 1, size = (random_next(&x) % 6000 + 1) * GRAIN - 512, at = 0;
	uint64_t n = block_grains(size);
	struct send_span *span = calloc(1, sizeof(*span));
	struct send_ranges *must = calloc(1, sizeof(*must));
	struct extent_list extents;
	bool resume = seed % 2;

	assert_int_equal(block_extents_init(&extents, size, NULL), 0);
	for (int i = 0; i < 20; i++) {
		uint64_t unit = i % 2 ? GRAIN : 512, units = size / unit;
		uint64_t from = random_next(&x) % units, len = random_next(&x) % (units - from) + 1;

		block_extents_set(&extents, from * unit,
			p2v_min_u64(len * unit, size - from * unit),
			(enum extent_kind)(random_next(&x) % 3), NULL);
		from = random_next(&x) % n;
		send_ranges_add(
			must, from * GRAIN, p2v_min_u64(GRAIN, size - from * GRAIN), size, NULL);
	}
	while (at < size) {
		struct send_piece p;

		if (at / GRAIN >= span->first + span->count) {
			span->first = at / GRAIN;
			span->count = (uint32_t)p2v_min_u64(n - span->first, WIRE_HAVE_MAX);
			for (uint32_t i = 0; i < span->count; i++)
				span->durable[i] = random_next(&x) % 64 > 3;
		}
		p = send_walk_next(&extents, resume ? span : NULL, must, SEND_COPY, at);
		assert_int_equal(p.offset, at);
		assert_true(p.length > 0 && p.length <= size - at);
		assert_true(p.length % GRAIN == 0 || at + p.length == size);
		assert_true(p.kind != SEND_READ || p.length <= SEND_CHUNK_BYTES);
		assert_true(p.kind != SEND_KEEP || p.length <= SEND_KEEP_GRAINS * GRAIN);
		for (uint64_t g = at; g < at + p.length; g += GRAIN)
			assert_int_equal(expected(&extents, resume ? span : NULL, must, g), p.kind);
		at += p.length;
	}
	assert_int_equal(send_walk_next(&extents, NULL, NULL, SEND_COPY, size).length, 0);
	block_extents_finish(&extents);
	free(span);
	free(must);
}

static void test_walk(void **state)
{
	(void)state;
	/* Kinds lie on grains and across them; the disk's end is odd. */
	for (uint64_t seed = 1; seed <= 40; seed++)
		walk_once(seed);
}

static void test_ranges(void **state)
{
	struct send_ranges *r = calloc(1, sizeof(*r));

	(void)state;
	assert_int_equal(send_ranges_add(r, 1, 1, 100, NULL), 0);
	assert_int_equal(r->items[0].offset, 0);
	assert_int_equal(r->items[0].length, 100);
	assert_int_equal(send_ranges_add(r, 50, 51, 100, NULL), P2V_EFORMAT);
	assert_int_equal(send_ranges_add(r, UINT64_MAX, 2, 100, NULL), P2V_EFORMAT);
	assert_int_equal(send_ranges_add(r, 0, 0, 100, NULL), P2V_EFORMAT);
	for (unsigned i = 1; i < SEND_RANGES_MAX; i++)
		assert_int_equal(send_ranges_add(r, 0, 1, 100, NULL), 0);
	assert_int_equal(send_ranges_add(r, 0, 1, 100, NULL), P2V_EFORMAT);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_window_counts_empty_chunks),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_no_rate),
		cmocka_unit_test(test_compress_parse),
		cmocka_unit_test(test_trial),
		cmocka_unit_test(test_adapt),
		cmocka_unit_test(test_workers_fit),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests_name("agent-send-parts", tests, NULL, NULL);
}

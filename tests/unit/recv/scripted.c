/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/wire/greet.h"
#include "tests/unit/recv/scripted.h"

static void *run(void *arg)
{
	struct scripted *s = arg;

	s->r = recv_run(&s->spec, s->far, &s->err);
	link_free(s->far);
	return NULL;
}

void scripted_start(struct scripted *s, const char *base, const char *format)
{
	memset(s, 0, sizeof(*s));
	s->spec = (struct recv_spec){.base = base, .format = format};
	assert_int_equal(link_pair_new(NULL, &s->link, &s->far, NULL), 0);
	assert_int_equal(wire_feed_init(&s->feed, NULL), 0);
	s->feed.max_frame = WIRE_FRAME_MAX;
	assert_int_equal(wire_codec_new(GRAIN, 1, &s->codec, NULL), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
	assert_int_equal(link_write(s->link, wire_preface, sizeof(wire_preface), NULL), 0);
}

int scripted_end(struct scripted *s)
{
	link_free(s->link);
	pthread_join(s->thread, NULL);
	wire_feed_finish(&s->feed);
	wire_codec_free(s->codec);
	return s->r;
}

void scripted_say(struct scripted *s, const struct wire_msg *msg)
{
	p2v_autobuf struct p2v_buf out = {0};
	struct p2v_err err;

	if (wire_msg_encode(msg, WIRE_FRAME_MAX, &out, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(link_write(s->link, out.data, out.len, NULL), 0);
}

static struct wire_msg next_message(struct scripted *s)
{
	struct wire_frame frame;
	struct wire_msg msg;
	struct p2v_err err;
	int r;

	while ((r = wire_feed_next(&s->feed, &frame, &err)) == 0) {
		size_t room, got;
		uint8_t *to = wire_feed_space(&s->feed, &room);

		if (link_read(s->link, to, room, &got, &err) < 0)
			fail_msg("%s", err.text);
		if (got == 0)
			fail_msg("the receiver closed");
		wire_feed_added(&s->feed, got);
	}
	if (r < 0 || wire_msg_decode(&frame, &msg, &err) < 0)
		fail_msg("%s", err.text);
	return msg;
}

struct wire_msg scripted_hear(struct scripted *s, enum wire_type type)
{
	struct wire_msg msg;

	do
		msg = next_message(s);
	while (msg.type != type && (msg.type == WIRE_PING || msg.type == WIRE_PROGRESS));
	if (msg.type == WIRE_ERROR)
		wire_text_copy(msg.error.sentence, s->last, sizeof(s->last));
	if (msg.type == WIRE_REFUSE)
		wire_text_copy(msg.refuse.sentence, s->last, sizeof(s->last));
	if (msg.type == WIRE_RESEND)
		wire_text_copy(msg.resend.why, s->last, sizeof(s->last));
	if (msg.type != type)
		fail_msg("%s came, not %s: %s", wire_type_name(msg.type), wire_type_name(type),
			s->last);
	return msg;
}

void scripted_greet(struct scripted *s)
{
	struct wire_msg hello = {.type = WIRE_HELLO}, welcome;
	struct wire_terms terms;

	wire_hello_make("scripted",
		WIRE_FEATURE_ZSTD | WIRE_FEATURE_RESUME | WIRE_FEATURE_PULL | s->more, NULL,
		&hello.hello);
	scripted_say(s, &hello);
	welcome = scripted_hear(s, WIRE_WELCOME);
	assert_int_equal(wire_welcome_check(&hello.hello, &welcome.welcome, &terms, NULL), 0);
	assert_int_equal(terms.features, WIRE_FEATURE_ZSTD | WIRE_FEATURE_RESUME | s->more);
}

void scripted_inventory(struct scripted *s, const char *name, const char *uuid, uint64_t disk_bytes)
{
	p2v_autofree char *json =
		p2v_strf("{\"version\":1,\"name\":\"%s\",\"uuid\":\"%s\",\"firmware\":\"bios\","
			 "\"memory_bytes\":1048576,"
			 "\"arch\":\"x86_64\",\"disks\":[{\"id\":\"disk0\",\"path\":\"/dev/sda\","
			 "\"size_bytes\":%llu,\"logical_sector_bytes\":512}]}",
			name, uuid, (unsigned long long)disk_bytes);
	const struct wire_msg msg = {
		WIRE_INVENTORY, .inventory = {(const uint8_t *)json, (uint32_t)strlen(json)}};

	scripted_say(s, &msg);
}

struct wire_admit scripted_admitted(
	struct scripted *s, const char *name, const char *uuid, uint64_t disk_bytes)
{
	struct wire_admit admit;

	scripted_greet(s);
	scripted_inventory(s, name, uuid, disk_bytes);
	admit = scripted_hear(s, WIRE_ADMIT).admit;
	assert_int_equal(admit.n, 1);
	return admit;
}

static uint64_t open_pass(struct scripted *s, uint64_t disk_bytes, uint8_t pass)
{
	const struct wire_msg open = {
		WIRE_OPEN, .open = {0, disk_bytes, 512, GRAIN, WIRE_DIGEST_XXH3_128, pass, 0}};

	scripted_say(s, &open);
	return scripted_hear(s, WIRE_READY).ready.durable_grains;
}

uint64_t scripted_open(struct scripted *s, uint64_t disk_bytes)
{
	return open_pass(s, disk_bytes, WIRE_PASS_COPY);
}

uint64_t scripted_open_refresh(struct scripted *s, uint64_t disk_bytes)
{
	return open_pass(s, disk_bytes, WIRE_PASS_REFRESH);
}

void scripted_send(struct scripted *s, const uint8_t *disk, uint64_t offset, size_t n)
{
	p2v_autobuf struct p2v_buf out = {0};
	uint8_t kind;

	assert_int_equal(wire_chunk_pack(s->codec, 0, offset, disk + offset, n, NULL,
				 WIRE_FRAME_MAX, &out, NULL, &kind, NULL),
		0);
	assert_int_equal(link_write(s->link, out.data, out.len, NULL), 0);
}

void scripted_hear_taken(struct scripted *s, uint64_t seq)
{
	assert_int_equal(scripted_hear(s, WIRE_TAKEN).taken.seq, seq);
}

struct digest scripted_root(const uint8_t *disk, uint64_t disk_bytes)
{
	p2v_auto(block_disk_digest_free) struct disk_digest *d = block_disk_digest_new(disk_bytes);
	struct digest leaf, root;

	for (uint64_t at = 0; at < disk_bytes; at += GRAIN) {
		block_digest_leaf(disk + at, p2v_min_u64(GRAIN, disk_bytes - at), &leaf);
		block_disk_digest_add(d, &leaf);
	}
	assert_int_equal(block_disk_digest_end(d, &root, NULL), 0);
	return root;
}

void scripted_done(struct scripted *s, const uint8_t *disk, uint64_t disk_bytes)
{
	const struct wire_msg done = {
		WIRE_DONE, .done = {0, scripted_root(disk, disk_bytes), 11, 22, 33, 44, {0, NULL}}};

	scripted_say(s, &done);
}

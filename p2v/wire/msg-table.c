/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/wire/msg-table.h"

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

#define AT(m)	offsetof(struct wire_msg, m)
#define SIZE(m) sizeof(((struct wire_msg *)0)->m)

#define NUMBER(m)                                                                                  \
	{                                                                                          \
		WIRE_FIELD_NUMBER, AT(m), SIZE(m), 0, 0, 0, 0                                      \
	}
#define DIGEST(m)                                                                                  \
	{                                                                                          \
		WIRE_FIELD_DIGEST, AT(m), SIZE(m), 0, 0, 0, 0                                      \
	}
#define TEXT(m)                                                                                    \
	{                                                                                          \
		WIRE_FIELD_TEXT, AT(m.bytes), 1, AT(m.n), SIZE(m.n), 2, WIRE_TEXT_MAX              \
	}
#define BLOB(m, count, max)                                                                        \
	{                                                                                          \
		WIRE_FIELD_ROWS, AT(m), 1, AT(count), SIZE(count), 4, max                          \
	}
#define ROWS(m, count, bytes, max)                                                                 \
	{                                                                                          \
		WIRE_FIELD_ROWS, AT(m), bytes, AT(count), SIZE(count), 2, max                      \
	}
#define ARRAY(m, count, bytes, max)                                                                \
	{                                                                                          \
		WIRE_FIELD_ARRAY, AT(m), bytes, AT(count), SIZE(count), 0, max                     \
	}
#define REST(m, count)                                                                             \
	{                                                                                          \
		WIRE_FIELD_REST, AT(m), 1, AT(count), SIZE(count), 0, WIRE_FRAME_MAX               \
	}
#define END                                                                                        \
	{                                                                                          \
		WIRE_FIELD_END, 0, 0, 0, 0, 0, 0                                                   \
	}

#define FIELDS(name) static const struct wire_field name##_fields[]

FIELDS(hello) = {NUMBER(hello.version_min), NUMBER(hello.version_max), NUMBER(hello.features),
	NUMBER(hello.max_frame), NUMBER(hello.role), DIGEST(hello.token), TEXT(hello.program), END};
FIELDS(welcome) = {NUMBER(welcome.version), NUMBER(welcome.features), NUMBER(welcome.max_frame),
	NUMBER(welcome.window), NUMBER(welcome.keepalive_ms), TEXT(welcome.program), END};
FIELDS(refuse) = {NUMBER(refuse.reason), TEXT(refuse.sentence), END};
FIELDS(inventory) = {BLOB(inventory.json, inventory.n, WIRE_INVENTORY_MAX), END};
FIELDS(wait) = {NUMBER(wait.position), NUMBER(wait.retry_ms), TEXT(wait.text), END};
FIELDS(admit) = {TEXT(admit.job), DIGEST(admit.token), NUMBER(admit.how),
	ROWS(admit.raw, admit.n, 3, WIRE_DISKS_MAX), END};
FIELDS(open) = {NUMBER(open.disk), NUMBER(open.size), NUMBER(open.sector), NUMBER(open.grain),
	NUMBER(open.digest_kind), NUMBER(open.pass), NUMBER(open.used), END};
FIELDS(ready) = {NUMBER(ready.disk), NUMBER(ready.durable_grains), END};
FIELDS(have_ask) = {NUMBER(have_ask.disk), NUMBER(have_ask.first), NUMBER(have_ask.count), END};
FIELDS(have) = {NUMBER(have.disk), NUMBER(have.first), NUMBER(have.count),
	ARRAY(have.states, have.count, 1, WIRE_HAVE_MAX),
	ARRAY(have.leaves, have.count, WIRE_DIGEST_BYTES, WIRE_HAVE_MAX), END};
FIELDS(chunk) = {NUMBER(chunk.disk), NUMBER(chunk.kind), NUMBER(chunk.encoding),
	NUMBER(chunk.offset), NUMBER(chunk.length), REST(chunk.body, chunk.body_n), END};
FIELDS(taken) = {NUMBER(taken.seq), END};
FIELDS(checkpoint) = {END};
FIELDS(durable) = {NUMBER(durable.seq), END};
FIELDS(resend) = {
	NUMBER(resend.disk), NUMBER(resend.offset), NUMBER(resend.length), TEXT(resend.why), END};
FIELDS(pull) = {NUMBER(pull.disk), NUMBER(pull.offset), NUMBER(pull.length), END};
FIELDS(done) = {NUMBER(done.disk), DIGEST(done.root), NUMBER(done.read), NUMBER(done.sent),
	NUMBER(done.zero), NUMBER(done.free), ROWS(done.bad.raw, done.bad.n, 16, WIRE_RANGES_MAX),
	END};
FIELDS(verified) = {NUMBER(verified.disk), DIGEST(verified.root), END};
FIELDS(mismatch) = {NUMBER(mismatch.disk),
	ROWS(mismatch.ranges.raw, mismatch.ranges.n, 16, WIRE_RANGES_MAX), END};
FIELDS(finish) = {END};
FIELDS(finished) = {BLOB(finished.json, finished.n, WIRE_INVENTORY_MAX), END};
FIELDS(status) = {TEXT(status.stage), NUMBER(status.permille), TEXT(status.text), END};
FIELDS(progress) = {NUMBER(progress.disk), NUMBER(progress.done), NUMBER(progress.total), END};
FIELDS(limit) = {NUMBER(limit.bytes_per_second), END};
FIELDS(ping) = {NUMBER(ping.cookie), END};
FIELDS(pong) = {NUMBER(pong.cookie), END};
FIELDS(cancel) = {TEXT(cancel.why), END};
FIELDS(error) = {NUMBER(error.kind), TEXT(error.sentence), END};
FIELDS(log) = {NUMBER(log.level), TEXT(log.text), END};

static int out_of_bounds(
	const char *message, const char *what, uint64_t v, int kind, struct p2v_err *err)
{
	return p2v_err_set(
		err, kind, "%s: %s of %llu is out of bounds", message, what, (unsigned long long)v);
}

static int check_hello(const struct wire_msg *msg, int kind, struct p2v_err *err)
{
	const struct wire_hello *h = &msg->hello;

	if (h->version_min < 1 || h->version_min > h->version_max)
		return out_of_bounds("HELLO", "a lowest version", h->version_min, kind, err);
	if (h->role > WIRE_ROLE_DATA)
		return out_of_bounds("HELLO", "a role", h->role, kind, err);
	return 0;
}

static int check_admit(const struct wire_msg *msg, int kind, struct p2v_err *err)
{
	const struct wire_admit *a = &msg->admit;

	if (a->how > WIRE_HOW_REFRESH)
		return out_of_bounds("ADMIT", "a way", a->how, kind, err);
	return 0;
}

static int check_open(const struct wire_msg *msg, int kind, struct p2v_err *err)
{
	const struct wire_open *o = &msg->open;

	if (o->disk >= WIRE_DISKS_MAX)
		return out_of_bounds("OPEN", "a disk", o->disk, kind, err);
	if (o->sector < 512 || o->sector > WIRE_GRAIN_MIN || (o->sector & (o->sector - 1)))
		return out_of_bounds("OPEN", "a sector", o->sector, kind, err);
	if (o->size < o->sector || o->size > INT64_MAX || o->used > o->size)
		return out_of_bounds("OPEN", "a size", o->size, kind, err);
	if (o->grain < WIRE_GRAIN_MIN || o->grain > WIRE_GRAIN_MAX || (o->grain & (o->grain - 1)))
		return out_of_bounds("OPEN", "a grain", o->grain, kind, err);
	if (o->pass > WIRE_PASS_REFRESH)
		return out_of_bounds("OPEN", "a pass", o->pass, kind, err);
	return 0;
}

static int check_have_ask(const struct wire_msg *msg, int kind, struct p2v_err *err)
{
	const struct wire_have_ask *h = &msg->have_ask;

	if (h->count < 1 || h->count > WIRE_HAVE_MAX)
		return out_of_bounds("HAVE_ASK", "a count", h->count, kind, err);
	return 0;
}

/* Offsets and alignment need the disk: wire_chunk_check. */
static int check_chunk(const struct wire_msg *msg, int kind, struct p2v_err *err)
{
	const struct wire_chunk *c = &msg->chunk;

	if (c->kind > WIRE_CHUNK_SAME)
		return out_of_bounds("CHUNK", "a kind", c->kind, kind, err);
	if (c->encoding > WIRE_ENCODING_REPEAT || (c->encoding && c->kind != WIRE_CHUNK_DATA))
		return out_of_bounds("CHUNK", "an encoding", c->encoding, kind, err);
	if (c->kind == WIRE_CHUNK_DATA && c->length > WIRE_CHUNK_MAX)
		return out_of_bounds("CHUNK", "a length", c->length, kind, err);
	return 0;
}

static int check_status(const struct wire_msg *msg, int kind, struct p2v_err *err)
{
	if (msg->status.permille > 1000)
		return out_of_bounds("STATUS", "a permille", msg->status.permille, kind, err);
	return 0;
}

#define ROW(NAME, fields) [WIRE_##NAME] = {#NAME, fields##_fields, false, NULL}

static const struct wire_row rows[WIRE_TYPE_END] = {
	[WIRE_HELLO] = {"HELLO", hello_fields, true, check_hello},
	[WIRE_WELCOME] = {"WELCOME", welcome_fields, true, NULL},
	[WIRE_REFUSE] = {"REFUSE", refuse_fields, true, NULL},
	ROW(INVENTORY, inventory),
	ROW(WAIT, wait),
	[WIRE_ADMIT] = {"ADMIT", admit_fields, false, check_admit},
	[WIRE_OPEN] = {"OPEN", open_fields, false, check_open},
	ROW(READY, ready),
	[WIRE_HAVE_ASK] = {"HAVE_ASK", have_ask_fields, false, check_have_ask},
	ROW(HAVE, have),
	[WIRE_CHUNK] = {"CHUNK", chunk_fields, false, check_chunk},
	ROW(TAKEN, taken),
	ROW(CHECKPOINT, checkpoint),
	ROW(DURABLE, durable),
	ROW(RESEND, resend),
	ROW(PULL, pull),
	ROW(DONE, done),
	ROW(VERIFIED, verified),
	ROW(MISMATCH, mismatch),
	ROW(FINISH, finish),
	ROW(FINISHED, finished),
	[WIRE_STATUS] = {"STATUS", status_fields, false, check_status},
	ROW(PROGRESS, progress),
	ROW(LIMIT, limit),
	ROW(PING, ping),
	ROW(PONG, pong),
	ROW(CANCEL, cancel),
	ROW(ERROR, error),
	ROW(LOG, log),
};

const struct wire_row *wire_row_of(unsigned type)
{
	return type >= WIRE_HELLO && type < WIRE_TYPE_END ? &rows[type] : NULL;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/wire/msg.h"

#include <string.h>

#include "p2v/core/num.h"
#include "p2v/wire/msg-table.h"

struct wire_text wire_text(const char *s)
{
	return (struct wire_text){s, p2v_min_u64(strlen(s), WIRE_TEXT_MAX)};
}

const char *wire_text_copy(struct wire_text text, char *buf, size_t size)
{
	size_t n = p2v_min_u64(text.n, size - 1);

	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)text.bytes[i];

		buf[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	buf[n] = '\0';
	return buf;
}

struct wire_range wire_range_at(const struct wire_ranges *ranges, uint16_t i)
{
	const uint8_t *at = ranges->raw + 16 * (size_t)i;

	return (struct wire_range){p2v_get_be64(at), p2v_get_be64(at + 8)};
}

void wire_range_add(struct p2v_buf *raw, uint64_t offset, uint64_t length)
{
	p2v_buf_add_be64(raw, offset);
	p2v_buf_add_be64(raw, length);
}

void wire_leaf_at(const uint8_t *leaves, size_t i, struct digest *ret)
{
	memcpy(ret->bytes, leaves + WIRE_DIGEST_BYTES * i, WIRE_DIGEST_BYTES);
}

bool wire_admit_wants(const struct wire_admit *admit, uint16_t disk)
{
	for (const uint8_t *at = admit->raw; at < admit->raw + 3 * (size_t)admit->n; at += 3)
		if (p2v_get_be16(at) == disk)
			return at[2];
	return false;
}

void wire_admit_add(struct p2v_buf *raw, uint16_t disk, bool wanted)
{
	p2v_buf_add_be16(raw, disk);
	p2v_buf_add_u8(raw, wanted);
}

const char *wire_type_name(unsigned type)
{
	const struct wire_row *row = wire_row_of(type);

	return row ? row->name : NULL;
}

static int bad_count(
	const struct wire_row *row, uint64_t n, uint64_t max, int kind, struct p2v_err *err)
{
	return p2v_err_set(err, kind, "%s: a length of %llu is more than %llu", row->name,
		(unsigned long long)n, (unsigned long long)max);
}

/* The count of an ARRAY lies in a member before it; that of the others is their own. */
static uint64_t number_at(const void *at, size_t bytes)
{
	uint8_t v8;
	uint16_t v16;
	uint32_t v32;
	uint64_t v64;

	switch (bytes) {
	case 1:
		memcpy(&v8, at, 1);
		return v8;
	case 2:
		memcpy(&v16, at, 2);
		return v16;
	case 4:
		memcpy(&v32, at, 4);
		return v32;
	default:
		memcpy(&v64, at, 8);
		return v64;
	}
}

static void number_store(void *at, size_t bytes, uint64_t v)
{
	uint8_t v8 = (uint8_t)v;
	uint16_t v16 = (uint16_t)v;
	uint32_t v32 = (uint32_t)v;

	switch (bytes) {
	case 1:
		memcpy(at, &v8, 1);
		break;
	case 2:
		memcpy(at, &v16, 2);
		break;
	case 4:
		memcpy(at, &v32, 4);
		break;
	default:
		memcpy(at, &v, 8);
		break;
	}
}

static void number_add(struct p2v_buf *out, size_t bytes, uint64_t v)
{
	uint8_t raw[8];

	p2v_put_be64(raw, v);
	p2v_buf_add(out, raw + 8 - bytes, bytes);
}

static uint64_t number_read(struct p2v_rd *rd, size_t bytes)
{
	const uint8_t *at = p2v_rd_bytes(rd, bytes);
	uint64_t v = 0;

	for (size_t i = 0; at && i < bytes; i++)
		v = v << 8 | at[i];
	return v;
}

static int field_encode(const struct wire_row *row, const struct wire_field *f, const uint8_t *msg,
	struct p2v_buf *out, struct p2v_err *err)
{
	const void *bytes;
	uint64_t n;

	if (f->kind == WIRE_FIELD_NUMBER) {
		number_add(out, f->bytes, number_at(msg + f->offset, f->bytes));
		return 0;
	}
	if (f->kind == WIRE_FIELD_DIGEST) {
		p2v_buf_add(out, msg + f->offset, WIRE_DIGEST_BYTES);
		return 0;
	}
	n = number_at(msg + f->n_offset, f->n_bytes);
	if (n > f->max)
		return bad_count(row, n, f->max, P2V_EINVAL, err);
	if (f->count_bytes)
		number_add(out, f->count_bytes, n);
	memcpy(&bytes, msg + f->offset, sizeof(bytes));
	p2v_buf_add(out, bytes, n * f->bytes);
	return 0;
}

static int field_decode(const struct wire_row *row, const struct wire_field *f, struct p2v_rd *rd,
	uint8_t *msg, struct p2v_err *err)
{
	const uint8_t *bytes;
	uint64_t n;

	if (f->kind == WIRE_FIELD_NUMBER) {
		number_store(msg + f->offset, f->bytes, number_read(rd, f->bytes));
		return 0;
	}
	if (f->kind == WIRE_FIELD_DIGEST) {
		bytes = p2v_rd_bytes(rd, WIRE_DIGEST_BYTES);
		if (bytes)
			memcpy(msg + f->offset, bytes, WIRE_DIGEST_BYTES);
		return 0;
	}
	if (f->kind == WIRE_FIELD_REST)
		n = rd->left;
	else if (f->kind == WIRE_FIELD_ARRAY)
		n = number_at(msg + f->n_offset, f->n_bytes);
	else
		n = number_read(rd, f->count_bytes);
	if (n > f->max)
		return bad_count(row, n, f->max, P2V_EFORMAT, err);
	bytes = p2v_rd_bytes(rd, n * f->bytes);
	if (f->kind == WIRE_FIELD_TEXT && bytes && memchr(bytes, 0, n))
		return p2v_err_set(err, P2V_EFORMAT, "%s: a text with a NUL in it", row->name);
	number_store(msg + f->n_offset, f->n_bytes, n);
	memcpy(msg + f->offset, &bytes, sizeof(bytes));
	return 0;
}

int wire_msg_encode(
	const struct wire_msg *msg, uint32_t max_frame, struct p2v_buf *out, struct p2v_err *err)
{
	const struct wire_row *row = wire_row_of(msg->type);
	size_t begin;
	int r = row ? 0 : p2v_err_set(err, P2V_EINVAL, "message %d does not exist", msg->type);

	if (r == 0 && row->check)
		r = row->check(msg, P2V_EINVAL, err);
	if (r < 0)
		return r;
	begin = wire_frame_begin(out);
	for (const struct wire_field *f = row->fields; r == 0 && f->kind; f++)
		r = field_encode(row, f, (const uint8_t *)msg, out, err);
	if (r < 0) {
		out->len = begin;
		return r;
	}
	r = wire_frame_end(out, begin, (uint16_t)msg->type, 0, max_frame, err);
	return r < 0 ? p2v_err_wrap(err, r, "%s", row->name) : 0;
}

int wire_msg_decode(const struct wire_frame *frame, struct wire_msg *ret, struct p2v_err *err)
{
	const struct wire_row *row = wire_row_of(frame->type);
	struct p2v_rd rd = p2v_rd_init(frame->payload, frame->length);
	struct wire_msg msg;
	int r = 0;

	if (!row && (frame->flags & WIRE_FRAME_OPTIONAL))
		return 0;
	if (!row)
		return p2v_err_set(err, P2V_EFORMAT, "message %u is not known", frame->type);
	memset(&msg, 0, sizeof(msg));
	msg.type = frame->type;
	for (const struct wire_field *f = row->fields; r == 0 && f->kind; f++)
		r = field_decode(row, f, &rd, (uint8_t *)&msg, err);
	if (r < 0)
		return r;
	if (rd.failed)
		return p2v_err_set(
			err, P2V_EFORMAT, "%s: %u bytes are too few", row->name, frame->length);
	if (rd.left && !row->tail)
		return p2v_err_set(
			err, P2V_EFORMAT, "%s: %zu bytes are left over", row->name, rd.left);
	if (row->check)
		r = row->check(&msg, P2V_EFORMAT, err);
	if (r < 0)
		return r;
	*ret = msg;
	return 1;
}

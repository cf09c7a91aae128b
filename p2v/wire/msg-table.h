/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_WIRE_MSG_TABLE_H
#define P2V_WIRE_MSG_TABLE_H

/*
 * The table of messages: PROTOCOL.md's "Messages", a row each, its payload as a list of fields. One
 * list both encodes and decodes, so the two cannot differ. Private to wire.
 */

#include "p2v/wire/msg.h"

enum wire_field_kind {
	WIRE_FIELD_END,
	WIRE_FIELD_NUMBER, /* of `bytes` bytes, in the struct as on the wire */
	WIRE_FIELD_DIGEST,
	WIRE_FIELD_TEXT,  /* u16 n, n bytes without NUL */
	WIRE_FIELD_ROWS,  /* a count of count_bytes, then that many items of `bytes` bytes */
	WIRE_FIELD_ARRAY, /* as many items as an earlier field said */
	WIRE_FIELD_REST,  /* all bytes up to the end */
};

struct wire_field {
	enum wire_field_kind kind;
	size_t offset;	    /* of the number, the digest or the pointer, in struct wire_msg */
	size_t bytes;	    /* of the number, or of one item */
	size_t n_offset;    /* of the number of items */
	size_t n_bytes;	    /* that member's size */
	size_t count_bytes; /* of the count on the wire, 0: none */
	uint64_t max;	    /* items */
};

struct wire_row {
	const char *name;
	const struct wire_field *fields;
	bool tail; /* a newer peer may add fields at the end */
	/* What the fields cannot say; `kind` is the error to return. Or NULL. */
	int (*check)(const struct wire_msg *msg, int kind, struct p2v_err *err);
};

/* NULL: no such message. */
const struct wire_row *wire_row_of(unsigned type);

#endif

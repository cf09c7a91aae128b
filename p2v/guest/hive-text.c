/* SPDX-License-Identifier: GPL-3.0-or-later */

/* What this room itself parses of a hive: its header, and the texts in its values. */

#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/utf16.h"
#include "p2v/guest/hive.h"

#define BASE_BLOCK  4096
#define CHECKSUM_AT 508

/* Bytes of the text at p without its NUL. */
static size_t text_bytes(const uint8_t *p, size_t n)
{
	size_t at = 0;

	while (at + 1 < n && (p[at] || p[at + 1]))
		at += 2;
	return at;
}

int guest_multi_sz_read(
	const void *bytes, size_t n, struct guest_hive_names *ret, struct p2v_err *err)
{
	struct guest_hive_names list = {0};
	const uint8_t *p = bytes;
	size_t at = 0, length;
	int r = 0;

	while (r == 0 && at < n && (length = text_bytes(p + at, n - at)) > 0) {
		p2v_autobuf struct p2v_buf text = {0};

		p2v_utf16_to_utf8(p + at, length, false, &text);
		p2v_buf_add(&text, "", 1);
		r = p2v_buf_check(&text, err);
		if (r == 0 && list.n_items == GUEST_HIVE_MAX_NAMES)
			r = p2v_err_set(err, P2V_EFORMAT, "holds more than %zu texts",
				GUEST_HIVE_MAX_NAMES);
		if (r == 0)
			r = p2v_json_add_str(&list.items, &list.n_items, (char *)text.data, err);
		at += length + 2;
	}
	if (r < 0) {
		guest_hive_names_finish(&list);
		return r;
	}
	*ret = list;
	return 0;
}

void guest_hive_names_finish(struct guest_hive_names *names)
{
	for (size_t i = 0; i < names->n_items; i++)
		free(names->items[i]);
	free(names->items);
	memset(names, 0, sizeof(*names));
}

/* The XOR of the words before it; the two values that mean something else are moved aside. */
static uint32_t checksum(const uint8_t *p)
{
	struct p2v_rd rd = p2v_rd_init(p, CHECKSUM_AT);
	uint32_t sum = 0;

	while (rd.left)
		sum ^= p2v_rd_le32(&rd);
	return sum == 0 ? 1 : sum == UINT32_MAX ? UINT32_MAX - 1 : sum;
}

int guest_hive_header(const void *bytes, size_t n, bool *ret_dirty, struct p2v_err *err)
{
	struct p2v_rd rd = p2v_rd_init(bytes, n), sum;
	const uint8_t *magic = p2v_rd_bytes(&rd, 4);
	uint32_t seq1 = p2v_rd_le32(&rd), seq2 = p2v_rd_le32(&rd);

	if (n < BASE_BLOCK || !magic || memcmp(magic, "regf", 4) != 0)
		return p2v_err_set(err, P2V_EFORMAT, "is no registry hive");
	sum = p2v_rd_init((const uint8_t *)bytes + CHECKSUM_AT, 4);
	*ret_dirty = seq1 != seq2 || p2v_rd_le32(&sum) != checksum(bytes);
	return 0;
}

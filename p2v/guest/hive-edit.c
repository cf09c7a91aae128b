/* SPDX-License-Identifier: GPL-3.0-or-later */

/* A hive is edited, each edit is a line of the record, and the whole goes back. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/text.h"
#include "p2v/core/utf16.h"
#include "p2v/guest/backend.h"
#include "p2v/guest/hive-open.h"

#define SHOWN_BYTES 64

/* ---- the record: one line an edit ---- */

static const char *type_word(uint32_t type)
{
	static const char *const words[] = {"none", "sz", "expand_sz", "binary", "dword",
		"dword_be", "link", "multi_sz", "resources", "resources", "resources", "qword"};

	return type < P2V_N(words) ? words[type] : "other";
}

static void show_texts(const char *bytes, size_t n, struct p2v_buf *out)
{
	struct guest_hive_names texts = {0};

	if (guest_multi_sz_read(bytes, n, &texts, NULL) < 0)
		return;
	for (size_t i = 0; i < texts.n_items; i++) {
		p2v_buf_add_str(out, i ? " | " : "");
		p2v_text_add_printable(out, texts.items[i]);
	}
	guest_hive_names_finish(&texts);
}

static void show_bytes(const char *bytes, size_t n, struct p2v_buf *out)
{
	for (size_t i = 0; i < n && i < SHOWN_BYTES; i++)
		p2v_buf_addf(out, "%s%02x", i ? " " : "", (unsigned)(uint8_t)bytes[i]);
	if (n > SHOWN_BYTES)
		p2v_buf_addf(out, " ... (%zu bytes)", n);
}

static void show(uint32_t type, const char *bytes, size_t n, struct p2v_buf *out)
{
	struct p2v_rd rd = p2v_rd_init(bytes, n);

	p2v_buf_addf(out, "%s:", type_word(type));
	if (type == GUEST_REG_SZ || type == GUEST_REG_EXPAND_SZ || type == GUEST_REG_MULTI_SZ)
		show_texts(bytes, n, out);
	else if (type == GUEST_REG_DWORD && n == 4)
		p2v_buf_addf(out, "0x%x", p2v_rd_le32(&rd));
	else
		show_bytes(bytes, n, out);
}

static void note(struct guest_hive *h, const char *sign, const char *key, const char *name)
{
	p2v_buf_addf(&h->edits, "%s ", sign);
	p2v_text_add_printable(&h->edits, key);
	if (!name)
		return;
	p2v_buf_add_str(&h->edits, " [");
	p2v_text_add_printable(&h->edits, *name ? name : "(default)");
	p2v_buf_add_str(&h->edits, "]");
}

const char *guest_hive_edits(struct guest_hive *h)
{
	p2v_buf_add(&h->edits, "", 0);
	return h->edits.data ? (const char *)h->edits.data : "";
}

/* ---- edits ---- */

static int may_edit(const struct guest_hive *h, struct p2v_err *err)
{
	return h->writable
		       ? 0
		       : p2v_err_set(err, P2V_EREFUSED, "%s: is open for reading only", h->path);
}

/* The key, made with all that is missing on the way. */
static int need_node(struct guest_hive *h, const char *key, hive_node_h *ret, struct p2v_err *err)
{
	hive_node_h node = hivex_root(h->h), child;
	char part[HIVE_PART_MAX];
	const char *rest = key;
	bool made = false;

	if (!node)
		return hive_failed(h, "", err);
	while (hive_part_next(&rest, part, sizeof(part))) {
		errno = 0;
		child = made ? 0 : hivex_node_get_child(h->h, node, part);
		if (!child && errno)
			return hive_failed(h, key, err);
		if (!child) {
			child = hivex_node_add_child(h->h, node, part);
			made = true;
		}
		if (!child)
			return hive_failed(h, key, err);
		node = child;
	}
	if (made) {
		note(h, "+", key, NULL);
		p2v_buf_add_str(&h->edits, "\n");
	}
	*ret = node;
	return 0;
}

int guest_hive_add_key(struct guest_hive *h, const char *key, struct p2v_err *err)
{
	hive_node_h node;
	int r = may_edit(h, err);

	return r < 0 ? r : need_node(h, key, &node, err);
}

/* 1: it is so already. */
static int read_old(struct guest_hive *h, hive_node_h node, const hive_set_value *new,
	struct p2v_buf *ret_shown, struct p2v_err *err)
{
	p2v_autofree char *old = NULL;
	hive_value_h v = 0;
	uint32_t type;
	size_t n = 0;
	int r = hive_value(h, node, new->key, &v, err);

	if (r < 0 || !v)
		return r;
	r = hive_bytes(h, v, &type, &old, &n, err);
	if (r < 0)
		return r;
	if (type == (uint32_t) new->t && n == new->len && (n == 0 || !memcmp(old, new->value, n)))
		return 1;
	p2v_buf_add_str(ret_shown, " (was ");
	show(type, old, n, ret_shown);
	p2v_buf_add_str(ret_shown, ")");
	return 0;
}

int guest_hive_set(struct guest_hive *h, const char *key, const char *name, uint32_t type,
	const void *bytes, size_t n, struct p2v_err *err)
{
	p2v_autofree char *copy = malloc(n + 1), *name_copy = strdup(name);
	hive_set_value v = {.key = name_copy, .t = (hive_type)type, .len = n, .value = copy};
	p2v_autobuf struct p2v_buf was = {0};
	hive_node_h node;
	int r = may_edit(h, err);

	if (r == 0 && (!copy || !name_copy))
		r = p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (r == 0 && n > GUEST_HIVE_MAX_NEW)
		r = p2v_err_set(err, P2V_EUNSUPPORTED, "%s: '%.200s': a value of %zu bytes",
			h->path, key, n);
	if (r == 0)
		r = need_node(h, key, &node, err);
	if (r < 0)
		return r;
	if (n)
		memcpy(copy, bytes, n);
	r = read_old(h, node, &v, &was, err);
	if (r != 0)
		return r < 0 ? r : 0;
	errno = 0;
	if (hivex_node_set_value(h->h, node, &v, 0) < 0)
		return hive_failed(h, key, err);
	note(h, was.len ? "~" : "+", key, name);
	p2v_buf_add_str(&h->edits, " = ");
	show(type, copy, n, &h->edits);
	p2v_buf_add(&h->edits, was.data, was.len);
	p2v_buf_add_str(&h->edits, "\n");
	return p2v_buf_check(&h->edits, err);
}

int guest_hive_set_u32(struct guest_hive *h, const char *key, const char *name, uint32_t value,
	struct p2v_err *err)
{
	const uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
		(uint8_t)(value >> 24)};

	return guest_hive_set(h, key, name, GUEST_REG_DWORD, bytes, sizeof(bytes), err);
}

int guest_hive_set_text(struct guest_hive *h, const char *key, const char *name, uint32_t type,
	const char *text, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf bytes = {0};
	int r;

	p2v_utf8_to_utf16le(text, &bytes);
	p2v_buf_add_zeros(&bytes, 2);
	r = p2v_buf_check(&bytes, err);
	return r < 0 ? r : guest_hive_set(h, key, name, type, bytes.data, bytes.len, err);
}

int guest_hive_set_texts(struct guest_hive *h, const char *key, const char *name,
	const char *const *texts, size_t n_texts, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf bytes = {0};
	int r;

	for (size_t i = 0; i < n_texts; i++) {
		p2v_utf8_to_utf16le(texts[i], &bytes);
		p2v_buf_add_zeros(&bytes, 2);
	}
	p2v_buf_add_zeros(&bytes, 2);
	r = p2v_buf_check(&bytes, err);
	return r < 0 ? r
		     : guest_hive_set(h, key, name, GUEST_REG_MULTI_SZ, bytes.data, bytes.len, err);
}

int guest_hive_delete_key(struct guest_hive *h, const char *key, struct p2v_err *err)
{
	hive_node_h node;
	int r = may_edit(h, err);

	if (r == 0)
		r = hive_node(h, key, &node, err);
	if (r == P2V_ENOTFOUND) {
		p2v_err_clear(err);
		return 0;
	}
	if (r < 0)
		return r;
	errno = 0;
	if (hivex_node_delete_child(h->h, node) < 0)
		return hive_failed(h, key, err);
	note(h, "-", key, NULL);
	p2v_buf_add_str(&h->edits, "\n");
	return p2v_buf_check(&h->edits, err);
}

/* libhivex sets all values of a key at once: all but the one. */
struct rest {
	hive_set_value *items;
	size_t n;
};

static void rest_finish(struct rest *rest)
{
	for (size_t i = 0; i < rest->n; i++) {
		free(rest->items[i].key);
		free(rest->items[i].value);
	}
	free(rest->items);
}

static int keep_others(struct guest_hive *h, const hive_value_h *all, hive_value_h gone,
	struct rest *rest, struct p2v_err *err)
{
	size_t n = 0;
	int r = 0;

	while (all[n])
		n++;
	rest->items = calloc(n + 1, sizeof(*rest->items));
	if (!rest->items)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	for (size_t i = 0; r == 0 && i < n; i++) {
		hive_set_value *to = &rest->items[rest->n];
		uint32_t type;

		if (all[i] == gone)
			continue;
		r = hive_bytes(h, all[i], &type, &to->value, &to->len, err);
		if (r < 0)
			return r;
		rest->n++;
		to->t = (hive_type)type;
		to->key = hivex_value_key(h->h, all[i]);
		if (!to->key)
			r = hive_failed(h, "a value", err);
	}
	return r;
}

static int drop_value(struct guest_hive *h, const char *key, hive_node_h node, hive_value_h v,
	struct p2v_err *err)
{
	p2v_autofree hive_value_h *all = hivex_node_values(h->h, node);
	struct rest rest = {0};
	int r = all ? keep_others(h, all, v, &rest, err) : hive_failed(h, key, err);

	errno = 0;
	if (r == 0 && hivex_node_set_values(h->h, node, rest.n, rest.items, 0) < 0)
		r = hive_failed(h, key, err);
	rest_finish(&rest);
	return r;
}

int guest_hive_delete_value(
	struct guest_hive *h, const char *key, const char *name, struct p2v_err *err)
{
	hive_node_h node;
	hive_value_h v = 0;
	int r = may_edit(h, err);

	if (r == 0)
		r = hive_node(h, key, &node, err);
	if (r == P2V_ENOTFOUND) {
		p2v_err_clear(err);
		return 0;
	}
	if (r == 0)
		r = hive_value(h, node, name, &v, err);
	if (r < 0 || !v)
		return r;
	r = drop_value(h, key, node, v, err);
	if (r < 0)
		return r;
	note(h, "-", key, name);
	p2v_buf_add_str(&h->edits, "\n");
	return p2v_buf_check(&h->edits, err);
}

int guest_hive_save(struct guest_hive *h, const char *why, struct p2v_err *err)
{
	p2v_autofree char *real = NULL;
	p2v_autoclose int fd = -1;
	char name[64];
	int r = p2v_buf_check(&h->edits, err);

	if (r < 0 || !h->edits.len)
		return r;
	r = guest_temp_fd(&fd, err);
	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	errno = 0;
	if (hivex_commit(h->h, name, 0) < 0)
		return hive_failed(h, "", err);
	r = guest_upload(h->g, fd, h->path, 0644, why, err);
	if (r == 0)
		r = guest_path_resolve(h->g, h->path, true, &real, err);
	if (r == 0)
		r = guest_change_note_edits(h->g, real, guest_hive_edits(h), err);
	p2v_buf_reset(&h->edits);
	return r;
}

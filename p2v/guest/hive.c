/* SPDX-License-Identifier: GPL-3.0-or-later */

/* A hive is opened and read. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/utf16.h"
#include "p2v/guest/backend.h"
#include "p2v/guest/hive-open.h"
#include "p2v/guest/read.h"

#define BASE_BLOCK 4096

int hive_failed(const struct guest_hive *h, const char *key, struct p2v_err *err)
{
	int why = errno;

	if (why == ENOMEM)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	return p2v_err_set(err, P2V_EFORMAT, "%s: the hive is damaged at key '%.200s' (%s)",
		h->path, key, why ? strerror(why) : "nothing there");
}

bool hive_part_next(const char **rest, char *ret, size_t size)
{
	size_t n;

	*rest += strspn(*rest, "\\");
	n = strcspn(*rest, "\\");
	if (n == 0)
		return false;
	snprintf(ret, size, "%.*s", (int)n, *rest);
	*rest += n;
	return true;
}

int hive_node(struct guest_hive *h, const char *key, hive_node_h *ret, struct p2v_err *err)
{
	hive_node_h node = hivex_root(h->h);
	char part[HIVE_PART_MAX];
	const char *rest = key;

	if (!node)
		return hive_failed(h, "", err);
	while (hive_part_next(&rest, part, sizeof(part))) {
		errno = 0;
		node = hivex_node_get_child(h->h, node, part);
		if (!node && errno)
			return hive_failed(h, key, err);
		if (!node)
			return p2v_err_set(
				err, P2V_ENOTFOUND, "%s: there is no key '%.200s'", h->path, key);
	}
	*ret = node;
	return 0;
}

int hive_value(struct guest_hive *h, hive_node_h node, const char *name, hive_value_h *ret,
	struct p2v_err *err)
{
	hive_value_h v;

	errno = 0;
	v = hivex_node_get_value(h->h, node, name);
	if (!v && errno)
		return hive_failed(h, name, err);
	*ret = v;
	return 0;
}

int hive_bytes(struct guest_hive *h, hive_value_h v, uint32_t *ret_type, char **ret, size_t *ret_n,
	struct p2v_err *err)
{
	hive_type type;
	size_t n;
	char *bytes;

	if (hivex_value_type(h->h, v, &type, &n) < 0)
		return hive_failed(h, "a value", err);
	if (n > GUEST_HIVE_MAX_VALUE)
		return p2v_err_set(err, P2V_EFORMAT, "%s: a value of %zu bytes, more than %zu",
			h->path, n, GUEST_HIVE_MAX_VALUE);
	bytes = hivex_value_value(h->h, v, &type, &n);
	if (!bytes)
		return hive_failed(h, "a value", err);
	*ret_type = (uint32_t)type;
	*ret = bytes;
	*ret_n = n;
	return 0;
}

/* libhivex wants a name; the copy has none. */
static int open_copy(struct guest_hive *h, int fd, struct p2v_err *err)
{
	uint8_t base[BASE_BLOCK];
	ssize_t n = pread(fd, base, sizeof(base), 0);
	char name[64];
	int r = guest_hive_header(base, n > 0 ? (size_t)n : 0, &h->dirty, err);

	if (r < 0)
		return p2v_err_wrap(err, r, "%s", h->path);
	if (h->dirty && h->writable)
		return p2v_err_set(err, P2V_EREFUSED,
			"%s: Windows has not written this hive back in full; start Windows once "
			"more and shut it down ('shutdown /s /t 0')",
			h->path);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	errno = 0;
	h->h = hivex_open(name, h->writable ? HIVEX_OPEN_WRITE : 0);
	if (!h->h && errno == ENOMEM)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	return h->h ? 0
		    : p2v_err_set(err, P2V_EFORMAT, "%s: is a damaged registry hive (%s)", h->path,
			      errno ? strerror(errno) : "unreadable");
}

int guest_hive_open(struct guest *g, const char *path, bool writable, struct guest_hive **ret,
	struct p2v_err *err)
{
	guest_auto_hive struct guest_hive *h = calloc(1, sizeof(*h));
	p2v_autoclose int fd = -1;
	int r;

	if (!h || !(h->path = strdup(path)))
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	h->g = g;
	h->writable = writable;
	r = guest_temp_fd(&fd, err);
	if (r == 0)
		r = guest_download(g, path, GUEST_HIVE_MAX_BYTES, fd, err);
	if (r == 0)
		r = open_copy(h, fd, err);
	if (r == 0)
		*ret = p2v_steal(h);
	return r;
}

void guest_hive_free(struct guest_hive *h)
{
	if (!h)
		return;
	if (h->h)
		hivex_close(h->h);
	p2v_buf_finish(&h->edits);
	free(h->path);
	free(h);
}

bool guest_hive_is_dirty(const struct guest_hive *h)
{
	return h->dirty;
}

bool guest_hive_has_key(struct guest_hive *h, const char *key)
{
	hive_node_h node;

	return hive_node(h, key, &node, NULL) == 0;
}

/* Takes name, which may be NULL. */
static int add_name(struct guest_hive *h, struct guest_hive_names *to, char *name, const char *key,
	struct p2v_err *err)
{
	p2v_autofree char *mine = name;

	if (!mine)
		return hive_failed(h, key, err);
	if (to->n_items == GUEST_HIVE_MAX_NAMES)
		return p2v_err_set(err, P2V_EFORMAT, "%s: key '%.200s' holds more than %zu names",
			h->path, key, GUEST_HIVE_MAX_NAMES);
	return p2v_json_add_str(&to->items, &to->n_items, mine, err);
}

static int list(struct guest_hive *h, const char *key, bool values, struct guest_hive_names *ret,
	struct p2v_err *err)
{
	struct guest_hive_names names = {0};
	p2v_autofree size_t *all = NULL;
	hive_node_h node;
	int r = hive_node(h, key, &node, err);

	if (r == P2V_ENOTFOUND) {
		p2v_err_clear(err);
		*ret = names;
		return 0;
	}
	if (r < 0)
		return r;
	errno = 0;
	all = values ? hivex_node_values(h->h, node) : hivex_node_children(h->h, node);
	if (!all)
		return hive_failed(h, key, err);
	for (size_t i = 0; r == 0 && all[i]; i++)
		r = add_name(h, &names,
			values ? hivex_value_key(h->h, all[i]) : hivex_node_name(h->h, all[i]), key,
			err);
	if (r < 0)
		guest_hive_names_finish(&names);
	else
		*ret = names;
	return r;
}

int guest_hive_keys(
	struct guest_hive *h, const char *key, struct guest_hive_names *ret, struct p2v_err *err)
{
	return list(h, key, false, ret, err);
}

int guest_hive_values(
	struct guest_hive *h, const char *key, struct guest_hive_names *ret, struct p2v_err *err)
{
	return list(h, key, true, ret, err);
}

int guest_hive_get(struct guest_hive *h, const char *key, const char *name, uint32_t *ret_type,
	struct p2v_buf *ret, struct p2v_err *err)
{
	p2v_autofree char *bytes = NULL;
	hive_value_h v = 0;
	hive_node_h node;
	size_t n = 0;
	int r = hive_node(h, key, &node, err);

	if (r == 0)
		r = hive_value(h, node, name, &v, err);
	if (r < 0)
		return r;
	if (!v)
		return p2v_err_set(err, P2V_ENOTFOUND, "%s: key '%.200s' has no value '%.100s'",
			h->path, key, name);
	r = hive_bytes(h, v, ret_type, &bytes, &n, err);
	if (r < 0)
		return r;
	p2v_buf_add(ret, bytes, n);
	return p2v_buf_check(ret, err);
}

static int wrong_type(const struct guest_hive *h, const char *key, const char *name, uint32_t type,
	size_t n, const char *wanted, struct p2v_err *err)
{
	return p2v_err_set(err, P2V_EFORMAT,
		"%s: '%.200s' value '%.100s' is of type %u with %zu bytes, not %s", h->path, key,
		name, type, n, wanted);
}

int guest_hive_get_u32(
	struct guest_hive *h, const char *key, const char *name, uint32_t *ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf bytes = {0};
	struct p2v_rd rd;
	uint32_t type, low, high;
	int r = guest_hive_get(h, key, name, &type, &bytes, err);

	if (r < 0)
		return r;
	rd = p2v_rd_init(bytes.data, bytes.len);
	low = p2v_rd_le32(&rd);
	high = type == GUEST_REG_QWORD ? p2v_rd_le32(&rd) : 0;
	if ((type != GUEST_REG_DWORD && type != GUEST_REG_QWORD) || p2v_rd_bad(&rd) || high)
		return wrong_type(h, key, name, type, bytes.len, "a number of 32 bits", err);
	*ret = low;
	return 0;
}

int guest_hive_get_text(
	struct guest_hive *h, const char *key, const char *name, char **ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf bytes = {0}, text = {0};
	uint32_t type;
	int r = guest_hive_get(h, key, name, &type, &bytes, err);

	if (r < 0)
		return r;
	if (type != GUEST_REG_SZ && type != GUEST_REG_EXPAND_SZ)
		return wrong_type(h, key, name, type, bytes.len, "a text", err);
	p2v_utf16_to_utf8(bytes.data, bytes.len, false, &text);
	r = p2v_buf_check(&text, err);
	if (r == 0 && !(*ret = p2v_buf_take_str(&text)))
		r = p2v_err_set(err, P2V_ENOMEM, "no memory");
	return r;
}

int guest_hive_get_texts(struct guest_hive *h, const char *key, const char *name,
	struct guest_hive_names *ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf bytes = {0};
	uint32_t type;
	int r = guest_hive_get(h, key, name, &type, &bytes, err);

	if (r < 0)
		return r;
	if (type != GUEST_REG_MULTI_SZ && type != GUEST_REG_SZ)
		return wrong_type(h, key, name, type, bytes.len, "a list of texts", err);
	r = guest_multi_sz_read(bytes.data, bytes.len, ret, err);
	return r < 0 ? p2v_err_wrap(err, r, "%s: '%.200s' value '%.100s'", h->path, key, name) : 0;
}

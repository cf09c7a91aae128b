/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Paths of a guest for which letter case does not matter: NTFS shows names as they were made. */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/guest/backend.h"

#define MAX_ALIKE 64

/* fnmatch: each letter in both cases, all else as it is. */
static void add_pattern(struct p2v_buf *out, struct p2v_span name)
{
	for (size_t i = 0; i < name.n; i++) {
		int c = (unsigned char)name.p[i];

		if (isalpha(c))
			p2v_buf_addf(out, "[%c%c]", tolower(c), toupper(c));
		else if (strchr("*?[]\\", c))
			p2v_buf_addf(out, "\\%c", c);
		else
			p2v_buf_add_u8(out, (uint8_t)c);
	}
	p2v_buf_add(out, "", 1);
}

/* Adds "/NAME" as the directory `at` has it; as asked for where it has none. */
static int add_part(struct guest *g, struct p2v_buf *at, struct p2v_span name, struct p2v_err *err)
{
	p2v_autofree char *plain = p2v_span_dup(name);
	p2v_autofree char *dir = at->len ? strndup((char *)at->data, at->len) : strdup("/");
	p2v_autofree char *full = plain && dir ? p2v_path_join(dir, plain) : NULL;
	p2v_autobuf struct p2v_buf pattern = {0};
	struct guest_dir like = {0};
	struct guest_stat st;
	int r;

	add_pattern(&pattern, name);
	if (!full || pattern.failed)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (guest_lstat(g, full, &st, NULL) < 0) {
		r = guest_list_dir(g, dir, (char *)pattern.data, MAX_ALIKE, &like, err);
		if (r < 0 && r != P2V_ENOTFOUND && r != P2V_EFORMAT)
			return r;
		p2v_err_clear(err);
	}
	p2v_buf_addf(at, "/%s", like.n_entries ? like.entries[0].name : plain);
	guest_dir_finish(&like);
	return p2v_buf_check(at, err);
}

int guest_path_nocase(struct guest *g, const char *path, char **ret, struct p2v_err *err)
{
	struct p2v_span rest = p2v_span_str(path), name;
	p2v_autobuf struct p2v_buf at = {0};
	int r = guest_path_check(path, err);

	while (r == 0 && rest.n) {
		name = p2v_span_until(rest, '/', &rest);
		if (name.n)
			r = add_part(g, &at, name, err);
	}
	if (r < 0)
		return r;
	if (!at.len)
		p2v_buf_add(&at, "/", 1);
	*ret = at.failed ? NULL : strndup((char *)at.data, at.len);
	return *ret ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");
}

/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * grubenv: GRUB's environment block. 1024 bytes exactly: the line "# GRUB Environment Block",
 * "name=value" lines, the rest '#'. GRUB writes into it in place, so its size never changes.
 */

#include <string.h>

#include "converters/boot/lines.h"
#include "converters/boot/menu.h"

#define BLOCK_BYTES ((size_t)1024)
#define OPTIONS	    "kernelopts="

static bool find_options(struct p2v_span line, struct p2v_span *ret_args)
{
	if (!p2v_span_starts(line, OPTIONS))
		return false;
	*ret_args = p2v_span_skip(line, strlen(OPTIONS));
	return true;
}

static int env_read(
	struct p2v_span text, const char *path, struct boot_menu *menu, struct p2v_err *err)
{
	struct p2v_span line, value;
	int r = 0;

	(void)path;
	while (r == 0 && p2v_line_next(&text, &line)) {
		struct p2v_span name = p2v_span_until(line, '=', &value);

		if (p2v_span_eq(name, "saved_entry") && value.n && !menu->saved)
			r = boot_set(&menu->saved, value, err);
		else if (p2v_span_eq(name, "kernelopts") && !menu->kernelopts)
			r = boot_set(&menu->kernelopts, p2v_span_trim(value), err);
	}
	return r;
}

/* The lines without what fills the block. */
static struct p2v_span content(struct p2v_span text)
{
	while (text.n && text.p[text.n - 1] == '#')
		text.n--;
	return text;
}

static int env_edit(struct p2v_span text, const struct boot_edit *edit, struct p2v_buf *out,
	struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf edited = {0};
	struct p2v_span lines = content(text);
	int r = boot_lines_edit(lines, find_options, edit, &edited, err);

	if (r < 0)
		return r;
	if (p2v_span_same(lines, p2v_span_of(edited.data, edited.len))) {
		p2v_buf_add(out, text.p, text.n);
		return p2v_buf_check(out, err);
	}
	if (text.n != BLOCK_BYTES || edited.len > BLOCK_BYTES)
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"GRUB's environment block (%zu bytes) has no room for the new kernelopts",
			text.n);
	p2v_buf_add(out, edited.data, edited.len);
	while (!out->failed && out->len < BLOCK_BYTES)
		p2v_buf_add_str(out, "#");
	return p2v_buf_check(out, err);
}

const struct boot_format boot_format_grubenv = {.read = env_read, .edit = env_edit};

/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * LILO, ELILO: "key = value" or "key" a line, '#' begins a comment. What stands before the first
 * image= or other= is for all images that do not say it themselves. It is read to know what starts;
 * LILO itself reads its map of sectors, so that nothing is edited. Source: lilo.conf(5).
 */

#include "converters/boot/loaders.h"
#include "converters/boot/menu.h"

/* Of all images, and of the one that is being read. */
struct options {
	struct p2v_span root, append, initrd;
};

struct reader {
	struct boot_menu *menu;
	struct boot_entry *now; /* NULL: before the first image, or another system */
	struct options all, own;
	bool begun;
};

static struct p2v_span either(struct p2v_span own, struct p2v_span all)
{
	return own.n ? own : all;
}

static int end_image(struct reader *rd, struct p2v_err *err)
{
	const struct p2v_span root = either(rd->own.root, rd->all.root),
			      append = either(rd->own.append, rd->all.append),
			      initrd = either(rd->own.initrd, rd->all.initrd);
	p2v_autobuf struct p2v_buf args = {0};
	int r;

	if (!rd->now)
		return 0;
	if (root.n && !p2v_span_eq(root, "current"))
		p2v_buf_addf(&args, "root=%.*s", (int)root.n, root.p);
	if (append.n)
		p2v_buf_addf(&args, "%s%.*s", args.len ? " " : "", (int)append.n, append.p);
	r = p2v_buf_check(&args, err);
	if (r == 0 && args.len)
		r = boot_set(&rd->now->cmdline, p2v_span_of(args.data, args.len), err);
	if (r == 0 && initrd.n)
		r = boot_add_initrds(rd->now, initrd, err);
	rd->now = NULL;
	return r;
}

static int begin_image(struct reader *rd, struct p2v_span path, uint32_t n, struct p2v_err *err)
{
	int r = end_image(rd, err);

	rd->begun = true;
	rd->own = (struct options){0};
	if (r == 0 && path.n)
		r = boot_menu_add(rd->menu, &rd->now, err);
	if (r < 0 || !path.n)
		return r;
	rd->now->line = n;
	return boot_set_kernel(rd->now, path, err);
}

static int read_line(struct reader *rd, struct p2v_span line, uint32_t n, struct p2v_err *err)
{
	struct p2v_span value, key = p2v_span_trim(p2v_span_until(line, '=', &value));
	struct options *to = rd->begun ? &rd->own : &rd->all;
	int r = 0;

	value = p2v_span_unquote(p2v_span_trim(value));
	if (p2v_span_eq(key, "image"))
		r = begin_image(rd, value, n, err);
	else if (p2v_span_eq(key, "other"))
		r = begin_image(rd, p2v_span_str(""), n, err);
	else if (p2v_span_eq(key, "root"))
		to->root = value;
	else if (p2v_span_eq(key, "append"))
		to->append = value;
	else if (p2v_span_eq(key, "initrd"))
		to->initrd = value;
	else if (p2v_span_eq(key, "default"))
		r = boot_set(&rd->menu->wanted, value, err);
	else if (p2v_span_eq(key, "label") && rd->now)
		r = boot_set(&rd->now->id, value, err);
	return r == 0 && p2v_span_eq(key, "label") && rd->now
		       ? boot_set(&rd->now->title, value, err)
		       : r;
}

static int lilo_read(
	struct p2v_span text, const char *path, struct boot_menu *menu, struct p2v_err *err)
{
	struct reader rd = {.menu = menu};
	struct p2v_span line;
	int r = 0;

	(void)path;
	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		line = p2v_span_trim(line);
		if (line.n && line.p[0] != '#')
			r = read_line(&rd, line, n, err);
	}
	return r == 0 ? end_image(&rd, err) : r;
}

const struct boot_format boot_format_lilo = {.read = lilo_read};

static const struct boot_file lilo_files[] = {
	{"/etc/lilo.conf", &boot_format_lilo, false},
	{NULL, NULL, false},
};
static const struct boot_file elilo_files[] = {
	{"/etc/elilo.conf", &boot_format_lilo, false},
	{NULL, NULL, false},
};

const struct boot_loader boot_lilo = {.kind = "lilo", .files = lilo_files, .sealed = true};
const struct boot_loader boot_elilo = {.kind = "elilo", .files = elilo_files, .sealed = true};

/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * systemd.swap(5): the unit's name follows from the device's path, so a unit for another path is
 * another unit: dev-sda5.swap becomes dev-disk-by\x2duuid-....swap, and so do the links to it.
 */

#include <ctype.h>
#include <string.h>

#include "converters/apply/editors.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/guest/read.h"
#include "p2v/guest/write.h"

#define MAX_BYTES ((uint64_t)64 << 10)
#define MAX_NAMES ((size_t)4096)

/* systemd.unit(5): "/" is "-", other characters than letters, digits, ":_." are \xNN. */
static void escape(const char *path, struct p2v_buf *out)
{
	for (const char *p = path + 1; *p; p++) {
		if (*p == '/')
			p2v_buf_add_str(out, "-");
		else if (isalnum((unsigned char)*p) || strchr(":_.", *p))
			p2v_buf_add(out, p, 1);
		else
			p2v_buf_addf(out, "\\x%02x", (unsigned char)*p);
	}
}

/* swap.target.wants/dev-sda5.swap */
static int move_link(struct guest *g, const char *dir, const char *from, const char *to,
	const char *target, const char *why, struct p2v_err *err)
{
	p2v_autofree char *old = p2v_path_join(dir, from);
	p2v_autofree char *new = p2v_path_join(dir, to);
	p2v_autofree char *was = NULL;
	int r;

	if (!old || !new)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (guest_read_link(g, old, &was, NULL) < 0)
		return 0;
	r = guest_symlink(g, target, new, why, err);
	return r == 0 ? guest_remove(g, old, why, err) : r;
}

static int move_links(struct guest *g, const char *from, const char *to, const char *target,
	const char *why, struct p2v_err *err)
{
	static const char top[] = "/etc/systemd/system";
	struct guest_dir d = {0};
	int r = guest_list_dir(g, top, NULL, MAX_NAMES, &d, err);

	for (size_t i = 0; r == 0 && i < d.n_entries; i++) {
		p2v_autofree char *dir = p2v_path_join(top, d.entries[i].name);

		if (d.entries[i].st.type == GUEST_DIR && dir)
			r = move_link(g, dir, from, to, target, why, err);
	}
	guest_dir_finish(&d);
	return r;
}

int run_swap_unit(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err)
{
	const char *to = apply_arg(step, "to", err);
	const char *slash = strrchr(step->path, '/');
	p2v_autobuf struct p2v_buf text = {0}, edited = {0}, name = {0};
	p2v_autofree char *path = NULL;
	int r;

	(void)details;
	if (!to || to[0] != '/' || !slash)
		return P2V_EFORMAT;
	escape(to, &name);
	p2v_buf_add_str(&name, ".swap");
	r = p2v_buf_check(&name, err);
	if (r == 0)
		r = guest_read_file(g, step->path, MAX_BYTES, &text, err);
	if (r == 0)
		r = edit_device_replace(p2v_span_of(text.data, text.len), step, &edited, err);
	path = r == 0 ? p2v_strf("%.*s/%s", (int)(slash - step->path), step->path,
				(const char *)name.data)
		      : NULL;
	if (r == 0 && !path)
		r = p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (r == 0)
		r = guest_write_file(g, path, edited.data, edited.len, 0644, step->reason, err);
	if (r == 0)
		r = move_links(g, slash + 1, (const char *)name.data, path, step->reason, err);
	return r == 0 ? guest_remove(g, step->path, step->reason, err) : r;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/apply/report.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/guest/write.h"

void apply_report_finish(struct apply_report *report)
{
	for (size_t i = 0; i < report->details.n_items; i++) {
		free(report->details.items[i].path);
		free(report->details.items[i].text);
	}
	for (size_t i = 0; i < report->n_firsts; i++)
		free(report->firsts[i].path);
	free(report->details.items);
	free(report->firsts);
	memset(report, 0, sizeof(*report));
}

static const struct apply_first *find_first(const struct apply_report *report, const char *path)
{
	for (size_t i = 0; i < report->n_firsts; i++)
		if (strcmp(report->firsts[i].path, path) == 0)
			return &report->firsts[i];
	return NULL;
}

int apply_report_note_step(
	struct apply_report *report, const struct guest *g, size_t step, struct p2v_err *err)
{
	struct guest_changes all = guest_changes(g);

	for (size_t i = 0; i < all.n_items; i++) {
		struct apply_first *f;

		if (find_first(report, all.items[i].path))
			continue;
		f = p2v_json_grow((void **)&report->firsts, &report->n_firsts, sizeof(*f));
		if (f)
			f->path = strdup(all.items[i].path);
		if (!f || !f->path) {
			report->n_firsts -= f != NULL;
			return p2v_err_set(err, P2V_ENOMEM, "no memory");
		}
		f->step = (uint32_t)step;
	}
	return 0;
}

/* "003-etc-fstab.diff": no guest name becomes a host path. */
static char *diff_name(size_t i, const char *path)
{
	char safe[64];
	size_t n = 0;

	for (const char *p = path + (*path == '/'); *p && n + 1 < sizeof(safe); p++, n++)
		safe[n] = isalnum((unsigned char)*p) || (*p == '.' && n) ? *p : '-';
	safe[n] = '\0';
	return p2v_strf("%03zu-%s.diff", i + 1, safe);
}

static int write_diff(const struct guest_change *from, size_t i, const char *changes_dir,
	struct change *to, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf diff = {0};
	p2v_autofree char *name = NULL;
	const char *base = strrchr(changes_dir, '/');
	int r;

	if (from->kind != GUEST_KIND_TEXT && from->kind != GUEST_KIND_SYMLINK &&
		from->kind != GUEST_KIND_HIVE)
		return 0;
	r = guest_change_diff(from, &diff, err);
	name = diff_name(i, from->path);
	if (r == 0 && !name)
		r = p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (r == 0)
		r = p2v_publish_bytes(changes_dir, name, diff.data, diff.len, 0644, err);
	if (r < 0)
		return r;
	to->diff = p2v_strf("%s/%s", base ? base + 1 : changes_dir, name);
	return to->diff ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");
}

static const char *find_detail(const struct apply_report *report, const char *path)
{
	for (size_t i = 0; i < report->details.n_items; i++)
		if (strcmp(report->details.items[i].path, path) == 0)
			return report->details.items[i].text;
	return NULL;
}

static char *copy_digest(const char *digest)
{
	return *digest ? strdup(digest) : NULL;
}

static int take(const struct apply_report *report, const struct guest_change *from,
	struct change *to, struct p2v_err *err)
{
	const struct apply_first *first = find_first(report, from->path);
	const char *detail = find_detail(report, from->path);
	bool appended = from->kept_bytes && from->kept_bytes == from->before_bytes;

	to->path = strdup(from->path);
	to->action = strdup(appended ? "append" : guest_action_word(from->action));
	to->kind = strdup(guest_kind_word(from->kind));
	to->reason = strdup(from->why ? from->why : "");
	to->before_digest = copy_digest(from->before_sha256);
	to->after_digest = copy_digest(from->after_sha256);
	to->before_bytes = from->before_bytes;
	to->after_bytes = from->after_bytes;
	to->step = first ? first->step : 0;
	to->detail = detail ? strdup(detail) : NULL;
	if (!to->path || !to->action || !to->kind || !to->reason || (detail && !to->detail))
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	return 0;
}

int apply_report_make(const struct apply_report *report, const struct guest *g, const char *name,
	const char *changes_dir, struct changes *ret, struct p2v_err *err)
{
	struct guest_changes all = guest_changes(g);
	int r = 0;

	ret->name = strdup(name);
	if (!ret->name)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	for (size_t i = 0; r == 0 && i < all.n_items; i++) {
		struct change *c =
			p2v_json_grow((void **)&ret->changes, &ret->n_changes, sizeof(*c));

		r = c ? take(report, &all.items[i], c, err)
		      : p2v_err_set(err, P2V_ENOMEM, "no memory");
		if (r == 0)
			r = write_diff(&all.items[i], i, changes_dir, c, err);
	}
	return r;
}

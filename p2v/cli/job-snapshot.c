/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/cli/job-snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "p2v/cli/print.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/model/check.h"
#include "p2v/store/snapshot.h"

/* ---- which there are ---- */

static void time_text(uint64_t at_s, char *text, size_t n)
{
	time_t at = (time_t)at_s;
	struct tm tm;

	localtime_r(&at, &tm);
	strftime(text, n, "%Y-%m-%d %H:%M:%S", &tm);
}

int cli_job_snapshots(
	const struct cli_server *server, const char *job, bool json, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_strf("%s/snapshots", job);
	p2v_auto_snapshots struct snapshots all = {0};
	int r = path ? cli_server_get(server, path, &store_snapshots_type, &all, err)
		     : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r == 0 && json)
		return cli_print_json(&store_snapshots_type, &all, err);
	if (r == 0)
		r = cli_make_printable(&store_snapshots_type, &all, err);
	for (size_t i = 0; r == 0 && i < all.n_snapshots; i++) {
		const struct snapshot *s = &all.snapshots[i];
		char at[32];

		time_text(s->at_s, at, sizeof(at));
		printf("%-14s %-10s %s  %4u changes  %s\n", s->name, s->state, at, s->changes,
			s->where ? s->where : "its changes alone are kept");
	}
	return r;
}

/* ---- what differs ---- */

struct difference_file {
	char *path, *action, *reason, *diff;
};
static const struct p2v_json_field file_fields[] = {
	P2V_JSON_STR(struct difference_file, path, 0),
	P2V_JSON_STR(struct difference_file, action, 0),
	P2V_JSON_STR(struct difference_file, reason, 0),
	P2V_JSON_STR(struct difference_file, diff, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type file_type = {
	"difference_file", sizeof(struct difference_file), file_fields};

struct difference {
	uint32_t version; /* 1 */
	char *from, *to;
	struct difference_file *files;
	size_t n_files;
};
static const struct p2v_json_field difference_fields[] = {
	P2V_JSON_U32(struct difference, version, 0),
	P2V_JSON_STR(struct difference, from, 0),
	P2V_JSON_STR(struct difference, to, 0),
	P2V_JSON_OBJS(struct difference, files, 0, &file_type),
	P2V_JSON_END,
};
static const struct p2v_json_type difference_type = {
	"difference", sizeof(struct difference), difference_fields};

/* What became of a file in the end: it may have been changed several times. */
static const struct change *last_of(const struct changes *changes, const char *path)
{
	for (size_t i = changes->n_changes; i-- > 0;)
		if (strcmp(changes->changes[i].path, path) == 0)
			return &changes->changes[i];
	return NULL;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static int file_add(struct difference *d, const struct change *c, const char *action,
	const char *reason, const char *diff, struct p2v_err *err)
{
	struct difference_file *f = p2v_json_grow((void **)&d->files, &d->n_files, sizeof(*f));

	if (!f)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	f->path = strdup(c->path);
	f->action = strdup(action);
	f->reason = reason ? strdup(reason) : NULL;
	f->diff = diff ? strdup(diff) : NULL;
	return f->path && f->action ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

/* As the file was received: what is done to get back there. */
static const char *back(const char *action)
{
	return strcmp(action, "create") == 0   ? "delete"
	       : strcmp(action, "delete") == 0 ? "create"
					       : "modify";
}

/* Both are known by what they changed in the pristine disk. */
static int compare(const struct changes *from, const struct changes *to, struct difference *d,
	struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < to->n_changes; i++) {
		const struct change *c = &to->changes[i], *old = last_of(from, c->path);

		if (last_of(to, c->path) != c || (old && same(old->after_digest, c->after_digest) &&
							 same(old->action, c->action)))
			continue;
		/* The unified diffs are against the pristine file. */
		r = file_add(
			d, c, old ? "modify" : c->action, c->reason, old ? NULL : c->diff, err);
	}
	for (size_t i = 0; r == 0 && i < from->n_changes; i++) {
		const struct change *c = &from->changes[i];

		if (last_of(from, c->path) == c && !last_of(to, c->path))
			r = file_add(d, c, back(c->action), "is as it was received", NULL, err);
	}
	return r;
}

static int changes_get(const struct cli_server *server, const char *job, const char *name,
	struct changes *ret, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_strf("%s/snapshots/%s", job, name);

	if (!model_name_ok(name))
		return p2v_err_set(err, P2V_EINVAL, "'%.80s' is no snapshot's name", name);
	return path ? cli_server_get(server, path, &model_changes_type, ret, err)
		    : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static int patch_print(
	const struct cli_server *server, const char *job, const char *diff, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_strf("%s/files/%s", job, diff);
	p2v_autobuf struct p2v_buf text = {0};
	int r = path ? cli_server_call(server, "GET", path, NULL, &text, err)
		     : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r == 0)
		cli_print_text(text.data, text.len);
	return r;
}

static int difference_print(const struct cli_server *server, const char *job,
	const struct cli_job_diff *what, struct difference *d, struct p2v_err *err)
{
	int r = 0;

	if (what->json)
		return cli_print_json(&difference_type, d, err);
	r = cli_make_printable(&difference_type, d, err);
	if (r < 0)
		return r;
	printf("%s -> %s: %zu files of the guest differ\n", d->from, d->to, d->n_files);
	for (size_t i = 0; r == 0 && i < d->n_files; i++) {
		const struct difference_file *f = &d->files[i];

		printf("  %-8s %s\n           %s\n", f->action, f->path,
			f->reason ? f->reason : "");
		if (what->patch && f->diff)
			r = patch_print(server, job, f->diff, err);
	}
	return r;
}

int cli_job_diff(const struct cli_server *server, const char *job, const struct cli_job_diff *what,
	struct p2v_err *err)
{
	const char *from = what->from ? what->from : "pristine";
	const char *to = what->to ? what->to : "converted";
	p2v_auto_changes struct changes a = {0}, b = {0};
	struct difference d = {.version = 1, .from = strdup(from), .to = strdup(to)};
	int r = d.from && d.to ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r == 0)
		r = changes_get(server, job, from, &a, err);
	if (r == 0)
		r = changes_get(server, job, to, &b, err);
	if (r == 0)
		r = compare(&a, &b, &d, err);
	if (r == 0)
		r = difference_print(server, job, what, &d, err);
	p2v_json_free(&difference_type, &d);
	return r;
}

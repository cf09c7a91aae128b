/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/store/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/model/output.h"
#include "p2v/store/jobdir.h"

#define PRISTINE   "pristine"
#define CONVERSION "conversion-"

static const struct p2v_json_field snapshot_fields[] = {
	P2V_JSON_STR(struct snapshot, name, 0),
	P2V_JSON_STR(struct snapshot, state, 0),
	P2V_JSON_U64(struct snapshot, at_s, 0),
	P2V_JSON_U32(struct snapshot, changes, 0),
	P2V_JSON_STR(struct snapshot, where, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type snapshot_type = {
	"snapshot", sizeof(struct snapshot), snapshot_fields};
static const struct p2v_json_field snapshots_fields[] = {
	P2V_JSON_U32(struct snapshots, version, 0),
	P2V_JSON_OBJS(struct snapshots, snapshots, 0, &snapshot_type),
	P2V_JSON_END,
};
const struct p2v_json_type store_snapshots_type = {
	"snapshots", sizeof(struct snapshots), snapshots_fields};

void store_snapshots_finish(struct snapshots *snapshots)
{
	p2v_json_free(&store_snapshots_type, snapshots);
}

static char *history_path(const char *dir, unsigned n, const char *name)
{
	return p2v_strf("%s/" STORE_HISTORY_DIR "/%u%s%s", dir, n, *name ? "/" : "", name);
}

static bool exists(const char *dir, const char *name)
{
	p2v_autofree char *path = p2v_path_join(dir, name);

	return path && p2v_file_exists(path);
}

/* How many conversions were taken back. */
static unsigned history_n(const char *dir)
{
	unsigned n = 0;

	for (bool there = true; there && n < STORE_HISTORY_MAX; n += there) {
		p2v_autofree char *path = history_path(dir, n + 1, STORE_CHANGES);

		there = path && p2v_file_exists(path);
	}
	return n;
}

/* ---- what there is ---- */

static uint64_t time_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_mtime : 0;
}

/* Takes name and where. */
static int add(struct snapshots *to, char *name, const char *state, uint64_t at_s, size_t changes,
	char *where, struct p2v_err *err)
{
	struct snapshot *s = p2v_json_grow((void **)&to->snapshots, &to->n_snapshots, sizeof(*s));

	if (s)
		*s = (struct snapshot){name, strdup(state), at_s, (uint32_t)changes, where};
	return s && s->name && s->state ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static int conversion_add(struct snapshots *to, unsigned n, const char *path, const char *state,
	char *where, struct p2v_err *err)
{
	p2v_auto_changes struct changes changes = {0};
	int r = model_changes_load(path, &changes, err);

	if (r < 0) {
		free(where);
		return r;
	}
	return add(to, p2v_strf(CONVERSION "%u", n), state, time_of(path), changes.n_changes, where,
		err);
}

static char *pristine_where(const char *dir)
{
	p2v_autofree char *path = p2v_path_join(dir, STORE_OUTPUT);
	p2v_auto_output struct output output = {0};

	if (path && p2v_file_exists(path) && model_output_load(path, &output, NULL) == 0 &&
		output.n_disks && output.disks[0].pristine_snapshot)
		return p2v_strf("snapshot %s in the disks below " STORE_IMAGE_DIR "/",
			output.disks[0].pristine_snapshot);
	return strdup("the disks below " STORE_IMAGE_DIR "/");
}

static int present_add(const char *dir, unsigned n, struct snapshots *to, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(dir, STORE_CHANGES);
	bool emitted = exists(dir, STORE_OUTPUT);

	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (!p2v_file_exists(path))
		return 0;
	return conversion_add(to, n, path,
		exists(dir, STORE_PROOF) ? "booted"
		: emitted		 ? "emitted"
					 : "converted",
		strdup(emitted ? "the disks below " STORE_OUTPUT_DIR "/"
			       : "overlays below " STORE_WORK_DIR "/"),
		err);
}

int store_snapshots_load(const char *dir, struct snapshots *ret, struct p2v_err *err)
{
	p2v_auto_snapshots struct snapshots all = {.version = 1};
	p2v_autofree char *image = p2v_path_join(dir, STORE_IMAGE);
	unsigned n = history_n(dir);
	int r = 0;

	if (!image)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (p2v_file_exists(image))
		r = add(&all, strdup(PRISTINE), "received", time_of(image), 0, pristine_where(dir),
			err);
	for (unsigned i = 1; r == 0 && i <= n; i++) {
		p2v_autofree char *path = history_path(dir, i, STORE_CHANGES);

		r = path ? conversion_add(&all, i, path, "taken back", NULL, err) : P2V_ENOMEM;
	}
	if (r == 0)
		r = present_add(dir, n + 1, &all, err);
	if (r < 0)
		return r;
	*ret = all;
	all = (struct snapshots){0};
	return 0;
}

/* ---- one of them ---- */

/* Its diffs lie where it does. */
static int diffs_move(struct changes *changes, unsigned n, struct p2v_err *err)
{
	for (size_t i = 0; i < changes->n_changes; i++) {
		struct change *c = &changes->changes[i];
		char *moved = c->diff ? history_path(".", n, c->diff) : NULL;

		if (c->diff && !moved)
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
		free(c->diff);
		c->diff = moved ? strdup(moved + 2) : NULL;
		free(moved);
	}
	return 0;
}

int store_snapshot_changes(
	const char *dir, const char *name, struct changes *ret, struct p2v_err *err)
{
	unsigned n = history_n(dir);
	p2v_autofree char *path = NULL;
	uint64_t which = n + 1;
	int r;

	*ret = (struct changes){.version = 1};
	if (strcmp(name, PRISTINE) == 0)
		return 0;
	/* The last one is meant. */
	if (strcmp(name, "converted") != 0 &&
		(strncmp(name, CONVERSION, strlen(CONVERSION)) != 0 ||
			p2v_num_parse(name + strlen(CONVERSION), "conversion", 1, n + 1, &which,
				NULL) < 0))
		which = 0;
	path = which > n ? p2v_path_join(dir, STORE_CHANGES)
			 : history_path(dir, (unsigned)which, STORE_CHANGES);
	if (!which || !path || !p2v_file_exists(path))
		return p2v_err_set(err, P2V_ENOTFOUND,
			"'%.40s' is no snapshot of this job; p2v job snapshots lists them", name);
	r = model_changes_load(path, ret, err);
	return r < 0 || which > n ? r : diffs_move(ret, (unsigned)which, err);
}

/* ---- keeping ---- */

static int move(const char *dir, const char *name, unsigned n, struct p2v_err *err)
{
	p2v_autofree char *from = p2v_path_join(dir, name), *to = history_path(dir, n, name);

	if (!from || !to)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	return rename(from, to) == 0 || errno == ENOENT ? 0 : p2v_err_errno(err, errno, "%s", to);
}

int store_snapshot_keep(const char *dir, struct p2v_err *err)
{
	unsigned n = history_n(dir) + 1;
	p2v_autofree char *to = history_path(dir, n, "");
	int r;

	if (!to)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (!exists(dir, STORE_CHANGES) || n > STORE_HISTORY_MAX)
		return 0;
	r = p2v_dir_make(to, 0700, err);
	/* The diffs first: what changes.json names is there. A crash in between leaves it where it
	 * was, without diffs, and this is done again. */
	if (r == 0)
		r = move(dir, STORE_CHANGES_DIR, n, err);
	if (r == 0)
		r = move(dir, STORE_CHANGES, n, err);
	return r;
}

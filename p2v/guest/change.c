/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/num.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/guest/backend.h"

const char *guest_action_word(enum guest_action action)
{
	static const char *const words[] = {"create", "modify", "delete"};

	return words[action];
}

const char *guest_kind_word(enum guest_kind kind)
{
	static const char *const words[] = {"text", "binary", "symlink", "directory", "hive"};

	return words[kind];
}

static void change_finish(struct guest_change *c)
{
	free(c->path);
	free(c->why);
	p2v_buf_finish(&c->before);
	p2v_buf_finish(&c->after);
	p2v_buf_finish(&c->edits);
}

void guest_changes_free(struct guest *g)
{
	for (size_t i = 0; i < g->n_changes; i++)
		change_finish(&g->changes[i]);
	free(g->changes);
	g->changes = NULL;
	g->n_changes = 0;
}

struct guest_changes guest_changes(const struct guest *g)
{
	return (struct guest_changes){.items = g->changes, .n_items = g->n_changes};
}

static bool shown(const struct guest_side *s)
{
	return s->exists && (s->kind == GUEST_KIND_TEXT || s->kind == GUEST_KIND_SYMLINK);
}

static int keep(struct p2v_buf *to, const struct guest_side *s, struct p2v_err *err)
{
	p2v_buf_finish(to);
	if (!shown(s))
		return 0;
	p2v_buf_add(to, s->bytes, s->n);
	return p2v_buf_check(to, err);
}

static struct guest_change *find(struct guest *g, const char *real)
{
	for (size_t i = 0; i < g->n_changes; i++)
		if (strcmp(g->changes[i].path, real) == 0)
			return &g->changes[i];
	return NULL;
}

static void drop(struct guest *g, struct guest_change *c)
{
	size_t at = (size_t)(c - g->changes);

	change_finish(c);
	memmove(c, c + 1, (g->n_changes - at - 1) * sizeof(*c));
	g->n_changes--;
}

/* A path that nobody wrote to yet: its before side is kept for good. action holds whether it was
 * there: CREATE or MODIFY. */
static int start(struct guest *g, const char *real, const struct guest_side *before,
	struct guest_change **ret, struct p2v_err *err)
{
	struct guest_change *c =
		p2v_json_grow((void **)&g->changes, &g->n_changes, sizeof(*g->changes));

	if (!c || !(c->path = strdup(real)))
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	c->action = before->exists ? GUEST_MODIFY : GUEST_CREATE;
	c->kind = before->kind;
	c->before_bytes = before->kind == GUEST_KIND_DIRECTORY ? 0 : before->n;
	*ret = c;
	memcpy(c->before_sha256, before->sha256, sizeof(c->before_sha256));
	return keep(&c->before, before, err);
}

static int add_why(struct guest_change *c, const char *why, struct p2v_err *err)
{
	char *joined;

	if (c->why && strstr(c->why, why))
		return 0;
	joined = c->why ? p2v_strf("%s; %s", c->why, why) : strdup(why);
	if (!joined)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	free(c->why);
	c->why = joined;
	return 0;
}

static uint64_t kept(const struct guest_side *before, const struct guest_side *after)
{
	bool appended = before->exists && after->exists && after->kind == GUEST_KIND_BINARY &&
			after->n >= before->n && before->kind <= GUEST_KIND_BINARY &&
			(before->n == 0 || memcmp(before->bytes, after->bytes, before->n) == 0);

	return appended ? before->n : 0;
}

int guest_change_record(struct guest *g, const char *real, const struct guest_side *before,
	const struct guest_side *after, const char *why, struct p2v_err *err)
{
	struct guest_change *c = find(g, real);
	bool again = c != NULL;
	bool was = again ? c->action != GUEST_CREATE : before->exists;
	int rc = again ? 0 : start(g, real, before, &c, err);

	if (rc == 0)
		rc = keep(&c->after, after, err);
	if (rc == 0)
		rc = add_why(c, why, err);
	if (rc < 0)
		return rc;
	memcpy(c->after_sha256, after->sha256, sizeof(c->after_sha256));
	if (was ? after->exists && strcmp(c->before_sha256, c->after_sha256) == 0 &&
				c->before_sha256[0]
		: !after->exists) {
		drop(g, c);
		return 0;
	}
	/* The second of two appends keeps what the first one kept. */
	c->kept_bytes = again && kept(before, after) ? p2v_min_u64(c->before_bytes, before->n)
						     : kept(before, after);
	c->after_bytes = after->kind == GUEST_KIND_DIRECTORY ? 0 : after->n;
	c->action = !after->exists ? GUEST_DELETE : was ? GUEST_MODIFY : GUEST_CREATE;
	if (after->exists)
		c->kind = after->kind;
	return 0;
}

int guest_change_note_edits(
	struct guest *g, const char *real, const char *edits, struct p2v_err *err)
{
	struct guest_change *c = find(g, real);

	/* Back to what it was: no change any more. */
	if (!c)
		return 0;
	c->kind = GUEST_KIND_HIVE;
	p2v_buf_add_str(&c->edits, edits);
	return p2v_buf_check(&c->edits, err);
}

/* One side in a file of its own, for diff. */
static int side_file(const char *dir, const char *name, const struct p2v_buf *bytes,
	char **ret_path, struct p2v_err *err)
{
	*ret_path = p2v_path_join(dir, name);
	if (!*ret_path)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	return p2v_publish_bytes(
		dir, name, bytes->data ? bytes->data : (const uint8_t *)"", bytes->len, 0600, err);
}

/* diff says 1 where the files differ, which p2v_proc_run would take for a failure. */
static int run_diff(const char *const *argv, struct p2v_buf *ret, struct p2v_err *err)
{
	struct p2v_proc_spec spec = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1};
	p2v_autoclose int fd = -1;
	int status = 0, rc = guest_temp_fd(&fd, err);
	uint8_t *to;
	off_t n;
	pid_t pid;

	if (rc < 0)
		return rc;
	spec.stdout_fd = fd;
	rc = p2v_proc_start(&spec, &pid, err);
	if (rc < 0)
		return rc;
	rc = p2v_proc_wait(pid, 60000, &status, err);
	if (rc < 0) {
		p2v_proc_stop(pid, 0);
		return rc;
	}
	n = lseek(fd, 0, SEEK_END);
	if (status > 1 || n < 0)
		return p2v_err_set(err, P2V_EIO, "diff: exit code %d", status);
	to = p2v_buf_reserve(ret, (size_t)n);
	if (!to || pread(fd, to, (size_t)n, 0) != n)
		return p2v_err_set(err, P2V_EIO, "diff: cannot read what it printed");
	ret->len += (size_t)n;
	p2v_buf_add(ret, "", 0);
	return 0;
}

/* "a/etc/fstab", or "/dev/null" for the side that a create or delete does not have. */
static char *label(char side, const struct guest_change *c, enum guest_action without)
{
	char name[GUEST_SHOWN];

	if (c->action == without)
		return strdup("--label=/dev/null");
	return p2v_strf("--label=%c%s", side, guest_show(c->path, name));
}

static int diff_in(
	const char *dir, const struct guest_change *c, struct p2v_buf *ret, struct p2v_err *err)
{
	p2v_autofree char *a = NULL, *b = NULL;
	p2v_autofree char *label_a = label('a', c, GUEST_CREATE);
	p2v_autofree char *label_b = label('b', c, GUEST_DELETE);
	int rc = side_file(dir, "a", &c->before, &a, err);

	if (rc == 0)
		rc = side_file(dir, "b", &c->after, &b, err);
	if (rc == 0 && (!label_a || !label_b))
		rc = p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (rc < 0)
		return rc;
	return run_diff(
		(const char *const[]){"diff", "-u", "--text", label_a, label_b, "--", a, b, NULL},
		ret, err);
}

int guest_change_diff(const struct guest_change *c, struct p2v_buf *ret, struct p2v_err *err)
{
	p2v_autofree char *dir = NULL;
	int rc;

	if (c->kind == GUEST_KIND_HIVE) {
		p2v_buf_add(ret, c->edits.data, c->edits.len);
		return p2v_buf_check(ret, err);
	}
	if (c->kind != GUEST_KIND_TEXT && c->kind != GUEST_KIND_SYMLINK)
		return p2v_err_set(err, P2V_EUNSUPPORTED, "%s: a %s has no text to compare",
			c->path, guest_kind_word(c->kind));
	rc = p2v_dir_temp("diff", &dir, err);
	if (rc < 0)
		return rc;
	rc = diff_in(dir, c, ret, err);
	p2v_dir_remove(dir);
	return rc;
}

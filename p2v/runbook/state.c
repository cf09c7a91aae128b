/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/runbook/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"

#define SUFFIX	     ".state.json"
#define APPROVED     ".approved"
#define APPROVED_MAX ((size_t)1 << 20)

const char *const campaign_step_words[] = {"waiting", "copying", "hot", "final", "ready",
	"converting", "proven", "done", "failed", "rolled-back", NULL};

static const struct p2v_json_field server_fields[] = {
	P2V_JSON_STR(struct campaign_server, name, P2V_JSON_REQUIRED),
	P2V_JSON_ENUM(struct campaign_server, step, P2V_JSON_REQUIRED, campaign_step_words),
	P2V_JSON_ENUM(struct campaign_server, back, 0, campaign_step_words),
	P2V_JSON_U64(struct campaign_server, job, P2V_JSON_OMIT),
	P2V_JSON_STR(struct campaign_server, job_name, 0),
	P2V_JSON_STR(struct campaign_server, note, 0),
	P2V_JSON_BOOL(struct campaign_server, by_job, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct campaign_server, ordered, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct campaign_server, rolled, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct campaign_server, guarded, P2V_JSON_OMIT),
	P2V_JSON_U32(struct campaign_server, hooks, P2V_JSON_OMIT),
	P2V_JSON_U32(struct campaign_server, passes, P2V_JSON_OMIT),
	P2V_JSON_U64(struct campaign_server, pass_ms, P2V_JSON_OMIT),
	P2V_JSON_STR(struct campaign_server, receipt, 0),
	P2V_JSON_STR(struct campaign_server, final_receipt, 0),
	P2V_JSON_U64(struct campaign_server, seen_s, P2V_JSON_OMIT),
	P2V_JSON_U64(struct campaign_server, copied_s, P2V_JSON_OMIT),
	P2V_JSON_U64(struct campaign_server, refreshed_s, P2V_JSON_OMIT),
	P2V_JSON_U64(struct campaign_server, final_s, P2V_JSON_OMIT),
	P2V_JSON_U64(struct campaign_server, approved_s, P2V_JSON_OMIT),
	P2V_JSON_U64(struct campaign_server, proven_s, P2V_JSON_OMIT),
	P2V_JSON_U64(struct campaign_server, done_s, P2V_JSON_OMIT),
	P2V_JSON_END,
};
static const struct p2v_json_type server_type = {
	"server of the campaign", sizeof(struct campaign_server), server_fields};

static const struct p2v_json_field state_fields[] = {
	P2V_JSON_U32(struct campaign_state, version, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct campaign_state, name, P2V_JSON_REQUIRED),
	P2V_JSON_U64(struct campaign_state, began_s, 0),
	P2V_JSON_U64(struct campaign_state, ended_s, P2V_JSON_OMIT),
	P2V_JSON_OBJS(struct campaign_state, servers, 0, &server_type),
	P2V_JSON_END,
};
const struct p2v_json_type campaign_state_type = {
	"campaign", sizeof(struct campaign_state), state_fields};

void campaign_state_finish(struct campaign_state *state)
{
	p2v_json_free(&campaign_state_type, state);
}

int campaign_file(const char *runbook_path, const char *suffix, char **ret_dir, char **ret_name,
	struct p2v_err *err)
{
	const char *slash = strrchr(runbook_path, '/');
	struct p2v_span base = p2v_span_str(slash ? slash + 1 : runbook_path);
	p2v_autofree char *dir = !slash ? strdup(".")
				 : slash == runbook_path
					 ? strdup("/")
					 : strndup(runbook_path, (size_t)(slash - runbook_path));
	char *name;

	if (p2v_span_ends(base, ".yaml"))
		base.n -= strlen(".yaml");
	else if (p2v_span_ends(base, ".yml"))
		base.n -= strlen(".yml");
	name = p2v_strf("%.*s%s", (int)base.n, base.p, suffix);
	if (!dir || !name) {
		free(name);
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	*ret_dir = p2v_steal(dir);
	*ret_name = name;
	return 0;
}

static int load(const char *path, const char *name, struct campaign_state *got, struct p2v_err *err)
{
	int r = p2v_json_load(&campaign_state_type, path, got, err);

	if (r == P2V_ENOTFOUND) {
		p2v_err_clear(err);
		got->version = 1;
		got->name = strdup(name);
		return got->name ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	if (r < 0)
		return r;
	if (got->version != 1)
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"%s: version %u is not one that this program knows (1)", path,
			got->version);
	if (strcmp(got->name, name) != 0)
		return p2v_err_set(err, P2V_EREFUSED,
			"%s: is of the campaign %s, and the runbook's is %s", path, got->name,
			name);
	return 0;
}

int campaign_state_load(
	const char *runbook_path, const char *name, struct campaign_state *ret, struct p2v_err *err)
{
	p2v_autofree char *dir = NULL, *file = NULL, *path = NULL;
	struct campaign_state got = {0};
	int r = campaign_file(runbook_path, SUFFIX, &dir, &file, err);

	if (r < 0)
		return r;
	path = p2v_path_join(dir, file);
	r = path ? load(path, name, &got, err) : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (r < 0)
		campaign_state_finish(&got);
	else
		*ret = got;
	return r;
}

int campaign_state_save(
	const struct campaign_state *state, const char *runbook_path, struct p2v_err *err)
{
	p2v_autofree char *dir = NULL, *file = NULL;
	int r = campaign_file(runbook_path, SUFFIX, &dir, &file, err);

	return r < 0 ? r : p2v_json_save(&campaign_state_type, state, dir, file, err);
}

struct campaign_server *campaign_server_of(struct campaign_state *state, const char *name)
{
	struct campaign_server *server;

	for (size_t i = 0; i < state->n_servers; i++)
		if (strcmp(state->servers[i].name, name) == 0)
			return &state->servers[i];
	server =
		p2v_json_grow((void **)&state->servers, &state->n_servers, sizeof(*state->servers));
	if (server)
		server->name = strdup(name);
	return server && server->name ? server : NULL;
}

void campaign_note(struct campaign_server *server, const char *text)
{
	char *copy = text && *text ? strdup(text) : NULL;

	free(server->note);
	server->note = copy;
}

static int path_of(const char *runbook_path, const char *suffix, char **ret, struct p2v_err *err)
{
	p2v_autofree char *dir = NULL, *file = NULL;
	int r = campaign_file(runbook_path, suffix, &dir, &file, err);

	if (r < 0)
		return r;
	*ret = p2v_path_join(dir, file);
	return *ret ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

int campaign_lock(const char *runbook_path, int *ret_fd, struct p2v_err *err)
{
	p2v_autofree char *path = NULL;
	p2v_autoclose int fd = -1;
	int r = path_of(runbook_path, ".lock", &path, err);

	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return p2v_err_errno(err, errno, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return p2v_err_set(err, P2V_EREFUSED,
			"%s: another p2v run is at work on this runbook", runbook_path);
	*ret_fd = p2v_steal_fd(&fd);
	return 0;
}

int campaign_approve(const char *runbook_path, const char *server, struct p2v_err *err)
{
	p2v_autofree char *path = NULL, *line = NULL;
	p2v_autoclose int fd = -1;
	int r = path_of(runbook_path, APPROVED, &path, err);

	if (r < 0)
		return r;
	line = p2v_strf("%llu %s\n", (unsigned long long)time(NULL), server);
	if (!line)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line) || fsync(fd) < 0)
		return p2v_err_errno(err, errno, "%s", path);
	return 0;
}

bool campaign_approved(const char *runbook_path, const char *server, uint64_t since_s)
{
	p2v_autofree char *path = NULL;
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, line;

	if (path_of(runbook_path, APPROVED, &path, NULL) < 0 ||
		p2v_file_read(path, APPROVED_MAX, &text, NULL) < 0)
		return false;
	rest = p2v_span_of(text.data, text.len);
	while (rest.n) {
		struct p2v_span after, name, when;
		uint64_t at;

		line = p2v_span_until(rest, '\n', &after);
		when = p2v_span_until(line, ' ', &name);
		if (p2v_span_eq(name, server) && p2v_span_u64(when, INT64_MAX, &at) &&
			at >= since_s)
			return true;
		rest = after;
	}
	return false;
}

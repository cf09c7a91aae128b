/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/cli/server-door.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/control/api.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/link/local.h"

#define SSH_WAIT_MS    30000
#define ANSWER_WAIT_MS 60000
#define ANSWER_MOST    ((size_t)80 << 20)

/* Where p2vd's socket is, unless told: as its configuration says here. */
static int socket_default(char **ret, struct p2v_err *err)
{
	p2v_auto_config struct server_config config = {0};
	struct p2v_err why = {0};
	int r = control_config_load(CONTROL_CONFIG_PATH, false, &config, &why);

	/* Not everybody who asks may read it. */
	*ret = strdup(r == 0 ? config.socket : "/run/p2v/p2vd.sock");
	return *ret ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

/* ssh's forwarding of a Unix socket. Its own words on failure go to our standard error. */
static int ssh_start(
	struct cli_server *server, const char *host, const char *far, struct p2v_err *err)
{
	p2v_autofree char *forward = p2v_strf("%s:%s", server->socket, far);
	const char *const argv[] = {"ssh", "-N", "-T", "-o", "BatchMode=yes", "-o",
		"ExitOnForwardFailure=yes", "-o", "StreamLocalBindMask=0177", "-L", forward, "--",
		host, NULL};
	const struct p2v_proc_spec spec = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = STDERR_FILENO};
	uint64_t begin = p2v_now_ms();
	int r = forward ? p2v_proc_start(&spec, &server->ssh, err)
			: p2v_err_set(err, P2V_ENOMEM, "out of memory");

	while (r == 0 && !p2v_file_exists(server->socket)) {
		char how[P2V_PROC_TEXT];
		int status;

		if (p2v_now_ms() - begin > SSH_WAIT_MS)
			return p2v_err_set(err, P2V_ETIMEDOUT, "%s: ssh did not get there", host);
		if (p2v_proc_wait(server->ssh, 50, &status, NULL) == 0) {
			server->ssh = 0;
			return p2v_err_set(err, P2V_ELINK, "%s: ssh ended: %s", host,
				p2v_proc_status_text(status, how));
		}
		r = p2v_stop_check(err);
	}
	return r;
}

int cli_server_open(
	const char *socket, const char *host, struct cli_server *ret, struct p2v_err *err)
{
	struct cli_server server = {0};
	p2v_autofree char *own = NULL;
	int r = 0;

	if (host && host[0] == '-')
		return p2v_err_set(err, P2V_EINVAL, "--host: '%s' is no host", host);
	if (!socket) {
		r = socket_default(&own, err);
		socket = own;
	}
	if (r == 0 && !host) {
		server.socket = strdup(socket);
	} else if (r == 0) {
		r = p2v_dir_temp("ssh", &server.dir, err);
		if (r == 0)
			server.socket = p2v_path_join(server.dir, "p2vd.sock");
	}
	if (r == 0 && host)
		server.host = strdup(host);
	if (r == 0 && (!server.socket || (host && !server.host)))
		r = p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (r == 0 && host)
		r = ssh_start(&server, host, socket, err);
	if (r < 0)
		cli_server_close(&server);
	else
		*ret = server;
	return r;
}

void cli_server_close(struct cli_server *server)
{
	p2v_proc_stop(server->ssh, 2000);
	if (server->dir)
		p2v_dir_remove(server->dir);
	free(server->dir);
	free(server->host);
	free(server->socket);
	*server = (struct cli_server){0};
}

static int error_take(unsigned status, const struct p2v_buf *answer, struct p2v_err *err)
{
	struct api_error error = {0};
	int kind = P2V_EIO;

	if (p2v_json_decode(&control_error_type, answer->data, answer->len, &error, NULL) < 0 ||
		!error.text || !error.kind) {
		p2v_json_free(&control_error_type, &error);
		return p2v_err_set(err, P2V_EFORMAT, "p2vd answered %u and no reason", status);
	}
	for (int k = P2V_EINVAL; k >= P2V_EEXIST; k--)
		if (strcmp(p2v_err_word(k), error.kind) == 0)
			kind = k;
	p2v_err_set(err, kind, "%s", error.text);
	p2v_json_free(&control_error_type, &error);
	return kind;
}

int cli_server_call(const struct cli_server *server, const char *method, const char *path,
	const char *json, struct p2v_buf *ret, struct p2v_err *err)
{
	const struct link_local_spec spec = {.socket = server->socket,
		.method = method,
		.path = path,
		.json = json,
		.max_bytes = ANSWER_MOST,
		.timeout_ms = ANSWER_WAIT_MS};
	p2v_autobuf struct p2v_buf answer = {0};
	unsigned status = 0;
	int r = link_local_call(&spec, &status, &answer, err);

	/* ssh takes the connection before it knows whether there is somebody at the far end. */
	if (r == P2V_ELINK && server->host)
		return p2v_err_set(err, r,
			"%s: p2vd does not answer there: is it running, and is the account that "
			"ssh "
			"logs in with root's or in the group p2v?",
			server->host);
	if (r < 0)
		return r;
	if (status != 200)
		return error_take(status, &answer, err);
	p2v_buf_add(ret, answer.data, answer.len);
	return p2v_buf_check(ret, err);
}

int cli_server_get(const struct cli_server *server, const char *path,
	const struct p2v_json_type *type, void *obj, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf answer = {0};
	int r = cli_server_call(server, "GET", path, NULL, &answer, err);

	return r < 0 ? r : p2v_json_decode(type, answer.data, answer.len, obj, err);
}

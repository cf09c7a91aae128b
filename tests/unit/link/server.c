/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/link/server.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"

static void die(const char *what)
{
	fprintf(stderr, "the test server: %s\n", what);
	abort();
}

/* Reads NAME=value lines until NAME is `last`. */
static void lines_read(struct server *s, const char *last)
{
	const struct {
		const char *name;
		char *value;
	} rows[] = {
		{"TARGET", s->target},
		{"IDENTITY", s->identity},
		{"KNOWN_HOSTS", s->known_hosts},
		{"FINGERPRINT", s->fingerprint},
	};
	char line[256], *value;

	do {
		if (!fgets(line, sizeof(line), s->out))
			die("it did not start");
		line[strcspn(line, "\n")] = '\0';
		value = strchr(line, '=');
		if (!value)
			die(line);
		*value++ = '\0';
		for (size_t i = 0; i < P2V_N(rows); i++)
			if (strcmp(rows[i].name, line) == 0)
				snprintf(rows[i].value, sizeof(s->target), "%s", value);
	} while (strcmp(line, last) != 0);
}

void server_start(struct server *s, const char *script, const char *command, const char *config)
{
	int up[2], down[2];
	struct p2v_err err = {0};

	*s = (struct server){0};
	if (p2v_dir_temp("sshd", &s->dir, &err) < 0)
		die(err.text);
	if (pipe2(up, O_CLOEXEC) < 0 || pipe2(down, O_CLOEXEC) < 0)
		die("pipe");
	const char *const argv[] = {"python3", script, s->dir, command, config, NULL};
	const struct p2v_proc_spec proc = {
		.argv = argv, .stdin_fd = up[0], .stdout_fd = down[1], .stderr_fd = 2};

	if (p2v_proc_start(&proc, &s->pid, &err) < 0)
		die(err.text);
	close(up[0]);
	close(down[1]);
	s->in = fdopen(up[1], "w");
	s->out = fdopen(down[0], "r");
	lines_read(s, "PID");
	if (link_ssh_target_parse(s->target, &s->parsed, &err) < 0)
		die(err.text);
	s->spec = (struct link_ssh_spec){
		.target = &s->parsed,
		.identity_file = s->identity,
		.known_hosts_file = s->known_hosts,
		.command = "echo",
		.connect_timeout_ms = 20000,
	};
}

void server_kill(struct server *s)
{
	fputs("kill\n", s->in);
	fflush(s->in);
	lines_read(s, "KILLED");
}

void server_stop(struct server *s)
{
	int status;

	fclose(s->in);
	if (p2v_proc_wait(s->pid, 10000, &status, NULL) < 0)
		p2v_proc_stop(s->pid, 1000);
	fclose(s->out);
	link_ssh_target_finish(&s->parsed);
	p2v_dir_remove(s->dir);
	free(s->dir);
}

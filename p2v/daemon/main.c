/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "p2v/control/http.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/opt.h"
#include "p2v/core/stop.h"
#include "p2v/core/text.h"
#include "p2v/daemon/daemon.h"

#define PROGRAM "p2vd"

struct main_opts {
	const char *config;
	bool check;
};

static const struct p2v_opt opts[] = {
	{"config", 'c', "FILE", P2V_OPT_STR, offsetof(struct main_opts, config), 0,
		"Instead of " CONTROL_CONFIG_PATH "."},
	{"check", 0, NULL, P2V_OPT_FLAG, offsetof(struct main_opts, check), 0,
		"Only read the configuration and say what is wrong with it."},
	P2V_OPT_END,
};

static const struct p2v_cmd cmd = {
	.name = PROGRAM,
	.operands = "",
	.summary = "run the stages of migration jobs on the conversion server",
	.text = "Watches the directory below which p2v-recv(1) leaves what agents send, and "
		"brings each job from received over planned, converted and emitted to proven. "
		"Each stage is a program of its own (p2v convert, p2v prove), with limits and "
		"without a way to more rights. Jobs can be held for approval before they are "
		"converted or handed over; p2v-job(1) shows and steers them.\n\n"
		"It may be stopped, killed or lose its power at any moment: a stage is done when "
		"its file is in the job directory, and what was under way is continued or done "
		"again at the next start. SIGTERM ends it in order.\n\n"
		"Where it runs as root, with user in p2vd.conf, each stage has namespaces of its "
		"own: "
		"it sees no job but its own, and no network, except where a disk goes to a place "
		"elsewhere, a program gets a key or drivers lie at an address. The unit of p2v "
		"server init runs it as p2v, who cannot make them; then stages are kept apart by "
		"what "
		"their user may do, by the unit's own fences and by a filter of system calls.\n\n"
		"It answers over HTTP on a Unix socket, to p2v job and to scripts "
		"(/v1/openapi.json "
		"describes it; /metrics is for Prometheus), and, where p2vd.conf says listen, over "
		"TLS to whoever has a token: there / is a dashboard for a browser.\n\n"
		"What it says goes to standard error, for systemd's journal.",
	.opts = opts,
	.see_also = "p2vd.conf(5), p2v-job(1), p2v-key(1), p2v-server(1), p2v-recv(1)",
	.section = 8,
};

static void say(void *ctx, const char *text)
{
	p2v_autobuf struct p2v_buf line = {0};

	(void)ctx;
	p2v_text_add_printable(&line, text);
	p2v_buf_add_str(&line, "\n");
	if (!line.failed)
		fwrite(line.data, 1, line.len, stderr);
}

static int serve(const struct main_opts *o, struct p2v_err *err)
{
	p2v_auto_config struct server_config config = {0};
	struct daemon_spec spec = {.config = &config, .poke_fd = -1, .say = say};
	p2v_autoclose int poke_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct http *http = NULL, *https = NULL;
	struct api api = {0};
	int r = control_config_load(
		o->config ? o->config : CONTROL_CONFIG_PATH, o->config != NULL, &config, err);

	if (r < 0 || o->check)
		return r;
	spec.poke_fd = poke_fd;
	r = control_api_init(&api, &config, poke_fd, err);
	if (r == 0)
		r = control_http_start(&api, config.socket, &http, err);
	if (r == 0)
		r = control_https_start(&api, &https, err);
	if (r == 0)
		r = daemon_run(&spec, err);
	control_http_stop(https);
	control_http_stop(http);
	control_api_finish(&api);
	return r;
}

int main(int argc, char **argv)
{
	struct main_opts o = {0};
	struct p2v_err err = {0};
	int r;

	/* p2vd.conf(5), for the build. */
	if (argc == 2 && strcmp(argv[1], "--help=man-conf") == 0) {
		p2v_opt_man(&control_config_page, stdout);
		return 0;
	}
	r = p2v_opt_parse(&cmd, argc, argv, &o, &err);
	if (r == 1)
		return 0;
	p2v_stop_install();
	if (r == 0)
		r = serve(&o, &err);
	return r < 0 ? p2v_opt_fail(PROGRAM, &err) : 0;
}

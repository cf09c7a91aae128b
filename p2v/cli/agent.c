/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * p2v agent: machines that wait to be let in or for a name.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "p2v/cli/agent-print.h"
#include "p2v/cli/print.h"
#include "p2v/cli/server-door.h"
#include "p2v/cli/verb.h"
#include "p2v/control/api.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/text.h"

struct agent_opts {
	bool json;
	const char *socket, *host;
	const char **words;
	size_t n_words;
};

static int print(const struct p2v_buf *out, struct p2v_err *err)
{
	int r = p2v_buf_check(out, err);

	if (r == 0)
		fwrite(out->data, 1, out->len, stdout);
	return r == 0 && fflush(stdout) != 0
		       ? p2v_err_set(err, P2V_EIO, "standard output: write failed")
		       : r;
}

static int run_list(
	const struct agent_opts *o, const struct cli_server *server, struct p2v_err *err)
{
	p2v_auto_agents struct store_agents agents = {0};
	p2v_autobuf struct p2v_buf out = {0};
	int r = cli_server_get(server, "/v1/agents", &store_agents_type, &agents, err);

	if (r < 0)
		return r;
	if (o->json)
		return cli_print_json(&store_agents_type, &agents, err);
	cli_agents_print(&agents, (uint64_t)time(NULL), p2v_text_columns(STDOUT_FILENO), &out);
	return print(&out, err);
}

static int run_action(
	const struct agent_opts *o, const struct cli_server *server, struct p2v_err *err)
{
	const struct api_agent_action action = {.action = (char *)(uintptr_t)o->words[0],
		.which = (char *)(uintptr_t)o->words[1],
		.name = o->n_words > 2 ? (char *)(uintptr_t)o->words[2] : NULL};
	p2v_autobuf struct p2v_buf out = {0};
	p2v_auto_agent struct store_agent agent = {0};
	int r = cli_agent_decide(server, &action, &agent, err);

	if (r < 0)
		return r;
	if (o->json)
		return cli_print_json(&store_agent_type, &agent, err);
	cli_agent_decided(&agent, &out);
	return print(&out, err);
}

static const struct {
	const char *word;
	size_t words;
	int (*run)(
		const struct agent_opts *o, const struct cli_server *server, struct p2v_err *err);
} agent_verbs[] = {{"list", 1, run_list}, {"assign", 3, run_action}, {"rm", 2, run_action}};

#define OPT(name, arg, kind, member, help)                                                         \
	{                                                                                          \
		name, 0, arg, kind, offsetof(struct agent_opts, member), 0, help                   \
	}

static const struct p2v_opt agent_opts[] = {
	OPT("json", NULL, P2V_OPT_FLAG, json,
		"Print what p2vd answers: list gives agents, the others an agent (version 1)."),
	OPT("host", "[USER@]HOST", P2V_OPT_STR, host,
		"Of another host, by ssh(1) with your keys or agent."),
	OPT("socket", "PATH", P2V_OPT_STR, socket,
		"Where p2vd listens, if not where p2vd.conf says."),
	P2V_OPT_END,
};

static const struct p2v_cmd agent_cmd = {
	.name = "p2v agent",
	.operands = "list | assign MACHINE NAME | rm MACHINE",
	.min_operands = 1,
	.max_operands = 3,
	.summary = "show machines that wait on the server, and give them names",
	.text = "A machine that was booted from the medium and was told nothing of itself, though "
		"others were, or was told to (p2v.assign), registers here and waits until somebody "
		"has said what it is called; then it is copied as a job of that name. It keeps the "
		"name when it is booted again.\n\n"
		"  p2v agent list\n"
		"  p2v agent assign 7B5TM12 web01\n\n"
		"MACHINE is its id, serial number, UUID, the address of a card, or its name. What "
		"a "
		"machine says of itself nobody has checked. So one whose key is not known is not "
		"given a name here, but by p2v-enroll(1) and the code on its screen.\n\n"
		"rm sends one away that waits, and shuts one out that was let in: what it sends at "
		"that moment ends with its connection. It may ask again.",
	.opts = agent_opts,
	.operands_offset = offsetof(struct agent_opts, words),
	.n_operands_offset = offsetof(struct agent_opts, n_words),
	.see_also = "p2v(1), p2v-enroll(1), p2v-boot(1), p2vd(8)",
};

static int dispatch(const struct agent_opts *o, struct p2v_err *err)
{
	p2v_auto_server struct cli_server server = {0};

	for (size_t i = 0; i < P2V_N(agent_verbs); i++) {
		int r;

		if (strcmp(agent_verbs[i].word, o->words[0]) != 0)
			continue;
		if (o->n_words != agent_verbs[i].words)
			return p2v_err_set(err, P2V_EINVAL,
				"%s does not take that many words; see 'p2v agent --help'",
				o->words[0]);
		r = cli_server_open(o->socket, o->host, &server, err);
		return r < 0 ? r : agent_verbs[i].run(o, &server, err);
	}
	return p2v_err_set(err, P2V_EINVAL,
		"'%s' is none of list, assign, rm; see 'p2v agent --help'", o->words[0]);
}

static int run(int argc, char **argv, struct p2v_err *err)
{
	struct agent_opts o = {0};
	int r = p2v_opt_parse(&agent_cmd, argc, argv, &o, err);

	if (r != 0)
		return r;
	r = dispatch(&o, err);
	p2v_opt_free(&agent_cmd, &o);
	return r;
}

const struct verb cli_agent = {"agent", &agent_cmd, run};

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * p2v enroll: lets in the machine whose screen shows a code; and opens the door for such machines.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "p2v/cli/agent-print.h"
#include "p2v/cli/print.h"
#include "p2v/cli/server-door.h"
#include "p2v/cli/verb.h"
#include "p2v/control/api.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

#define HOUR_S UINT64_C(3600)
#define DAY_S  UINT64_C(86400)

struct enroll_opts {
	bool json, shut;
	const char *socket, *host, *name, *from;
	uint64_t open_h, days;
	const char **words;
	size_t n_words;
};

static int run_code(
	const struct enroll_opts *o, const struct cli_server *server, struct p2v_err *err)
{
	static char word[] = "enroll";
	const struct api_agent_action action = {.action = word,
		.code = (char *)(uintptr_t)o->words[0],
		.name = (char *)(uintptr_t)o->name,
		.for_s = o->days * DAY_S};
	p2v_autobuf struct p2v_buf out = {0};
	p2v_auto_agent struct store_agent agent = {0};
	int r = cli_agent_decide(server, &action, &agent, err);

	if (r < 0)
		return r;
	if (o->json)
		return cli_print_json(&store_agent_type, &agent, err);
	cli_agent_decided(&agent, &out);
	if (!out.failed)
		printf("let in as %s", (char *)out.data);
	return 0;
}

static int door_print(
	const struct enroll_opts *o, const struct p2v_buf *answer, struct p2v_err *err)
{
	struct store_door door = {0};
	uint64_t now_s = (uint64_t)time(NULL);
	char left[P2V_NUM_TEXT];
	int r = p2v_json_decode(&store_door_type, answer->data, answer->len, &door, err);

	if (r < 0)
		return r;
	if (o->json)
		r = cli_print_json(&store_door_type, &door, err);
	else if (door.until_s <= now_s)
		printf("shut: machines with unknown keys may not ask; --open HOURS lets them\n");
	else
		printf("open: machines with unknown keys may ask for %s more%s%s\n",
			p2v_num_ms_text((door.until_s - now_s) * 1000, left),
			door.from ? ", from " : "", door.from ? door.from : "");
	p2v_json_free(&store_door_type, &door);
	return r;
}

static int run_door(
	const struct enroll_opts *o, const struct cli_server *server, struct p2v_err *err)
{
	const struct api_door_action action = {
		.for_s = o->open_h * HOUR_S, .from = (char *)(uintptr_t)o->from};
	p2v_autobuf struct p2v_buf body = {0}, answer = {0};
	int r;

	if (!o->open_h && !o->shut) {
		r = cli_server_call(server, "GET", "/v1/door", NULL, &answer, err);
		return r < 0 ? r : door_print(o, &answer, err);
	}
	r = p2v_json_encode(&control_door_action_type, &action, false, &body, err);
	if (r == 0)
		r = cli_server_call(server, "POST", "/v1/door", (char *)body.data, &answer, err);
	return r < 0 ? r : door_print(o, &answer, err);
}

#define OPT(name, arg, kind, member, help)                                                         \
	{                                                                                          \
		name, 0, arg, kind, offsetof(struct enroll_opts, member), 0, help                  \
	}

static const struct p2v_opt enroll_opts[] = {
	OPT("name", "NAME", P2V_OPT_STR, name,
		"What the machine is called from now on: its job's name. Default: what it calls "
		"itself."),
	OPT("days", "N", P2V_OPT_U64, days, "How long its key is good. Default: 30."),
	OPT("open", "HOURS", P2V_OPT_U64, open_h,
		"For so long, machines with unknown keys may ask: they get a code, and nothing "
		"else."),
	OPT("from", "NETWORKS", P2V_OPT_STR, from,
		"With --open: only from there, such as 10.0.0.0/24; several with commas."),
	OPT("shut", NULL, P2V_OPT_FLAG, shut,
		"They may not ask any more. Who has been let in stays so."),
	OPT("json", NULL, P2V_OPT_FLAG, json,
		"Print what p2vd answers: an agent, or the door (version 1)."),
	OPT("host", "[USER@]HOST", P2V_OPT_STR, host,
		"On another host, by ssh(1) with your keys or agent."),
	OPT("socket", "PATH", P2V_OPT_STR, socket,
		"Where p2vd listens, if not where p2vd.conf says."),
	P2V_OPT_END,
};

static const struct p2v_cmd enroll_cmd = {
	.name = "p2v enroll",
	.operands = "[CODE]",
	.max_operands = 1,
	.summary = "let in the machine whose screen shows a code",
	.text = "A boot medium that was made without a key makes one of its own, in the memory of "
		"the machine, and asks the server with it. The server answers with a code, which "
		"stands on every screen of that machine and nowhere else. Who types the code here "
		"lets that machine in, and no other, whatever others say of themselves:\n\n"
		"  p2v enroll --open 8 --from 10.0.0.0/24\n"
		"  p2v enroll K7QF-2M4D --name web01\n\n"
		"Until then it can do nothing but ask. Afterwards it can send its own disks into "
		"the job of that name, until its key's time is over, 'p2v agent rm' shuts it out, "
		"or the machine is switched off: the key is in its memory only. Booted again it "
		"asks anew, and may be given the same name: its job goes on.\n\n"
		"A code is good once and for a day. The server that answers is the one whose host "
		"key the medium has, or that somebody has compared on the screen.\n\n"
		"Without a code: says whether machines may ask. They may not, until --open: else "
		"everybody who reaches the server's SSH port could talk to p2v-recv. 128 may wait "
		"at once, 32 of them at one address. 'p2v server init' makes sshd ready for it.",
	.opts = enroll_opts,
	.operands_offset = offsetof(struct enroll_opts, words),
	.n_operands_offset = offsetof(struct enroll_opts, n_words),
	.see_also = "p2v(1), p2v-agent-list(1), p2v-boot(1), p2v-server(1), p2v-media-key(1)",
};

static int check(const struct enroll_opts *o, struct p2v_err *err)
{
	if (o->n_words && (o->open_h || o->shut || o->from))
		return p2v_err_set(err, P2V_EINVAL, "a code, or the door: not both at once");
	if (!o->n_words && (o->name || o->days))
		return p2v_err_set(err, P2V_EINVAL, "--name and --days are of a CODE");
	if (o->from && !o->open_h)
		return p2v_err_set(err, P2V_EINVAL, "--from goes with --open");
	if (o->open_h && o->shut)
		return p2v_err_set(err, P2V_EINVAL, "--open or --shut");
	return o->open_h > 720 || o->days > 3650
		       ? p2v_err_set(err, P2V_EINVAL,
				 "--open takes at most 720 hours, --days 3650 days")
		       : 0;
}

static int run(int argc, char **argv, struct p2v_err *err)
{
	struct enroll_opts o = {0};
	p2v_auto_server struct cli_server server = {0};
	int r = p2v_opt_parse(&enroll_cmd, argc, argv, &o, err);

	if (r != 0)
		return r;
	r = check(&o, err);
	if (r == 0)
		r = cli_server_open(o.socket, o.host, &server, err);
	if (r == 0)
		r = o.n_words ? run_code(&o, &server, err) : run_door(&o, &server, err);
	p2v_opt_free(&enroll_cmd, &o);
	return r;
}

const struct verb cli_enroll = {"enroll", &enroll_cmd, run};

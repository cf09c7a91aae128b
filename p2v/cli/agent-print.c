/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/cli/agent-print.h"

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/text.h"

#define INDENT 10

static void word(struct p2v_buf *out, const char *before, const char *text)
{
	if (text && *text)
		p2v_buf_addf(out, "%s%s", before, text);
}

/* What it says that it is. */
static void machine_add(const struct store_agent *a, struct p2v_buf *out)
{
	word(out, "", a->vendor);
	word(out, a->vendor ? " " : "", a->product);
	word(out, ", serial number ", a->serial);
	for (size_t i = 0; i < a->n_macs; i++)
		word(out, ", ", a->macs[i]);
	for (size_t i = 0; i < a->n_disks; i++)
		word(out, ", ", a->disks[i]);
}

static void state_add(const struct store_agent *a, uint64_t now_s, struct p2v_buf *out)
{
	uint64_t then_s = a->name ? a->decided_s : a->asked_s;
	char ago[P2V_NUM_TEXT];

	p2v_num_ms_text(now_s > then_s ? (now_s - then_s) * 1000 : 0, ago);
	if (a->name) {
		p2v_buf_addf(out, "let in %s ago", ago);
		word(out, " by ", a->by);
		if (a->until_s > now_s)
			p2v_buf_addf(out, ", for %llu days more",
				(unsigned long long)((a->until_s - now_s) / 86400));
		return;
	}
	p2v_buf_addf(out, "waits for %s", ago);
	word(out, ", from ", a->address);
	p2v_buf_add_str(out, a->there ? ", connected" : ", not connected now");
	if (a->new_key)
		p2v_buf_add_str(out, "; its key is not known: read the code on its screen, then "
				     "'p2v enroll CODE --name NAME'");
	else
		p2v_buf_addf(out, "; 'p2v agent assign %s NAME'", a->id);
}

static void lines_add(
	const struct store_agent *a, uint64_t now_s, size_t columns, struct p2v_buf *out)
{
	p2v_autobuf struct p2v_buf machine = {0}, state = {0};
	p2v_autofree char *first = p2v_strf("%-8s  ", a->id);

	p2v_buf_addf(&machine, "%s%s: ", a->name ? a->name : a->wants, a->name ? "" : "?");
	machine_add(a, &machine);
	state_add(a, now_s, &state);
	if (!first || machine.failed || state.failed)
		return;
	p2v_text_add_wrapped(out, first, INDENT, columns, (char *)machine.data);
	p2v_text_add_wrapped(out, "          ", INDENT, columns, (char *)state.data);
}

void cli_agents_print(
	const struct store_agents *agents, uint64_t now_s, size_t columns, struct p2v_buf *out)
{
	if (!agents->n_agents)
		p2v_buf_add_str(out, "No machine waits, and none was let in.\n");
	for (size_t i = 0; i < agents->n_agents; i++)
		lines_add(&agents->agents[i], now_s, columns, out);
}

void cli_agent_decided(const struct store_agent *a, struct p2v_buf *out)
{
	p2v_autobuf struct p2v_buf machine = {0};

	machine_add(a, &machine);
	p2v_buf_addf(out, "%s: ", a->name ? a->name : a->wants);
	if (machine.data)
		p2v_text_add_printable(out, (char *)machine.data);
	p2v_buf_add_str(out, "\n");
}

int cli_agent_decide(const struct cli_server *server, const struct api_agent_action *action,
	struct store_agent *ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf body = {0}, answer = {0};
	int r = p2v_json_encode(&control_agent_action_type, action, false, &body, err);

	if (r == 0)
		r = cli_server_call(
			server, "POST", "/v1/agents/actions", (char *)body.data, &answer, err);
	return r == 0 ? p2v_json_decode(&store_agent_type, answer.data, answer.len, ret, err) : r;
}

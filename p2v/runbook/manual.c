/* SPDX-License-Identifier: GPL-3.0-or-later */
/* p2v-runbook(5): made of the rules, as the check and the schema are. */
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/opt.h"
#include "p2v/core/publish.h"
#include "p2v/runbook/rule.h"

static const struct {
	const struct p2v_json_type *type;
	const char *before; /* what stands before its members' names */
} places[] = {{&runbook_type, ""}, {&runbook_wave_type, "waves: "},
	{&runbook_server_type, "servers: "}, {&runbook_match_type, "match: "},
	{&runbook_hook_type, "PROGRAM: "}, {&runbook_cutover_type, "cutover: "},
	{&model_orders_network_type, "networks: "}, {&model_orders_check_type, "checks: "}};

static const char text[] =
	"What p2v run(1) does, as YAML. A wave begins when all servers of the one before are done. "
	"What defaults says goes for each server that does not say it itself. The JSON schema is "
	"printed by p2v run --schema.\n\n"
	" name: spring\n"
	" defaults:\n"
	"   window: sat,sun 20:00-06:00\n"
	"   networks: []\n"
	" waves:\n"
	" - name: web\n"
	"   servers:\n"
	"   - name: web01\n"
	"     match: {serial: CZ1234}\n"
	"     memory: 8G\n"
	"     cpus: 4\n"
	"     leave_out: [disk2]\n"
	"     checks: [{tcp: 443}, {http: /health, status: 204}]\n"
	"   - name: web02\n"
	"     match: {mac: '00:1b:21:aa:bb:02'}\n"
	" - name: db\n"
	"   servers:\n"
	"   - name: db01\n"
	"     match: {uuid: 4c4c4544-0035-4a10-8058-b2c04f4e3232}\n"
	"     size: 400G\n"
	"     rate: 110M\n"
	"     keys: ['all:file:/etc/p2v/keys/db01']\n"
	"     approve: [final]\n"
	"     networks: [{mac: '00:1b:21:aa:bb:03', bridge: br10}]\n"
	"     cutover:\n"
	"       refresh_min: 60\n"
	"       refresh: {run: [/usr/local/sbin/pass, db01, hot]}\n"
	"       final: {run: [/usr/local/sbin/pass, db01, cold], timeout_s: 7200}\n"
	"       handover: {run: [/usr/local/sbin/start-vm]}\n"
	"       rollback: {run: [/usr/local/sbin/stop-vm]}\n"
	"       interface: eth0\n\n"
	"Programs (hooks: before, after, failed; cutover: refresh, final, handover, rollback) are "
	"started without a shell. On standard input each gets one JSON object: version, hook, "
	"campaign, wave, server, job, job_name, dir (of the job, on the conversion server), note. "
	"Exit code 0 is done; any other one fails the server, but that of refresh, which is run "
	"again at its time. One that was cut off, because p2v run was ended, is run again.\n\n"
	"Cutover: the agent's first pass is made while the server runs. refresh is to have it sent "
	"again (p2v-agent --refresh), as often as refresh_min says. When it is the server's turn "
	"final is run: it stops the server's services, or boots it from the medium, and has the "
	"last pass sent; p2v run then waits until that is complete. It is converted and proven, "
	"and handed over: not before nobody answers on the interface with the physical machine's "
	"addresses, by ARP and neighbour discovery, and no frame comes from its cards. p2v run has "
	"to be root for that, on a host in the machine's own network. A machine that drops these "
	"questions and is quiet is not seen.\n\n"
	"A server without cutover.final is copied once, from the medium: its outage begins when "
	"its "
	"agent starts.\n\n"
	"The runbook may be changed between two p2v run, or while none is under way. What a server "
	"is "
	"to become counts from the next one on, as long as it has not been let go to its "
	"conversion; "
	"for one that has failed or was rolled back, with p2v run --retry, which converts it anew "
	"where that has happened. Servers that are done stay what they are.";

static const char *before_of(const struct p2v_json_type *type)
{
	for (size_t i = 0; i < P2V_N(places); i++)
		if (places[i].type == type)
			return places[i].before;
	return "";
}

static const char *arg_of(const struct runbook_rule *rule)
{
	for (const struct p2v_json_field *f = rule->type->fields; f->key; f++)
		if (strcmp(f->key, rule->key) == 0)
			switch (f->kind) {
			case P2V_JSON_KIND_BOOL:
				return "true|false";
			case P2V_JSON_KIND_U32:
				return "NUMBER";
			case P2V_JSON_KIND_STRS:
				return "[TEXT, ...]";
			case P2V_JSON_KIND_OBJS:
				return "[{...}, ...]";
			case P2V_JSON_KIND_OBJ:
				return "{...}";
			default:
				return "TEXT";
			}
	return "";
}

static char *help_of(const struct runbook_rule *rule)
{
	if (rule->right)
		return p2v_strf("%s. It is %s.", rule->help, rule->right);
	if (rule->max && rule->max != 1)
		return p2v_strf("%s. At most %u.", rule->help, rule->max);
	return p2v_strf("%s.", rule->help);
}

int runbook_manual(FILE *out, struct p2v_err *err)
{
	struct p2v_opt rows[64] = {0};
	struct p2v_cmd page = {.name = "p2v-runbook",
		.operands = "",
		.summary = "the servers of a campaign, for p2v run",
		.text = text,
		.opts = rows,
		.see_also = "p2v-run(1), p2v-agent(1), p2vd.conf(5)",
		.section = 5};
	size_t n = 0;
	int r = 0;

	for (const struct runbook_rule *rule = runbook_rules;
		r == 0 && rule->type && n + 1 < P2V_N(rows); rule++, n++) {
		char *name = p2v_strf("%s%s", before_of(rule->type), rule->key);
		char *help = help_of(rule);

		rows[n] = (struct p2v_opt){name, 0, arg_of(rule), P2V_OPT_STR, 0, 0, help};
		if (!name || !help)
			r = p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	if (r == 0)
		p2v_opt_man(&page, out);
	for (size_t i = 0; i < n; i++) {
		free((void *)(uintptr_t)rows[i].name);
		free((void *)(uintptr_t)rows[i].help);
	}
	return r;
}

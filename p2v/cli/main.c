/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * p2v: the operator's tool. One verb, one file, one row.
 */
#include <locale.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "p2v/cli/complete.h"
#include "p2v/cli/verb.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/stop.h"

static const struct verb *const verbs[] = {&cli_doctor, &cli_inspect, &cli_assess, &cli_convert,
	&cli_prove, &cli_verify, &cli_job, &cli_run, &cli_enroll, &cli_agent, &cli_key,
	&cli_server_verb, &cli_media};

struct main_opts {
	const char **operands;
	size_t n_operands;
};

static const struct p2v_opt no_opts[] = {P2V_OPT_END};

/* The manual page and --help of `p2v` itself; the verbs are listed behind it. */
static const struct p2v_cmd main_cmd = {
	.name = "p2v",
	.operands = "VERB [OPTION]...",
	.max_operands = -1,
	.summary = "make virtual machines of physical servers, and prove that they boot",
	.text = "A physical server's disks are sent by p2v-agent(1), which runs on it, to "
		"p2v-recv(1), "
		"which sshd(8) starts on the conversion server. The verbs of p2v do the rest "
		"there: they "
		"look at what has come, make it fit virtual hardware without running any of its "
		"code, and "
		"boot the result on an isolated wire.\n\n"
		"Each step reads what the one before left in the job directory and writes one "
		"file, last: "
		"machine.json, receipt, image.json, facts.json, plan.json, changes.json, "
		"output.json, "
		"proof.json.\n\n"
		"Exit codes: 0 done, 1 failed, 2 misuse, 3 refused by a safety rule.",
	.opts = no_opts,
	.operands_offset = offsetof(struct main_opts, operands),
	.n_operands_offset = offsetof(struct main_opts, n_operands),
	.see_also = "p2v-doctor(1), p2v-inspect(1), p2v-assess(1), p2v-convert(1), p2v-prove(1), "
		    "p2v-verify(1), p2v-job(1), p2v-run(1), p2v-enroll(1), p2v-agent-list(1), "
		    "p2v-key(1), "
		    "p2v-server(1), "
		    "p2v-media(1), "
		    "p2v-agent(1), "
		    "p2v-recv(1)",
};

static void list_verbs(FILE *out)
{
	fputs("\nVerbs:\n", out);
	for (size_t i = 0; i < P2V_N(verbs); i++)
		fprintf(out, "  %-10s %s\n", verbs[i]->word, verbs[i]->cmd->summary);
	fputs("\n'p2v VERB --help' says more.\n", out);
}

/* Whoever reads progress as JSON lines gets the failure as one, too, with its kind. */
static int fail(const struct verb *verb, int argc, char **argv, const struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf line = {0};
	bool json = false;

	for (int i = 1; i < argc; i++)
		json = json || strcmp(argv[i], "--progress=json") == 0 ||
		       (strcmp(argv[i], "--progress") == 0 && i + 1 < argc &&
			       strcmp(argv[i + 1], "json") == 0);
	if (!json)
		return p2v_opt_fail(verb->cmd->name, err);
	p2v_buf_addf(&line, "{\"version\":1,\"event\":\"error\",\"kind\":\"%s\",\"text\":",
		p2v_err_word(err->kind));
	p2v_json_quote(err->text, &line);
	p2v_buf_add_str(&line, "}\n");
	if (!line.failed)
		fputs((const char *)line.data, stderr);
	return p2v_err_exit_code(err->kind);
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
	struct p2v_err err = {0};
	int r;

	p2v_stop_install();
	r = verb->run(argc, argv, &err);
	if (r >= 0)
		return 0;
	if (!err.text[0])
		return p2v_err_exit_code(r);
	return fail(verb, argc, argv, &err);
}

static const struct verb *verb_find(const char *word)
{
	for (size_t i = 0; i < P2V_N(verbs); i++)
		if (strcmp(word, verbs[i]->word) == 0)
			return verbs[i];
	return NULL;
}

static int no_verb(const char *word)
{
	struct p2v_err err = {0};

	p2v_err_set(&err, P2V_EINVAL, "'%s' is not a verb; see 'p2v --help'", word);
	return p2v_opt_fail("p2v", &err);
}

/* "p2v help" and "p2v help VERB", as people try them. */
static int help(int argc, char **argv)
{
	const struct verb *verb = argc > 2 ? verb_find(argv[2]) : NULL;
	char option[] = "--help";
	char *words[] = {argv[2], option, NULL};

	if (verb)
		return run_verb(verb, 2, words);
	if (argc > 2)
		return no_verb(argv[2]);
	p2v_opt_help(&main_cmd, stdout);
	list_verbs(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	const struct verb *verb = argc > 1 ? verb_find(argv[1]) : NULL;
	struct p2v_err err = {0};

	setlocale(LC_CTYPE, "C.UTF-8");
	if (verb)
		return run_verb(verb, argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "help") == 0)
		return help(argc, argv);
	/* For the build, as --help=man is. */
	if (argc == 2 && strcmp(argv[1], "--help=completion") == 0) {
		cli_complete_print(verbs, P2V_N(verbs), stdout);
		return 0;
	}
	if (argc > 1 && argv[1][0] == '-') {
		struct main_opts none = {0};
		int r = p2v_opt_parse(&main_cmd, 2, argv, &none, &err);

		if (r == 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
			list_verbs(stdout);
		return r == 1 ? 0 : p2v_opt_fail("p2v", &err);
	}
	if (argc > 1)
		return no_verb(argv[1]);
	p2v_opt_help(&main_cmd, stderr);
	list_verbs(stderr);
	return 2;
}

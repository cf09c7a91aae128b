/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/cli/complete.h"

/* Words and options are of this program: none holds a blank or a quote. */
static void verb_print(const struct verb *verb, FILE *out)
{
	fprintf(out, "\t\t%s) words='", verb->word);
	for (size_t i = 0; verb->cmd->words && verb->cmd->words[i]; i++)
		fprintf(out, "%s ", verb->cmd->words[i]);
	for (const struct p2v_opt *opt = verb->cmd->opts; opt && opt->name; opt++)
		fprintf(out, "--%s ", opt->name);
	fputs("--help' ;;\n", out);
}

void cli_complete_print(const struct verb *const *verbs, size_t n, FILE *out)
{
	fputs("# Completion of p2v for bash, as `p2v --help=completion` prints it.\n"
	      "_p2v() {\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=\n"
	      "\tif [ \"$COMP_CWORD\" -le 1 ]; then\n"
	      "\t\twords='",
		out);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s ", verbs[i]->word);
	fputs("--help --version'\n"
	      "\telse\n"
	      "\t\tcase ${COMP_WORDS[1]} in\n",
		out);
	for (size_t i = 0; i < n; i++)
		verb_print(verbs[i], out);
	fputs("\t\tesac\n"
	      "\tfi\n"
	      "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	      "}\n"
	      "complete -o default -F _p2v p2v\n",
		out);
}

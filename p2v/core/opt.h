/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CORE_OPT_H
#define P2V_CORE_OPT_H

/*
 * Command lines. One table per command is the parser, the --help text and the manual page (groff,
 * printed by --help=man; the build makes the pages from it), so they cannot drift apart.
 *
 *	struct opts { char **disks; size_t n_disks; const char *out; bool json; };
 *	static const struct p2v_opt opts[] = {
 *		{"output", 'o', "DIR", P2V_OPT_STR, offsetof(struct opts, out), 0, "job directory"},
 *		...
 *		P2V_OPT_END,
 *	};
 *
 * --help (-h) and --version are understood for every command and need no row. Options and operands
 * may mix; "--" ends the options. A table has at most 64 rows.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "p2v/core/err.h"

enum p2v_opt_kind {
	P2V_OPT_KIND_END,
	P2V_OPT_FLAG,  /* bool */
	P2V_OPT_STR,   /* const char * (points into argv); given twice: misuse */
	P2V_OPT_STRS,  /* const char **, size_t n_offset; may repeat; malloc'd, items in argv */
	P2V_OPT_U64,   /* uint64_t, whole number */
	P2V_OPT_BYTES, /* uint64_t, "10M" */
};

struct p2v_opt {
	const char *name; /* long name without dashes */
	char letter;	  /* short name or 0 */
	const char *arg;  /* placeholder, NULL for a flag */
	enum p2v_opt_kind kind;
	size_t offset, n_offset;
	const char *help; /* one or more sentences; --help wraps them at the terminal's width */
};
/* clang-format off */
#define P2V_OPT_END {NULL, 0, NULL, P2V_OPT_KIND_END, 0, 0, NULL}
/* clang-format on */

struct p2v_cmd {
	const char *name;		/* "p2v convert" */
	const char *operands;		/* "DISK..." or "" */
	int min_operands, max_operands; /* max -1: any number */
	const char *summary;		/* one line, no full stop */
	/* Paragraphs for the manual and --help, separated by blank lines. One that begins with a
	 * blank is an example and keeps its lines. */
	const char *text;
	const struct p2v_opt *opts;
	size_t operands_offset, n_operands_offset; /* const char **, size_t: where operands go */
	const char *see_also;			   /* "p2v(1), p2v-recv(1)" */
	/* Of the manual; 0 is 1. A page of section 5 is of a file: its rows are "name: ARG". */
	int section;
	/* What the first operand may be, ended by NULL; or NULL. For completion. */
	const char *const *words;
};

/*
 * Parses argv[1..] into values (zeroed by the caller). Returns 0 to go on; 1 where --help or
 * --version was asked and has been printed to stdout (exit 0); P2V_EINVAL with a sentence that
 * names the option and ends with "see '<name> --help'". Where it is not 0 nothing is left to free.
 */
int p2v_opt_parse(
	const struct p2v_cmd *cmd, int argc, char **argv, void *values, struct p2v_err *err);
/* Frees the STRS arrays and operands. */
void p2v_opt_free(const struct p2v_cmd *cmd, void *values);
void p2v_opt_help(const struct p2v_cmd *cmd, FILE *out);
void p2v_opt_man(const struct p2v_cmd *cmd, FILE *out);

/* "p2v-agent: <sentence>" on stderr; returns the exit code for err->kind. */
int p2v_opt_fail(const char *program, const struct p2v_err *err);

#define P2V_VERSION "0.1.0"

#endif

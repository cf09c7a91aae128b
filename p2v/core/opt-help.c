/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/opt.h"
#include "p2v/core/text.h"

/* The column where an option's help begins. */
#define HELP_COLUMN 26

/* Of the manual: pages of files. */
#define SECTION_FILES 5

/* The options every command has, shown after its own. */
static const struct p2v_opt builtin_rows[] = {
	{"help", 0, NULL, P2V_OPT_FLAG, 0, 0, "show this text; --help=man prints the manual page"},
	{"version", 0, NULL, P2V_OPT_FLAG, 0, 0, "show the version"},
	P2V_OPT_END,
};

/* In the order of p2v_err_exit_code. */
static const char *const exit_rows[] = {
	"done",
	"failed",
	"misuse: the command line is not right",
	"refused: a safety rule says no",
};

/*
 * Calls para for each paragraph of text (they are separated by blank lines). One that begins with a
 * blank is `literal`: an example, whose lines are to stay as they are.
 */
static void each_paragraph(const char *text, FILE *out, size_t width,
	void (*para)(const char *text, size_t n, bool literal, size_t width, FILE *out))
{
	while (text && *text) {
		const char *end = strstr(text, "\n\n");
		size_t n = end ? (size_t)(end - text) : strlen(text);

		while (n && text[n - 1] == '\n')
			n--;
		if (n)
			para(text, n, isblank((unsigned char)*text), width, out);
		text = end ? end + 2 : NULL;
	}
}

/* ---- --help ---- */

/* Writes words from column `at`, broken before `width`, further lines indented; ends the line. */
static void wrap(const char *text, size_t n, size_t at, size_t indent, size_t width, FILE *out)
{
	const char *end = text + n;
	bool first = true;

	while (text < end) {
		p2v_autofree char *word = NULL;
		size_t len = 0;

		while (text < end && isspace((unsigned char)*text))
			text++;
		while (text + len < end && !isspace((unsigned char)text[len]))
			len++;
		word = strndup(text, len);
		if (!len || !word)
			break;
		if (!first && at + 1 + p2v_text_width(word) > width) {
			fprintf(out, "\n%*s", (int)indent, "");
			at = indent;
			first = true;
		}
		at += (size_t)fprintf(out, first ? "%s" : " %s", word) - len + p2v_text_width(word);
		first = false;
		text += len;
	}
	fputc('\n', out);
}

static void help_paragraph(const char *text, size_t n, bool literal, size_t width, FILE *out)
{
	fputc('\n', out);
	if (literal)
		fprintf(out, "%.*s\n", (int)n, text);
	else
		wrap(text, n, 0, 0, width, out);
}

static void help_option(const struct p2v_opt *o, size_t width, FILE *out)
{
	size_t at;

	if (o->letter)
		at = (size_t)fprintf(out, "  -%c, --%s", o->letter, o->name);
	else
		at = (size_t)fprintf(out, "      --%s", o->name);
	if (o->arg)
		at += (size_t)fprintf(out, "=%s", o->arg);
	if (at + 2 > HELP_COLUMN) {
		fputc('\n', out);
		at = 0;
	}
	fprintf(out, "%*s", (int)(HELP_COLUMN - at), "");
	wrap(o->help, strlen(o->help), HELP_COLUMN, HELP_COLUMN, width, out);
}

void p2v_opt_help(const struct p2v_cmd *cmd, FILE *out)
{
	size_t width = p2v_text_columns(fileno(out));

	if (width < HELP_COLUMN + 20)
		width = HELP_COLUMN + 20;
	fprintf(out, "Usage: %s [OPTION]...%s%s\n", cmd->name, *cmd->operands ? " " : "",
		cmd->operands);
	wrap(cmd->summary, strlen(cmd->summary), 0, 0, width, out);
	each_paragraph(cmd->text, out, width, help_paragraph);
	fputs("\nOptions:\n", out);
	for (const struct p2v_opt *o = cmd->opts; o && o->name; o++)
		help_option(o, width, out);
	for (const struct p2v_opt *o = builtin_rows; o->name; o++)
		help_option(o, width, out);
	/* Where the text says what they mean for this command, that is enough. */
	if (!strstr(cmd->text, "Exit code"))
		fputs("\nExit code: 0 done, 1 failed, 2 misuse, 3 refused.\n", out);
}

/* ---- --help=man ---- */

/* Plain text as groff: a backslash, a dash and a control character at a line's start mean more. */
static void groff(const char *text, size_t n, FILE *out)
{
	bool line_start = true;

	for (size_t i = 0; i < n; i++) {
		if (line_start && (text[i] == '.' || text[i] == '\''))
			fputs("\\&", out);
		if (text[i] == '\\')
			fputs("\\e", out);
		else if (text[i] == '-')
			fputs("\\-", out);
		else
			fputc(text[i], out);
		line_start = text[i] == '\n';
	}
}

static void groff_str(const char *text, FILE *out)
{
	groff(text, strlen(text), out);
}

static void man_paragraph(const char *text, size_t n, bool literal, size_t width, FILE *out)
{
	(void)width;
	fputs(literal ? ".PP\n.nf\n" : ".PP\n", out);
	groff(text, n, out);
	fputs(literal ? "\n.fi\n" : "\n", out);
}

static void man_setting(const struct p2v_opt *o, FILE *out)
{
	fputs(".TP\n\\fB", out);
	groff_str(o->name, out);
	fputs(":\\fR \\fI", out);
	groff_str(o->arg ? o->arg : "", out);
	fputs("\\fR\n", out);
	groff_str(o->help, out);
	fputc('\n', out);
}

static void man_option(const struct p2v_opt *o, FILE *out)
{
	fputs(".TP\n", out);
	if (o->letter)
		fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
	fputs("\\fB\\-\\-", out);
	groff_str(o->name, out);
	fputs("\\fR", out);
	if (o->arg) {
		fputs("=\\fI", out);
		groff_str(o->arg, out);
		fputs("\\fR", out);
	}
	fputc('\n', out);
	groff_str(o->help, out);
	fputc('\n', out);
}

/* "p2v convert" is p2v-convert(1). */
static void man_heading(const struct p2v_cmd *cmd, FILE *out)
{
	p2v_autofree char *page = strdup(cmd->name);

	for (char *c = page; c && *c; c++)
		if (*c == ' ')
			*c = '-';
	fputs(".TH \"", out);
	for (const char *c = page; c && *c; c++)
		fputc(toupper((unsigned char)*c), out);
	fprintf(out, "\" %d \"\" \"p2v " P2V_VERSION "\" \"p2v manual\"\n.SH NAME\n",
		cmd->section ? cmd->section : 1);
	groff_str(page ? page : cmd->name, out);
	fputs(" \\- ", out);
	groff_str(cmd->summary, out);
	fputc('\n', out);
	if (cmd->section == SECTION_FILES)
		return;
	fputs(".SH SYNOPSIS\n.B ", out);
	groff_str(cmd->name, out);
	fputs("\n[\\fIOPTION\\fR]...\n", out);
	if (*cmd->operands) {
		groff_str(cmd->operands, out);
		fputc('\n', out);
	}
}

static void man_options(const struct p2v_cmd *cmd, FILE *out)
{
	fputs(".SH OPTIONS\n", out);
	for (const struct p2v_opt *o = cmd->opts; o && o->name; o++)
		man_option(o, out);
	for (const struct p2v_opt *o = builtin_rows; o->name; o++)
		man_option(o, out);
	fputs(".SH EXIT STATUS\n", out);
	for (size_t i = 0; i < P2V_N(exit_rows); i++)
		fprintf(out, ".TP\n\\fB%zu\\fR\n%s\n", i, exit_rows[i]);
}

void p2v_opt_man(const struct p2v_cmd *cmd, FILE *out)
{
	man_heading(cmd, out);
	if (cmd->text && *cmd->text)
		fputs(".SH DESCRIPTION\n", out);
	each_paragraph(cmd->text, out, 0, man_paragraph);
	if (cmd->section == SECTION_FILES) {
		fputs(".SH SETTINGS\n", out);
		for (const struct p2v_opt *o = cmd->opts; o && o->name; o++)
			man_setting(o, out);
	} else {
		man_options(cmd, out);
	}
	if (cmd->see_also && *cmd->see_also) {
		fputs(".SH SEE ALSO\n", out);
		groff_str(cmd->see_also, out);
		fputc('\n', out);
	}
}

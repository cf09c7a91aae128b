/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/core/opt.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/text.h"

/* One command line under way. */
struct parse {
	const struct p2v_cmd *cmd;
	char **argv; /* what is left, NULL-terminated */
	char *values;
	uint64_t seen; /* one bit per row, for what may come once only */
	struct p2v_err *err;
};

static int misuse(struct parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int misuse(struct parse *p, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return p2v_err_set(p->err, P2V_EINVAL, "%s; see '%s --help'", text, p->cmd->name);
}

static void *value_at(struct parse *p, size_t offset)
{
	return p->values + offset;
}

/* Appends to the array of pointers into argv at offset. */
static int list_add(struct parse *p, size_t offset, size_t n_offset, const char *text)
{
	const char **item =
		p2v_json_grow(value_at(p, offset), value_at(p, n_offset), sizeof(const char *));

	if (!item)
		return p2v_err_set(p->err, P2V_ENOMEM, "out of memory");
	*item = text;
	return 0;
}

static int number_put(struct parse *p, const struct p2v_opt *o, const char *text)
{
	p2v_autofree char *what = p2v_strf("--%s", o->name);
	struct p2v_err err = {0};
	int rc;

	if (o->kind == P2V_OPT_BYTES)
		rc = p2v_num_parse_bytes(text, what ? what : "", value_at(p, o->offset), &err);
	else
		rc = p2v_num_parse(
			text, what ? what : "", 0, UINT64_MAX, value_at(p, o->offset), &err);
	return rc < 0 ? misuse(p, "%s", err.text) : 0;
}

/* text: NULL for a flag. */
static int option_put(struct parse *p, const struct p2v_opt *o, const char *text)
{
	uint64_t bit = UINT64_C(1) << (o - p->cmd->opts);

	if (o->kind == P2V_OPT_STRS)
		return list_add(p, o->offset, o->n_offset, text);
	if (o->kind == P2V_OPT_FLAG) {
		*(bool *)value_at(p, o->offset) = true;
		return 0;
	}
	if (p->seen & bit)
		return misuse(p, "--%s is given twice", o->name);
	p->seen |= bit;
	if (o->kind != P2V_OPT_STR)
		return number_put(p, o, text);
	*(const char **)value_at(p, o->offset) = text;
	return 0;
}

/* Prints what --help and --version ask for: 1, or P2V_EINVAL. */
static int builtin(struct parse *p, const char *name, const char *arg)
{
	if (strcmp(name, "version") == 0) {
		if (arg)
			return misuse(p, "--version takes no value");
		printf("%s " P2V_VERSION "\n", p->cmd->name);
	} else if (!arg)
		p2v_opt_help(p->cmd, stdout);
	else if (strcmp(arg, "man") == 0)
		p2v_opt_man(p->cmd, stdout);
	else
		return misuse(p, "--help=%s is unknown", arg);
	return 1;
}

static const struct p2v_opt *find_name(const struct p2v_cmd *cmd, const char *name, size_t n)
{
	for (const struct p2v_opt *o = cmd->opts; o && o->name; o++)
		if (strlen(o->name) == n && strncmp(o->name, name, n) == 0)
			return o;
	return NULL;
}

static const struct p2v_opt *find_letter(const struct p2v_cmd *cmd, char letter)
{
	for (const struct p2v_opt *o = cmd->opts; o && o->name; o++)
		if (o->letter && o->letter == letter)
			return o;
	return NULL;
}

static int parse_long(struct parse *p, const char *word)
{
	const char *arg = strchr(word, '=');
	size_t n = arg ? (size_t)(arg++ - word) : strlen(word);
	const struct p2v_opt *o = find_name(p->cmd, word, n);

	if (!o && n == 4 && strncmp(word, "help", n) == 0)
		return builtin(p, "help", arg);
	if (!o && n == 7 && strncmp(word, "version", n) == 0)
		return builtin(p, "version", arg);
	if (!o)
		return misuse(p, "unknown option --%.*s", (int)n, word);
	if (o->kind == P2V_OPT_FLAG)
		return arg ? misuse(p, "--%s takes no value", o->name) : option_put(p, o, NULL);
	if (!arg)
		arg = *p->argv ? *p->argv++ : NULL;
	return arg ? option_put(p, o, arg) : misuse(p, "--%s needs a %s", o->name, o->arg);
}

/* "xvf": flags, of which the last may take the rest, or the next word, as its value. */
static int parse_short(struct parse *p, const char *letters)
{
	int rc = 0;

	for (; rc == 0 && *letters; letters++) {
		const struct p2v_opt *o = find_letter(p->cmd, *letters);
		const char *arg = letters[1] ? letters + 1 : *p->argv;

		if (!o && *letters == 'h')
			return builtin(p, "help", NULL);
		if (!o)
			return misuse(p, "unknown option -%c", *letters);
		if (o->kind != P2V_OPT_FLAG) {
			if (!letters[1] && arg)
				p->argv++;
			return arg ? option_put(p, o, arg)
				   : misuse(p, "-%c needs a %s", *letters, o->arg);
		}
		rc = option_put(p, o, NULL);
	}
	return rc;
}

static int parse_operand(struct parse *p, const char *word)
{
	if (p->cmd->max_operands == 0)
		return misuse(p, "'%s' is one word too many", word);
	return list_add(p, p->cmd->operands_offset, p->cmd->n_operands_offset, word);
}

static int parse_words(struct parse *p)
{
	bool only_operands = false;
	int rc = 0;

	while (rc == 0 && *p->argv) {
		const char *word = *p->argv++;

		if (only_operands || word[0] != '-' || !word[1])
			rc = parse_operand(p, word);
		else if (strcmp(word, "--") == 0)
			only_operands = true;
		else if (word[1] == '-')
			rc = parse_long(p, word + 2);
		else
			rc = parse_short(p, word + 1);
	}
	return rc;
}

static int check_operands(struct parse *p)
{
	const struct p2v_cmd *cmd = p->cmd;
	size_t n = cmd->max_operands ? *(size_t *)value_at(p, cmd->n_operands_offset) : 0;

	if (n < (size_t)cmd->min_operands)
		return misuse(p, "%s is missing", cmd->operands);
	if (cmd->max_operands > 0 && n > (size_t)cmd->max_operands)
		return misuse(p, "'%s' is one word too many",
			(*(const char ***)value_at(p, cmd->operands_offset))[cmd->max_operands]);
	return 0;
}

int p2v_opt_parse(
	const struct p2v_cmd *cmd, int argc, char **argv, void *values, struct p2v_err *err)
{
	struct parse p = {cmd, argc > 0 ? argv + 1 : argv, values, 0, err};
	int rc = parse_words(&p);

	if (rc == 0)
		rc = check_operands(&p);
	if (rc != 0)
		p2v_opt_free(cmd, values);
	return rc;
}

static void list_free(char *values, size_t offset, size_t n_offset)
{
	void **list = (void **)(void *)(values + offset);

	free(*list);
	*list = NULL;
	*(size_t *)(void *)(values + n_offset) = 0;
}

void p2v_opt_free(const struct p2v_cmd *cmd, void *values)
{
	for (const struct p2v_opt *o = cmd->opts; o && o->name; o++)
		if (o->kind == P2V_OPT_STRS)
			list_free(values, o->offset, o->n_offset);
	if (cmd->max_operands != 0)
		list_free(values, cmd->operands_offset, cmd->n_operands_offset);
}

int p2v_opt_fail(const char *program, const struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf line = {0};

	/* The sentence may quote a guest or the far end. */
	p2v_text_add_printable(&line, err->text);
	fprintf(stderr, "%s: %s\n", program, line.data ? (char *)line.data : "failed");
	return err->kind ? p2v_err_exit_code(err->kind) : 1;
}

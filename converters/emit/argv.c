/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/emit/argv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void emit_argv_finish(struct emit_argv *argv)
{
	for (size_t i = 0; i < argv->n; i++)
		free(argv->args[i]);
	free(argv->args);
	memset(argv, 0, sizeof(*argv));
}

static void __attribute__((format(printf, 2, 0)))
addv(struct emit_argv *argv, const char *fmt, va_list ap)
{
	char **bigger = reallocarray(argv->args, argv->n + 2, sizeof(*bigger));

	if (bigger)
		argv->args = bigger;
	if (!bigger || vasprintf(&bigger[argv->n], fmt, ap) < 0) {
		argv->failed = true;
		if (bigger)
			bigger[argv->n] = NULL;
		return;
	}
	bigger[++argv->n] = NULL;
}

void emit_argv_add(struct emit_argv *argv, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	addv(argv, fmt, ap);
	va_end(ap);
}

void emit_argv_opt(struct emit_argv *argv, const char *option, const char *fmt, ...)
{
	va_list ap;

	emit_argv_add(argv, "%s", option);
	va_start(ap, fmt);
	addv(argv, fmt, ap);
	va_end(ap);
}

int emit_argv_check(const struct emit_argv *argv, struct p2v_err *err)
{
	if (argv->failed || !argv->args)
		return p2v_err_set(err, P2V_ENOMEM, "argument vector: out of memory");
	return 0;
}

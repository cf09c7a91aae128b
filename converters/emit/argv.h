/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_EMIT_ARGV_H
#define P2V_EMIT_ARGV_H

/*
 * An argument vector that grows. Zero-initialised is empty; `args` is NULL-terminated once anything
 * was added; an append that fails is remembered and asked for once.
 */

#include <stdbool.h>
#include <stddef.h>

#include "p2v/core/err.h"

struct emit_argv {
	char **args;
	size_t n;
	bool failed;
};

void emit_argv_finish(struct emit_argv *argv);
void emit_argv_add(struct emit_argv *argv, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* An option and its value. */
void emit_argv_opt(struct emit_argv *argv, const char *option, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* 0, or P2V_ENOMEM where an append failed. */
int emit_argv_check(const struct emit_argv *argv, struct p2v_err *err);

#define p2v_auto_emit_argv __attribute__((cleanup(emit_argv_finish)))

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/core/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What each kind is called in --json output and which exit code it earns. */
static const struct kind_row {
	int kind;
	const char *word;
	int exit_code;
} kind_rows[] = {
	{0, "ok", 0},
	{P2V_EINVAL, "invalid", 2},
	{P2V_EREFUSED, "refused", 3},
	{P2V_EFORMAT, "format", 1},
	{P2V_EIO, "io", 1},
	{P2V_ELINK, "link", 1},
	{P2V_ENOSPC, "no-space", 1},
	{P2V_EUNSUPPORTED, "unsupported", 1},
	{P2V_ENOTFOUND, "not-found", 1},
	{P2V_ENOMEM, "no-memory", 1},
	{P2V_ECANCELED, "canceled", 1},
	{P2V_ETIMEDOUT, "timed-out", 1},
	{P2V_EEXIST, "exists", 1},
};

static const struct kind_row *kind_row_of(int kind)
{
	static const struct kind_row unknown = {0, "failed", 1};

	for (size_t i = 0; i < sizeof(kind_rows) / sizeof(kind_rows[0]); i++)
		if (kind_rows[i].kind == kind)
			return &kind_rows[i];
	return &unknown;
}

int p2v_err_exit_code(int kind)
{
	return kind_row_of(kind)->exit_code;
}

const char *p2v_err_word(int kind)
{
	return kind_row_of(kind)->word;
}

int p2v_err_kind_of_errno(int errnum)
{
	switch (errnum) {
	case ENOENT:
	case ENOTDIR:
	case ENXIO:
	case ENODEV:
		return P2V_ENOTFOUND;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return P2V_ENOSPC;
	case ENOMEM:
		return P2V_ENOMEM;
	case EEXIST:
	case ENOTEMPTY:
		return P2V_EEXIST;
	case EPIPE:
	case ECONNRESET:
	case ECONNREFUSED:
	case ECONNABORTED:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
		return P2V_ELINK;
	case ETIMEDOUT:
		return P2V_ETIMEDOUT;
	case ENOSYS:
	case EOPNOTSUPP:
		return P2V_EUNSUPPORTED;
	default:
		return P2V_EIO;
	}
}

int p2v_err_set(struct p2v_err *err, int kind, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return kind;
	err->kind = kind;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return kind;
}

int p2v_err_errno(struct p2v_err *err, int errnum, const char *fmt, ...)
{
	int kind = p2v_err_kind_of_errno(errnum);
	size_t len;
	va_list ap;

	if (!err)
		return kind;
	err->kind = kind;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, ": %s", strerror(errnum));
	return kind;
}

int p2v_err_wrap(struct p2v_err *err, int kind, const char *fmt, ...)
{
	char inner[sizeof(err->text)];
	size_t len;
	va_list ap;

	if (!err)
		return kind;
	err->kind = kind;
	memcpy(inner, err->text, sizeof(inner));
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	len = strlen(err->text);
	/* Who calls may not know that the callee has named the object already. */
	if (strncmp(inner, err->text, len) == 0 && strncmp(inner + len, ": ", 2) == 0)
		memcpy(err->text, inner, sizeof(inner));
	else
		snprintf(err->text + len, sizeof(err->text) - len, ": %s", inner);
	return kind;
}

void p2v_err_clear(struct p2v_err *err)
{
	if (!err)
		return;
	err->kind = 0;
	err->text[0] = '\0';
}

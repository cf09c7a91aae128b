/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CORE_ERR_H
#define P2V_CORE_ERR_H

/*
 * Errors.
 *
 * A function that can fail returns 0 or one negative `enum p2v_kind`, and writes a sentence into
 * the caller's `struct p2v_err`. Kinds are told apart by what the caller would do differently, not
 * by what went wrong; the sentence says what went wrong, with the name of the object, and is
 * gathered from the inside out:
 *
 *	pread fails           p2v_err_errno(err, errno, "read at %" PRIu64, offset)
 *	the disk adds its name p2v_err_wrap(err, "%s", disk->path)
 *	                      -> "/dev/sda: read at 4096: Input/output error"
 *
 * Library code never logs and never exits. `err` may be NULL everywhere: the kind is returned all
 * the same.
 */

#include <stdbool.h>

enum p2v_kind {
	P2V_EINVAL = -1,       /* the user's words are off: say how to call (exit 2) */
	P2V_EREFUSED = -2,     /* a safety rule says no; repeating will not help (exit 3) */
	P2V_EFORMAT = -3,      /* foreign bytes break their format: do not trust the rest */
	P2V_EIO = -4,	       /* the medium failed: the object is damaged or gone */
	P2V_ELINK = -5,	       /* the other end went away: reconnect and resume */
	P2V_ENOSPC = -6,       /* no room: free some, then the same call works */
	P2V_EUNSUPPORTED = -7, /* well formed, but nothing here can handle it */
	P2V_ENOTFOUND = -8,    /* the named thing is not there; often not an error to the caller */
	P2V_ENOMEM = -9,       /* no memory */
	P2V_ECANCELED = -10,   /* the user or the far end stopped it */
	P2V_ETIMEDOUT = -11,   /* a bounded wait ran out */
	P2V_EEXIST = -12,      /* the thing to be made is already there */
};

struct p2v_err {
	int kind; /* 0 or an enum p2v_kind */
	char text[1024];
};

/* Sets the kind and the sentence; returns kind, so that `return p2v_err_set(...)` reads well. */
int p2v_err_set(struct p2v_err *err, int kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same from an errno: the sentence gets ": strerror" and the kind follows from the number. */
int p2v_err_errno(struct p2v_err *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "<fmt>: " before what err already says, unless it says so already; returns kind, which
 * becomes err's. */
int p2v_err_wrap(struct p2v_err *err, int kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Clears to "no error". */
void p2v_err_clear(struct p2v_err *err);

/* The kind that an errno stands for. */
int p2v_err_kind_of_errno(int errnum);

/* The process exit code for a kind: 0 done, 1 failed, 2 misuse, 3 refused. */
int p2v_err_exit_code(int kind);

/* The stable word for a kind in --json output: "invalid", "refused", "io", ... */
const char *p2v_err_word(int kind);

#endif

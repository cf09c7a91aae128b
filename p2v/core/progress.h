/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CORE_PROGRESS_H
#define P2V_CORE_PROGRESS_H

/*
 * Progress: bytes or steps done of a total, shown to whoever watches.
 *
 * AUTO    a terminal on stderr gets one line that redraws (at most 5 times a second, cut to its
 *         width, no colour where NO_COLOR is set); a pipe gets a line at each new label and
 *         at its end.
 * JSON    one object per line on stderr: {"version":1,"event":"progress","label":"web01:/dev/sda",
 *         "done":123,"total":456,"unit":"bytes","rate":1000,"eta_ms":333}
 *         at the start, once a second and at the end. rate is units per second over the last 5 s;
 *         eta_ms is absent while it is not known; "ratio" and "bottleneck" where
 *         p2v_progress_flow said them.
 *         A program that fails ends with {"version":1,"event":"error","kind":"no-space",
 *         "text":...} instead of its sentence; kind is p2v_err_word's.
 * NONE    nothing.
 *
 * Display lines look like:  web01:/dev/sda  1.2 GiB of 8.0 GiB (15 %)  112 MiB/s  1 min 2 s left
 * and, with p2v_progress_flow, "  ratio 0.52, bound by link" after that.
 */

#include <stdbool.h>
#include <stdint.h>

#include "p2v/core/err.h"

enum p2v_progress_mode { P2V_PROGRESS_AUTO, P2V_PROGRESS_JSON, P2V_PROGRESS_NONE };

struct p2v_progress;

/* "auto" (or NULL), "json", "none" -> mode; else P2V_EINVAL. */
int p2v_progress_mode_parse(const char *text, enum p2v_progress_mode *ret, struct p2v_err *err);

struct p2v_progress *p2v_progress_new(enum p2v_progress_mode mode);
void p2v_progress_free(struct p2v_progress *p); /* ends the line; NULL is fine */

/* Starts a new label; total 0: unknown, only done and rate are shown. unit: "bytes", "steps". */
void p2v_progress_start(
	struct p2v_progress *p, const char *label, const char *unit, uint64_t total);
/* Sets how much is done; cheap to call often. p may be NULL. Not thread-safe: one thread draws. */
void p2v_progress_set(struct p2v_progress *p, uint64_t done);
/* How the data goes until the next start: bytes sent for bytes read (read 0: not known), and what
 * it waits for, in one constant word, such as "link" (NULL: not known). p as above. */
void p2v_progress_flow(
	struct p2v_progress *p, uint64_t read_bytes, uint64_t sent_bytes, const char *bottleneck);
/* A sentence beside the progress (AUTO: its own line; JSON: {"event":"message","text":...}). */
void p2v_progress_say(struct p2v_progress *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void p2v_progress_end(struct p2v_progress *p);

#endif

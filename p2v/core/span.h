/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CORE_SPAN_H
#define P2V_CORE_SPAN_H

/*
 * Reading text that somebody else wrote, in place: a span is a piece of it, not NUL-terminated and
 * owned by nobody. The iterators take pieces from the front of `rest` until nothing is left; they
 * never read past its end and never fail. Bytes are bytes: NUL and non-UTF-8 are ordinary.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct p2v_span {
	const char *p;
	size_t n;
};

static inline struct p2v_span p2v_span_of(const void *p, size_t n)
{
	return (struct p2v_span){.p = (const char *)p, .n = n};
}

struct p2v_span p2v_span_str(const char *text); /* NULL is an empty one */
bool p2v_span_eq(struct p2v_span s, const char *text);
bool p2v_span_same(struct p2v_span a, struct p2v_span b);
bool p2v_span_starts(struct p2v_span s, const char *prefix);
bool p2v_span_ends(struct p2v_span s, const char *suffix);
/* Without the first n bytes (all of them where it is shorter). */
struct p2v_span p2v_span_skip(struct p2v_span s, size_t n);
/* Without blanks (space, tab, CR, LF) at both ends. */
struct p2v_span p2v_span_trim(struct p2v_span s);
/* Without one pair of equal quotes (" or ') around it. */
struct p2v_span p2v_span_unquote(struct p2v_span s);
/* The part before the first `c`, and in ret_after what follows it; all and empty where none. */
struct p2v_span p2v_span_until(struct p2v_span s, char c, struct p2v_span *ret_after);
bool p2v_span_has(struct p2v_span s, char c);
/* Of options as mount takes them ("rw,nofail,x=1"): one that is `option`, or that begins with it
 * where it ends in "=". */
bool p2v_span_has_option(struct p2v_span options, const char *option);
/* Decimal digits only, and at most max; else false. */
bool p2v_span_u64(struct p2v_span s, uint64_t max, uint64_t *ret);
/* malloc'd, NUL-terminated, cut at an embedded NUL; NULL only for want of memory. */
char *p2v_span_dup(struct p2v_span s);

/* The next line, without its LF. A last line without LF counts; behind a last LF is no line. */
bool p2v_line_next(struct p2v_span *rest, struct p2v_span *ret_line);
/* The same, together with the lines that a '\' at its end joins to it, and the LFs between them.
 * One that begins with '#' joins none. */
bool p2v_line_next_joined(struct p2v_span *rest, struct p2v_span *ret_line);
/* The next run of bytes that are not blank. */
bool p2v_word_next(struct p2v_span *rest, struct p2v_span *ret_word);

#endif

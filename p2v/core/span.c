/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/core/span.h"

#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct p2v_span p2v_span_str(const char *text)
{
	return p2v_span_of(text, text ? strlen(text) : 0);
}

bool p2v_span_same(struct p2v_span a, struct p2v_span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool p2v_span_eq(struct p2v_span s, const char *text)
{
	return p2v_span_same(s, p2v_span_str(text));
}

bool p2v_span_starts(struct p2v_span s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && (n == 0 || memcmp(s.p, prefix, n) == 0);
}

bool p2v_span_ends(struct p2v_span s, const char *suffix)
{
	size_t n = strlen(suffix);

	return s.n >= n && (n == 0 || memcmp(s.p + s.n - n, suffix, n) == 0);
}

struct p2v_span p2v_span_skip(struct p2v_span s, size_t n)
{
	n = n < s.n ? n : s.n;
	return n ? p2v_span_of(s.p + n, s.n - n) : s;
}

struct p2v_span p2v_span_trim(struct p2v_span s)
{
	while (s.n && is_blank(s.p[0]))
		s = p2v_span_skip(s, 1);
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct p2v_span p2v_span_unquote(struct p2v_span s)
{
	if (s.n >= 2 && (s.p[0] == '"' || s.p[0] == '\'') && s.p[s.n - 1] == s.p[0])
		return p2v_span_of(s.p + 1, s.n - 2);
	return s;
}

struct p2v_span p2v_span_until(struct p2v_span s, char c, struct p2v_span *ret_after)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
	size_t n = at ? (size_t)(at - s.p) : s.n;

	if (ret_after)
		*ret_after = p2v_span_skip(s, n + 1);
	return p2v_span_of(s.p, n);
}

bool p2v_span_has(struct p2v_span s, char c)
{
	return s.n && memchr(s.p, c, s.n);
}

bool p2v_span_has_option(struct p2v_span options, const char *option)
{
	struct p2v_span one;
	bool valued = p2v_span_ends(p2v_span_str(option), "=");

	while (options.n) {
		one = p2v_span_until(options, ',', &options);
		if (valued ? p2v_span_starts(one, option) : p2v_span_eq(one, option))
			return true;
	}
	return false;
}

bool p2v_span_u64(struct p2v_span s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return false;
	}
	if (v > max)
		return false;
	*ret = v;
	return true;
}

char *p2v_span_dup(struct p2v_span s)
{
	return s.n ? strndup(s.p, s.n) : strdup("");
}

bool p2v_line_next(struct p2v_span *rest, struct p2v_span *ret_line)
{
	if (rest->n == 0)
		return false;
	*ret_line = p2v_span_until(*rest, '\n', rest);
	return true;
}

bool p2v_line_next_joined(struct p2v_span *rest, struct p2v_span *ret_line)
{
	struct p2v_span more;

	if (!p2v_line_next(rest, ret_line))
		return false;
	if (p2v_span_starts(p2v_span_trim(*ret_line), "#"))
		return true;
	while (p2v_span_ends(*ret_line, "\\") && p2v_line_next(rest, &more))
		ret_line->n = (size_t)(more.p + more.n - ret_line->p);
	return true;
}

bool p2v_word_next(struct p2v_span *rest, struct p2v_span *ret_word)
{
	size_t n = 0;

	while (rest->n && is_blank(rest->p[0]))
		*rest = p2v_span_skip(*rest, 1);
	while (n < rest->n && !is_blank(rest->p[n]))
		n++;
	*ret_word = p2v_span_of(rest->p, n);
	*rest = p2v_span_skip(*rest, n);
	return n > 0;
}

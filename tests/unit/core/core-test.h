/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_TESTS_CORE_TEST_H
#define P2V_TESTS_CORE_TEST_H

/* What the tests of core share. cmocka wants its own includes first. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/err.h"
#include "p2v/core/publish.h"

static inline void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in '%s'", part, text);
}

/* A file that stands in for a stream for a while, so that what is printed can be looked at. */
struct capture {
	FILE *stream, *file;
	int saved;
};

static inline struct capture capture_begin(FILE *stream)
{
	struct capture c = {stream, tmpfile(), dup(fileno(stream))};

	assert_non_null(c.file);
	fflush(stream);
	dup2(fileno(c.file), fileno(stream));
	return c;
}

/* What was printed, malloc'd. */
static inline char *capture_end(struct capture *c)
{
	struct p2v_buf text = {0};
	uint8_t chunk[4096];
	size_t n;

	fflush(c->stream);
	dup2(c->saved, fileno(c->stream));
	close(c->saved);
	rewind(c->file);
	while ((n = fread(chunk, 1, sizeof(chunk), c->file)) > 0)
		p2v_buf_add(&text, chunk, n);
	fclose(c->file);
	return p2v_buf_take_str(&text);
}

#endif

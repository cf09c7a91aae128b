/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIVERS_INJECT_CATALOG_INF_H
#define DRIVERS_INJECT_CATALOG_INF_H

/*
 * Inside the room: the text of an .inf ("General Syntax Rules for INF Files" of the Windows driver
 * reference), taken apart:
 *
 *	[Section]                      ; a comment
 *	key = field, "field, too", %string%, \
 *	      a field on the next line
 *	a field without a key
 *
 * UTF-16 with a byte order mark, UTF-8 (with or without), else Latin-1. Sections of one name, in
 * any letter case, are one. %string% is replaced by what [Strings] says, %% by %; %12% and other
 * unknown ones stay as they are. The text is foreign: more than the bounds is P2V_EFORMAT.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"
#include "p2v/core/span.h"

#define INF_MAX_LINES	((size_t)10000)
#define INF_MAX_FIELDS	((size_t)50000)
#define INF_MAX_TEXT	((size_t)8 << 20) /* of all fields, strings replaced */
#define INF_MAX_LOOKUPS ((size_t)10000)	  /* of strings */

struct inf_line {
	char *key; /* NULL: none */
	char **fields;
	size_t n_fields;
};

struct inf_section {
	char *name;
	struct inf_line *lines;
	size_t n_lines;
};

struct inf {
	struct inf_section *sections;
	size_t n_sections;
};

int inf_parse(const void *bytes, size_t n, struct inf *ret, struct p2v_err *err);
void inf_finish(struct inf *inf);

/* NULL: there is none. Names and keys in any letter case. */
const struct inf_section *inf_section_find(const struct inf *inf, const char *name);
/* The i-th field of the first line of that key; NULL: none. */
const char *inf_value(const struct inf_section *s, const char *key, size_t i);
/* The i-th field of a line, "" where it has fewer. */
const char *inf_field(const struct inf_line *line, size_t i);
/* Decimal or 0x and hexadecimal; no number is 0. */
uint32_t inf_number(const char *text);

/* In inf-text.c: the text as UTF-8; and every %string% of the sections replaced. */
int inf_decode(const void *bytes, size_t n, struct p2v_buf *ret, struct p2v_err *err);
int inf_expand(struct inf *inf, struct p2v_err *err);

#endif

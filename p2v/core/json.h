/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CORE_JSON_H
#define P2V_CORE_JSON_H

/*
 * Structs to JSON and back by one table each (over jansson, which no other room includes).
 *
 *	struct nic { char *name; char *mac; bool up; };
 *	static const struct p2v_json_field nic_fields[] = {
 *		P2V_JSON_STR(struct nic, name, P2V_JSON_REQUIRED),
 *		P2V_JSON_STR(struct nic, mac, 0),
 *		P2V_JSON_BOOL(struct nic, up, 0),
 *		P2V_JSON_END,
 *	};
 *	const struct p2v_json_type nic_type = {"nic", sizeof(struct nic), nic_fields};
 *
 * The table also frees (p2v_json_free) and so a noun's init, free, encode and decode cost one line
 * each. Members the table does not name are left alone; keys the table does not name are ignored
 * (a newer writer may say more). A key that is absent, or null, leaves the member zero. Strings are
 * UTF-8 (bytes that are not are encoded as U+FFFD), malloc'd; an absent string is NULL and is not
 * written. Arrays are a pointer and a size_t count beside it, called n_<member>.
 *
 * Bounds: a document is at most 16 MiB, 64 levels deep; numbers are whole, 0..2^63-1 for U64;
 * beyond them both directions say P2V_EFORMAT.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"

enum p2v_json_kind {
	P2V_JSON_KIND_END,
	P2V_JSON_KIND_STR,  /* char * */
	P2V_JSON_KIND_BOOL, /* bool */
	P2V_JSON_KIND_U64,  /* uint64_t */
	P2V_JSON_KIND_U32,  /* uint32_t */
	P2V_JSON_KIND_STRS, /* char **, size_t n_ */
	P2V_JSON_KIND_OBJ,  /* struct in place */
	P2V_JSON_KIND_OBJS, /* struct *, size_t n_ */
	P2V_JSON_KIND_ENUM, /* int; written as words[value]; an unknown word is P2V_EFORMAT */
};

enum p2v_json_flags {
	P2V_JSON_REQUIRED = 1, /* decoding fails where the key is absent */
	P2V_JSON_OMIT = 2,     /* encoding leaves out zero, false, and empty arrays */
};

struct p2v_json_type;

struct p2v_json_field {
	const char *key;
	enum p2v_json_kind kind;
	int flags;
	size_t offset, n_offset;
	const struct p2v_json_type *type; /* OBJ, OBJS */
	const char *const *words;	  /* ENUM: NULL-terminated */
};

struct p2v_json_type {
	const char *name; /* for error sentences */
	size_t size;
	const struct p2v_json_field *fields;
};

/* clang-format off */
#define P2V_JSON_STR(s, m, f)  {#m, P2V_JSON_KIND_STR, f, offsetof(s, m), 0, NULL, NULL}
#define P2V_JSON_BOOL(s, m, f) {#m, P2V_JSON_KIND_BOOL, f, offsetof(s, m), 0, NULL, NULL}
#define P2V_JSON_U64(s, m, f)  {#m, P2V_JSON_KIND_U64, f, offsetof(s, m), 0, NULL, NULL}
#define P2V_JSON_U32(s, m, f)  {#m, P2V_JSON_KIND_U32, f, offsetof(s, m), 0, NULL, NULL}
#define P2V_JSON_ENUM(s, m, f, w) {#m, P2V_JSON_KIND_ENUM, f, offsetof(s, m), 0, NULL, w}
#define P2V_JSON_STRS(s, m, f)                                                                     \
	{#m, P2V_JSON_KIND_STRS, f, offsetof(s, m), offsetof(s, n_##m), NULL, NULL}
#define P2V_JSON_OBJ(s, m, f, t) {#m, P2V_JSON_KIND_OBJ, f, offsetof(s, m), 0, t, NULL}
#define P2V_JSON_OBJS(s, m, f, t)                                                                  \
	{#m, P2V_JSON_KIND_OBJS, f, offsetof(s, m), offsetof(s, n_##m), t, NULL}
#define P2V_JSON_END {NULL, P2V_JSON_KIND_END, 0, 0, 0, NULL, NULL}
/* clang-format on */

/* Decodes text into obj, which must be zeroed; on failure obj is zeroed again. */
int p2v_json_decode(const struct p2v_json_type *type, const void *text, size_t n, void *obj,
	struct p2v_err *err);
/* Appends obj as JSON, or nothing on failure: pretty (2 spaces) for files and people, or one line
 * for streams; both end in a newline. Keys come in the table's order: the same struct gives the
 * same bytes. */
int p2v_json_encode(const struct p2v_json_type *type, const void *obj, bool pretty,
	struct p2v_buf *out, struct p2v_err *err);
/* Frees what the members own and zeroes obj (not obj itself). */
void p2v_json_free(const struct p2v_json_type *type, void *obj);

/* The same against files; writing publishes by rename. */
int p2v_json_load(
	const struct p2v_json_type *type, const char *path, void *obj, struct p2v_err *err);
int p2v_json_save(const struct p2v_json_type *type, const void *obj, const char *dir,
	const char *name, struct p2v_err *err);

/* Appends a zeroed element to an OBJS array; NULL for want of memory. */
void *p2v_json_grow(void **items, size_t *n_items, size_t item_size);
/* Appends a copy of text to a STRS array. */
int p2v_json_add_str(char ***items, size_t *n_items, const char *text, struct p2v_err *err);

/* A JSON string literal with quotes, for the rare hand-made line (QMP commands). */
void p2v_json_quote(const char *text, struct p2v_buf *out);

#endif

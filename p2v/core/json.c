/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/core/json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/text.h"

#define DOCUMENT_MAX ((size_t)16 << 20)
#define DEPTH_MAX    64

/*
 * One row per kind of member. decode: value into the member, of which nothing is left on failure.
 * encode: a new value, or NULL with err. absent: what OMIT leaves out. free may be NULL.
 */
struct kind_ops {
	int (*decode)(const struct p2v_json_field *, json_t *, void *obj, struct p2v_err *);
	json_t *(*encode)(const struct p2v_json_field *, const void *obj, struct p2v_err *);
	bool (*absent)(const struct p2v_json_field *, const void *obj);
	void (*free)(const struct p2v_json_field *, void *obj);
};

static const struct kind_ops *ops_of(const struct p2v_json_field *f);

static void *member(const struct p2v_json_field *f, void *obj)
{
	return (char *)obj + f->offset;
}

static const void *member_const(const struct p2v_json_field *f, const void *obj)
{
	return (const char *)obj + f->offset;
}

static size_t *count(const struct p2v_json_field *f, void *obj)
{
	return (size_t *)(void *)((char *)obj + f->n_offset);
}

static size_t count_const(const struct p2v_json_field *f, const void *obj)
{
	return *(const size_t *)(const void *)((const char *)obj + f->n_offset);
}

static int no_memory(struct p2v_err *err)
{
	return p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

/* Turns jansson's "NULL means no memory" into our error. */
static json_t *made(json_t *value, struct p2v_err *err)
{
	if (!value)
		no_memory(err);
	return value;
}

/* ---- strings ---- */

static int text_of(json_t *value, char **ret, struct p2v_err *err)
{
	char *copy;

	if (!json_is_string(value))
		return p2v_err_set(err, P2V_EFORMAT, "not a string");
	copy = strdup(json_string_value(value));
	if (!copy)
		return no_memory(err);
	*ret = copy;
	return 0;
}

static json_t *text_to(const char *text, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf clean = {0};

	p2v_text_add_utf8(&clean, text);
	if (p2v_buf_check(&clean, err) < 0)
		return NULL;
	return made(
		json_stringn_nocheck(clean.data ? (const char *)clean.data : "", clean.len), err);
}

static int str_decode(const struct p2v_json_field *f, json_t *value, void *obj, struct p2v_err *err)
{
	return text_of(value, member(f, obj), err);
}

static json_t *str_encode(const struct p2v_json_field *f, const void *obj, struct p2v_err *err)
{
	return text_to(*(char *const *)member_const(f, obj), err);
}

static bool str_absent(const struct p2v_json_field *f, const void *obj)
{
	return !*(char *const *)member_const(f, obj);
}

static void str_free(const struct p2v_json_field *f, void *obj)
{
	free(*(char **)member(f, obj));
}

/* ---- booleans and numbers ---- */

static int bool_decode(
	const struct p2v_json_field *f, json_t *value, void *obj, struct p2v_err *err)
{
	if (!json_is_boolean(value))
		return p2v_err_set(err, P2V_EFORMAT, "not true or false");
	*(bool *)member(f, obj) = json_is_true(value);
	return 0;
}

static json_t *bool_encode(const struct p2v_json_field *f, const void *obj, struct p2v_err *err)
{
	return made(json_boolean(*(const bool *)member_const(f, obj)), err);
}

static bool bool_absent(const struct p2v_json_field *f, const void *obj)
{
	return !*(const bool *)member_const(f, obj);
}

static int number_of(json_t *value, uint64_t max, uint64_t *ret, struct p2v_err *err)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return p2v_err_set(err, P2V_EFORMAT, "not a whole number");
	if ((uint64_t)json_integer_value(value) > max)
		return p2v_err_set(err, P2V_EFORMAT, "%" JSON_INTEGER_FORMAT " is beyond %" PRIu64,
			json_integer_value(value), max);
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

static int u64_decode(const struct p2v_json_field *f, json_t *value, void *obj, struct p2v_err *err)
{
	return number_of(value, INT64_MAX, member(f, obj), err);
}

static json_t *u64_encode(const struct p2v_json_field *f, const void *obj, struct p2v_err *err)
{
	uint64_t v = *(const uint64_t *)member_const(f, obj);

	if (v > INT64_MAX) {
		p2v_err_set(err, P2V_EFORMAT, "%" PRIu64 " is beyond %" PRId64, v, INT64_MAX);
		return NULL;
	}
	return made(json_integer((json_int_t)v), err);
}

static bool u64_absent(const struct p2v_json_field *f, const void *obj)
{
	return *(const uint64_t *)member_const(f, obj) == 0;
}

static int u32_decode(const struct p2v_json_field *f, json_t *value, void *obj, struct p2v_err *err)
{
	uint64_t v = 0;
	int rc = number_of(value, UINT32_MAX, &v, err);

	if (rc == 0)
		*(uint32_t *)member(f, obj) = (uint32_t)v;
	return rc;
}

static json_t *u32_encode(const struct p2v_json_field *f, const void *obj, struct p2v_err *err)
{
	return made(json_integer(*(const uint32_t *)member_const(f, obj)), err);
}

static bool u32_absent(const struct p2v_json_field *f, const void *obj)
{
	return *(const uint32_t *)member_const(f, obj) == 0;
}

/* ---- words ---- */

static int enum_decode(
	const struct p2v_json_field *f, json_t *value, void *obj, struct p2v_err *err)
{
	if (!json_is_string(value))
		return p2v_err_set(err, P2V_EFORMAT, "not a string");
	for (int i = 0; f->words[i]; i++) {
		if (strcmp(f->words[i], json_string_value(value)) == 0) {
			*(int *)member(f, obj) = i;
			return 0;
		}
	}
	return p2v_err_set(err, P2V_EFORMAT, "unknown word '%.40s'", json_string_value(value));
}

static json_t *enum_encode(const struct p2v_json_field *f, const void *obj, struct p2v_err *err)
{
	int v = *(const int *)member_const(f, obj), n = 0;

	while (f->words[n])
		n++;
	if (v < 0 || v >= n) {
		p2v_err_set(err, P2V_EFORMAT, "%d has no word", v);
		return NULL;
	}
	return made(json_string(f->words[v]), err);
}

static bool enum_absent(const struct p2v_json_field *f, const void *obj)
{
	return *(const int *)member_const(f, obj) == 0;
}

/* ---- arrays of strings ---- */

static void strs_free(const struct p2v_json_field *f, void *obj)
{
	char **items = *(char ***)member(f, obj);

	for (size_t i = 0; i < *count(f, obj); i++)
		free(items[i]);
	free(items);
	*(char ***)member(f, obj) = NULL;
	*count(f, obj) = 0;
}

/* Room for an array's items, all zero, into the member; the count says how many of them are set. */
static int items_new(const struct p2v_json_field *f, json_t *value, size_t item_size, void *obj,
	struct p2v_err *err)
{
	void *items;

	if (!json_is_array(value))
		return p2v_err_set(err, P2V_EFORMAT, "not an array");
	if (json_array_size(value) == 0)
		return 0;
	items = calloc(json_array_size(value), item_size);
	if (!items)
		return no_memory(err);
	*(void **)member(f, obj) = items;
	return 0;
}

static int strs_decode(
	const struct p2v_json_field *f, json_t *value, void *obj, struct p2v_err *err)
{
	int rc = items_new(f, value, sizeof(char *), obj, err);
	char **items = *(char ***)member(f, obj);
	json_t *item;
	size_t i;

	if (rc < 0)
		return rc;
	json_array_foreach(value, i, item)
	{
		rc = text_of(item, &items[i], err);
		if (rc < 0) {
			strs_free(f, obj);
			return p2v_err_wrap(err, rc, "item %zu", i);
		}
		*count(f, obj) = i + 1;
	}
	return 0;
}

static json_t *strs_encode(const struct p2v_json_field *f, const void *obj, struct p2v_err *err)
{
	char *const *items = *(char *const *const *)member_const(f, obj);
	p2v_auto(json_decref) json_t *array = made(json_array(), err);

	for (size_t i = 0; array && i < count_const(f, obj); i++) {
		json_t *item = text_to(items[i] ? items[i] : "", err);

		if (!item)
			return NULL;
		if (json_array_append_new(array, item) < 0) {
			no_memory(err);
			return NULL;
		}
	}
	return p2v_steal(array);
}

static bool items_absent(const struct p2v_json_field *f, const void *obj)
{
	return count_const(f, obj) == 0;
}

/* ---- structs ---- */

static bool is_required(const struct p2v_json_field *f)
{
	return f->flags & P2V_JSON_REQUIRED;
}

static int object_decode(
	const struct p2v_json_type *type, json_t *value, void *obj, struct p2v_err *err)
{
	int rc = 0;

	if (!json_is_object(value))
		return p2v_err_set(err, P2V_EFORMAT, "%s: not an object", type->name);
	for (const struct p2v_json_field *f = type->fields; rc == 0 && f->key; f++) {
		json_t *v = json_object_get(value, f->key);

		if (v && !json_is_null(v))
			rc = ops_of(f)->decode(f, v, obj, err);
		else if (is_required(f))
			rc = p2v_err_set(err, P2V_EFORMAT, "missing");
		if (rc < 0)
			p2v_err_wrap(err, rc, "%s: key '%s'", type->name, f->key);
	}
	if (rc < 0)
		p2v_json_free(type, obj);
	return rc;
}

static bool is_left_out(const struct p2v_json_field *f, const void *obj)
{
	if (f->kind == P2V_JSON_KIND_STR)
		return str_absent(f, obj);
	return f->flags & P2V_JSON_OMIT && ops_of(f)->absent(f, obj);
}

static json_t *object_encode(const struct p2v_json_type *type, const void *obj, struct p2v_err *err)
{
	p2v_auto(json_decref) json_t *object = made(json_object(), err);

	for (const struct p2v_json_field *f = type->fields; object && f->key; f++) {
		json_t *v;

		if (is_left_out(f, obj))
			continue;
		v = ops_of(f)->encode(f, obj, err);
		if (!v) {
			p2v_err_wrap(err, err ? err->kind : 0, "%s: key '%s'", type->name, f->key);
			return NULL;
		}
		if (json_object_set_new(object, f->key, v) < 0) {
			no_memory(err);
			return NULL;
		}
	}
	return p2v_steal(object);
}

void p2v_json_free(const struct p2v_json_type *type, void *obj)
{
	for (const struct p2v_json_field *f = type->fields; f->key; f++)
		if (ops_of(f)->free)
			ops_of(f)->free(f, obj);
	memset(obj, 0, type->size);
}

static int obj_decode(const struct p2v_json_field *f, json_t *value, void *obj, struct p2v_err *err)
{
	return object_decode(f->type, value, member(f, obj), err);
}

static json_t *obj_encode(const struct p2v_json_field *f, const void *obj, struct p2v_err *err)
{
	return object_encode(f->type, member_const(f, obj), err);
}

static bool obj_absent(const struct p2v_json_field *f, const void *obj)
{
	(void)f;
	(void)obj;
	return false;
}

static void obj_free(const struct p2v_json_field *f, void *obj)
{
	p2v_json_free(f->type, member(f, obj));
}

static void objs_free(const struct p2v_json_field *f, void *obj)
{
	char *items = *(char **)member(f, obj);

	for (size_t i = 0; i < *count(f, obj); i++)
		p2v_json_free(f->type, items + i * f->type->size);
	free(items);
	*(char **)member(f, obj) = NULL;
	*count(f, obj) = 0;
}

static int objs_decode(
	const struct p2v_json_field *f, json_t *value, void *obj, struct p2v_err *err)
{
	int rc = items_new(f, value, f->type->size, obj, err);
	char *items = *(char **)member(f, obj);
	json_t *item;
	size_t i;

	if (rc < 0)
		return rc;
	json_array_foreach(value, i, item)
	{
		rc = object_decode(f->type, item, items + i * f->type->size, err);
		if (rc < 0) {
			objs_free(f, obj);
			return p2v_err_wrap(err, rc, "item %zu", i);
		}
		*count(f, obj) = i + 1;
	}
	return 0;
}

static json_t *objs_encode(const struct p2v_json_field *f, const void *obj, struct p2v_err *err)
{
	const char *items = *(const char *const *)member_const(f, obj);
	p2v_auto(json_decref) json_t *array = made(json_array(), err);

	for (size_t i = 0; array && i < count_const(f, obj); i++) {
		json_t *item = object_encode(f->type, items + i * f->type->size, err);

		if (!item)
			return NULL;
		if (json_array_append_new(array, item) < 0) {
			no_memory(err);
			return NULL;
		}
	}
	return p2v_steal(array);
}

static const struct kind_ops *ops_of(const struct p2v_json_field *f)
{
	static const struct kind_ops rows[] = {
		[P2V_JSON_KIND_STR] = {str_decode, str_encode, str_absent, str_free},
		[P2V_JSON_KIND_BOOL] = {bool_decode, bool_encode, bool_absent, NULL},
		[P2V_JSON_KIND_U64] = {u64_decode, u64_encode, u64_absent, NULL},
		[P2V_JSON_KIND_U32] = {u32_decode, u32_encode, u32_absent, NULL},
		[P2V_JSON_KIND_STRS] = {strs_decode, strs_encode, items_absent, strs_free},
		[P2V_JSON_KIND_OBJ] = {obj_decode, obj_encode, obj_absent, obj_free},
		[P2V_JSON_KIND_OBJS] = {objs_decode, objs_encode, items_absent, objs_free},
		[P2V_JSON_KIND_ENUM] = {enum_decode, enum_encode, enum_absent, NULL},
	};

	return &rows[f->kind];
}

/* ---- documents ---- */

/* True where value nests deeper than `levels`; looks no deeper than that. */
static bool is_deeper(json_t *value, int levels)
{
	const char *key;
	json_t *item;
	size_t i;

	if (!json_is_object(value) && !json_is_array(value))
		return false;
	if (levels == 0)
		return true;
	json_object_foreach(value, key, item)
	{
		if (is_deeper(item, levels - 1))
			return true;
	}
	json_array_foreach(value, i, item)
	{
		if (is_deeper(item, levels - 1))
			return true;
	}
	return false;
}

int p2v_json_decode(const struct p2v_json_type *type, const void *text, size_t n, void *obj,
	struct p2v_err *err)
{
	p2v_auto(json_decref) json_t *root = NULL;
	json_error_t error;

	if (n > DOCUMENT_MAX)
		return p2v_err_set(err, P2V_EFORMAT, "%s: larger than 16 MiB", type->name);
	root = json_loadb(n ? text : "", n, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		return p2v_err_set(err,
			json_error_code(&error) == json_error_out_of_memory ? P2V_ENOMEM
									    : P2V_EFORMAT,
			"%s: line %d, column %d: %s", type->name, error.line, error.column,
			error.text);
	if (is_deeper(root, DEPTH_MAX))
		return p2v_err_set(
			err, P2V_EFORMAT, "%s: nested deeper than %d", type->name, DEPTH_MAX);
	return object_decode(type, root, obj, err);
}

static int dump_to(const char *text, size_t n, void *out)
{
	p2v_buf_add(out, text, n);
	return ((struct p2v_buf *)out)->failed ? -1 : 0;
}

int p2v_json_encode(const struct p2v_json_type *type, const void *obj, bool pretty,
	struct p2v_buf *out, struct p2v_err *err)
{
	struct p2v_err own = {0};
	p2v_auto(json_decref) json_t *root = object_encode(type, obj, &own);
	p2v_autobuf struct p2v_buf text = {0};

	if (!root)
		return p2v_err_set(err, own.kind, "%s", own.text);
	if (is_deeper(root, DEPTH_MAX))
		return p2v_err_set(
			err, P2V_EFORMAT, "%s: nested deeper than %d", type->name, DEPTH_MAX);
	if (json_dump_callback(root, dump_to, &text, pretty ? JSON_INDENT(2) : JSON_COMPACT) < 0)
		return no_memory(err);
	p2v_buf_add_str(&text, "\n");
	if (text.len > DOCUMENT_MAX)
		return p2v_err_set(err, P2V_EFORMAT, "%s: larger than 16 MiB", type->name);
	p2v_buf_add(out, text.data, text.len);
	return p2v_buf_check(out, err);
}

int p2v_json_load(
	const struct p2v_json_type *type, const char *path, void *obj, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	int rc = p2v_file_read(path, DOCUMENT_MAX, &text, err);

	if (rc < 0)
		return rc;
	rc = p2v_json_decode(type, text.data, text.len, obj, err);
	return rc < 0 ? p2v_err_wrap(err, rc, "%s", path) : 0;
}

int p2v_json_save(const struct p2v_json_type *type, const void *obj, const char *dir,
	const char *name, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	int rc = p2v_json_encode(type, obj, true, &text, err);

	if (rc < 0)
		return p2v_err_wrap(err, rc, "%s/%s", dir, name);
	return p2v_publish_bytes(dir, name, text.data, text.len, 0644, err);
}

void *p2v_json_grow(void **items, size_t *n_items, size_t item_size)
{
	char *grown = reallocarray(*items, *n_items + 1, item_size), *item;

	if (!grown)
		return NULL;
	*items = grown;
	item = grown + *n_items * item_size;
	memset(item, 0, item_size);
	++*n_items;
	return item;
}

int p2v_json_add_str(char ***items, size_t *n_items, const char *text, struct p2v_err *err)
{
	p2v_autofree char *copy = strdup(text);
	char **item = copy ? p2v_json_grow((void **)items, n_items, sizeof(char *)) : NULL;

	if (!item)
		return no_memory(err);
	*item = p2v_steal(copy);
	return 0;
}

void p2v_json_quote(const char *text, struct p2v_buf *out)
{
	p2v_auto(json_decref) json_t *value = text_to(text, NULL);

	if (!value || json_dump_callback(value, dump_to, out, JSON_ENCODE_ANY) < 0)
		out->failed = true;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */

#ifndef TESTS_FUZZ_DOCUMENT_H
#define TESTS_FUZZ_DOCUMENT_H

/*
 * A document of every kind of field, for each reader that fills structs by a JSON table: what it
 * reads is refused with a sentence, or says the same after a round through the JSON codec.
 */

#include "p2v/core/json.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

struct part {
	char *name;
	uint64_t size_bytes;
};

struct doc {
	char *name;
	bool up;
	uint64_t big;
	uint32_t small;
	char **words;
	size_t n_words;
	struct part first;
	struct part *parts;
	size_t n_parts;
	int colour;
};

static const char *const colours[] = {"red", "green", NULL};

static const struct p2v_json_field part_fields[] = {
	P2V_JSON_STR(struct part, name, P2V_JSON_REQUIRED),
	P2V_JSON_U64(struct part, size_bytes, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type part_type = {"part", sizeof(struct part), part_fields};

static const struct p2v_json_field doc_fields[] = {
	P2V_JSON_STR(struct doc, name, 0),
	P2V_JSON_BOOL(struct doc, up, P2V_JSON_OMIT),
	P2V_JSON_U64(struct doc, big, 0),
	P2V_JSON_U32(struct doc, small, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct doc, words, P2V_JSON_OMIT),
	P2V_JSON_OBJ(struct doc, first, P2V_JSON_REQUIRED, &part_type),
	P2V_JSON_OBJS(struct doc, parts, 0, &part_type),
	P2V_JSON_ENUM(struct doc, colour, 0, colours),
	P2V_JSON_END,
};
static const struct p2v_json_type doc_type = {"doc", sizeof(struct doc), doc_fields};

static inline void check(bool holds)
{
	if (!holds)
		abort();
}

static inline void check_zeroed(const struct doc *doc)
{
	static const struct doc none;

	check(memcmp(doc, &none, sizeof(none)) == 0);
}

typedef int document_decode(const struct p2v_json_type *type, const void *bytes, size_t n,
	void *ret, struct p2v_err *err);

static inline int document_fuzz(document_decode *decode, const uint8_t *data, size_t n)
{
	p2v_autobuf struct p2v_buf once = {0}, twice = {0};
	struct p2v_err err = {0};
	struct doc doc, again;

	memset(&doc, 0, sizeof(doc));
	memset(&again, 0, sizeof(again));
	if (decode(&doc_type, data, n, &doc, &err) < 0) {
		check(err.kind == P2V_EFORMAT && err.text[0]);
		check_zeroed(&doc);
		return 0;
	}
	check(p2v_json_encode(&doc_type, &doc, true, &once, &err) == 0);
	check(p2v_json_decode(&doc_type, once.data, once.len, &again, &err) == 0);
	check(p2v_json_encode(&doc_type, &again, true, &twice, &err) == 0);
	check(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
	p2v_json_free(&doc_type, &doc);
	p2v_json_free(&doc_type, &again);
	check_zeroed(&doc);
	return 0;
}

#endif

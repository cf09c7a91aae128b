/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/core/core-test.h"

#include "p2v/core/json.h"

struct nic {
	char *name;
	bool up;
};

struct host {
	char *name, *note;
	uint64_t big;
	uint32_t small;
	char **words;
	size_t n_words;
	struct nic first;
	struct nic *nics;
	size_t n_nics;
	int colour;
	int private; /* not in the table */
};

static const char *const colours[] = {"red", "green", NULL};

static const struct p2v_json_field nic_fields[] = {
	P2V_JSON_STR(struct nic, name, P2V_JSON_REQUIRED),
	P2V_JSON_BOOL(struct nic, up, P2V_JSON_OMIT),
	P2V_JSON_END,
};
static const struct p2v_json_type nic_type = {"nic", sizeof(struct nic), nic_fields};

static const struct p2v_json_field host_fields[] = {
	P2V_JSON_STR(struct host, name, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct host, note, 0),
	P2V_JSON_U64(struct host, big, 0),
	P2V_JSON_U32(struct host, small, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct host, words, P2V_JSON_OMIT),
	P2V_JSON_OBJ(struct host, first, 0, &nic_type),
	P2V_JSON_OBJS(struct host, nics, 0, &nic_type),
	P2V_JSON_ENUM(struct host, colour, 0, colours),
	P2V_JSON_END,
};
static const struct p2v_json_type host_type = {"host", sizeof(struct host), host_fields};

static const char full[] =
	"{\"name\":\"web01\",\"note\":\"n\",\"big\":9223372036854775807,"
	"\"small\":4294967295,\"words\":[\"a\",\"\"],\"first\":{\"name\":\"lo\"},"
	"\"nics\":[{\"name\":\"eth0\",\"up\":true},{\"name\":\"eth1\"}],"
	"\"colour\":\"green\"}\n";

static void assert_zeroed(const struct host *h)
{
	static const struct host none;

	assert_memory_equal(h, &none, sizeof(none));
}

static void round_trip_is_the_same_bytes(void **state)
{
	p2v_autobuf struct p2v_buf out = {0};
	struct p2v_err err = {0};
	struct host h;

	(void)state;
	memset(&h, 0, sizeof(h));
	assert_int_equal(p2v_json_decode(&host_type, full, strlen(full), &h, &err), 0);
	assert_string_equal(h.name, "web01");
	assert_int_equal(h.big, INT64_MAX);
	assert_int_equal(h.small, UINT32_MAX);
	assert_int_equal(h.n_words, 2);
	assert_string_equal(h.first.name, "lo");
	assert_int_equal(h.n_nics, 2);
	assert_true(h.nics[0].up);
	assert_false(h.nics[1].up);
	assert_int_equal(h.colour, 1);
	assert_int_equal(p2v_json_encode(&host_type, &h, false, &out, &err), 0);
	assert_string_equal((char *)out.data, full);
	p2v_json_free(&host_type, &h);
	assert_zeroed(&h);
}

static void absent_keys_and_unknown_keys(void **state)
{
	static const char text[] =
		"{\"new\":{\"x\":[1.5]},\"name\":\"a\",\"note\":null,\"words\":[],"
		"\"first\":{\"name\":\"f\"}}";
	p2v_autobuf struct p2v_buf out = {0};
	struct p2v_err err = {0};
	struct host h;

	(void)state;
	memset(&h, 0, sizeof(h));
	h.private = 7;
	assert_int_equal(p2v_json_decode(&host_type, text, strlen(text), &h, &err), 0);
	assert_null(h.note);
	assert_null(h.words);
	assert_int_equal(h.private, 7);
	assert_int_equal(p2v_json_encode(&host_type, &h, true, &out, &err), 0);
	assert_string_equal((char *)out.data, "{\n"
					      "  \"name\": \"a\",\n"
					      "  \"big\": 0,\n"
					      "  \"first\": {\n"
					      "    \"name\": \"f\"\n"
					      "  },\n"
					      "  \"nics\": [],\n"
					      "  \"colour\": \"red\"\n"
					      "}\n");
	p2v_json_free(&host_type, &h);
}

static void bad_documents_are_refused_by_name(void **state)
{
	static const struct {
		const char *text, *sentence;
	} rows[] = {
		{"", "host: line 1"},
		{"{", "host: line 1"},
		{"{\"name\":\"a\"} x", "host: line 1"},
		{"[]", "host: not an object"},
		{"{\"name\":\"a\",\"name\":\"b\"}", "duplicate"},
		{"{\"big\":1}", "host: key 'name': missing"},
		{"{\"name\":null}", "host: key 'name': missing"},
		{"{\"name\":1}", "host: key 'name': not a string"},
		{"{\"name\":\"a\\u0000b\"}", "host: line 1"},
		{"{\"name\":\"\xff\"}", "host: line 1"},
		{"{\"name\":\"a\",\"big\":-1}", "host: key 'big': not a whole number"},
		{"{\"name\":\"a\",\"big\":1.0}", "host: key 'big': not a whole number"},
		{"{\"name\":\"a\",\"big\":9223372036854775808}", "host: line 1"},
		{"{\"name\":\"a\",\"small\":4294967296}",
			"host: key 'small': 4294967296 is beyond 4294967295"},
		{"{\"name\":\"a\",\"words\":{}}", "host: key 'words': not an array"},
		{"{\"name\":\"a\",\"words\":[\"x\",1]}", "host: key 'words': item 1: not a string"},
		{"{\"name\":\"a\",\"first\":[]}", "host: key 'first': nic: not an object"},
		{"{\"name\":\"a\",\"nics\":[{\"name\":\"b\"},{\"up\":true}]}",
			"host: key 'nics': item 1: nic: key 'name': missing"},
		{"{\"name\":\"a\",\"nics\":[{\"name\":\"b\",\"up\":1}]}",
			"item 0: nic: key 'up': not true or false"},
		{"{\"name\":\"a\",\"colour\":\"blue\"}", "host: key 'colour': unknown word 'blue'"},
		{"{\"name\":\"a\",\"colour\":1}", "host: key 'colour': not a string"},
	};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		struct p2v_err err = {0};
		struct host h;

		memset(&h, 0, sizeof(h));
		assert_int_equal(
			p2v_json_decode(&host_type, rows[i].text, strlen(rows[i].text), &h, &err),
			P2V_EFORMAT);
		assert_has(err.text, rows[i].sentence);
		assert_zeroed(&h);
	}
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	for (size_t n = 0; n < strlen(full) - 1; n++) {
		struct host h;

		memset(&h, 0, sizeof(h));
		assert_int_equal(p2v_json_decode(&host_type, full, n, &h, NULL), P2V_EFORMAT);
		assert_zeroed(&h);
	}
}

/* {"name":"a","x":[[...]]} with the brackets so that the whole is `depth` deep. */
static int decode_deep(size_t depth, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct host h;
	int rc;

	memset(&h, 0, sizeof(h));
	p2v_buf_add_str(&text, "{\"name\":\"a\",\"first\":{\"name\":\"b\"},\"x\":");
	for (size_t i = 1; i < depth; i++)
		p2v_buf_add_str(&text, "[");
	for (size_t i = 1; i < depth; i++)
		p2v_buf_add_str(&text, "]");
	p2v_buf_add_str(&text, "}");
	rc = p2v_json_decode(&host_type, text.data, text.len, &h, err);
	p2v_json_free(&host_type, &h);
	return rc;
}

static void bounds_hold(void **state)
{
	size_t n = ((size_t)16 << 20) + 1;
	p2v_autofree char *spaces = malloc(n);
	struct p2v_err err = {0};
	struct host h;

	(void)state;
	assert_int_equal(decode_deep(64, &err), 0);
	assert_int_equal(decode_deep(65, &err), P2V_EFORMAT);
	assert_has(err.text, "host: nested deeper than 64");
	assert_int_equal(decode_deep(100000, &err), P2V_EFORMAT);
	memset(&h, 0, sizeof(h));
	memset(spaces, ' ', n);
	assert_int_equal(p2v_json_decode(&host_type, spaces, n, &h, &err), P2V_EFORMAT);
	assert_has(err.text, "16 MiB");
}

static void foreign_bytes_are_encoded_as_utf8(void **state)
{
	char name[] = "a\xff\xc3\xa9\"\n";
	struct nic nic = {name, false};
	p2v_autobuf struct p2v_buf out = {0}, quoted = {0};

	(void)state;
	assert_int_equal(p2v_json_encode(&nic_type, &nic, false, &out, NULL), 0);
	assert_string_equal((char *)out.data, "{\"name\":\"a\xef\xbf\xbd\xc3\xa9\\\"\\n\"}\n");
	p2v_json_quote(name, &quoted);
	assert_string_equal((char *)quoted.data, "\"a\xef\xbf\xbd\xc3\xa9\\\"\\n\"");
}

static void what_cannot_be_encoded_says_so(void **state)
{
	char name[] = "a";
	struct host h = {.name = name, .first = {.name = name}, .big = (uint64_t)INT64_MAX + 1};
	p2v_autobuf struct p2v_buf out = {0};
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(p2v_json_encode(&host_type, &h, false, &out, &err), P2V_EFORMAT);
	assert_has(err.text, "host: key 'big': 9223372036854775808 is beyond");
	h.big = 0;
	h.colour = 2;
	assert_int_equal(p2v_json_encode(&host_type, &h, false, &out, &err), P2V_EFORMAT);
	assert_has(err.text, "host: key 'colour'");
	assert_int_equal(p2v_json_encode(&host_type, &h, false, &out, NULL), P2V_EFORMAT);
	assert_int_equal(out.len, 0);
}

static void arrays_grow(void **state)
{
	struct host h;

	(void)state;
	memset(&h, 0, sizeof(h));
	for (int i = 0; i < 10; i++) {
		struct nic *nic = p2v_json_grow((void **)&h.nics, &h.n_nics, sizeof(*h.nics));

		assert_non_null(nic);
		assert_null(nic->name);
		nic->name = strdup("x");
		assert_int_equal(p2v_json_add_str(&h.words, &h.n_words, "w", NULL), 0);
	}
	assert_int_equal(h.n_nics, 10);
	assert_string_equal(h.words[9], "w");
	p2v_json_free(&host_type, &h);
}

static void files_there_and_back(void **state)
{
	p2v_autofree char *dir = NULL, *path = NULL;
	struct p2v_err err = {0};
	struct host h, again;

	(void)state;
	memset(&h, 0, sizeof(h));
	memset(&again, 0, sizeof(again));
	assert_int_equal(p2v_dir_temp("json", &dir, &err), 0);
	path = p2v_path_join(dir, "host.json");
	assert_int_equal(p2v_json_load(&host_type, path, &again, &err), P2V_ENOTFOUND);
	assert_has(err.text, path);
	assert_int_equal(p2v_json_decode(&host_type, full, strlen(full), &h, &err), 0);
	assert_int_equal(p2v_json_save(&host_type, &h, dir, "host.json", &err), 0);
	assert_int_equal(p2v_json_load(&host_type, path, &again, &err), 0);
	assert_string_equal(again.nics[1].name, "eth1");
	p2v_json_free(&host_type, &h);
	p2v_json_free(&host_type, &again);
	assert_int_equal(p2v_publish_bytes(dir, "host.json", "{}", 2, 0600, &err), 0);
	assert_int_equal(p2v_json_load(&host_type, path, &again, &err), P2V_EFORMAT);
	assert_has(err.text, "host.json: host: key 'name': missing");
	p2v_dir_remove(dir);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip_is_the_same_bytes),
		cmocka_unit_test(absent_keys_and_unknown_keys),
		cmocka_unit_test(bad_documents_are_refused_by_name),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(bounds_hold),
		cmocka_unit_test(foreign_bytes_are_encoded_as_utf8),
		cmocka_unit_test(what_cannot_be_encoded_says_so),
		cmocka_unit_test(arrays_grow),
		cmocka_unit_test(files_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

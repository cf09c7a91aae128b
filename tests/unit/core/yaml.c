/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core-test.h"

#include "p2v/core/yaml-doc.h"

struct disk {
	char *id;
	uint64_t size_bytes;
};
struct doc {
	char *name;
	bool up;
	uint32_t workers;
	char **hold;
	size_t n_hold;
	struct disk *disks;
	size_t n_disks;
	struct disk first;
	int colour;
};

static const char *const colours[] = {"red", "green", NULL};
static const struct p2v_json_field disk_fields[] = {
	P2V_JSON_STR(struct disk, id, P2V_JSON_REQUIRED),
	P2V_JSON_U64(struct disk, size_bytes, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type disk_type = {"disk", sizeof(struct disk), disk_fields};
static const struct p2v_json_field doc_fields[] = {
	P2V_JSON_STR(struct doc, name, 0),
	P2V_JSON_BOOL(struct doc, up, 0),
	P2V_JSON_U32(struct doc, workers, 0),
	P2V_JSON_STRS(struct doc, hold, 0),
	P2V_JSON_OBJS(struct doc, disks, 0, &disk_type),
	P2V_JSON_OBJ(struct doc, first, 0, &disk_type),
	P2V_JSON_ENUM(struct doc, colour, 0, colours),
	P2V_JSON_END,
};
static const struct p2v_json_type doc_type = {"configuration", sizeof(struct doc), doc_fields};

static struct p2v_err err;

static int decode(const char *text, struct doc *ret)
{
	memset(ret, 0, sizeof(*ret));
	return p2v_yaml_decode(&doc_type, text, strlen(text), ret, &err);
}

static void the_table_says_what_a_value_is(void **state)
{
	struct doc doc;

	(void)state;
	assert_int_equal(decode("# comment\n"
				"name: 010\n"
				"up: true\n"
				"workers: 007\n"
				"hold: [no, \"a: b\"]\n"
				"disks:\n"
				"  - id: null\n"
				"    size_bytes: 512\n"
				"  - {id: 'it''s'}\n"
				"first:\n"
				"  id: sda\n"
				"colour: green\n",
				 &doc),
		0);
	assert_string_equal(doc.name, "010");
	assert_true(doc.up);
	assert_int_equal(doc.workers, 7);
	assert_int_equal(doc.n_hold, 2);
	assert_string_equal(doc.hold[0], "no");
	assert_string_equal(doc.hold[1], "a: b");
	assert_int_equal(doc.n_disks, 2);
	assert_string_equal(doc.disks[0].id, "null");
	assert_int_equal(doc.disks[0].size_bytes, 512);
	assert_string_equal(doc.disks[1].id, "it's");
	assert_string_equal(doc.first.id, "sda");
	assert_int_equal(doc.colour, 1);
	p2v_json_free(&doc_type, &doc);
}

static void nothing_and_one_of_a_list(void **state)
{
	struct doc doc;

	(void)state;
	assert_int_equal(decode("", &doc), 0);
	assert_int_equal(decode("# nothing\n", &doc), 0);
	assert_int_equal(decode("---\n", &doc), 0);
	assert_int_equal(decode("name:\nhold: emission\ndisks:\n", &doc), 0);
	assert_null(doc.name);
	assert_int_equal(doc.n_hold, 1);
	assert_string_equal(doc.hold[0], "emission");
	assert_int_equal(doc.n_disks, 0);
	p2v_json_free(&doc_type, &doc);
}

static void mistakes_are_named_with_their_line(void **state)
{
	static const struct {
		const char *text, *said;
	} rows[] = {
		{"name: a\nwokers: 2\n", "line 2: 'wokers' is nothing that a configuration has"},
		{"name: a\nname: b\n", "line 2: 'name' is there already"},
		{"workers: two\n", "line 1: workers: 'two' is not a whole number"},
		{"workers: -1\n", "not a whole number"},
		{"workers: 5000000000\n", "workers"},
		{"up: yes\n", "line 1: up: neither true nor false"},
		{"name: [a]\n", "line 1: name: a single value"},
		{"disks: 5\n", "line 1: disks: 'name: value' lines"},
		{"\n\ndisks:\n  - size_bytes: 5\n", "id"},
		{"colour: blue\n", "colour"},
		{"- a\n", "line 1: 'name: value' lines"},
		{"name: a\n---\nname: b\n", "second document"},
		{"name: a\nname: b\n", "name"},
		{"name: &x a\nhold: *x\n", "line 2"},
		{"name: \"a\n", "line"},
		{"name: \"a\\0b\"\n", "line 1: a NUL"},
		{"[a]: b\n", "not a name"},
	};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		static const struct doc none;
		struct doc doc;

		assert_int_equal(decode(rows[i].text, &doc), P2V_EFORMAT);
		assert_has(err.text, rows[i].said);
		assert_memory_equal(&doc, &none, sizeof(doc));
	}
}

static void a_file_is_named(void **state)
{
	p2v_autofree char *dir = NULL, *path = NULL;
	struct doc doc = {0};

	(void)state;
	assert_int_equal(p2v_dir_temp("yaml-test", &dir, &err), 0);
	path = p2v_path_join(dir, "x.yaml");
	assert_int_equal(p2v_yaml_load(&doc_type, path, &doc, &err), P2V_ENOTFOUND);
	assert_int_equal(p2v_publish_bytes(dir, "x.yaml", "a: b\n", 5, 0600, &err), 0);
	assert_int_equal(p2v_yaml_load(&doc_type, path, &doc, &err), P2V_EFORMAT);
	assert_has(err.text, path);
	assert_int_equal(p2v_publish_bytes(dir, "x.yaml", "name: b\n", 8, 0600, &err), 0);
	assert_int_equal(p2v_yaml_load(&doc_type, path, &doc, &err), 0);
	assert_string_equal(doc.name, "b");
	p2v_json_free(&doc_type, &doc);
	p2v_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_says_what_a_value_is),
		cmocka_unit_test(nothing_and_one_of_a_list),
		cmocka_unit_test(mistakes_are_named_with_their_line),
		cmocka_unit_test(a_file_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

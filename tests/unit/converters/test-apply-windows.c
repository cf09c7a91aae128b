/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The step hive-edit, on a hive in a directory that poses as a guest. */
#include "converters/apply/editors.h"
#include "p2v/guest/hive.h"
#include "tests/hive-minimal.h"
#include "tests/unit/guest/scene.h"

#define ASKED	"/windows/SYSTEM32/config/system"
#define HIVE	"/Windows/System32/config/SYSTEM"
#define S(text) ((char *)(uintptr_t)(text))
#define STEP(...)                                                                                  \
	(struct plan_arg[]){__VA_ARGS__},                                                          \
		sizeof((struct plan_arg[]){__VA_ARGS__}) / sizeof(struct plan_arg)

static void put(struct scene *s)
{
	p2v_autofree char *dir = on_host(s, "/Windows/System32/config");
	uint8_t bytes[HIVE_MINIMAL_BYTES];

	hive_minimal(bytes);
	assert_int_equal(p2v_dir_make(dir, 0755, &s->err), 0);
	assert_int_equal(p2v_publish_bytes(dir, "SYSTEM", bytes, sizeof(bytes), 0640, &s->err), 0);
}

static int edit(struct scene *s, struct plan_arg *args, size_t n)
{
	struct plan_step step = {S("hive-edit"), S(ASKED), args, n, S("a test")};
	struct apply_details details = {0};

	return run_hive_edit(s->g, &step, &details, &s->err);
}

static void need(struct scene *s, struct plan_arg *args, size_t n)
{
	if (edit(s, args, n) < 0)
		fail_msg("%s", s->err.text);
}

static struct guest_hive *look(struct scene *s)
{
	struct guest_hive *h = NULL;

	assert_int_equal(guest_hive_open(s->g, HIVE, false, &h, &s->err), 0);
	return h;
}

static void assert_texts(struct guest_hive *h, const char *name, const char *words)
{
	guest_auto_names struct guest_hive_names texts = {0};
	p2v_autobuf struct p2v_buf all = {0};

	assert_int_equal(guest_hive_get_texts(h, "Key", name, &texts, NULL), 0);
	for (size_t i = 0; i < texts.n_items; i++)
		p2v_buf_addf(&all, "%s%s", i ? " " : "", texts.items[i]);
	assert_string_equal((const char *)all.data, words);
}

static void test_values(void **state)
{
	struct scene *s = *state;
	struct guest_hive *h;
	p2v_autofree char *text = NULL;
	p2v_autobuf struct p2v_buf bytes = {0};
	uint32_t n, type;

	put(s);
	need(s, STEP({S("key"), S("Key")}, {S("u32 A number"), S("4294967295")},
			{S("text "), S("its own")}, {S("expand Path"), S("%SystemRoot%\\inf")},
			{S("binary Bytes"), S("01ff0000")}, {S("texts List"), S("one")},
			{S("texts List"), S("two")}, {S("texts List"), S("three")},
			{S("texts Other"), S("four")}));
	need(s, STEP({S("key"), S("Key")}, {S("texts-less List"), S("TWO")},
			{S("expand-more Path"), S("C:\\x")}, {S("expand-more Path"), S("c:\\X")},
			{S("expand-more None"), S("C:\\x")}, {S("texts-less Other"), S("four")},
			{S("texts-less Nothing"), S("four")}));
	h = look(s);
	assert_int_equal(guest_hive_get_u32(h, "Key", "a NUMBER", &n, &s->err), 0);
	assert_int_equal(n, UINT32_MAX);
	assert_int_equal(guest_hive_get_text(h, "Key", "Path", &text, &s->err), 0);
	assert_string_equal(text, "%SystemRoot%\\inf;C:\\x");
	assert_int_equal(guest_hive_get(h, "Key", "None", &type, &bytes, &s->err), 0);
	assert_int_equal(type, GUEST_REG_EXPAND_SZ);
	p2v_buf_reset(&bytes);
	assert_int_equal(guest_hive_get(h, "Key", "Bytes", &type, &bytes, &s->err), 0);
	assert_int_equal(type, GUEST_REG_BINARY);
	assert_memory_equal(bytes.data, "\x01\xff\0\0", 4);
	assert_texts(h, "List", "one three");
	/* The last one takes the value along. */
	assert_int_equal(guest_hive_get(h, "Key", "Other", &type, &bytes, NULL), P2V_ENOTFOUND);
	guest_hive_free(h);
}

static void test_keys(void **state)
{
	struct scene *s = *state;
	struct guest_hive *h;

	put(s);
	need(s, STEP({S("key-if-there"), S("Gone")}, {S("u32 Start"), S("4")},
			{S("key"), S("There\\Below")}, {S("u32 Start"), S("4")},
			{S("delete-key"), S("Nowhere")}));
	h = look(s);
	assert_false(guest_hive_has_key(h, "Gone"));
	assert_true(guest_hive_has_key(h, "There\\Below"));
	guest_hive_free(h);
	need(s, STEP({S("key-if-there"), S("there\\below")}, {S("delete start"), S("")},
			{S("delete-key"), S("There")}));
	h = look(s);
	assert_false(guest_hive_has_key(h, "There"));
	guest_hive_free(h);
}

/* What is so already is no change. */
static void test_twice(void **state)
{
	struct scene *s = *state;
	struct guest_changes changes;
	char digest[65];

	put(s);
	need(s, STEP({S("key"), S("Key")}, {S("u32 Start"), S("0")}));
	changes = guest_changes(s->g);
	assert_int_equal(changes.n_items, 1);
	assert_string_equal(changes.items[0].path, HIVE);
	assert_non_null(strstr((const char *)changes.items[0].edits.data, "Start"));
	memcpy(digest, changes.items[0].after_sha256, sizeof(digest));
	need(s, STEP({S("key"), S("Key")}, {S("u32 Start"), S("0")}));
	assert_string_equal(guest_changes(s->g).items[0].after_sha256, digest);
}

static void test_spoiled_plan(void **state)
{
	struct scene *s = *state;

	put(s);
	assert_int_equal(edit(s, STEP({S("key"), S("K")}, {S("u32 Start"), S("x")})), P2V_EFORMAT);
	assert_int_equal(edit(s, STEP({S("key"), S("K")}, {S("binary B"), S("0")})), P2V_EFORMAT);
	assert_int_equal(edit(s, STEP({S("key"), S("K")}, {S("word B"), S("0")})), P2V_EFORMAT);
	assert_int_equal(guest_changes(s->g).n_items, 0);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, scene_setup, scene_teardown)
	static const struct CMUnitTest tests[] = {
		ROW(test_values),
		ROW(test_keys),
		ROW(test_twice),
		ROW(test_spoiled_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

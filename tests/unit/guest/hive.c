/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/guest/hive.h"
#include "tests/hive-minimal.h"
#include "tests/unit/guest/scene.h"

#define HIVE "/Windows/System32/config/SYSTEM"

static void put(struct scene *s, const uint8_t *bytes, size_t n)
{
	p2v_autofree char *dir = on_host(s, "/Windows/System32/config");

	assert_int_equal(p2v_dir_make(dir, 0755, &s->err), 0);
	assert_int_equal(p2v_publish_bytes(dir, "SYSTEM", bytes, n, 0640, &s->err), 0);
}

static void put_minimal(struct scene *s)
{
	uint8_t bytes[HIVE_MINIMAL_BYTES];

	hive_minimal(bytes);
	put(s, bytes, sizeof(bytes));
}

static struct guest_hive *open_hive(struct scene *s)
{
	struct guest_hive *h = NULL;

	if (guest_hive_open(s->g, HIVE, true, &h, &s->err) < 0)
		fail_msg("%s", s->err.text);
	return h;
}

static void save(struct scene *s, struct guest_hive *h)
{
	if (guest_hive_save(h, "a test", &s->err) < 0)
		fail_msg("%s", s->err.text);
	guest_hive_free(h);
}

static void fill(struct scene *s)
{
	static const char *const list[] = {"one", "zw\xc3\xb6lf"};
	struct guest_hive *h = open_hive(s);

	assert_int_equal(guest_hive_set_u32(h, "Select", "Current", 1, &s->err), 0);
	assert_int_equal(
		guest_hive_set_text(h, "ControlSet001\\Services\\disk", "ImagePath",
			GUEST_REG_EXPAND_SZ, "System32\\drivers\\d\xc3\xafsk.sys", &s->err),
		0);
	assert_int_equal(
		guest_hive_set_texts(h, "ControlSet001\\Control", "List", list, 2, &s->err), 0);
	assert_int_equal(guest_hive_set(h, "Select", "None", GUEST_REG_NONE, "", 0, &s->err), 0);
	save(s, h);
}

static void test_writes_and_reads(void **state)
{
	struct scene *s = *state;
	guest_auto_names struct guest_hive_names names = {0}, texts = {0};
	p2v_autofree char *text = NULL;
	struct guest_hive *h;
	uint32_t n = 0;

	put_minimal(s);
	fill(s);
	h = open_hive(s);
	assert_int_equal(guest_hive_get_u32(h, "select", "CURRENT", &n, &s->err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(guest_hive_get_text(
				 h, "controlset001\\services\\DISK", "imagepath", &text, &s->err),
		0);
	assert_string_equal(text, "System32\\drivers\\d\xc3\xafsk.sys");
	assert_int_equal(
		guest_hive_get_texts(h, "ControlSet001\\Control", "List", &texts, &s->err), 0);
	assert_int_equal(texts.n_items, 2);
	assert_string_equal(texts.items[1], "zw\xc3\xb6lf");
	assert_int_equal(guest_hive_keys(h, "ControlSet001", &names, &s->err), 0);
	assert_int_equal(names.n_items, 2);
	assert_true(guest_hive_has_key(h, ""));
	assert_false(guest_hive_has_key(h, "ControlSet002"));
	/* Another type, and what is not there. */
	assert_int_equal(
		guest_hive_get_u32(h, "ControlSet001\\Services\\disk", "ImagePath", &n, &s->err),
		P2V_EFORMAT);
	assert_int_equal(guest_hive_get_u32(h, "Select", "None", &n, &s->err), P2V_EFORMAT);
	assert_int_equal(guest_hive_get_u32(h, "Select", "Failed", &n, &s->err), P2V_ENOTFOUND);
	assert_int_equal(guest_hive_get_u32(h, "Nothing", "x", &n, &s->err), P2V_ENOTFOUND);
	guest_hive_free(h);
}

static void test_records_edits(void **state)
{
	struct scene *s = *state;
	p2v_autobuf struct p2v_buf list = {0};
	struct guest_changes c;
	struct guest_hive *h;

	put_minimal(s);
	fill(s);
	guest_free(s->g);
	assert_int_equal(guest_open_dir(s->root, true, &s->g, &s->err), 0);
	h = open_hive(s);
	assert_int_equal(guest_hive_set_u32(h, "Select", "Current", 2, &s->err), 0);
	assert_int_equal(guest_hive_delete_value(h, "Select", "None", &s->err), 0);
	assert_int_equal(guest_hive_delete_value(h, "Select", "Absent", &s->err), 0);
	assert_int_equal(guest_hive_delete_key(h, "ControlSet001\\Control", &s->err), 0);
	assert_int_equal(guest_hive_delete_key(h, "ControlSet009", &s->err), 0);
	save(s, h);
	c = guest_changes(s->g);
	assert_int_equal(c.n_items, 1);
	assert_string_equal(c.items->path, HIVE);
	assert_string_equal(guest_kind_word(c.items->kind), "hive");
	assert_int_equal(guest_change_diff(c.items, &list, &s->err), 0);
	assert_string_equal((char *)list.data, "~ Select [Current] = dword:0x2 (was dword:0x1)\n"
					       "- Select [None]\n"
					       "- ControlSet001\\Control\n");
	h = open_hive(s);
	assert_true(guest_hive_has_key(h, "ControlSet001\\Services\\disk"));
	assert_false(guest_hive_has_key(h, "ControlSet001\\Control"));
	guest_hive_free(h);
}

static void test_twice_is_once(void **state)
{
	struct scene *s = *state;
	p2v_autobuf struct p2v_buf before = {0}, after = {0};
	p2v_autofree char *path = on_host(s, HIVE);

	put_minimal(s);
	fill(s);
	assert_int_equal(p2v_file_read(path, 1 << 20, &before, &s->err), 0);
	fill(s);
	assert_int_equal(p2v_file_read(path, 1 << 20, &after, &s->err), 0);
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.data, after.data, before.len);
}

/* It is read, but an edit would lose what only its logs hold. */
static void test_dirty_is_refused(void **state)
{
	struct scene *s = *state;
	uint8_t bytes[HIVE_MINIMAL_BYTES];
	struct guest_hive *h = NULL;

	hive_minimal(bytes);
	hive_le32(bytes + 4, 2);
	hive_seal(bytes);
	put(s, bytes, sizeof(bytes));
	assert_int_equal(guest_hive_open(s->g, HIVE, true, &h, &s->err), P2V_EREFUSED);
	assert_int_equal(guest_hive_open(s->g, HIVE, false, &h, &s->err), 0);
	assert_true(guest_hive_is_dirty(h));
	assert_int_equal(guest_hive_set_u32(h, "a", "b", 1, &s->err), P2V_EREFUSED);
	guest_hive_free(h);
	/* A checksum that is wrong says the same. */
	hive_minimal(bytes);
	bytes[508] ^= 1;
	put(s, bytes, sizeof(bytes));
	assert_int_equal(guest_hive_open(s->g, HIVE, true, &h, &s->err), P2V_EREFUSED);
	assert_int_equal(guest_changes(s->g).n_items, 0);
}

/* Each byte of the small hive spoiled: an error or an answer, never a crash, and the file stays. */
static void test_hostile(void **state)
{
	struct scene *s = *state;
	p2v_autofree char *path = on_host(s, HIVE);
	p2v_autobuf struct p2v_buf good = {0};

	put_minimal(s);
	fill(s);
	assert_int_equal(p2v_file_read(path, 1 << 20, &good, &s->err), 0);
	for (size_t at = 4096; at < 4096 + 1200; at += 3) {
		p2v_autobuf struct p2v_buf bad = {0};
		guest_auto_hive struct guest_hive *h = NULL;
		struct guest_hive_names names = {0};
		p2v_autofree char *text = NULL;
		struct p2v_err err = {0};

		p2v_buf_add(&bad, good.data, good.len);
		bad.data[at] ^= 0xff;
		put(s, bad.data, bad.len);
		if (guest_hive_open(s->g, HIVE, true, &h, &err) < 0) {
			assert_true(*err.text);
			continue;
		}
		guest_hive_get_text(h, "ControlSet001\\Services\\disk", "ImagePath", &text, &err);
		if (guest_hive_keys(h, "ControlSet001", &names, &err) == 0)
			guest_hive_names_finish(&names);
		guest_hive_set_u32(h, "ControlSet001\\Services\\disk", "Start", 0, &err);
		guest_hive_delete_key(h, "ControlSet001", &err);
	}
	for (size_t n = 0; n < good.len; n += 509) {
		guest_auto_hive struct guest_hive *h = NULL;

		put(s, good.data, n);
		if (guest_hive_open(s->g, HIVE, true, &h, &s->err) == 0)
			guest_hive_set_u32(h, "Select", "Current", 3, &s->err);
	}
}

/* A key whose only subkey is itself. */
static void test_cycle(void **state)
{
	struct scene *s = *state;
	uint8_t bytes[HIVE_MINIMAL_BYTES], *nk = bytes + 4096 + 0x20, *lf = bytes + 4096 + 0xa8;
	struct guest_hive *h = NULL;
	uint32_t n;

	hive_minimal(bytes);
	hive_le32(nk + 0x18, 1);
	hive_le32(nk + 0x20, 0xa8);
	hive_le32(lf, (uint32_t)-16);
	memcpy(lf + 4, "lf\1\0", 4);
	hive_le32(lf + 8, 0x20);
	memcpy(lf + 12, "ROOT", 4);
	hive_le32(lf + 16, 4096 - 0xa8 - 16);
	put(s, bytes, sizeof(bytes));
	assert_int_equal(guest_hive_open(s->g, HIVE, true, &h, &s->err), 0);
	assert_int_equal(
		guest_hive_get_u32(h, "ROOT\\ROOT\\ROOT", "x", &n, &s->err), P2V_ENOTFOUND);
	assert_true(guest_hive_delete_key(h, "ROOT", &s->err) < 0);
	guest_hive_free(h);
	assert_int_equal(guest_changes(s->g).n_items, 0);
}

static void test_texts(void **state)
{
	guest_auto_names struct guest_hive_names names = {0};

	(void)state;
	assert_int_equal(guest_multi_sz_read("a\0\0\0b\0\0\0\0\0c\0", 12, &names, NULL), 0);
	assert_int_equal(names.n_items, 2);
}

static void test_nocase(void **state)
{
	struct scene *s = *state;
	p2v_autofree char *a = NULL, *b = NULL;

	put_minimal(s);
	assert_int_equal(
		guest_path_nocase(s->g, "/WINDOWS/system32/Config/system", &a, &s->err), 0);
	assert_string_equal(a, HIVE);
	assert_int_equal(guest_path_nocase(s->g, "/windows/x[1]*/y", &b, &s->err), 0);
	assert_string_equal(b, "/Windows/x[1]*/y");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scene_test(test_writes_and_reads),
		scene_test(test_records_edits),
		scene_test(test_twice_is_once),
		scene_test(test_dirty_is_refused),
		scene_test(test_hostile),
		scene_test(test_cycle),
		cmocka_unit_test(test_texts),
		scene_test(test_nocase),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

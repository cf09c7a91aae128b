/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The boot entries of a machine in a variable store; the store is read back by a reader of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "converters/emit/nvram.h"
#include "p2v/core/cleanup.h"

#define VOLUME_HEADER 0x48
#define STORE_AT      VOLUME_HEADER
#define FIRST	      (STORE_AT + 28)

static char global[] = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
static const uint8_t volume_guid[] = {0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c, 0xa9, 0x85,
	0x27, 0x47, 0x07, 0x5b, 0x4f, 0x50};
static const uint8_t store_guid[] = {0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80,
	0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92};

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* An empty store with room for `room` bytes of variables, and something behind it. */
static void store_make(struct p2v_buf *b, uint32_t room)
{
	uint32_t size = FIRST + room;
	uint8_t *p;

	p2v_buf_add_zeros(b, (size_t)size + 64);
	p = b->data;
	memset(p, 0, VOLUME_HEADER);
	memcpy(p + 16, volume_guid, 16);
	put32(p + 32, size + 64);
	memcpy(p + 40, "_FVH", 4);
	p[48] = VOLUME_HEADER;
	memcpy(p + STORE_AT, store_guid, 16);
	put32(p + STORE_AT + 16, 28 + room);
	p[STORE_AT + 20] = 0x5a;
	p[STORE_AT + 21] = 0xfe;
	memset(p + FIRST, 0xff, room);
	memset(p + size, 0x77, 64);
}

/* The live variable of that name: its data; NULL: none. */
static const uint8_t *store_find(const struct p2v_buf *b, const char *name, uint32_t *ret_n)
{
	size_t at = FIRST;
	const uint8_t *found = NULL;

	while (at + 60 < b->len && b->data[at] == 0xaa && b->data[at + 1] == 0x55) {
		const uint8_t *v = b->data + at;
		uint32_t name_bytes = get32(v + 36), data_bytes = get32(v + 40);
		bool same = name_bytes == 2 * (strlen(name) + 1);

		for (size_t i = 0; same && name[i]; i++)
			same = v[60 + 2 * i] == (uint8_t)name[i] && v[61 + 2 * i] == 0;
		if (same && v[2] == 0x3f) {
			assert_null(found);
			assert_int_equal(get32(v + 4), 7);
			found = v + 60 + name_bytes;
			*ret_n = data_bytes;
		}
		at = (at + 60 + name_bytes + data_bytes + 3) & ~(size_t)3;
	}
	return found;
}

/* PciRoot(0)/Pci(..)/HD(1,GPT,...)/File(\a)/End, or without what is not asked for. */
static size_t option_make(uint8_t out[256], bool with_controller, bool with_partition)
{
	static const uint8_t controller[] = {
		0x02, 0x01, 12, 0, 0xd0, 0x41, 0x03, 0x0a, 0, 0, 0, 0, 0x01, 0x01, 6, 0, 2, 0x1f};
	static const uint8_t file[] = {0x04, 0x04, 8, 0, '\\', 0, 0, 0, 0x7f, 0xff, 4, 0};
	static const uint8_t head[] = {1, 0, 0, 0, 0, 0, 'd', 0, 'b', 0, 0, 0};
	size_t n = sizeof(head), path;

	memcpy(out, head, n);
	if (with_controller) {
		memcpy(out + n, controller, sizeof(controller));
		n += sizeof(controller);
	}
	if (with_partition) {
		memset(out + n, 0x31, 42);
		memcpy(out + n, "\x04\x01\x2a\x00", 4);
		n += 42;
	}
	memcpy(out + n, file, sizeof(file));
	n += sizeof(file);
	path = n - sizeof(head);
	out[4] = (uint8_t)path;
	memcpy(out + n, "opt", 3);
	return n + 3;
}

static void test_controller_is_cut_off(void **state)
{
	p2v_autobuf struct p2v_buf a = {0}, b = {0};
	uint8_t full[256], brief[256];
	size_t n_full = option_make(full, true, true), n_brief = option_make(brief, false, true);

	(void)state;
	assert_true(emit_nvram_portable(full, n_full, &a));
	assert_int_equal(a.len, n_brief);
	assert_memory_equal(a.data, brief, n_brief);
	assert_true(emit_nvram_portable(brief, n_brief, &b));
	assert_memory_equal(b.data, brief, n_brief);
}

static void test_what_leads_nowhere_is_left(void **state)
{
	p2v_autobuf struct p2v_buf out = {0};
	uint8_t option[256];
	size_t n = option_make(option, true, false);

	(void)state;
	assert_false(emit_nvram_portable(option, n, &out));
	/* A partition in a second instance is another device's. */
	n = option_make(option, false, true);
	memcpy(option + 12, "\x7f\x01\x04\x00", 4);
	assert_false(emit_nvram_portable(option, n, &out));
	n = option_make(option, true, true);
	for (size_t cut = 0; cut < n - 3 - 4 - 8; cut++)
		assert_false(emit_nvram_portable(option, cut, &out));
	option[14] = 0;
	assert_false(emit_nvram_portable(option, n, &out));
	assert_int_equal(out.len, 0);
}

struct machine_fixture {
	struct machine machine;
	struct machine_efi_var vars[8];
	char hex[8][600];
};

static void add_var(struct machine_fixture *f, const char *name, const void *bytes, size_t n)
{
	size_t i = f->machine.n_efi_vars++;

	p2v_hex(bytes, n, f->hex[i]);
	f->vars[i] = (struct machine_efi_var){
		.name = strdup(name), .guid = global, .attributes = 7, .data_hex = f->hex[i]};
	f->machine.efi_vars = f->vars;
}

static void finish(struct machine_fixture *f)
{
	for (size_t i = 0; i < f->machine.n_efi_vars; i++)
		free(f->vars[i].name);
}

/* Order: network first, then the disk, then an entry that is not there, then a second disk. */
static void machine_make(struct machine_fixture *f)
{
	uint8_t option[256];

	*f = (struct machine_fixture){0};
	add_var(f, "BootOrder", "\x03\x00\x0a\x00\x09\x00\x01\x00", 8);
	add_var(f, "Boot0003", option, option_make(option, true, false));
	add_var(f, "Boot000A", option, option_make(option, true, true));
	add_var(f, "Boot0001", option, option_make(option, false, true));
}

static void test_entries_in_order(void **state)
{
	p2v_autobuf struct p2v_buf store = {0};
	struct machine_fixture f;
	struct p2v_err err = {0};
	uint8_t brief[256];
	const uint8_t *data;
	size_t n_entries = 99, n_brief = option_make(brief, false, true), size;
	uint32_t n;

	(void)state;
	store_make(&store, 4096);
	size = store.len;
	machine_make(&f);
	/* Twice: the second run replaces what the first one put. */
	for (int round = 0; round < 2; round++) {
		assert_int_equal(emit_nvram_add(&store, &f.machine, &n_entries, &err), 0);
		assert_int_equal(n_entries, 2);
		data = store_find(&store, "BootOrder", &n);
		assert_non_null(data);
		assert_int_equal(n, 4);
		assert_memory_equal(data, "\x0a\x00\x01\x00", 4);
		data = store_find(&store, "Boot000A", &n);
		assert_non_null(data);
		assert_int_equal(n, n_brief);
		assert_memory_equal(data, brief, n);
		assert_null(store_find(&store, "Boot0003", &n));
	}
	assert_int_equal(store.len, size);
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(store.data[size - 64 + i], 0x77);
	finish(&f);
}

static void test_no_room_and_nothing_to_carry(void **state)
{
	p2v_autobuf struct p2v_buf store = {0}, before = {0};
	struct machine_fixture f;
	struct machine none = {0};
	struct p2v_err err = {0};
	size_t n_entries = 99;

	(void)state;
	store_make(&store, 64);
	p2v_buf_add(&before, store.data, store.len);
	machine_make(&f);
	assert_int_equal(emit_nvram_add(&store, &f.machine, &n_entries, &err), 0);
	assert_int_equal(n_entries, 0);
	assert_int_equal(emit_nvram_add(&store, &none, &n_entries, &err), 0);
	assert_int_equal(n_entries, 0);
	assert_memory_equal(store.data, before.data, before.len);
	/* Room for the first, not for the second. */
	p2v_buf_reset(&store);
	store_make(&store, 400);
	assert_int_equal(emit_nvram_add(&store, &f.machine, &n_entries, &err), 0);
	assert_int_equal(n_entries, 1);
	finish(&f);
}

static void test_no_store(void **state)
{
	p2v_autobuf struct p2v_buf store = {0};
	struct machine_fixture f;
	struct p2v_err err = {0};
	size_t n_entries = 99;

	(void)state;
	machine_make(&f);
	store_make(&store, 1024);
	/* Something in what should be free. */
	store.data[FIRST + 500] = 0;
	assert_int_equal(emit_nvram_add(&store, &f.machine, &n_entries, &err), P2V_EFORMAT);
	store.data[FIRST + 500] = 0xff;
	for (size_t len = 0; len < FIRST; len++) {
		struct p2v_buf cut = {.data = store.data, .len = len};

		assert_int_equal(emit_nvram_add(&cut, &f.machine, &n_entries, &err), P2V_EFORMAT);
	}
	put32(store.data + STORE_AT + 16, UINT32_MAX);
	assert_int_equal(emit_nvram_add(&store, &f.machine, &n_entries, &err), P2V_EFORMAT);
	assert_int_equal(n_entries, 99);
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_controller_is_cut_off),
		cmocka_unit_test(test_what_leads_nowhere_is_left),
		cmocka_unit_test(test_entries_in_order),
		cmocka_unit_test(test_no_room_and_nothing_to_carry),
		cmocka_unit_test(test_no_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

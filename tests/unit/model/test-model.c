/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The nouns: what is written is read back the same, and what breaks a rule is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/model/changes.h"
#include "p2v/model/check.h"
#include "p2v/model/facts.h"
#include "p2v/model/image.h"
#include "p2v/model/machine.h"
#include "p2v/model/output.h"
#include "p2v/model/plan.h"
#include "p2v/model/proof.h"
#include "p2v/model/receipt.h"

/* A document of every noun with its required keys and some of the others. */
static const struct sample {
	const struct p2v_json_type *type;
	const char *text;
} samples[] = {
	{&model_machine_type,
		"{\"version\":1,\"name\":\"web01\",\"firmware\":\"bios\",\"memory_bytes\":"
		"1073741824,"
		"\"disks\":[{\"id\":\"disk0\",\"path\":\"/dev/sda\",\"size_bytes\":3221225472}],"
		"\"nics\":[{\"name\":\"enp0s3\",\"mac\":\"00:1b:21:aa:bb:01\",\"link\":true,"
		"\"addresses\":[\"192.0.2.10/24\"]}],"
		"\"efi_vars\":[{\"name\":\"Boot0000\",\"guid\":\"x\",\"attributes\":7,\"data_hex\":"
		"\"00\"}]}"},
	{&model_receipt_type,
		"{\"version\":1,\"machine\":\"web01\",\"disks\":[{\"id\":\"disk0\","
		"\"size_bytes\":9223372036854775807,\"grain_bytes\":65536,\"digest\":"
		"\"00\",\"verified\":true,\"bad_ranges\":[\"4096+512\"],\"bad_files\":"
		"[\"partition 1: /etc/fstab\"]}]}"},
	{&model_image_type,
		"{\"version\":1,\"name\":\"web01\",\"disks\":[{\"id\":\"disk0\",\"path\":"
		"\"image/disk0.qcow2\",\"format\":\"qcow2\",\"size_bytes\":1,\"owned\":true}]}"},
	{&model_facts_type,
		"{\"version\":1,\"disks\":[{\"id\":\"disk0\"}],\"filesystems\":[{\"device\":"
		"\"/dev/sda1\"}],\"systems\":[{\"root\":\"/dev/"
		"sda1\",\"kind\":\"linux\",\"kernels\":[{"
		"\"release\":\"6.1\",\"drivers\":[{\"name\":\"virtio_blk\",\"state\":\"module\"}]}]"
		"}]}"},
	{&model_plan_type,
		"{\"version\":1,\"name\":\"web01\",\"target\":\"kvm\",\"format\":\"qcow2\","
		"\"machine\":\"q35\",\"firmware\":\"uefi\",\"os\":\"linux\",\"root\":\"/dev/sda1\","
		"\"grade\":\"generic\",\"disks\":[{\"id\":\"disk0\",\"bus\":\"virtio-blk\"}],"
		"\"steps\":[{\"op\":\"x\",\"args\":[{\"key\":\"k\",\"value\":\"v\"}],\"reason\":"
		"\"r\"}]}"},
	{&model_changes_type,
		"{\"version\":1,\"name\":\"web01\",\"changes\":[{\"path\":\"/etc/fstab\","
		"\"action\":\"modify\",\"kind\":\"text\",\"reason\":\"r\"}]}"},
	{&model_output_type,
		"{\"version\":1,\"name\":\"web01\",\"machine\":\"q35\",\"firmware\":"
		"\"bios\",\"disks\":[{\"id\":\"disk0\",\"path\":\"p\",\"format\":\"qcow2\","
		"\"bus\":\"virtio-blk\"}],\"grade\":\"proven\"}"},
	{&model_proof_type,
		"{\"version\":1,\"name\":\"web01\",\"verdict\":\"partial\",\"checks\":[{"
		"\"name\":\"root\",\"ok\":true}]}"},
};

static void test_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < P2V_N(samples); i++) {
		const struct p2v_json_type *type = samples[i].type;
		p2v_autofree void *one = calloc(1, type->size), *two = calloc(1, type->size);
		p2v_autobuf struct p2v_buf a = {0}, b = {0};
		struct p2v_err err = {0};

		if (p2v_json_decode(type, samples[i].text, strlen(samples[i].text), one, &err) < 0)
			fail_msg("%s: %s", type->name, err.text);
		assert_int_equal(p2v_json_encode(type, one, true, &a, &err), 0);
		assert_int_equal(p2v_json_decode(type, a.data, a.len, two, &err), 0);
		assert_int_equal(p2v_json_encode(type, two, true, &b, &err), 0);
		assert_string_equal((char *)a.data, (char *)b.data);
		p2v_json_free(type, one);
		p2v_json_free(type, two);
	}
}

static void test_values_arrive(void **state)
{
	p2v_auto_machine struct machine machine = {0};
	p2v_auto_facts struct facts facts = {0};
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(
		model_machine_decode(samples[0].text, strlen(samples[0].text), &machine, &err), 0);
	assert_string_equal(machine.name, "web01");
	assert_int_equal(machine.memory_bytes, 1073741824);
	assert_int_equal(machine.n_disks, 1);
	assert_int_equal(machine.disks[0].size_bytes, 3221225472);
	assert_true(machine.nics[0].link);
	assert_string_equal(machine.nics[0].addresses[0], "192.0.2.10/24");
	assert_int_equal(
		model_facts_decode(samples[3].text, strlen(samples[3].text), &facts, &err), 0);
	assert_int_equal(facts.systems[0].kernels[0].drivers[0].state, DRIVER_STATE_MODULE);
}

/* What a machine says becomes file names and arguments: what could do harm there is refused. */
static void test_hostile_machine(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"{\"version\":2,\"name\":\"a\",\"firmware\":\"bios\",\"memory_bytes\":1}",
			"version 2"},
		{"{\"version\":1,\"name\":\"../a\",\"firmware\":\"bios\",\"memory_bytes\":1}",
			"../a"},
		{"{\"version\":1,\"name\":\"\",\"firmware\":\"bios\",\"memory_bytes\":1}", "name"},
		{"{\"version\":1,\"name\":\"a b\",\"firmware\":\"bios\",\"memory_bytes\":1}",
			"a b"},
		{"{\"version\":1,\"name\":\"-f\",\"firmware\":\"bios\",\"memory_bytes\":1}", "-f"},
		{"{\"version\":1,\"name\":\"a\",\"firmware\":\"coreboot\",\"memory_bytes\":1}",
			"coreboot"},
		{"{\"version\":1,\"name\":\"a\",\"firmware\":\"bios\",\"memory_bytes\":1,\"disks\":"
		 "[{"
		 "\"id\":\"disk1\",\"path\":\"p\",\"size_bytes\":1}]}",
			"disk1"},
		{"{\"version\":1,\"name\":\"a\",\"firmware\":\"bios\",\"memory_bytes\":1,\"nics\":["
		 "{"
		 "\"name\":\"e\",\"mac\":\"00:1b:21:aa:bb:0g\"}]}",
			"0g"},
		{"{\"version\":1}", "name"},
		{"[]", "machine"},
		{"", "machine"},
	};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		struct machine machine = {0};
		struct p2v_err err = {0};

		assert_true(model_machine_decode(
				    rows[i].text, strlen(rows[i].text), &machine, &err) < 0);
		if (!strstr(err.text, rows[i].says))
			fail_msg("'%s' does not say '%s'", err.text, rows[i].says);
		assert_null(machine.name);
	}
}

static void test_files(void **state)
{
	p2v_autofree char *dir = NULL, *path = NULL;
	p2v_auto_image struct image image = {0}, back = {0};
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(p2v_dir_temp("test-model", &dir, &err), 0);
	assert_int_equal(
		model_image_decode(samples[2].text, strlen(samples[2].text), &image, &err), 0);
	assert_int_equal(model_image_save(&image, dir, "image.json", &err), 0);
	path = p2v_path_join(dir, "image.json");
	assert_int_equal(model_image_load(path, &back, &err), 0);
	assert_string_equal(back.disks[0].path, "image/disk0.qcow2");
	assert_true(back.disks[0].owned);
	p2v_dir_remove(dir);
	assert_true(model_image_load(path, &back, &err) == P2V_ENOTFOUND);
	assert_non_null(strstr(err.text, "image.json"));
}

static void test_names(void **state)
{
	char long_name[66];

	(void)state;
	memset(long_name, 'a', 65);
	long_name[65] = '\0';
	assert_true(model_name_ok("web01.example-net_2"));
	assert_false(model_name_ok(NULL));
	assert_false(model_name_ok(".."));
	assert_false(model_name_ok("a/b"));
	assert_false(model_name_ok("a\n"));
	assert_false(model_name_ok(long_name));
	assert_true(model_name_ok(long_name + 1));
	assert_true(model_mac_ok("00:1b:21:aa:bb:01"));
	assert_false(model_mac_ok("00:1B:21:AA:BB:01"));
	assert_false(model_mac_ok("00:1b:21:aa:bb:011"));
	assert_false(model_mac_ok(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_values_arrive),
		cmocka_unit_test(test_hostile_machine),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

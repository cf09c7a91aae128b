/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/cli/lsblk.h"

static struct guest_storage storage;
static char *root;

static int parse(const char *text)
{
	return cli_lsblk_parse(p2v_span_str(text), &storage, &root, NULL);
}

static int teardown(void **state)
{
	(void)state;
	guest_storage_finish(&storage);
	free(root);
	root = NULL;
	return 0;
}

static void expect(size_t i, enum guest_volume_type type, const char *device, const char *kind)
{
	assert_true(i < storage.n_volumes);
	assert_int_equal(storage.volumes[i].type, type);
	assert_string_equal(storage.volumes[i].device, device);
	assert_string_equal(storage.volumes[i].kind ? storage.volumes[i].kind : "", kind);
}

/* As util-linux 2.38 prints it for a server with NVMe, LVM on LUKS, and a mirror. */
static void test_server(void **state)
{
	(void)state;
	assert_int_equal(
		parse("NAME=\"sr0\" KNAME=\"sr0\" PKNAME=\"\" TYPE=\"rom\" SIZE=\"1\" FSTYPE=\"\"\n"
		      "NAME=\"loop0\" KNAME=\"loop0\" TYPE=\"loop\" SIZE=\"100\"\n"
		      "NAME=\"zram0\" KNAME=\"zram0\" TYPE=\"disk\" SIZE=\"100\"\n"
		      "NAME=\"sdz\" KNAME=\"sdz\" TYPE=\"disk\" SIZE=\"100\" TRAN=\"usb\"\n"
		      "NAME=\"sdz1\" KNAME=\"sdz1\" PKNAME=\"sdz\" TYPE=\"part\" SIZE=\"100\"\n"
		      "NAME=\"nvme0n1\" KNAME=\"nvme0n1\" TYPE=\"disk\" SIZE=\"1000204886016\"\n"
		      "NAME=\"nvme0n1p3\" KNAME=\"nvme0n1p3\" PKNAME=\"nvme0n1\" TYPE=\"part\" "
		      "SIZE=\"99\" FSTYPE=\"crypto_LUKS\" UUID=\"u-1\" PARTUUID=\"p-1\"\n"
		      "NAME=\"luks-u\" KNAME=\"dm-0\" PKNAME=\"nvme0n1p3\" TYPE=\"crypt\" "
		      "FSTYPE=\"LVM2_member\"\n"
		      "NAME=\"my--vg-ro--ot\" KNAME=\"dm-1\" PKNAME=\"dm-0\" TYPE=\"lvm\" "
		      "FSTYPE=\"ext4\" LABEL=\"a\\x20b\\x22\" MOUNTPOINT=\"/\"\n"
		      "NAME=\"sda\" KNAME=\"sda\" TYPE=\"disk\" SIZE=\"5\" "
		      "FSTYPE=\"linux_raid_member\"\n"
		      "NAME=\"md0\" KNAME=\"md0\" PKNAME=\"sda\" TYPE=\"raid1\" FSTYPE=\"xfs\"\n"
		      "NAME=\"sdb\" KNAME=\"sdb\" TYPE=\"disk\" SIZE=\"5\" "
		      "FSTYPE=\"linux_raid_member\"\n"
		      "NAME=\"md0\" KNAME=\"md0\" PKNAME=\"sdb\" TYPE=\"raid1\" FSTYPE=\"xfs\"\n"),
		0);
	assert_int_equal(storage.n_volumes, 7);
	expect(0, GUEST_VOLUME_DISK, "/dev/sda", "");
	assert_int_equal(storage.volumes[0].size_bytes, 1000204886016);
	expect(1, GUEST_VOLUME_PART, "/dev/sda3", "crypto_LUKS");
	assert_int_equal(storage.volumes[1].disk, 0);
	assert_int_equal(storage.volumes[1].part, 3);
	assert_string_equal(storage.volumes[1].partuuid, "p-1");
	expect(2, GUEST_VOLUME_CRYPT, "/dev/mapper/luks-u", "LVM2_member");
	assert_string_equal(storage.volumes[2].parent, "/dev/sda3");
	expect(3, GUEST_VOLUME_LV, "/dev/my-vg/ro-ot", "ext4");
	assert_string_equal(storage.volumes[3].label, "a b\"");
	assert_string_equal(storage.volumes[3].mounted_at, "/");
	expect(4, GUEST_VOLUME_DISK, "/dev/sdb", "linux_raid_member");
	expect(5, GUEST_VOLUME_MD, "/dev/md0", "xfs");
	expect(6, GUEST_VOLUME_DISK, "/dev/sdc", "linux_raid_member");
	assert_string_equal(root, "/dev/my-vg/ro-ot");
}

static void test_nothing(void **state)
{
	(void)state;
	assert_int_equal(parse(""), 0);
	assert_int_equal(storage.n_volumes, 0);
	assert_string_equal(root, "");
}

static void test_garbage(void **state)
{
	static const char *const texts[] = {"NAME MAJ:MIN\nsda 8:0\n", "{\"blockdevices\": []}",
		"NAME=\"x\"\n", "=\"\"\n", "NAME=\"", "\\x"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(parse(texts[i]), P2V_EFORMAT);
}

/* A hundred thousand devices, and values without an end. */
static void test_too_much(void **state)
{
	char *text = malloc(10 << 20);
	size_t n = 0;

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < 100000; i++)
		n += (size_t)sprintf(text + n, "NAME=\"a%d\" KNAME=\"a%d\" TYPE=\"lvm\"\n", i, i);
	assert_int_equal(parse(text), P2V_EFORMAT);
	memset(text, 'A', 1 << 20);
	text[1 << 20] = '\0';
	memcpy(text, "TYPE=\"lvm\" NAME=\"", 17);
	assert_int_equal(parse(text), 0);
	assert_true(strlen(storage.volumes[0].device) < 600);
	free(text);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, teardown)
	const struct CMUnitTest tests[] = {
		T(test_server), T(test_nothing), T(test_garbage), T(test_too_much)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Three systems on layered storage, through the appliance that also makes it:
 *
 *	disk0  p1 --+-- md mirror, ext4: root of system A, whose mdadm.conf calls it /dev/md1
 *	disk1  p1 --'
 *	disk0  p2 ----- LUKS 1, ext4: /var of A, by its crypttab's name
 *	disk0  p3 ----- LUKS, LVM, ext4: /srv of A
 *	disk0  p4 --+-- btrfs: system B in subvolume rootvol, its /boot in @boot
 *	disk1  p2 --'
 *	disk1  p3 --+-- md RAID 0, ext3: deployments of ostree
 *	disk1  p4 --'
 *	disk1         a BIOS can start it
 *
 * Skipped (77) where the appliance does not start or lacks the tools.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <guestfs.h>

#include "converters/inspect/inspect.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/guest/accel.h"

#define DISK_BYTES (INT64_C(640) << 20)
#define PART	   (INT64_C(262144)) /* sectors */

static char *top, *paths[2], *uuid_var, *array_uuid, *volume_link;
static struct p2v_err err;
static bool use_kvm;

#define MUST(call)                                                                                 \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s", #call, guestfs_last_error(h));                          \
	} while (0)

static void put(guestfs_h *h, const char *path, const char *text)
{
	MUST(guestfs_write(h, path, text, strlen(text)));
}

static void make_partitions(guestfs_h *h)
{
	MUST(guestfs_part_init(h, "/dev/sda", "gpt"));
	MUST(guestfs_part_init(h, "/dev/sdb", "gpt"));
	for (int64_t i = 0; i < 4; i++)
		MUST(guestfs_part_add(
			h, "/dev/sda", "p", 2048 + i * PART, 2048 + (i + 1) * PART - 1));
	for (int64_t i = 0; i < 4; i++)
		MUST(guestfs_part_add(
			h, "/dev/sdb", "p", 2048 + i * PART, 2048 + (i + 1) * PART - 1));
}

static void make_array(guestfs_h *h)
{
	char members[2][16] = {"/dev/sda1", "/dev/sdb1"};
	char *const devices[] = {members[0], members[1], NULL};
	char **detail;

	MUST(guestfs_md_create(h, "store", devices, GUESTFS_MD_CREATE_LEVEL, "raid1", -1));
	detail = guestfs_md_detail(h, "/dev/md/store");
	assert_non_null(detail);
	for (size_t i = 0; detail[i]; i++) {
		if (i % 2 == 1 && strcmp(detail[i - 1], "uuid") == 0)
			array_uuid = strdup(detail[i]);
	}
	for (size_t i = 0; detail[i]; i++)
		free(detail[i]);
	free(detail);
	assert_non_null(array_uuid);
	MUST(guestfs_mkfs(h, "ext4", "/dev/md/store"));
}

/* As udev makes it, and Ubuntu's installer writes it into fstab. */
static char *link_of(guestfs_h *h, const char *group, const char *volume)
{
	p2v_autofree char *vg = guestfs_vguuid(h, group), *lv = guestfs_lvuuid(h, volume);
	char text[256] = "/dev/disk/by-id/dm-uuid-LVM-";
	size_t n = strlen(text);

	assert_true(vg && lv && strlen(vg) == 38 && strlen(lv) == 38);
	for (const char *p = vg; *p; p++)
		if (*p != '-')
			text[n++] = *p;
	for (const char *p = lv; *p; p++)
		if (*p != '-')
			text[n++] = *p;
	assert_int_equal(n, strlen("/dev/disk/by-id/dm-uuid-LVM-") + 64);
	return strdup(text);
}

static void run_inside(guestfs_h *h, const char *script)
{
	char *const words[] = {(char *)(uintptr_t)script, NULL};
	p2v_autofree char *said = guestfs_debug(h, "sh", words);

	if (!said || !strstr(said, "done"))
		fail_msg("%s: %s", script, said ? said : guestfs_last_error(h));
}

static void make_crypts(guestfs_h *h)
{
	char pv[] = "/dev/mapper/vault";
	char *const pvs[] = {pv, NULL};

	MUST(guestfs_luks_format(h, "/dev/sda2", "open sesame", 0));
	/* As it was before LUKS 2; no call of libguestfs chooses. */
	run_inside(h, "echo -n 'open sesame' | cryptsetup -q luksFormat --type luks1 "
		      "--pbkdf-force-iterations 1000 /dev/sda2 -; cryptsetup isLuks --type luks1 "
		      "/dev/sda2 && echo done");
	MUST(guestfs_cryptsetup_open(h, "/dev/sda2", "open sesame", "secret", -1));
	MUST(guestfs_mkfs(h, "ext4", "/dev/mapper/secret"));
	uuid_var = guestfs_luks_uuid(h, "/dev/sda2");
	assert_non_null(uuid_var);
	MUST(guestfs_luks_format(h, "/dev/sda3", "another", 0));
	MUST(guestfs_cryptsetup_open(h, "/dev/sda3", "another", "vault", -1));
	MUST(guestfs_pvcreate(h, pv));
	MUST(guestfs_vgcreate(h, "vg-a", pvs));
	MUST(guestfs_lvcreate_free(h, "srv", "vg-a", 100));
	MUST(guestfs_mkfs(h, "ext4", "/dev/vg-a/srv"));
	volume_link = link_of(h, "vg-a", "/dev/vg-a/srv");
}

static void make_system(guestfs_h *h, const char *fstab)
{
	MUST(guestfs_mkdir_p(h, "/etc"));
	MUST(guestfs_mkdir_p(h, "/bin"));
	MUST(guestfs_mkdir_p(h, "/dev"));
	MUST(guestfs_mkdir_p(h, "/var"));
	MUST(guestfs_mkdir_p(h, "/srv"));
	MUST(guestfs_mkdir_p(h, "/boot"));
	put(h, "/etc/fstab", fstab);
	put(h, "/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
}

static void make_system_a(guestfs_h *h)
{
	p2v_autofree char *crypttab = p2v_strf("# name\nsecret UUID=%s none luks\n", uuid_var);
	p2v_autofree char *mdadm =
		p2v_strf("HOMEHOST <system>\nARRAY /dev/md1 metadata=1.2 UUID=%s\n", array_uuid);

	p2v_autofree char *fstab =
		p2v_strf("/dev/md1 / ext4 defaults 0 1\n"
			 "/dev/mapper/secret /var ext4 defaults 0 2\n"
			 "%s /srv ext4 defaults 0 2\n"
			 "/dev/md/store /again ext4 noauto 0 0\n"
			 "/dev/disk/by-id/dm-name-vg--a-srv /srv2 ext4 noauto 0 0\n"
			 "/dev/disk/by-id/md-uuid-%s /srv3 ext4 noauto 0 0\n",
			volume_link, array_uuid);

	MUST(guestfs_mount(h, "/dev/md/store", "/"));
	make_system(h, fstab);
	put(h, "/etc/crypttab", crypttab);
	MUST(guestfs_mkdir_p(h, "/etc/mdadm"));
	put(h, "/etc/mdadm/mdadm.conf", mdadm);
	MUST(guestfs_umount_all(h));
}

static void make_system_b(guestfs_h *h)
{
	char device[] = "/dev/sda4", further[] = "/dev/sdb2";
	char *const devices[] = {device, further, NULL};

	MUST(guestfs_mkfs_btrfs(h, devices, GUESTFS_MKFS_BTRFS_LABEL, "bt", -1));
	MUST(guestfs_mount(h, device, "/"));
	MUST(guestfs_btrfs_subvolume_create(h, "/rootvol"));
	MUST(guestfs_mkdir(h, "/backup"));
	MUST(guestfs_btrfs_subvolume_create(h, "/@boot"));
	MUST(guestfs_mkdir_p(h, "/@boot/grub"));
	put(h, "/@boot/grub/grub.cfg", "set default=0\nmenuentry 'one' {\n\tlinux /vmlinuz\n}\n");
	MUST(guestfs_umount_all(h));
	MUST(guestfs_mount_options(h, "subvol=rootvol", device, "/"));
	make_system(h, "LABEL=bt / btrfs subvol=rootvol 0 0\n"
		       "LABEL=bt /boot btrfs noatime,subvol=/@boot 0 0\n");
	MUST(guestfs_umount_all(h));
}

static void make_system_c(guestfs_h *h)
{
	char members[2][16] = {"/dev/sdb3", "/dev/sdb4"};
	char *const devices[] = {members[0], members[1], NULL};

	MUST(guestfs_md_create(h, "stripe", devices, GUESTFS_MD_CREATE_LEVEL, "raid0", -1));
	MUST(guestfs_mkfs(h, "ext3", "/dev/md/stripe"));
	MUST(guestfs_mount(h, "/dev/md/stripe", "/"));
	MUST(guestfs_mkdir_p(h, "/boot"));
	MUST(guestfs_mkdir_p(h, "/ostree/repo"));
	MUST(guestfs_mkdir_p(h, "/ostree/deploy/fedora/deploy"));
	MUST(guestfs_umount_all(h));
}

/* 77: not here. */
static int make_disks(void)
{
	char mdadm[] = "mdadm", luks[] = "luks", btrfs[] = "btrfs", lvm2[] = "lvm2";
	char *const needed[] = {mdadm, luks, btrfs, lvm2, NULL};
	guestfs_h *h = guestfs_create();
	int rc = 0;

	assert_non_null(h);
	guestfs_set_error_handler(h, NULL, NULL);
	MUST(guestfs_set_backend(h, "direct"));
	MUST(guestfs_set_memsize(h, 3072));
	if (!use_kvm)
		MUST(guestfs_set_backend_setting(h, "force_tcg", "1"));
	for (size_t i = 0; i < 2; i++) {
		MUST(guestfs_disk_create(h, paths[i], "raw", DISK_BYTES, -1));
		MUST(guestfs_add_drive_opts(h, paths[i], GUESTFS_ADD_DRIVE_OPTS_FORMAT, "raw", -1));
	}
	if (guestfs_launch(h) < 0 || guestfs_available(h, needed) < 0) {
		printf("skipped: %s\n", guestfs_last_error(h));
		rc = 77;
	} else {
		make_partitions(h);
		make_array(h);
		make_crypts(h);
		make_system_a(h);
		make_system_b(h);
		make_system_c(h);
		MUST(guestfs_pwrite_device(h, "/dev/sdb", "\xeb\x63", 2, 0));
		MUST(guestfs_shutdown(h));
	}
	guestfs_close(h);
	return rc;
}

static int open_door(
	size_t n_disks, const struct guest_key *keys, size_t n_keys, struct guest **ret)
{
	const struct guest_disk disks[] = {{paths[0], "raw"}, {paths[1], "raw"}};
	const struct guest_options o = {.disks = disks,
		.n_disks = n_disks,
		.use_kvm = use_kvm,
		.keys = keys,
		.n_keys = n_keys};

	return guest_open_disks(&o, ret, &err);
}

static void look(size_t n_disks, const struct guest_key *keys, size_t n_keys, struct facts *ret)
{
	struct guest *g;

	if (open_door(n_disks, keys, n_keys, &g) < 0 || inspect_run(g, NULL, NULL, ret, &err) < 0)
		fail_msg("%s", err.text);
	guest_free(g);
}

static const struct facts_fs *fs_of(const struct facts *facts, const char *device)
{
	for (size_t i = 0; i < facts->n_filesystems; i++)
		if (strcmp(facts->filesystems[i].device, device) == 0)
			return &facts->filesystems[i];
	fail_msg("%s is not there", device);
	return NULL;
}

static const struct facts_os *on(const struct facts *facts, const char *kind)
{
	for (size_t i = 0; i < facts->n_systems; i++)
		if (strcmp(fs_of(facts, facts->systems[i].root)->kind, kind) == 0)
			return &facts->systems[i];
	fail_msg("no system on %s", kind);
	return NULL;
}

static void test_everything_is_found(void **state)
{
	const struct guest_key keys[] = {
		{uuid_var, "open sesame"}, {"all", "wrong"}, {"all", "another"}};
	p2v_auto_facts struct facts facts = {0};
	const struct facts_os *a, *b;
	const struct facts_fs *inside;

	(void)state;
	look(2, keys, P2V_N(keys), &facts);
	assert_int_equal(facts.n_systems, 3);
	assert_string_equal(on(&facts, "ext3")->kind, "ostree");
	assert_string_equal(on(&facts, "ext3")->id, "fedora");
	a = on(&facts, "ext4");
	b = on(&facts, "btrfs");
	assert_int_equal(a->n_mounts, 6);
	assert_string_equal(a->mounts[0].device, a->root);
	assert_string_equal(a->mounts[3].device, a->root);
	inside = fs_of(&facts, a->mounts[1].device);
	assert_string_equal(inside->parent, "/dev/sda2");
	assert_string_equal(inside->kind, "ext4");
	assert_string_equal(a->mounts[2].device, "/dev/vg-a/srv");
	assert_string_equal(a->mounts[4].device, "/dev/vg-a/srv");
	assert_string_equal(a->mounts[5].device, a->root);
	assert_int_equal(a->n_refs, 0);
	assert_string_equal(b->root_subvolume, "rootvol");
	assert_string_equal(b->mounts[0].subvolume, "rootvol");
	assert_string_equal(b->mounts[1].subvolume, "@boot");
	/* It was mounted, as nothing else has a grub.cfg. */
	assert_int_equal(b->bootloader.n_configs, 1);
	assert_string_equal(b->bootloader.configs[0], "/boot/grub/grub.cfg");
	assert_string_equal(facts.disks[0].boot_code, "none");
	assert_string_equal(facts.disks[1].boot_code, "unknown");
}

/* One member is enough; what is encrypted stays closed, and says so. */
static void test_degraded_and_closed(void **state)
{
	p2v_auto_facts struct facts facts = {0};
	const struct facts_os *a;

	(void)state;
	look(1, NULL, 0, &facts);
	a = on(&facts, "ext4");
	assert_string_equal(a->mounts[0].device, a->root);
	assert_string_equal(a->mounts[1].device, "");
	assert_string_equal(a->mounts[2].device, "");
	assert_string_equal(fs_of(&facts, "/dev/sda2")->kind, "crypto_LUKS");
}

static void test_keys_that_do_not_fit(void **state)
{
	const struct guest_key wrong = {"/dev/sda3", "open sesame"},
			       nobody = {"/dev/sda4", "another"};
	struct guest *g;

	(void)state;
	assert_int_equal(open_door(1, &wrong, 1, &g), P2V_EINVAL);
	assert_string_equal(err.text, "/dev/sda3: the key given for /dev/sda3 does not open it");
	p2v_err_clear(&err);
	assert_int_equal(open_door(1, &nobody, 1, &g), P2V_ENOTFOUND);
	assert_non_null(strstr(err.text, "/dev/sda4"));
	assert_null(strstr(err.text, "another"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_is_found),
		cmocka_unit_test(test_degraded_and_closed),
		cmocka_unit_test(test_keys_that_do_not_fit),
	};
	struct guest_accel_result accel;
	int rc = 77;

	if (guest_accel_find(&accel, &err) < 0 || p2v_dir_temp("volumes-test", &top, &err) < 0)
		return 77;
	use_kvm = accel.accel == GUEST_ACCEL_KVM;
	paths[0] = p2v_path_join(top, "disk0.img");
	paths[1] = p2v_path_join(top, "disk1.img");
	rc = make_disks();
	if (rc == 0)
		rc = cmocka_run_group_tests(tests, NULL, NULL);
	p2v_dir_remove(top);
	free(top);
	free(paths[0]);
	free(paths[1]);
	free(uuid_var);
	free(array_uuid);
	return rc;
}

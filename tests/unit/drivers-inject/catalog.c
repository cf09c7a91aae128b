/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers-inject/catalog/windows.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

/* Media that tests/images/windows/media.py made: a folder with iso, rpm and vfd; and the ISO. */
static const char *folder, *iso;

static struct catalog_media *open_media(const char *path)
{
	struct p2v_err err = {0};
	struct catalog_media *m = NULL;

	if (catalog_media_open(path, &m, &err) < 0)
		fail_msg("%s", err.text);
	return m;
}

static struct catalog_media *open_layout(const char *layout)
{
	p2v_autofree char *path = p2v_path_join(folder, layout);

	return open_media(path);
}

struct wish {
	struct catalog_guest guest;
	const char *name, *inf;
	int doubt;
};

#define GUEST(a, M, m, b, s)                                                                       \
	{                                                                                          \
		.arch = (a), .major = (M), .minor = (m), .build = (b), .server = (s)               \
	}

static const struct wish wishes[] = {
	{GUEST(CATALOG_X86, 5, 1, 2600, false), "viostor", "viostor/xp/x86/viostor.inf",
		CATALOG_FITS},
	{GUEST(CATALOG_AMD64, 5, 2, 3790, true), "netkvm", "NetKVM/2k3/amd64/netkvm.inf",
		CATALOG_FITS},
	{GUEST(CATALOG_X86, 6, 0, 6002, false), "viostor", "viostor/2k8/x86/viostor.inf",
		CATALOG_FITS},
	{GUEST(CATALOG_X86, 6, 1, 7601, false), "netkvm", "NetKVM/w7/x86/netkvm.inf", CATALOG_FITS},
	{GUEST(CATALOG_AMD64, 6, 1, 7601, false), "viostor", "viostor/w7/amd64/viostor.inf",
		CATALOG_FITS},
	{GUEST(CATALOG_AMD64, 6, 1, 7601, true), "viostor", "viostor/2k8R2/amd64/viostor.inf",
		CATALOG_FITS},
	{GUEST(CATALOG_AMD64, 6, 3, 9600, true), "vioscsi", "vioscsi/2k12R2/amd64/vioscsi.inf",
		CATALOG_WANTS_TEST_MODE},
	{GUEST(CATALOG_X86, 6, 3, 9600, false), "vioscsi", "vioscsi/w8.1/x86/vioscsi.inf",
		CATALOG_WANTS_ROOT},
	{GUEST(CATALOG_AMD64, 10, 0, 19045, false), "viostor", "viostor/w10/amd64/viostor.inf",
		CATALOG_FITS},
	{GUEST(CATALOG_AMD64, 10, 0, 26100, false), "viostor", "viostor/w11/amd64/viostor.inf",
		CATALOG_FITS},
	{GUEST(CATALOG_AMD64, 10, 0, 14393, true), "balloon", "Balloon/2k16/amd64/balloon.inf",
		CATALOG_FITS},
	{GUEST(CATALOG_AMD64, 10, 0, 17763, true), "viostor", "viostor/2k19/amd64/viostor.inf",
		CATALOG_FITS},
	/* Annual releases have no directory of their own: the one before. */
	{GUEST(CATALOG_AMD64, 10, 0, 19042, true), "vioser", "vioserial/2k19/amd64/vioser.inf",
		CATALOG_FITS},
	{GUEST(CATALOG_AMD64, 10, 0, 20348, true), "vioscsi", "vioscsi/2k22/amd64/vioscsi.inf",
		CATALOG_FITS},
	{GUEST(CATALOG_AMD64, 10, 0, 26100, true), "netkvm", "NetKVM/2k25/amd64/netkvm.inf",
		CATALOG_FITS},
	{GUEST(CATALOG_AMD64, 10, 0, 26100, true), "qemupciserial",
		"qemupciserial/2k25/amd64/qemupciserial.inf", CATALOG_FITS},
};

/* The ISO has some drivers twice: in amd64/w10/ lies what viostor/w10/amd64/ holds. */
static void assert_place(const char *inf, const char *wanted)
{
	char name[64], os[64], arch[64], file[64], twin[512];

	assert_int_equal(sscanf(wanted, "%63[^/]/%63[^/]/%63[^/]/%63s", name, os, arch, file), 4);
	snprintf(twin, sizeof(twin), "%s/%s/%s", arch, os, file);
	assert_string_equal(inf, strcmp(inf, twin) == 0 ? twin : wanted);
}

static void check_wishes(const struct catalog_media *m)
{
	for (size_t i = 0; i < P2V_N(wishes); i++) {
		const struct wish *w = &wishes[i];
		struct catalog_pick p;
		struct p2v_err err = {0};

		if (catalog_choose(m, w->name, &w->guest, &p, &err) < 0)
			fail_msg("%s", err.text);
		assert_place(p.driver->inf, w->inf);
		assert_int_equal(p.doubt, w->doubt);
		assert_int_equal(p.by_directory, w->guest.major == 5);
	}
}

static void chooses_by_windows(void **state)
{
	struct catalog_media *tree = open_layout("iso"), *image = open_media(iso);

	(void)state;
	check_wishes(tree);
	check_wishes(image);
	assert_string_equal(image->label, "virtio-win-0.1.285");
	assert_string_equal(tree->label, "");
	assert_int_equal(tree->n_drivers, image->n_drivers);
	assert_int_equal(image->n_notes, 0);
	catalog_media_free(tree);
	catalog_media_free(image);
}

static void row_has_what_setup_writes(void **state)
{
	static const struct catalog_guest guest = GUEST(CATALOG_AMD64, 6, 1, 7601, true);
	struct catalog_media *m = open_media(iso);
	struct catalog_pick p;

	(void)state;
	assert_int_equal(catalog_choose(m, "VIOSTOR", &guest, &p, NULL), 0);
	assert_string_equal(p.driver->class_name, "SCSIAdapter");
	assert_string_equal(p.driver->class_guid, "{4D36E97B-E325-11CE-BFC1-08002BE10318}");
	assert_string_equal(p.driver->provider, "Red Hat, Inc.");
	assert_int_equal(p.driver->date[0], 2023);
	assert_int_equal(p.driver->date[1], 7);
	assert_int_equal(p.driver->version[3], 24000);
	assert_int_equal(p.driver->signing, CATALOG_SHA1);
	assert_int_equal(p.driver->machine, CATALOG_AMD64);
	assert_string_equal(p.driver->catalog, "viostor/2k8R2/amd64/viostor.cat");
	assert_string_equal(p.driver->publisher.name, "Red Hat, Inc.");
	assert_string_equal(p.driver->publisher.serial, "95e2a1c4005b");
	assert_int_equal(p.driver->n_package, 3);
	assert_string_equal(p.variant->decoration, "NTamd64.6.1");
	assert_int_equal(p.variant->n_devices, 2);
	assert_string_equal(p.variant->devices[0].description, "Red Hat VirtIO \"viostor\" device");
	assert_int_equal(p.variant->devices[1].n_ids, 2);
	assert_string_equal(p.variant->devices[1].ids[1], "PCI\\VEN_1AF4&DEV_1042");
	assert_string_equal(p.service->name, "viostor");
	assert_int_equal(p.service->type, 1);
	assert_int_equal(p.service->start, 0);
	assert_int_equal(p.service->error_control, 1);
	assert_string_equal(p.service->group, "SCSI miniport");
	assert_string_equal(p.service->binary, "system32\\drivers\\viostor.sys");
	assert_string_equal(p.binary->target, "system32\\drivers\\viostor.sys");
	assert_string_equal(p.binary->path, "viostor/2k8R2/amd64/viostor.sys");
	catalog_media_free(m);
}

/* UTF-16, a second CopyFiles section for another directory. */
static void files_have_their_places(void **state)
{
	static const struct catalog_guest guest = GUEST(CATALOG_X86, 6, 1, 7601, false);
	struct catalog_media *m = open_layout("vfd");
	struct catalog_pick p;

	(void)state;
	assert_int_equal(catalog_choose(m, "netkvm", &guest, &p, NULL), 0);
	assert_string_equal(p.driver->inf, "drivers/i386/Win7/netkvm.inf");
	assert_int_equal(p.variant->n_files, 2);
	assert_string_equal(p.variant->files[1].target, "system32\\netkvmco.exe");
	assert_string_equal(p.variant->files[1].path, "drivers/i386/Win7/netkvmco.exe");
	/* Of a directory with all drivers, only its own. */
	assert_int_equal(p.driver->n_package, 4);
	assert_null(m->guest_agent[CATALOG_X86]);
	catalog_media_free(m);
}

static void bytes_are_the_same(void **state)
{
	struct catalog_media *tree = open_layout("iso"), *image = open_media(iso);

	(void)state;
	/* 2k22's files share their bytes with 2k19's on the ISO. */
	for (size_t i = 0; i < tree->n_drivers; i += 7) {
		const struct catalog_driver *d = &tree->drivers[i];

		for (size_t k = 0; k < d->n_package; k++) {
			p2v_autobuf struct p2v_buf a = {0}, b = {0};

			assert_int_equal(catalog_media_read(tree, d->package[k],
						 CATALOG_MAX_FILE_BYTES, &a, NULL),
				0);
			assert_int_equal(catalog_media_read(image, d->package[k],
						 CATALOG_MAX_FILE_BYTES, &b, NULL),
				0);
			assert_int_equal(a.len, b.len);
			assert_memory_equal(a.data, b.data, a.len);
		}
	}
	assert_non_null(image->guest_agent[CATALOG_AMD64]);
	catalog_media_free(tree);
	catalog_media_free(image);
}

static void both_trees_of_the_package(void **state)
{
	static const struct catalog_guest guest = GUEST(CATALOG_AMD64, 10, 0, 17763, true);
	struct catalog_media *m = open_layout("rpm");
	struct catalog_pick p;
	const char **names = catalog_names(m);

	(void)state;
	assert_int_equal(catalog_choose(m, "vioscsi", &guest, &p, NULL), 0);
	assert_int_equal(p.driver->dir.build, 17763);
	assert_int_equal(p.doubt, CATALOG_FITS);
	assert_string_equal(names[0], "balloon");
	assert_string_equal(names[7], "viostor");
	assert_null(names[8]);
	free(names);
	catalog_media_free(m);
}

static void expect_none(const struct catalog_media *m, const char *name, struct catalog_guest guest,
	const char *words)
{
	struct p2v_err err = {0};
	struct catalog_pick p;

	assert_int_equal(catalog_choose(m, name, &guest, &p, &err), P2V_ENOTFOUND);
	if (!strstr(err.text, words))
		fail_msg("%s", err.text);
}

static void says_what_is_missing(void **state)
{
	struct catalog_media *m = open_layout("iso");

	(void)state;
	expect_none(m, "vioscsi", (struct catalog_guest)GUEST(CATALOG_X86, 5, 1, 2600, false),
		"none of its drivers is for a client's Windows 5.1.2600, x86");
	expect_none(m, "viostor", (struct catalog_guest)GUEST(CATALOG_ARM64, 10, 0, 26100, false),
		"arm64");
	expect_none(m, "viogpudo", (struct catalog_guest)GUEST(CATALOG_AMD64, 10, 0, 1, false),
		"no driver for");
	catalog_media_free(m);
}

/* A tree with what `change` does to a copy of one driver of Windows 7. */
static struct catalog_media *open_changed(const char *name, const void *bytes, size_t n)
{
	static const char *const names[] = {"viostor.inf", "viostor.sys", "viostor.cat"};
	p2v_autofree char *dir = NULL, *to = NULL;
	struct catalog_media *m;

	assert_int_equal(p2v_dir_temp("catalog", &dir, NULL), 0);
	to = p2v_path_join(dir, "w7/amd64");
	assert_int_equal(p2v_dir_make(to, 0755, NULL), 0);
	for (size_t i = 0; i < P2V_N(names); i++) {
		p2v_autobuf struct p2v_buf file = {0};
		p2v_autofree char *path = p2v_strf("%s/iso/viostor/w7/amd64/%s", folder, names[i]);

		if (strcmp(names[i], name) == 0 && !bytes)
			continue;
		if (strcmp(names[i], name) == 0)
			p2v_buf_add(&file, bytes, n);
		else
			assert_int_equal(p2v_file_read(path, 1 << 20, &file, NULL), 0);
		assert_int_equal(
			p2v_publish_bytes(to, names[i], file.data, file.len, 0644, NULL), 0);
	}
	m = open_media(dir);
	p2v_dir_remove(dir);
	return m;
}

static void expect_doubt(struct catalog_media *m, int doubt, const char *words)
{
	static const struct catalog_guest guest = GUEST(CATALOG_AMD64, 6, 1, 7601, false);
	p2v_autobuf struct p2v_buf text = {0};
	struct catalog_pick p;

	assert_int_equal(catalog_choose(m, "viostor", &guest, &p, NULL), 0);
	assert_int_equal(p.doubt, doubt);
	catalog_pick_describe(&p, &guest, &text);
	if (!strstr((const char *)text.data, words))
		fail_msg("%s", (const char *)text.data);
	assert_int_equal(catalog_pick_usable(&p), doubt == CATALOG_WANTS_SHA2_UPDATE);
	catalog_media_free(m);
}

static void with_sys_of(const char *from, int doubt, const char *words)
{
	p2v_autobuf struct p2v_buf file = {0};
	p2v_autofree char *path = p2v_strf("%s/iso/viostor/%s/viostor.sys", folder, from);

	assert_int_equal(p2v_file_read(path, 1 << 20, &file, NULL), 0);
	expect_doubt(open_changed("viostor.sys", file.data, file.len), doubt, words);
}

static void doubts_are_said(void **state)
{
	(void)state;
	expect_doubt(open_changed("viostor.sys", NULL, 0), CATALOG_FILE_MISSING, "no driver file");
	expect_doubt(open_changed("viostor.sys", "MZ", 2), CATALOG_OTHER_MACHINE, "processor");
	with_sys_of("w7/x86", CATALOG_OTHER_MACHINE, "processor");
	with_sys_of("w10/amd64", CATALOG_WANTS_SHA2_UPDATE, "KB3033929");
	with_sys_of("2k12R2/amd64", CATALOG_WANTS_TEST_MODE, "test mode");
}

static void refuses_what_is_no_medium(void **state)
{
	struct p2v_err err = {0};
	struct catalog_media *m = NULL;
	p2v_autofree char *dir = NULL, *text = NULL;

	(void)state;
	assert_int_equal(catalog_media_open("/nowhere.iso", &m, &err), P2V_ENOTFOUND);
	assert_int_equal(p2v_dir_temp("catalog", &dir, NULL), 0);
	assert_int_equal(catalog_media_open(dir, &m, &err), P2V_EREFUSED);
	text = p2v_path_join(dir, "text.inf");
	assert_int_equal(p2v_publish_bytes(dir, "text.inf", "[Version]\n", 10, 0644, NULL), 0);
	assert_int_equal(catalog_media_open(text, &m, &err), P2V_EFORMAT);
	assert_int_equal(catalog_media_open(dir, &m, &err), P2V_EREFUSED);
	assert_non_null(strstr(err.text, "no class"));
	assert_null(m);
	p2v_dir_remove(dir);
}

/* A link in the tree that leads out of it is not read. */
static void stays_in_the_tree(void **state)
{
	p2v_autofree char *dir = NULL, *link = NULL, *in = NULL;
	struct catalog_media *m = NULL;
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(p2v_dir_temp("catalog", &dir, NULL), 0);
	link = p2v_path_join(dir, "viostor.inf");
	in = p2v_strf("%s/iso/viostor/w7/amd64/viostor.inf", folder);
	assert_int_equal(symlink(in, link), 0);
	assert_int_equal(catalog_media_open(dir, &m, &err), P2V_EREFUSED);
	p2v_dir_remove(dir);
}

/* Cut anywhere, the image is either read or refused; never a crash, never half a driver. */
static void truncated_iso(void **state)
{
	p2v_autobuf struct p2v_buf all = {0};
	p2v_autofree char *dir = NULL, *cut = NULL;
	size_t refused = 0;

	(void)state;
	assert_int_equal(p2v_file_read(iso, 64 << 20, &all, NULL), 0);
	assert_int_equal(p2v_dir_temp("catalog", &dir, NULL), 0);
	cut = p2v_path_join(dir, "cut.iso");
	for (size_t i = 1; i < 24; i++) {
		struct catalog_media *m = NULL;
		struct p2v_err err = {0};
		int rc;

		assert_int_equal(
			p2v_publish_bytes(dir, "cut.iso", all.data, all.len / 24 * i, 0644, NULL),
			0);
		rc = catalog_media_open(cut, &m, &err);
		if (rc < 0)
			refused++;
		else
			catalog_media_free(m);
	}
	assert_true(refused > 20);
	p2v_dir_remove(dir);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(chooses_by_windows),
		cmocka_unit_test(row_has_what_setup_writes),
		cmocka_unit_test(files_have_their_places),
		cmocka_unit_test(bytes_are_the_same),
		cmocka_unit_test(both_trees_of_the_package),
		cmocka_unit_test(says_what_is_missing),
		cmocka_unit_test(doubts_are_said),
		cmocka_unit_test(refuses_what_is_no_medium),
		cmocka_unit_test(stays_in_the_tree),
		cmocka_unit_test(truncated_iso),
	};

	if (argc != 3)
		return 2;
	folder = argv[1];
	iso = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The scripts of images that load what they are told to. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "drivers-inject/linux/script.h"

static const char *const files[] = {"virtio.ko", "virtio_blk.ko"};
static const char *const names[] = {"virtio_pci", "virtio_blk"};

static void assert_nash(const char *before, const char *after)
{
	p2v_autobuf struct p2v_buf out = {0}, again = {0};
	struct p2v_err err = {0};

	assert_int_equal(linux_script_nash_add(p2v_span_str(before), files, 2, &out, &err), 0);
	assert_string_equal((char *)out.data, after);
	assert_true(linux_script_nash_loads(p2v_span_of(out.data, out.len), "virtio_blk.ko"));
	assert_int_equal(
		linux_script_nash_add(p2v_span_of(out.data, out.len), files, 2, &again, &err), 0);
	assert_null(strstr((char *)again.data + strlen(after) / 2, "virtio.ko\ninsmod"));
}

#define LOADS                                                                                      \
	"echo \"Loading virtio.ko module\"\ninsmod /lib/virtio.ko\n"                               \
	"echo \"Loading virtio_blk.ko module\"\ninsmod /lib/virtio_blk.ko\n"

/* Before the last `mkblkdevs` that comes before anything looks for disks. */
static void test_nash(void **state)
{
	(void)state;
	assert_nash("#!/bin/nash\nmkblkdevs\ninsmod /lib/scsi_mod.ko\nmkblkdevs\nlvm vgscan\n"
		    "mkblkdevs\n",
		"#!/bin/nash\nmkblkdevs\ninsmod /lib/scsi_mod.ko\n" LOADS
		"mkblkdevs\nlvm vgscan\nmkblkdevs\n");
	/* Nothing makes nodes: that is added. */
	assert_nash("#!/bin/nash\nmkrootdev /dev/sda1",
		"#!/bin/nash\n" LOADS "mkblkdevs\nmkrootdev /dev/sda1");
}

static void test_nash_without_a_place(void **state)
{
	p2v_autobuf struct p2v_buf out = {0};
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(linux_script_nash_add(
				 p2v_span_str("#!/bin/nash\nswitchroot\n"), files, 2, &out, &err),
		P2V_EUNSUPPORTED);
	assert_true(linux_script_is_nash(p2v_span_str("#!/bin/nash\n")));
	assert_false(linux_script_is_nash(p2v_span_str("#!/bin/sh\n")));
	assert_false(linux_script_nash_loads(p2v_span_str("insmod /lib/xvirtio.ko"), "virtio.ko"));
}

static void test_suse(void **state)
{
	static const char before[] = "x\nRESOLVED_INITRD_MODULES='mptsas virtio_blk'\r\n"
				     "RESOLVED_INITRD_MODULES_late=''\nRESOLVED_INITRD_MODULES=";
	p2v_autobuf struct p2v_buf out = {0};
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(linux_script_suse_add(p2v_span_str(before), names, 2, &out, &err), 0);
	assert_string_equal((char *)out.data,
		"x\nRESOLVED_INITRD_MODULES='mptsas virtio_blk virtio_pci'\r\n"
		"RESOLVED_INITRD_MODULES_late=''\nRESOLVED_INITRD_MODULES=");
	assert_true(linux_script_suse_loads(p2v_span_of(out.data, out.len), "virtio_pci"));
	assert_false(linux_script_suse_loads(p2v_span_str(before), "virtio_pci"));
	assert_false(linux_script_suse_loads(p2v_span_str(before), "mpt"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nash),
		cmocka_unit_test(test_nash_without_a_place),
		cmocka_unit_test(test_suse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

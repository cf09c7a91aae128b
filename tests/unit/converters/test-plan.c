/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The decisions of the plan: what each fact leads to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "converters/plan/plan.h"
#include "p2v/core/cleanup.h"

#define S(text) ((char *)(uintptr_t)(text))

static struct facts_driver drivers[] = {
	{S("virtio_pci"), DRIVER_STATE_MODULE},
	{S("virtio_blk"), DRIVER_STATE_MODULE},
	{S("virtio_net"), DRIVER_STATE_MODULE},
	{S("ahci"), DRIVER_STATE_MODULE},
	{S("ata_piix"), DRIVER_STATE_MODULE},
	{S("e1000"), DRIVER_STATE_MODULE},
};
static struct facts_driver old_drivers[] = {
	{S("ata_piix"), DRIVER_STATE_BUILTIN}, {S("e1000"), DRIVER_STATE_MODULE}};

/* The pieces of one machine; each test bends its own copy. */
struct scene {
	struct facts_kernel kernels[2];
	struct facts_nic nics[2];
	struct facts_os systems[2];
	struct facts_disk disk;
	struct facts_mount mounts[2];
	struct facts facts;
	struct machine_nic cards[2];
	struct machine machine;
	char *buses[4], *models[3];
	struct target target;
	struct plan plan;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	for (size_t i = 0; i < 2; i++)
		s->kernels[i] = (struct facts_kernel){.release = S("6.1.0"),
			.path = S("/boot/vmlinuz"),
			.drivers = drivers,
			.n_drivers = 6,
			.initramfs = {.path = S("/boot/initrd"),
				.kind = S("initramfs-tools"),
				.tail_ok = true}};
	s->nics[0] = (struct facts_nic){.name = S("enp0s3"), .kind = S("ethernet")};
	s->nics[1] = (struct facts_nic){.name = S("eth7"), .kind = S("ethernet")};
	for (size_t i = 0; i < 2; i++)
		s->systems[i] = (struct facts_os){.root = i ? S("/dev/sda2") : S("/dev/sda1"),
			.kind = S("linux"),
			.id = S("debian"),
			.arch = S("x86_64"),
			.init = S("systemd"),
			.udev_links = true,
			.console_getty = true,
			.kernels = s->kernels,
			.n_kernels = 1,
			.nics = s->nics,
			.n_nics = 1,
			.machine_id = S("0123"),
			.hostname = S("web01")};
	s->disk.id = S("disk0");
	s->facts = (struct facts){.version = 1,
		.disks = &s->disk,
		.n_disks = 1,
		.systems = s->systems,
		.n_systems = 1};
	s->cards[0] = (struct machine_nic){
		.name = S("eth0"), .mac = S("00:00:00:00:00:01"), .path_name = S("enp0s3")};
	s->cards[1] = (struct machine_nic){.name = S("eth1"), .mac = S("00:00:00:00:00:02")};
	s->machine = (struct machine){.version = 1,
		.name = S("web01"),
		.firmware = S("bios"),
		.nics = s->cards,
		.n_nics = 1};
	memcpy(s->buses, (char *[]){S("virtio-blk"), S("virtio-scsi"), S("sata"), S("ide")},
		sizeof(s->buses));
	memcpy(s->models, (char *[]){S("virtio-net"), S("e1000e"), S("e1000")}, sizeof(s->models));
	s->target = (struct target){.name = S("kvm"),
		.format = S("qcow2"),
		.buses = s->buses,
		.n_buses = 4,
		.nics = s->models,
		.n_nics = 3};
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	model_plan_finish(&s->plan);
	free(s);
	return 0;
}

static void make(struct scene *s)
{
	struct p2v_err err = {0};

	if (plan_make(&s->facts, &s->machine, &s->target, &s->plan, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(model_plan_validate(&s->plan, &err), 0);
}

static const struct plan_step *step(const struct scene *s, const char *op)
{
	for (size_t i = 0; i < s->plan.n_steps; i++)
		if (strcmp(s->plan.steps[i].op, op) == 0)
			return &s->plan.steps[i];
	return NULL;
}

static void assert_blocked(const struct scene *s, const char *words)
{
	assert_int_equal(s->plan.n_blockers, 1);
	assert_non_null(strstr(s->plan.blockers[0], words));
}

static void test_virtio(void **state)
{
	struct scene *s = *state;

	make(s);
	assert_string_equal(s->plan.machine, "q35");
	assert_string_equal(s->plan.disks[0].bus, "virtio-blk");
	assert_string_equal(s->plan.nics[0].model, "virtio-net");
	assert_non_null(step(s, "initramfs-inject"));
	assert_non_null(step(s, "lines-add"));
	assert_int_equal(s->plan.n_blockers, 0);
}

/* One kernel without virtio is enough: it may be the one that is started. */
static void test_no_virtio(void **state)
{
	struct scene *s = *state;

	s->systems[0].n_kernels = 2;
	s->kernels[1].release = S("2.6.18-6");
	s->kernels[1].drivers = old_drivers;
	s->kernels[1].n_drivers = 2;
	make(s);
	assert_string_equal(s->plan.machine, "pc");
	assert_string_equal(s->plan.disks[0].bus, "ide");
	assert_string_equal(s->plan.nics[0].model, "e1000");
	/* The other kernel has it as a module, which its initramfs lacks. */
	assert_non_null(step(s, "initramfs-inject"));
	assert_int_equal(s->plan.n_blockers, 0);
	assert_true(s->plan.n_warnings > 0);
}

static void test_rescue_kernel_does_not_count(void **state)
{
	struct scene *s = *state;

	s->systems[0].n_kernels = 2;
	s->kernels[1].rescue = true;
	s->kernels[1].n_drivers = 0;
	make(s);
	assert_string_equal(s->plan.disks[0].bus, "virtio-blk");
}

static void test_nothing_found(void **state)
{
	struct scene *s = *state;

	s->facts.n_systems = 0;
	make(s);
	assert_blocked(s, "no operating system");
	assert_int_equal(s->plan.n_steps, 0);
}

/* The reason may be that something could not be looked into. */
static void test_nothing_seen(void **state)
{
	struct facts_fs volumes[] = {
		{.device = S("/dev/sda2"), .kind = S("crypto_LUKS"), .uuid = S("u-1")},
		{.device = S("/dev/sda3"), .kind = S("crypto_LUKS"), .uuid = S("u-2")},
		{.device = S("/dev/sdb1"),
			.kind = S("linux_raid_member"),
			.uuid = S("3aaa0122-2982-7cfa-5331-ad66ca767371")},
		{.device = S("/dev/sdb2"),
			.kind = S("linux_raid_member"),
			.uuid = S("3aaa0122-2982-7cfa-5331-ad66ca767372")},
		{.device = S("/dev/sdc"), .kind = S("LVM2_member"), .disk = S("disk2")},
		{.device = S("/dev/mapper/x"), .kind = S("ext4"), .parent = S("/dev/sda3")},
		{.device = S("/dev/md0"),
			.kind = S("ext4"),
			.array_uuid = S("3aaa0122:29827cfa:5331ad66:ca767372")},
	};
	struct scene *s = *state;

	for (size_t i = 0; i < 4; i++)
		volumes[i].disk = S("disk0");
	s->facts.n_systems = 0;
	s->facts.filesystems = volumes;
	s->facts.n_filesystems = P2V_N(volumes);
	make(s);
	assert_int_equal(s->plan.n_blockers, 4);
	assert_non_null(strstr(s->plan.blockers[1], "--key u-1:file:PATH"));
	assert_non_null(strstr(s->plan.blockers[2], "/dev/sdb1: is a part of an md array"));
	assert_non_null(strstr(s->plan.blockers[3], "/dev/sdc: is a part of an LVM"));
	model_plan_finish(&s->plan);
	/* A logical volume, and the second encrypted one is closed. */
	volumes[5].parent = NULL;
	make(s);
	assert_int_equal(s->plan.n_blockers, 4);
	assert_non_null(strstr(s->plan.blockers[2], "--key u-2:file:PATH"));
}

static void test_several_systems(void **state)
{
	struct scene *s = *state;

	s->facts.n_systems = 2;
	make(s);
	assert_blocked(s, "--root");
	assert_non_null(strstr(s->plan.blockers[0], "/dev/sda2"));
	model_plan_finish(&s->plan);
	s->target.root = S("/dev/sda2");
	make(s);
	assert_int_equal(s->plan.n_blockers, 0);
	assert_string_equal(s->plan.root, "/dev/sda2");
	model_plan_finish(&s->plan);
	s->target.root = S("/dev/sdz9");
	make(s);
	assert_blocked(s, "/dev/sdz9");
}

static void test_other_systems(void **state)
{
	struct scene *s = *state;

	s->systems[0].kind = S("windows");
	make(s);
	assert_blocked(s, "windows");
	model_plan_finish(&s->plan);
	s->systems[0].kind = S("ostree");
	make(s);
	assert_blocked(s, "ostree");
	model_plan_finish(&s->plan);
	s->systems[0].kind = S("linux");
	s->systems[0].arch = S("aarch64");
	make(s);
	assert_blocked(s, "aarch64");
	model_plan_finish(&s->plan);
	s->systems[0].arch = S("x86_64");
	s->systems[0].n_kernels = 0;
	make(s);
	assert_blocked(s, "no kernel");
}

static void test_initramfs_that_cannot_grow(void **state)
{
	static char *held[] = {S("virtio_pci"), S("virtio_blk")};
	struct machine_disk disk = {.id = S("disk0"), .bus = S("scsi")};
	struct scene *s = *state;

	s->kernels[0].initramfs.tail_ok = false;
	s->kernels[0].initramfs.compression = S("lzop");
	/* It started from SATA disks, and will again. */
	make(s);
	assert_int_equal(s->plan.n_blockers, 0);
	assert_string_equal(s->plan.disks[0].bus, "sata");
	assert_null(step(s, "initramfs-inject"));
	model_plan_finish(&s->plan);
	s->machine.disks = &disk;
	s->machine.n_disks = 1;
	make(s);
	assert_blocked(s, "drivers cannot be added");
	model_plan_finish(&s->plan);
	s->kernels[0].initramfs.path = S("");
	make(s);
	assert_blocked(s, "no initramfs");
	model_plan_finish(&s->plan);
	/* What it needs is there already. */
	s->kernels[0].initramfs.path = S("/boot/initrd");
	s->kernels[0].initramfs.modules = held;
	s->kernels[0].initramfs.n_modules = 2;
	make(s);
	assert_int_equal(s->plan.n_blockers, 0);
	assert_string_equal(s->plan.disks[0].bus, "virtio-blk");
}

static void test_missing_file_systems(void **state)
{
	struct scene *s = *state;

	s->mounts[0] = (struct facts_mount){.spec = S("UUID=1"),
		.mountpoint = S("/srv"),
		.options = S("rw"),
		.device = S(""),
		.line = 2};
	s->mounts[1] = (struct facts_mount){.spec = S("/dev/sdc1"),
		.mountpoint = S("/x"),
		.options = S("rw,noauto"),
		.device = S(""),
		.line = 3};
	s->systems[0].mounts = s->mounts;
	s->systems[0].n_mounts = 2;
	make(s);
	assert_string_equal(step(s, "fstab-nofail")->args[0].value, "2");
	assert_int_equal(s->plan.n_blockers, 0);
	model_plan_finish(&s->plan);
	s->mounts[0].mountpoint = S("/boot");
	make(s);
	assert_blocked(s, "/boot");
}

/* The card is found by its place, by what the guest says, by order, or it is told. */
static void test_cards(void **state)
{
	struct scene *s = *state;

	s->machine.n_nics = 2;
	s->systems[0].n_nics = 2;
	make(s);
	assert_string_equal(s->plan.nics[0].name, "enp0s3");
	/* eth7 is the only name that is left, and the second card the only card. */
	assert_string_equal(s->plan.nics[1].name, "eth7");
	assert_string_equal(step(s, "nic-link")->path, "/etc/systemd/network/10-p2v-enp0s3.link");
	model_plan_finish(&s->plan);
	s->nics[1].mac = S("00:00:00:00:00:01");
	make(s);
	assert_string_equal(s->plan.nics[0].name, "eth7");
	model_plan_finish(&s->plan);
	s->nics[1].mac = NULL;
	s->machine.n_nics = 1;
	make(s);
	assert_int_equal(s->plan.n_warnings, 1 + 1);
	assert_non_null(strstr(s->plan.warnings[1], "eth7"));
}

static void test_names_that_are_no_names(void **state)
{
	struct scene *s = *state;

	s->nics[0].name = S("../../../etc/x");
	make(s);
	assert_null(step(s, "nic-link"));
}

static void test_default_machine(void **state)
{
	struct scene *s = *state;
	struct image image = {.version = 1, .name = S("disk")};
	struct machine first = {0}, second = {0};
	struct p2v_err err = {0};

	assert_int_equal(plan_machine_default(&s->facts, &image, NULL, &first, &err), 0);
	assert_int_equal(plan_machine_default(&s->facts, &image, NULL, &second, &err), 0);
	assert_int_equal(model_machine_validate(&first, &err), 0);
	assert_string_equal(first.name, "web01");
	assert_int_equal(first.n_nics, 1);
	assert_string_equal(first.nics[0].mac, second.nics[0].mac);
	assert_int_equal(strncmp(first.nics[0].mac, "52:54:00:", 9), 0);
	model_machine_finish(&first);
	model_machine_finish(&second);
}

static void test_default_machine_of_the_chosen_system(void **state)
{
	struct scene *s = *state;
	struct image image = {.version = 1, .name = S("disk")};
	struct facts_os two[2] = {s->facts.systems[0], s->facts.systems[0]};
	struct facts both = s->facts;
	struct machine m = {0};

	two[0].root = S("/dev/sda9");
	two[0].hostname = S("other");
	two[0].bootloader.firmware = S("uefi");
	both.systems = two;
	both.n_systems = 2;
	assert_int_equal(plan_machine_default(&both, &image, two[1].root, &m, NULL), 0);
	assert_string_equal(m.name, "web01");
	assert_string_equal(m.firmware, "bios");
	model_machine_finish(&m);
}

/* Guest strings reach the terminal without their control characters, and lines stay short. */
static void test_print(void **state)
{
	struct scene *s = *state;
	p2v_autobuf struct p2v_buf out = {0};

	s->machine.n_nics = 0;
	s->nics[0].name = S("\033[2Jevil");
	make(s);
	assert_int_equal(plan_print(&s->plan, &out, NULL), 0);
	assert_null(strchr((const char *)out.data, '\033'));
	assert_non_null(strstr((const char *)out.data, "To know"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_virtio),
		T(test_no_virtio),
		T(test_rescue_kernel_does_not_count),
		T(test_nothing_found),
		T(test_nothing_seen),
		T(test_several_systems),
		T(test_other_systems),
		T(test_initramfs_that_cannot_grow),
		T(test_missing_file_systems),
		T(test_cards),
		T(test_names_that_are_no_names),
		T(test_default_machine),
		T(test_default_machine_of_the_chosen_system),
		T(test_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

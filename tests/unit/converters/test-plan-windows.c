/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The decisions of the plan for a Windows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "converters/plan/windows.h"
#include "p2v/core/cleanup.h"

#define S(text)	     ((char *)(uintptr_t)(text))
#define STORAGE_GUID "{4D36E97B-E325-11CE-BFC1-08002BE10318}"
#define ADAPTER	     "{5E2A1C34-0001-4D2B-9F10-0C0FFEE00001}"

static char *ids[] = {S("PCI\\VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00"),
	S("PCI\\VEN_1AF4&DEV_1042&SUBSYS_11001AF4&REV_01"), S("PCI\\VEN_1AF4&DEV_1042&REV_01")};
static char *package[] = {S("viostor/w10/amd64/viostor.inf"), S("viostor/w10/amd64/viostor.sys"),
	S("viostor/w10/amd64/a&b.sys")};

struct scene {
	struct facts_address address;
	struct facts_nic_match slot;
	struct facts_nic nics[2];
	struct facts_windows_driver drivers[4];
	struct facts_windows windows;
	struct facts_os os;
	struct facts_disk disks[2];
	struct facts_fs fs[2];
	struct facts facts;
	struct machine_nic cards[2];
	struct machine machine;
	struct target_driver offers[3];
	struct target target;
	struct plan plan;
	char *sets[2], *dns[2], *buses[4], *models[4];
};

static struct target_driver offer(const char *name)
{
	return (struct target_driver){.name = S(name),
		.service = S(name),
		.binary = S("dir/driver.sys"),
		.class_guid = S(STORAGE_GUID),
		.date = S("2023-07-21"),
		.version = S("63.93.104.24000"),
		.about = S("the driver of the medium"),
		.usable = true,
		.ids = ids,
		.n_ids = 3,
		.package = package,
		.n_package = 3};
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	s->sets[0] = S("ControlSet001");
	s->sets[1] = S("ControlSet002");
	s->dns[0] = S("192.0.2.53");
	s->dns[1] = S("192.0.2.54");
	s->address = (struct facts_address){S("static"), S("192.0.2.10/24"), S("192.0.2.1")};
	s->nics[0] = (struct facts_nic){.name = S("Ethernet"),
		.kind = S("ethernet"),
		.path = S(ADAPTER),
		.mac = S("00:00:00:00:00:02"),
		.addresses = &s->address,
		.n_addresses = 1,
		.dns = s->dns,
		.n_dns = 2};
	s->drivers[0] =
		(struct facts_windows_driver){S("storahci"), S("ControlSet001"), 3, true, true};
	s->drivers[1] = s->drivers[0];
	s->drivers[1].set = s->sets[1];
	s->windows = (struct facts_windows){.dir = S("/Windows"),
		.role = S("server"),
		.major = 10,
		.build = 17763,
		.sets = s->sets,
		.n_sets = 2,
		.drivers = s->drivers,
		.n_drivers = 2,
		.driver_database = true};
	s->os = (struct facts_os){.root = S("/dev/sda2"),
		.kind = S("windows"),
		.id = S("win2k19"),
		.pretty = S("Windows Server 2019"),
		.arch = S("x86_64"),
		.windows = &s->windows,
		.n_windows = 1,
		.nics = s->nics,
		.n_nics = 1};
	for (size_t i = 0; i < 2; i++)
		s->disks[i] = (struct facts_disk){.id = i ? S("disk1") : S("disk0")};
	s->fs[0] = (struct facts_fs){.device = S("/dev/sda2"), .disk = S("disk0")};
	s->facts = (struct facts){.version = 1,
		.disks = s->disks,
		.n_disks = 1,
		.filesystems = s->fs,
		.n_filesystems = 1,
		.systems = &s->os,
		.n_systems = 1};
	s->cards[0] = (struct machine_nic){.mac = S("00:00:00:00:00:01"), .pci = S("0000:19:00.0")};
	s->cards[1] = (struct machine_nic){.mac = S("00:00:00:00:00:02"), .pci = S("0000:1a:00.0")};
	s->machine = (struct machine){.version = 1,
		.name = S("win01"),
		.firmware = S("bios"),
		.cpus = 4,
		.nics = s->cards,
		.n_nics = 2};
	memcpy(s->buses, (char *[]){S("virtio-blk"), S("virtio-scsi"), S("sata"), S("ide")},
		sizeof(s->buses));
	memcpy(s->models, (char *[]){S("virtio-net"), S("e1000e"), S("e1000"), S("rtl8139")},
		sizeof(s->models));
	s->offers[0] = offer("viostor");
	s->offers[1] = offer("vioscsi");
	s->offers[2] = offer("netkvm");
	s->target = (struct target){.name = S("kvm"),
		.format = S("qcow2"),
		.buses = s->buses,
		.n_buses = 4,
		.nics = s->models,
		.n_nics = 4,
		.media = S("virtio-win.iso"),
		.drivers = s->offers,
		.n_drivers = 3};
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

	model_plan_finish(&s->plan);
	if (plan_make(&s->facts, &s->machine, &s->target, &s->plan, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(model_plan_validate(&s->plan, &err), 0);
}

/* How often a step has that argument, under the key that stands before it. */
static size_t count(const struct scene *s, const char *key, const char *name, const char *value)
{
	size_t n = 0;

	for (size_t i = 0; i < s->plan.n_steps; i++) {
		const struct plan_step *step = &s->plan.steps[i];
		const char *in = "";

		for (size_t k = 0; k < step->n_args; k++) {
			const struct plan_arg *a = &step->args[k];

			if (strncmp(a->key, "key", 3) == 0)
				in = a->value;
			n += (!*key || strcmp(in, key) == 0) && strcmp(a->key, name) == 0 &&
			     strcmp(a->value, value) == 0;
		}
	}
	return n;
}

static const struct plan_step *step_of(const struct scene *s, const char *path)
{
	for (size_t i = 0; i < s->plan.n_steps; i++)
		if (strcmp(s->plan.steps[i].path, path) == 0)
			return &s->plan.steps[i];
	return NULL;
}

static bool blocked(const struct scene *s, const char *words)
{
	for (size_t i = 0; i < s->plan.n_blockers; i++)
		if (strstr(s->plan.blockers[i], words))
			return true;
	return false;
}

static bool warned(const struct scene *s, const char *words)
{
	for (size_t i = 0; i < s->plan.n_warnings; i++)
		if (strstr(s->plan.warnings[i], words))
			return true;
	return false;
}

/* The example was made by hand from a decoder's description. */
static void test_package_version(void **state)
{
	char hex[2 * WINDOWS_VERSION_BYTES + 1];

	(void)state;
	assert_true(plan_windows_package_version(
		"x86_64", STORAGE_GUID, "2023-07-21", "63.93.104.24000", hex));
	assert_string_equal(hex, "00ff09000000000"
				 "07be9364d25e3ce11bfc108002be1031800c0ca4a66bbd901"
				 "c05d68005d003f000000000000000000");
	assert_true(plan_windows_package_version("i686", STORAGE_GUID, "nonsense", "", hex));
	assert_memory_equal(hex, "00ff0000", 8);
	assert_string_equal(hex + 48, "000000000000000000000000000000000000000000000000");
	assert_false(plan_windows_package_version("x86_64", "{4D36}", "", "", hex));
	assert_false(plan_windows_package_version("x86_64", STORAGE_GUID "00", "", "", hex));
}

static void test_virtio_in_every_set(void **state)
{
	struct scene *s = *state;

	make(s);
	assert_int_equal(s->plan.n_blockers, 0);
	assert_string_equal(s->plan.machine, "q35");
	assert_string_equal(s->plan.disks[0].bus, "virtio-blk");
	assert_string_equal(s->plan.nics[0].model, "virtio-net");
	assert_non_null(step_of(s, "/Windows/System32/drivers/viostor.sys"));
	assert_non_null(step_of(s, "/Windows/System32/drivers/vioscsi.sys"));
	assert_int_equal(count(s, "ControlSet001\\Services\\viostor", "u32 Start", "0"), 1);
	assert_int_equal(count(s, "ControlSet002\\Services\\vioscsi", "u32 Start", "0"), 1);
	assert_int_equal(count(s, "DriverDatabase\\DeviceIds\\PCI\\VEN_1AF4&DEV_1042&REV_01",
				 "binary p2vviostor.inf", "01ff0000"),
		1);
	assert_int_equal(count(s, "", "text ClassGUID", STORAGE_GUID), 0);
	assert_non_null(step_of(s, "/Windows/p2v/drivers"));
	assert_int_equal(count(s, "", "to", "viostor/viostor.inf"), 1);
	/* A name that cmd would take for two commands stays away. */
	assert_int_equal(count(s, "", "to", "viostor/a&b.sys"), 0);
}

static void test_critical_devices_before_8(void **state)
{
	struct scene *s = *state;

	s->windows.driver_database = false;
	s->windows.major = 6;
	s->windows.minor = 1;
	make(s);
	assert_int_equal(count(s,
				 "ControlSet002\\Control\\CriticalDeviceDatabase\\"
				 "PCI#VEN_1AF4&DEV_1001&REV_00",
				 "text Service", "viostor"),
		1);
	assert_int_equal(count(s, "", "binary p2vviostor.inf", "01ff0000"), 0);
}

/* Half a driver in the registry would be a disk that nobody drives. */
static void test_spoiled_offer(void **state)
{
	struct scene *s = *state;

	s->offers[0].service = S("..\\evil");
	make(s);
	assert_string_equal(s->plan.disks[0].bus, "virtio-scsi");
	assert_null(step_of(s, "/Windows/System32/drivers/viostor.sys"));
	s->offers[1].class_guid = S("{4D36}");
	make(s);
	assert_string_equal(s->plan.disks[0].bus, "sata");
}

static void test_without_medium(void **state)
{
	struct scene *s = *state;

	s->target.media = NULL;
	s->target.n_drivers = 0;
	make(s);
	assert_string_equal(s->plan.disks[0].bus, "sata");
	assert_string_equal(s->plan.nics[0].model, "e1000e");
	assert_true(warned(s, "--virtio-win"));
	assert_int_equal(count(s, "ControlSet001\\Services\\storahci", "u32 Start", "0"), 1);
	assert_int_equal(
		count(s, "", "delete-key", "ControlSet002\\Services\\storahci\\StartOverride"), 1);
	s->windows.n_drivers = 0;
	make(s);
	assert_true(blocked(s, "no driver for a disk"));
}

static void test_old_windows_gets_an_old_machine(void **state)
{
	struct scene *s = *state;

	s->windows.major = 5;
	s->windows.minor = 2;
	s->windows.driver_database = false;
	s->windows.hal = S("acpiapic_up");
	s->drivers[0].name = s->drivers[1].name = S("intelppm");
	s->drivers[0].start = s->drivers[1].start = 1;
	make(s);
	assert_string_equal(s->plan.machine, "pc");
	assert_int_equal(s->plan.cpus, 1);
	assert_int_equal(s->plan.n_hyperv, 0);
	assert_int_equal(count(s, "ControlSet002\\Services\\intelppm", "u32 Start", "4"), 1);
	assert_int_equal(count(s, "Microsoft\\Windows\\CurrentVersion", "expand-more DevicePath",
				 "%SystemRoot%\\p2v\\drivers\\netkvm"),
		1);
	s->windows.minor = 0;
	make(s);
	assert_true(blocked(s, "too old"));
}

static void test_addresses_follow_the_card(void **state)
{
	struct scene *s = *state;

	make(s);
	assert_int_equal(s->plan.nics[0].n_addresses, 0);
	assert_string_equal(s->plan.nics[1].addresses[0], "192.0.2.10/24");
	assert_string_equal(s->plan.nics[1].gateway, "192.0.2.1");
	assert_int_equal(count(s, "", "line", "call :find 00-00-00-00-00-02"), 1);
	assert_int_equal(count(s, "", "line",
				 "call :net ip set address \"%card%\" static 192.0.2.10 "
				 "255.255.255.0 192.0.2.1 1"),
		1);
	assert_int_equal(count(s, "", "line",
				 "call :net ip add dns \"%card%\" 192.0.2.54 index=2 validate=no"),
		1);
	assert_int_equal(
		count(s, "ControlSet002\\Services\\Tcpip\\Parameters\\Interfaces\\" ADAPTER,
			"delete IPAddress", ""),
		1);
}

/* Before 10 Windows does not write down the addresses of its cards. */
static void test_card_by_slot(void **state)
{
	struct scene *s = *state;

	s->nics[0].mac = NULL;
	s->slot = (struct facts_nic_match){.key = S("pci"), .value = S("0000:1a:00.0")};
	s->nics[0].matches = &s->slot;
	s->nics[0].n_matches = 1;
	make(s);
	assert_int_equal(s->plan.nics[1].n_addresses, 1);
	s->nics[0].n_matches = 0;
	make(s);
	assert_int_equal(s->plan.nics[1].n_addresses, 0);
	assert_true(warned(s, "'Ethernet'"));
	assert_int_equal(count(s, "", "delete IPAddress", ""), 0);
	/* Where there is one of each, there is nothing to guess. */
	s->machine.n_nics = 1;
	make(s);
	assert_int_equal(s->plan.nics[0].n_addresses, 1);
}

static void test_what_stands_in_the_way(void **state)
{
	struct scene *s = *state;
	char *dirty[] = {S("SYSTEM")};

	s->windows.hibernated = true;
	s->windows.dirty = dirty;
	s->windows.n_dirty = 1;
	s->fs[1] = (struct facts_fs){.device = S("/dev/sda3"),
		.disk = S("disk0"),
		.windows_volume = S("dynamic disks (LDM)")};
	s->facts.n_filesystems = 2;
	make(s);
	assert_true(blocked(s, "hibernated"));
	assert_true(blocked(s, "SYSTEM"));
	assert_true(blocked(s, "dynamic disks"));
	s->windows.hibernated = false;
	s->windows.n_dirty = 0;
	s->fs[1].disk = S("disk1");
	make(s);
	assert_int_equal(s->plan.n_blockers, 0);
	assert_true(warned(s, "dynamic disks"));
}

static void test_sealed_volume(void **state)
{
	struct scene *s = *state;

	s->facts.n_systems = 0;
	s->fs[0].kind = S("BitLocker");
	make(s);
	assert_true(blocked(s, "--key /dev/sda2:file:"));
}

static void test_removable_path(void **state)
{
	struct scene *s = *state;
	const struct plan_step *copy;
	char *blind[] = {S("Objects\\{0}\\Elements\\16000046")};

	s->machine.firmware = S("uefi");
	s->windows.esp = S("/dev/sda1");
	s->windows.esp_at = S("/Windows/Boot");
	s->windows.boot_loader = S("/EFI/Microsoft/Boot/bootmgfw.efi");
	s->windows.removable = S("foreign");
	s->windows.removable_path = S("/EFI/BOOT/BOOTX64.EFI");
	make(s);
	assert_string_equal(s->plan.mounts[1].mountpoint, "/Windows/Boot");
	copy = step_of(s, "/Windows/Boot/EFI/BOOT/BOOTX64.EFI");
	assert_string_equal(copy->op, "file-set-aside");
	assert_string_equal(copy[1].op, "file-copy");
	assert_string_equal(copy[1].args[0].value, "/Windows/Boot/EFI/Microsoft/Boot/bootmgfw.efi");
	s->windows.removable = S("same");
	make(s);
	assert_null(step_of(s, "/Windows/Boot/EFI/BOOT/BOOTX64.EFI"));
	s->windows.bcd = S("/EFI/Microsoft/Boot/BCD");
	s->windows.bcd_blind = blind;
	s->windows.n_bcd_blind = 1;
	make(s);
	assert_string_equal(
		step_of(s, "/Windows/Boot/EFI/Microsoft/Boot/BCD")->args[0].value, blind[0]);
}

static void test_heads(void **state)
{
	struct scene *s = *state;

	s->windows.major = 5;
	s->windows.minor = 2;
	s->windows.driver_database = false;
	s->windows.heads = 240;
	s->disks[0].size_bytes = UINT64_C(36) << 30;
	make(s);
	assert_int_equal(count(s, "", "heads", "255"), 1);
	s->disks[0].size_bytes = UINT64_C(1) << 30;
	make(s);
	assert_int_equal(count(s, "", "heads", "64"), 1);
	s->windows.heads = 64;
	make(s);
	assert_int_equal(count(s, "", "heads", "64"), 0);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_package_version),
		ROW(test_virtio_in_every_set),
		ROW(test_critical_devices_before_8),
		ROW(test_spoiled_offer),
		ROW(test_without_medium),
		ROW(test_old_windows_gets_an_old_machine),
		ROW(test_addresses_follow_the_card),
		ROW(test_card_by_slot),
		ROW(test_what_stands_in_the_way),
		ROW(test_sealed_volume),
		ROW(test_removable_path),
		ROW(test_heads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

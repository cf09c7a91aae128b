/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>
#include <unistd.h>

#include "agent/source/smbios.h"
#include "agent/source/source.h"
#include "agent/source/table.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "tree.h"

#define PCI0 "/sys/devices/pci0000:00"
#define EFI  "/sys/firmware/efi/efivars/"
#define GUID "-8be4df61-93ca-11d2-aa0d-00e098032b8c"

static int two_addresses(const char *name, char ***items, size_t *n_items, struct p2v_err *err)
{
	if (strcmp(name, "enp0s3") != 0)
		return 0;
	if (p2v_json_add_str(items, n_items, "192.0.2.10/24", err) < 0)
		return P2V_ENOMEM;
	return p2v_json_add_str(items, n_items, "2001:db8::10/64", err);
}

static void paint_identity(const char *root)
{
	tree_file(root, "/proc/sys/kernel/hostname", "web_01.example\n");
	tree_file(root, "/sys/class/dmi/id/product_uuid", "4C4C4544-0042-3510-8050-B4C04F4D3532\n");
	tree_file(root, "/sys/class/dmi/id/sys_vendor", "Dell Inc.  \n");
	tree_file(root, "/sys/class/dmi/id/product_name", "Power\033[2JEdge\n");
	tree_file(root, "/sys/class/dmi/id/product_serial", "To be filled by O.E.M.\n");
	tree_file(root, "/proc/meminfo", "MemTotal:        8036512 kB\nMemFree: 1 kB\n");
	tree_file(root, "/etc/adjtime", "0.0 0 0.0\n0\nLOCAL\n");
	tree_file(root, "/proc/cpuinfo",
		"processor\t: 0\nmodel name\t: Xeon\nphysical id\t: 0\ncpu cores\t: 2\nflags\t\t: "
		"fpu lm\n\n"
		"processor\t: 1\nmodel name\t: Xeon\nphysical id\t: 1\ncpu cores\t: 2\nflags\t\t: "
		"fpu lm\n\n"
		"processor\t: 2\nphysical id\t: 0\ncpu cores\t: 2\n\n"
		"processor\t: 3\nphysical id\t: 1\ncpu cores\t: 2\n");
}

static void paint_efi(const char *root)
{
	tree_bytes(root, EFI "SecureBoot" GUID, "\6\0\0\0\1", 5);
	tree_bytes(root, EFI "BootOrder" GUID, "\7\0\0\0\1\0\0\0", 8);
	tree_bytes(root, EFI "Boot000A" GUID, "\7\0\0\0\xff", 5);
	tree_bytes(root, EFI "Boot0001-12345678-93ca-11d2-aa0d-00e098032b8c", "\7\0\0\0\xff", 5);
	tree_bytes(root, EFI "BootOptionSupport" GUID, "\6\0\0\0\1", 5);
	tree_bytes(root, EFI "Boot0002" GUID, "\7\0", 2); /* cut short */
}

static void paint_disks(const char *root)
{
	static const char *const blocks[][2] = {
		{"sda", "pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0"},
		{"sdb", "pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0/host6/target6:0:0/6:0:0:0"},
		{"nvme0n1", "pci0000:00/0000:00:1d.0/0000:01:00.0/nvme/nvme0"},
		{"cciss!c0d0", "pci0000:00/0000:00:02.0/cciss0/c0d0"},
		{"sr0", "pci0000:00/0000:00:1f.2/ata2/host1/target1:0:0/1:0:0:0"},
		{"sdc", "pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host7/target7:0:0/7:0:0:0"},
	};

	for (size_t i = 0; i < P2V_N(blocks); i++) {
		p2v_autofree char *dir = p2v_strf("/sys/devices/%s", blocks[i][1]);
		p2v_autofree char *link = p2v_strf("/sys/block/%s/device", blocks[i][0]);
		p2v_autofree char *to = p2v_strf("../../devices/%s", blocks[i][1]);
		p2v_autofree char *size = p2v_strf("/sys/block/%s/size", blocks[i][0]);

		tree_dir(root, dir);
		tree_link(root, link, to);
		/* sdc: an empty slot of a card reader */
		tree_file(root, size, i == 5 ? "0\n" : "41943040\n");
	}
	tree_file(root, "/sys/block/loop0/size", "1024\n");
	tree_file(root, "/sys/block/dm-0/size", "1024\n");
	tree_file(root, "/sys/block/sda/queue/physical_block_size", "4096\n");
	tree_file(root, "/sys/block/sda/queue/rotational", "1\n");
	tree_file(root, "/sys/block/sda/device/model", "ST1000NM0033    \n");
	tree_file(root, "/sys/block/sda/device/wwid", "naa.5000c500a1b2c3d4\n");
	tree_bytes(root, "/sys/block/sda/device/vpd_pg80", "\0\x80\0\x08    Z1W0", 12);
}

static void paint_nics(const char *root)
{
	tree_link(root, "/sys/class/net/enp0s3/device", "../../../devices/pci0000:00/0000:00:03.0");
	tree_file(root, PCI0 "/0000:00:03.0/vendor", "0x8086\n");
	tree_link(root, "/sys/bus/pci/devices/0000:00:03.0",
		"../../../devices/pci0000:00/0000:00:03.0");
	tree_dir(root, "/sys/bus/pci/drivers/e1000");
	tree_link(root, PCI0 "/0000:00:03.0/driver", "../../../bus/pci/drivers/e1000");
	tree_file(root, "/sys/class/net/enp0s3/type", "1\n");
	tree_file(root, "/sys/class/net/enp0s3/address", "52:54:00:AB:CD:EF\n");
	tree_file(root, "/sys/class/net/enp0s3/carrier", "1\n");
	tree_file(root, "/sys/class/net/enp0s3/speed", "1000\n");
	/* A bond's slave with a lower PCI address, and things that are no cards. */
	tree_dir(root, PCI0 "/0000:00:02.0");
	tree_link(root, "/sys/class/net/enp0s2/device", "../../../devices/pci0000:00/0000:00:02.0");
	tree_file(root, "/sys/class/net/enp0s2/type", "1\n");
	tree_file(root, "/sys/class/net/enp0s2/address", "52:54:00:00:00:99\n");
	tree_file(root, "/sys/class/net/enp0s2/bonding_slave/perm_hwaddr", "52:54:00:00:00:02\n");
	tree_file(root, "/sys/class/net/enp0s2/speed", "4294967295\n");
	tree_file(root, "/sys/class/net/lo/type", "772\n");
	tree_file(root, "/sys/class/net/bond0/type", "1\n");
	tree_file(root, "/sys/class/net/bond0/address", "52:54:00:00:00:99\n");
	tree_dir(root, PCI0 "/0000:00:03.1/physfn");
	tree_link(root, "/sys/class/net/vf0/device", "../../../devices/pci0000:00/0000:00:03.1");
	tree_file(root, "/sys/class/net/vf0/type", "1\n");
	tree_file(root, "/sys/class/net/vf0/address", "52:54:00:00:00:77\n");
}

/* A graphics card, a bridge, a function of a card, a dongle, a hub, an interface, a tape drive. */
static void paint_devices(const char *root)
{
	static const char *const files[][2] = {
		{"pci/devices/0000:0a:00.0/class", "0x030000\n"},
		{"pci/devices/0000:0a:00.0/vendor", "0x10de\n"},
		{"pci/devices/0000:0a:00.0/device", "0x1db4\n"},
		{"pci/devices/0000:0b:00.0/class", "0x060400\n"},
		{"pci/devices/0000:0c:00.1/class", "0x020000\n"},
		{"usb/devices/1-1/idVendor", "0529\n"},
		{"usb/devices/1-1/idProduct", "0001\n"},
		{"usb/devices/1-1/bDeviceClass", "00\n"},
		{"usb/devices/1-1/product", "HASP \033[2J HL\n"},
		{"usb/devices/1-1:1.0/bInterfaceClass", "ff\n"},
		{"usb/devices/usb1/bDeviceClass", "09\n"},
	};

	for (size_t i = 0; i < P2V_N(files); i++) {
		p2v_autofree char *path = p2v_strf("/sys/bus/%s", files[i][0]);

		tree_file(root, path, files[i][1]);
	}
	tree_dir(root, "/sys/bus/pci/devices/0000:0c:00.1/physfn");
	tree_file(root, "/sys/class/scsi_tape/st0/device/model", "ULTRIUM-TD5\n");
	tree_dir(root, "/sys/class/scsi_tape/nst0");
}

static void test_devices(void **state)
{
	char *root = tree_new();
	const struct source_host host = {.root = root};
	struct machine m = {0};

	(void)state;
	paint_devices(root);
	assert_int_equal(source_devices_read(&host, &m, NULL), 0);
	assert_int_equal(m.n_devices, 3);
	assert_string_equal(m.devices[0].place, "0000:0a:00.0");
	assert_string_equal(m.devices[0].kind, "030000");
	assert_string_equal(m.devices[0].vendor_id, "10de");
	assert_string_equal(m.devices[1].bus, "usb");
	assert_string_equal(m.devices[1].kind, "ff");
	assert_string_equal(m.devices[1].name, "HASP  [2J HL");
	assert_string_equal(m.devices[2].name, "ULTRIUM-TD5");
	model_machine_finish(&m);
	tree_free(root);
}

static void test_machine(void **state)
{
	char *root = tree_new();
	const struct source_host host = {root, NULL, two_addresses};
	struct machine m;

	(void)state;
	paint_identity(root);
	paint_efi(root);
	paint_disks(root);
	paint_nics(root);
	assert_int_equal(source_machine_read(&host, NULL, &m, NULL), 0);
	assert_string_equal(m.name, "web_01.example");
	assert_string_equal(m.uuid, "4c4c4544-0042-3510-8050-b4c04f4d3532");
	assert_string_equal(m.vendor, "Dell Inc.");
	assert_string_equal(m.product, "Power [2JEdge");
	assert_null(m.serial);
	assert_int_equal(m.memory_bytes, 8 * P2V_GIB);
	assert_string_equal(m.rtc, "localtime");
	assert_string_equal(m.arch, "x86_64");
	assert_int_equal(m.cpus, 4);
	assert_int_equal(m.sockets, 2);
	assert_int_equal(m.cores_per_socket, 2);
	assert_string_equal(m.cpu_model, "Xeon");

	assert_string_equal(m.firmware, "uefi");
	assert_true(m.secure_boot);
	assert_int_equal(m.n_efi_vars, 2);
	assert_string_equal(m.efi_vars[0].name, "Boot000A");
	assert_int_equal(m.efi_vars[0].attributes, 7);
	assert_string_equal(m.efi_vars[1].name, "BootOrder");
	assert_string_equal(m.efi_vars[1].data_hex, "01000000");
	model_machine_finish(&m);
	tree_free(root);
}

static void test_disks(void **state)
{
	static const char *const want[][2] = {{"/dev/cciss/c0d0", "scsi"}, {"/dev/nvme0n1", "nvme"},
		{"/dev/sda", "ata"}, {"/dev/sdb", "usb"}};
	char *root = tree_new();
	const struct source_host host = {.root = root};
	struct machine m = {0};

	(void)state;
	paint_disks(root);
	assert_int_equal(source_disks_read(&host, &m, NULL), 0);
	assert_int_equal(m.n_disks, P2V_N(want));
	for (size_t i = 0; i < P2V_N(want); i++) {
		p2v_autofree char *id = p2v_strf("disk%zu", i);

		assert_string_equal(m.disks[i].id, id);
		assert_string_equal(m.disks[i].path, want[i][0]);
		assert_string_equal(m.disks[i].bus, want[i][1]);
		assert_int_equal(m.disks[i].size_bytes, 20 * P2V_GIB);
	}
	assert_string_equal(m.disks[2].model, "ST1000NM0033");
	assert_string_equal(m.disks[2].serial, "Z1W0");
	assert_string_equal(m.disks[2].wwn, "0x5000c500a1b2c3d4");
	assert_int_equal(m.disks[2].logical_sector_bytes, 512);
	assert_int_equal(m.disks[2].physical_sector_bytes, 4096);
	assert_true(m.disks[2].rotational);
	assert_false(m.disks[2].removable);
	assert_true(m.disks[3].removable);
	model_machine_finish(&m);
	tree_free(root);
}

static void test_nics(void **state)
{
	char *root = tree_new();
	const struct source_host host = {root, NULL, two_addresses};
	struct machine m = {0};

	(void)state;
	paint_nics(root);
	assert_int_equal(source_nics_read(&host, &m, NULL), 0);
	assert_int_equal(m.n_nics, 2);
	assert_string_equal(m.nics[0].name, "enp0s2");
	assert_string_equal(m.nics[0].mac, "52:54:00:00:00:02");
	assert_int_equal(m.nics[0].speed_mbit, 0);
	assert_false(m.nics[0].link);
	assert_string_equal(m.nics[1].mac, "52:54:00:ab:cd:ef");
	assert_string_equal(m.nics[1].driver, "e1000");
	assert_string_equal(m.nics[1].pci, "0000:00:03.0");
	assert_string_equal(m.nics[1].vendor_id, "0x8086");
	assert_string_equal(m.nics[1].path_name, "enp0s3");
	assert_null(m.nics[1].slot_name);
	assert_true(m.nics[1].link);
	assert_int_equal(m.nics[1].speed_mbit, 1000);
	assert_int_equal(m.nics[1].n_addresses, 2);
	assert_string_equal(m.nics[1].addresses[0], "192.0.2.10/24");
	model_machine_finish(&m);
	tree_free(root);
}

/* A machine that says nothing is still a machine. */
static void test_empty_machine(void **state)
{
	char *root = tree_new();
	const struct source_host host = {.root = root};
	struct p2v_err err;
	struct machine m;

	(void)state;
	assert_int_equal(source_machine_read(&host, NULL, &m, NULL), 0);
	assert_string_equal(m.name, "machine");
	assert_string_equal(m.firmware, "bios");
	assert_int_equal(m.n_disks + m.n_nics + m.n_efi_vars, 0);
	model_machine_finish(&m);
	assert_int_equal(source_machine_read(&host, "../x", &m, &err), P2V_EINVAL);
	assert_non_null(strstr(err.text, "../x"));
	tree_free(root);
}

static void test_memory_round(void **state)
{
	static const struct {
		uint64_t mib, want_mib;
	} cases[] = {{480, 512}, {970, 1024}, {1990, 2048}, {3890, 4096}, {7848, 8192},
		{15900, 16384}, {64200, 65536}, {385000, 393216}};

	(void)state;
	for (size_t i = 0; i < P2V_N(cases); i++)
		assert_int_equal(
			source_memory_round(cases[i].mib * P2V_MIB), cases[i].want_mib * P2V_MIB);
}

static void test_name_clean(void **state)
{
	static const char *const cases[][2] = {
		{"web01", "web01"}, {"-a b/c-", "a-b-c"}, {"\xc3\xa4", ""}, {"..", ""}, {"", ""}};
	char out[65], longer[100];

	(void)state;
	for (size_t i = 0; i < P2V_N(cases); i++) {
		source_name_clean(cases[i][0], out);
		assert_string_equal(out, cases[i][1]);
	}
	memset(longer, 'x', 99);
	longer[99] = '\0';
	source_name_clean(longer, out);
	assert_int_equal(strlen(out), 64);
}

/* One SMBIOS structure of type 17 with this size field. */
static size_t memory_device(uint8_t *p, uint16_t size, uint32_t extended)
{
	memset(p, 0, 0x22);
	p[0] = 17;
	p[1] = 0x20;
	p[0x0c] = (uint8_t)size;
	p[0x0d] = (uint8_t)(size >> 8);
	for (int i = 0; i < 4; i++)
		p[0x1c + i] = (uint8_t)(extended >> (8 * i));
	return 0x22;
}

static void test_smbios(void **state)
{
	uint8_t t[256];
	size_t n = 0;

	(void)state;
	n += memory_device(t + n, 8192, 0);	    /* 8 GiB */
	n += memory_device(t + n, 0, 0);	    /* empty socket */
	n += memory_device(t + n, 0xffff, 0);	    /* unknown */
	n += memory_device(t + n, 0x7fff, 65536);   /* 64 GiB */
	n += memory_device(t + n, 0x8000 | 512, 0); /* 512 KiB */
	assert_int_equal(source_smbios_memory_bytes(t, n), 72 * P2V_GIB + 512 * P2V_KIB);
	/* Cut anywhere: never beyond the end, never more than the whole. */
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *copy = malloc(cut + 1);

		memcpy(copy, t, cut);
		assert_true(source_smbios_memory_bytes(copy, cut) <= 73 * P2V_GIB);
		free(copy);
	}
	t[1] = 3; /* shorter than its own header */
	assert_int_equal(source_smbios_memory_bytes(t, n), 0);
}

static void test_smbios_beats_meminfo(void **state)
{
	char *root = tree_new();
	const struct source_host host = {.root = root};
	struct machine m = {0};
	uint8_t t[64];

	(void)state;
	tree_file(root, "/proc/meminfo", "MemTotal:        8036512 kB\n");
	tree_bytes(root, "/sys/firmware/dmi/tables/DMI", t, memory_device(t, 12288, 0));
	source_memory_read(&host, &m);
	assert_int_equal(m.memory_bytes, 12 * P2V_GIB);
	/* Less than the kernel already uses: nonsense, and the kernel's memory blocks count. */
	tree_bytes(root, "/sys/firmware/dmi/tables/DMI", t, memory_device(t, 1024, 0));
	tree_file(root, "/sys/devices/system/memory/block_size_bytes", "80000000\n");
	for (int i = 0; i < 6; i++) {
		p2v_autofree char *path = p2v_strf("/sys/devices/system/memory/memory%d/state", i);

		tree_file(root, path, i == 5 ? "offline\n" : "online\n");
	}
	source_memory_read(&host, &m);
	assert_int_equal(m.memory_bytes, 10 * P2V_GIB);
	tree_free(root);
}

/* A swap header, as mkswap writes it. */
static void paint_swap(uint8_t *at)
{
	at[1024] = 1;
	at[1028] = 100;
	memcpy(at + 4086, "SWAPSPACE2", 10);
}

/* A disk of 1 MiB with one MBR partition of type 82, at 64 KiB, and n swap headers. */
static void paint_mbr(const char *root, const char *path, const uint32_t *swap_at, size_t n)
{
	uint8_t *disk = calloc(1, P2V_MIB), *e = disk + 446;

	e[4] = 0x82;
	e[8] = 128;
	e[12] = 0x80, e[13] = 0x07; /* 1,920 sectors */
	disk[510] = 0x55, disk[511] = 0xaa;
	for (size_t i = 0; i < n; i++)
		paint_swap(disk + swap_at[i]);
	tree_bytes(root, path, disk, P2V_MIB);
	free(disk);
}

static void test_table(void **state)
{
	char *root = tree_new();
	p2v_autofree char *path = p2v_strf("%s/disk", root);
	p2v_autofree char *none = p2v_strf("%s/none", root);
	source_autotable struct source_table t = {0}, u = {0};

	(void)state;
	paint_mbr(root, "/disk", NULL, 0);
	assert_int_equal(source_table_read(path, &t, NULL), 0);
	assert_string_equal(t.kind, "dos");
	assert_int_equal(t.n_parts, 1);
	assert_int_equal(t.parts[0].number, 1);
	assert_int_equal(t.parts[0].offset_bytes, 65536);
	assert_int_equal(t.parts[0].length_bytes, 1920 * 512);
	assert_null(t.parts[0].type);
	tree_file(root, "/none", "not much of a disk, this");
	assert_int_equal(source_table_read(none, &u, NULL), 0);
	assert_string_equal(u.kind, "none");
	assert_int_equal(u.n_parts, 1);
	assert_int_equal(u.parts[0].number, 0);
	tree_free(root);
}

/* A table that a file system was made over, or the other way round: nobody knows which one counts.
 */
static void test_table_or_not(void **state)
{
	static const uint32_t swap_at[] = {65536, 0};
	char *root = tree_new();
	p2v_autofree char *part = p2v_strf("%s/part", root), *both = p2v_strf("%s/both", root);
	source_autotable struct source_table t = {0}, u = {0};

	(void)state;
	paint_mbr(root, "/part", swap_at, 1);
	assert_int_equal(source_table_read(part, &t, NULL), 0);
	assert_string_equal(t.parts[0].type, "swap");
	paint_mbr(root, "/both", swap_at, 2);
	assert_int_equal(source_table_read(both, &u, NULL), 0);
	assert_string_equal(u.kind, "dos");
	assert_int_equal(u.n_parts, 1);
	assert_string_equal(u.parts[0].type, "doubtful");
	tree_free(root);
}

static void test_choose(void **state)
{
	char *root = tree_new();
	p2v_autofree char *a = p2v_strf("%s/a", root), *b = p2v_strf("%s/b", root);
	p2v_autofree char *link = p2v_strf("%s/link", root);
	struct machine_disk known = {.id = strdup("disk0"),
		.path = strdup("/dev/sda"),
		.bus = strdup("ata"),
		.serial = strdup("Z1"),
		.rotational = true,
		.size_bytes = 1};
	struct machine m = {0};
	struct p2v_err err;

	(void)state;
	paint_mbr(root, "/a", NULL, 0);
	paint_mbr(root, "/b", NULL, 0);
	tree_link(root, "/link", "a");
	assert_int_equal(source_disks_choose(&m, (const char *[]){b, a}, 2, false, &err), 0);
	assert_int_equal(m.n_disks, 2);
	assert_string_equal(m.disks[0].path, b);
	assert_string_equal(m.disks[1].id, "disk1");
	assert_string_equal(m.disks[0].bus, "file");
	assert_string_equal(m.disks[0].table, "dos");
	assert_int_equal(m.disks[0].size_bytes, P2V_MIB);

	/* The same one under two names, a directory, nothing. */
	assert_int_equal(
		source_disks_choose(&m, (const char *[]){a, link}, 2, false, &err), P2V_EREFUSED);
	assert_non_null(strstr(err.text, "link: is the same disk as"));
	assert_int_equal(
		source_disks_choose(&m, (const char *[]){root}, 1, false, &err), P2V_EREFUSED);
	assert_non_null(strstr(err.text, "is not a disk"));
	assert_true(source_disks_choose(&m, (const char *[]){"/nowhere"}, 1, false, &err) < 0);
	assert_non_null(strstr(err.text, "/nowhere"));
	assert_int_equal(m.n_disks, 2); /* untouched by all that */
	model_machine_finish(&m);

	/* A prepared machine's disk keeps its name and hardware; the size is the file's. */
	m.disks = malloc(sizeof(known));
	m.disks[0] = known;
	m.n_disks = 1;
	assert_int_equal(source_disks_choose(&m, (const char *[]){a}, 1, true, &err), 0);
	assert_string_equal(m.disks[0].path, "/dev/sda");
	assert_string_equal(m.disks[0].bus, "ata");
	assert_string_equal(m.disks[0].serial, "Z1");
	assert_int_equal(m.disks[0].size_bytes, P2V_MIB);
	model_machine_finish(&m);
	tree_free(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machine),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_disks),
		cmocka_unit_test(test_nics),
		cmocka_unit_test(test_empty_machine),
		cmocka_unit_test(test_memory_round),
		cmocka_unit_test(test_name_clean),
		cmocka_unit_test(test_smbios),
		cmocka_unit_test(test_smbios_beats_meminfo),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_or_not),
		cmocka_unit_test(test_choose),
	};

	return cmocka_run_group_tests_name("agent-source", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parsers of a guest's text files, and what device names mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "converters/inspect/device-name.h"
#include "converters/inspect/fstab.h"
#include "converters/inspect/net.h"
#include "converters/inspect/storage.h"
#include "p2v/core/cleanup.h"

static void free_os(struct facts_os *os)
{
	struct facts facts = {0};
	struct facts_os *slot =
		p2v_json_grow((void **)&facts.systems, &facts.n_systems, sizeof(*slot));

	assert_non_null(slot);
	*slot = *os;
	model_facts_finish(&facts);
}

static void test_fstab(void **state)
{
	struct facts_os os = {0};

	(void)state;
	assert_int_equal(fstab_parse(p2v_span_str("# c\n\n  UUID=1\t/ ext4 ro 0 1\nlonely\n"
						  "/dev/sda1 /my\\040dir\n"
						  "/dev/sdb1 /bad\\0zz x"),
				 &os, NULL),
		0);
	assert_int_equal(os.n_mounts, 3);
	assert_string_equal(os.mounts[0].spec, "UUID=1");
	assert_string_equal(os.mounts[0].options, "ro");
	assert_int_equal(os.mounts[0].line, 3);
	assert_string_equal(os.mounts[1].mountpoint, "/my dir");
	assert_string_equal(os.mounts[1].kind, "");
	assert_int_equal(os.mounts[1].line, 5);
	assert_string_equal(os.mounts[2].mountpoint, "/bad\\0zz");
	free_os(&os);
}

static void test_fstab_bound(void **state)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct facts_os os = {0};

	(void)state;
	for (size_t i = 0; i <= FSTAB_MAX_LINES; i++)
		p2v_buf_add_str(&text, "a b\n");
	assert_int_equal(fstab_parse(p2v_span_of(text.data, text.len), &os, NULL), P2V_EFORMAT);
	free_os(&os);
}

static const struct facts_nic *nic(const struct facts_os *os, const char *name)
{
	for (size_t i = 0; i < os->n_nics; i++)
		if (strcmp(os->nics[i].name, name) == 0)
			return &os->nics[i];
	fail_msg("no interface %s", name);
	return NULL;
}

static void test_ifupdown(void **state)
{
	static const char text[] =
		"source interfaces.d/*\nsource-directory /etc/more\n"
		"auto eth0\niface eth0 inet static\n address 192.0.2.10\n netmask 255.255.254.0\n"
		" gateway 192.0.2.1\n hwaddress ether AA:BB:CC:DD:EE:FF\n"
		"iface eth0:1 inet static\n address 198.51.100.1/24\n"
		"iface eth0 inet6 static\n address 2001:db8::1\n netmask 64\n"
		"iface eth1 inet manual\n bond-master bond0\n"
		"iface bond0 inet dhcp\n bond_slaves eth2 none\n"
		"iface eth0.7 inet static\n address nonsense\n"
		"iface vlan9 inet manual\n vlan-raw-device bond0\n"
		"iface br0 inet static\n address 10.1.2.3\n bridge_ports \\\n  eth3\n"
		"iface\n";
	struct net_includes includes = {0};
	struct facts_os os = {0};

	(void)state;
	assert_int_equal(net_ifupdown_parse(p2v_span_str(text), "/x", &os, &includes, NULL), 0);
	assert_int_equal(includes.n_patterns, 2);
	assert_string_equal(includes.patterns[0], "/etc/network/interfaces.d/*");
	assert_string_equal(includes.patterns[1], "/etc/more/*");
	assert_int_equal(nic(&os, "eth0")->n_addresses, 3);
	assert_string_equal(nic(&os, "eth0")->addresses[0].address, "192.0.2.10/23");
	assert_string_equal(nic(&os, "eth0")->addresses[0].gateway, "192.0.2.1");
	assert_string_equal(nic(&os, "eth0")->addresses[1].address, "198.51.100.1/24");
	assert_string_equal(nic(&os, "eth0")->addresses[2].address, "2001:db8::1/64");
	assert_string_equal(nic(&os, "eth0")->clone_mac, "aa:bb:cc:dd:ee:ff");
	assert_null(nic(&os, "eth0")->mac);
	assert_string_equal(nic(&os, "bond0")->kind, "bond");
	assert_int_equal(nic(&os, "bond0")->n_members, 2);
	assert_string_equal(nic(&os, "bond0")->addresses[0].method, "dhcp");
	assert_int_equal(nic(&os, "eth0.7")->vlan_id, 7);
	assert_string_equal(nic(&os, "eth0.7")->members[0], "eth0");
	assert_int_equal(nic(&os, "eth0.7")->n_addresses, 0);
	assert_string_equal(nic(&os, "vlan9")->members[0], "bond0");
	assert_string_equal(nic(&os, "br0")->members[0], "eth3");
	assert_string_equal(nic(&os, "br0")->addresses[0].address, "10.1.2.3/8");
	net_includes_finish(&includes);
	free_os(&os);
}

static void test_other_dialects(void **state)
{
	struct facts_os os = {0};

	(void)state;
	const struct net_file ens3 = {
		"/a.network", p2v_span_str("[Match]\nName=ens3\n[Network]\nAddress=192.0.2.3/24\n"
					   "Gateway=192.0.2.1\n")};
	const struct net_file any = {
		"/b.network", p2v_span_str("[Match]\nName=en*\n[Network]\nDHCP=yes\n")};

	assert_int_equal(net_networkd_parse(&ens3, 1, &os, NULL), 0);
	assert_int_equal(net_networkd_parse(&any, 1, &os, NULL), 0);
	assert_int_equal(
		net_keyfile_parse(
			p2v_span_str("[connection]\ninterface-name=eno1\ntype=ethernet\n"
				     "[ethernet]\nmac-address=AA:BB:CC:00:00:01\n"
				     "[ipv4]\nmethod=manual\naddress1=10.0.0.2/8,10.0.0.1\n"),
			"/c.nmconnection", NULL, &os, NULL),
		0);
	assert_int_equal(net_ifcfg_parse(p2v_span_str("DEVICE=\"em1\"\nBOOTPROTO=none\n"
						      "IPADDR=10.0.0.3\nPREFIX=16\nMASTER=bond1\n"),
				 "/ifcfg-em1", "ifcfg-rh", NULL, &os, NULL),
		0);
	assert_int_equal(net_ifcfg_parse(p2v_span_str("BOOTPROTO='dhcp'\n"), "/ifcfg-eth5",
				 "ifcfg-suse", NULL, &os, NULL),
		0);
	assert_string_equal(nic(&os, "ens3")->addresses[0].gateway, "192.0.2.1");
	assert_string_equal(nic(&os, "eno1")->addresses[0].address, "10.0.0.2/8");
	assert_string_equal(nic(&os, "eno1")->mac, "aa:bb:cc:00:00:01");
	assert_string_equal(nic(&os, "em1")->addresses[0].address, "10.0.0.3/16");
	assert_string_equal(nic(&os, "bond1")->members[0], "em1");
	assert_string_equal(nic(&os, "eth5")->addresses[0].method, "dhcp");
	assert_int_equal(os.n_nics, 6);
	assert_string_equal(nic(&os, "")->matches[0].value, "en*");
	free_os(&os);
}

/* As Debian 7, SLES 11 and RHEL 5 wrote them; what names no one card is passed over. */
static void test_names(void **state)
{
	static const char rules[] =
		"# PCI device 0x14e4:0x1639 (bnx2)\n"
		"SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", "
		"ATTR{address}==\"00:1B:21:aa:00:01\", ATTR{type}==\"1\", KERNEL==\"eth*\", "
		"NAME=\"eth0\"\n"
		"SUBSYSTEM==\"net\", SYSFS{address}==\"00:1b:21:aa:00:02\", NAME = \"eth1\"\n"
		"SUBSYSTEM==\"net\", ATTR{address}!=\"00:1b:21:aa:00:03\", NAME=\"no\"\n"
		"SUBSYSTEM==\"net\", ATTR{address}==\"00:1b:21:aa:00:04\", NAME==\"no\"\n"
		"SUBSYSTEM==\"net\", ATTR{address}==\"00:1b:21:aa:00:05\", NAME=\"x%n\"\n"
		"ATTR{address}==\"00:1b:21:aa:00:06\", NAME=\"unfinished";
	static const char link[] = "[Match]\nMACAddress=00:1b:21:aa:00:07\n[Link]\nName=lan0\n";
	static const char by_path[] = "[Match]\nPath=pci-0000:00:19.0\n[Link]\nName=lan1\n";
	struct facts_os os = {0};

	(void)state;
	assert_int_equal(net_rules_parse(p2v_span_str(rules), "/r", &os, NULL), 0);
	assert_int_equal(net_link_parse(p2v_span_str(link), "/l", &os, NULL), 0);
	assert_int_equal(net_link_parse(p2v_span_str(by_path), "/p", &os, NULL), 0);
	assert_string_equal(nic(&os, "eth0")->mac, "00:1b:21:aa:00:01");
	assert_string_equal(nic(&os, "eth0")->kind, "name");
	assert_string_equal(nic(&os, "eth1")->mac, "00:1b:21:aa:00:02");
	assert_string_equal(nic(&os, "lan0")->dialect, "link");
	assert_string_equal(nic(&os, "unfinished")->mac, "00:1b:21:aa:00:06");
	assert_string_equal(nic(&os, "lan1")->matches[0].key, "path");
	assert_string_equal(nic(&os, "lan1")->matches[0].text, "Path=pci-0000:00:19.0");
	assert_int_equal(os.n_nics, 5);
	free_os(&os);
}

#define S(text) ((char *)(uintptr_t)(text))

/* One disk with two partitions, one volume on no disk of its own. */
static struct facts_disk disks[] = {{.id = S("disk0")}, {.id = S("disk1")}};
static struct facts_fs filesystems[] = {
	{.device = S("/dev/sda1"),
		.disk = S("disk0"),
		.part = 1,
		.uuid = S("ABCD-1"),
		.label = S("root"),
		.partuuid = S("p-01")},
	{.device = S("/dev/sda12"), .disk = S("disk0"), .part = 12, .uuid = S("u12")},
	{.device = S("/dev/my-vg/lv"), .disk = S(""), .uuid = S("u13")},
	{.device = S("/dev/sdb1"), .disk = S("disk1"), .part = 1, .uuid = S("u14")},
};

static const struct {
	const char *spec;
	int found; /* index, or -1 */
	bool hardware;
} specs[] = {
	{"UUID=abcd-1", 0, false},
	{"UUID=\"ABCD-1\"", 0, false},
	{"UUID=", -1, false},
	{"LABEL=root", 0, false},
	{"PARTUUID=p-01", 0, false},
	{"/dev/disk/by-uuid/u12", 1, false},
	{"/dev/sda1", 0, true},
	{"/dev/hda12", 1, true},
	{"/dev/sdb1", 3, true},
	{"/dev/sdc1", -1, true},
	{"/dev/sda2", -1, true},
	{"/dev/nvme0n1p1", 0, true},
	{"/dev/cciss/c0d1p1", 3, true},
	{"/dev/mmcblk0p12", 1, true},
	{"/dev/my-vg/lv", 2, false},
	{"/dev/mapper/my--vg-lv", 2, false},
	{"/dev/mapper/my-vg-lv", -1, false},
	{"/dev/disk/by-id/ata-x-part1", -1, true}, /* two disks: which one is not known */
	{"/dev/sda99999999999999999999", -1, false},
	{"/dev/sd", -1, false},
	{"/dev/sda1x", -1, false},
	{"tmpfs", -1, false},
	{"", -1, false},
};

static void test_specs(void **state)
{
	const struct facts facts = {.disks = disks,
		.n_disks = 2,
		.filesystems = filesystems,
		.n_filesystems = P2V_N(filesystems)};
	const struct facts one = {.disks = disks,
		.n_disks = 1,
		.filesystems = filesystems,
		.n_filesystems = P2V_N(filesystems)};

	(void)state;
	for (size_t i = 0; i < P2V_N(specs); i++) {
		struct p2v_span spec = p2v_span_str(specs[i].spec);
		const struct facts_fs *f = inspect_find_fs(&facts, spec);

		if (f != (specs[i].found < 0 ? NULL : &filesystems[specs[i].found]))
			fail_msg("%s means %s", specs[i].spec, f ? f->device : "nothing");
		assert_int_equal(inspect_is_hardware_name(spec), specs[i].hardware);
	}
	assert_ptr_equal(inspect_find_fs(&one, p2v_span_str("/dev/disk/by-path/pci-1-part12")),
		&filesystems[1]);
}

static void test_hardware_names(void **state)
{
	static const struct {
		const char *spec, *disk;
		uint64_t number, part;
	} names[] = {
		{"/dev/sda", "/dev/sda", 0, 0},
		{"/dev/sdab12", "/dev/sdab", 27, 12},
		{"/dev/cciss/c0d1p3", "/dev/cciss/c0d1", 1, 3},
		{"/dev/nvme1n1p2", "/dev/nvme1n1", 1, 2},
		{"/dev/mmcblk0", "/dev/mmcblk0", 0, 0},
		{"/dev/disk/by-id/ata-X_Y-part2", "/dev/disk/by-id/ata-X_Y", 0, 2},
		{"/dev/mapper/mpatha", "/dev/mapper/mpatha", 0, 0},
		{"/dev/mapper/mpathap1", "/dev/mapper/mpatha", 0, 1},
		{"/dev/mapper/mpathp1", "/dev/mapper/mpathp", 0, 1},
		{"/dev/mapper/mpathb3", "/dev/mapper/mpathb", 0, 3},
		{"/dev/mapper/mpath0p2", "/dev/mapper/mpath0", 0, 2},
		{"/dev/mapper/mpath12", "/dev/mapper/mpath12", 0, 0},
		{"/dev/mapper/mpatha-part4", "/dev/mapper/mpatha", 0, 4},
		{"/dev/mapper/3600508b1001c5c3b4cdcdcdcd0011223_part1",
			"/dev/mapper/3600508b1001c5c3b4cdcdcdcd0011223", 0, 1},
		{"/dev/mapper/3600508b1001c5c3b4cdcdcdcd0011223",
			"/dev/mapper/3600508b1001c5c3b4cdcdcdcd0011223", 0, 0},
		{"/dev/mapper/isw_abc_Volume0p1", "/dev/mapper/isw_abc_Volume0", 0, 1},
		{"/dev/mapper/vg-lv", NULL, 0, 0},
		{"/dev/mapper/root_crypt", NULL, 0, 0},
		{"/dev/vg/sda1", NULL, 0, 0},
		{"/dev/md1", NULL, 0, 0},
		{"/dev/sd", NULL, 0, 0},
		{"/dev/sda1x", NULL, 0, 0},
		{"/dev/nvme0", NULL, 0, 0},
		{"UUID=1", NULL, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < P2V_N(names); i++) {
		struct device_name d = {0};

		if (device_name_read(p2v_span_str(names[i].spec), &d) != (names[i].disk != NULL))
			fail_msg("%s", names[i].spec);
		if (names[i].disk &&
			(!p2v_span_eq(d.disk, names[i].disk) || d.number != names[i].number ||
				d.part != names[i].part))
			fail_msg("%s: %.*s, %d, %d", names[i].spec, (int)d.disk.n, d.disk.p,
				(int)d.number, (int)d.part);
	}
}

/* Each disk by its id, whatever the order. */
static void test_identify(void **state)
{
	char id0[] = "disk0", id1[] = "disk1", serial[] = "WD-WCC6Y0000001", wwn[] = "0x5000c500a1";
	struct machine_disk said[] = {{.id = id1, .serial = serial}, {.id = id0, .wwn = wwn}};
	const struct machine machine = {.disks = said, .n_disks = 2};
	struct facts_disk have[] = {{.id = id0}, {.id = id1}};
	struct facts facts = {.disks = have, .n_disks = 2};

	(void)state;
	assert_int_equal(inspect_storage_identify(&facts, &machine, NULL), 0);
	assert_null(have[0].serial);
	assert_string_equal(have[0].wwn, wwn);
	assert_string_equal(have[1].serial, serial);
	assert_null(have[1].wwn);
	free(have[0].wwn);
	free(have[1].serial);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fstab),
		cmocka_unit_test(test_fstab_bound),
		cmocka_unit_test(test_identify),
		cmocka_unit_test(test_ifupdown),
		cmocka_unit_test(test_other_dialects),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_specs),
		cmocka_unit_test(test_hardware_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

#include "agent/source/netname.h"
#include "p2v/core/cleanup.h"
#include "tree.h"

/* The examples of systemd.net-naming-scheme(7), and the corners between them. */
static const struct {
	struct netname_parts parts;
	const char *path, *slot, *onboard;
} cases[] = {
	{{.prefix = "en", .slot = 3}, "enp0s3", "", ""},
	{{.prefix = "en", .slot = 3, .hotplug_slot = 3}, "enp0s3", "ens3", ""},
	{{.prefix = "en", .slot = 31, .function = 6}, "enp0s31f6", "", ""},
	{{.prefix = "en", .bus = 2, .multifunction = true}, "enp2s0f0", "", ""},
	{{.prefix = "en", .bus = 2, .function = 1, .multifunction = true}, "enp2s0f1", "", ""},
	{{.prefix = "en", .bus = 5, .hotplug_slot = 1, .has_index = true, .index = 1}, "enp5s0",
		"ens1", "eno1"},
	{{.prefix = "en", .bus = 5, .has_index = true, .index = 65536}, "enp5s0", "", ""},
	{{.prefix = "en", .bus = 3, .dev_port = 1}, "enp3s0d1", "", ""},
	{{.prefix = "en", .bus = 3, .multifunction = true, .dev_port = 1, .port_name = "p1"},
		"enp3s0f0np1", "", ""},
	{{.prefix = "en", .domain = 0x10, .bus = 1}, "enP16p1s0", "", ""},
	{{.prefix = "en", .bus = 4, .slot = 2, .function = 3, .ari = true}, "enp4s2f19", "", ""},
	{{.prefix = "en", .bus = 6, .hotplug_slot = 4, .slot_is_bridge = true}, "enp6s0", "", ""},
	{{.prefix = "en",
		 .bus = 6,
		 .function = 1,
		 .multifunction = true,
		 .hotplug_slot = 4,
		 .slot_is_bridge = true},
		"enp6s0f1", "ens4f1", ""},
	{{.prefix = "wl", .bus = 3}, "wlp3s0", "", ""},
	{{.prefix = "ww", .slot = 29, .usb = "2-1.4:1.6"}, "wwp0s29u1u4i6", "", ""},
	{{.prefix = "en", .slot = 29, .usb = "2-1.2:1.0"}, "enp0s29u1u2", "", ""},
	{{.prefix = "en", .slot = 20, .usb = "1-3:2.1"}, "enp0s20u3c2i1", "", ""},
	/* Longer than the kernel takes: none. */
	{{.prefix = "en", .domain = 65536, .bus = 255, .slot = 31, .function = 7}, "", "", ""},
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < P2V_N(cases); i++) {
		struct netname got;

		source_netname_make(&cases[i].parts, &got);
		assert_string_equal(got.path, cases[i].path);
		assert_string_equal(got.slot, cases[i].slot);
		assert_string_equal(got.onboard, cases[i].onboard);
	}
}

static struct netname read_names(const char *root, const char *name, char pci[16])
{
	struct source_host host = {.root = root};
	struct netname_parts parts;
	struct netname got;

	assert_true(source_netname_read(&host, name, &parts, pci));
	source_netname_make(&parts, &got);
	return got;
}

#define PCI0 "/sys/devices/pci0000:00"

static void test_virtio_behind_pci(void **state)
{
	char *root = tree_new(), pci[16];
	struct netname got;

	(void)state;
	tree_dir(root, PCI0 "/0000:00:03.0/virtio0");
	tree_link(root, "/sys/class/net/eth0/device",
		"../../../devices/pci0000:00/0000:00:03.0/virtio0");
	tree_file(root, "/sys/bus/pci/slots/3/address", "0000:00:03\n");
	tree_file(root, "/sys/bus/pci/slots/31/address", "0000:00:1f\n");
	got = read_names(root, "eth0", pci);
	assert_string_equal(pci, "0000:00:03.0");
	assert_string_equal(got.path, "enp0s3");
	assert_string_equal(got.slot, "ens3");
	assert_string_equal(got.onboard, "");
	tree_free(root);
}

static void test_multifunction_below_a_slot_bridge(void **state)
{
	char *root = tree_new(), pci[16];
	uint8_t config[64] = {[0x0e] = 0x80};
	struct netname got;

	(void)state;
	tree_bytes(root, PCI0 "/0000:00:1c.0/0000:02:00.1/config", config, sizeof(config));
	tree_file(root, PCI0 "/0000:00:1c.0/0000:02:00.1/acpi_index", "2\n");
	tree_file(root, PCI0 "/0000:00:1c.0/class", "0x060400\n");
	tree_link(root, "/sys/class/net/eth1/device",
		"../../../devices/pci0000:00/0000:00:1c.0/0000:02:00.1");
	tree_file(root, "/sys/class/net/eth1/dev_port", "0\n");
	tree_file(root, "/sys/bus/pci/slots/7/address", "0000:00:1c\n");
	got = read_names(root, "eth1", pci);
	assert_string_equal(pci, "0000:02:00.1");
	assert_string_equal(got.path, "enp2s0f1");
	assert_string_equal(got.slot, "ens7f1");
	assert_string_equal(got.onboard, "eno2");
	tree_free(root);
}

static void test_usb(void **state)
{
	char *root = tree_new(), pci[16];
	struct netname got;

	(void)state;
	tree_dir(root, PCI0 "/0000:00:1d.0/usb2/2-1/2-1.2/2-1.2:1.0");
	tree_link(root, "/sys/class/net/usb0/device",
		"../../../devices/pci0000:00/0000:00:1d.0/usb2/2-1/2-1.2/2-1.2:1.0");
	got = read_names(root, "usb0", pci);
	assert_string_equal(got.path, "enp0s29u1u2");
	tree_free(root);
}

static void test_no_pci_above(void **state)
{
	char *root = tree_new(), pci[16];
	struct source_host host = {.root = root};
	struct netname_parts parts;

	(void)state;
	tree_dir(root, "/sys/devices/platform/eth.0");
	tree_link(root, "/sys/class/net/eth0/device", "../../../devices/platform/eth.0");
	assert_false(source_netname_read(&host, "eth0", &parts, pci));
	assert_false(source_netname_read(&host, "eth9", &parts, pci));
	tree_free(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_virtio_behind_pci),
		cmocka_unit_test(test_multifunction_below_a_slot_bridge),
		cmocka_unit_test(test_usb),
		cmocka_unit_test(test_no_pci_above),
	};

	return cmocka_run_group_tests_name("agent-netname", tests, NULL, NULL);
}

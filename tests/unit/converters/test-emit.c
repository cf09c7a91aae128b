/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "converters/emit/description.h"
#include "converters/emit/hw.h"
#include "converters/emit/qemu.h"
#include "converters/emit/qimg.h"
#include "converters/emit/usernet.h"
#include "converters/emit/xml.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"

static char s_name[] = "web01", s_q35[] = "q35", s_pc[] = "pc", s_bios[] = "bios";
static char s_disk0[] = "disk0", s_disk1[] = "disk1", s_path[] = "output/web01-disk0.qcow2";
static char s_qcow2[] = "qcow2", s_blk[] = "virtio-blk", s_scsi[] = "virtio-scsi", s_ide[] = "ide";
static char s_sata[] = "sata", s_net[] = "virtio-net", s_mac[] = "00:1b:21:aa:bb:01";
static char s_uuid[] = "11111111-2222-3333-4444-555555555555", s_local[] = "localtime";
static char s_address[] = "192.0.2.10/24", s_gateway[] = "192.0.2.1";
static char *addresses[] = {s_address};

static char s_relaxed[] = "relaxed", s_spinlocks[] = "spinlocks", s_vpindex[] = "vpindex",
	    s_synic[] = "synic", s_stimer[] = "stimer", s_evil[] = "a b";

struct fixture {
	struct output output;
	struct output_disk disks[70];
	struct output_nic nics[14];
};

static void fixture_init(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->disks[0] = (struct output_disk){
		.id = s_disk0, .path = s_path, .format = s_qcow2, .bus = s_blk, .boot_order = 1};
	f->disks[1] = f->disks[0];
	f->disks[1].id = s_disk1;
	f->disks[1].boot_order = 0;
	f->nics[0] = (struct output_nic){.mac = s_mac,
		.model = s_net,
		.addresses = addresses,
		.n_addresses = 1,
		.gateway = s_gateway};
	f->output = (struct output){.version = 1,
		.name = s_name,
		.uuid = s_uuid,
		.machine = s_q35,
		.firmware = s_bios,
		.memory_bytes = (UINT64_C(3) << 30) + 1,
		.cpus = 4,
		.rtc = s_local,
		.disks = f->disks,
		.n_disks = 2,
		.nics = f->nics,
		.n_nics = 1};
}

/* The arguments, each followed by a blank. */
static char *args_text(const struct fixture *f, const struct machine *machine)
{
	static const char *const files[] = {"/a,b/disk0", "/disk1"};
	const struct emit_qemu qemu = {
		.output = &f->output, .machine = machine, .disk_files = files, .isolated = true};
	p2v_auto_emit_argv struct emit_argv argv = {0};
	struct p2v_buf text = {0};
	struct p2v_err err = {0};

	if (emit_qemu_args(&qemu, &argv, &err) < 0)
		fail_msg("%s", err.text);
	assert_null(argv.args[argv.n]);
	for (size_t i = 0; i < argv.n; i++)
		p2v_buf_addf(&text, "%s ", argv.args[i]);
	return p2v_buf_take_str(&text);
}

static void args_describe_the_machine(void **state)
{
	static const char *const wanted[] = {"-m 3073M ",
		"-smp cpus=4,sockets=2,cores=2,threads=1 ", "-rtc base=localtime ",
		"-uuid 11111111-2222-3333-4444-555555555555 ", "file.filename=/a,,b/disk0 ",
		"virtio-blk-pci,id=disk0,drive=disk0-node,bus=pcie.0,addr=8.0,bootindex=1 ",
		"scsi-hd,id=disk1,drive=disk1-node,bus=scsi0.0,channel=0,scsi-id=0,lun=0,logical_"
		"block_size=4096,physical_block_size=4096 ",
		"-device virtio-scsi-pci,id=scsi0,bus=pcie.0,addr=4.0 ",
		"user,id=net0,restrict=on,net=192.0.2.0/24,host=192.0.2.1,dns=192.0.2.254 ",
		"mac=00:1b:21:aa:bb:01,bus=pcie.0,addr=10.0,romfile= ",
		"-smbios type=1,manufacturer=Dell,, Inc.,serial=A?B "};
	char vendor[] = "Dell, Inc.", serial[] = "A\nB";
	struct machine machine = {.sockets = 2, .vendor = vendor, .serial = serial};
	struct fixture f;
	p2v_autofree char *text = NULL;

	(void)state;
	fixture_init(&f);
	f.disks[1].bus = s_scsi;
	f.disks[1].logical_sector_bytes = 4096;
	text = args_text(&f, &machine);
	for (size_t i = 0; i < P2V_N(wanted); i++)
		if (!strstr(text, wanted[i]))
			fail_msg("no '%s' in %s", wanted[i], text);
}

static void args_place_emulated_disks(void **state)
{
	struct fixture f;
	p2v_autofree char *pc = NULL, *q35 = NULL;

	(void)state;
	fixture_init(&f);
	f.disks[0].bus = f.disks[1].bus = s_sata;
	q35 = args_text(&f, NULL);
	assert_non_null(strstr(q35, "ide-hd,id=disk1,drive=disk1-node,bus=ide.1 "));
	assert_null(strstr(q35, "ahci"));
	f.output.machine = s_pc;
	f.disks[0].bus = s_ide;
	pc = args_text(&f, NULL);
	assert_non_null(strstr(pc, "drive=disk0-node,bus=ide.0,unit=0,bootindex=1 "));
	assert_non_null(strstr(pc, "drive=disk1-node,bus=sata0.0 "));
	assert_non_null(strstr(pc, "-device ahci,id=sata0,bus=pci.0,addr=7.0 "));
}

static void slots_never_collide(void **state)
{
	bool seen[32][8] = {{false}};

	(void)state;
	for (size_t i = 0; i < 64; i++) {
		struct emit_slot s = emit_disk_slot(i, 64);

		assert_true(s.slot >= 8 && s.slot < 0x10 && s.function < 8);
		assert_false(seen[s.slot][s.function]);
		assert_int_equal(s.multifunction, s.function == 0);
		seen[s.slot][s.function] = true;
	}
	for (size_t i = 0; i < 96; i++) {
		struct emit_slot s = emit_nic_slot(i, 96);

		assert_true(s.slot >= 0x10 && s.slot < 0x1c && s.function < 8);
		assert_false(seen[s.slot][s.function]);
		seen[s.slot][s.function] = true;
	}
	assert_false(emit_disk_slot(0, 8).multifunction);
	assert_true(emit_disk_slot(0, 9).multifunction);
	assert_false(emit_disk_slot(1, 9).multifunction);
}

static void expect_refused(struct fixture *f, int kind, const char *part)
{
	struct p2v_err err = {0};

	assert_int_equal(emit_hw_check(&f->output, &err), kind);
	if (!strstr(err.text, part))
		fail_msg("no '%s' in '%s'", part, err.text);
}

static void check_names_what_does_not_fit(void **state)
{
	char evil[] = "web01,id=x", mac[] = "00:1b:21:aa:bb:01,bus=x", floppy[] = "floppy";
	char uuid[] = "11111111-2222-3333-4444-55555555555g", none[] = "ne2k", vax[] = "vax";
	struct fixture f;

	(void)state;
	fixture_init(&f);
	f.output.name = evil;
	expect_refused(&f, P2V_EFORMAT, "web01,id=x");
	fixture_init(&f);
	f.nics[0].mac = mac;
	expect_refused(&f, P2V_EFORMAT, "MAC");
	fixture_init(&f);
	f.nics[0].model = none;
	expect_refused(&f, P2V_EUNSUPPORTED, "ne2k");
	fixture_init(&f);
	f.output.uuid = uuid;
	expect_refused(&f, P2V_EFORMAT, "UUID");
	fixture_init(&f);
	f.output.machine = vax;
	expect_refused(&f, P2V_EUNSUPPORTED, "vax");
	fixture_init(&f);
	f.disks[1].bus = floppy;
	expect_refused(&f, P2V_EUNSUPPORTED, "disk1: disk bus 'floppy'");
	fixture_init(&f);
	f.disks[1].bus = s_ide;
	expect_refused(&f, P2V_EUNSUPPORTED, "only on machine type pc");
	fixture_init(&f);
	f.disks[0].bus = s_sata;
	f.disks[0].logical_sector_bytes = 4096;
	expect_refused(&f, P2V_EUNSUPPORTED, "4096");
	fixture_init(&f);
	for (size_t i = 0; i < 7; i++)
		f.disks[i] = (struct output_disk){.id = s_disk0, .bus = s_sata};
	f.output.n_disks = 7;
	expect_refused(&f, P2V_EUNSUPPORTED, "room for 6");
}

static void usernet_is(const char *net, const char *host, const char *dns, const char *gateway,
	const char *a, const char *b)
{
	char *list[2] = {strdup(a), b ? strdup(b) : NULL};
	char *gw = gateway ? strdup(gateway) : NULL;
	struct output_nic nic = {.addresses = list, .n_addresses = b ? 2 : 1, .gateway = gw};
	struct emit_usernet got = emit_usernet_of(&nic);

	assert_int_equal(got.set, net != NULL);
	if (net) {
		assert_string_equal(got.net, net);
		assert_string_equal(got.host, host);
		assert_string_equal(got.dns, dns);
	}
	free(list[0]);
	free(list[1]);
	free(gw);
}

/* What has a tag does not shape the network of what has none. */
static void usernet_leaves_vlans_out(void **state)
{
	char plain[] = "192.0.2.10/24", tagged[] = "10.30.0.10/24", gateway[] = "10.30.0.1";
	char *both[] = {tagged, plain};
	struct plan_tag tag = {tagged, 30};
	struct output_nic nic = {.addresses = both,
		.n_addresses = 2,
		.tagged = &tag,
		.n_tagged = 1,
		.gateway = gateway};
	struct emit_usernet got = emit_usernet_of(&nic);

	(void)state;
	assert_string_equal(got.net, "192.0.2.0/24");
	assert_string_equal(got.host, "192.0.2.254");
	nic.n_addresses = 1;
	got = emit_usernet_of(&nic);
	assert_string_equal(got.net, "10.30.0.0/24");
	assert_string_equal(got.host, "10.30.0.1");
}

static void usernet_takes_the_guests_shape(void **state)
{
	(void)state;
	usernet_is("192.0.2.0/24", "192.0.2.1", "192.0.2.254", "192.0.2.1", "192.0.2.10/24", NULL);
	/* The guest has the address that ours would be. */
	usernet_is("192.0.2.0/24", "192.0.2.1", "192.0.2.253", "192.0.2.1", "192.0.2.254/24", NULL);
	/* No gateway. */
	usernet_is("10.0.0.0/8", "10.255.255.254", "10.255.255.253", NULL, "10.1.2.3/8", NULL);
	/* A host route and a gateway elsewhere; a subnet too small for QEMU. */
	usernet_is("10.1.0.0/16", "10.1.128.1", "10.1.255.254", "10.1.128.1", "10.1.2.3/32", NULL);
	usernet_is("192.0.2.8/29", "192.0.2.9", "192.0.2.14", "192.0.2.9", "192.0.2.10/30", NULL);
	/* A VLAN's address beside the card's: the network is the gateway's. */
	usernet_is("192.0.2.0/24", "192.0.2.1", "192.0.2.254", "192.0.2.1", "10.30.0.9/24",
		"192.0.2.90/24");
	usernet_is("192.0.2.0/24", "192.0.2.254", "192.0.2.253", NULL, "192.0.2.90/24",
		"10.30.0.9/24");
	/* A gateway that no subnet reaches. */
	usernet_is("192.0.2.0/24", "192.0.2.254", "192.0.2.253", "10.255.255.1", "192.0.2.90/24",
		NULL);
	/* Two addresses, one of another kind. */
	usernet_is("192.0.2.0/23", "192.0.2.1", "192.0.3.254", "192.0.2.1", "192.0.2.10/24",
		"192.0.3.10/24");
	usernet_is("192.0.2.0/24", "192.0.2.1", "192.0.2.254", "192.0.2.1", "2001:db8::1/64",
		"192.0.2.10");
	usernet_is(NULL, NULL, NULL, NULL, "2001:db8::1/64", "nonsense");
	usernet_is(NULL, NULL, NULL, NULL, "192.0.2.10/33", NULL);
}

static void xml_escapes_everything(void **state)
{
	p2v_autobuf struct p2v_buf out = {0};
	struct emit_xml xml = {.out = &out};

	(void)state;
	emit_xml_start(&xml, "a", "k", "'\"<>&", "left-out", NULL, NULL);
	emit_xml_text(&xml, "b", "x\x01\n]]>\xff\xef\xbf\xbf", NULL);
	emit_xml_empty(&xml, "c", "k", "\xc3\xa4", NULL);
	emit_xml_end(&xml);
	assert_string_equal((const char *)out.data, "<a k='&apos;&quot;&lt;&gt;&amp;'>\n"
						    "  <b>x??]]&gt;\xef\xbf\xbd?</b>\n"
						    "  <c k='\xc3\xa4'/>\n"
						    "</a>\n");
}

/* Well-formed and of the schema, where the checkers are installed. */
static void xml_check(const struct p2v_buf *xml)
{
	static const char schema[] = "/usr/share/libvirt/schemas/domain.rng";
	const char *const formed[] = {"xmllint", "--noout", "-", NULL};
	const char *const valid[] = {"xmllint", "--noout", "--relaxng", schema, "-", NULL};
	struct p2v_err err = {0};

	if (!p2v_proc_exists("xmllint"))
		return;
	if (p2v_proc_run(access(schema, R_OK) == 0 ? valid : formed, xml->data, xml->len, 60000,
		    NULL, &err) < 0)
		fail_msg("%s\n%s", err.text, (const char *)xml->data);
}

static void domain_is_valid_whatever_the_strings(void **state)
{
	char vendor[] = "<evil attr='&'>\x02", nvram[] = "output/web01_VARS.fd";
	struct machine machine = {.vendor = vendor, .sockets = 2};
	struct emit_description_input in = {.machine = &machine, .dir = "/tmp/it's <a> & b"};
	p2v_autobuf struct p2v_buf xml = {0};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	f.disks[1].bus = s_scsi;
	f.disks[1].logical_sector_bytes = 4096;
	f.output.nvram = nvram;
	f.output.secure_boot = true;
	in.firmware = (struct emit_firmware){"/fw/code.fd", "/fw/vars.fd"};
	in.output = &f.output;
	assert_int_equal(emit_domain_write(&in, &xml, NULL), 0);
	xml_check(&xml);
	assert_null(strstr((char *)xml.data, "<evil"));
	assert_non_null(strstr((char *)xml.data, "<memory unit='MiB'>3073</memory>"));
	assert_non_null(strstr((char *)xml.data, "<clock offset='localtime'/>"));
	assert_non_null(strstr((char *)xml.data, "<target dev='vda' bus='virtio'/>"));
	assert_non_null(strstr((char *)xml.data, "<target dev='sda' bus='scsi'/>"));
	assert_non_null(strstr((char *)xml.data, "<mac address='00:1b:21:aa:bb:01'/>"));
	p2v_buf_reset(&xml);
	f.output.machine = s_pc;
	f.output.secure_boot = false;
	f.disks[0].bus = s_ide;
	f.disks[1] = f.disks[0];
	f.disks[1].bus = s_sata;
	f.disks[1].boot_order = 2;
	in.firmware = (struct emit_firmware){0};
	assert_int_equal(emit_domain_write(&in, &xml, NULL), 0);
	xml_check(&xml);
}

static void be_windows(struct fixture *f)
{
	static char windows[] = "windows",
		    *hyperv[] = {s_relaxed, s_spinlocks, s_vpindex, s_synic, s_stimer};

	fixture_init(f);
	f->output.os = windows;
	f->output.hyperv = hyperv;
	f->output.n_hyperv = P2V_N(hyperv);
	f->output.tpm = true;
}

static void domain_for_windows(void **state)
{
	static char *evil[] = {s_evil};
	struct emit_description_input in = {.dir = "/tmp/job"};
	p2v_autobuf struct p2v_buf xml = {0};
	struct fixture f;

	(void)state;
	be_windows(&f);
	in.output = &f.output;
	assert_int_equal(emit_domain_write(&in, &xml, NULL), 0);
	xml_check(&xml);
	assert_non_null(strstr((char *)xml.data, "<spinlocks state='on' retries='8191'/>"));
	assert_non_null(strstr((char *)xml.data, "<clock offset='localtime'>"));
	assert_non_null(strstr((char *)xml.data, "<timer name='hpet' present='no'/>"));
	assert_non_null(strstr((char *)xml.data, "<backend type='emulator' version='2.0'/>"));
	assert_non_null(strstr((char *)xml.data, "<panic model='hyperv'/>"));
	f.output.hyperv = evil;
	f.output.n_hyperv = 1;
	assert_int_equal(emit_domain_write(&in, &xml, NULL), P2V_EFORMAT);
}

/* The script starts the machine that the domain describes. */
static void script_for_windows(void **state)
{
	static const char *const words[] = {
		"-cpu max,hv-relaxed=on,hv-spinlocks=8191,hv-vpindex=on,",
		",hv-time=on,hv-crash=on", "hpet=off", "base=localtime,driftfix=slew",
		"swtpm socket", "-device tpm-crb"};
	struct emit_description_input in = {.dir = "/tmp/job"};
	p2v_autobuf struct p2v_buf text = {0};
	struct fixture f;

	(void)state;
	be_windows(&f);
	in.output = &f.output;
	assert_int_equal(emit_script_write(&in, &text, NULL), 0);
	assert_int_equal(p2v_proc_run((const char *const[]){"sh", "-n", NULL}, text.data, text.len,
				 60000, NULL, NULL),
		0);
	for (size_t i = 0; i < P2V_N(words); i++)
		if (!strstr((char *)text.data, words[i]))
			fail_msg("no '%s' in\n%s", words[i], (char *)text.data);
}

static void script_is_shell_and_quotes(void **state)
{
	const char *const check[] = {"sh", "-n", NULL};
	char vendor[] = "it's $(reboot) `x`";
	struct machine machine = {.vendor = vendor};
	struct emit_description_input in = {.machine = &machine, .dir = "/tmp/job"};
	p2v_autobuf struct p2v_buf text = {0};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	in.output = &f.output;
	assert_int_equal(emit_script_write(&in, &text, NULL), 0);
	assert_int_equal(p2v_proc_run(check, text.data, text.len, 60000, NULL, NULL), 0);
	assert_non_null(
		strstr((char *)text.data, "-smbios 'type=1,manufacturer=it'\\''s $(reboot) `x`'"));
	assert_non_null(strstr((char *)text.data, "file.filename=web01-disk0.qcow2 \\\n"));
	assert_null(strstr((char *)text.data, "restrict=on"));
}

static void info_reads_what_qemu_img_says(void **state)
{
	static const char text[] =
		"{\"virtual-size\":64,\"format\":\"qcow2\",\"full-backing-filename\":\"/b\","
		"\"snapshots\":[{\"name\":\"other\"},{\"name\":\"p2v-pristine\"}]}";
	struct emit_qimg_info info = {0};

	(void)state;
	assert_int_equal(emit_qimg_info_decode(text, strlen(text), "p2v-pristine", &info, NULL), 0);
	assert_true(info.has_snapshot);
	assert_string_equal(info.backing, "/b");
	assert_int_equal(info.virtual_size, 64);
	emit_qimg_info_finish(&info);
	assert_int_equal(emit_qimg_info_decode(text, strlen(text), "p2v", &info, NULL), 0);
	assert_false(info.has_snapshot);
	emit_qimg_info_finish(&info);
	for (size_t n = 0; n < strlen(text); n++)
		assert_true(emit_qimg_info_decode(text, n, NULL, &info, NULL) < 0);
	assert_null(info.format);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(args_describe_the_machine),
		cmocka_unit_test(args_place_emulated_disks),
		cmocka_unit_test(slots_never_collide),
		cmocka_unit_test(check_names_what_does_not_fit),
		cmocka_unit_test(usernet_leaves_vlans_out),
		cmocka_unit_test(usernet_takes_the_guests_shape),
		cmocka_unit_test(xml_escapes_everything),
		cmocka_unit_test(domain_is_valid_whatever_the_strings),
		cmocka_unit_test(domain_for_windows),
		cmocka_unit_test(script_for_windows),
		cmocka_unit_test(script_is_shell_and_quotes),
		cmocka_unit_test(info_reads_what_qemu_img_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "converters/prove/console.h"
#include "converters/prove/qmp.h"
#include "converters/prove/verdict.h"
#include "converters/prove/wire.h"
#include "p2v/core/cleanup.h"

static char s_disk0[] = "disk0", s_bus[] = "virtio-blk", s_mac[] = "52:54:00:12:34:56";
static char s_a4[] = "192.0.2.10/24", s_a6[] = "2001:db8::10/64", s_bad[] = "not an address";
static char *addresses[] = {s_a4, s_bad, s_a6};
static struct output_disk disk = {.id = s_disk0, .bus = s_bus};
static struct output_nic nic = {.mac = s_mac, .addresses = addresses, .n_addresses = 3};
static struct output output = {.disks = &disk, .n_disks = 1, .nics = &nic, .n_nics = 1};

/* ---- console ---- */

static struct prove_console heard(const char *text)
{
	struct prove_console c = {.output = &output};

	prove_console_feed(&c, text, strlen(text));
	prove_console_feed(&c, "\n", 1);
	return c;
}

static void console_sees_an_ordinary_boot(void **state)
{
	struct prove_console c =
		heard("\x1b[2J\x1b[1;1HWelcome to GRUB!\r\n"
		      "[    0.000000] Linux version 6.1.0-28-amd64 (debian)\r\n"
		      "[    4.1] EXT4-fs (vda1): mounted filesystem with ordered data mode.\r\n"
		      "[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mgetty\x1b[0m.\r\n\r\n"
		      "Debian GNU/Linux 12 web01 ttyS0\r\n\r\nweb01 login: ");

	(void)state;
	assert_string_equal(c.kernel, "[    0.000000] Linux version 6.1.0-28-amd64 (debian)");
	assert_string_equal(
		c.root, "[    4.1] EXT4-fs (vda1): mounted filesystem with ordered data mode.");
	assert_string_equal(c.login, "web01 login:");
	assert_null(c.failure_reason);
}

static void console_hears_bytes_one_by_one(void **state)
{
	static const char text[] = "[1] XFS (vda2): Ending clean mount\nweb01 \x1b[1mlogin: ";
	struct prove_console c = {.output = &output};

	(void)state;
	for (size_t i = 0; i < strlen(text); i++)
		prove_console_feed(&c, text + i, 1);
	/* The mount is told whole; the prompt has no end of line. */
	assert_string_equal(c.root, "[1] XFS (vda2): Ending clean mount");
	assert_string_equal(c.login, "web01 login:");
}

static void console_takes_only_our_disks_for_root(void **state)
{
	static const char *const ours[] = {"EXT4-fs (vda1): mounted filesystem with",
		"BTRFS info (device vda2): using crc32c", "/dev/vda1: clean, 1/2 files",
		"EXT4-fs (dm-0): mounted filesystem", "XFS (md127): Mounting V5 Filesystem"};
	static const char *const others[] = {"EXT4-fs (sda1): mounted filesystem",
		"EXT4-fs (vda1): unmounting filesystem", "XFS (loop0): Mounting", "vda: vda1 vda2"};

	(void)state;
	for (size_t i = 0; i < P2V_N(ours); i++)
		assert_string_equal(heard(ours[i]).root, ours[i]);
	for (size_t i = 0; i < P2V_N(others); i++)
		assert_string_equal(heard(others[i]).root, "");
}

static void console_names_failures(void **state)
{
	static const struct {
		const char *text, *part;
	} rows[] = {
		{"[ 1.0] Kernel panic - not syncing: VFS: Unable to mount root fs", "kernel panic"},
		{"Gave up waiting for root file system device.  Common problems:\n", "initramfs"},
		{"ALERT!  UUID=1234 does not exist.  Dropping to a shell!\n", "initramfs"},
		{"\n(initramfs) ", "initramfs shell"},
		{"\r\ndracut:/# ", "dracut shell"},
		{"You are in emergency mode. After logging in", "emergency mode"},
		{"error: no such device: 1.\nEntering rescue mode...\ngrub rescue> ",
			"GRUB rescue"},
		{"No bootable device.\n", "no bootable device"},
	};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		struct prove_console c = heard(rows[i].text);

		assert_non_null(c.failure_reason);
		assert_non_null(strstr(c.failure_reason, rows[i].part));
		assert_true(strlen(c.failure) > 0);
	}
	/* A mention is no prompt, and the first failure is the cause. */
	assert_null(
		heard("systemd: Switch Root (initramfs) done\nuse grub> to edit").failure_reason);
	assert_non_null(
		strstr(heard("ALERT!  UUID=1 does not exist.\n(initramfs) ").failure, "UUID=1"));
}

static void console_counts_units(void **state)
{
	struct prove_console c =
		heard("[\x1b[0;32m  OK  \x1b[0m] Started cron.service\r\n"
		      "[\x1b[0;1;31mFAILED\x1b[0m] Failed to start smartd.service - Disks.\r\n"
		      "See 'systemctl status smartd.service' for details.\r\n"
		      "echo [FAILED] Failed to start nothing\r\n"
		      "[\x1b[0;1;38;5;185mDEPEND\x1b[0m] Dependency failed for /srv.\r\n");

	(void)state;
	assert_int_equal(c.n_units, 2);
	assert_string_equal(c.unit, "[FAILED] Failed to start smartd.service - Disks.");
	assert_null(c.failure_reason);
}

static void console_hears_questions_for_a_passphrase(void **state)
{
	static const char *const asked[] = {
		"Please unlock disk sda2_crypt: ",
		"\x1b[0;1;39mPlease enter passphrase for disk QEMU (luks-1): (press TAB for no "
		"echo) ",
		"Enter passphrase for /dev/vda3: ",
	};

	(void)state;
	for (size_t i = 0; i < P2V_N(asked); i++) {
		struct prove_console c = {.output = &output};

		for (int again = 1; again <= 2; again++) {
			for (size_t at = 0; at < strlen(asked[i]); at++)
				prove_console_feed(&c, asked[i] + at, 1);
			assert_int_equal(c.n_prompts, again);
			assert_non_null(
				strstr(c.prompt, "lock disk") ?: strstr(c.prompt, "passphrase"));
			prove_console_feed(&c, "\r\n", 2);
		}
	}
	/* What is said about one is no question. */
	assert_int_equal(heard("Enter passphrase for /dev/vda3: No key available").n_prompts, 1);
	assert_int_equal(heard("systemd: Started Forward Password Requests").n_prompts, 0);
}

static void console_bounds_and_cleans(void **state)
{
	struct prove_console c = {.output = &output};
	char flood[5000];

	(void)state;
	memset(flood, 'x', sizeof(flood));
	prove_console_feed(&c, "Linux version \x01\xff\x7f\t", 18);
	prove_console_feed(&c, flood, sizeof(flood));
	prove_console_feed(&c, "\n", 1);
	assert_int_equal(strlen(c.kernel), PROVE_EVIDENCE - 1);
	assert_int_equal(strspn(c.kernel + strlen("Linux version "), "x"), strlen(c.kernel) - 14);
	c = heard("Linux version \x1b]0;title\x07"
		  "6\n");
	assert_string_equal(c.kernel, "Linux version 6");
}

static void console_reads_the_text_screen(void **state)
{
	static const char row[] = "grub rescue> ";
	uint8_t cells[PROVE_SCREEN_BYTES] = {0};
	struct prove_console c = {.output = &output};

	(void)state;
	for (size_t i = 0; row[i]; i++) {
		cells[160 * 3 + 2 * i] = (uint8_t)row[i];
		cells[160 * 3 + 2 * i + 1] = 7;
	}
	prove_console_feed_screen(&c, cells, sizeof(cells));
	assert_non_null(c.failure_reason);
	prove_console_feed_screen(&c, cells, 159);
}

/* ---- wire ---- */

static const uint8_t guest_mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

static void add_header(struct p2v_buf *b)
{
	static const uint8_t header[24] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, [18] = 1, [20] = 1};

	p2v_buf_add(b, header, sizeof(header));
}

static void add_frame(
	struct p2v_buf *b, const uint8_t source[6], uint16_t type, const void *body, size_t n)
{
	const uint32_t length = (uint32_t)n + 14;
	const uint8_t record[16] = {
		[8] = (uint8_t)length, (uint8_t)(length >> 8), [12] = (uint8_t)length};

	p2v_buf_add(b, record, 16);
	p2v_buf_add(b, "\xff\xff\xff\xff\xff\xff", 6);
	p2v_buf_add(b, source, 6);
	p2v_buf_add_be16(b, type);
	p2v_buf_add(b, body, n);
}

static void add_arp(
	struct p2v_buf *b, const uint8_t frame_mac[6], const uint8_t mac[6], uint8_t last)
{
	uint8_t arp[28] = {0, 1, 8, 0, 6, 4, 0, 2, [14] = 192, 0, 2, last, [24] = 192, 0, 2, 1};

	memcpy(arp + 8, mac, 6);
	add_frame(b, frame_mac, 0x0806, arp, sizeof(arp));
}

static void add_ip4(
	struct p2v_buf *b, uint8_t protocol, uint8_t last, const uint8_t *body, size_t n)
{
	uint8_t ip[64] = {0x45, [9] = protocol, [12] = 192, 0, 2, last};

	memcpy(ip + 20, body, n);
	add_frame(b, guest_mac, 0x0800, ip, 20 + n);
}

static struct prove_wire read_all(const struct p2v_buf *b)
{
	struct prove_wire wire;
	size_t taken = 0;

	prove_wire_init(&wire, &nic);
	assert_int_equal(wire.n_addresses, 2);
	assert_int_equal(prove_wire_feed(&wire, b->data, b->len, &taken, NULL), 0);
	assert_int_equal(taken, b->len);
	return wire;
}

static void wire_wants_address_and_mac(void **state)
{
	static const uint8_t qemu[6] = {0x52, 0x55, 192, 0, 2, 1};
	p2v_autobuf struct p2v_buf b = {0};

	(void)state;
	add_header(&b);
	add_arp(&b, guest_mac, guest_mac, 11); /* another address */
	add_arp(&b, qemu, qemu, 10);
	add_arp(&b, guest_mac, qemu, 10);
	assert_false(read_all(&b).addresses[0].announced);
	add_arp(&b, guest_mac, guest_mac, 10);
	assert_true(read_all(&b).addresses[0].announced);
	assert_string_equal(read_all(&b).addresses[0].how, "ARP reply");
	assert_false(read_all(&b).addresses[0].answered);
}

/* The tag that the guest put on the frame is a part of the evidence; the innermost of two counts.
 */
static void wire_names_vlans(void **state)
{
	static const uint8_t arp[] = {0, 1, 8, 0, 6, 4, 0, 1, 0, 0x1b, 0x21, 0xaa, 0, 1, 192, 0, 2,
		10, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1};
	uint8_t tagged[4 + 4 + sizeof(arp)] = {0x20, 7, 0x81, 0, 0x60, 42, 8, 6};
	p2v_autobuf struct p2v_buf once = {0}, twice = {0}, cut = {0};

	(void)state;
	memcpy(tagged + 8, arp, sizeof(arp));
	memcpy(tagged + 16, guest_mac, 6);
	add_header(&once);
	add_frame(&once, guest_mac, 0x8100, tagged + 4, sizeof(tagged) - 4);
	assert_string_equal(read_all(&once).addresses[0].how, "ARP request in VLAN 42");
	add_header(&twice);
	add_frame(&twice, guest_mac, 0x88a8, tagged, sizeof(tagged));
	assert_string_equal(read_all(&twice).addresses[0].how, "ARP request in VLAN 42");
	add_header(&cut);
	add_frame(&cut, guest_mac, 0x8100, tagged + 4, 3);
	assert_false(read_all(&cut).addresses[0].announced);
	/* A tag is of its own frame only. */
	add_arp(&cut, guest_mac, guest_mac, 10);
	assert_string_equal(read_all(&cut).addresses[0].how, "ARP reply");
}

/* An address that is known to stand in a VLAN: seen and answered with its tag only. */
static void wire_asks_in_a_vlan(void **state)
{
	static char address[] = "192.0.2.10/28";
	static char *one[] = {address};
	static struct plan_tag tag = {address, 42};
	static const struct output_nic tagged = {
		.mac = s_mac, .addresses = one, .n_addresses = 1, .tagged = &tag, .n_tagged = 1};
	static const uint8_t question[18 + 28] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x55,
		0x70, 0x32, 0x76, 1, 0x81, 0, 0, 42, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x55, 0x70,
		0x32, 0x76, 1, 192, 0, 2, 14, 0, 0, 0, 0, 0, 0, 192, 0, 2, 10};
	uint8_t reply[2 + 2 + 28] = {0, 43, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2, 0x52, 0x54, 0, 0x12, 0x34,
		0x56, 192, 0, 2, 10, 0x52, 0x55, 0x70, 0x32, 0x76, 1, 192, 0, 2, 14};
	p2v_autobuf struct p2v_buf frame = {0}, dump = {0};
	struct prove_wire wire;
	size_t taken;

	(void)state;
	prove_wire_init(&wire, &tagged);
	assert_true(prove_wire_ask(&wire, 0, &frame));
	assert_int_equal(frame.len, 64);
	assert_memory_equal(frame.data, question, sizeof(question));
	add_header(&dump);
	add_frame(&dump, guest_mac, 0x8100, reply, sizeof(reply));
	assert_return_code(prove_wire_feed(&wire, dump.data, dump.len, &taken, NULL), 0);
	assert_false(wire.addresses[0].announced);
	assert_false(wire.addresses[0].answered);
	reply[1] = 42;
	prove_wire_init(&wire, &tagged);
	add_frame(&dump, guest_mac, 0x8100, reply, sizeof(reply));
	assert_return_code(prove_wire_feed(&wire, dump.data, dump.len, &taken, NULL), 0);
	assert_string_equal(wire.addresses[0].how, "ARP reply in VLAN 42");
	assert_string_equal(wire.addresses[0].answer, "ARP reply in VLAN 42");
}

static uint32_t sum16(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	return sum;
}

/* A neighbour solicitation in a VLAN, its checksum right, and only the answer to it is one. */
static void wire_asks_by_ipv6(void **state)
{
	static char address[] = "2001:db8::a:10/64";
	static char *one[] = {address};
	static struct plan_tag tag = {address, 42};
	static const struct output_nic tagged = {
		.mac = s_mac, .addresses = one, .n_addresses = 1, .tagged = &tag, .n_tagged = 1};
	static const uint8_t begin[] = {0x33, 0x33, 0xff, 0x0a, 0, 0x10, 0x52, 0x55, 0x70, 0x32,
		0x76, 1, 0x81, 0, 0, 42, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255};
	uint8_t reply[4 + 64] = {0, 42, 0x86, 0xdd,
		0x60, [10] = 58, [44] = 136, [48] = 0x20, [52] = 0x20, 0x01, 0x0d,
		0xb8, [65] = 0x0a, [67] = 0x10};
	p2v_autobuf struct p2v_buf frame = {0}, dump = {0};
	struct prove_wire wire;
	uint32_t sum;
	size_t taken;

	(void)state;
	prove_wire_init(&wire, &tagged);
	assert_true(prove_wire_asks(&wire.addresses[0]));
	assert_true(prove_wire_ask(&wire, 0, &frame));
	assert_int_equal(frame.len, 18 + 40 + 32);
	assert_memory_equal(frame.data, begin, sizeof(begin));
	assert_memory_equal(frame.data + 18 + 24, "\xff\x02", 2);
	assert_memory_equal(frame.data + 18 + 36, "\xff\x0a\0\x10", 4);
	assert_memory_equal(frame.data + 18 + 40 + 8, wire.addresses[0].bytes, 16);
	sum = sum16(frame.data + 18 + 8, 32 + 32) + 32 + 58;
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	add_header(&dump);
	add_frame(&dump, guest_mac, 0x8100, reply, sizeof(reply));
	assert_return_code(prove_wire_feed(&wire, dump.data, dump.len, &taken, NULL), 0);
	assert_string_equal(wire.addresses[0].how, "IPv6 neighbour advertisement in VLAN 42");
	assert_false(wire.addresses[0].answered);
	reply[48] = 0x60;
	prove_wire_init(&wire, &tagged);
	add_frame(&dump, guest_mac, 0x8100, reply, sizeof(reply));
	assert_return_code(prove_wire_feed(&wire, dump.data, dump.len, &taken, NULL), 0);
	assert_string_equal(wire.addresses[0].answer, "IPv6 neighbour advertisement in VLAN 42");
}

static void wire_knows_bridges(void **state)
{
	static const uint8_t bridge[6] = {0xb2, 6, 0xed, 0xef, 0xa1, 0x87};
	p2v_autobuf struct p2v_buf b = {0};
	struct prove_wire wire;

	(void)state;
	add_header(&b);
	add_arp(&b, bridge, bridge, 10);
	wire = read_all(&b);
	assert_true(wire.addresses[0].announced);
	assert_memory_equal(wire.addresses[0].mac, bridge, 6);
}

static void wire_knows_answers(void **state)
{
	static const uint8_t syn[14] = {0, 22, [13] = 0x02}, synack[14] = {0, 22, [13] = 0x12},
			     rst[14] = {0, 22, [13] = 0x14}, reply[8] = {0}, request[8] = {8};
	static const struct {
		uint8_t protocol, last;
		const uint8_t *body;
		size_t n;
		bool answered;
	} rows[] = {{6, 10, syn, 14, false}, {6, 10, synack, 14, true}, {6, 10, rst, 14, true},
		{6, 11, rst, 14, false}, {6, 10, rst, 13, false}, {1, 10, reply, 8, true},
		{1, 10, request, 8, false}, {17, 10, reply, 8, false}};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		p2v_autobuf struct p2v_buf b = {0};

		add_header(&b);
		add_ip4(&b, rows[i].protocol, rows[i].last, rows[i].body, rows[i].n);
		assert_int_equal(read_all(&b).addresses[0].answered, rows[i].answered);
	}
}

/* Only who lets somebody in has the port open. */
static void wire_knows_open_ports(void **state)
{
	static const uint8_t rst[14] = {0x01, 0xbb, [13] = 0x14},
			     synack[14] = {0x01, 0xbb, [13] = 0x12};
	struct prove_wire wire;

	(void)state;
	for (int open = 0; open < 2; open++) {
		p2v_autobuf struct p2v_buf b = {0};
		size_t taken;

		prove_wire_init(&wire, &nic);
		wire.ports[0].number = 80;
		wire.ports[1].number = 443;
		wire.n_ports = 2;
		add_header(&b);
		add_ip4(&b, 6, 10, open ? synack : rst, 14);
		assert_int_equal(prove_wire_feed(&wire, b.data, b.len, &taken, NULL), 0);
		assert_false(wire.ports[0].open);
		assert_int_equal(wire.ports[1].open, open);
	}
}

static void wire_knows_dhcp_and_ipv6(void **state)
{
	static const uint8_t discover[8] = {0, 68, 0, 67};
	uint8_t ip6[64] = {0x60, [6] = 58, [40] = 135, [48] = 0x20, 0x01, 0x0d, 0xb8, [63] = 0x10};
	p2v_autobuf struct p2v_buf b = {0};

	(void)state;
	add_header(&b);
	add_ip4(&b, 17, 0, discover, sizeof(discover));
	assert_true(read_all(&b).dhcp);
	assert_false(read_all(&b).addresses[1].announced);
	add_frame(&b, guest_mac, 0x86dd, ip6, sizeof(ip6));
	assert_true(read_all(&b).addresses[1].announced);
}

static void wire_takes_whole_records_only(void **state)
{
	p2v_autobuf struct p2v_buf b = {0};
	struct prove_wire wire;
	size_t taken, at = 0;

	(void)state;
	add_header(&b);
	add_arp(&b, guest_mac, guest_mac, 10);
	prove_wire_init(&wire, &nic);
	for (size_t n = 0; n <= b.len; n++) {
		assert_int_equal(prove_wire_feed(&wire, b.data + at, n - at, &taken, NULL), 0);
		at += taken;
		assert_int_equal(wire.addresses[0].announced, n == b.len);
	}
	assert_int_equal(at, b.len);
	b.data[0] = 'x';
	prove_wire_init(&wire, &nic);
	assert_int_equal(prove_wire_feed(&wire, b.data, b.len, &taken, NULL), P2V_EFORMAT);
	b.data[0] = 0xd4;
	memset(b.data + 24 + 8, 0xff, 4);
	prove_wire_init(&wire, &nic);
	assert_int_equal(prove_wire_feed(&wire, b.data, b.len, &taken, NULL), P2V_EFORMAT);
}

/* ---- QMP ---- */

/* A far end that has already said everything. */
static int start(struct prove_qmp *qmp, const char *said, struct p2v_err *err)
{
	int pair[2], r;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(write(pair[1], said, strlen(said)), strlen(said));
	shutdown(pair[1], SHUT_WR);
	r = prove_qmp_start(qmp, pair[0], 2000, err);
	if (r == 0)
		r = prove_qmp_command(qmp, "{\"execute\":\"x\"}", NULL, NULL, 2000, err);
	close(pair[1]);
	return r;
}

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n{\"return\": {}}\r\n"

static void qmp_talks(void **state)
{
	struct prove_qmp qmp;
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(start(&qmp,
				 GREETING "{\"event\":\"RESET\"}\r\n{\"event\":\"RESET\"}\r\n"
					  "{\"return\": {}}\r\n",
				 &err),
		0);
	assert_int_equal(qmp.resets, 2);
	prove_qmp_finish(&qmp);
	assert_int_equal(
		start(&qmp, GREETING "{\"error\":{\"class\":\"c\",\"desc\":\"no such thing\"}}\r\n",
			&err),
		P2V_EIO);
	assert_non_null(strstr(err.text, "no such thing"));
	prove_qmp_finish(&qmp);
	assert_int_equal(start(&qmp, GREETING, &err), P2V_ELINK);
	prove_qmp_finish(&qmp);
	assert_int_equal(start(&qmp, "{\"return\":{}}\n", &err), P2V_EFORMAT);
	prove_qmp_finish(&qmp);
	assert_int_equal(start(&qmp, "hello\n", &err), P2V_EFORMAT);
	prove_qmp_finish(&qmp);
}

/* QEMU's numbers are unsigned and may be larger than the JSON library takes. */
static void qmp_hears_why_windows_stopped(void **state)
{
	struct prove_qmp qmp;
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(
		start(&qmp,
			GREETING "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, "
				 "\"event\": \"GUEST_PANICKED\", \"data\": {\"action\": "
				 "\"pause\", \"info\": {\"arg1\": 123, \"type\": \"hyper-v\", "
				 "\"arg2\": 18446735827412127744}}}\r\n"
				 "{\"return\": {}}\r\n",
			&err),
		0);
	assert_true(qmp.panicked);
	assert_int_equal(qmp.stop, 0x7b);
	prove_qmp_finish(&qmp);
	assert_int_equal(
		start(&qmp,
			GREETING
			"{\"event\": \"GUEST_PANICKED\", \"data\": {\"action\": \"pause\"}}"
			"\r\n{\"return\": {}}\r\n",
			&err),
		0);
	assert_true(qmp.panicked);
	assert_int_equal(qmp.stop, 0);
	prove_qmp_finish(&qmp);
}

static void qmp_reads_block_statistics(void **state)
{
	static const char text[] =
		"{\"return\":[{\"device\":\"\",\"node-name\":\"disk0-node\",\"stats\":{"
		"\"wr_operations\":7,\"wr_bytes\":4096,\"flush_operations\":2,\"rd_operations\":9}}"
		"]}";
	struct prove_blockstats stats = {0};

	(void)state;
	assert_int_equal(prove_blockstats_decode(text, strlen(text), &stats, NULL), 0);
	assert_int_equal(stats.n_disks, 1);
	assert_string_equal(stats.disks[0].node, "disk0-node");
	assert_int_equal(stats.disks[0].writes, 7);
	assert_int_equal(stats.disks[0].flushes, 2);
	prove_blockstats_finish(&stats);
	for (size_t n = 0; n < strlen(text); n++)
		assert_true(prove_blockstats_decode(text, n, &stats, NULL) < 0);
}

/* ---- verdict ---- */

struct scene {
	struct prove_console serial, screen;
	struct prove_sights sights;
	struct prove_nic nic;
};

static void scene_init(struct scene *s, const char *serial)
{
	memset(s, 0, sizeof(*s));
	s->serial = heard(serial);
	s->sights = (struct prove_sights){.serial = &s->serial, .screen = &s->screen, .writes = 5};
	prove_wire_init(&s->nic.wire, &nic);
	s->nic.wire.n_addresses = 1;
	s->nic.wire.addresses[0].announced = s->nic.wire.addresses[0].answered = true;
}

static void expect(struct scene *s, int verdict, const char *part)
{
	p2v_auto_proof struct proof proof = {0};

	assert_int_equal(prove_verdict(&s->sights, &output, &s->nic, 1, &proof, NULL), 0);
	if (proof.verdict != verdict || !strstr(proof.reason, part))
		fail_msg("%s: %s", model_verdict_words[proof.verdict], proof.reason);
}

static const char whole[] = "Linux version 6\nEXT4-fs (vda1): mounted filesystem\nweb01 login: ";

static void verdict_needs_what_was_ordered(void **state)
{
	const struct orders_check wanted = {.tcp = 443, .http = (char[]){"/health"}};
	struct prove_service service = {.wanted = &wanted, .port = 443, .seen = "HTTP 503"};
	struct scene s;

	(void)state;
	scene_init(&s, whole);
	s.sights.services = &service;
	s.sights.n_services = 1;
	expect(&s, VERDICT_PARTIAL, "port 443, /health: HTTP 503");
	service.ok = true;
	expect(&s, VERDICT_PROVEN, "everything");
}

/* A server of one answer, which ends with us. */
static void answer_http(struct prove_service *service, const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(service->near)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, 1), 0);
	if (fork() == 0) {
		char asked[512] = "";
		int peer = accept(fd, NULL, NULL);
		bool right = read(peer, asked, sizeof(asked) - 1) > 0 &&
			     strstr(asked, "GET /health HTTP/1.") == asked;

		(void)!write(peer, text, right ? strlen(text) : 0);
		_exit(0);
	}
	close(fd);
	prove_service_ask(service, true);
	assert_true(wait(NULL) > 0);
}

static void services_are_asked(void **state)
{
	const struct orders_check wanted[] = {
		{.tcp = 8080, .http = (char[]){"/health"}, .status = 204}, {.tcp = 443}};
	struct prove_service *services = NULL;
	p2v_autobuf struct p2v_buf forward = {0};

	(void)state;
	assert_int_equal(prove_services_new(wanted, 2, &services, NULL), 0);
	prove_services_forward(services, 2, "192.0.2.10", &forward);
	assert_non_null(strstr((char *)forward.data, "-192.0.2.10:8080,hostfwd=tcp:127.0.0.1:"));
	prove_service_ask(&services[1], false);
	assert_false(services[1].ok);
	prove_service_ask(&services[1], true);
	assert_true(services[1].ok);
	prove_service_ask(&services[0], true); /* nobody listens */
	assert_string_equal(services[0].seen, "no answer by HTTP");
	answer_http(&services[0], "HTTP/1.0 503 no\r\n\r\n");
	assert_string_equal(services[0].seen, "HTTP 503, and not 204");
	assert_true(prove_services_missing(services, 2));
	answer_http(&services[0], "HTTP/1.0 204 yes\r\n\r\n");
	assert_true(services[0].ok);
	assert_false(prove_services_missing(services, 2));
	prove_services_free(services, 2);
}

static void verdict_is_what_was_seen(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s, whole);
	expect(&s, VERDICT_PROVEN, "everything");
	scene_init(&s, "web01 login: "); /* a quiet kernel */
	expect(&s, VERDICT_PROVEN, "everything");
	scene_init(&s, ""); /* no serial console */
	expect(&s, VERDICT_PARTIAL, "no kernel message");
	scene_init(&s, whole);
	s.nic.wire.addresses[0].answered = false;
	expect(&s, VERDICT_PARTIAL, "no answer from 192.0.2.10");
	scene_init(&s, whole);
	s.nic.wire.addresses[0].announced = false;
	expect(&s, VERDICT_FAILED, "its network is not up: 192.0.2.10");
	scene_init(&s, "Linux version 6\n");
	s.sights.writes = 0;
	expect(&s, VERDICT_FAILED, "nothing shows");
	scene_init(&s, "Linux version 6\nKernel panic - not syncing: x\n");
	expect(&s, VERDICT_FAILED, "kernel panic (\"Kernel panic - not syncing: x\")");
	scene_init(&s, "Please unlock disk sda2_crypt: ");
	s.sights.locked = true;
	expect(&s, VERDICT_FAILED, "was not given, or not the right one (\"Please unlock disk");
	scene_init(&s, whole);
	s.sights.ended = true;
	expect(&s, VERDICT_FAILED, "switched itself off");
	scene_init(&s, whole);
	s.sights.reset_loop = true;
	expect(&s, VERDICT_FAILED, "again and again");
	assert_true(prove_has_failed(&s.sights));
}

static void verdict_needs_writes_and_dhcp(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s, whole);
	s.sights.writes = 0;
	expect(&s, VERDICT_PARTIAL, "0 writes");
	scene_init(&s, whole);
	s.nic.wire.n_addresses = 0;
	expect(&s, VERDICT_PARTIAL, "did not ask");
	s.nic.wire.dhcp = true;
	expect(&s, VERDICT_PROVEN, "everything");
}

/* One card has its address; the second is set to ask for one, a third is in use for nothing. */
static void verdict_wants_each_card_that_asks(void **state)
{
	static char macs[3][18] = {"52:54:00:12:34:56", "52:54:00:12:34:57", "52:54:00:12:34:58"};
	struct output_nic cards[3] = {nic, {.mac = macs[1], .dhcp = true}, {.mac = macs[2]}};
	struct output three = output;
	struct prove_nic seen[3];
	struct scene s;

	(void)state;
	scene_init(&s, whole);
	three.nics = cards;
	three.n_nics = 3;
	memset(seen, 0, sizeof(seen));
	seen[0] = s.nic;
	for (int asked = 0; asked < 2; asked++) {
		p2v_auto_proof struct proof proof = {0};
		size_t n = 0;

		seen[1].wire.dhcp = asked;
		assert_int_equal(prove_verdict(&s.sights, &three, seen, 3, &proof, NULL), 0);
		assert_int_equal(proof.verdict, asked ? VERDICT_PROVEN : VERDICT_PARTIAL);
		assert_int_equal(strstr(proof.reason, macs[1]) != NULL, !asked);
		for (size_t i = 0; i < proof.n_checks; i++)
			n += strcmp(proof.checks[i].name, "dhcp") == 0;
		assert_int_equal(n, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(console_sees_an_ordinary_boot),
		cmocka_unit_test(console_hears_bytes_one_by_one),
		cmocka_unit_test(console_takes_only_our_disks_for_root),
		cmocka_unit_test(console_names_failures),
		cmocka_unit_test(console_counts_units),
		cmocka_unit_test(console_hears_questions_for_a_passphrase),
		cmocka_unit_test(console_bounds_and_cleans),
		cmocka_unit_test(console_reads_the_text_screen),
		cmocka_unit_test(wire_wants_address_and_mac),
		cmocka_unit_test(wire_names_vlans),
		cmocka_unit_test(wire_asks_in_a_vlan),
		cmocka_unit_test(wire_asks_by_ipv6),
		cmocka_unit_test(wire_knows_bridges),
		cmocka_unit_test(wire_knows_answers),
		cmocka_unit_test(wire_knows_dhcp_and_ipv6),
		cmocka_unit_test(wire_takes_whole_records_only),
		cmocka_unit_test(qmp_talks),
		cmocka_unit_test(qmp_hears_why_windows_stopped),
		cmocka_unit_test(qmp_reads_block_statistics),
		cmocka_unit_test(wire_knows_open_ports),
		cmocka_unit_test(services_are_asked),
		cmocka_unit_test(verdict_needs_what_was_ordered),
		cmocka_unit_test(verdict_is_what_was_seen),
		cmocka_unit_test(verdict_needs_writes_and_dhcp),
		cmocka_unit_test(verdict_wants_each_card_that_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

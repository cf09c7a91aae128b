/* SPDX-License-Identifier: GPL-3.0-or-later */

/* What a Windows shows, and what follows from it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "converters/prove/picture.h"
#include "converters/prove/verdict.h"
#include "converters/prove/words.h"
#include "p2v/core/cleanup.h"

static char s_disk0[] = "disk0", s_bus[] = "virtio-blk", s_mac[] = "52:54:00:12:34:56";
static char s_a4[] = "192.0.2.10/24", s_windows[] = "windows";
static char *addresses[] = {s_a4};
static struct output_disk disk = {.id = s_disk0, .bus = s_bus};
static struct output_nic nic = {.mac = s_mac, .addresses = addresses, .n_addresses = 1};
static struct output output = {
	.os = s_windows, .disks = &disk, .n_disks = 1, .nics = &nic, .n_nics = 1};

/* ---- pictures and words ---- */

static void words_name_what_windows_shows(void **state)
{
	static const struct {
		const char *text, *reason;
	} rows[] = {
		{"Your PC ran into a problem and needs to restart.\n\nStop code: "
		 "INACCESSIBLE_BOOT_DEVICE\n",
			"(0x7B)"},
		/* As a program misreads it. */
		{"Stop code: lNACCESSlBLE BOOT DEVlCE", "(0x7B)"},
		{"*** STOP: 0x0000007B (0xF78D2524,0xC0000034,0x00000000,0x00000000)", "(0x7B)"},
		{"*** STOP: OxOOOOOO7E (0xC0000005", "(0x7E)"},
		{"xxx STOP: OxQOGO0000D1 (0x00000000 , 0xO00000Z", "(0xD1)"},
		/* Of a stop that is not in the table the parameters are no status. */
		{"*** STOP: 0x000000A0 (0x0000000A,0xC0000034)\nA problem has been detected and "
		 "Windows has been shut down",
			"Windows stopped"},
		{"Status: 0xc00000e9", "0xC00000E9"},
		{"Stop code: 0xC000021A", "0xC000021A"},
		{"stop code: 0xA5", "(0xA5)"},
		{"DRIVER_IRQL_NOT_LESS_OR_EQUAL (netkvm.sys)", "(0xD1)"},
		{"File: \\Windows\\system32\\drivers\\viostor.sys\nStatus: 0xc0000428",
			"0xC0000428"},
		{"Recovery\nYour PC/Device needs to be repaired\nError code: 0xc000000e",
			"0xC000000E"},
		{"Automatic Repair\nYour PC did not start correctly", "automatic repair"},
		{"Enter the recovery key for this drive", "BitLocker"},
		{"Your device ran into a problem", "Windows stopped"},
	};
	static const char *const others[] = {"", "Getting devices ready 50%", "Please wait",
		"Working on updates", "A stop on the way", "Press any key to boot from CD"};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		struct prove_console c = {.output = &output};

		prove_words_read(rows[i].text, strlen(rows[i].text), &c);
		assert_non_null(c.failure_reason);
		assert_non_null(strstr(c.failure_reason, rows[i].reason));
		assert_true(*c.failure && !*c.login);
	}
	for (size_t i = 0; i < P2V_N(others); i++) {
		struct prove_console c = {.output = &output};

		prove_words_read(others[i], strlen(others[i]), &c);
		assert_null(c.failure_reason);
		assert_string_equal(c.login, "");
	}
}

static void words_know_a_login(void **state)
{
	static const char *const texts[] = {"18:05\nPress Ctrl+Alt+Delete to unlock.\nMonday",
		"Press CTRL + ALT + DELETE to log on",
		"Welcome to Windows\nPress Ctrl-Alt-Delete to begin.",
		"Dr\xc3\xbc"
		"cken Sie Strg+Alt+Entf, um sich anzumelden",
		"Sign-in options"};

	(void)state;
	for (size_t i = 0; i < P2V_N(texts); i++) {
		struct prove_console c = {.output = &output};

		prove_words_read(texts[i], strlen(texts[i]), &c);
		assert_null(c.failure_reason);
		assert_true(*c.login);
	}
}

static void add_points(struct p2v_buf *b, const char *colour, size_t n)
{
	while (n--)
		p2v_buf_add(b, colour, 3);
}

static void picture_knows_its_ground(void **state)
{
	p2v_autobuf struct p2v_buf b = {0}, page = {0};
	struct prove_picture p;
	struct prove_ground g;

	(void)state;
	p2v_buf_add_str(&b, "P6\n10 4\n255\n");
	add_points(&b, "\x00\x78\xd7", 30);
	add_points(&b, "\xff\xff\xff", 10);
	assert_int_equal(prove_picture_parse(b.data, b.len, &p, NULL), 0);
	g = prove_picture_ground(&p);
	assert_int_equal(g.percent, 75);
	assert_int_equal(g.red << 16 | g.green << 8 | g.blue, 0x0078d7);
	assert_int_equal(prove_picture_for_reading(&p, 0, &page, NULL), 0);
	/* The ground is white, ink is black, in between it is grey. */
	assert_memory_equal(page.data, "P5\n30 12\n255\n\xff\xff\xff", 16);
	assert_int_equal(page.len, 13 + 30 * 12);
	assert_int_equal(page.data[page.len - 1], 0);
	assert_true(page.data[13 + 8 * 30] > 0 && page.data[13 + 8 * 30] < 255);
	assert_true(prove_picture_digest(&p) == prove_picture_digest(&p));
	b.data[b.len - 1] ^= 1;
	assert_int_equal(prove_picture_parse(b.data, b.len, &p, NULL), 0);
	assert_int_equal(prove_picture_parse(b.data, b.len - 1, &p, NULL), P2V_EFORMAT);
	assert_int_equal(prove_picture_parse("P6 1 1 255", 10, &p, NULL), P2V_EFORMAT);
	assert_int_equal(prove_picture_parse("P6 99999 1 255 ", 15, &p, NULL), P2V_EFORMAT);
	assert_int_equal(prove_picture_parse("P5 1 1 255 abc", 14, &p, NULL), P2V_EFORMAT);
}

/* ---- the verdict ---- */

struct scene {
	struct prove_console serial, screen, picture;
	struct prove_sights sights;
	struct prove_nic nic;
};

static void scene_init(struct scene *s, const char *shown)
{
	memset(s, 0, sizeof(*s));
	prove_words_read(shown, strlen(shown), &s->picture);
	s->sights = (struct prove_sights){.serial = &s->serial,
		.screen = &s->screen,
		.picture = &s->picture,
		.ground = {0, 0x78, 0xd7, 97},
		.writes = 5};
	prove_wire_init(&s->nic.wire, &nic);
	s->nic.wire.addresses[0].announced = true;
}

static void expect(struct scene *s, int verdict, const char *part)
{
	p2v_auto_proof struct proof proof = {0};

	assert_int_equal(prove_verdict(&s->sights, &output, &s->nic, 1, &proof, NULL), 0);
	if (proof.verdict != verdict || !strstr(proof.reason, part))
		fail_msg("%s: %s", model_verdict_words[proof.verdict], proof.reason);
}

static const char login[] = "Press Ctrl+Alt+Delete to unlock.";

/* Its firewall drops what knocks: the address on the wire is enough. */
static void verdict_of_a_windows(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s, login);
	expect(&s, VERDICT_PROVEN, "everything");
	assert_true(prove_has_login(&s.sights));
	assert_false(prove_has_failed(&s.sights));
	scene_init(&s, login);
	s.sights.writes = 0;
	expect(&s, VERDICT_PARTIAL, "0 writes");
	scene_init(&s, login);
	s.nic.wire.addresses[0].announced = false;
	expect(&s, VERDICT_FAILED, "its network is not up");
	scene_init(&s, "Getting devices ready");
	expect(&s, VERDICT_PARTIAL, "97 % #0078d7");
	s.sights.unread = true;
	expect(&s, VERDICT_PARTIAL, "install tesseract-ocr");
	s.sights.writes = 0;
	expect(&s, VERDICT_FAILED, "nothing shows");
}

static void verdict_names_the_stop(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s, "Stop code: INACCESSIBLE_BOOT_DEVICE");
	assert_true(prove_has_failed(&s.sights));
	expect(&s, VERDICT_FAILED, "no driver for the disk started (\"Stop code: INACC");
	scene_init(&s, "");
	s.sights.panicked = true;
	expect(&s, VERDICT_FAILED, "the guest reported a crash");
	s.sights.stop = 0x7b;
	expect(&s, VERDICT_FAILED, "no driver for the disk started (stop 0x7B, reported by");
	s.sights.stop = 0x1234;
	expect(&s, VERDICT_FAILED, "Windows stopped (stop 0x1234, reported by");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_name_what_windows_shows),
		cmocka_unit_test(words_know_a_login),
		cmocka_unit_test(picture_knows_its_ground),
		cmocka_unit_test(verdict_of_a_windows),
		cmocka_unit_test(verdict_names_the_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

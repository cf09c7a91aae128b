/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What needs a person, and the page that says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "p2v/cli/assessment.h"
#include "p2v/cli/print.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"

struct scene {
	struct facts facts;
	struct machine machine;
	struct plan plan;
	struct assessment result;
	char *page;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->plan.name = strdup("web01");
	s->plan.machine = strdup("q35");
	s->plan.firmware = strdup("bios");
	s->plan.root = strdup("/dev/sda1");
	s->machine.firmware = strdup("bios");
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	model_facts_finish(&s->facts);
	model_machine_finish(&s->machine);
	model_plan_finish(&s->plan);
	p2v_json_free(&cli_assessment_type, &s->result);
	free(s->page);
	free(s);
	return 0;
}

static struct facts_fs *add_fs(struct scene *s, const char *device, const char *kind)
{
	struct facts_fs *f =
		p2v_json_grow((void **)&s->facts.filesystems, &s->facts.n_filesystems, sizeof(*f));

	f->device = strdup(device);
	f->kind = strdup(kind);
	return f;
}

static struct facts_os *add_os(struct scene *s, const char *root)
{
	struct facts_os *os =
		p2v_json_grow((void **)&s->facts.systems, &s->facts.n_systems, sizeof(*os));

	os->root = strdup(root);
	os->kind = strdup("linux");
	return os;
}

static void add_device(
	struct scene *s, const char *bus, const char *kind, const char *vendor, const char *name)
{
	struct machine_device *d =
		p2v_json_grow((void **)&s->machine.devices, &s->machine.n_devices, sizeof(*d));

	d->bus = strdup(bus);
	d->place = strdup("1-1");
	d->kind = strdup(kind);
	d->vendor_id = strdup(vendor);
	d->name = name ? strdup(name) : NULL;
}

static void assess(struct scene *s)
{
	const struct assess_input in = {.facts = &s->facts,
		.machine = &s->machine,
		.plan = &s->plan,
		.machine_known = true};
	p2v_autobuf struct p2v_buf out = {0};

	assert_int_equal(cli_assessment_make(&in, &s->result, NULL), 0);
	assert_int_equal(cli_make_printable(&cli_assessment_type, &s->result, NULL), 0);
	assert_int_equal(cli_assessment_page(&s->result, false, &out, NULL), 0);
	s->page = p2v_buf_take_str(&out);
}

static size_t count(const struct scene *s, const char *kind)
{
	size_t n = 0;

	for (size_t i = 0; i < s->result.n_needs; i++)
		n += strcmp(s->result.needs[i].kind, kind) == 0;
	return n;
}

static void expect_need(const struct scene *s, const char *kind, const char *words)
{
	for (size_t i = 0; i < s->result.n_needs; i++)
		if (strcmp(s->result.needs[i].kind, kind) == 0 &&
			strstr(s->result.needs[i].text, words))
			return;
	fail_msg("no %s with '%s' in:\n%s", kind, words, s->page);
}

static void test_ready(void **state)
{
	struct scene *s = *state;

	add_os(s, "/dev/sda1");
	assess(s);
	assert_int_equal(s->result.verdict, ASSESS_READY);
	assert_string_equal(s->result.grade, "A");
	assert_memory_equal(s->page, "web01: READY\n", 13);
}

static void add_step(struct scene *s, const char *op, const char *path, const char *name)
{
	struct plan_step *step =
		p2v_json_grow((void **)&s->plan.steps, &s->plan.n_steps, sizeof(*step));
	struct plan_arg *arg = p2v_json_grow((void **)&step->args, &step->n_args, sizeof(*arg));

	step->op = strdup(op);
	step->path = strdup(path);
	step->reason = strdup("It is of the old hardware.");
	arg->key = strdup("name");
	arg->value = strdup(name);
}

/* A service by its name; a card's configuration by its address where it has no name. */
static void test_names(void **state)
{
	struct scene *s = *state;
	struct facts_os *os = add_os(s, "/dev/sda1");
	struct facts_nic *nic = p2v_json_grow((void **)&os->nics, &os->n_nics, sizeof(*nic));
	struct facts_address *a =
		p2v_json_grow((void **)&nic->addresses, &nic->n_addresses, sizeof(*a));

	nic->mac = strdup("00:1b:21:aa:00:01");
	nic->dialect = strdup("netplan");
	a->method = strdup("static");
	a->address = strdup("192.0.2.10/24");
	add_step(s, "unit-mask", "/etc/systemd/system", "hp-health");
	add_step(s, "unit-mask", "/etc/systemd/system", "smartd");
	add_step(s, "nic-link", "/etc/systemd/network/10-p2v-eno1.link", "eno1");
	add_step(s, "lines-add", "/etc/inittab", "");
	assess(s);
	assert_non_null(strstr(s->page, "network 00:1b:21:aa:00:01, by netplan: 192.0.2.10/24\n"));
	assert_non_null(strstr(s->page, "not started: hp-health, smartd\n"));
	assert_non_null(strstr(s->page, "their names: /etc/systemd/network/10-p2v-eno1.link\n"));
	assert_non_null(strstr(s->page, "a login on the serial line: /etc/inittab\n"));
}

static void test_keys(void **state)
{
	struct scene *s = *state;

	add_os(s, "/dev/sda1");
	add_fs(s, "/dev/sda2", "crypto_LUKS")->uuid = strdup("aaaa");
	add_fs(s, "/dev/sda3", "crypto_LUKS")->uuid = strdup("bbbb");
	add_fs(s, "/dev/mapper/x", "ext4")->parent = strdup("/dev/sda3");
	add_fs(s, "/dev/sda4", "BitLocker");
	assess(s);
	assert_int_equal(s->result.verdict, ASSESS_NEEDS_YOU);
	expect_need(s, "key", "--key aaaa:file:PATH");
	expect_need(s, "key", "BitLocker");
	assert_int_equal(count(s, "key"), 2);
}

static void test_choice_of_root(void **state)
{
	struct scene *s = *state;

	add_os(s, "/dev/sda1")->pretty = strdup("Debian");
	add_os(s, "/dev/sda2");
	s->plan.root[0] = '\0';
	assert_int_equal(p2v_json_add_str(&s->plan.blockers, &s->plan.n_blockers, "two", NULL), 0);
	assess(s);
	assert_int_equal(s->result.verdict, ASSESS_BLOCKED);
	assert_string_equal(s->result.grade, "");
	expect_need(s, "root", "--root /dev/sda1 (Debian), --root /dev/sda2 (linux)");
	assert_non_null(strstr(s->page, "What blocks it\n  - two\n"));
}

static void test_storage(void **state)
{
	struct scene *s = *state;
	struct facts_os *os = add_os(s, "/dev/sda1");
	struct machine_disk *d;
	static const char *const mounts[][4] = {{"UUID=1", "/data", "defaults", ""},
		{"UUID=2", "/cold", "noauto", ""}, {"/dev/sr0", "/cd", "ro", ""},
		{"nas:/x", "/nfs", "_netdev", ""}, {"UUID=3", "/lun", "_netdev", "/dev/sdb1"}};

	for (size_t i = 0; i < P2V_N(mounts); i++) {
		struct facts_mount *m =
			p2v_json_grow((void **)&os->mounts, &os->n_mounts, sizeof(*m));

		m->spec = strdup(mounts[i][0]);
		m->mountpoint = strdup(mounts[i][1]);
		m->options = strdup(mounts[i][2]);
		m->device = strdup(mounts[i][3]);
	}
	add_fs(s, "/dev/sda", "isw_raid_member");
	add_fs(s, "/dev/sdb", "ddf_raid_member");
	add_fs(s, "/dev/sdc", "linux_raid_member");
	add_fs(s, "/dev/sdd", "zfs_member");
	d = p2v_json_grow((void **)&s->machine.disks, &s->machine.n_disks, sizeof(*d));
	d->path = strdup("/dev/sde");
	d->bus = strdup("fc");
	assess(s);
	assert_int_equal(count(s, "fake-raid"), 2);
	expect_need(s, "contents", "ZFS");
	expect_need(s, "disk", "UUID=1 on /data");
	assert_int_equal(count(s, "disk"), 1);
	expect_need(s, "san", "UUID=3 on /lun");
	expect_need(s, "san", "/dev/sde is a unit of a SAN (Fibre Channel)");
	assert_int_equal(count(s, "san"), 2);
}

static void test_devices(void **state)
{
	struct scene *s = *state;

	add_os(s, "/dev/sda1");
	add_device(s, "pci", "030000", "10de", NULL);
	add_device(s, "pci", "030000", "102b", NULL); /* Matrox: a server's screen */
	add_device(s, "pci", "0c0400", "1077", NULL);
	add_device(s, "pci", "070002", "8086", NULL);
	add_device(s, "pci", "020000", "8086", NULL);
	add_device(s, "usb", "03", "0529", "HASP");
	add_device(s, "usb", "03", "046b", "Virtual Keyboard");
	add_device(s, "usb", "0b", "08e6", NULL);
	add_device(s, "tape", "", "", "ULTRIUM-TD5");
	assess(s);
	expect_need(s, "gpu", "NVIDIA");
	expect_need(s, "san", "Fibre Channel adapter");
	expect_need(s, "dongle", "HASP");
	expect_need(s, "device", "smart card reader");
	expect_need(s, "device", "a tape drive at tape 1-1 (ULTRIUM-TD5)");
	assert_int_equal(s->result.n_needs, 5);
}

/* Strings that would fake a page, and a thousand of everything: still one page of 80 columns. */
static void test_hostile_page(void **state)
{
	struct scene *s = *state;
	struct facts_os *os = add_os(s, "/dev/sda1");
	struct p2v_span rest, line;
	size_t lines = 0;

	os->hostname = strdup("x\n\nWhat blocks it\n  nothing\033[2J");
	os->pretty = strdup("<b>\r\xff");
	for (size_t i = 0; i < 1000; i++) {
		struct plan_step *step =
			p2v_json_grow((void **)&s->plan.steps, &s->plan.n_steps, sizeof(*step));

		step->op = strdup("boot-args");
		step->path = p2v_strf("/boot/%zu\nREADY", i);
		step->reason = strdup("why");
		add_fs(s, "/dev/sda9", "crypto_LUKS");
	}
	assess(s);
	rest = p2v_span_str(s->page);
	while (p2v_line_next(&rest, &line)) {
		assert_true(line.n <= 80);
		assert_false(p2v_span_starts(line, "READY"));
		assert_null(memchr(line.p, '\033', line.n));
		lines++;
	}
	assert_true(lines < 60);
	assert_non_null(strstr(s->page, "What blocks it\n  nothing\n"));
	assert_ptr_equal(strstr(s->page, "\nWhat blocks it\n"),
		strstr(s->page, "\nWhat blocks it\n  nothing\n"));
	assert_non_null(strstr(s->page, "and 988 more (--all shows them)"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_ready),
		T(test_names),
		T(test_keys),
		T(test_choice_of_root),
		T(test_storage),
		T(test_devices),
		T(test_hostile_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The editors that make one text from another. Each row is also run on its own result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "converters/apply/editors.h"
#include "p2v/core/cleanup.h"

#define S(text) ((char *)(uintptr_t)(text))

static const struct {
	const char *op;
	const char *args[8]; /* key, value, ... */
	const char *before, *after;
} rows[] = {
	{"lines-add", {"line", "a", "line", "b"}, "x\na", "x\na\nb\n"},
	{"lines-add", {"line", "a"}, "", "a\n"},
	{"file-write", {"line", "a"}, "anything", "a\n"},
	{"line-comment", {"text", "filter = 1"}, "  filter = 1\nother\n",
		"# p2v:   filter = 1\nother\n"},
	{"device-replace", {"from", "/dev/sda1", "to", "UUID=1"},
		"# was /dev/sda1\n/dev/sda1\t/ x\n/dev/sda10 /y\n/x/dev/sda1 /z",
		"# was /dev/sda1\nUUID=1\t/ x\n/dev/sda10 /y\n/x/dev/sda1 /z"},
	{"device-replace", {"from", "/dev/sda1", "to", "UUID=1"}, "A=\"/dev/sda1\"\nB=/dev/sda1\n",
		"A=\"UUID=1\"\nB=UUID=1\n"},
	{"fstab-nofail", {"line", "2"}, "a /a\nb  /b ext4 rw,ro 0 0\nc /c\n",
		"a /a\nb  /b ext4 rw,ro,nofail 0 0\nc /c\n"},
	{"fstab-nofail", {"line", "1"}, "b /b", "b /b auto nofail"},
	{"fstab-nofail", {"line", "1"}, "# b /b x", "# b /b x"},
	{"fstab-nofail", {"line", "1"}, "b none swap sw 0 0",
		"b none swap sw,nofail,x-systemd.device-timeout=5s 0 0"},
	{"fstab-nofail", {"line", "1"}, "b none swap nofail,pri=1",
		"b none swap nofail,pri=1,x-systemd.device-timeout=5s"},
	{"fstab-nofail", {"line", "1"}, "b none swap",
		"b none swap nofail,x-systemd.device-timeout=5s"},
	{"boot-args", {"loader", "grub2", "path", "/etc/default/grub", "add", "console=ttyS0"},
		"GRUB_CMDLINE_LINUX=\"\"\n", "GRUB_CMDLINE_LINUX=\"console=ttyS0\"\n"},
	{"boot-args", {"loader", "grub2", "path", "/boot/grub/grub.cfg", "from", "root=/dev/sda1"},
		"linux /k root=/dev/sda1 ro\n", "linux /k ro\n"},
	{"nic-rule", {"name", "eth0", "mac", "00:00:00:00:00:01", "driver", "e1000"}, "# x",
		"# x\nSUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", "
		"ATTR{address}==\"00:00:00:00:00:01\", ATTR{type}==\"1\", NAME=\"eth0\"\n"},
};

static void run(const char *op, const char *const *args, const char *before, struct p2v_buf *out)
{
	const struct apply_editor *editor = apply_editor_find(op);
	struct plan_arg given[4];
	struct plan_step step = {.op = S(op), .args = given};
	struct p2v_err err = {0};

	assert_non_null(editor);
	for (size_t i = 0; i < 8 && args[i]; i += 2)
		if (strcmp(args[i], "path") == 0)
			step.path = S(args[i + 1]);
		else
			given[step.n_args++] = (struct plan_arg){S(args[i]), S(args[i + 1])};
	if (editor->edit(p2v_span_str(before), &step, out, &err) < 0)
		fail_msg("%s: %s", op, err.text);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		p2v_autobuf struct p2v_buf once = {0}, twice = {0};

		run(rows[i].op, rows[i].args, rows[i].before, &once);
		assert_string_equal((const char *)once.data, rows[i].after);
		/* A comment is no longer what was looked for; all others are the same text. */
		run(rows[i].op, rows[i].args, (const char *)once.data, &twice);
		assert_string_equal((const char *)twice.data, rows[i].after);
	}
}

static void test_incomplete_steps(void **state)
{
	static const char *const ops[] = {"line-comment", "device-replace", "fstab-nofail",
		"boot-args", "nic-link", "nic-rule"};
	struct plan_step step = {0};

	(void)state;
	for (size_t i = 0; i < P2V_N(ops); i++) {
		p2v_autobuf struct p2v_buf out = {0};
		struct p2v_err err = {0};

		step.op = S(ops[i]);
		assert_int_equal(
			apply_editor_find(ops[i])->edit(p2v_span_str("x\n"), &step, &out, &err),
			P2V_EFORMAT);
		assert_non_null(strstr(err.text, ops[i]));
	}
	assert_null(apply_editor_find("no-such-op"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_incomplete_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "converters/boot/boot.h"
#include "p2v/core/cleanup.h"

#define ADDED "console=tty0 console=ttyS0,115200n8"

static const char *const consoles[] = {"console=tty0", "console=ttyS0,115200n8"};
static const struct boot_edit add_consoles = {.add = consoles, .n_add = 2};
static const struct boot_edit new_root = {.from = "root=/dev/sda1", .to = "root=UUID=1"};
static const struct boot_edit no_resume = {.from = "resume=/dev/sda5"};

static const struct {
	bool source;
	const struct boot_edit *edit;
	const char *before, *after;
} edits[] = {
	/* Blanks, tabs, other lines and a last line without LF stay. */
	{false, &add_consoles, "a\n\tlinux\t/k  root=UUID=1 ro  quiet \nb",
		"a\n\tlinux\t/k  root=UUID=1 ro  quiet " ADDED " \nb"},
	{false, &add_consoles, "linux16 /k\nlinuxefi /k ro\n",
		"linux16 /k " ADDED "\nlinuxefi /k ro " ADDED "\n"},
	/* The guest's own consoles stand, whatever their speed; a partial choice is completed. */
	{false, &add_consoles, "linux /k console=ttyS0,9600\n", "linux /k console=ttyS0,9600\n"},
	{false, &add_consoles, "linux /k console=tty0\n",
		"linux /k console=tty0 console=ttyS0,115200n8\n"},
	{false, &add_consoles, "linux /k console=ttyS1\n", "linux /k console=ttyS1 " ADDED "\n"},
	/* Twice is once. */
	{false, &add_consoles, "linux /k ro " ADDED "\n", "linux /k ro " ADDED "\n"},
	/* No kernel, or no such command: not a byte. */
	{false, &add_consoles, "linux\ninsmod linux\n#linux /k\nlinuxrc /k\n",
		"linux\ninsmod linux\n#linux /k\nlinuxrc /k\n"},
	{false, &new_root, "linux /k root=/dev/sda1 root=/dev/sda10\n",
		"linux /k root=UUID=1 root=/dev/sda10\n"},
	{false, &no_resume, "linux /k ro resume=/dev/sda5 quiet\n", "linux /k ro quiet\n"},
	{false, &add_consoles, "linux /k ro \\\n  quiet\n", "linux /k ro " ADDED " \\\n  quiet\n"},
	{false, &add_consoles, "", ""},
	{true, &add_consoles, "GRUB_CMDLINE_LINUX=\"\"\n", "GRUB_CMDLINE_LINUX=\"" ADDED "\"\n"},
	{true, &add_consoles, "GRUB_CMDLINE_LINUX='a b' # c\nX=1",
		"GRUB_CMDLINE_LINUX='a b " ADDED "' # c\nX=1"},
	{true, &add_consoles, "GRUB_CMDLINE_LINUX=a\n", "GRUB_CMDLINE_LINUX=\"a " ADDED "\"\n"},
	{true, &new_root, "GRUB_CMDLINE_LINUX=a\n", "GRUB_CMDLINE_LINUX=a\n"},
	/* The last assignment is the one that a shell takes. */
	{true, &add_consoles, "GRUB_CMDLINE_LINUX=\"a\"\nGRUB_CMDLINE_LINUX=\"b\"\n",
		"GRUB_CMDLINE_LINUX=\"a\"\nGRUB_CMDLINE_LINUX=\"b " ADDED "\"\n"},
	{true, &add_consoles, "#GRUB_CMDLINE_LINUX=\"a\"\nX=1",
		"#GRUB_CMDLINE_LINUX=\"a\"\nX=1\nGRUB_CMDLINE_LINUX=\"" ADDED "\"\n"},
	{true, &no_resume, "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet resume=/dev/sda5\"\n",
		"GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"},
	/* What only a shell understands stays, and a further line adds to it. */
	{true, &add_consoles, "GRUB_CMDLINE_LINUX=\"a=\\\"b\\\" c\"\n",
		"GRUB_CMDLINE_LINUX=\"a=\\\"b\\\" c\"\n"
		"GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX " ADDED "\"\n"},
	{true, &add_consoles, "GRUB_CMDLINE_LINUX=\"a \\\n b\"\n",
		"GRUB_CMDLINE_LINUX=\"a \\\n b\"\n"
		"GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX " ADDED "\"\n"},
	{true, &add_consoles, "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX " ADDED "\"\n",
		"GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX " ADDED "\"\n"},
};

static void test_edits(void **state)
{
	const struct boot_loader *grub2 = boot_loader_find("grub2");

	(void)state;
	assert_non_null(grub2);
	for (size_t i = 0; i < P2V_N(edits); i++) {
		p2v_autobuf struct p2v_buf out = {0};

		assert_int_equal((edits[i].source ? grub2->edit_source : grub2->edit_config)(
					 p2v_span_str(edits[i].before), edits[i].edit, &out, NULL),
			0);
		assert_string_equal(out.data ? (const char *)out.data : "", edits[i].after);
	}
}

#define MENU                                                                                       \
	"menuentry 'A' --class x $menuentry_id_option 'id-a' {\n"                                  \
	"	linux /k-a root=UUID=1\n	initrd /ucode.img /i-a\n}\n"                                    \
	"submenu 'More' {\n	menuentry \"B\" {\n		linuxefi /k-b ro\n	}\n"                           \
	"	menuentry 'C' {\n	if x; then\n	fi\n	linux16 /k-c\n	}\n}\n"

static const struct {
	const char *head, *saved, *kernel;
} defaults[] = {
	{"", NULL, "/k-a"},
	{"set default=\"0\"\n", NULL, "/k-a"},
	{"set default=\"1\"\n", NULL, "/k-b"},
	{"set default=\"1>1\"\n", NULL, "/k-c"},
	{"set default=\"More>C\"\n", NULL, "/k-c"},
	{"set default='id-a'\n", NULL, "/k-a"},
	{"set default=\"${saved_entry}\"\n", "More>B", "/k-b"},
	{"set default=\"${saved_entry}\"\n", NULL, "/k-a"},
	{"set default=\"${next_entry}\"\nset default=\"1>1\"\n", NULL, "/k-c"},
	{"set default=\"9\"\n", NULL, NULL},
};

static void test_menu(void **state)
{
	(void)state;
	for (size_t i = 0; i < P2V_N(defaults); i++) {
		p2v_autobuf struct p2v_buf text = {0};
		struct boot_menu menu = {0};

		p2v_buf_addf(&text, "%s%s", defaults[i].head, MENU);
		assert_int_equal(boot_loader_find("grub2")->parse(p2v_span_of(text.data, text.len),
					 defaults[i].saved, &menu, NULL),
			0);
		assert_int_equal(menu.n_entries, 3);
		assert_string_equal(menu.entries[0].title, "A");
		assert_string_equal(menu.entries[0].cmdline, "root=UUID=1");
		assert_int_equal(menu.entries[0].n_initrds, 2);
		assert_string_equal(menu.entries[0].initrds[1], "/i-a");
		if (defaults[i].kernel)
			assert_string_equal(
				menu.entries[menu.default_entry].kernel, defaults[i].kernel);
		else
			assert_int_equal(menu.default_entry, 3);
		boot_menu_finish(&menu);
	}
}

/* Unbalanced and endless nesting ends where the text does; too many entries are refused. */
static void test_bounds(void **state)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct boot_menu menu = {0};

	(void)state;
	p2v_buf_add_str(&text, "}\n}\n");
	for (int i = 0; i < 100; i++)
		p2v_buf_add_str(&text, "submenu 'x' {\n");
	assert_int_equal(boot_loader_find("grub2")->parse(
				 p2v_span_of(text.data, text.len), NULL, &menu, NULL),
		0);
	boot_menu_finish(&menu);
	for (size_t i = 0; i <= BOOT_MAX_ENTRIES; i++)
		p2v_buf_add_str(&text, "linux /k\n");
	assert_int_equal(boot_loader_find("grub2")->parse(
				 p2v_span_of(text.data, text.len), NULL, &menu, NULL),
		P2V_EFORMAT);
	assert_null(boot_loader_find("lilo"));
	assert_null(boot_loader_find(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edits),
		cmocka_unit_test(test_menu),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

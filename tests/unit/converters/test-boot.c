/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "converters/boot/boot.h"
#include "p2v/core/cleanup.h"

#define ADDED "console=tty0 console=ttyS0,115200n8"

static const char *const consoles[] = {"console=tty0", "console=ttyS0,115200n8"};
static const struct boot_edit add_consoles = {.add = consoles, .n_add = 2};
static const struct boot_edit new_root = {.from = "root=/dev/sda1", .to = "root=UUID=1"};
static const struct boot_edit no_resume = {.from = "resume=/dev/sda5"};

#define CFG	&boot_format_grub_cfg
#define DEFAULT &boot_format_grub_default
#define SCRIPT	&boot_format_grub_script
#define BLS	&boot_format_bls
#define LST	&boot_format_menu_lst
#define SYS	&boot_format_syslinux
#define CMDLINE &boot_format_kernel_cmdline

static const struct {
	const struct boot_format *format;
	const struct boot_edit *edit;
	const char *before, *after;
} edits[] = {
	/* Blanks, tabs, other lines and a last line without LF stay. */
	{CFG, &add_consoles, "a\n\tlinux\t/k  root=UUID=1 ro  quiet \nb",
		"a\n\tlinux\t/k  root=UUID=1 ro  quiet " ADDED " \nb"},
	{CFG, &add_consoles, "linux16 /k\nlinuxefi /k ro\n",
		"linux16 /k " ADDED "\nlinuxefi /k ro " ADDED "\n"},
	/* The guest's own consoles stand, whatever their speed; a partial choice is completed. */
	{CFG, &add_consoles, "linux /k console=ttyS0,9600\n", "linux /k console=ttyS0,9600\n"},
	{CFG, &add_consoles, "linux /k console=tty0\n",
		"linux /k console=tty0 console=ttyS0,115200n8\n"},
	{CFG, &add_consoles, "linux /k console=ttyS1\n", "linux /k console=ttyS1 " ADDED "\n"},
	/* Twice is once. */
	{CFG, &add_consoles, "linux /k ro " ADDED "\n", "linux /k ro " ADDED "\n"},
	/* No kernel, or no such command: not a byte. */
	{CFG, &add_consoles, "linux\ninsmod linux\n#linux /k\nlinuxrc /k\n",
		"linux\ninsmod linux\n#linux /k\nlinuxrc /k\n"},
	{CFG, &new_root, "linux /k root=/dev/sda1 root=/dev/sda10\n",
		"linux /k root=UUID=1 root=/dev/sda10\n"},
	{CFG, &no_resume, "linux /k ro resume=/dev/sda5 quiet\n", "linux /k ro quiet\n"},
	/* A line that goes on in the next ones is one. */
	{CFG, &add_consoles, "linux /k ro \\\n  quiet\n", "linux /k ro \\\n  quiet " ADDED "\n"},
	{CFG, &new_root, "linux /k \\\n root=/dev/sda1\\\n\n# \\\nlinux /k root=/dev/sda1",
		"linux /k \\\n root=UUID=1\\\n\n# \\\nlinux /k root=UUID=1"},
	{CFG, &no_resume, "linux /k \\\n resume=/dev/sda5 \\\n quiet\n",
		"linux /k \\\n  \\\n quiet\n"},
	{LST, &new_root, "kernel /k ro \\\n root=/dev/sda1\n", "kernel /k ro \\\n root=UUID=1\n"},
	/* Quotes around a word stay, those of several words, too. */
	{CFG, &new_root, "linux /k \"root=/dev/sda1\" 'root=/dev/sda1 ro'\n",
		"linux /k \"root=UUID=1\" 'root=UUID=1 ro'\n"},
	{CFG, &no_resume, "linux /k \"resume=/dev/sda5\" 'resume=/dev/sda5 ro' ro\n",
		"linux /k ' ro' ro\n"},
	{DEFAULT, &new_root, "GRUB_CMDLINE_LINUX=\"a \\\nroot=/dev/sda1\n\" # \"\n",
		"GRUB_CMDLINE_LINUX=\"a \\\nroot=UUID=1\n\" # \"\n"},
	{DEFAULT, &add_consoles, "GRUB_CMDLINE_LINUX=\"a\nb",
		"GRUB_CMDLINE_LINUX=\"a\nb\n"
		"GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX " ADDED "\"\n"},
	/* Of a program only what it prints to the letter. */
	{SCRIPT, &new_root, "linux $k root=/dev/sda1\nlinux /k root=/dev/sda1\n",
		"linux $k root=/dev/sda1\nlinux /k root=UUID=1\n"},
	{SCRIPT, &new_root, "#!/bin/sh\nexec tail -n +3 $0\nlinux ($r)/k root=/dev/sda1\n",
		"#!/bin/sh\nexec tail -n +3 $0\nlinux ($r)/k root=UUID=1\n"},
	{CFG, &add_consoles, "", ""},
	{DEFAULT, &add_consoles, "GRUB_CMDLINE_LINUX=\"\"\n", "GRUB_CMDLINE_LINUX=\"" ADDED "\"\n"},
	{DEFAULT, &add_consoles, "GRUB_CMDLINE_LINUX='a b' # c\nX=1",
		"GRUB_CMDLINE_LINUX='a b " ADDED "' # c\nX=1"},
	{DEFAULT, &add_consoles, "GRUB_CMDLINE_LINUX=a\n", "GRUB_CMDLINE_LINUX=\"a " ADDED "\"\n"},
	{DEFAULT, &new_root, "GRUB_CMDLINE_LINUX=a\n", "GRUB_CMDLINE_LINUX=a\n"},
	/* The last assignment is the one that a shell takes. */
	{DEFAULT, &add_consoles, "GRUB_CMDLINE_LINUX=\"a\"\nGRUB_CMDLINE_LINUX=\"b\"\n",
		"GRUB_CMDLINE_LINUX=\"a\"\nGRUB_CMDLINE_LINUX=\"b " ADDED "\"\n"},
	{DEFAULT, &add_consoles, "#GRUB_CMDLINE_LINUX=\"a\"\nX=1",
		"#GRUB_CMDLINE_LINUX=\"a\"\nX=1\nGRUB_CMDLINE_LINUX=\"" ADDED "\"\n"},
	{DEFAULT, &no_resume, "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet resume=/dev/sda5\"\n",
		"GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"},
	/* What only a shell understands stays, and a further line adds to it. */
	{DEFAULT, &add_consoles, "GRUB_CMDLINE_LINUX=\"a=\\\"b\\\" c\"\n",
		"GRUB_CMDLINE_LINUX=\"a=\\\"b\\\" c\"\n"
		"GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX " ADDED "\"\n"},
	{DEFAULT, &add_consoles, "GRUB_CMDLINE_LINUX=\"a \\\n b\"\n",
		"GRUB_CMDLINE_LINUX=\"a \\\n b " ADDED "\"\n"},
	{DEFAULT, &add_consoles, "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX " ADDED "\"\n",
		"GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX " ADDED "\"\n"},
	/* Entry files: once a file, on the last of several lines; $kernelopts is in grubenv. */
	{BLS, &add_consoles, "title x\nlinux /k\noptions root=UUID=1 ro\n",
		"title x\nlinux /k\noptions root=UUID=1 ro " ADDED "\n"},
	{BLS, &add_consoles, "options a\noptions b\r\nlinux /k",
		"options a\noptions b " ADDED "\r\nlinux /k"},
	{BLS, &add_consoles, "options console=ttyS0\noptions b\n",
		"options console=ttyS0\noptions b\n"},
	{BLS, &add_consoles, "linux /k\noptions $kernelopts $tuned_params\n",
		"linux /k\noptions $kernelopts $tuned_params\n"},
	{BLS, &add_consoles, "linux /k\ninitrd /i", "linux /k\ninitrd /i\noptions " ADDED "\n"},
	{BLS, &add_consoles, "title x\nefi /shell.efi\n", "title x\nefi /shell.efi\n"},
	{BLS, &new_root, "options root=/dev/sda1\noptions  ro\n",
		"options root=UUID=1\noptions  ro\n"},
	{CMDLINE, &add_consoles, "root=UUID=1 ro\n", "root=UUID=1 ro " ADDED "\n"},
	{CMDLINE, &add_consoles, "# c\na\nb", "# c\na\nb " ADDED},
	{CMDLINE, &add_consoles, "", ""},
	{LST, &add_consoles,
		"# kopt=root=/dev/sda1 ro\n## kopt=x\nkernel\t/vmlinuz ro\ninitrd /i\n",
		"# kopt=root=/dev/sda1 ro " ADDED "\n## kopt=x\nkernel\t/vmlinuz ro " ADDED
		"\ninitrd /i\n"},
	{LST, &new_root,
		"# kopt=root=/dev/sda1 ro\nkernel --no-mem-option (hd0,0)/k root=/dev/sda1\n",
		"# kopt=root=UUID=1 ro\nkernel --no-mem-option (hd0,0)/k root=UUID=1\n"},
	{LST, &add_consoles, "kernel /boot/memtest86+.bin\nkernel /xen.gz\n",
		"kernel /boot/memtest86+.bin\nkernel /xen.gz\n"},
	{SYS, &add_consoles, "Label a\n  LINUX /k\n  append root=UUID=1\n  APPEND -\n",
		"Label a\n  LINUX /k\n  append root=UUID=1 " ADDED "\n  APPEND -\n"},
	{SYS, &no_resume, "APPEND ro resume=/dev/sda5\n", "APPEND ro\n"},
};

static void test_edits(void **state)
{
	(void)state;
	for (size_t i = 0; i < P2V_N(edits); i++) {
		struct p2v_span before = p2v_span_str(edits[i].before);
		p2v_autobuf struct p2v_buf out = {0};

		assert_int_equal(edits[i].format->edit(before, edits[i].edit, &out, NULL), 0);
		assert_string_equal(out.data ? (const char *)out.data : "", edits[i].after);
		assert_int_equal(boot_format_would_change(edits[i].format, before, edits[i].edit),
			strcmp(edits[i].before, edits[i].after) != 0);
	}
}

/* 1024 bytes before, 1024 bytes after; no room is an error and not a longer block. */
static void test_grubenv(void **state)
{
	static const char head[] = "# GRUB Environment Block\nsaved_entry=x-1\nkernelopts=ro \n";
	p2v_autobuf struct p2v_buf block = {0}, out = {0}, twice = {0}, full = {0};
	struct boot_menu menu = {0};
	struct p2v_err err = {0};
	struct p2v_span text;

	(void)state;
	p2v_buf_add_str(&block, head);
	while (block.len < 1024)
		p2v_buf_add_str(&block, "#");
	text = p2v_span_of(block.data, block.len);
	assert_int_equal(boot_format_grubenv.read(text, "/x", &menu, NULL), 0);
	assert_string_equal(menu.saved, "x-1");
	assert_string_equal(menu.kernelopts, "ro");
	boot_menu_finish(&menu);
	assert_int_equal(boot_format_grubenv.edit(text, &add_consoles, &out, NULL), 0);
	assert_int_equal(out.len, 1024);
	assert_non_null(strstr((char *)out.data, "\nkernelopts=ro " ADDED " \n####"));
	text = p2v_span_of(out.data, out.len);
	assert_int_equal(boot_format_grubenv.edit(text, &add_consoles, &twice, NULL), 0);
	assert_memory_equal(out.data, twice.data, 1024);
	p2v_buf_add_str(&full, "# GRUB Environment Block\nkernelopts=");
	while (full.len < 1000)
		p2v_buf_add_str(&full, "x");
	p2v_buf_add_str(&full, "\n#######################");
	assert_int_equal(full.len, 1024);
	p2v_buf_reset(&out);
	assert_int_equal(boot_format_grubenv.edit(
				 p2v_span_of(full.data, full.len), &add_consoles, &out, &err),
		P2V_EUNSUPPORTED);
	assert_int_equal(out.len, 0);
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
		if (defaults[i].saved)
			menu.saved = strdup(defaults[i].saved);
		assert_int_equal(boot_format_grub_cfg.read(
					 p2v_span_of(text.data, text.len), "/x", &menu, NULL),
			0);
		assert_int_equal(boot_menu_settle(&menu, NULL), 0);
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

static void feed(const struct boot_format *format, const char *path, const char *text,
	struct boot_menu *menu)
{
	assert_int_equal(format->read(p2v_span_str(text), path, menu, NULL), 0);
}

/* The menus of entry files: which entry starts, by what the loader's own files say. */
static const struct {
	const struct boot_format *format;
	const char *text, *saved, *id;
} choices[] = {
	{CFG, "set default=\"${saved_entry}\"\nblscfg\n", "m-5.14.0-70", "m-5.14.0-70"},
	{CFG, "set default=\"${saved_entry}\"\nblscfg\n", NULL, "m-5.14.0-162"},
	{CFG, "set default=\"1\"\nblscfg\n", NULL, "m-5.14.0-70"},
	{CFG, "set default=\"gone\"\nblscfg\n", NULL, "m-5.14.0-162"},
	{&boot_format_loader_conf, "timeout 3\ndefault m-*-70.conf\n", NULL, "m-5.14.0-70"},
	{&boot_format_loader_conf, "default\tm-5.14.0-70\n", NULL, "m-5.14.0-70"},
	{&boot_format_loader_conf, "#default x\n", NULL, "m-5.14.0-162"},
	{&boot_format_loader_conf, "default @saved\n", NULL, "m-5.14.0-162"},
	{&boot_format_loader_conf, "default *a*a*a*a*a*a\n", NULL, "m-5.14.0-162"},
};

static void test_entry_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < P2V_N(choices); i++) {
		struct boot_menu menu = {.kernelopts = strdup("root=UUID=1 ro")};

		menu.saved = choices[i].saved ? strdup(choices[i].saved) : NULL;
		feed(choices[i].format, "/x", choices[i].text, &menu);
		feed(BLS, "/boot/loader/entries/m-5.14.0-70.conf",
			"title Old\nversion 5.14.0-70\nlinux /vmlinuz-70\ninitrd /i-70 $tuned\n"
			"options $kernelopts $tuned_params quiet\n",
			&menu);
		feed(BLS, "/boot/loader/entries/m-5.14.0-162+3-0.conf",
			"version 5.14.0-162\nlinux (hd0,1)/vmlinuz-162\noptions a\noptions b\n",
			&menu);
		assert_int_equal(boot_menu_settle(&menu, NULL), 0);
		assert_int_equal(menu.n_entries, 2);
		assert_string_equal(menu.entries[0].cmdline, "a b");
		assert_string_equal(menu.entries[0].kernel, "/vmlinuz-162");
		assert_string_equal(menu.entries[1].cmdline, "root=UUID=1 ro quiet");
		assert_string_equal(menu.entries[menu.default_entry].id, choices[i].id);
		boot_menu_finish(&menu);
	}
}

/* Entry files beside a grub.cfg that does not use them are no part of its menu. */
static void test_foreign_entry_files(void **state)
{
	struct boot_menu menu = {0};

	(void)state;
	feed(CFG, "/x", MENU, &menu);
	feed(BLS, "/boot/loader/entries/x.conf", "linux /k\n", &menu);
	assert_int_equal(boot_menu_settle(&menu, NULL), 0);
	assert_int_equal(menu.n_entries, 3);
	boot_menu_finish(&menu);
}

static void test_other_menus(void **state)
{
	struct boot_menu menu = {0};

	(void)state;
	feed(LST, "/x",
		"default 1\ntitle A\nroot (hd0,0)\nkernel /k-a ro\ninitrd /i-a\n"
		"title B\nkernel (hd0,0)/k-b root=UUID=1\ninitrd (hd0,0)/i-b\n",
		&menu);
	assert_int_equal(boot_menu_settle(&menu, NULL), 0);
	assert_int_equal(menu.default_entry, 1);
	assert_string_equal(menu.entries[1].kernel, "/k-b");
	assert_string_equal(menu.entries[1].initrds[0], "/i-b");
	assert_string_equal(menu.entries[1].title, "B");
	boot_menu_finish(&menu);
	feed(SYS, "/x",
		"DEFAULT vesamenu.c32\nAPPEND quiet initrd=/i-c\nLABEL a\n KERNEL /k-a\n"
		" INITRD /u,/i-a\n APPEND root=UUID=1\nLABEL b\n MENU DEFAULT\n linux /k-b\n"
		"LABEL m\n kernel menu.c32\n append x\n",
		&menu);
	assert_int_equal(boot_menu_settle(&menu, NULL), 0);
	assert_int_equal(menu.n_entries, 2);
	assert_int_equal(menu.default_entry, 1);
	assert_int_equal(menu.entries[0].n_initrds, 2);
	assert_string_equal(menu.entries[0].cmdline, "root=UUID=1");
	assert_string_equal(menu.entries[1].cmdline, "quiet initrd=/i-c");
	assert_string_equal(menu.entries[1].initrds[0], "/i-c");
	boot_menu_finish(&menu);
}

/* As liloconfig and as Debian write it; what is said before the first image is for all. */
static void test_lilo(void **state)
{
	static const char text[] =
		"append=\"vt.default_utf8=0\"\nboot = /dev/sda\nroot=/dev/sda9\n"
		"default=new\n# image=/no\nimage = /boot/vmlinuz\n  root = current\n"
		"  label = Linux\n  read-only\nother = /dev/sda3\n  label = Windows\n"
		"image=/boot/vmlinuz-2.6\n\tlabel=\"new\"\n\troot=/dev/hda1\n"
		"\tinitrd=/boot/initrd.gz\n\tappend=\"quiet ro\"\n";
	struct boot_menu menu = {0};

	(void)state;
	assert_int_equal(
		boot_format_lilo.read(p2v_span_str(text), "/etc/lilo.conf", &menu, NULL), 0);
	assert_int_equal(boot_menu_settle(&menu, NULL), 0);
	assert_int_equal(menu.n_entries, 2);
	assert_int_equal(menu.default_entry, 1);
	assert_string_equal(menu.entries[0].kernel, "/boot/vmlinuz");
	assert_string_equal(menu.entries[0].cmdline, "vt.default_utf8=0");
	assert_int_equal(menu.entries[0].n_initrds, 0);
	assert_string_equal(menu.entries[1].cmdline, "root=/dev/hda1 quiet ro");
	assert_string_equal(menu.entries[1].initrds[0], "/boot/initrd.gz");
	assert_true(boot_loader_find("lilo")->sealed);
	boot_menu_finish(&menu);
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* Every cut of a unified kernel is read without harm; the whole one says what it starts. */
static void test_unified(void **state)
{
	uint8_t image[512] = {'M', 'Z'};
	struct boot_menu menu = {0};

	(void)state;
	put32(image + 0x3c, 0x80);
	memcpy(image + 0x80, "PE\0\0", 4);
	image[0x86] = 3;
	memcpy(image + 0x98, ".uname", 6);
	put32(image + 0x98 + 8, 6);
	put32(image + 0x98 + 16, 64);
	put32(image + 0x98 + 20, 384);
	memcpy(image + 0xc0, ".cmdline", 8);
	put32(image + 0xc0 + 8, 100);
	put32(image + 0xc0 + 16, 64);
	put32(image + 0xc0 + 20, 448);
	memcpy(image + 0xe8, ".linux", 6);
	memcpy(image + 384, "6.6.1\n", 6);
	memcpy(image + 448, "root=UUID=1 ro\n", 15);
	for (size_t n = 0; n <= sizeof(image); n++) {
		assert_int_equal(boot_format_unified.read(p2v_span_of(image, n),
					 "/efi/EFI/Linux/a+3.efi", &menu, NULL),
			0);
		if (n < sizeof(image))
			boot_menu_finish(&menu);
	}
	assert_int_equal(menu.n_entries, 1);
	assert_true(menu.entries[0].unified);
	assert_string_equal(menu.entries[0].id, "a");
	assert_string_equal(menu.entries[0].version, "6.6.1");
	assert_string_equal(menu.entries[0].cmdline, "root=UUID=1 ro");
	boot_menu_finish(&menu);
}

static void test_formats_by_path(void **state)
{
	const struct boot_loader *grub2 = boot_loader_find("grub2");

	(void)state;
	assert_ptr_equal(boot_loader_format(grub2, "/boot/efi/EFI/rocky/grub.cfg"), CFG);
	assert_ptr_equal(boot_loader_format(grub2, "/boot/loader/entries/x.conf"), BLS);
	assert_ptr_equal(boot_loader_format(grub2, "/boot/grub2/grubenv"), &boot_format_grubenv);
	assert_null(boot_loader_format(grub2, "/boot/loader/entries/../../x.conf"));
	assert_null(boot_loader_format(grub2, "/etc/passwd"));
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
	assert_int_equal(
		boot_format_grub_cfg.read(p2v_span_of(text.data, text.len), "/x", &menu, NULL), 0);
	boot_menu_finish(&menu);
	for (size_t i = 0; i <= BOOT_MAX_ENTRIES; i++)
		p2v_buf_add_str(&text, "linux /k\n");
	assert_int_equal(
		boot_format_grub_cfg.read(p2v_span_of(text.data, text.len), "/x", &menu, NULL),
		P2V_EFORMAT);
	boot_menu_finish(&menu);
	assert_null(boot_loader_find("refind"));
	assert_null(boot_loader_find(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edits),
		cmocka_unit_test(test_grubenv),
		cmocka_unit_test(test_menu),
		cmocka_unit_test(test_entry_files),
		cmocka_unit_test(test_foreign_entry_files),
		cmocka_unit_test(test_other_menus),
		cmocka_unit_test(test_lilo),
		cmocka_unit_test(test_unified),
		cmocka_unit_test(test_formats_by_path),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

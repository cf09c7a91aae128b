/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Unified kernel images: an EFI program whose sections hold kernel, initramfs and command line.
 * They are changed in drivers-inject/linux/unified.c, which has the whole file.
 *
 * PE: at 0x3c the offset of "PE\0\0"; behind it the number of sections (at 6) and the size of the
 * optional header (at 20); then sections of 40 bytes: name[8], size in memory, address, size and
 * offset in the file. Sources: the PE/COFF specification; systemd-stub(7) for the sections' names.
 */

#include <string.h>

#include "converters/boot/menu.h"
#include "p2v/core/json.h"

#define MAX_SECTIONS 64

struct section {
	char name[9];
	struct p2v_span bytes; /* the part of it that was read */
};

static struct p2v_span cut(struct p2v_span image, uint64_t at, uint64_t n)
{
	if (at > image.n)
		at = image.n;
	if (n > image.n - at)
		n = image.n - at;
	return p2v_span_of(image.p + at, (size_t)n);
}

static void read_section(struct p2v_rd *rd, struct p2v_span image, struct section *ret)
{
	const uint8_t *name = p2v_rd_bytes(rd, 8);
	uint32_t size = p2v_rd_le32(rd), stored, at;

	p2v_rd_le32(rd);
	stored = p2v_rd_le32(rd);
	at = p2v_rd_le32(rd);
	p2v_rd_bytes(rd, 16);
	memset(ret, 0, sizeof(*ret));
	if (name)
		memcpy(ret->name, name, 8);
	ret->bytes = cut(image, at, size && size < stored ? size : stored);
}

/* Text sections are filled with zeros, and some with a line end. */
static struct p2v_span text_of(const struct section *s)
{
	return p2v_span_trim(p2v_span_until(s->bytes, '\0', NULL));
}

static int take_section(struct boot_entry *e, const struct section *s, struct p2v_err *err)
{
	struct p2v_span rest = text_of(s), line, value;

	/* Of several profiles the first one starts by itself. */
	if (strcmp(s->name, ".uname") == 0 && !*e->version)
		return boot_set(&e->version, text_of(s), err);
	if (strcmp(s->name, ".cmdline") == 0 && !*e->cmdline)
		return boot_set(&e->cmdline, text_of(s), err);
	if (strcmp(s->name, ".initrd") == 0 && !e->n_initrds)
		return p2v_json_add_str(&e->initrds, &e->n_initrds, e->kernel, err);
	if (strcmp(s->name, ".osrel") != 0)
		return 0;
	while (p2v_line_next(&rest, &line))
		if (p2v_span_eq(p2v_span_until(line, '=', &value), "PRETTY_NAME"))
			return boot_set(&e->title, p2v_span_unquote(value), err);
	return 0;
}

/* Where the section table begins, and how many there are; false: no PE file. */
static bool find_table(struct p2v_span image, struct p2v_rd *ret_rd, unsigned *ret_n)
{
	struct p2v_rd rd = p2v_rd_init(image.p, image.n);
	const uint8_t *magic;
	uint32_t at;
	uint16_t n, optional;

	p2v_rd_bytes(&rd, 0x3c);
	at = p2v_rd_le32(&rd);
	if (rd.failed || at > image.n)
		return false;
	rd = p2v_rd_init(image.p + at, image.n - at);
	magic = p2v_rd_bytes(&rd, 4);
	p2v_rd_le16(&rd);
	n = p2v_rd_le16(&rd);
	p2v_rd_bytes(&rd, 12);
	optional = p2v_rd_le16(&rd);
	p2v_rd_le16(&rd);
	p2v_rd_bytes(&rd, optional);
	if (rd.failed || memcmp(magic, "PE\0\0", 4) != 0 || n > MAX_SECTIONS)
		return false;
	*ret_rd = rd;
	*ret_n = n;
	return true;
}

/* What tells a unified kernel from a boot loader. */
static bool has_kernel(struct p2v_rd rd, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *name = p2v_rd_bytes(&rd, 8);

		if (name && memcmp(name, ".linux\0", 8) == 0)
			return true;
		p2v_rd_bytes(&rd, 32);
	}
	return false;
}

static bool is_listed(const char *path)
{
	return strstr(path, "/EFI/Linux/") != NULL;
}

static int unified_read(
	struct p2v_span image, const char *path, struct boot_menu *menu, struct p2v_err *err)
{
	struct p2v_span id = p2v_span_until(p2v_span_str(boot_base_name(path)), '+', NULL);
	struct boot_entry *e;
	struct p2v_rd rd;
	unsigned n;
	int r;

	if (!find_table(image, &rd, &n) || !has_kernel(rd, n))
		return 0;
	r = boot_menu_add(menu, &e, err);
	if (r < 0)
		return r;
	if (is_listed(path)) {
		menu->wants_files = true;
		menu->from_files++;
	}
	e->unified = true;
	r = boot_set(&e->id, id, err);
	if (r == 0)
		r = boot_set(&e->kernel, p2v_span_str(path), err);
	for (unsigned i = 0; r == 0 && i < n && !rd.failed; i++) {
		struct section s;

		read_section(&rd, image, &s);
		r = take_section(e, &s, err);
	}
	return r;
}

/* Anywhere else the firmware starts it. */
static int program_read(
	struct p2v_span image, const char *path, struct boot_menu *menu, struct p2v_err *err)
{
	return is_listed(path) ? 0 : unified_read(image, path, menu, err);
}

const struct boot_format boot_format_unified = {.read = unified_read, .binary = true};
const struct boot_format boot_format_program = {.read = program_read, .binary = true};

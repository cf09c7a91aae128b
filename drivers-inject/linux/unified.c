/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 *	0x00  "MZ"
 *	0x3c  le32: where "PE\0\0" is, and behind it
 *	      COFF header, 20 bytes: le16 sections (2), le32 symbols at (8), le16 optional size (16)
 *	      optional header: le32 alignment in memory (32), in the file (36), size in memory (56),
 *	          of all headers (60), checksum (64); directory 4 (144; 128 in a 32-bit one):
 *signature sections, 40 bytes each: name[8], le32 bytes, address, stored bytes, stored at
 */

#include "drivers-inject/linux/unified.h"

#include <errno.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers-inject/linux/image.h"
#include "p2v/core/cleanup.h"
#include "p2v/guest/read.h"
#include "p2v/guest/write.h"

#define MAX_HEAD    65536
#define MAX_ALIGN   (UINT32_C(1) << 20)
#define MAX_PROGRAM ((uint64_t)1 << 30)
#define MAX_TEXT    ((uint64_t)1 << 16)
#define ROW	    40

struct program {
	int fd;
	uint64_t bytes;
	uint8_t head[MAX_HEAD];
	size_t n_head, coff, optional, table, rows;
	uint32_t memory_align, file_align;
};

static uint32_t get(const struct program *p, size_t at)
{
	struct p2v_rd rd = p2v_rd_init(p->head + at, sizeof(p->head) - at);

	return p2v_rd_le32(&rd);
}

static uint16_t get16(const struct program *p, size_t at)
{
	struct p2v_rd rd = p2v_rd_init(p->head + at, sizeof(p->head) - at);

	return p2v_rd_le16(&rd);
}

static void put(struct program *p, size_t at, uint64_t value)
{
	for (size_t i = 0; i < 4; i++)
		p->head[at + i] = (uint8_t)(value >> (8 * i));
}

/* A member of section i, at this offset in its row. */
enum { BYTES = 8, ADDRESS = 12, STORED = 16, AT = 20 };

static size_t row(const struct program *p, size_t i, size_t member)
{
	return p->table + ROW * i + member;
}

static bool is_power(uint32_t n)
{
	return n && !(n & (n - 1)) && n <= MAX_ALIGN;
}

static bool read_head(struct program *p)
{
	ssize_t n = pread(p->fd, p->head, sizeof(p->head), 0);
	uint32_t size;

	if (n < 0x40 || memcmp(p->head, "MZ", 2) != 0)
		return false;
	p->coff = (size_t)get(p, 0x3c) + 4;
	if (p->coff > (size_t)n - 24 || memcmp(p->head + p->coff - 4, "PE\0\0", 4) != 0)
		return false;
	p->optional = p->coff + 20;
	p->rows = get16(p, p->coff + 2);
	p->table = p->optional + get16(p, p->coff + 16);
	if (p->optional + 152 > (size_t)n || p->table < p->optional + 152)
		return false;
	p->memory_align = get(p, p->optional + 32);
	p->file_align = get(p, p->optional + 36);
	size = get(p, p->optional + 60);
	p->n_head = size;
	return size <= (size_t)n && p->table + ROW * p->rows <= size && is_power(p->memory_align) &&
	       is_power(p->file_align);
}

/* 1, 0 and P2V_ENOTFOUND as linux_unified_find. */
static int open_program(
	struct program *p, int fd, const char *section, size_t *ret, struct p2v_err *err)
{
	struct stat st;

	*p = (struct program){.fd = fd};
	if (fstat(fd, &st) < 0)
		return p2v_err_errno(err, errno, "look at its copy");
	p->bytes = (uint64_t)st.st_size;
	if (!read_head(p))
		return 0;
	for (size_t i = 0; i < p->rows; i++) {
		uint64_t at = get(p, row(p, i, AT)), stored = get(p, row(p, i, STORED));

		if (strncmp((const char *)p->head + row(p, i, 0), section, 8) != 0)
			continue;
		if (at < p->n_head || at > p->bytes || stored > p->bytes - at)
			return p2v_err_set(err, P2V_EFORMAT, "its section %s is cut off", section);
		*ret = i;
		return 1;
	}
	return p2v_err_set(err, P2V_ENOTFOUND, "it has no section %s", section);
}

int linux_unified_find(
	int fd, const char *section, uint64_t *ret_offset, uint64_t *ret_bytes, struct p2v_err *err)
{
	struct program p;
	size_t i;
	int r = open_program(&p, fd, section, &i, err);

	if (r > 0) {
		uint32_t bytes = get(&p, row(&p, i, BYTES)), stored = get(&p, row(&p, i, STORED));

		*ret_offset = get(&p, row(&p, i, AT));
		*ret_bytes = bytes && bytes < stored ? bytes : stored;
	}
	return r;
}

static uint64_t align(uint64_t n, uint32_t to)
{
	return (n + to - 1) / to * to;
}

/* The first address behind all sections but this one. */
static uint64_t end_of_others(const struct program *p, size_t but)
{
	uint64_t end = p->n_head;

	for (size_t i = 0; i < p->rows; i++) {
		uint64_t to = (uint64_t)get(p, row(p, i, ADDRESS)) +
			      (get(p, row(p, i, BYTES)) > get(p, row(p, i, STORED))
					      ? get(p, row(p, i, BYTES))
					      : get(p, row(p, i, STORED)));

		if (i != but && to > end)
			end = to;
	}
	return align(end, p->memory_align);
}

/* Where it is loaded when it has that many bytes. */
static void place(struct program *p, size_t i, uint64_t bytes)
{
	uint64_t at = get(p, row(p, i, ADDRESS)), end = end_of_others(p, i);

	for (size_t k = 0; k < p->rows; k++) {
		uint64_t other = get(p, row(p, k, ADDRESS));

		if (k != i && other >= at && other < at + bytes) {
			put(p, row(p, i, ADDRESS), end);
			at = end;
			break;
		}
	}
	put(p, row(p, i, BYTES), bytes);
	if (align(at + bytes, p->memory_align) > end)
		end = align(at + bytes, p->memory_align);
	put(p, p->optional + 56, end);
}

/* The signature, which is the file's end: what it was over is another program now. */
static void unsign(struct program *p)
{
	size_t at = p->optional + (get16(p, p->optional) == 0x20b ? 144 : 128);
	uint32_t from = get(p, at);

	if (from >= p->n_head && from < p->bytes)
		p->bytes = from;
	put(p, at, 0);
	put(p, at + 4, 0);
	put(p, p->optional + 64, 0);
}

/* What lies behind the section moves with its end. */
static void shift(struct program *p, size_t i, uint64_t stored)
{
	uint64_t end = (uint64_t)get(p, row(p, i, AT)) + get(p, row(p, i, STORED));

	for (size_t k = 0; k < p->rows; k++)
		if (k != i && get(p, row(p, k, AT)) >= end)
			put(p, row(p, k, AT),
				get(p, row(p, k, AT)) + stored - get(p, row(p, i, STORED)));
	/* Symbols are for debuggers. */
	if (get(p, p->coff + 8) >= end) {
		put(p, p->coff + 8, 0);
		put(p, p->coff + 12, 0);
	}
	put(p, row(p, i, STORED), stored);
}

static int copy(int from, uint64_t at, uint64_t end, int out, struct p2v_err *err)
{
	off_t offset = (off_t)at;

	while ((uint64_t)offset < end) {
		uint64_t left = end - (uint64_t)offset;
		ssize_t n = sendfile(out, from, &offset, left < (1 << 20) ? left : 1 << 20);

		if (n <= 0)
			return p2v_err_errno(err, n < 0 ? errno : EIO, "write the new program");
	}
	return 0;
}

int linux_unified_put(int fd, const char *section, int content, int out, struct p2v_err *err)
{
	static const uint8_t zeros[MAX_ALIGN];
	struct program p;
	uint64_t at, behind, stored;
	struct stat st;
	size_t i;
	int r = open_program(&p, fd, section, &i, err);

	if (r <= 0)
		return r < 0 ? r : p2v_err_set(err, P2V_EFORMAT, "it is no EFI program");
	if (fstat(content, &st) < 0)
		return p2v_err_errno(err, errno, "look at the new section");
	stored = align((uint64_t)st.st_size, p.file_align);
	if (p.bytes + stored > MAX_PROGRAM)
		return p2v_err_set(err, P2V_EFORMAT, "it would grow beyond %llu bytes",
			(unsigned long long)MAX_PROGRAM);
	at = get(&p, row(&p, i, AT));
	behind = at + get(&p, row(&p, i, STORED));
	unsign(&p);
	shift(&p, i, stored);
	place(&p, i, (uint64_t)st.st_size);
	if (write(out, p.head, p.n_head) != (ssize_t)p.n_head)
		return p2v_err_errno(err, errno, "write the new program");
	r = copy(fd, p.n_head, at, out, err);
	if (r == 0)
		r = copy(content, 0, (uint64_t)st.st_size, out, err);
	stored -= (uint64_t)st.st_size;
	if (r == 0 && write(out, zeros, stored) != (ssize_t)stored)
		r = p2v_err_errno(err, errno, "write the new program");
	return r == 0 ? copy(fd, behind, p.bytes, out, err) : r;
}

/* The section's text in a file of its own, edited; ret: -1 where it stays as it is. */
static int edited(int fd, const char *section, linux_initramfs_edit *edit, void *opaque, int *ret,
	struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf out = {0};
	char text[MAX_TEXT];
	struct p2v_span before;
	uint64_t at, bytes;
	bool gone = false;
	int r = linux_unified_find(fd, section, &at, &bytes, err);

	if (r <= 0)
		return r < 0 ? r : p2v_err_set(err, P2V_EFORMAT, "it is no EFI program");
	if (bytes > sizeof(text) || pread(fd, text, bytes, (off_t)at) != (ssize_t)bytes)
		return p2v_err_set(err, P2V_EFORMAT, "its section %s is no text", section);
	before = p2v_span_until(p2v_span_of(text, bytes), '\0', NULL);
	r = edit(opaque, before, &out, &gone, err);
	if (r == 0)
		r = p2v_buf_check(&out, err);
	if (r < 0 || p2v_span_same(before, p2v_span_of(out.data, out.len)))
		return r;
	*ret = linux_temporary(err);
	if (*ret < 0)
		return *ret;
	if (write(*ret, out.data, out.len) != (ssize_t)out.len)
		return p2v_err_errno(err, errno, "write the new section");
	return 0;
}

int linux_unified_change(struct guest *g, const char *path, const char *section,
	linux_initramfs_edit *edit, void *opaque, struct p2v_err *err)
{
	int fd = linux_temporary(err), out = -1, content = -1;
	int r = fd < 0 ? fd : guest_download(g, path, MAX_PROGRAM, fd, err);

	if (r == 0) {
		r = edited(fd, section, edit, opaque, &content, err);
		if (r == 0 && content >= 0)
			r = out = linux_temporary(err);
		if (r >= 0 && content >= 0)
			r = linux_unified_put(fd, section, content, out, err);
		if (r < 0)
			p2v_err_wrap(err, r, "%s", path);
	}
	if (r == 0 && content >= 0)
		r = guest_upload(g, out, path, 0600, "changes the kernel's arguments", err);
	for (const int *f = (const int[]){fd, out, content, -2}; *f != -2; f++)
		if (*f >= 0)
			close(*f);
	return r;
}

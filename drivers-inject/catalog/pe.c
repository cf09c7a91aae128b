/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "drivers-inject/catalog/pe.h"

#include <string.h>

#define OPTIONAL_PE32	   0x10b
#define OPTIONAL_PE32_PLUS 0x20b
#define PKCS7_SIGNED_DATA  2

static int machine_of(uint16_t number)
{
	switch (number) {
	case 0x014c:
		return CATALOG_X86;
	case 0x8664:
		return CATALOG_AMD64;
	case 0xaa64:
		return CATALOG_ARM64;
	}
	return -1;
}

static struct p2v_rd reader_at(const void *bytes, size_t n, size_t offset)
{
	struct p2v_rd rd = p2v_rd_init(bytes, n);

	p2v_rd_bytes(&rd, offset);
	return rd;
}

/* The entry of a WIN_CERTIFICATE table: length, revision, type, then the signature. */
static int signing_at(const void *bytes, size_t n, size_t offset)
{
	struct p2v_rd rd = reader_at(bytes, n, offset);
	uint32_t length = p2v_rd_le32(&rd);
	uint16_t type;
	const uint8_t *body;

	p2v_rd_le16(&rd);
	type = p2v_rd_le16(&rd);
	if (rd.failed || length < 8 || type != PKCS7_SIGNED_DATA)
		return CATALOG_UNSIGNED;
	body = p2v_rd_bytes(&rd, length - 8);
	return body ? pe_signing_of(body, length - 8) : CATALOG_UNSIGNED;
}

/*
 *	"MZ" ... 0x3c: offset of
 *	"PE\0\0"
 *	machine, ... size of the optional header, flags      20 bytes
 *	magic ... data directories: the fifth is the certificates' (offset in the file, size)
 */
int pe_read(const void *bytes, size_t n, struct pe_facts *ret, struct p2v_err *err)
{
	struct p2v_rd rd = reader_at(bytes, n, 0x3c);
	uint32_t header = p2v_rd_le32(&rd), table;
	const uint8_t *magic;
	uint16_t machine, kind;

	rd = reader_at(bytes, n, header);
	magic = p2v_rd_bytes(&rd, 4);
	machine = p2v_rd_le16(&rd);
	p2v_rd_bytes(&rd, 18);
	kind = p2v_rd_le16(&rd);
	if (rd.failed || memcmp(bytes, "MZ", 2) != 0 || memcmp(magic, "PE\0\0", 4) != 0 ||
		(kind != OPTIONAL_PE32 && kind != OPTIONAL_PE32_PLUS))
		return p2v_err_set(err, P2V_EFORMAT, "not a program of Windows");
	/* From behind the magic number to the fifth directory. */
	p2v_rd_bytes(&rd, (kind == OPTIONAL_PE32 ? 96 : 112) - 2 + 4 * 8);
	table = p2v_rd_le32(&rd);
	ret->machine = machine_of(machine);
	ret->signing = rd.failed || table == 0 ? CATALOG_UNSIGNED : signing_at(bytes, n, table);
	return 0;
}

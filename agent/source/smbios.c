/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/source/smbios.h"

#include <stdbool.h>
#include <string.h>

#include "p2v/core/buf.h"
#include "p2v/core/num.h"

#define TYPE_MEMORY_DEVICE 17
#define TYPE_END	   127
#define SIZE_AT		   0x0c /* u16: 0 none, 0xffff unknown, 0x7fff see below, bit 15: KiB */
#define EXTENDED_SIZE_AT   0x1c /* u32, MiB */
#define SIZE_MAX_MIB	   (UINT64_C(1) << 31)

/* Size of one memory device from its formatted part (after the header of 4 bytes). */
static uint64_t device_bytes(const uint8_t *body, size_t n)
{
	struct p2v_rd rd = p2v_rd_init(body, n);
	uint16_t size;

	p2v_rd_bytes(&rd, SIZE_AT - 4);
	size = p2v_rd_le16(&rd);
	if (rd.failed || size == 0 || size == 0xffff)
		return 0;
	if (size == 0x7fff) {
		p2v_rd_bytes(&rd, EXTENDED_SIZE_AT - SIZE_AT - 2);
		return (p2v_rd_le32(&rd) & (SIZE_MAX_MIB - 1)) * P2V_MIB;
	}
	return (size & 0x7fff) * (size & 0x8000 ? P2V_KIB : P2V_MIB);
}

/* Skips the strings behind a structure, up to the two NULs that end them. */
static bool strings_skip(struct p2v_rd *rd)
{
	while (rd->left >= 2 && (rd->p[0] || rd->p[1]))
		p2v_rd_bytes(rd, 1);
	return p2v_rd_bytes(rd, 2) != NULL;
}

uint64_t source_smbios_memory_bytes(const void *table, size_t n)
{
	struct p2v_rd rd = p2v_rd_init(table, n);
	uint64_t sum = 0;

	while (rd.left) {
		uint8_t type = p2v_rd_u8(&rd), length = p2v_rd_u8(&rd);
		const uint8_t *body;

		p2v_rd_le16(&rd);
		if (rd.failed || length < 4 || type == TYPE_END)
			break;
		body = p2v_rd_bytes(&rd, length - 4u);
		if (!body)
			break;
		if (type == TYPE_MEMORY_DEVICE &&
			!p2v_add_u64(sum, device_bytes(body, length - 4u), &sum))
			return 0;
		if (!strings_skip(&rd))
			break;
	}
	return sum;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/map/crc.h"

#include <ext2fs/ext2fs.h>

#include "p2v/core/buf.h"

#define SEED UINT32_MAX

uint32_t map_crc32c(const uint8_t *bytes, size_t n)
{
	return ~ext2fs_crc32c_le(SEED, bytes, n);
}

bool map_crc32c_ok(const uint8_t *bytes, size_t n, size_t field_at)
{
	static const uint8_t zero[4];
	struct p2v_rd rd = p2v_rd_init(bytes + field_at, sizeof(zero));
	uint32_t crc = ext2fs_crc32c_le(SEED, bytes, field_at);

	crc = ext2fs_crc32c_le(crc, zero, sizeof(zero));
	crc = ext2fs_crc32c_le(crc, bytes + field_at + 4, n - field_at - 4);
	return p2v_rd_le32(&rd) == ~crc;
}

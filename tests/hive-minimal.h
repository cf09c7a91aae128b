/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TESTS_HIVE_MINIMAL_H
#define TESTS_HIVE_MINIMAL_H

/* The smallest registry hive that libhivex can write to: a root key and its security cell. */

#include <stdint.h>
#include <string.h>

#define HIVE_MINIMAL_BYTES 8192

static inline void hive_le16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void hive_le32(uint8_t *p, uint32_t v)
{
	hive_le16(p, v & 0xffff);
	hive_le16(p + 2, v >> 16);
}

/* The base block's checksum, after a change of it. */
static inline void hive_seal(uint8_t *p)
{
	uint32_t sum = 0;

	for (int i = 0; i < 508; i += 4)
		sum ^= (uint32_t)p[i] | (uint32_t)p[i + 1] << 8 | (uint32_t)p[i + 2] << 16 |
		       (uint32_t)p[i + 3] << 24;
	hive_le32(p + 508, sum);
}

static inline void hive_minimal(uint8_t out[HIVE_MINIMAL_BYTES])
{
	uint8_t *bin = out + 4096, *nk = bin + 0x20, *sk = bin + 0x78;

	memset(out, 0, HIVE_MINIMAL_BYTES);
	memcpy(out, "regf", 4);
	hive_le32(out + 4, 1); /* sequence numbers: as many writes ended as began */
	hive_le32(out + 8, 1);
	hive_le32(out + 20, 1); /* 1.5 */
	hive_le32(out + 24, 5);
	hive_le32(out + 32, 1);
	hive_le32(out + 36, 0x20); /* the root's cell */
	hive_le32(out + 40, 4096); /* all bins */
	hive_le32(out + 44, 1);
	hive_seal(out);
	memcpy(bin, "hbin", 4);
	hive_le32(bin + 8, 4096);
	hive_le32(nk, (uint32_t)-0x58);
	memcpy(nk + 4, "nk", 2);
	hive_le16(nk + 6, 0x2c); /* root, cannot be deleted, name in 8-bit characters */
	for (int at = 0x20; at <= 0x24; at += 4)
		hive_le32(nk + at, UINT32_MAX); /* no subkeys */
	hive_le32(nk + 0x2c, UINT32_MAX);	/* no values */
	hive_le32(nk + 0x30, 0x78);
	hive_le32(nk + 0x34, UINT32_MAX);
	hive_le16(nk + 0x4c, 4);
	memcpy(nk + 0x50, "ROOT", 4);
	hive_le32(sk, (uint32_t)-0x30);
	memcpy(sk + 4, "sk", 2);
	hive_le32(sk + 8, 0x78); /* a ring of one */
	hive_le32(sk + 12, 0x78);
	hive_le32(sk + 16, 1);
	hive_le32(sk + 20, 20);
	sk[24] = 1;
	sk[27] = 0x80;
	hive_le32(bin + 0xa8, 4096 - 0xa8); /* free */
}

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_MAP_CRC_H
#define AGENT_MAP_CRC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the little-endian CRC-32C at field_at is that of all n bytes with the field itself zero,
 * as XFS has it. field_at + 4 <= n. */
bool map_crc32c_ok(const uint8_t *bytes, size_t n, size_t field_at);
/* The usual CRC-32C. */
uint32_t map_crc32c(const uint8_t *bytes, size_t n);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SOURCE_SMBIOS_H
#define AGENT_SOURCE_SMBIOS_H

/*
 * The SMBIOS structure table (DMTF DSP0134), as the kernel copies it to
 * /sys/firmware/dmi/tables/DMI (readable by root only). Each structure is
 *
 *	u8 type   u8 length   u16 handle   (length - 4) bytes   strings, ended by two NUL
 *
 * Foreign bytes: read field by field, little-endian; a table that is cut short counts up to there.
 */

#include <stddef.h>
#include <stdint.h>

/* Sum of the memory devices (type 17) that are fitted; 0 where the table does not say. */
uint64_t source_smbios_memory_bytes(const void *table, size_t n);

#endif

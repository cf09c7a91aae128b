/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_TESTS_UNIT_BLOCK_DISK_H
#define P2V_TESTS_UNIT_BLOCK_DISK_H

/* Small helpers of the block tests: a seeded generator, temporary files. */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* xorshift64*: the same numbers on every machine. */
static inline uint64_t rnd(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

static inline void rnd_fill(uint64_t *state, void *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)buf)[i] = (uint8_t)(rnd(state) >> 56);
}

/* A file of the given size (a hole); path holds 64 bytes. */
static inline int temp_file(char *path, uint64_t size)
{
	int fd;

	snprintf(path, 64, "/tmp/p2v-test-block-XXXXXX");
	fd = mkstemp(path);
	if (fd >= 0 && ftruncate(fd, (off_t)size) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

#endif

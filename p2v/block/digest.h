/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_BLOCK_DIGEST_H
#define P2V_BLOCK_DIGEST_H

/*
 * Digests: XXH3-128 (seed 0) in its canonical form, 16 bytes, most significant first. They find
 * damage and tell what changed; they are no defence against a forger (SSH is).
 *
 * The digest of a disk, "p2v-disk-1":
 *
 *	grains   the disk cut into pieces of 64 KiB; the last may be shorter
 *	leaf     of a grain: 16 zero bytes where all its bytes are zero, else XXH3-128 of its bytes
 *	root     XXH3-128 of: "p2v-disk-1\n"           11 bytes
 *	                      size of the disk         be64
 *	                      size of a grain (65536)  be32
 *	                      the leaves in order      16 bytes each
 *
 * So whoever has the leaves has the root without a second read, and a run of known zeros costs no
 * read. Both ends compute it over what the image reads as: a grain that was skipped as free is
 *zero.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/block/io.h"
#include "p2v/core/err.h"

#define BLOCK_GRAIN_BYTES 65536u
#define BLOCK_DIGEST_HEX  33 /* 32 digits and a NUL */

struct digest {
	uint8_t bytes[16];
};

/* XXH3-128 of n bytes. */
void block_digest_of(const void *bytes, size_t n, struct digest *ret);
/* The leaf of one grain (n <= BLOCK_GRAIN_BYTES): zero where all bytes are. */
void block_digest_leaf(const void *bytes, size_t n, struct digest *ret);
bool block_digest_equal(const struct digest *a, const struct digest *b);
bool block_digest_is_zero(const struct digest *d);
/* Lower-case hex, as in p2v_hex; and back (P2V_EFORMAT). */
const char *block_digest_text(const struct digest *d, char buf[BLOCK_DIGEST_HEX]);
int block_digest_parse(const char *text, struct digest *ret, struct p2v_err *err);

/* Number of grains of a disk. */
uint64_t block_grains(uint64_t size_bytes);

/* XXH3-128 of bytes that come in pieces. */
struct digest_stream;
struct digest_stream *block_digest_stream_new(void); /* NULL only for want of memory */
void block_digest_stream_free(struct digest_stream *s);
void block_digest_stream_add(struct digest_stream *s, const void *bytes, size_t n);
/* The digest of all that was added so far; more may be added. */
void block_digest_stream_get(const struct digest_stream *s, struct digest *ret);
P2V_DEFINE_CLEANUP(struct digest_stream *, block_digest_stream_free);

/* The root of a disk from its leaves, which are added in order. */
struct disk_digest;
struct disk_digest *block_disk_digest_new(uint64_t size_bytes); /* NULL: no memory */
void block_disk_digest_free(struct disk_digest *d);
/* One leaf, or n zero leaves. More leaves than the disk has grains: the end fails. */
void block_disk_digest_add(struct disk_digest *d, const struct digest *leaf);
void block_disk_digest_add_zeros(struct disk_digest *d, uint64_t n);
/* Leaves added so far. */
uint64_t block_disk_digest_count(const struct disk_digest *d);
/* P2V_EINVAL where the number of leaves is not the number of grains. */
int block_disk_digest_end(const struct disk_digest *d, struct digest *ret, struct p2v_err *err);
P2V_DEFINE_CLEANUP(struct disk_digest *, block_disk_digest_free);

/* Called now and then with what is done; anything but 0 stops the work with that error. */
typedef int (*block_progress_fn)(void *ctx, uint64_t done_bytes, struct p2v_err *err);

/*
 * The root of a whole disk by reading it; ranges that the disk knows to be zero are not read.
 * progress may be NULL. Memory: 1 MiB.
 */
int block_io_digest(struct block_io *io, block_progress_fn progress, void *ctx, struct digest *ret,
	struct p2v_err *err);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_BLOCK_IO_H
#define P2V_BLOCK_IO_H

/*
 * A disk, wherever it lies: a file or block device, a qcow2 behind NBD, memory (tests), or another
 * one with faults (tests). Callers use the block_* wrappers, never ops: the wrappers check the
 * contract once, on both sides, and put the object's name before every error.
 *
 * Contract
 *   - Any offset and length within [0, size_bytes) goes; no alignment is asked of the caller.
 *     A range beyond the size is P2V_EINVAL. A length of 0 does nothing.
 *   - Reads and writes are all or error; after a failed write the range is undefined.
 *   - The size never changes while it is open.
 *   - Written data is on stable storage only after block_flush returned 0.
 *   - Writing to one that was opened read-only is P2V_EREFUSED.
 *   - Threads: all kinds take reads, writes and flushes from several threads at once (one NBD
 *     connection serves them one after another: see block_io_nbd_open). Who writes the same range
 *     from two threads gets either content. block_io_free: when all others are done.
 *   - Errors: P2V_EIO the medium failed, P2V_ENOSPC no room below, P2V_ELINK the NBD server died.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/block/extent.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/err.h"

struct block_io;

struct block_io_ops {
	int (*pread)(
		struct block_io *io, uint64_t offset, void *buf, size_t n, struct p2v_err *err);
	int (*pwrite)(struct block_io *io, uint64_t offset, const void *buf, size_t n,
		struct p2v_err *err);
	/* Optional: without it, and where it says P2V_EUNSUPPORTED, zeros are written. */
	int (*write_zeroes)(struct block_io *io, uint64_t offset, uint64_t n, struct p2v_err *err);
	int (*flush)(struct block_io *io, struct p2v_err *err);
	/* Optional: the extent that begins at offset: USED or ZERO, of at least one byte, at most
	 * `limit` bytes long. Without it all is USED. */
	int (*extent)(struct block_io *io, uint64_t offset, uint64_t limit, struct extent *ret,
		struct p2v_err *err);
	void (*close)(struct block_io *io); /* frees what the kind owns, and io */
};

/* The first member of each kind's struct. */
struct block_io {
	const struct block_io_ops *ops;
	char *name; /* what people call it: a path */
	uint64_t size_bytes;
	uint32_t logical_sector_bytes; /* 512 or 4096: what the machine's firmware saw */
	bool writable;
};

int block_read(struct block_io *io, uint64_t offset, void *buf, size_t n, struct p2v_err *err);
int block_write(
	struct block_io *io, uint64_t offset, const void *buf, size_t n, struct p2v_err *err);
int block_write_zeroes(struct block_io *io, uint64_t offset, uint64_t n, struct p2v_err *err);
int block_flush(struct block_io *io, struct p2v_err *err);
/* What the extent at offset (< size_bytes) is known to be: USED, or ZERO (reads as zero). */
int block_extent(struct block_io *io, uint64_t offset, uint64_t limit, struct extent *ret,
	struct p2v_err *err);
/* Marks in list (of the disk's size) as ZERO what the disk knows to be zero and the list has as
 * USED. */
int block_extents_from_io(struct block_io *io, struct extent_list *list, struct p2v_err *err);
void block_io_free(struct block_io *io); /* NULL is fine; does not flush */
P2V_DEFINE_CLEANUP(struct block_io *, block_io_free);

/* For the kinds: sets the common members; name is copied. P2V_ENOMEM only. */
int block_io_setup(struct block_io *io, const struct block_io_ops *ops, const char *name,
	uint64_t size_bytes, uint32_t logical_sector_bytes, bool writable, struct p2v_err *err);

/*
 * A regular file or a block device. Anything else is P2V_EREFUSED: "/etc: is not a disk: it is a
 * directory". Neither is made or resized. Block devices are read and written past the page cache
 * (O_DIRECT): the page cache of the machine to migrate stays its own, and what is read is what lies
 * on the medium. A symlink is followed (/dev/disk/by-id/...).
 */
int block_io_file_open(const char *path, bool writable, struct block_io **ret, struct p2v_err *err);

/*
 * An image in any format of QEMU, served to this process alone by a qemu-storage-daemon child (for
 * a snapshot: qemu-nbd) over a private Unix socket; the format is given, never probed. The child
 * dies with the thread that opened it, so open from one that outlives the io. Backing files are
 * opened by QEMU as the image says: only give images that this system made, or that were checked.
 * connections (1..16): requests on one connection are served one after another; with several, that
 * many threads make progress at once. A flush covers the writes that had returned on all of them.
 */
struct block_io_nbd_spec {
	const char *path;
	const char *format; /* "qcow2", "raw", ...: a QEMU block driver */
	bool writable;
	unsigned connections; /* 0: 1 */
	/* Past the page cache (O_DIRECT), where the file's file system can do that: what is read
	 * is what lies on the medium, and large writes cost one copy less. */
	bool direct;
	const char *snapshot; /* the name of one inside the image, to read it; NULL: as it is now */
};
/* Whether `direct` has its effect there. */
bool block_io_can_direct(const char *path);
int block_io_nbd_open(
	const struct block_io_nbd_spec *spec, struct block_io **ret, struct p2v_err *err);
/* Connects to a running server: "nbd+unix:///?socket=/run/x". Same rules; one connection. */
int block_io_nbd_connect(
	const char *uri, bool writable, struct block_io **ret, struct p2v_err *err);

/* Memory, all zero at first, of at most 1 GiB. For tests. block_io_memory_bytes: its content. */
int block_io_memory_new(
	const char *name, uint64_t size_bytes, struct block_io **ret, struct p2v_err *err);
void *block_io_memory_bytes(struct block_io *io);

/*
 * Another io with faults, for tests; owns and closes the inner one (not where new failed).
 * Counters start at 1 for the first call of that kind; nth 0: never. A call that touches
 * [bad_offset, bad_offset + bad_length) also fails, as a bad sector does. write_zeroes counts as a
 * write.
 */
struct block_io_faults {
	int errnum; /* EIO, ENOSPC, ... */
	uint64_t nth_read, nth_write, nth_flush;
	uint64_t bad_offset, bad_length;
};
int block_io_fault_new(struct block_io *inner, const struct block_io_faults *faults,
	struct block_io **ret, struct p2v_err *err);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Another disk with faults put in, for tests. Errors name the inner disk as the real ones do. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "p2v/block/io.h"

struct fault_io {
	struct block_io io;
	struct block_io *inner;
	struct block_io_faults faults;
	_Atomic uint64_t reads, writes, flushes;
};

static struct fault_io *fault_of(struct block_io *io)
{
	return (struct fault_io *)io;
}

/* Counts a call and tells whether it has to fail. */
static bool fault_hits(
	struct fault_io *f, _Atomic uint64_t *count, uint64_t nth, uint64_t offset, uint64_t n)
{
	uint64_t this = atomic_fetch_add(count, 1) + 1;

	if (nth && this == nth)
		return true;
	return offset < f->faults.bad_offset + f->faults.bad_length &&
	       f->faults.bad_offset < offset + n;
}

static int fault_pread(
	struct block_io *io, uint64_t offset, void *buf, size_t n, struct p2v_err *err)
{
	struct fault_io *f = fault_of(io);

	if (fault_hits(f, &f->reads, f->faults.nth_read, offset, n))
		return p2v_err_errno(err, f->faults.errnum, "read at %" PRIu64, offset);
	return f->inner->ops->pread(f->inner, offset, buf, n, err);
}

static int fault_pwrite(
	struct block_io *io, uint64_t offset, const void *buf, size_t n, struct p2v_err *err)
{
	struct fault_io *f = fault_of(io);

	if (fault_hits(f, &f->writes, f->faults.nth_write, offset, n))
		return p2v_err_errno(err, f->faults.errnum, "write at %" PRIu64, offset);
	return f->inner->ops->pwrite(f->inner, offset, buf, n, err);
}

static int fault_write_zeroes(struct block_io *io, uint64_t offset, uint64_t n, struct p2v_err *err)
{
	struct fault_io *f = fault_of(io);

	if (fault_hits(f, &f->writes, f->faults.nth_write, offset, n))
		return p2v_err_errno(err, f->faults.errnum, "write of zeros at %" PRIu64, offset);
	return block_write_zeroes(f->inner, offset, n, err);
}

static int fault_flush(struct block_io *io, struct p2v_err *err)
{
	struct fault_io *f = fault_of(io);

	if (fault_hits(f, &f->flushes, f->faults.nth_flush, 0, 0))
		return p2v_err_errno(err, f->faults.errnum, "flush");
	return f->inner->ops->flush(f->inner, err);
}

static int fault_extent(struct block_io *io, uint64_t offset, uint64_t limit, struct extent *ret,
	struct p2v_err *err)
{
	return block_extent(fault_of(io)->inner, offset, limit, ret, err);
}

static void fault_close(struct block_io *io)
{
	block_io_free(fault_of(io)->inner);
	free(io);
}

static const struct block_io_ops fault_ops = {
	.pread = fault_pread,
	.pwrite = fault_pwrite,
	.write_zeroes = fault_write_zeroes,
	.flush = fault_flush,
	.extent = fault_extent,
	.close = fault_close,
};

int block_io_fault_new(struct block_io *inner, const struct block_io_faults *faults,
	struct block_io **ret, struct p2v_err *err)
{
	p2v_autofree struct fault_io *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return p2v_err_set(err, P2V_ENOMEM, "%s: no memory", inner->name);
	r = block_io_setup(&f->io, &fault_ops, inner->name, inner->size_bytes,
		inner->logical_sector_bytes, inner->writable, err);
	if (r < 0)
		return r;
	f->inner = inner;
	f->faults = *faults;
	*ret = &p2v_steal(f)->io;
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/block/io.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/num.h"

int block_io_setup(struct block_io *io, const struct block_io_ops *ops, const char *name,
	uint64_t size_bytes, uint32_t logical_sector_bytes, bool writable, struct p2v_err *err)
{
	char *copy = strdup(name);

	if (!copy)
		return p2v_err_set(err, P2V_ENOMEM, "%s: no memory", name);
	*io = (struct block_io){
		.ops = ops,
		.name = copy,
		.size_bytes = size_bytes,
		.logical_sector_bytes = logical_sector_bytes,
		.writable = writable,
	};
	return 0;
}

void block_io_free(struct block_io *io)
{
	char *name;

	if (!io)
		return;
	name = io->name;
	io->ops->close(io);
	free(name);
}

static int range_check(
	struct block_io *io, const char *what, uint64_t offset, uint64_t n, struct p2v_err *err)
{
	if (p2v_range_within(offset, n, io->size_bytes))
		return 0;
	return p2v_err_set(err, P2V_EINVAL,
		"%s: %s at %" PRIu64 " of %" PRIu64 " bytes goes beyond its end at %" PRIu64,
		io->name, what, offset, n, io->size_bytes);
}

static int write_check(struct block_io *io, uint64_t offset, uint64_t n, struct p2v_err *err)
{
	if (!io->writable)
		return p2v_err_set(err, P2V_EREFUSED, "%s: is open for reading only", io->name);
	return range_check(io, "write", offset, n, err);
}

/* Puts the name before a kind's error. A medium that gave no answer in time has failed. */
static int result(struct block_io *io, int r, struct p2v_err *err)
{
	if (r == P2V_ETIMEDOUT)
		r = P2V_EIO;
	return r < 0 ? p2v_err_wrap(err, r, "%s", io->name) : 0;
}

int block_read(struct block_io *io, uint64_t offset, void *buf, size_t n, struct p2v_err *err)
{
	int r = range_check(io, "read", offset, n, err);

	if (r < 0 || n == 0)
		return r;
	return result(io, io->ops->pread(io, offset, buf, n, err), err);
}

int block_write(
	struct block_io *io, uint64_t offset, const void *buf, size_t n, struct p2v_err *err)
{
	int r = write_check(io, offset, n, err);

	if (r < 0 || n == 0)
		return r;
	return result(io, io->ops->pwrite(io, offset, buf, n, err), err);
}

static int zeroes_by_writing(struct block_io *io, uint64_t offset, uint64_t n, struct p2v_err *err)
{
	size_t piece = p2v_min_u64(n, P2V_MIB);
	p2v_autofree void *zeros = calloc(1, piece);
	int r = 0;

	if (!zeros)
		return p2v_err_set(err, P2V_ENOMEM, "no memory for %zu zero bytes", piece);
	for (uint64_t done = 0; r == 0 && done < n; done += piece)
		r = io->ops->pwrite(io, offset + done, zeros, p2v_min_u64(piece, n - done), err);
	return r;
}

int block_write_zeroes(struct block_io *io, uint64_t offset, uint64_t n, struct p2v_err *err)
{
	int r = write_check(io, offset, n, err);

	if (r < 0 || n == 0)
		return r;
	r = P2V_EUNSUPPORTED;
	if (io->ops->write_zeroes)
		r = io->ops->write_zeroes(io, offset, n, err);
	if (r == P2V_EUNSUPPORTED)
		r = zeroes_by_writing(io, offset, n, err);
	return result(io, r, err);
}

int block_flush(struct block_io *io, struct p2v_err *err)
{
	return io->writable ? result(io, io->ops->flush(io, err), err) : 0;
}

int block_extent(struct block_io *io, uint64_t offset, uint64_t limit, struct extent *ret,
	struct p2v_err *err)
{
	struct extent e = {offset, limit, EXTENT_USED};
	int r = range_check(io, "extent", offset, limit, err);

	if (r < 0)
		return r;
	if (limit && io->ops->extent)
		r = result(io, io->ops->extent(io, offset, limit, &e, err), err);
	if (r < 0)
		return r;
	/* Else the caller's walk would stand still, or skip what nobody vouched for. */
	if (e.offset_bytes != offset || e.length_bytes > limit || (e.length_bytes == 0 && limit) ||
		e.kind == EXTENT_FREE)
		return p2v_err_set(err, P2V_EFORMAT, "%s: extent at %" PRIu64 ": a wrong answer",
			io->name, offset);
	*ret = e;
	return 0;
}

static int extents_zero(struct extent_list *list, struct extent zero, struct p2v_err *err)
{
	uint64_t end = zero.offset_bytes + zero.length_bytes;
	struct extent e = block_extents_at(list, zero.offset_bytes, zero.length_bytes);

	for (; e.length_bytes; e = block_extents_next(list, e, end)) {
		int r = 0;

		if (e.kind == EXTENT_USED)
			r = block_extents_set(
				list, e.offset_bytes, e.length_bytes, EXTENT_ZERO, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int block_extents_from_io(struct block_io *io, struct extent_list *list, struct p2v_err *err)
{
	struct extent e = {0};

	if (list->size_bytes != io->size_bytes)
		return p2v_err_set(
			err, P2V_EINVAL, "%s: extents of a disk of another size", io->name);
	for (uint64_t at = 0; at < io->size_bytes; at += e.length_bytes) {
		int r = block_extent(io, at, io->size_bytes - at, &e, err);

		if (r == 0 && e.kind == EXTENT_ZERO)
			r = extents_zero(list, e, err);
		if (r < 0)
			return r;
	}
	return 0;
}

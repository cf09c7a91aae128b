/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A disk in memory, for tests. */
#include <stdlib.h>
#include <string.h>

#include "p2v/block/io.h"
#include "p2v/core/num.h"

struct memory_io {
	struct block_io io;
	uint8_t *bytes;
};

static struct memory_io *memory_of(struct block_io *io)
{
	return (struct memory_io *)io;
}

static int memory_pread(
	struct block_io *io, uint64_t offset, void *buf, size_t n, struct p2v_err *err)
{
	(void)err;
	memcpy(buf, memory_of(io)->bytes + offset, n);
	return 0;
}

static int memory_pwrite(
	struct block_io *io, uint64_t offset, const void *buf, size_t n, struct p2v_err *err)
{
	(void)err;
	memcpy(memory_of(io)->bytes + offset, buf, n);
	return 0;
}

static int memory_write_zeroes(
	struct block_io *io, uint64_t offset, uint64_t n, struct p2v_err *err)
{
	(void)err;
	memset(memory_of(io)->bytes + offset, 0, n);
	return 0;
}

static int memory_flush(struct block_io *io, struct p2v_err *err)
{
	(void)io;
	(void)err;
	return 0;
}

static void memory_close(struct block_io *io)
{
	free(memory_of(io)->bytes);
	free(io);
}

static const struct block_io_ops memory_ops = {
	.pread = memory_pread,
	.pwrite = memory_pwrite,
	.write_zeroes = memory_write_zeroes,
	.flush = memory_flush,
	.close = memory_close,
};

int block_io_memory_new(
	const char *name, uint64_t size_bytes, struct block_io **ret, struct p2v_err *err)
{
	p2v_autofree struct memory_io *m = calloc(1, sizeof(*m));
	p2v_autofree uint8_t *bytes = NULL;
	int r;

	if (size_bytes > P2V_GIB)
		return p2v_err_set(err, P2V_EINVAL, "%s: too large for memory", name);
	bytes = calloc(1, size_bytes ? size_bytes : 1);
	if (!m || !bytes)
		return p2v_err_set(err, P2V_ENOMEM, "%s: no memory", name);
	r = block_io_setup(&m->io, &memory_ops, name, size_bytes, 512, true, err);
	if (r < 0)
		return r;
	m->bytes = p2v_steal(bytes);
	*ret = &p2v_steal(m)->io;
	return 0;
}

void *block_io_memory_bytes(struct block_io *io)
{
	return memory_of(io)->bytes;
}

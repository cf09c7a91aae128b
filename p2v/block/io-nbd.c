/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/block/io.h"
#include "p2v/block/nbd-server.h"
#include "p2v/core/num.h"

#define MAX_CONNECTIONS 16
/* One request: servers take 32 MiB of data (the protocol's customary limit) and 32 bits of zeros.
 */
#define DATA_BYTES ((size_t)16 << 20)
#define ZERO_BYTES P2V_GIB
/* One question for extents, and how many of the answer's are kept for the next questions. */
#define ASK_BYTES  P2V_GIB
#define KEPT_MAX   512
#define STATE_ZERO 2u /* "base:allocation": the range reads as zero */
#define CONTEXT	   LIBNBD_CONTEXT_BASE_ALLOCATION

struct nbd_io {
	struct block_io io;
	struct nbd_handle *handles[MAX_CONNECTIONS];
	unsigned n_handles;
	atomic_uint next; /* whose turn it is; libnbd's handles lock themselves */
	struct nbd_server server;
	bool can_zero, can_flush, has_context;
	/* The last answer about extents, so that a fragmented image costs one question per 512. */
	pthread_mutex_t kept_lock;
	struct extent kept[KEPT_MAX];
	size_t n_kept;
};

static struct nbd_io *nbd_of(struct block_io *io)
{
	return (struct nbd_io *)io;
}

static struct nbd_handle *handle_next(struct nbd_io *io)
{
	return io->handles[atomic_fetch_add(&io->next, 1) % io->n_handles];
}

/* libnbd's words repeat its function names; the errno says what matters. A connection that is gone
 * is no fault of the medium. */
static int nbd_failed(struct nbd_io *io, struct nbd_handle *h, struct p2v_err *err,
	const char *what, uint64_t offset)
{
	int errnum = nbd_get_errno();

	/* NBD has no number for a file system that is, or became, read-only; this is said then. */
	if (errnum == EPERM)
		errnum = EROFS;
	if (nbd_aio_is_dead(h) || nbd_aio_is_closed(h) || errnum == ENOTCONN) {
		p2v_err_set(err, P2V_ELINK, "%s at %" PRIu64 ": the NBD server went away", what,
			offset);
		return nbd_server_explain(&io->server, P2V_ELINK, err);
	}
	return p2v_err_errno(err, errnum ? errnum : EIO, "%s at %" PRIu64, what, offset);
}

static int nbd_io_pread(
	struct block_io *io, uint64_t offset, void *buf, size_t n, struct p2v_err *err)
{
	struct nbd_handle *h = handle_next(nbd_of(io));

	for (size_t done = 0; done < n;) {
		size_t part = p2v_min_u64(n - done, DATA_BYTES);

		if (nbd_pread(h, (char *)buf + done, part, offset + done, 0) < 0)
			return nbd_failed(nbd_of(io), h, err, "read", offset + done);
		done += part;
	}
	return 0;
}

static void kept_forget(struct nbd_io *io)
{
	pthread_mutex_lock(&io->kept_lock);
	io->n_kept = 0;
	pthread_mutex_unlock(&io->kept_lock);
}

static int nbd_io_pwrite(
	struct block_io *io, uint64_t offset, const void *buf, size_t n, struct p2v_err *err)
{
	struct nbd_handle *h = handle_next(nbd_of(io));

	for (size_t done = 0; done < n;) {
		size_t part = p2v_min_u64(n - done, DATA_BYTES);

		if (nbd_pwrite(h, (const char *)buf + done, part, offset + done, 0) < 0)
			return nbd_failed(nbd_of(io), h, err, "write", offset + done);
		done += part;
	}
	kept_forget(nbd_of(io));
	return 0;
}

static int nbd_io_write_zeroes(
	struct block_io *io, uint64_t offset, uint64_t n, struct p2v_err *err)
{
	struct nbd_handle *h = handle_next(nbd_of(io));

	if (!nbd_of(io)->can_zero)
		return P2V_EUNSUPPORTED;
	for (uint64_t done = 0; done < n;) {
		uint64_t part = p2v_min_u64(n - done, ZERO_BYTES);

		if (nbd_zero(h, part, offset + done, 0) < 0)
			return nbd_failed(nbd_of(io), h, err, "write of zeros", offset + done);
		done += part;
	}
	kept_forget(nbd_of(io));
	return 0;
}

/* Several connections are only opened where the server promises that a flush on one covers all. */
static int nbd_io_flush(struct block_io *io, struct p2v_err *err)
{
	struct nbd_handle *h = handle_next(nbd_of(io));

	if (nbd_of(io)->can_flush && nbd_flush(h, 0) < 0)
		return nbd_failed(nbd_of(io), h, err, "flush", 0);
	return 0;
}

static int kept_add(void *user, const char *context, uint64_t offset, uint32_t *entries,
	size_t n_entries, int *error)
{
	struct nbd_io *io = user;

	(void)error;
	if (strcmp(context, CONTEXT) != 0)
		return 0;
	for (size_t i = 0; i + 1 < n_entries && io->n_kept < KEPT_MAX; i += 2) {
		io->kept[io->n_kept++] = (struct extent){offset, entries[i],
			entries[i + 1] & STATE_ZERO ? EXTENT_ZERO : EXTENT_USED};
		offset += entries[i];
	}
	return 0;
}

/* Finds offset in the kept answer. Servers may answer beyond what was asked. */
static bool kept_find(const struct nbd_io *io, uint64_t offset, uint64_t limit, struct extent *ret)
{
	for (size_t i = 0; i < io->n_kept; i++) {
		const struct extent *e = &io->kept[i];
		uint64_t end = e->offset_bytes + e->length_bytes;

		if (offset < e->offset_bytes || offset >= end)
			continue;
		*ret = (struct extent){offset, p2v_min_u64(limit, end - offset), e->kind};
		return true;
	}
	return false;
}

static int nbd_io_extent(struct block_io *io, uint64_t offset, uint64_t limit, struct extent *ret,
	struct p2v_err *err)
{
	struct nbd_io *n = nbd_of(io);
	nbd_extent_callback add = {.callback = kept_add, .user_data = n};
	int r = 0;

	if (!n->has_context) {
		*ret = (struct extent){offset, limit, EXTENT_USED};
		return 0;
	}
	pthread_mutex_lock(&n->kept_lock);
	if (!kept_find(n, offset, limit, ret)) {
		struct nbd_handle *h = handle_next(n);
		uint64_t ask = p2v_min_u64(ASK_BYTES, io->size_bytes - offset);

		n->n_kept = 0;
		if (nbd_block_status(h, ask, offset, add, 0) < 0)
			r = nbd_failed(n, h, err, "block status", offset);
		else if (!kept_find(n, offset, limit, ret))
			r = p2v_err_set(err, P2V_EFORMAT,
				"block status at %" PRIu64 ": the NBD server gave no answer",
				offset);
	}
	pthread_mutex_unlock(&n->kept_lock);
	return r;
}

static void nbd_io_close(struct block_io *io)
{
	struct nbd_io *n = nbd_of(io);

	for (unsigned i = 0; i < n->n_handles; i++) {
		nbd_shutdown(n->handles[i], 0);
		nbd_close(n->handles[i]);
	}
	nbd_server_stop(&n->server);
	pthread_mutex_destroy(&n->kept_lock);
	free(n);
}

static const struct block_io_ops nbd_ops = {
	.pread = nbd_io_pread,
	.pwrite = nbd_io_pwrite,
	.write_zeroes = nbd_io_write_zeroes,
	.flush = nbd_io_flush,
	.extent = nbd_io_extent,
	.close = nbd_io_close,
};

/* Where to connect to: a URI, or the socket of a server of our own. */
static int handle_open(
	const char *uri, const char *socket_path, struct nbd_handle **ret, struct p2v_err *err)
{
	struct nbd_handle *h = nbd_create();
	int r;

	if (!h)
		return p2v_err_set(err, P2V_ENOMEM, "no memory for an NBD connection");
	nbd_add_meta_context(h, CONTEXT);
	r = uri ? nbd_connect_uri(h, uri) : nbd_connect_unix(h, socket_path);
	if (r < 0) {
		p2v_err_set(
			err, P2V_ELINK, "cannot connect to the NBD server: %s", nbd_get_error());
		nbd_close(h);
		return P2V_ELINK;
	}
	*ret = h;
	return 0;
}

/* What the first connection says about the disk, and whether it can be what the contract asks. */
static int nbd_io_measure(struct nbd_io *n, const char *name, bool writable, struct p2v_err *err)
{
	struct nbd_handle *h = n->handles[0];
	int64_t size = nbd_get_size(h);
	int64_t minimum = nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM);

	if (size <= 0)
		return p2v_err_set(err, P2V_EFORMAT, "%s: the NBD server gives no size", name);
	if (minimum > 1)
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"%s: the NBD server only takes blocks of %" PRId64 " bytes", name, minimum);
	if (writable && nbd_is_read_only(h) != 0)
		return p2v_err_set(
			err, P2V_EREFUSED, "%s: the NBD server allows reading only", name);
	n->can_zero = nbd_can_zero(h) > 0;
	n->can_flush = nbd_can_flush(h) > 0;
	n->has_context = nbd_can_meta_context(h, CONTEXT) > 0;
	return block_io_setup(&n->io, &nbd_ops, name, (uint64_t)size, 512, writable, err);
}

static void nbd_io_drop(struct nbd_io *n)
{
	if (n)
		nbd_io_close(&n->io);
}
P2V_DEFINE_CLEANUP(struct nbd_io *, nbd_io_drop);

static struct nbd_io *nbd_io_new(void)
{
	struct nbd_io *n = calloc(1, sizeof(*n));

	if (n) {
		pthread_mutex_init(&n->kept_lock, NULL);
		nbd_server_init(&n->server);
	}
	return n;
}

static int connect_all(struct nbd_io *n, unsigned connections, struct p2v_err *err)
{
	for (unsigned i = 0; i < connections; i++) {
		int r = handle_open(NULL, n->server.socket_path, &n->handles[i], err);

		if (r < 0)
			return nbd_server_explain(&n->server, r, err);
		n->n_handles++;
		if (nbd_can_multi_conn(n->handles[0]) <= 0)
			break;
	}
	return 0;
}

int block_io_nbd_open(
	const struct block_io_nbd_spec *spec, struct block_io **ret, struct p2v_err *err)
{
	p2v_auto(nbd_io_drop) struct nbd_io *n = nbd_io_new();
	unsigned connections = spec->connections ? spec->connections : 1;
	int r;

	if (!n)
		return p2v_err_set(err, P2V_ENOMEM, "%s: no memory", spec->path);
	if (connections > MAX_CONNECTIONS)
		return p2v_err_set(err, P2V_EINVAL, "%s: %u NBD connections, at most %d",
			spec->path, connections, MAX_CONNECTIONS);
	r = nbd_server_start(&n->server, spec, err);
	if (r == 0)
		r = connect_all(n, connections, err);
	if (r < 0)
		return p2v_err_wrap(err, r, "%s", spec->path);
	nbd_server_hide(&n->server);
	r = nbd_io_measure(n, spec->path, spec->writable, err);
	if (r == 0)
		*ret = &p2v_steal(n)->io;
	return r;
}

int block_io_nbd_connect(const char *uri, bool writable, struct block_io **ret, struct p2v_err *err)
{
	p2v_auto(nbd_io_drop) struct nbd_io *n = nbd_io_new();
	int r;

	if (!n)
		return p2v_err_set(err, P2V_ENOMEM, "%s: no memory", uri);
	r = handle_open(uri, NULL, &n->handles[0], err);
	if (r < 0)
		return p2v_err_wrap(err, r, "%s", uri);
	n->n_handles = 1;
	r = nbd_io_measure(n, uri, writable, err);
	if (r == 0)
		*ret = &p2v_steal(n)->io;
	return r;
}

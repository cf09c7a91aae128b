/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_LINK_LINK_H
#define P2V_LINK_LINK_H

/*
 * A byte pipe to the far end, both ways, in order, without message borders. It never knows what the
 * bytes mean.
 *
 * Threads: full duplex. One thread may read (link_read, link_wait) while another writes
 * (link_write, link_shutdown_write); a blocked reader never holds up the writer, nor the other way
 * round. Two readers or two writers at once are a bug. link_cancel may be called from any thread at
 * any time before link_free; link_free when no other call is running.
 *
 * Ends: when the far end has said that it will send no more, reads return 0 bytes: an orderly end
 * at this level only (whether it was the right moment is for the reader of the messages to say).
 * All other ends (reset, cut, silence past the limit, the far program failed) are P2V_ELINK, within
 * 40 seconds of the link dying. After an error other than P2V_ETIMEDOUT only link_free is useful.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/err.h"

struct link;

struct link_ops {
	/* At least one byte, or 0 at the orderly end; blocks. */
	int (*read)(struct link *l, void *buf, size_t n, size_t *ret_n, struct p2v_err *err);
	int (*write)(struct link *l, const void *buf, size_t n, struct p2v_err *err); /* all */
	int (*wait)(struct link *l, int timeout_ms, struct p2v_err *err);
	int (*shutdown_write)(struct link *l, struct p2v_err *err);
	void (*cancel)(struct link *l);
	/* Optional: what the far program wrote to its stderr. */
	void (*words)(struct link *l, char *buf, size_t n);
	/* Optional: how the bytes are kept secret on the way. Constant. */
	const char *(*methods)(struct link *l);
	/* Optional: the processor time that sending has taken on this machine, in ns. */
	uint64_t (*cpu_ns)(struct link *l);
	/* Optional: the descriptors that it reads from and writes to. */
	void (*fds)(struct link *l, int *ret_in, int *ret_out);
	void (*close)(struct link *l); /* frees what the kind owns, and l */
};

/* The first member of each kind's struct. */
struct link {
	const struct link_ops *ops;
	char *name; /* "p2v@host:22", "stdin/stdout": put before every error */
};

/* Some bytes, at least one; ret_n 0: orderly end. n > 0. */
int link_read(struct link *l, void *buf, size_t n, size_t *ret_n, struct p2v_err *err);
/* Exactly n bytes; an end before that is P2V_ELINK. */
int link_read_all(struct link *l, void *buf, size_t n, struct p2v_err *err);
/* All n bytes are on their way (not: have arrived). */
int link_write(struct link *l, const void *buf, size_t n, struct p2v_err *err);
/* 0 where link_read would not block (bytes, or an end); P2V_ETIMEDOUT after timeout_ms (-1: none).
 */
int link_wait(struct link *l, int timeout_ms, struct p2v_err *err);
/* "I send no more": the far end reads 0. Further writes are P2V_EINVAL. Reading goes on. */
int link_shutdown_write(struct link *l, struct p2v_err *err);
/* Makes running and later calls return P2V_ECANCELED soon. */
void link_cancel(struct link *l);
/* The processor time that sending has taken on this machine so far, in ns; false: it does not know.
 */
bool link_cpu_ns(struct link *l, uint64_t *ret_ns);
/* The last line that the far program wrote to its stderr, printable ASCII only; "" for none. */
#define LINK_WORDS_MAX 256
const char *link_words(struct link *l, char buf[LINK_WORDS_MAX]);
/* The descriptors under a link that is no more than those, to wait for several at once or to hand
 * them to another process; they stay the link's. P2V_EUNSUPPORTED: it has none. */
int link_fds(struct link *l, int *ret_in, int *ret_out, struct p2v_err *err);
/* Ends the link, orderly where it still stands (bounded: 2 s). NULL is fine. */
void link_free(struct link *l);
P2V_DEFINE_CLEANUP(struct link *, link_free);

/* For the kinds: sets the common members; name is copied. P2V_ENOMEM only. */
int link_setup(struct link *l, const struct link_ops *ops, const char *name, struct p2v_err *err);

/*
 * Over two descriptors (pipes, sockets, a terminal; may be the same one), which it owns and closes
 * from here on, even where this fails. They become non-blocking.
 */
int link_fd_new(const char *name, int in_fd, int out_fd, struct link **ret, struct p2v_err *err);

/*
 * Two ends in one process, for tests: what one writes the other reads. cut: how many bytes may go
 * from a to b, and from b to a, before the pair dies as a pulled cable would: the bytes before the
 * cut arrive, then both ends fail with P2V_ELINK. UINT64_MAX: never.
 */
struct link_pair_cut {
	uint64_t a_to_b_bytes, b_to_a_bytes;
};
int link_pair_new(const struct link_pair_cut *cut, struct link **ret_a, struct link **ret_b,
	struct p2v_err *err); /* cut NULL: never */

#endif

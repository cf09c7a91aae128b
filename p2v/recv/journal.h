/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RECV_JOURNAL_H
#define P2V_RECV_JOURNAL_H

/*
 * The journal of one disk that is being received: which grains of the image are on stable storage,
 * and with which digest. It only ever grows; numbers are big-endian.
 *
 *	header   "p2v-journal-1\n" and two NUL   16 bytes
 *	         size of the disk                u64
 *	         size of a grain                 u32
 *	         digest kind (1)                 u32
 *	         digest of the 32 bytes above    16 bytes
 *	record   kind                            u8
 *	         zero                            3 bytes
 *	         leaves in it                    u32   (DATA: count; else 0)
 *	         first grain                     u64
 *	         count of grains                 u64
 *	         the leaves                      16 bytes each
 *	         digest of the record so far     16 bytes
 *
 * kinds   0 MISSING    the grains are not to be trusted: send them again
 *         1 DATA       the grains are durable, with these leaves
 *         2 ZERO       the grains are durable and read as zero
 *         3 OPENED     a connection began to send (first, count: 0)
 *         4 VERIFIED   the image was read back and has the root that the agent named. In place of
 *                      leaves: the root, then u64 read, sent, zero, free
 *         5 BAD        the source could not be read there; first, count: offset and length in bytes
 *         6 REFRESH    a second pass began to write (first, count: 0): until the next VERIFIED,
 *what is durable may be of an older time. What was written, by how many connections, and what was
 *bad counts anew from here
 *
 * Always true: a record is appended only after the image was flushed, so what it says is so even if
 * the machine stops now. Later records win. A torn or damaged tail is cut off when it is opened.
 *
 * Threads: records are added and committed, and grains are asked about, from several threads at
 * once; the questions about the whole (written, opened, verified, bad) wait until they are done.
 * Memory: three bits a grain, and the records not yet committed (at most about 2 MiB); the leaves
 * lie in an unnamed sparse file beside the journal.
 */

#include <stdbool.h>
#include <stdint.h>

#include "p2v/block/digest.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/err.h"

enum journal_kind {
	JOURNAL_MISSING,
	JOURNAL_DATA,
	JOURNAL_ZERO,
	JOURNAL_OPENED,
	JOURNAL_VERIFIED,
	JOURNAL_BAD,
	JOURNAL_REFRESH,
};

#define JOURNAL_LEAVES_MAX 4096u

struct journal;

/* Opens or makes path. A journal of another size is P2V_EFORMAT. */
int recv_journal_open(
	const char *path, uint64_t size_bytes, struct journal **ret, struct p2v_err *err);
/* The same to ask for anything but leaves: it keeps none, so it costs reading the records once. */
int recv_journal_look(
	const char *path, uint64_t size_bytes, struct journal **ret, struct p2v_err *err);
void recv_journal_free(struct journal *j); /* pending records are lost; NULL is fine */
P2V_DEFINE_CLEANUP(struct journal *, recv_journal_free);

/*
 * Appends a record in memory; nothing is durable, and the questions below answer as before, until
 * commit. leaves: `count` of them (at most JOURNAL_LEAVES_MAX), 16 bytes each, for DATA, else NULL.
 * P2V_EINVAL: beyond the disk. VERIFIED has a function of its own.
 */
int recv_journal_add(struct journal *j, enum journal_kind kind, uint64_t first, uint64_t count,
	const uint8_t *leaves, struct p2v_err *err);
struct journal_verified {
	struct digest root;
	uint64_t read_bytes, sent_bytes, zero_bytes, free_bytes; /* as the agent counted them */
};
int recv_journal_add_verified(
	struct journal *j, const struct journal_verified *verified, struct p2v_err *err);
/* Bytes of pending records. */
uint64_t recv_journal_pending(struct journal *j);
/* Stands for the records that are pending now: taken before the image is flushed, as what is added
 * meanwhile may speak of writes that the flush does not cover. */
uint64_t recv_journal_mark(struct journal *j);
/* Writes the records up to the mark out and waits for the disk. The caller has flushed the image
 * since he took the mark. On failure none of them counts. */
int recv_journal_commit(struct journal *j, uint64_t mark, struct p2v_err *err);

uint64_t recv_journal_grains(const struct journal *j);
uint64_t recv_journal_durable(struct journal *j); /* how many */
/* False: missing. Else its leaf. P2V_EIO only. */
int recv_journal_leaf(struct journal *j, uint64_t grain, bool *ret_durable, struct digest *ret_leaf,
	struct p2v_err *err);
/* The same of n grains at once. */
int recv_journal_leaves(struct journal *j, uint64_t first, size_t n, bool *ret_durable,
	struct digest *ret_leaves, struct p2v_err *err);
/*
 * Proved is a grain that is durable and was read back with its leaf since it was written: all of
 * them with VERIFIED, those that recv_journal_prove named for as long as the journal is open.
 * prove: the grains that are durable with the leaves that were read become proved, others do not;
 * none where a durable grain was given up since as_of, which was asked for before the reading:
 * something may have been written again meanwhile.
 */
uint64_t recv_journal_missed(struct journal *j); /* how many MISSING records there were */
int recv_journal_prove(struct journal *j, uint64_t first, size_t n, const struct digest *found,
	uint64_t as_of, struct p2v_err *err);
/* The next run at or after from of grains with content that are durable and not proved; false:
 * none.
 */
bool recv_journal_provable(struct journal *j, uint64_t from, uint64_t *ret_first, uint64_t *ret_n);
/* The next run of grains at or after from that are not proved; false: none. */
bool recv_journal_unproved(struct journal *j, uint64_t from, uint64_t *ret_first, uint64_t *ret_n);
/* The next run of missing grains at or after from; false: none. */
bool recv_journal_missing(struct journal *j, uint64_t from, uint64_t *ret_first, uint64_t *ret_n);
/* Bytes of grains with content that became durable, by all connections, again included. */
uint64_t recv_journal_written(const struct journal *j);
/* Connections that sent. */
unsigned recv_journal_opened(const struct journal *j);
/* False: not since the last change. */
bool recv_journal_verified(const struct journal *j, struct journal_verified *ret);
/* A second pass has begun to write, and is not verified. */
bool recv_journal_refreshing(const struct journal *j);
/* Ranges that the source could not be read at; i-th of n, in bytes. */
size_t recv_journal_n_bad(const struct journal *j);
void recv_journal_bad(
	const struct journal *j, size_t i, uint64_t *ret_offset, uint64_t *ret_length);

#endif

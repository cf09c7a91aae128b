/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RECV_DISK_H
#define P2V_RECV_DISK_H

/*
 * One disk of a job while it is received: its image behind NBD, and its journal.
 *
 *	JOB/image/disk0.qcow2     the image
 *	JOB/image/disk0.journal   what of it is durable (recv/journal.h)
 *
 * The order that makes a kill harmless: write the image; flush it; append to the journal; flush
 * that; only then say DURABLE. A durable grain that comes anew with other content is first
 * journalled as missing.
 */

#include <pthread.h>
#include <stdint.h>

#include "p2v/block/io.h"
#include "p2v/core/err.h"
#include "p2v/recv/journal.h"
#include "p2v/wire/codec.h"

#define RECV_DISK_THREADS 4 /* that read or write an image at once with profit; one more proves */

/* Formats that an image may have, as QEMU calls them. */
bool recv_format_known(const char *format);
#define RECV_FORMATS "qcow2, raw, vmdk or vdi"

/* How images are made and opened: by QEMU (recv_images_qemu), or as a test likes. */
struct recv_images {
	/* path does not exist, or holds what is of no worth; afterwards it exists */
	int (*create)(void *ctx, const char *path, const char *format, uint64_t size_bytes,
		struct p2v_err *err);
	int (*open)(void *ctx, const char *path, const char *format, bool writable,
		struct block_io **ret, struct p2v_err *err);
	void *ctx;
	/* Whether reading an open image shows the medium, not the page cache; NULL: it does not */
	bool (*direct)(const char *path);
};
extern const struct recv_images recv_images_qemu;

struct recv_disk {
	const struct recv_images *images;
	uint16_t index;
	char *path, *journal_path; /* of the image */
	const char *format;	   /* recv_format_known */
	uint64_t size_bytes;
	struct block_io *io; /* NULL: not open */
	struct journal *journal;
	uint64_t unsynced_bytes, synced_ms; /* noted since the last sync began, and when that was */
	pthread_mutex_t settle_lock;
	bool unsure;  /* under it: a flush has failed: what was noted since the last may be lost */
	bool touched; /* the image is not older than its journal: nothing in it counts as proved */
};

/* Finds or makes the image and the journal of disk `index` below dir (JOB/image) and opens both.
 * A journal without image, or an image without journal, starts anew. */
int recv_disk_open(struct recv_disk *disk, const struct recv_images *images, const char *dir,
	uint16_t index, const char *format, uint64_t size_bytes, struct p2v_err *err);
void recv_disk_finish(struct recv_disk *disk);
/* The journal of a disk that may have been received before, without its leaves; NULL where there is
 * none yet. */
int recv_disk_journal(const char *dir, uint16_t index, uint64_t size_bytes, const char *format,
	struct journal **ret, struct p2v_err *err);

/*
 * A chunk in two steps. The write, from any thread, several at once as long as their ranges do not
 * overlap: an unpacked DATA chunk, or (data NULL) zeros; `offset` lies on a grain. Then, in the
 * order in which chunks came and in one thread, the note of it: only now can it become durable.
 */
int recv_disk_write(struct recv_disk *disk, uint64_t offset, uint64_t length,
	const struct wire_unpacked *data, bool *ret_same, struct p2v_err *err);
/* Whether all of the range is durable with these leaves. */
int recv_disk_has(struct recv_disk *disk, uint64_t offset, uint64_t length, const uint8_t *leaves,
	bool *ret_same, struct p2v_err *err);
int recv_disk_note(struct recv_disk *disk, uint64_t offset, uint64_t length,
	const struct wire_unpacked *data, bool same, struct p2v_err *err);
/* All that was noted becomes durable. In the thread that notes. */
int recv_disk_sync(struct recv_disk *disk, struct p2v_err *err);
/*
 * The same in two steps, so that more can be noted meanwhile: begin, in the thread that notes; then
 * settle, in any: at least what was noted before begin is durable when it returns.
 */
void recv_disk_sync_begin(struct recv_disk *disk);
int recv_disk_settle(struct recv_disk *disk, struct p2v_err *err);
/* True where PROTOCOL.md wants a sync begun now. */
bool recv_disk_sync_due(const struct recv_disk *disk);
/* True where one that was begun has to be done before more is noted. */
bool recv_disk_sync_late(const struct recv_disk *disk);

/* The image alone; open: it must be closed, close: harmless where it is. */
int recv_disk_image_open(struct recv_disk *disk, bool writable, struct p2v_err *err);
void recv_disk_image_close(struct recv_disk *disk);

/* What a read-back came to. */
struct recv_verdict {
	struct digest root;    /* of what the image holds, where n_ranges is 0 */
	struct p2v_buf ranges; /* wire_range_add: differ, or were never received */
	uint16_t n_ranges;     /* at most WIRE_RANGES_MAX */
};
/*
 * Re-reads from storage (the page cache is dropped as far as the kernel lets us) what is not proved
 * yet (recv/journal.h), and all of an image that is `touched`; compares each grain with the
 * journal; what differs is journalled as missing. The image is closed and opened again by this.
 * progress may be NULL.
 */
int recv_disk_verify(struct recv_disk *disk, block_progress_fn progress, void *ctx,
	struct recv_verdict *ret, struct p2v_err *err);

#endif

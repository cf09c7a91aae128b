/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_MODEL_RECEIPT_H
#define P2V_MODEL_RECEIPT_H

/*
 * receipt: what the receiver promises to have on stable storage, written when the last disk is
 * complete. While data still flows the truth is the journal (p2v/recv/journal.h); this noun is its
 * last word.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/json.h"

struct receipt_disk {
	char *id;
	uint64_t size_bytes;
	uint32_t grain_bytes;
	char *digest;	     /* root digest, hex (p2v/block/digest.h); the agent named the same */
	bool verified;	     /* the server re-read the image and came to this digest */
	uint64_t read_bytes; /* read from the source */
	uint64_t sent_bytes; /* payload that crossed the wire */
	uint64_t written_bytes; /* data written to the image */
	uint64_t zero_bytes;
	uint64_t skipped_bytes; /* proved free */
	uint32_t resumed;	/* connections beyond the first */
	char **bad_ranges;	/* "offset+length" zero-filled by --rescue */
	size_t n_bad_ranges;
	char **bad_files; /* what the agent says lies there: "partition 1: /etc/fstab" */
	size_t n_bad_files;
};

struct receipt {
	uint32_t version; /* 1 */
	char *machine;
	char *started;
	char *finished;
	uint64_t duration_ms;
	uint32_t protocol;
	char *link;
	uint32_t streams;
	struct receipt_disk *disks;
	size_t n_disks;
};

extern const struct p2v_json_type model_receipt_type;

/* Frees what the members own and zeroes it; a zeroed one is an empty one. */
void model_receipt_finish(struct receipt *receipt);
/* Checks what the types cannot say; decode and load call it. */
int model_receipt_validate(const struct receipt *receipt, struct p2v_err *err);
int model_receipt_decode(const void *text, size_t n, struct receipt *ret, struct p2v_err *err);
int model_receipt_load(const char *path, struct receipt *ret, struct p2v_err *err);
/* Publishes DIR/NAME by rename. */
int model_receipt_save(
	const struct receipt *receipt, const char *dir, const char *name, struct p2v_err *err);

#define p2v_auto_receipt __attribute__((cleanup(model_receipt_finish)))

#endif

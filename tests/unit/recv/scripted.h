/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_TESTS_RECV_SCRIPTED_H
#define P2V_TESTS_RECV_SCRIPTED_H

/*
 * An agent that says raw wire messages to a receiver in another thread, over an in-process link,
 * and asserts what comes back. It can say what no honest agent would.
 */

#include <pthread.h>

#include "p2v/link/link.h"
#include "p2v/recv/recv.h"
#include "p2v/wire/codec.h"

#define GRAIN BLOCK_GRAIN_BYTES

struct scripted {
	struct link *link, *far;
	struct wire_feed feed;
	struct wire_codec *codec;
	struct recv_spec spec;
	uint64_t more; /* features to offer beside ZSTD, RESUME and PULL */
	pthread_t thread;
	int r; /* what recv_run returned */
	struct p2v_err err;
	char last[1024]; /* the sentence of the last REFUSE, ERROR or RESEND */
};

/* Starts a receiver below base and opens the pipe with the preface. */
void scripted_start(struct scripted *s, const char *base, const char *format);
/* Closes the link and waits for the receiver; returns what recv_run did. */
int scripted_end(struct scripted *s);

void scripted_say(struct scripted *s, const struct wire_msg *msg);
/* The next message, which must be of this type; PING and PROGRESS are passed over. */
struct wire_msg scripted_hear(struct scripted *s, enum wire_type type);

/* HELLO .. ADMIT for a machine with one disk. */
void scripted_greet(struct scripted *s);
void scripted_inventory(
	struct scripted *s, const char *name, const char *uuid, uint64_t disk_bytes);
struct wire_admit scripted_admitted(
	struct scripted *s, const char *name, const char *uuid, uint64_t disk_bytes);
/* OPEN and READY; returns durable_grains. */
uint64_t scripted_open(struct scripted *s, uint64_t disk_bytes);
/* The same for a second pass. */
uint64_t scripted_open_refresh(struct scripted *s, uint64_t disk_bytes);
/* A chunk of the disk's bytes as an honest agent packs it; then its TAKEN. */
void scripted_send(struct scripted *s, const uint8_t *disk, uint64_t offset, size_t n);
void scripted_hear_taken(struct scripted *s, uint64_t seq);
/* DONE with the root of these bytes. */
void scripted_done(struct scripted *s, const uint8_t *disk, uint64_t disk_bytes);
struct digest scripted_root(const uint8_t *disk, uint64_t disk_bytes);

#endif

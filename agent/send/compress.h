/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SEND_COMPRESS_H
#define AGENT_SEND_COMPRESS_H

/*
 * How hard to compress, as people write it: none, fast, 1..19 (levels of zstd), auto. Auto follows
 * what bounds the pass (adapt.h), and stops trying for a while where chunks do not shrink (media,
 * encrypted volumes).
 */

#include <stdbool.h>
#include <stddef.h>

#include "p2v/core/err.h"

struct send_compress {
	int level; /* WIRE_LEVEL_RAW or a level of zstd; adaptive: the highest of its own */
	bool adaptive;
};

/* NULL is auto. P2V_EINVAL. */
int send_compress_parse(const char *text, struct send_compress *ret, struct p2v_err *err);

/* What one compressor of this level needs, about; measured. */
size_t send_compress_memory_bytes(int level);

/* Whether the next chunk is worth a try; one for each worker, zeroed at first. */
struct send_trial {
	unsigned failures;    /* tries in a row that were in vain */
	unsigned skip, pause; /* chunks still to send raw, and how many the last pause was */
};
bool send_trial_wanted(struct send_trial *trial);
/* Tells what a try came to: plain bytes in, packed bytes out. */
void send_trial_result(struct send_trial *trial, size_t plain, size_t packed);

#endif

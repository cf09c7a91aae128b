/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/recv/prove.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "p2v/block/pump.h"
#include "p2v/core/num.h"
#include "p2v/core/stop.h"

#define READ_BYTES  ((size_t)1 << 20)
#define READ_GRAINS (READ_BYTES / BLOCK_GRAIN_BYTES)
#define IDLE_MS	    50 /* until there may be more that is durable */

struct prover {
	struct recv_disk *disk;
	pthread_t thread;
	atomic_bool stop;
	uint8_t *bytes;
};

/* Reads n grains and tells the journal what they are. */
static int grains_prove(struct prover *p, uint64_t first, size_t n)
{
	struct recv_disk *disk = p->disk;
	uint64_t offset = first * BLOCK_GRAIN_BYTES, as_of = recv_journal_missed(disk->journal);
	size_t length = p2v_min_u64(n * BLOCK_GRAIN_BYTES, disk->size_bytes - offset);
	struct digest found[READ_GRAINS];
	int r = block_read(disk->io, offset, p->bytes, length, NULL);

	for (size_t at = 0; r == 0 && at < length; at += BLOCK_GRAIN_BYTES)
		block_digest_leaf(p->bytes + at, p2v_min_u64(BLOCK_GRAIN_BYTES, length - at),
			&found[at / BLOCK_GRAIN_BYTES]);
	return r < 0 ? r : recv_journal_prove(disk->journal, first, n, found, as_of, NULL);
}

static void *prover_run(void *arg)
{
	struct prover *p = arg;
	uint64_t at = 0, first, n;

	while (!atomic_load(&p->stop)) {
		if (!recv_journal_provable(p->disk->journal, at, &first, &n)) {
			p2v_sleep_ms(IDLE_MS);
			continue;
		}
		n = p2v_min_u64(n, READ_GRAINS);
		if (grains_prove(p, first, (size_t)n) < 0)
			break;
		at = first + n;
	}
	return NULL;
}

struct prover *recv_prover_new(struct recv_disk *disk)
{
	struct prover *p;

	if (disk->touched || !disk->images->direct || !disk->images->direct(disk->path))
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->disk = disk;
	p->bytes = block_buffer_new(READ_BYTES);
	if (!p->bytes || pthread_create(&p->thread, NULL, prover_run, p) != 0) {
		free(p->bytes);
		free(p);
		return NULL;
	}
	return p;
}

void recv_prover_free(struct prover *p)
{
	if (!p)
		return;
	atomic_store(&p->stop, true);
	pthread_join(p->thread, NULL);
	free(p->bytes);
	free(p);
}

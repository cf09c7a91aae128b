/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/block/repeats.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "p2v/block/xxh3.h"
#include "p2v/core/num.h"

#define UNIT	     BLOCK_REPEAT_UNIT
#define SECRET_BYTES 192
#define BATCH	     256 /* blocks that are looked up at once */

struct seen {
	uint64_t key; /* 0: none */
	uint64_t offset;
};

#define N_SEEN (BLOCK_REPEATS_BYTES / sizeof(struct seen))

struct block_repeats {
	pthread_mutex_t lock;
	uint8_t secret[SECRET_BYTES];
	uint64_t zero_key;
	struct seen *seen;
};

static uint64_t key_of(const struct block_repeats *r, const void *block)
{
	uint64_t key = XXH3_64bits_withSecret(block, UNIT, r->secret, sizeof(r->secret));

	return key ? key : 1;
}

int block_repeats_new(struct block_repeats **ret, struct p2v_err *err)
{
	static const uint8_t zeros[UNIT];
	struct block_repeats *r = calloc(1, sizeof(*r));

	if (r)
		r->seen = calloc(N_SEEN, sizeof(*r->seen));
	if (!r || !r->seen) {
		free(r);
		return p2v_err_set(err, P2V_ENOMEM, "no memory for what was seen");
	}
	pthread_mutex_init(&r->lock, NULL);
	if (getrandom(r->secret, sizeof(r->secret), 0) != sizeof(r->secret)) {
		block_repeats_free(r);
		return p2v_err_errno(err, errno, "getrandom");
	}
	r->zero_key = key_of(r, zeros);
	*ret = r;
	return 0;
}

void block_repeats_free(struct block_repeats *r)
{
	if (!r)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r->seen);
	free(r);
}

static struct seen *slot_of(const struct block_repeats *r, uint64_t key)
{
	return &r->seen[key % N_SEEN];
}

/* How many blocks from i on were seen one after another, all before `limit`. Needs the lock. */
static size_t run_at(const struct block_repeats *r, const uint64_t *keys, size_t i, size_t n,
	uint64_t limit, uint64_t *ret_from)
{
	size_t k = 0;

	for (; i + k < n; k++) {
		const struct seen *s = slot_of(r, keys[i + k]);

		if (s->key != keys[i + k] || s->offset + UNIT > limit)
			break;
		if (k == 0)
			*ret_from = s->offset;
		else if (s->offset != *ret_from + k * UNIT)
			break;
	}
	return k;
}

/* Zeros cost nothing anyhow, and would be at every place. Needs the lock. */
static void note(struct block_repeats *r, uint64_t key, uint64_t offset)
{
	if (key != r->zero_key)
		*slot_of(r, key) = (struct seen){key, offset};
}

size_t block_repeats_find(struct block_repeats *r, uint64_t offset, const void *bytes, size_t n,
	struct block_repeat *ret)
{
	size_t blocks = n / UNIT, found = 0;

	for (size_t at = 0, part; at < blocks; at += part) {
		const uint8_t *from = (const uint8_t *)bytes + at * UNIT;
		uint64_t keys[BATCH];

		part = p2v_min_u64(blocks - at, BATCH);
		for (size_t i = 0; i < part; i++)
			keys[i] = key_of(r, from + i * UNIT);
		pthread_mutex_lock(&r->lock);
		for (size_t i = 0, k; i < part; i += k) {
			uint64_t place = 0;

			k = run_at(r, keys, i, part, offset, &place);
			if (k * UNIT >= BLOCK_REPEAT_MIN) {
				ret[found++] = (struct block_repeat){
					(uint32_t)((at + i) * UNIT), (uint32_t)(k * UNIT), place};
				continue;
			}
			k = 1;
			note(r, keys[i], offset + (at + i) * UNIT);
		}
		pthread_mutex_unlock(&r->lock);
	}
	return found;
}

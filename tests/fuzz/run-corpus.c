/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * run-corpus DIR: calls the fuzz target on every file of DIR, on the empty input, and on mutations
 * of each file. The mutations come from a fixed seed, so that a failure comes again.
 */

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "tests/fuzz/fuzz.h"

#define MUTATIONS 200
#define INPUT_MAX ((size_t)1 << 20)

struct seed {
	char *name;
	struct p2v_buf bytes;
};

static struct seed *seeds;
static size_t n_seeds;
static uint64_t random_state;

/* xorshift64* */
static size_t random_below(size_t n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return n ? (size_t)(random_state * UINT64_C(2685821657736338717) >> 16) % n : 0;
}

static void flip_bit(struct p2v_buf *b)
{
	if (b->len)
		b->data[random_below(b->len)] ^= (uint8_t)(1 << random_below(8));
}

static void set_byte(struct p2v_buf *b)
{
	static const uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xff, '"', '\\', '\n', '/', '0'};

	if (b->len)
		b->data[random_below(b->len)] = telling[random_below(sizeof(telling))];
}

static void truncate_end(struct p2v_buf *b)
{
	b->len = random_below(b->len + 1);
}

static void cut_out(struct p2v_buf *b)
{
	size_t at = random_below(b->len), n = random_below(b->len - at + 1);

	if (!b->len)
		return;
	memmove(b->data + at, b->data + at + n, b->len - at - n);
	b->len -= n;
}

static void repeat_part(struct p2v_buf *b)
{
	size_t at = random_below(b->len), n = random_below(b->len - at + 1);

	if (b->len + n <= INPUT_MAX && p2v_buf_reserve(b, n))
		p2v_buf_add(b, b->data + at, n);
}

/* The rest becomes the rest of another seed. */
static void splice(struct p2v_buf *b)
{
	const struct p2v_buf *other = &seeds[random_below(n_seeds)].bytes;
	size_t at = random_below(other->len + 1);

	truncate_end(b);
	p2v_buf_add(b, other->data + at, other->len - at);
}

static void run_bytes(const struct p2v_buf *b)
{
	/* An exact copy on the heap, so that ASan sees the first byte too far. */
	uint8_t *copy = malloc(b->len ? b->len : 1);

	if (!copy || b->failed)
		abort();
	if (b->len)
		memcpy(copy, b->data, b->len);
	LLVMFuzzerTestOneInput(copy, b->len);
	free(copy);
}

static void run_mutation(const struct seed *seed)
{
	static void (*const mutators[])(struct p2v_buf *) = {
		flip_bit, set_byte, truncate_end, cut_out, repeat_part, splice};
	p2v_autobuf struct p2v_buf b = {0};

	p2v_buf_add(&b, seed->bytes.data, seed->bytes.len);
	for (size_t n = 1 + random_below(4); n; n--)
		mutators[random_below(P2V_N(mutators))](&b);
	run_bytes(&b);
}

static void run_seed(const struct seed *seed)
{
	/* Named first: it is the last line of a crash. */
	fprintf(stderr, "%s\n", seed->name);
	run_bytes(&seed->bytes);
	/* Each seed's mutations are its own, whatever stands beside it in the corpus. */
	random_state = UINT64_C(88172645463325252);
	for (const char *c = seed->name; *c; c++)
		random_state = random_state * 31 + (unsigned char)*c;
	random_state |= 1;
	for (int i = 0; i < MUTATIONS; i++)
		run_mutation(seed);
}

static int seed_load(const char *dir, const char *name, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(dir, name);
	struct seed *grown = realloc(seeds, (n_seeds + 1) * sizeof(*seeds));

	if (!path || !grown)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	seeds = grown;
	seeds[n_seeds] = (struct seed){.name = strdup(name)};
	return p2v_file_read(path, INPUT_MAX, &seeds[n_seeds++].bytes, err);
}

static int is_seed(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int seeds_load(const char *dir, struct p2v_err *err)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, is_seed, alphasort), rc = 0;

	if (n <= 0)
		return p2v_err_set(err, P2V_ENOTFOUND, "%s: no seeds", dir);
	for (int i = 0; i < n; i++) {
		if (rc == 0)
			rc = seed_load(dir, entries[i]->d_name, err);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

int main(int argc, char **argv)
{
	struct p2v_err err = {0};

	if (argc != 2 || seeds_load(argv[1], &err) < 0) {
		fprintf(stderr, "%s\n", argc != 2 ? "usage: run-corpus DIR" : err.text);
		return 1;
	}
	run_bytes(&(struct p2v_buf){0});
	for (size_t i = 0; i < n_seeds; i++)
		run_seed(&seeds[i]);
	printf("%zu seeds, %zu inputs\n", n_seeds, 1 + n_seeds * (1 + MUTATIONS));
	for (size_t i = 0; i < n_seeds; i++) {
		free(seeds[i].name);
		p2v_buf_finish(&seeds[i].bytes);
	}
	free(seeds);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The records of a journal of a disk of 100 grains, after a good header: whatever they say, it
 * opens, what it calls durable has a leaf, and what is appended is there when it is opened again.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/recv/journal.h"
#include "tests/fuzz/fuzz.h"

#define SIZE (99 * (uint64_t)BLOCK_GRAIN_BYTES + 512)

static char *dir, *path;

static void dir_remove(void)
{
	p2v_dir_remove(dir);
	free(dir);
	free(path);
}

static struct journal *open_it(void)
{
	struct journal *j = NULL;

	if (recv_journal_open(path, SIZE, &j, NULL) < 0)
		abort();
	return j;
}

static uint64_t durable_count(struct journal *j)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < recv_journal_grains(j); i++) {
		struct digest leaf;
		bool durable;

		if (recv_journal_leaf(j, i, &durable, &leaf, NULL) < 0)
			abort();
		sum += durable;
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct journal *j;
	uint64_t before;

	if (!dir) {
		if (p2v_dir_temp("fuzz", &dir, NULL) < 0)
			abort();
		path = p2v_path_join(dir, "journal");
		if (!path)
			abort();
		atexit(dir_remove);
	}
	unlink(path);
	recv_journal_free(open_it());
	{
		p2v_autoclose int fd = open(path, O_WRONLY | O_APPEND);

		if (fd < 0 || write(fd, data, n) != (ssize_t)n)
			abort();
	}
	j = open_it();
	before = durable_count(j);
	if (before != recv_journal_durable(j) ||
		recv_journal_add(j, JOURNAL_OPENED, 0, 0, NULL, NULL) < 0 ||
		recv_journal_commit(j, recv_journal_mark(j), NULL) < 0)
		abort();
	recv_journal_free(j);
	j = open_it();
	if (recv_journal_opened(j) < 1 || durable_count(j) != before)
		abort();
	recv_journal_free(j);
	return 0;
}

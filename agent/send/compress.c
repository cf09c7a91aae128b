/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/send/compress.h"

#include <string.h>

#include "p2v/core/num.h"
#include "p2v/wire/codec.h"

#define LEVEL_FAST   (-1)
#define LEVEL_AUTO   3
#define LEVEL_MAX    19
#define PAUSE_MAX    16
#define FAILURES_MAX 4	/* in a row, before a pause: files of both kinds lie mixed on a disk */
#define WORTH_OF_100 95 /* a chunk that is still this long was not worth it */

int send_compress_parse(const char *text, struct send_compress *ret, struct p2v_err *err)
{
	uint64_t level;
	int r;

	if (!text || strcmp(text, "auto") == 0) {
		*ret = (struct send_compress){LEVEL_AUTO, true};
		return 0;
	}
	if (strcmp(text, "none") == 0) {
		*ret = (struct send_compress){WIRE_LEVEL_RAW, false};
		return 0;
	}
	if (strcmp(text, "fast") == 0) {
		*ret = (struct send_compress){LEVEL_FAST, false};
		return 0;
	}
	r = p2v_num_parse(text, "--compress", 1, LEVEL_MAX, &level, NULL);
	if (r < 0)
		return p2v_err_set(err, P2V_EINVAL,
			"--compress '%.40s' is not none, fast, auto or a level from 1 to %d", text,
			LEVEL_MAX);
	*ret = (struct send_compress){(int)level, false};
	return 0;
}

size_t send_compress_memory_bytes(int level)
{
	static const struct {
		int level;
		size_t bytes;
	} rows[] = {
		{WIRE_LEVEL_RAW, 64 << 10},
		{3, 2 << 20},
		{9, 6 << 20},
		{LEVEL_MAX, 14 << 20},
	};
	size_t i = 0;

	while (i + 1 < P2V_N(rows) && level > rows[i].level)
		i++;
	return rows[i].bytes;
}

bool send_trial_wanted(struct send_trial *trial)
{
	if (trial->skip == 0)
		return true;
	trial->skip--;
	return false;
}

void send_trial_result(struct send_trial *trial, size_t plain, size_t packed)
{
	if (packed < plain / 100 * WORTH_OF_100) {
		trial->pause = trial->failures = 0;
		return;
	}
	if (++trial->failures < FAILURES_MAX)
		return;
	trial->pause = trial->pause ? trial->pause * 2 : 1;
	if (trial->pause > PAUSE_MAX)
		trial->pause = PAUSE_MAX;
	trial->skip = trial->pause;
}

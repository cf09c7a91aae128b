/* SPDX-License-Identifier: GPL-3.0-or-later */

/* A picture of the guest's screen, and words that were read off one: what comes out is bounded, and
 * evidence can be printed. */

#include <stdlib.h>
#include <string.h>

#include "converters/prove/picture.h"
#include "converters/prove/words.h"
#include "p2v/core/cleanup.h"
#include "tests/fuzz/fuzz.h"

static void check(const char *evidence)
{
	if (strnlen(evidence, PROVE_EVIDENCE) == PROVE_EVIDENCE)
		abort();
	for (; *evidence; evidence++)
		if (*evidence < 0x20 || *evidence > 0x7e)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	p2v_autobuf struct p2v_buf page = {0};
	struct prove_console c = {0};
	struct prove_picture p;

	if (prove_picture_parse(data, n, &p, NULL) == 0) {
		if (prove_picture_ground(&p).percent > 100 ||
			prove_picture_for_reading(&p, 0, &page, NULL) < 0 ||
			page.len < (size_t)p.width * p.height)
			abort();
		prove_picture_digest(&p);
	}
	prove_words_read((const char *)data, n, &c);
	check(c.login);
	check(c.failure);
	if ((c.failure_reason != NULL) != (*c.failure != '\0'))
		abort();
	return 0;
}

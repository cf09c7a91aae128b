/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Whatever a guest writes on its serial port or screen, evidence is printable and bounded. */

#include <stdlib.h>
#include <string.h>

#include "converters/prove/console.h"
#include "tests/fuzz/fuzz.h"

static char id[] = "disk0", bus[] = "ide";
static struct output_disk disk = {.id = id, .bus = bus};
static const struct output output = {.disks = &disk, .n_disks = 1};

static void check(const char *evidence)
{
	if (strnlen(evidence, PROVE_EVIDENCE) == PROVE_EVIDENCE)
		abort();
	for (; *evidence; evidence++)
		if (*evidence < 0x20 || *evidence > 0x7e)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct prove_console c = {.output = &output};

	prove_console_feed(&c, data, size / 2);
	prove_console_feed(&c, data + size / 2, size - size / 2);
	prove_console_feed_screen(&c, data, size);
	check(c.kernel);
	check(c.root);
	check(c.login);
	check(c.failure);
	check(c.unit);
	return 0;
}

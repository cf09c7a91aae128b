/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Whatever comes in a frame, the guard hears nothing or a short printable sentence; and it hears
 * the card itself. */

#include <stdlib.h>
#include <string.h>

#include "p2v/runbook/guard.h"
#include "tests/fuzz/fuzz.h"

static char mac[] = "52:54:00:12:34:56", v4[] = "192.0.2.10/24", v6[] = "2001:db8::10";
static char *macs[] = {mac}, *addresses[] = {v4, v6};
static const struct guard_question question = {macs, 1, addresses, 2};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t card[] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
	char *who = guard_hear(&question, data, size);

	if (size >= 14 && memcmp(data + 6, card, 6) == 0 && !who)
		abort();
	for (const char *at = who ? who : ""; *at; at++)
		if (*at < ' ' || *at > '~')
			abort();
	if (who && strlen(who) > 100)
		abort();
	free(who);
	return 0;
}

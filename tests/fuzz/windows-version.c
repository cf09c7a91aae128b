/* SPDX-License-Identifier: GPL-3.0-or-later */

/* A package's version in the registry, out of what an .inf says: four lines, architecture, class,
 * date, version. 48 bytes in hexadecimal, with the class where Windows looks for it; or none. */

#include <stdlib.h>
#include <string.h>

#include "converters/plan/windows.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"
#include "tests/fuzz/fuzz.h"

static void check(const char *text, const char *arch)
{
	if (strlen(text) != 2 * WINDOWS_VERSION_BYTES ||
		strspn(text, "0123456789abcdef") != 2 * WINDOWS_VERSION_BYTES)
		abort();
	if (strncmp(text, "00ff", 4) != 0 ||
		strncmp(text + 4, strcmp(arch, "x86_64") == 0 ? "0900" : "0000", 4) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct p2v_span rest = p2v_span_of(data, n), line;
	char text[2 * WINDOWS_VERSION_BYTES + 1];
	char *words[4] = {NULL};

	for (size_t i = 0; i < P2V_N(words); i++)
		words[i] = p2v_line_next(&rest, &line) ? p2v_span_dup(line) : strdup("");
	memset(text, 'x', sizeof(text));
	if (plan_windows_package_version(words[0], words[1], words[2], words[3], text))
		check(text, words[0]);
	for (size_t i = 0; i < P2V_N(words); i++)
		free(words[i]);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */

/* A line of authorized_keys, and a public key that somebody sends. What is taken has a type, a
 * fingerprint and texts without a line's end. */

#include <stdlib.h>
#include <string.h>

#include "p2v/control/key.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct key key = {0};

	if (control_key_parse((const char *)data, n, &key, NULL) < 0)
		return 0;
	if (!key.type || !key.name || strchr(key.name, '\n') ||
		strncmp(key.fingerprint, "SHA256:", 7) != 0 || strlen(key.fingerprint) != 50)
		abort();
	p2v_json_free(&control_key_type, &key);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Any dump of frames is taken record by record, whole or in two pieces with the same result. */

#include <stdlib.h>
#include <string.h>

#include "converters/prove/wire.h"
#include "tests/fuzz/fuzz.h"

static char mac[] = "52:54:00:12:34:56", v4[] = "192.0.2.10/24", v6[] = "2001:db8::10/64";
static char *addresses[] = {v4, v6};
static const struct output_nic nic = {.mac = mac, .addresses = addresses, .n_addresses = 2};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct prove_wire whole, parts;
	size_t taken = 0, first = 0, second = 0, half = size / 2;

	prove_wire_init(&whole, &nic);
	prove_wire_init(&parts, &nic);
	if (prove_wire_feed(&whole, data, size, &taken, NULL) < 0)
		return 0;
	if (taken > size || prove_wire_feed(&parts, data, half, &first, NULL) < 0 ||
		prove_wire_feed(&parts, data + first, size - first, &second, NULL) < 0)
		abort();
	if (first + second != taken || memcmp(&whole, &parts, sizeof(whole)) != 0)
		abort();
	return 0;
}

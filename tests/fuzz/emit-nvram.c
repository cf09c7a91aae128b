/* SPDX-License-Identifier: GPL-3.0-or-later */

/* A boot entry of the machine, and the same bytes as a variable store: what comes out is portable
 * again and no longer, and a store keeps its size. */

#include "converters/emit/nvram.h"

#include <stdlib.h>

#include "p2v/core/cleanup.h"
#include "tests/fuzz/fuzz.h"

static char guid[] = "8be4df61-93ca-11d2-aa0d-00e098032b8c", order[] = "BootOrder",
	    entry[] = "Boot0001", first[] = "0100";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	p2v_autobuf struct p2v_buf once = {0}, again = {0}, store = {0};
	p2v_autofree char *hex = malloc(2 * n + 1);
	struct machine_efi_var vars[] = {
		{.name = order, .guid = guid, .data_hex = first},
		{.name = entry, .guid = guid, .data_hex = hex},
	};
	struct machine machine = {.efi_vars = vars, .n_efi_vars = 2};
	size_t put = 0;

	if (!hex)
		return 0;
	p2v_hex(data, n, hex);
	if (emit_nvram_portable(data, n, &once) &&
		(once.len > n || !emit_nvram_portable(once.data, once.len, &again) ||
			again.len != once.len))
		abort();
	p2v_buf_add(&store, data, n);
	if (emit_nvram_add(&store, &machine, &put, NULL) < 0)
		put = 0;
	if (put > 1 || store.len != n)
		abort();
	return 0;
}

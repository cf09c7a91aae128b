/* SPDX-License-Identifier: GPL-3.0-or-later */

/* No table makes the sum of memory run past its end; the sanitizers watch. */

#include "agent/source/smbios.h"

#include <stdlib.h>

#include "p2v/core/num.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint64_t bytes = source_smbios_memory_bytes(data, n);

	/* Sizes are KiB at the finest, and a device says 2^31 MiB at most. */
	if (bytes % P2V_KIB || bytes / P2V_MIB / (UINT64_C(1) << 31) > n)
		abort();
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Any line from QEMU is refused or understood; understood lines are freed. */

#include "converters/prove/qmp.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct prove_qmp_line line;
	uint64_t stop;
	struct prove_blockstats stats;

	prove_qmp_is_crash(data, size, &stop);
	if (prove_qmp_line_decode(data, size, &line, NULL) == 0)
		prove_qmp_line_finish(&line);
	if (prove_blockstats_decode(data, size, &stats, NULL) == 0)
		prove_blockstats_finish(&stats);
	return 0;
}

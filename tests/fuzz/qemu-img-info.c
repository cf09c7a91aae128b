/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Any text in the place of qemu-img's answer is refused or understood. */

#include "converters/emit/qimg.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct emit_qimg_info info;

	if (emit_qimg_info_decode(data, size, "p2v-pristine", &info, NULL) == 0)
		emit_qimg_info_finish(&info);
	return 0;
}

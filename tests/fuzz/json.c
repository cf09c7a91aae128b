/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/core/json.h"

#include "tests/fuzz/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	return document_fuzz(p2v_json_decode, data, n);
}

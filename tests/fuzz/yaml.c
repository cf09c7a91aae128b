/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/core/yaml-doc.h"

#include "tests/fuzz/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	return document_fuzz(p2v_yaml_decode, data, n);
}

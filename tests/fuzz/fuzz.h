/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_TESTS_FUZZ_H
#define P2V_TESTS_FUZZ_H

/*
 * What a fuzz target defines (the name is libFuzzer's): feeds the bytes to one parser, and aborts
 * where a promise of its header does not hold. Returns 0.
 */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#endif

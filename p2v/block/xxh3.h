/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_BLOCK_XXH3_H
#define P2V_BLOCK_XXH3_H

/*
 * XXH3 of libxxhash; where the library has it, with the widest registers that the processor has
 * (its ordinary entry points use SSE2 alone, at half the speed).
 */
#ifdef P2V_XXH_DISPATCH
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_EMIT_NVRAM_H
#define P2V_EMIT_NVRAM_H

/*
 * The physical machine's UEFI boot entries in a virtual machine's variable store.
 *
 *	+---------------------+------------------+----------+----------+---------------+
 *	| firmware volume     | variable store   | variable | variable | 0xff: free    | ...
 *	| header, "_FVH" at 40| header, 28 bytes | (at 4)   |          |               |
 *	+---------------------+------------------+----------+----------+---------------+
 *
 * A store is only added to: a variable that is replaced is marked as deleted, as the firmware
 *itself does it, and the new one stands behind the last.
 *
 * Sources: UEFI PI 1.7 vol. 3, 3.2.1 (volume header); EDK II, MdeModulePkg/Include/Guid/
 * VariableFormat.h (store, authenticated variables); UEFI 2.10, 3.1.3 (load options) and 10.3
 * (device paths). All numbers are little-endian.
 */

#include <stddef.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"
#include "p2v/model/machine.h"

/*
 * A load option in the form that boots on other hardware: its device path begins at the partition,
 * which is known by its GUID; what stands before it (the old machine's controller) is cut off.
 * Appends to ret. False where the option leads to no partition (network, shell, old firmware's
 * menus) or is damaged: it is left behind. bytes is foreign.
 */
bool emit_nvram_portable(const void *bytes, size_t n, struct p2v_buf *ret);

/*
 * Puts the machine's portable boot entries into the store, in the machine's order, and the order
 * with them. Entries that are damaged, or for which there is no room, are left behind; with none
 * left the store stays as it is. *ret_n: how many were put. The store (a firmware's template: a
 * host file, but read with the same care) keeps its size. P2V_EFORMAT: no such store.
 */
int emit_nvram_add(
	struct p2v_buf *store, const struct machine *machine, size_t *ret_n, struct p2v_err *err);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A load option of the machine's firmware: the root that it names, if any, is a word of text. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "converters/plan/planning.h"
#include "p2v/core/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *hex = malloc(2 * n + 1), name[] = "Boot0001", root[200];
	struct machine_efi_var var = {.name = name, .data_hex = hex};
	struct machine machine = {.efi_vars = &var, .n_efi_vars = 1};

	if (!hex)
		return 0;
	p2v_hex(data, n, hex);
	if (plan_efi_root(&machine, root) &&
		(strncmp(root, "root=/dev/", 10) != 0 || strpbrk(root, " \t\n")))
		abort();
	free(hex);
	return 0;
}

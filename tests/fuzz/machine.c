/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine.json is the first thing that an unknown machine says. */
#include <stddef.h>
#include <stdint.h>

#include "p2v/model/machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine machine = {0};
	struct p2v_err err = {0};

	if (model_machine_decode(data, size, &machine, &err) == 0)
		model_machine_finish(&machine);
	return 0;
}

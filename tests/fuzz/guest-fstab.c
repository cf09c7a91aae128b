/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A guest's fstab: every line that was taken has its fields, and names resolve or do not. */
#include "fuzz.h"

#include <stdlib.h>

#include "converters/inspect/fstab.h"
#include "converters/inspect/storage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct facts facts = {.version = 1};
	struct facts_disk *disk =
		p2v_json_grow((void **)&facts.disks, &facts.n_disks, sizeof(*disk));
	struct facts_os *os = p2v_json_grow((void **)&facts.systems, &facts.n_systems, sizeof(*os));
	struct p2v_err err = {0};

	if (!disk || !os)
		abort();
	fstab_parse(p2v_span_of(data, n), os, &err);
	for (size_t i = 0; i < os->n_mounts; i++) {
		const struct facts_mount *m = &os->mounts[i];

		if (!m->spec || !m->mountpoint || !m->kind || !m->options || !m->line)
			abort();
		/* There is nothing that could be found. */
		if (inspect_find_fs(&facts, p2v_span_str(m->spec)))
			abort();
		inspect_is_hardware_name(p2v_span_str(m->spec));
	}
	model_facts_finish(&facts);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */

/* modules.dep, a line "%%", modules.builtin. Paths that come out stay below their directory. */

#include <stdlib.h>
#include <string.h>

#include "drivers-inject/linux/modules.h"
#include "p2v/core/cleanup.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct linux_modules *m)
{
	static const char *const names[] = {"virtio_blk", "virtio-pci", "ext4"};
	p2v_autofree bool *in = calloc(m->n_items + 1, sizeof(*in));

	for (size_t i = 0; i < m->n_items; i++) {
		const char *path = m->items[i].path;

		if (!m->items[i].name[0] || !linux_modules_find(m, m->items[i].name))
			abort();
		if (path &&
			(path[0] == '/' || strncmp(path, "../", 3) == 0 || strstr(path, "/../")))
			abort();
		for (size_t k = 0; k < m->items[i].n_deps; k++)
			if (m->items[i].deps[k] >= m->n_items)
				abort();
	}
	if (in && linux_modules_closure(m, names, P2V_N(names), in, NULL) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = size ? memmem(data, size, "%%\n", 3) : NULL;
	size_t n = cut ? (size_t)(cut - data) : size;
	p2v_autobuf struct p2v_buf dep = {0}, builtin = {0};
	struct linux_modules m = {0};

	p2v_buf_add(&dep, data, n);
	if (cut)
		p2v_buf_add(&builtin, cut + 3, size - n - 3);
	if (linux_modules_parse(&dep, &builtin, &m, NULL) < 0)
		return 0;
	check(&m);
	linux_modules_finish(&m);
	return 0;
}

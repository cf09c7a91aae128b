/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Scripts of an initramfs: read, edited, and what was added is found again. */

#include <stdlib.h>

#include "drivers-inject/linux/script.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const files[] = {"virtio.ko"};
	static const char *const names[] = {"virtio_pci"};
	struct p2v_span text = p2v_span_of(data, size);
	p2v_autobuf struct p2v_buf nash = {0}, suse = {0};
	struct p2v_err err = {0};

	linux_script_is_nash(text);
	if (linux_script_nash_add(text, files, 1, &nash, &err) == 0 &&
		!linux_script_nash_loads(p2v_span_of(nash.data, nash.len), "virtio.ko"))
		abort();
	if (linux_script_suse_add(text, names, 1, &suse, &err) < 0 || suse.len < size)
		abort();
	return 0;
}

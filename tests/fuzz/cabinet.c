/* SPDX-License-Identifier: GPL-3.0-or-later */

/* A cabinet out of a guest: what is taken from it is bounded. */

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "p2v/archive/iso.h"
#include "p2v/core/cleanup.h"
#include "tests/fuzz/fuzz.h"

#define MAX_BYTES ((size_t)1 << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	p2v_autoclose int fd = memfd_create("cabinet", MFD_CLOEXEC);
	p2v_autobuf struct p2v_buf bytes = {0};

	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		abort();
	archive_cab_member(fd, "ATAPI.sys", MAX_BYTES, NULL, NULL);
	if (archive_cab_member(fd, "atapi.sys", MAX_BYTES, &bytes, NULL) == 0 &&
		bytes.len > MAX_BYTES)
		abort();
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An EFI program: what is put into one of its sections is found there again. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drivers-inject/linux/unified.h"
#include "p2v/core/cleanup.h"

static int file_of(const void *bytes, size_t n)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
		abort();
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char words[] = "root=UUID=1 console=ttyS0";
	p2v_autoclose int program = file_of(data, n), out = file_of("", 0);
	p2v_autoclose int content = file_of(words, sizeof(words));
	char found[sizeof(words)];
	uint64_t at, bytes;

	if (linux_unified_put(program, LINUX_UNIFIED_CMDLINE, content, out, NULL) < 0)
		return 0;
	if (linux_unified_find(out, LINUX_UNIFIED_CMDLINE, &at, &bytes, NULL) != 1 ||
		bytes != sizeof(words) ||
		pread(out, found, sizeof(found), (off_t)at) != (ssize_t)sizeof(found) ||
		memcmp(found, words, sizeof(words)) != 0)
		abort();
	return 0;
}

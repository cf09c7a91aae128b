/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_DRIVERS_LINUX_UNIFIED_H
#define P2V_DRIVERS_LINUX_UNIFIED_H

/*
 * A unified kernel image: an EFI program whose sections are a kernel, its initramfs (".initrd") and
 * its command line (".cmdline"). A section that is given other content may grow: what follows it in
 * the file moves, and where it does not fit into memory any more it is loaded behind all others.
 * A signature over the whole is taken off, as it would not be right any more.
 *
 * Sources: the PE/COFF specification; systemd-stub(7), which finds sections by their names.
 */

#include <stdint.h>

#include "drivers-inject/linux/initramfs.h"

#define LINUX_UNIFIED_INITRD  ".initrd"
#define LINUX_UNIFIED_CMDLINE ".cmdline"

/* 1: where in the file the section is. 0: no EFI program. P2V_ENOTFOUND: it has no such section. */
int linux_unified_find(int fd, const char *section, uint64_t *ret_offset, uint64_t *ret_bytes,
	struct p2v_err *err);
/* The program of fd, with all of content in that section, into out (an empty file). */
int linux_unified_put(int fd, const char *section, int content, int out, struct p2v_err *err);
/* Changes the text of a section of a program in the guest. */
int linux_unified_change(struct guest *g, const char *path, const char *section,
	linux_initramfs_edit *edit, void *opaque, struct p2v_err *err);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_BOOT_LOADERS_H
#define CONVERTERS_BOOT_LOADERS_H

/* The rows of boot_loaders, one file each. */

#include "converters/boot/boot.h"

extern const struct boot_loader boot_grub2; /* grub2.c, grub2-menu.c, grub2-source.c */

#endif

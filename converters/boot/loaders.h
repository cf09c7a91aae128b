/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_BOOT_LOADERS_H
#define CONVERTERS_BOOT_LOADERS_H

/* The rows of boot_loaders. */

#include "converters/boot/boot.h"

extern const struct boot_loader boot_grub2;	   /* grub2.c */
extern const struct boot_loader boot_systemd_boot; /* systemd-boot.c */
extern const struct boot_loader boot_syslinux;	   /* syslinux.c */
extern const struct boot_loader boot_grub_legacy;  /* grub-legacy.c */
extern const struct boot_loader boot_lilo;	   /* lilo.c */
extern const struct boot_loader boot_elilo;	   /* lilo.c */

#endif

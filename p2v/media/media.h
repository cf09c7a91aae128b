/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_MEDIA_MEDIA_H
#define P2V_MEDIA_MEDIA_H

/*
 * Makes the boot medium: Debian packages are fetched and unpacked (none of their scripts is run),
 * what a p2v-agent needs of them is packed into an initramfs, and GRUB is put in front of that.
 *
 *	mmdebstrap --> tree --> programs, the libraries they name, drivers --> initrd.img
 *	                 |                   files of agent/media, p2v-agent --^     |
 *	                 +--> vmlinuz, GRUB, shim ------------------------------> medium
 *	 settings, key ------------------------------------> config.img -----------^
 *
 * The system is the initramfs, so the drive can be pulled out once it runs. The same packages, the
 * same programs and the same settings give the same bytes.
 */

#include <stddef.h>
#include <stdint.h>

#include "p2v/core/err.h"
#include "p2v/core/progress.h"

struct media_spec {
	const char *arch;	     /* amd64 or i386 */
	const char *suite;	     /* "bookworm" */
	const char *sources;	     /* file with lines of sources.list; NULL: mmdebstrap's own */
	const char *const *packages; /* further ones, such as firmware */
	size_t n_packages;
	const char *programs; /* directory with p2v-agent and p2v-boot for arch */
	const char *files;    /* directory with the files of agent/media */
	const char *checker;  /* p2v-boot of this host, which knows the settings; NULL: unchecked */
	/* Settings and secrets; each may be NULL. */
	const char *server, *host_key, *identity, *config;
	uint64_t epoch; /* the time that all files have, in seconds */
};

int media_arch_check(const char *arch, struct p2v_err *err);
/* Checks what can be checked before anything is fetched. */
int media_spec_check(const struct media_spec *spec, struct p2v_err *err);

/* An image for CD and USB, BIOS and UEFI. It lands by rename. */
int media_iso_build(const struct media_spec *spec, const char *path, struct p2v_progress *progress,
	struct p2v_err *err);
/* vmlinuz, initrd.img, config.img, and examples for PXELINUX, GRUB and iPXE, in dir. */
int media_pxe_build(const struct media_spec *spec, const char *dir, struct p2v_progress *progress,
	struct p2v_err *err);

#endif

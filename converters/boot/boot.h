/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_BOOT_BOOT_H
#define CONVERTERS_BOOT_BOOT_H

/*
 * Boot loader configurations: what they start, and changes to the command lines of Linux kernels in
 * them. Text in, text out: no guest, no files. All that an edit does not mean to change stays byte
 * for byte.
 *
 * A boot loader is one row of boot_loaders: a list of the files that it may have, each with the
 * format that it is in. Some are read at boot (often generated), others are the sources from which
 * the guest makes those anew. Both are edited, so that the guest's next regeneration keeps the
 * change. Several loaders share formats: an entry file of the Boot Loader Specification is the same
 * to GRUB and to systemd-boot.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"
#include "p2v/core/span.h"

/* Beyond this a menu is not believed. */
#define BOOT_MAX_ENTRIES ((size_t)1024)
#define BOOT_MAX_INITRDS ((size_t)16)
#define BOOT_MAX_ARGS	 ((size_t)65536) /* bytes; the longest that a kernel takes is 4096 */

/* One kernel that the menu offers. Strings are never NULL. */
struct boot_entry {
	char *id; /* what a saved choice calls it: a file's name without .conf, a label; or "" */
	char *title;
	char *version;	/* its kernel's release where the entry says so, else "" */
	char *kernel;	/* as written, without a "(hd0,0)" before it: "/boot/vmlinuz-6.1.0", or
			 * relative to a /boot of its own */
	char *cmdline;	/* its arguments, one blank between two */
	char **initrds; /* as written, in order */
	size_t n_initrds;
	uint32_t line; /* 1-based, of the command that names the kernel */
	bool unified;  /* kernel and initramfs are one EFI program (UKI): both are its path */
};

/* Filled file by file; boot_menu_settle then says what starts by itself. */
struct boot_menu {
	struct boot_entry *entries;
	size_t n_entries;
	char *wanted;	      /* what the configuration names as default; NULL: nothing */
	char *saved;	      /* what the loader's environment remembers; NULL: nothing */
	char *kernelopts;     /* what $kernelopts stands for; NULL: nothing */
	bool wants_files;     /* entry files are part of the menu */
	size_t from_files;    /* so many entries, the last ones, are from entry files */
	size_t default_entry; /* index of what starts by itself; n_entries: it is not known (from
			       * boot_menu_settle on; SIZE_MAX before) */
	unsigned n_items;     /* of grub.cfg's menu, submenus counted as one */
	bool settled;	      /* the reader of the main file has found the default already */
};

void boot_menu_finish(struct boot_menu *menu);

/*
 * A change to every Linux command line. `add`: appended in this order, unless the last of them is
 * there already (compared up to a ',': "console=ttyS0,9600" is there for "console=ttyS0,115200n8",
 * and then the guest's own choice of consoles stands). `from`: one argument, exactly, replaced by
 * `to` wherever it stands; to NULL removes it. Either part may be absent (n_add 0, from NULL).
 */
struct boot_edit {
	const char *const *add;
	size_t n_add;
	const char *from, *to;
};

struct boot_format {
	/* Adds to the menu what the file offers; path: of the file in the guest. NULL: nothing. On
	 * failure the menu holds what was found so far. */
	int (*read)(struct p2v_span text, const char *path, struct boot_menu *menu,
		struct p2v_err *err);
	/* Appends the whole text to out, edited. NULL: it is never edited. */
	int (*edit)(struct p2v_span text, const struct boot_edit *edit, struct p2v_buf *out,
		struct p2v_err *err);
	bool binary; /* an EFI program: read is given its first BOOT_UNIFIED_BYTES at most */
};

#define BOOT_UNIFIED_BYTES ((size_t)1 << 20)

struct boot_file {
	const char *pattern; /* path; a part may be a pattern (fnmatch), which matches no '/' */
	const struct boot_format *format;
	bool source; /* read by the guest's next regeneration, not at boot */
};

struct boot_loader {
	const char *kind; /* facts_bootloader.kind */
	/* The last one has a NULL pattern. In the order in which they have to be read: what is
	 * remembered, the main file, entry files, sources. */
	const struct boot_file *files;
	bool sealed; /* what it starts must not be changed */
	bool beside; /* it may be the one in use though another's configuration is there, too */
};

extern const struct boot_loader *const boot_loaders[]; /* NULL-terminated */
/* NULL where no row has that kind. */
const struct boot_loader *boot_loader_find(const char *kind);
/* The format of one of its files, or of one's that may be beside it; NULL where no pattern matches.
 */
const struct boot_format *boot_loader_format(const struct boot_loader *loader, const char *path);
/* Whether the edit would change the text: false also where it holds no command line at all. */
bool boot_format_would_change(
	const struct boot_format *format, struct p2v_span text, const struct boot_edit *edit);

/* After all files are read: drops entries of files that are not part of the menu, puts the others
 * in order (newest first), expands $kernelopts, finds the default. */
int boot_menu_settle(struct boot_menu *menu, struct p2v_err *err);

/* The formats, for tests; each file of the room describes its own. */
extern const struct boot_format boot_format_grub_cfg;	  /* grub2-menu.c: grub.cfg */
extern const struct boot_format boot_format_grub_custom;  /* grub2-menu.c: custom.cfg */
extern const struct boot_format boot_format_grub_script;  /* grub2-menu.c: /etc/grub.d/40_custom */
extern const struct boot_format boot_format_grub_default; /* grub2-source.c: /etc/default/grub */
extern const struct boot_format boot_format_grubenv;	  /* grub2-env.c */
extern const struct boot_format boot_format_bls;	  /* bls.c: loader/entries/x.conf */
extern const struct boot_format boot_format_loader_conf;  /* systemd-boot.c: loader.conf */
extern const struct boot_format boot_format_unified;	  /* unified.c: EFI/Linux/x.efi */
extern const struct boot_format boot_format_program; /* unified.c: EFI/x/y.efi, where it is one */
extern const struct boot_format boot_format_kernel_cmdline; /* bls.c: /etc/kernel/cmdline */
extern const struct boot_format boot_format_syslinux;	    /* syslinux.c */
extern const struct boot_format boot_format_menu_lst;	    /* grub-legacy.c */
extern const struct boot_format boot_format_lilo;	    /* lilo.c: lilo.conf, elilo.conf */

#endif

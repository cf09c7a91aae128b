/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_INSPECT_INSPECTION_H
#define CONVERTERS_INSPECT_INSPECTION_H

/*
 * What the files of this room share: one system under inspection, its root mounted, and the helpers
 * that read its files. The parts of a system are the rows of a table in system.c; each part fills
 * its members of facts_os, and may rely on the parts above it.
 */

#include <stdbool.h>

#include "p2v/core/buf.h"
#include "p2v/core/span.h"
#include "p2v/guest/guest.h"
#include "p2v/guest/read.h"
#include "p2v/model/facts.h"

/* No configuration file that is read here is larger, or it is none. */
#define INSPECT_TEXT_MAX ((uint64_t)2 << 20)
#define INSPECT_LIST_MAX ((size_t)4096)

struct inspection {
	struct guest *g;
	struct facts *facts; /* disks and filesystems are complete */
	struct facts_os *os;
	struct guest_dir etc; /* /etc, read once: most files asked for are absent */
	struct guest_dir boot;
	/* While the network is read: what others call interfaces, when NetworkManager's profiles
	 * were used, and which of them is. */
	struct net_ids *ids, *times, *used;
	struct p2v_err *err;
};

/* The guest's root is mounted: fills os (zeroed, root set). Mounts what fstab says belongs to it.
 * On failure os holds what was found so far; the caller frees it. */
int inspect_system(struct guest *g, struct facts *facts, struct facts_os *os, struct p2v_err *err);

/* The kernels that a menu offers, and which of them starts by itself: adds what is not known yet.
 */
struct boot_menu;
int inspect_entries(struct inspection *in, const struct boot_menu *menu);
/* Drivers and initramfs of a kernel whose release and paths are set. */
int inspect_kernel_read(struct inspection *in, struct facts_kernel *k);
/* References to hardware in the arguments of a menu's entry: `what` says of which kind they are
 * (unified: a kernel's own; sealed: nobody can change them). In a file that an initramfs holds. */
int inspect_refs_entry(
	struct inspection *in, const char *what, const char *path, const char *cmdline);
int inspect_refs_inside(
	struct inspection *in, const char *image, const char *inside, struct p2v_span text);

/* The parts, in the order of the table. */
int inspect_release(struct inspection *in);
int inspect_fstab(struct inspection *in);
int inspect_basics(struct inspection *in);
/* Before fstab is understood: what mdadm.conf and crypttab call things. */
int inspect_names(struct inspection *in);
int inspect_kernels(struct inspection *in);
int inspect_bootloader(struct inspection *in);
/* Where there is no menu (the firmware starts the kernel, or a loader that is not known): what the
 * images in /boot say that they are. */
int inspect_loose_kernels(struct inspection *in);
int inspect_refs(struct inspection *in);
int inspect_network(struct inspection *in);
int inspect_services(struct inspection *in);
int inspect_initramfs_config(struct inspection *in);

/* Reading. 1: ret holds the text. 0: there is no such file, or it is not a fit file and a note says
 * so. Negative: the medium failed, or the file is needed and unfit. */
enum inspect_need { INSPECT_OPTIONAL, INSPECT_NEEDED };
int inspect_text(
	struct inspection *in, const char *path, enum inspect_need need, struct p2v_buf *ret);
/* A directory's names; one that is not there is empty. Links count by their own name. */
int inspect_list(
	struct inspection *in, const char *path, const char *pattern, struct guest_dir *ret);
/* The files that a path leads to in which some parts are patterns ("/boot/efi/EFI/x*" and so on);
 * at most some hundred. Without a pattern: that file, where it is one. */
struct inspect_paths {
	char **items;
	size_t n_items;
};
int inspect_glob(struct inspection *in, const char *pattern, struct inspect_paths *ret);
void inspect_paths_finish(struct inspect_paths *paths);
const struct guest_dirent *inspect_dir_find(const struct guest_dir *d, const char *name);
/* Whether the path can be there at all, from the cached listing of /etc; costs nothing. */
bool inspect_may_exist(const struct inspection *in, const char *path);

static inline struct p2v_span inspect_span(const struct p2v_buf *b)
{
	return p2v_span_of(b->data ? (const char *)b->data : "", b->len);
}

/* Strings of the facts: *to = copy; P2V_ENOMEM. An older value is freed. */
int inspect_set(struct inspection *in, char **to, const char *text);
int inspect_set_span(struct inspection *in, char **to, struct p2v_span s);
int inspect_add_str(struct inspection *in, char ***items, size_t *n_items, const char *text);
void *inspect_grow(struct inspection *in, void **items, size_t *n_items, size_t size);
int inspect_note(struct inspection *in, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_DRIVERS_LINUX_INITRAMFS_H
#define P2V_DRIVERS_LINUX_INITRAMFS_H

/*
 * Drivers into an initramfs, without unpacking it and without running guest code: one further cpio
 * segment at the end of the image, with the guest's own module files as they are, rebuilt module
 * indexes, and the marker LINUX_INITRAMFS_MARKER. udev in the image then finds the drivers by
 * modalias as it finds all others.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/archive/initramfs.h"
#include "p2v/core/buf.h"
#include "p2v/core/err.h"
#include "p2v/core/span.h"
#include "p2v/guest/guest.h"

/* "p2v 1\nkernel KV\nmodule virtio_blk\n..." */
#define LINUX_INITRAMFS_MARKER "etc/p2v-injected"

enum linux_initramfs_tool {
	LINUX_TOOL_UNKNOWN,
	LINUX_TOOL_INITRAMFS_TOOLS,
	LINUX_TOOL_DRACUT,
	LINUX_TOOL_MKINITCPIO,
	LINUX_TOOL_BOOSTER,
	LINUX_TOOL_MKINITRD_RH,	  /* nash: RHEL 5 and before */
	LINUX_TOOL_MKINITRD_SUSE, /* SLES 11 and before */
	LINUX_TOOL_MKINITFS,	  /* Alpine: finds drivers by modalias, as udev does */
};

/* A file of the image that repeats what the machine was: disks by name, filters, a swap to resume
 * from. */
struct linux_initramfs_file {
	char *path; /* in the image, links followed */
	struct p2v_buf text;
};

struct linux_initramfs_info {
	enum linux_initramfs_tool tool;	      /* that made the image, told by its content */
	enum archive_compression compression; /* of the main segment */
	bool marked;			      /* we were here before */
	char **present, **builtin, **missing,
		**unknown; /* the modules asked for, by where they are:
			    * in the image (loadable: file and index), in the kernel, only in the
			    * guest's module tree, nowhere */
	size_t n_present, n_builtin, n_missing, n_unknown;
	struct linux_initramfs_file *files;
	size_t n_files;
};

struct linux_initramfs_request {
	const char *image;	    /* path in the guest: "/boot/initrd.img-6.1.0-56-amd64"; or of a
				     * unified kernel that holds it */
	const char *kernel;	    /* its release: "6.1.0-56-amd64" */
	const char *const *modules; /* wanted; those that the kernel does not have are skipped */
	size_t n_modules;
};

/* Whether drivers can be added to images that this tool makes. */
bool linux_initramfs_tool_extends(enum linux_initramfs_tool tool);

/* Looks, writes nothing; works on a read-only door. */
int linux_initramfs_inspect(struct guest *g, const struct linux_initramfs_request *rq,
	struct linux_initramfs_info *ret, struct p2v_err *err);
void linux_initramfs_info_finish(struct linux_initramfs_info *i);

struct linux_initramfs_result {
	bool changed; /* false: the image could load all of them already */
	char **added; /* module names, dependencies included */
	size_t n_added;
	uint64_t added_bytes; /* that the image grew by */
	bool used_depmod;     /* false: the guest's own indexes were put in as they are */
};

/*
 * P2V_ENOSPC: /boot has no room for the image's new copy (both sizes in the sentence).
 * P2V_EUNSUPPORTED: the image's tool or compression (lzop) cannot be extended this way.
 */
int linux_initramfs_inject(struct guest *g, const struct linux_initramfs_request *rq,
	struct linux_initramfs_result *ret, struct p2v_err *err);
void linux_initramfs_result_finish(struct linux_initramfs_result *r);

/* The new text of a file that the image holds; ret_remove: it is to be gone. */
typedef int linux_initramfs_edit(void *opaque, struct p2v_span text, struct p2v_buf *out,
	bool *ret_remove, struct p2v_err *err);
/*
 * Changes one file (`inside`) of an image by a further segment that overrides it; gone means a link
 * to nowhere, which is as good as no file to those that open it. What does not change is no write.
 * P2V_ENOTFOUND: the image has no such file.
 */
int linux_initramfs_change(struct guest *g, const char *image, const char *inside,
	linux_initramfs_edit *edit, void *opaque, struct p2v_err *err);

const char *linux_initramfs_tool_word(enum linux_initramfs_tool tool); /* "initramfs-tools", ... */

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_MODEL_IMAGE_H
#define P2V_MODEL_IMAGE_H

/*
 * image.json: the pristine disks, as received or as given, and how to open them. The format is
 * always named, never probed (a raw disk can pose as a qcow2 with a backing file: CVE-2010-3851).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/json.h"

struct image_disk {
	char *id;
	char *path;   /* absolute, or relative to the job directory */
	char *format; /* as QEMU calls it */
	uint64_t size_bytes;
	uint32_t logical_sector_bytes;
	bool owned; /* lies in the job directory and is ours to extend; else it is never written */
	char *digest; /* root digest of the content, where known */
};

struct image {
	uint32_t version; /* 1 */
	char *name;	  /* of the machine */
	struct image_disk *disks;
	size_t n_disks;
};

extern const struct p2v_json_type model_image_type;

/* Frees what the members own and zeroes it; a zeroed one is an empty one. */
void model_image_finish(struct image *image);
/* Checks what the types cannot say; decode and load call it. */
int model_image_validate(const struct image *image, struct p2v_err *err);
int model_image_decode(const void *text, size_t n, struct image *ret, struct p2v_err *err);
int model_image_load(const char *path, struct image *ret, struct p2v_err *err);
/* Publishes DIR/NAME by rename. */
int model_image_save(
	const struct image *image, const char *dir, const char *name, struct p2v_err *err);

#define p2v_auto_image __attribute__((cleanup(model_image_finish)))

#endif

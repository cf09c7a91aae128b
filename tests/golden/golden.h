/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

/* What the files of the golden tests share; README says what a case is. */

#include <stdbool.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"
#include "p2v/model/changes.h"
#include "p2v/model/facts.h"
#include "p2v/model/machine.h"
#include "p2v/model/plan.h"

#define GOLDEN_MAX_BASES 4

struct golden_file {
	char *path;
	char **lines;
	size_t n_lines;
	char *target;	     /* a link to that; else the lines */
	uint32_t fill_bytes; /* filled up with '#': grubenv */
};

struct golden_kernel {
	char *release, *path, *initramfs;
	char *tool;	   /* whose marks the initramfs bears; NULL: none */
	char *compression; /* gzip where it says nothing */
	bool flat;	   /* its /lib is a directory of its own */
	bool early;	   /* microcode in a segment of its own before it */
	bool unified;	   /* path is one EFI program with the initramfs in it */
	char *cmdline;	   /* of a unified one */
	/* "virtio_blk virtio_ring virtio": a module and all that it needs. None: a usual set. */
	char **modules, **builtin;
	size_t n_modules, n_builtin;
	char **holds; /* which of these the initramfs holds */
	size_t n_holds;
	struct golden_file *image; /* further files of the initramfs */
	size_t n_image;
};

struct golden_case {
	char *about; /* one sentence */
	char *base;  /* the case that this one extends */
	struct golden_kernel *kernels;
	size_t n_kernels;
	char **programs; /* paths of EFI programs */
	size_t n_programs;
	struct golden_file *files;
	size_t n_files;
	char **absent; /* paths that the base has and this one does not */
	size_t n_absent;
	bool split;	 /* /lib is a directory of its own, not a link to /usr/lib */
	bool i686;	 /* its programs are */
	bool nouns;	 /* expected/ holds each noun as a file */
	char *root;	 /* door device; /dev/sda1 where it says nothing */
	char *subvolume; /* of the root */
	char *choice;	 /* --root */
	bool unknown;	 /* the machine: only its disks are at hand */
	struct facts storage;
	struct machine machine;
};

/* A case and those that it extends, itself first. */
struct golden_scene {
	char *dirs[GOLDEN_MAX_BASES];
	struct golden_case cases[GOLDEN_MAX_BASES];
	size_t n;
};

/* Each of the programs begins so: where its trees are made, and a line at a time. */
void golden_begin(void);

extern struct p2v_err golden_err;
/* Ends the test where r is an error. */
void golden_need(int r, const char *what);

void golden_scene_load(const char *dir, struct golden_scene *ret);
void golden_scene_finish(struct golden_scene *scene);
/* Makes the guest in the directory `root`. */
void golden_make(const struct golden_scene *scene, const char *root);
/* make-kernel.c: a kernel's image, module tree and initramfs. */
void golden_make_kernel(const char *root, const struct golden_kernel *k);
void golden_put(const char *root, const char *path, const void *bytes, size_t n);
void golden_lines(const struct golden_file *f, struct p2v_buf *out);

/* walk.c: the guest in that directory, as the case says what its disks are; the machine that it ran
 * on. golden_inspect fails as inspect_system does. */
struct guest;
int golden_inspect(struct guest *g, const struct golden_scene *scene, struct facts *ret);
const struct machine *golden_machine(const struct golden_scene *scene);
/* Inspected, planned and changed; diffs go below top. How many files were changed. */
size_t golden_convert(const struct golden_scene *scene, const char *top, const char *root);

/* keeps.c: before and after a conversion; how much of what must stay did not, told on stderr. */
void golden_mark(const char *root);
int golden_kept(const char *root, const struct changes *changes);

/* describe.c: the facts in some lines; what the guest's images and files have become. */
void golden_describe_facts(const struct facts *facts, struct p2v_buf *out);
void golden_describe_changes(
	const struct changes *changes, const char *root, const char *top, struct p2v_buf *out);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_PLAN_PLANNING_H
#define CONVERTERS_PLAN_PLANNING_H

/*
 * What the files of this room share. A plan is made by rules, the rows of a table in plan.c; each
 * adds to the plan, and may rely on what the rules above it have decided.
 *
 * Building fails only for want of memory, which `r` keeps; the helpers then do nothing more, and
 * the table's end asks once.
 */

#include <stdbool.h>

#include "converters/plan/plan.h"

struct planning {
	const struct facts *facts;
	const struct machine *machine;
	const struct target *target;
	const struct facts_os *os; /* the system to convert; NULL until it is chosen */
	/* The same without some of its kernels, whose array is our own. */
	struct facts_os seen;
	struct facts_kernel *kernels;
	struct plan *plan;
	/* Decided by plan_devices. */
	bool virtio_disk, virtio_net;
	const char *const *disk_drivers; /* of the disk bus, NULL-terminated; NULL: not known */
	bool sealed;			 /* kernel and initramfs must stay as they are */
	size_t n_told;			 /* warnings that are no doubt about the conversion */
	int r;
	struct p2v_err *err;
};

/* The rules, in the order of the table. */
void plan_system(struct planning *p);  /* which system; name, firmware, mounts */
void plan_kernels(struct planning *p); /* which of them count */
void plan_devices(struct planning *p); /* machine type, disk bus, network model */
void plan_initramfs(struct planning *p);
void plan_refs(struct planning *p);
void plan_boot(struct planning *p);
void plan_efi(struct planning *p);
void plan_network(struct planning *p);
void plan_guest_agent(struct planning *p);
void plan_services(struct planning *p);
void plan_static_etc(struct planning *p); /* systems whose files are not changed in place */
void plan_grade(struct planning *p);

/* Called where something was not found: blockers for what may hold it and cannot be looked into. */
void plan_unseen(struct planning *p);

/* A kernel that a boot may start: it has an image, and is no rescue kernel. */
bool plan_is_kernel(const struct facts_kernel *k);
/* Every such kernel has the driver, and there is one. */
bool plan_all_have(const struct facts_os *os, const char *driver);
bool plan_has(const struct facts_kernel *k, const char *driver);
/* Its initramfs holds the module already. */
bool plan_holds(const struct facts_initramfs *i, const char *module);
bool plan_has_module(const struct facts_kernel *k, const char *driver);
/* Modules can be added to it. */
bool plan_extends(const struct facts_initramfs *i);

/* The kernel has, or can be given, what it needs for a disk of some kind. */
bool plan_drives_any(const struct planning *p, const struct facts_kernel *k);
/* How the firmware's own entries name the root, where that is by the hardware: "root=/dev/sda2".
 * False: none does. */
bool plan_efi_root(const struct machine *m, char text[200]);
/* The names of disks in arguments that cannot be changed are right on this bus. */
bool plan_keeps_names(const struct planning *p, const char *bus, const char *const *drivers);

/* All disks on that bus; all network cards of that model. */
void plan_add_disks(struct planning *p, const char *bus);
void plan_add_nics(struct planning *p, const char *model);

void plan_set(struct planning *p, char **to, const char *text);
void plan_warn(struct planning *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A warning about what is around the virtual machine: it lowers no grade. */
void plan_tell(struct planning *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void plan_block(struct planning *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A step; arguments are added to the last one. */
void plan_step(struct planning *p, const char *op, const char *path, const char *reason, ...)
	__attribute__((format(printf, 4, 5)));
void plan_arg(struct planning *p, const char *key, const char *value);
void *plan_grow(struct planning *p, void **items, size_t *n_items, size_t size);

static inline const char *plan_text(const char *text)
{
	return text ? text : "";
}

static inline bool plan_is(const char *text, const char *word)
{
	const char *t = plan_text(text);

	while (*t && *t == *word) {
		t++;
		word++;
	}
	return *t == *word;
}

#endif

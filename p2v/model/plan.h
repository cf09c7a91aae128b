/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_MODEL_PLAN_H
#define P2V_MODEL_PLAN_H

/*
 * plan.json: what will be done to the guest and why, in order. Computed by a pure function from
 * facts, machine, target and drivers; --dry-run prints it; apply runs it. A step names an editor (a
 * row of the table in converters/apply) and its arguments; it holds no guest content.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/json.h"

/* How sure we are. */
enum grade {
	GRADE_PROVEN,  /* A: every part is one that the tests boot */
	GRADE_GENERIC, /* B: an unknown part got the generic path */
	GRADE_COPIED,  /* C: nothing was changed */
};
extern const char *const model_grade_words[];

struct plan_arg {
	char *key;
	char *value;
};

struct plan_step {
	char *op;   /* editor, e.g. initramfs-inject, fstab-device, nic-link, grub-cmdline-add */
	char *path; /* file in the guest */
	struct plan_arg *args;
	size_t n_args;
	char *reason; /* one sentence for people */
};

struct plan_disk {
	char *id;
	char *bus;
	uint32_t boot_order;
	char *to; /* a place elsewhere that gets the disk (converters/emit/place.h); absent: a file
		   */
};

/* An address that stands in a VLAN of the card's wire. */
struct plan_tag {
	char *address; /* as in addresses */
	uint32_t vlan_id;
};

struct plan_nic {
	char *mac;
	char *model;
	char *name;	  /* kept name in the guest; empty: its own business */
	char **addresses; /* static ones that must come up, for the proof */
	size_t n_addresses;
	struct plan_tag *tagged;
	size_t n_tagged;
	char *gateway; /* of the first static address, for the proof */
	bool dhcp;     /* asks for an IPv4 address without a tag, for the proof */
	char *bridge;  /* where its wire leads, as ordered; absent: the target's default */
	char *network;
};

/* How the door is to be mounted. */
struct plan_mount {
	char *device;
	char *mountpoint;
	char *options;
};

struct plan {
	uint32_t version; /* 1 */
	char *name;
	char *target;
	char *format;
	char *machine; /* q35 or pc */
	char *firmware;
	bool secure_boot;
	char *os; /* linux or windows */
	char *arch;
	char *root;
	char *rtc;
	char *media; /* Windows: where the virtio drivers are from, on this host; absent: none */
	uint64_t memory_bytes;
	uint32_t cpus;
	char *uuid;
	int grade;     /* enum grade */
	char **hyperv; /* Windows: interfaces of Hyper-V to show, as libvirt calls them */
	size_t n_hyperv;
	bool tpm; /* has to have one */
	struct plan_disk *disks;
	size_t n_disks;
	struct plan_nic *nics;
	size_t n_nics;
	struct plan_mount *mounts;
	size_t n_mounts;
	struct plan_step *steps;
	size_t n_steps;
	char **warnings;
	size_t n_warnings;
	char **blockers; /* reasons for which it must not be converted; apply refuses */
	size_t n_blockers;
};

extern const struct p2v_json_type model_plan_type, model_plan_tag_type;

/* Frees what the members own and zeroes it; a zeroed one is an empty one. */
void model_plan_finish(struct plan *plan);
/* Checks what the types cannot say; decode and load call it. */
int model_plan_validate(const struct plan *plan, struct p2v_err *err);
int model_plan_decode(const void *text, size_t n, struct plan *ret, struct p2v_err *err);
int model_plan_load(const char *path, struct plan *ret, struct p2v_err *err);
/* Publishes DIR/NAME by rename. */
int model_plan_save(
	const struct plan *plan, const char *dir, const char *name, struct p2v_err *err);

#define p2v_auto_plan __attribute__((cleanup(model_plan_finish)))

#endif

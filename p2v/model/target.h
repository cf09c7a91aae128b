/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_MODEL_TARGET_H
#define P2V_MODEL_TARGET_H

/*
 * The virtual hardware that is asked for, and what the chosen driver catalogue offers. Input of the
 * plan beside facts and machine; not a file of its own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/json.h"

/* A Windows driver of the chosen medium that is for the guest. */
struct target_driver {
	char *name;    /* of the .inf: viostor, netkvm */
	char *inf;     /* its path on the medium */
	char *binary;  /* its service's .sys there; empty: none */
	char *service; /* empty: none */
	char *class_guid;
	char *date;		/* 2023-07-21 */
	char *version;		/* 63.93.104.24000 */
	char *catalog;		/* its signed list of files (.cat) there; empty: none */
	char *publisher;	/* who has signed that; empty: nobody knows */
	char *publisher_serial; /* the certificate's number, hexadecimal */
	char *about;		/* one sentence: which, from where, and what speaks against it */
	bool usable;
	bool doubtful; /* usable, but `about` says what to look after */
	char **ids;    /* of the devices that it drives */
	size_t n_ids;
	char **package; /* paths on the medium of all files that belong to it */
	size_t n_package;
};

struct target {
	char *name;    /* kvm */
	char *machine; /* QEMU machine type: q35 or pc */
	char *format;  /* qcow2, raw, ... */
	char *root;    /* --root: door device of the system to convert, empty: the only one */
	char **buses;  /* disk buses to choose from, best first: virtio-blk, virtio-scsi, sata, ide
			*/
	size_t n_buses;
	char **nics; /* network models, best first: virtio-net, e1000e, e1000, rtl8139 */
	size_t n_nics;
	char *media; /* where the drivers are: a host path, and an ISO's label; NULL: none */
	struct target_driver *drivers;
	size_t n_drivers;
	char *guest_agent; /* path on the medium of the guest agent's installer; NULL: none */
};

extern const struct p2v_json_type model_target_type;

/* Frees what the members own and zeroes it; a zeroed one is an empty one. */
void model_target_finish(struct target *target);
/* Checks what the types cannot say; decode and load call it. */
int model_target_validate(const struct target *target, struct p2v_err *err);
int model_target_decode(const void *text, size_t n, struct target *ret, struct p2v_err *err);
int model_target_load(const char *path, struct target *ret, struct p2v_err *err);
/* Publishes DIR/NAME by rename. */
int model_target_save(
	const struct target *target, const char *dir, const char *name, struct p2v_err *err);

#define p2v_auto_target __attribute__((cleanup(model_target_finish)))

#endif

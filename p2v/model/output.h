/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_MODEL_OUTPUT_H
#define P2V_MODEL_OUTPUT_H

/*
 * output.json: the virtual machine that is handed over, complete where this file is there.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/json.h"
#include "p2v/model/plan.h"

struct output_disk {
	char *id;
	char *path; /* relative to the job directory, or a place elsewhere: converters/emit/place.h
		     */
	char *format;
	uint64_t size_bytes;
	uint64_t file_bytes;
	uint32_t logical_sector_bytes; /* 512 or 4096 as it was; absent: 512 */
	uint32_t boot_order;	       /* 1 is tried first; 0: not a boot disk */
	char *bus;
	char *pristine_snapshot; /* internal snapshot that holds the disk as received */
};

struct output_nic {
	char *mac;
	char *model;
	char *name;
	char **addresses;
	size_t n_addresses;
	struct plan_tag *tagged; /* those that stand in a VLAN */
	size_t n_tagged;
	char *gateway;
	bool dhcp;		/* as in the plan */
	char *bridge, *network; /* where its wire leads; absent: libvirt's network "default" */
};

struct output {
	uint32_t version; /* 1 */
	char *name;
	char *uuid;
	char *target;
	char *machine; /* q35 or pc */
	char *firmware;
	bool secure_boot;
	char *arch;
	char *os;
	uint64_t memory_bytes;
	uint32_t cpus;
	char *rtc;
	char **hyperv; /* as in the plan */
	size_t n_hyperv;
	bool tpm;
	struct output_disk *disks;
	size_t n_disks;
	struct output_nic *nics;
	size_t n_nics;
	char *domain_xml; /* libvirt, relative to the job directory */
	char *start_script;
	char *nvram; /* UEFI variable store */
	int grade;   /* enum grade */
	uint64_t duration_ms;
};

extern const struct p2v_json_type model_output_type;

/* Frees what the members own and zeroes it; a zeroed one is an empty one. */
void model_output_finish(struct output *output);
/* Checks what the types cannot say; decode and load call it. */
int model_output_validate(const struct output *output, struct p2v_err *err);
int model_output_decode(const void *text, size_t n, struct output *ret, struct p2v_err *err);
int model_output_load(const char *path, struct output *ret, struct p2v_err *err);
/* Publishes DIR/NAME by rename. */
int model_output_save(
	const struct output *output, const char *dir, const char *name, struct p2v_err *err);

#define p2v_auto_output __attribute__((cleanup(model_output_finish)))

#endif

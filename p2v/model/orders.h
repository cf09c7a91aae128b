/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_MODEL_ORDERS_H
#define P2V_MODEL_ORDERS_H

/*
 * orders.json: what people want a machine to become, where that is not what p2v would choose. It is
 * written before the conversion (by a runbook, through p2vd) and read by convert and prove. What is
 * absent is as without it; what a command line says goes before it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/json.h"

/* Where a network card's wire leads: a bridge of the host, or a network of libvirt. */
struct orders_network {
	char *mac;
	char *bridge, *network; /* one of them */
};

/* A place elsewhere that gets a disk, and is overwritten: converters/emit/place.h. */
struct orders_destination {
	char *disk; /* disk0, as they are numbered once some are left out */
	char *to;
};

/* What is to answer on the isolated wire once the machine runs. */
struct orders_check {
	uint32_t tcp;	 /* port */
	char *http;	 /* path, on port tcp (0: 80); NULL: that the port answers is enough */
	uint32_t status; /* that is expected; 0: 200 */
};

struct orders {
	uint32_t version; /* 1 */
	char *target, *format, *root;
	char *virtio_win; /* drivers for a Windows: an absolute path on the conversion server, or an
			     address, whose digest must be told: sha256:HEX */
	char *virtio_win_digest;
	uint64_t memory_bytes;
	uint64_t bandwidth_bytes; /* a second, while it is copied; 0: no limit */
	uint32_t cpus;
	char **leave_out; /* ids of disks */
	size_t n_leave_out;
	char **keys; /* SELECTOR:file:PATH or SELECTOR:command:NAME, on the conversion server */
	size_t n_keys;
	struct orders_network *networks;
	size_t n_networks;
	struct orders_destination *destinations;
	size_t n_destinations;
	struct orders_check *checks;
	size_t n_checks;
	char **hold; /* for an approval before these: conversion, emission */
	size_t n_hold;
};

extern const struct p2v_json_type model_orders_type;
extern const struct p2v_json_type model_orders_network_type, model_orders_check_type;

/* Frees what the members own and zeroes it; a zeroed one is an empty one. */
void model_orders_finish(struct orders *orders);
/* Checks what the types cannot say; decode and load call it. */
int model_orders_validate(const struct orders *orders, struct p2v_err *err);
int model_orders_decode(const void *text, size_t n, struct orders *ret, struct p2v_err *err);
int model_orders_load(const char *path, struct orders *ret, struct p2v_err *err);
/* Publishes DIR/NAME by rename. */
int model_orders_save(
	const struct orders *orders, const char *dir, const char *name, struct p2v_err *err);

bool model_orders_leave_out(const struct orders *orders, const char *disk_id);

#define p2v_auto_orders __attribute__((cleanup(model_orders_finish)))

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

/*
 * p2v-agent: what its files share. The command line, what it comes to, and the documents it prints.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "agent/map/map.h"
#include "agent/send/send.h"
#include "p2v/block/io.h"
#include "p2v/core/err.h"
#include "p2v/core/json.h"
#include "p2v/core/progress.h"
#include "p2v/model/machine.h"

#define AGENT_PROGRAM "p2v-agent"

struct agent_opts {
	const char *server, *identity, *known_hosts, *host_key;
	const char **disks; /* --disk and operands */
	size_t n_disks;
	const char **operands;
	size_t n_operands;
	const char *name, *machine;
	const char *link, *streams, *compress, *progress, *log;
	uint64_t limit_bytes;
	uint64_t retry_for_s;
	bool inventory, map, json, yes, refresh, rescue, follow, assign;
};

/* One disk of the machine as it lies here: opened read-only, and mapped. */
struct agent_disk {
	const char *path; /* here; the machine's own name for it may differ */
	struct block_io *io;
	struct map map;
	char **bad_files; /* what could not be read lies in these: lines for people */
	size_t n_bad_files;
};

struct agent_disks {
	struct agent_disk *items;
	size_t n_items;
};

/* The machine that the options mean, with the disks that they mean. */
int agent_machine_read(const struct agent_opts *o, struct machine *ret, struct p2v_err *err);
/* Opens and maps them. */
int agent_disks_open(const struct agent_opts *o, const struct machine *m, struct agent_disks *ret,
	struct p2v_err *err);
/* Looks which files lie where a disk could not be read. */
int agent_disk_name_bad(struct agent_disk *disk, const struct send_bad *bad, struct p2v_err *err);
void agent_disks_finish(struct agent_disks *disks);
#define agent_auto_disks __attribute__((cleanup(agent_disks_finish)))

/* "auto" (NULL, too): 0; else 1 to SEND_STREAMS_MAX. P2V_EINVAL. */
int agent_streams_parse(const char *text, unsigned *ret, struct p2v_err *err);

/* Connects (agent/connect.h), sends, names in disks what could not be read, and fills ret. */
struct agent_connector;
int agent_send(const struct agent_opts *o, const struct machine *m, struct agent_disks *disks,
	struct agent_connector *connector, struct p2v_progress *progress, struct send_result *ret,
	struct p2v_err *err);

/* obj as a JSON document. */
int agent_json_print(const struct p2v_json_type *type, const void *obj, bool pretty, FILE *out,
	struct p2v_err *err);
/* Documents on out: for machines (one JSON object) or for people. */
int agent_print_map(const struct machine *m, const struct agent_disks *disks, bool json, FILE *out,
	struct p2v_err *err);
int agent_print_result(const struct machine *m, const struct agent_disks *disks,
	const struct send_result *result, const char *link, bool json, FILE *out,
	struct p2v_err *err);
/* The JSON document of a failure: {"version":1,"ok":false,"kind":"refused","error":"..."}. */
int agent_print_failure(const struct p2v_err *why, FILE *out);

#endif

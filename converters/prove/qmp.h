/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_PROVE_QMP_H
#define P2V_PROVE_QMP_H

/*
 * A small client of the QEMU Machine Protocol (QEMU's docs/interop/qmp-spec): one JSON object per
 * line each way; commands one after the other, events in between.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"
#include "p2v/core/json.h"

#define PROVE_QMP_MAX_LINE (1 << 20)

struct prove_qmp {
	int fd;		   /* ours; closed by prove_qmp_finish */
	struct p2v_buf in; /* what has come and is not read yet */
	unsigned resets;   /* events seen: the guest rebooted, crashed, switched itself off */
	bool panicked, shutdown;
	uint64_t stop; /* Windows' number of its crash, where it told the hypervisor; else 0 */
};

/* What one line is. */
struct prove_qmp_line {
	bool greeting;
	char *event;
	bool is_error;
	char *error; /* what a failed command says */
};

/* Takes fd and does the greeting. */
int prove_qmp_start(struct prove_qmp *qmp, int fd, int timeout_ms, struct p2v_err *err);
void prove_qmp_finish(struct prove_qmp *qmp);

/* Sends one command (JSON text on one line) and waits for its answer; type and obj: how the whole
 * answer is decoded, or NULL. P2V_ELINK where QEMU went away. */
int prove_qmp_command(struct prove_qmp *qmp, const char *json, const struct p2v_json_type *type,
	void *obj, int timeout_ms, struct p2v_err *err);

/* Reads events that have come, without waiting. */
int prove_qmp_drain(struct prove_qmp *qmp, struct p2v_err *err);

/* A line that says that the guest crashed. ret_stop: what Windows gives as the reason (the first of
 * Hyper-V's crash registers), 0: it gives none. Such a line is never decoded: its numbers may be
 * larger than the JSON library takes. */
bool prove_qmp_is_crash(const void *line, size_t n, uint64_t *ret_stop);
int prove_qmp_line_decode(
	const void *text, size_t n, struct prove_qmp_line *ret, struct p2v_err *err);
void prove_qmp_line_finish(struct prove_qmp_line *line);

/* query-blockstats */
struct prove_blockstat {
	char *node;
	uint64_t writes, write_bytes, flushes, reads;
};
struct prove_blockstats {
	struct prove_blockstat *disks;
	size_t n_disks;
};
int prove_qmp_blockstats(
	struct prove_qmp *qmp, int timeout_ms, struct prove_blockstats *ret, struct p2v_err *err);
int prove_blockstats_decode(
	const void *text, size_t n, struct prove_blockstats *ret, struct p2v_err *err);
void prove_blockstats_finish(struct prove_blockstats *stats);

#endif

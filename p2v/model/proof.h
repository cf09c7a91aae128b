/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_MODEL_PROOF_H
#define P2V_MODEL_PROOF_H

/*
 * proof.json: what was seen when the output was booted, on a throw-away overlay, with no way out.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/json.h"

enum verdict {
	VERDICT_FAILED,	 /* it does not boot, or its network is not up */
	VERDICT_PARTIAL, /* it boots; something expected was not seen */
	VERDICT_PROVEN,	 /* all of it was seen */
};
extern const char *const model_verdict_words[];

struct proof_check {
	char *name; /* kernel, root, login, disk-driver, network, agent */
	bool ok;
	bool required;
	char *evidence; /* the line, address or number that shows it */
};

struct proof {
	uint32_t version; /* 1 */
	char *name;
	int verdict;	  /* enum verdict */
	char *reason;	  /* one sentence */
	char *accel;	  /* kvm or tcg */
	uint64_t boot_ms; /* until the last check held */
	struct proof_check *checks;
	size_t n_checks;
	char *serial_log; /* relative to the job directory */
	char *screenshot;
	char *wire_log; /* every frame, pcap */
};

extern const struct p2v_json_type model_proof_type;

/* Frees what the members own and zeroes it; a zeroed one is an empty one. */
void model_proof_finish(struct proof *proof);
/* Checks what the types cannot say; decode and load call it. */
int model_proof_validate(const struct proof *proof, struct p2v_err *err);
int model_proof_decode(const void *text, size_t n, struct proof *ret, struct p2v_err *err);
int model_proof_load(const char *path, struct proof *ret, struct p2v_err *err);
/* Publishes DIR/NAME by rename. */
int model_proof_save(
	const struct proof *proof, const char *dir, const char *name, struct p2v_err *err);

#define p2v_auto_proof __attribute__((cleanup(model_proof_finish)))

#endif

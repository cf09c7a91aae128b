/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/model/proof.h"

#include "p2v/model/noun.h"

const char *const model_verdict_words[] = {"failed", "partial", "proven", NULL};

static const struct p2v_json_field proof_check_fields[] = {
	P2V_JSON_STR(struct proof_check, name, P2V_JSON_REQUIRED),
	P2V_JSON_BOOL(struct proof_check, ok, 0),
	P2V_JSON_BOOL(struct proof_check, required, 0),
	P2V_JSON_STR(struct proof_check, evidence, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type proof_check_type = {
	"proof_check", sizeof(struct proof_check), proof_check_fields};

static const struct p2v_json_field proof_fields[] = {
	P2V_JSON_U32(struct proof, version, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct proof, name, P2V_JSON_REQUIRED),
	P2V_JSON_ENUM(struct proof, verdict, 0, model_verdict_words),
	P2V_JSON_STR(struct proof, reason, 0),
	P2V_JSON_STR(struct proof, accel, 0),
	P2V_JSON_U64(struct proof, boot_ms, 0),
	P2V_JSON_OBJS(struct proof, checks, 0, &proof_check_type),
	P2V_JSON_STR(struct proof, serial_log, 0),
	P2V_JSON_STR(struct proof, screenshot, 0),
	P2V_JSON_STR(struct proof, wire_log, 0),
	P2V_JSON_END,
};
const struct p2v_json_type model_proof_type = {"proof", sizeof(struct proof), proof_fields};

int model_proof_validate(const struct proof *proof, struct p2v_err *err)
{
	if (proof->version != 1)
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"proof: version %u is not one that this program knows (1)", proof->version);
	return 0;
}

MODEL_NOUN(proof);

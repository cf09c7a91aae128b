/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/model/changes.h"

#include "p2v/model/noun.h"

static const struct p2v_json_field change_fields[] = {
	P2V_JSON_STR(struct change, path, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct change, action, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct change, kind, P2V_JSON_REQUIRED),
	P2V_JSON_U32(struct change, step, 0),
	P2V_JSON_STR(struct change, reason, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct change, before_digest, 0),
	P2V_JSON_STR(struct change, after_digest, 0),
	P2V_JSON_U64(struct change, before_bytes, 0),
	P2V_JSON_U64(struct change, after_bytes, 0),
	P2V_JSON_STR(struct change, diff, 0),
	P2V_JSON_STR(struct change, detail, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type change_type = {"change", sizeof(struct change), change_fields};

static const struct p2v_json_field changes_fields[] = {
	P2V_JSON_U32(struct changes, version, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct changes, name, P2V_JSON_REQUIRED),
	P2V_JSON_U64(struct changes, duration_ms, 0),
	P2V_JSON_U64(struct changes, launch_ms, 0),
	P2V_JSON_OBJS(struct changes, changes, 0, &change_type),
	P2V_JSON_END,
};
const struct p2v_json_type model_changes_type = {"changes", sizeof(struct changes), changes_fields};

int model_changes_validate(const struct changes *changes, struct p2v_err *err)
{
	if (changes->version != 1)
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"changes: version %u is not one that this program knows (1)",
			changes->version);
	return 0;
}

MODEL_NOUN(changes);

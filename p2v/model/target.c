/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/model/target.h"

#include "p2v/model/noun.h"

static const struct p2v_json_field target_fields[] = {
	P2V_JSON_STR(struct target, name, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct target, machine, 0),
	P2V_JSON_STR(struct target, format, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct target, root, 0),
	P2V_JSON_STRS(struct target, buses, 0),
	P2V_JSON_STRS(struct target, nics, 0),
	P2V_JSON_END,
};
const struct p2v_json_type model_target_type = {"target", sizeof(struct target), target_fields};

int model_target_validate(const struct target *target, struct p2v_err *err)
{
	(void)target;
	(void)err;
	return 0;
}

MODEL_NOUN(target);

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/model/target.h"

#include "p2v/model/noun.h"

static const struct p2v_json_field target_driver_fields[] = {
	P2V_JSON_STR(struct target_driver, name, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct target_driver, inf, 0),
	P2V_JSON_STR(struct target_driver, binary, 0),
	P2V_JSON_STR(struct target_driver, service, 0),
	P2V_JSON_STR(struct target_driver, class_guid, 0),
	P2V_JSON_STR(struct target_driver, date, 0),
	P2V_JSON_STR(struct target_driver, version, 0),
	P2V_JSON_STR(struct target_driver, catalog, P2V_JSON_OMIT),
	P2V_JSON_STR(struct target_driver, publisher, P2V_JSON_OMIT),
	P2V_JSON_STR(struct target_driver, publisher_serial, P2V_JSON_OMIT),
	P2V_JSON_STR(struct target_driver, about, 0),
	P2V_JSON_BOOL(struct target_driver, usable, 0),
	P2V_JSON_BOOL(struct target_driver, doubtful, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct target_driver, ids, 0),
	P2V_JSON_STRS(struct target_driver, package, P2V_JSON_OMIT),
	P2V_JSON_END,
};
static const struct p2v_json_type target_driver_type = {
	"target_driver", sizeof(struct target_driver), target_driver_fields};

static const struct p2v_json_field target_fields[] = {
	P2V_JSON_STR(struct target, name, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct target, machine, 0),
	P2V_JSON_STR(struct target, format, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct target, root, 0),
	P2V_JSON_STRS(struct target, buses, 0),
	P2V_JSON_STRS(struct target, nics, 0),
	P2V_JSON_STR(struct target, media, 0),
	P2V_JSON_OBJS(struct target, drivers, P2V_JSON_OMIT, &target_driver_type),
	P2V_JSON_STR(struct target, guest_agent, 0),
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

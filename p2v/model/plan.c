/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/model/plan.h"

#include "p2v/model/check.h"
#include "p2v/model/noun.h"

const char *const model_grade_words[] = {"proven", "generic", "copied", NULL};

static const struct p2v_json_field plan_arg_fields[] = {
	P2V_JSON_STR(struct plan_arg, key, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct plan_arg, value, P2V_JSON_REQUIRED),
	P2V_JSON_END,
};
static const struct p2v_json_type plan_arg_type = {
	"plan_arg", sizeof(struct plan_arg), plan_arg_fields};

static const struct p2v_json_field plan_step_fields[] = {
	P2V_JSON_STR(struct plan_step, op, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct plan_step, path, 0),
	P2V_JSON_OBJS(struct plan_step, args, P2V_JSON_OMIT, &plan_arg_type),
	P2V_JSON_STR(struct plan_step, reason, P2V_JSON_REQUIRED),
	P2V_JSON_END,
};
static const struct p2v_json_type plan_step_type = {
	"plan_step", sizeof(struct plan_step), plan_step_fields};

static const struct p2v_json_field plan_disk_fields[] = {
	P2V_JSON_STR(struct plan_disk, id, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct plan_disk, bus, P2V_JSON_REQUIRED),
	P2V_JSON_U32(struct plan_disk, boot_order, 0),
	P2V_JSON_STR(struct plan_disk, to, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type plan_disk_type = {
	"plan_disk", sizeof(struct plan_disk), plan_disk_fields};

static const struct p2v_json_field plan_tag_fields[] = {
	P2V_JSON_STR(struct plan_tag, address, P2V_JSON_REQUIRED),
	P2V_JSON_U32(struct plan_tag, vlan_id, P2V_JSON_REQUIRED),
	P2V_JSON_END,
};
const struct p2v_json_type model_plan_tag_type = {
	"plan_tag", sizeof(struct plan_tag), plan_tag_fields};

static const struct p2v_json_field plan_nic_fields[] = {
	P2V_JSON_STR(struct plan_nic, mac, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct plan_nic, model, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct plan_nic, name, 0),
	P2V_JSON_STRS(struct plan_nic, addresses, P2V_JSON_OMIT),
	P2V_JSON_OBJS(struct plan_nic, tagged, P2V_JSON_OMIT, &model_plan_tag_type),
	P2V_JSON_STR(struct plan_nic, gateway, 0),
	P2V_JSON_BOOL(struct plan_nic, dhcp, P2V_JSON_OMIT),
	P2V_JSON_STR(struct plan_nic, bridge, 0),
	P2V_JSON_STR(struct plan_nic, network, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type plan_nic_type = {
	"plan_nic", sizeof(struct plan_nic), plan_nic_fields};

static const struct p2v_json_field plan_mount_fields[] = {
	P2V_JSON_STR(struct plan_mount, device, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct plan_mount, mountpoint, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct plan_mount, options, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type plan_mount_type = {
	"plan_mount", sizeof(struct plan_mount), plan_mount_fields};

static const struct p2v_json_field plan_fields[] = {
	P2V_JSON_U32(struct plan, version, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct plan, name, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct plan, target, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct plan, format, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct plan, machine, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct plan, firmware, P2V_JSON_REQUIRED),
	P2V_JSON_BOOL(struct plan, secure_boot, 0),
	P2V_JSON_STR(struct plan, os, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct plan, arch, 0),
	P2V_JSON_STR(struct plan, root, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct plan, rtc, 0),
	P2V_JSON_STR(struct plan, media, 0),
	P2V_JSON_U64(struct plan, memory_bytes, 0),
	P2V_JSON_U32(struct plan, cpus, 0),
	P2V_JSON_STR(struct plan, uuid, 0),
	P2V_JSON_ENUM(struct plan, grade, 0, model_grade_words),
	P2V_JSON_STRS(struct plan, hyperv, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct plan, tpm, P2V_JSON_OMIT),
	P2V_JSON_OBJS(struct plan, disks, 0, &plan_disk_type),
	P2V_JSON_OBJS(struct plan, nics, 0, &plan_nic_type),
	P2V_JSON_OBJS(struct plan, mounts, 0, &plan_mount_type),
	P2V_JSON_OBJS(struct plan, steps, 0, &plan_step_type),
	P2V_JSON_STRS(struct plan, warnings, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct plan, blockers, P2V_JSON_OMIT),
	P2V_JSON_END,
};
const struct p2v_json_type model_plan_type = {"plan", sizeof(struct plan), plan_fields};

int model_plan_validate(const struct plan *plan, struct p2v_err *err)
{
	int r;

	if (plan->version != 1)
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"plan: version %u is not one that this program knows (1)", plan->version);
	r = model_check_name(plan->name, "plan", err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < plan->n_disks; i++) {
		r = model_check_disk_id(plan->disks[i].id, i, "plan", err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < plan->n_nics; i++) {
		r = model_check_mac(plan->nics[i].mac, "plan", err);
		if (r < 0)
			return r;
	}
	return model_check_firmware(plan->firmware, "plan", err);
}

MODEL_NOUN(plan);

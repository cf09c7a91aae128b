/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/model/output.h"

#include "p2v/model/check.h"
#include "p2v/model/noun.h"

static const struct p2v_json_field output_disk_fields[] = {
	P2V_JSON_STR(struct output_disk, id, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct output_disk, path, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct output_disk, format, P2V_JSON_REQUIRED),
	P2V_JSON_U64(struct output_disk, size_bytes, 0),
	P2V_JSON_U64(struct output_disk, file_bytes, 0),
	P2V_JSON_U32(struct output_disk, logical_sector_bytes, P2V_JSON_OMIT),
	P2V_JSON_U32(struct output_disk, boot_order, P2V_JSON_OMIT),
	P2V_JSON_STR(struct output_disk, bus, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct output_disk, pristine_snapshot, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type output_disk_type = {
	"output_disk", sizeof(struct output_disk), output_disk_fields};

static const struct p2v_json_field output_nic_fields[] = {
	P2V_JSON_STR(struct output_nic, mac, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct output_nic, model, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct output_nic, name, 0),
	P2V_JSON_STRS(struct output_nic, addresses, P2V_JSON_OMIT),
	P2V_JSON_OBJS(struct output_nic, tagged, P2V_JSON_OMIT, &model_plan_tag_type),
	P2V_JSON_STR(struct output_nic, gateway, 0),
	P2V_JSON_BOOL(struct output_nic, dhcp, P2V_JSON_OMIT),
	P2V_JSON_STR(struct output_nic, bridge, 0),
	P2V_JSON_STR(struct output_nic, network, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type output_nic_type = {
	"output_nic", sizeof(struct output_nic), output_nic_fields};

static const struct p2v_json_field output_fields[] = {
	P2V_JSON_U32(struct output, version, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct output, name, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct output, uuid, 0),
	P2V_JSON_STR(struct output, target, 0),
	P2V_JSON_STR(struct output, machine, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct output, firmware, P2V_JSON_REQUIRED),
	P2V_JSON_BOOL(struct output, secure_boot, 0),
	P2V_JSON_STR(struct output, arch, 0),
	P2V_JSON_STR(struct output, os, 0),
	P2V_JSON_U64(struct output, memory_bytes, 0),
	P2V_JSON_U32(struct output, cpus, 0),
	P2V_JSON_STR(struct output, rtc, 0),
	P2V_JSON_STRS(struct output, hyperv, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct output, tpm, P2V_JSON_OMIT),
	P2V_JSON_OBJS(struct output, disks, 0, &output_disk_type),
	P2V_JSON_OBJS(struct output, nics, 0, &output_nic_type),
	P2V_JSON_STR(struct output, domain_xml, 0),
	P2V_JSON_STR(struct output, start_script, 0),
	P2V_JSON_STR(struct output, nvram, 0),
	P2V_JSON_ENUM(struct output, grade, 0, model_grade_words),
	P2V_JSON_U64(struct output, duration_ms, 0),
	P2V_JSON_END,
};
const struct p2v_json_type model_output_type = {"output", sizeof(struct output), output_fields};

int model_output_validate(const struct output *output, struct p2v_err *err)
{
	int r;

	if (output->version != 1)
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"output: version %u is not one that this program knows (1)",
			output->version);
	r = model_check_name(output->name, "output", err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < output->n_disks; i++) {
		r = model_check_disk_id(output->disks[i].id, i, "output", err);
		if (r < 0)
			return r;
	}
	return 0;
}

MODEL_NOUN(output);

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/model/machine.h"

#include "p2v/model/check.h"
#include "p2v/model/noun.h"

static const struct p2v_json_field machine_disk_fields[] = {
	P2V_JSON_STR(struct machine_disk, id, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct machine_disk, path, P2V_JSON_REQUIRED),
	P2V_JSON_U64(struct machine_disk, size_bytes, P2V_JSON_REQUIRED),
	P2V_JSON_U64(struct machine_disk, used_bytes, P2V_JSON_OMIT),
	P2V_JSON_U32(struct machine_disk, logical_sector_bytes, 0),
	P2V_JSON_U32(struct machine_disk, physical_sector_bytes, 0),
	P2V_JSON_STR(struct machine_disk, model, 0),
	P2V_JSON_STR(struct machine_disk, serial, 0),
	P2V_JSON_STR(struct machine_disk, wwn, 0),
	P2V_JSON_STR(struct machine_disk, bus, 0),
	P2V_JSON_BOOL(struct machine_disk, rotational, 0),
	P2V_JSON_BOOL(struct machine_disk, removable, 0),
	P2V_JSON_STR(struct machine_disk, table, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type machine_disk_type = {
	"machine_disk", sizeof(struct machine_disk), machine_disk_fields};

static const struct p2v_json_field machine_nic_fields[] = {
	P2V_JSON_STR(struct machine_nic, name, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct machine_nic, mac, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct machine_nic, driver, 0),
	P2V_JSON_STR(struct machine_nic, pci, 0),
	P2V_JSON_STR(struct machine_nic, vendor_id, 0),
	P2V_JSON_STR(struct machine_nic, device_id, 0),
	P2V_JSON_STR(struct machine_nic, path_name, 0),
	P2V_JSON_STR(struct machine_nic, slot_name, 0),
	P2V_JSON_STR(struct machine_nic, onboard_name, 0),
	P2V_JSON_BOOL(struct machine_nic, link, 0),
	P2V_JSON_U32(struct machine_nic, speed_mbit, 0),
	P2V_JSON_STRS(struct machine_nic, addresses, P2V_JSON_OMIT),
	P2V_JSON_END,
};
static const struct p2v_json_type machine_nic_type = {
	"machine_nic", sizeof(struct machine_nic), machine_nic_fields};

static const struct p2v_json_field machine_efi_var_fields[] = {
	P2V_JSON_STR(struct machine_efi_var, name, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct machine_efi_var, guid, P2V_JSON_REQUIRED),
	P2V_JSON_U32(struct machine_efi_var, attributes, 0),
	P2V_JSON_STR(struct machine_efi_var, data_hex, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type machine_efi_var_type = {
	"machine_efi_var", sizeof(struct machine_efi_var), machine_efi_var_fields};

static const struct p2v_json_field machine_device_fields[] = {
	P2V_JSON_STR(struct machine_device, bus, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct machine_device, place, 0),
	P2V_JSON_STR(struct machine_device, vendor_id, 0),
	P2V_JSON_STR(struct machine_device, device_id, 0),
	P2V_JSON_STR(struct machine_device, kind, 0),
	P2V_JSON_STR(struct machine_device, driver, 0),
	P2V_JSON_STR(struct machine_device, name, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type machine_device_type = {
	"machine_device", sizeof(struct machine_device), machine_device_fields};

static const struct p2v_json_field machine_fields[] = {
	P2V_JSON_U32(struct machine, version, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct machine, name, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct machine, uuid, 0),
	P2V_JSON_STR(struct machine, vendor, 0),
	P2V_JSON_STR(struct machine, product, 0),
	P2V_JSON_STR(struct machine, serial, 0),
	P2V_JSON_STR(struct machine, arch, 0),
	P2V_JSON_STR(struct machine, firmware, P2V_JSON_REQUIRED),
	P2V_JSON_BOOL(struct machine, secure_boot, 0),
	P2V_JSON_U64(struct machine, memory_bytes, P2V_JSON_REQUIRED),
	P2V_JSON_U32(struct machine, cpus, 0),
	P2V_JSON_U32(struct machine, sockets, 0),
	P2V_JSON_U32(struct machine, cores_per_socket, 0),
	P2V_JSON_STR(struct machine, cpu_model, 0),
	P2V_JSON_STR(struct machine, rtc, 0),
	P2V_JSON_STR(struct machine, agent_version, 0),
	P2V_JSON_OBJS(struct machine, disks, 0, &machine_disk_type),
	P2V_JSON_OBJS(struct machine, nics, 0, &machine_nic_type),
	P2V_JSON_OBJS(struct machine, efi_vars, P2V_JSON_OMIT, &machine_efi_var_type),
	P2V_JSON_OBJS(struct machine, devices, P2V_JSON_OMIT, &machine_device_type),
	P2V_JSON_END,
};
const struct p2v_json_type model_machine_type = {"machine", sizeof(struct machine), machine_fields};

int model_machine_validate(const struct machine *machine, struct p2v_err *err)
{
	int r;

	if (machine->version != 1)
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"machine: version %u is not one that this program knows (1)",
			machine->version);
	r = model_check_name(machine->name, "machine", err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < machine->n_disks; i++) {
		r = model_check_disk_id(machine->disks[i].id, i, "machine", err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < machine->n_nics; i++) {
		r = model_check_mac(machine->nics[i].mac, "machine", err);
		if (r < 0)
			return r;
	}
	return model_check_firmware(machine->firmware, "machine", err);
}

MODEL_NOUN(machine);

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/emit/hw.h"

#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/model/check.h"

#define DISK_SLOT      0x08
#define DISK_SLOTS     8
#define NIC_SLOT       0x10
#define NIC_SLOTS      12
#define FUNCTIONS      8
#define DEFAULT_MIB    2048
#define MAX_CPUS       255
#define MAX_MEMORY_TIB 64

static const struct emit_bus buses[] = {
	{"virtio-blk", NULL, (size_t)DISK_SLOTS *FUNCTIONS, true, "virtio-blk-pci", "virtio_blk",
		"vd", "virtio", "vd", NULL},
	{"virtio-scsi", NULL, 64, true, "scsi-hd", "virtio_scsi", "sd", "scsi", "sd", "scsi"},
	{"sata", NULL, 6, false, "ide-hd", "ahci", "sd", "sata", "sd", "sata"},
	{"ide", "pc", 4, false, "ide-hd", "ata_piix", "sd hd", "ide", "hd", "ide"},
};

static const struct emit_nic nics[] = {
	{"virtio-net", "virtio-net-pci", "virtio"},
	{"e1000e", "e1000e", "e1000e"},
	{"e1000", "e1000", "e1000"},
	{"rtl8139", "rtl8139", "rtl8139"},
};

const struct emit_bus *emit_bus_find(const char *name)
{
	for (size_t i = 0; name && i < P2V_N(buses); i++)
		if (strcmp(buses[i].name, name) == 0)
			return &buses[i];
	return NULL;
}

const struct emit_nic *emit_nic_find(const char *name)
{
	for (size_t i = 0; name && i < P2V_N(nics); i++)
		if (strcmp(nics[i].name, name) == 0)
			return &nics[i];
	return NULL;
}

static struct emit_slot slot_of(unsigned first, unsigned slots, size_t i, size_t n)
{
	return (struct emit_slot){
		.slot = first + (unsigned)(i % slots),
		.function = (unsigned)(i / slots),
		.multifunction = i < slots && i + slots < n,
	};
}

struct emit_slot emit_disk_slot(size_t i, size_t n_disks)
{
	return slot_of(DISK_SLOT, DISK_SLOTS, i, n_disks);
}

struct emit_slot emit_nic_slot(size_t i, size_t n_nics)
{
	return slot_of(NIC_SLOT, NIC_SLOTS, i, n_nics);
}

size_t emit_disk_place(const struct output *output, size_t i)
{
	size_t place = 0;

	for (size_t k = 0; k < i; k++)
		place += strcmp(output->disks[k].bus, output->disks[i].bus) == 0;
	return place;
}

bool emit_has_bus(const struct output *output, const char *bus)
{
	for (size_t i = 0; i < output->n_disks; i++)
		if (strcmp(output->disks[i].bus, bus) == 0)
			return true;
	return false;
}

bool emit_is_windows(const struct output *output)
{
	return output->os && strcmp(output->os, "windows") == 0;
}

uint64_t emit_memory_mib(const struct output *output)
{
	uint64_t mib = p2v_div_up(output->memory_bytes, P2V_MIB);

	return mib ? mib : DEFAULT_MIB;
}

unsigned emit_cpus(const struct output *output)
{
	return output->cpus ? output->cpus : 1;
}

static int check_disk(const struct output *output, size_t i, struct p2v_err *err)
{
	const struct output_disk *disk = &output->disks[i];
	const struct emit_bus *bus = emit_bus_find(disk->bus);

	if (!bus)
		return p2v_err_set(err, P2V_EUNSUPPORTED, "%s: disk bus '%.40s' is not known",
			disk->id, disk->bus ? disk->bus : "");
	if (bus->machine && strcmp(bus->machine, output->machine) != 0)
		return p2v_err_set(err, P2V_EUNSUPPORTED, "%s: bus %s is only on machine type %s",
			disk->id, bus->name, bus->machine);
	if (emit_disk_place(output, i) >= bus->room)
		return p2v_err_set(err, P2V_EUNSUPPORTED, "%s: bus %s has room for %zu disks",
			disk->id, bus->name, bus->room);
	if (disk->logical_sector_bytes && disk->logical_sector_bytes != 512 &&
		(disk->logical_sector_bytes != 4096 || !bus->big_sectors))
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"%s: bus %s cannot show sectors of %u bytes", disk->id, bus->name,
			disk->logical_sector_bytes);
	return 0;
}

static int check_nic(const struct output *output, size_t i, struct p2v_err *err)
{
	const struct output_nic *nic = &output->nics[i];
	int r = model_check_mac(nic->mac, "network card", err);

	if (r < 0)
		return r;
	if (!emit_nic_find(nic->model))
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"%s: network card model '%.40s' is not known", nic->mac,
			nic->model ? nic->model : "");
	return 0;
}

/* 8-4-4-4-12 hex digits. */
static bool uuid_ok(const char *uuid)
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (strlen(uuid) != sizeof(shape) - 1)
		return false;
	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == '-' ? uuid[i] != '-' : !strchr("0123456789abcdefABCDEF", uuid[i]))
			return false;
	return true;
}

/* It becomes a name in XML. */
static bool is_word(const char *text)
{
	return *text && text[strspn(text, "abcdefghijklmnopqrstuvwxyz")] == '\0';
}

int emit_hw_check(const struct output *output, struct p2v_err *err)
{
	int r = model_check_name(output->name, "output", err);

	if (r == 0)
		r = model_check_firmware(output->firmware, output->name, err);
	if (r < 0)
		return r;
	if (!output->machine ||
		(strcmp(output->machine, "q35") != 0 && strcmp(output->machine, "pc") != 0))
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"%s: machine type '%.40s' is neither q35 nor pc", output->name,
			output->machine ? output->machine : "");
	if (output->uuid && *output->uuid && !uuid_ok(output->uuid))
		return p2v_err_set(
			err, P2V_EFORMAT, "%s: '%.40s' is not a UUID", output->name, output->uuid);
	for (size_t i = 0; i < output->n_hyperv; i++)
		if (!is_word(output->hyperv[i]))
			return p2v_err_set(err, P2V_EFORMAT,
				"%s: '%.40s' is no interface of Hyper-V", output->name,
				output->hyperv[i]);
	if (output->cpus > MAX_CPUS || output->memory_bytes > MAX_MEMORY_TIB * 1024 * P2V_GIB)
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"%s: more than %d processors or %d TiB of memory", output->name, MAX_CPUS,
			MAX_MEMORY_TIB);
	if (output->n_nics > (size_t)NIC_SLOTS * FUNCTIONS)
		return p2v_err_set(err, P2V_EUNSUPPORTED, "%s: more than %d network cards",
			output->name, NIC_SLOTS * FUNCTIONS);
	for (size_t i = 0; r == 0 && i < output->n_disks; i++)
		r = check_disk(output, i, err);
	for (size_t i = 0; r == 0 && i < output->n_nics; i++)
		r = check_nic(output, i, err);
	return r < 0 ? p2v_err_wrap(err, r, "%s", output->name) : 0;
}

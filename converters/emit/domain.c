/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "converters/emit/description.h"
#include "converters/emit/hw.h"
#include "converters/emit/place.h"
#include "converters/emit/xml.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

#define NUM_TEXT 24

struct domain {
	const struct emit_description_input *in;
	const struct output *output;
	struct emit_xml xml;
};

static const char *num(char buf[NUM_TEXT], uint64_t v)
{
	snprintf(buf, NUM_TEXT, "%" PRIu64, v);
	return buf;
}

static const char *given(const char *text)
{
	return text && *text ? text : NULL;
}

static void add_pci(struct domain *d, struct emit_slot slot)
{
	char s[NUM_TEXT], f[NUM_TEXT];

	snprintf(s, sizeof(s), "0x%02x", slot.slot);
	snprintf(f, sizeof(f), "0x%x", slot.function);
	emit_xml_empty(&d->xml, "address", "type", "pci", "domain", "0x0000", "bus", "0x00", "slot",
		s, "function", f, "multifunction", slot.multifunction ? "on" : NULL, NULL);
}

static void add_fixed(struct domain *d, enum emit_fixed_slot slot)
{
	add_pci(d, (struct emit_slot){.slot = slot});
}

static void add_sysinfo(struct domain *d)
{
	const struct machine *m = d->in->machine;
	const struct {
		const char *key, *value;
	} rows[] = {{"manufacturer", given(m->vendor)}, {"product", given(m->product)},
		{"serial", given(m->serial)}, {"uuid", given(d->output->uuid)}};

	emit_xml_start(&d->xml, "sysinfo", "type", "smbios", NULL);
	emit_xml_start(&d->xml, "system", NULL);
	for (size_t i = 0; i < P2V_N(rows); i++)
		if (rows[i].value)
			emit_xml_text(&d->xml, "entry", rows[i].value, "name", rows[i].key, NULL);
	emit_xml_end(&d->xml);
	emit_xml_end(&d->xml);
}

static void add_os(struct domain *d)
{
	const struct emit_firmware *fw = &d->in->firmware;
	bool secure = d->output->secure_boot;
	p2v_autofree char *nvram = NULL;

	emit_xml_start(&d->xml, "os", NULL);
	emit_xml_text(
		&d->xml, "type", "hvm", "arch", "x86_64", "machine", d->output->machine, NULL);
	if (fw->code) {
		nvram = p2v_path_join(d->in->dir, d->output->nvram);
		d->xml.out->failed |= !nvram;
		emit_xml_text(&d->xml, "loader", fw->code, "readonly", "yes", "secure",
			secure ? "yes" : "no", "type", "pflash", NULL);
		emit_xml_text(&d->xml, "nvram", nvram ? nvram : "", "template", fw->vars, NULL);
	}
	if (d->in->machine)
		emit_xml_empty(&d->xml, "smbios", "mode", "sysinfo", NULL);
	emit_xml_end(&d->xml);
}

/* Hyper-V's interfaces, by which Windows knows that it is in a virtual machine. */
static void add_hyperv(struct domain *d)
{
	if (!d->output->n_hyperv)
		return;
	emit_xml_start(&d->xml, "hyperv", "mode", "custom", NULL);
	for (size_t i = 0; i < d->output->n_hyperv; i++)
		emit_xml_empty(&d->xml, d->output->hyperv[i], "state", "on", "retries",
			strcmp(d->output->hyperv[i], "spinlocks") == 0 ? EMIT_SPINLOCK_RETRIES
								       : NULL,
			NULL);
	emit_xml_end(&d->xml);
}

/* Windows counts its timer's ticks and wants those that it missed; it is slow with a HPET. */
static void add_clock(struct domain *d)
{
	const char *offset =
		d->output->rtc && strcmp(d->output->rtc, "localtime") == 0 ? "localtime" : "utc";

	if (!emit_is_windows(d->output)) {
		emit_xml_empty(&d->xml, "clock", "offset", offset, NULL);
		return;
	}
	emit_xml_start(&d->xml, "clock", "offset", offset, NULL);
	emit_xml_empty(&d->xml, "timer", "name", "rtc", "tickpolicy", "catchup", NULL);
	emit_xml_empty(&d->xml, "timer", "name", "pit", "tickpolicy", "delay", NULL);
	emit_xml_empty(&d->xml, "timer", "name", "hpet", "present", "no", NULL);
	if (d->output->n_hyperv)
		emit_xml_empty(&d->xml, "timer", "name", "hypervclock", "present", "yes", NULL);
	emit_xml_end(&d->xml);
}

/* By which Windows tells the number of its crash. */
static void add_panic(struct domain *d)
{
	if (d->output->n_hyperv)
		emit_xml_empty(&d->xml, "panic", "model", "hyperv", NULL);
}

static void add_tpm(struct domain *d)
{
	if (!d->output->tpm)
		return;
	emit_xml_start(&d->xml, "tpm", "model", "tpm-crb", NULL);
	emit_xml_empty(&d->xml, "backend", "type", "emulator", "version", "2.0", NULL);
	emit_xml_end(&d->xml);
}

static void add_board(struct domain *d)
{
	unsigned cpus = emit_cpus(d->output), sockets = 1;
	const struct machine *m = d->in->machine;
	char a[NUM_TEXT], b[NUM_TEXT];

	if (m && m->sockets && cpus % m->sockets == 0)
		sockets = m->sockets;
	emit_xml_text(&d->xml, "name", d->output->name, NULL);
	if (given(d->output->uuid))
		emit_xml_text(&d->xml, "uuid", d->output->uuid, NULL);
	emit_xml_text(&d->xml, "memory", num(a, emit_memory_mib(d->output)), "unit", "MiB", NULL);
	emit_xml_text(&d->xml, "vcpu", num(a, cpus), NULL);
	if (m)
		add_sysinfo(d);
	add_os(d);
	emit_xml_start(&d->xml, "features", NULL);
	emit_xml_empty(&d->xml, "acpi", NULL);
	emit_xml_empty(&d->xml, "apic", NULL);
	add_hyperv(d);
	if (d->in->firmware.code && d->output->secure_boot)
		emit_xml_empty(&d->xml, "smm", "state", "on", NULL);
	emit_xml_end(&d->xml);
	emit_xml_start(&d->xml, "cpu", "mode", "host-model", NULL);
	emit_xml_empty(&d->xml, "topology", "sockets", num(a, sockets), "cores",
		num(b, cpus / sockets), "threads", "1", NULL);
	emit_xml_end(&d->xml);
	add_clock(d);
}

static void add_disk_address(struct domain *d, size_t i)
{
	const struct emit_bus *bus = emit_bus_find(d->output->disks[i].bus);
	size_t place = emit_disk_place(d->output, i);
	bool ide = strcmp(bus->name, "ide") == 0, scsi = strcmp(bus->name, "virtio-scsi") == 0;
	char b[NUM_TEXT], t[NUM_TEXT], u[NUM_TEXT];

	if (!bus->controller) {
		add_pci(d, emit_disk_slot(place, d->output->n_disks));
		return;
	}
	emit_xml_empty(&d->xml, "address", "type", "drive", "controller", "0", "bus",
		num(b, ide ? place / 2 : 0), "target", num(t, scsi ? place : 0), "unit",
		num(u, ide     ? place % 2
			: scsi ? 0
			       : place),
		NULL);
}

/* "vda" ... "vdz", "vdaa" ...: the place among the disks whose names start alike. */
static void target_dev(const struct output *output, size_t i, char *out, size_t n)
{
	const char *prefix = emit_bus_find(output->disks[i].bus)->xml_prefix;
	size_t place = 0;

	for (size_t k = 0; k < i; k++)
		place += strcmp(emit_bus_find(output->disks[k].bus)->xml_prefix, prefix) == 0;
	if (place < 26)
		snprintf(out, n, "%s%c", prefix, (char)('a' + place));
	else
		snprintf(out, n, "%s%c%c", prefix, (char)('a' + place / 26 - 1),
			(char)('a' + place % 26));
}

static void add_disk(struct domain *d, size_t i)
{
	const struct output_disk *disk = &d->output->disks[i];
	p2v_autofree char *file = emit_place_file(d->in->dir, disk->path);
	p2v_auto_emit_place struct emit_place place = {0};
	char dev[8], size[NUM_TEXT], order[NUM_TEXT];

	if (!file || emit_place_parse(disk->path, &place, NULL) < 0) {
		d->xml.out->failed = true;
		return;
	}
	target_dev(d->output, i, dev, sizeof(dev));
	emit_xml_start(
		&d->xml, "disk", "type", emit_place_xml_type(&place), "device", "disk", NULL);
	emit_xml_empty(&d->xml, "driver", "name", "qemu", "type", disk->format, NULL);
	emit_place_xml_source(&place, file, &d->xml);
	emit_xml_empty(
		&d->xml, "target", "dev", dev, "bus", emit_bus_find(disk->bus)->xml_bus, NULL);
	if (disk->logical_sector_bytes > 512) {
		num(size, disk->logical_sector_bytes);
		emit_xml_empty(&d->xml, "blockio", "logical_block_size", size,
			"physical_block_size", size, NULL);
	}
	if (disk->boot_order)
		emit_xml_empty(&d->xml, "boot", "order", num(order, disk->boot_order), NULL);
	add_disk_address(d, i);
	emit_xml_end(&d->xml);
}

static void add_controllers(struct domain *d)
{
	bool pc = strcmp(d->output->machine, "pc") == 0;

	/* Keyboard and mouse are PS/2, which every guest knows. */
	emit_xml_empty(&d->xml, "controller", "type", "usb", "model", "none", NULL);
	if (emit_has_bus(d->output, "virtio-scsi")) {
		emit_xml_start(&d->xml, "controller", "type", "scsi", "index", "0", "model",
			"virtio-scsi", NULL);
		add_fixed(d, EMIT_SLOT_SCSI);
		emit_xml_end(&d->xml);
	}
	if (emit_has_bus(d->output, "sata") && pc) {
		emit_xml_start(&d->xml, "controller", "type", "sata", "index", "0", NULL);
		add_fixed(d, EMIT_SLOT_AHCI);
		emit_xml_end(&d->xml);
	}
	emit_xml_start(&d->xml, "controller", "type", "virtio-serial", "index", "0", NULL);
	add_fixed(d, EMIT_SLOT_SERIAL);
	emit_xml_end(&d->xml);
}

static void add_nic(struct domain *d, size_t i)
{
	const struct output_nic *nic = &d->output->nics[i];

	emit_xml_start(&d->xml, "interface", "type", nic->bridge ? "bridge" : "network", NULL);
	emit_xml_empty(&d->xml, "mac", "address", nic->mac, NULL);
	if (nic->bridge)
		emit_xml_empty(&d->xml, "source", "bridge", nic->bridge, NULL);
	else
		emit_xml_empty(&d->xml, "source", "network",
			nic->network ? nic->network : "default", NULL);
	emit_xml_empty(&d->xml, "model", "type", emit_nic_find(nic->model)->xml_model, NULL);
	emit_xml_empty(&d->xml, "rom", "enabled", "no", NULL);
	add_pci(d, emit_nic_slot(i, d->output->n_nics));
	emit_xml_end(&d->xml);
}

static void add_consoles(struct domain *d)
{
	emit_xml_start(&d->xml, "serial", "type", "pty", NULL);
	emit_xml_empty(&d->xml, "target", "port", "0", NULL);
	emit_xml_end(&d->xml);
	emit_xml_start(&d->xml, "console", "type", "pty", NULL);
	emit_xml_empty(&d->xml, "target", "type", "serial", "port", "0", NULL);
	emit_xml_end(&d->xml);
	emit_xml_start(&d->xml, "channel", "type", "unix", NULL);
	emit_xml_empty(&d->xml, "target", "type", "virtio", "name", "org.qemu.guest_agent.0", NULL);
	emit_xml_empty(&d->xml, "address", "type", "virtio-serial", "controller", "0", "bus", "0",
		"port", "1", NULL);
	emit_xml_end(&d->xml);
	emit_xml_empty(
		&d->xml, "graphics", "type", "vnc", "autoport", "yes", "listen", "127.0.0.1", NULL);
	emit_xml_start(&d->xml, "video", NULL);
	emit_xml_empty(&d->xml, "model", "type", "vga", NULL);
	add_fixed(d, EMIT_SLOT_VGA);
	emit_xml_end(&d->xml);
}

static void add_helpers(struct domain *d)
{
	emit_xml_start(&d->xml, "memballoon", "model", "virtio", NULL);
	add_fixed(d, EMIT_SLOT_BALLOON);
	emit_xml_end(&d->xml);
	emit_xml_start(&d->xml, "rng", "model", "virtio", NULL);
	emit_xml_text(&d->xml, "backend", "/dev/urandom", "model", "random", NULL);
	add_fixed(d, EMIT_SLOT_RNG);
	emit_xml_end(&d->xml);
}

int emit_domain_write(
	const struct emit_description_input *in, struct p2v_buf *out, struct p2v_err *err)
{
	struct domain d = {.in = in, .output = in->output, .xml = {.out = out}};
	int r = emit_hw_check(in->output, err);

	if (r < 0)
		return r;
	emit_xml_start(&d.xml, "domain", "type", "kvm", NULL);
	add_board(&d);
	emit_xml_start(&d.xml, "devices", NULL);
	for (size_t i = 0; i < in->output->n_disks; i++)
		add_disk(&d, i);
	add_controllers(&d);
	for (size_t i = 0; i < in->output->n_nics; i++)
		add_nic(&d, i);
	add_consoles(&d);
	add_helpers(&d);
	add_tpm(&d);
	add_panic(&d);
	emit_xml_end(&d.xml);
	emit_xml_end(&d.xml);
	return p2v_buf_check(out, err);
}

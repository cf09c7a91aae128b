/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/emit/qemu.h"

#include <inttypes.h>
#include <string.h>

#include "converters/emit/hw.h"
#include "converters/emit/place.h"
#include "converters/emit/usernet.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/text.h"

char *emit_qemu_value(const char *text)
{
	p2v_autobuf struct p2v_buf safe = {0}, out = {0};

	p2v_text_add_printable(&safe, text);
	for (size_t i = 0; i < safe.len; i++) {
		p2v_buf_add(&out, &safe.data[i], 1);
		if (safe.data[i] == ',')
			p2v_buf_add(&out, ",", 1);
	}
	return safe.failed ? NULL : p2v_buf_take_str(&out);
}

static bool is_q35(const struct emit_qemu *q)
{
	return strcmp(q->output->machine, "q35") == 0;
}

static const char *root_bus(const struct emit_qemu *q)
{
	return is_q35(q) ? "pcie.0" : "pci.0";
}

/* ---- one function per part of the machine ---- */

int emit_qemu_hyperv(const struct output *output, struct p2v_buf *out, struct p2v_err *err)
{
	p2v_buf_add_str(out, "max");
	for (size_t i = 0; i < output->n_hyperv; i++)
		if (strcmp(output->hyperv[i], "spinlocks") == 0)
			p2v_buf_addf(out, ",hv-spinlocks=%s", EMIT_SPINLOCK_RETRIES);
		else
			p2v_buf_addf(out, ",hv-%s=on", output->hyperv[i]);
	if (output->n_hyperv)
		p2v_buf_add_str(out, ",hv-time=on,hv-crash=on");
	return p2v_buf_check(out, err);
}

static void add_cpu(const struct emit_qemu *q, struct emit_argv *argv)
{
	p2v_autobuf struct p2v_buf text = {0};

	if (!q->kvm)
		emit_argv_opt(argv, "-cpu", "max");
	else if (emit_qemu_hyperv(q->output, &text, NULL) == 0)
		emit_argv_opt(argv, "-cpu", "%s", (const char *)text.data);
	argv->failed |= text.failed;
}

/* As domain.c says it: a Windows wants the ticks that it missed, and no HPET. */
static void add_clock(const struct emit_qemu *q, struct emit_argv *argv)
{
	bool local = q->output->rtc && strcmp(q->output->rtc, "localtime") == 0;

	emit_argv_opt(argv, "-rtc", "base=%s%s", local ? "localtime" : "utc",
		emit_is_windows(q->output) ? ",driftfix=slew" : "");
}

static void add_board(const struct emit_qemu *q, struct emit_argv *argv)
{
	const struct output *output = q->output;
	uint64_t mib = emit_memory_mib(output);
	unsigned cpus = emit_cpus(output), sockets = 1;

	if (q->max_memory_mib)
		mib = p2v_min_u64(mib, q->max_memory_mib);
	if (q->max_cpus && cpus > q->max_cpus)
		cpus = q->max_cpus;
	if (q->machine && q->machine->sockets && cpus % q->machine->sockets == 0)
		sockets = q->machine->sockets;
	emit_argv_opt(argv, "-name", "%s", output->name);
	emit_argv_add(argv, "-no-user-config");
	emit_argv_add(argv, "-nodefaults");
	emit_argv_opt(argv, "-machine", "%s%s%s%s", output->machine,
		emit_is_windows(output) ? ",hpet=off" : "",
		q->firmware.code ? ",pflash0=fw-code,pflash1=fw-vars" : "",
		q->firmware.code && output->secure_boot ? ",smm=on" : "");
	add_cpu(q, argv);
	emit_argv_opt(argv, "-m", "%" PRIu64 "M", mib);
	emit_argv_opt(argv, "-smp", "cpus=%u,sockets=%u,cores=%u,threads=1", cpus, sockets,
		cpus / sockets);
	add_clock(q, argv);
	if (output->uuid && *output->uuid)
		emit_argv_opt(argv, "-uuid", "%s", output->uuid);
}

static void add_firmware(const struct emit_qemu *q, struct emit_argv *argv)
{
	p2v_autofree char *code = NULL, *vars = NULL;

	if (!q->firmware.code)
		return;
	code = emit_qemu_value(q->firmware.code);
	vars = emit_qemu_value(q->nvram_file);
	argv->failed |= !code || !vars;
	emit_argv_opt(argv, "-blockdev", "driver=file,node-name=fw-code,read-only=on,filename=%s",
		code ? code : "");
	emit_argv_opt(
		argv, "-blockdev", "driver=file,node-name=fw-vars,filename=%s", vars ? vars : "");
	/* Only firmware code may write the variables, else Secure Boot protects nothing. */
	if (q->output->secure_boot)
		emit_argv_opt(argv, "-global", "driver=cfi.pflash01,property=secure,value=on");
}

/* Licences are bound to these. */
static void add_smbios(const struct emit_qemu *q, struct emit_argv *argv)
{
	const struct machine *m = q->machine;
	const struct {
		const char *key, *value;
	} rows[] = {{"manufacturer", m ? m->vendor : NULL}, {"product", m ? m->product : NULL},
		{"serial", m ? m->serial : NULL}};
	p2v_autobuf struct p2v_buf text = {0};

	for (size_t i = 0; i < P2V_N(rows); i++) {
		p2v_autofree char *value = NULL;

		if (!rows[i].value || !*rows[i].value)
			continue;
		value = emit_qemu_value(rows[i].value);
		argv->failed |= !value;
		p2v_buf_addf(&text, ",%s=%s", rows[i].key, value ? value : "");
	}
	argv->failed |= text.failed;
	if (text.len)
		emit_argv_opt(argv, "-smbios", "type=1%s", (const char *)text.data);
}

static void add_common(const struct emit_qemu *q, struct emit_argv *argv)
{
	const char *bus = root_bus(q);

	emit_argv_opt(argv, "-device", "VGA,id=video0,bus=%s,addr=%x.0", bus, EMIT_SLOT_VGA);
	emit_argv_opt(argv, "-device", "isa-serial,id=com1,chardev=serial0");
	emit_argv_opt(argv, "-device", "virtio-serial-pci,id=vser0,bus=%s,addr=%x.0", bus,
		EMIT_SLOT_SERIAL);
	emit_argv_opt(argv, "-device",
		"virtserialport,bus=vser0.0,nr=1,chardev=agent0,name=org.qemu.guest_agent.0");
	emit_argv_opt(argv, "-device", "virtio-balloon-pci,id=balloon0,bus=%s,addr=%x.0", bus,
		EMIT_SLOT_BALLOON);
	emit_argv_opt(argv, "-object", "rng-random,id=rng0,filename=/dev/urandom");
	emit_argv_opt(
		argv, "-device", "virtio-rng-pci,rng=rng0,bus=%s,addr=%x.0", bus, EMIT_SLOT_RNG);
	if (emit_has_bus(q->output, "virtio-scsi"))
		emit_argv_opt(argv, "-device", "virtio-scsi-pci,id=scsi0,bus=%s,addr=%x.0", bus,
			EMIT_SLOT_SCSI);
	if (emit_has_bus(q->output, "sata") && !is_q35(q))
		emit_argv_opt(
			argv, "-device", "ahci,id=sata0,bus=%s,addr=%x.0", bus, EMIT_SLOT_AHCI);
}

/* Where on its bus a disk stands, as device properties. */
static void add_disk_place(const struct emit_qemu *q, size_t i, struct p2v_buf *out)
{
	const char *bus = q->output->disks[i].bus;
	size_t place = emit_disk_place(q->output, i);
	struct emit_slot slot = emit_disk_slot(place, q->output->n_disks);

	if (strcmp(bus, "virtio-blk") == 0)
		p2v_buf_addf(out, "bus=%s,addr=%x.%x%s", root_bus(q), slot.slot, slot.function,
			slot.multifunction ? ",multifunction=on" : "");
	else if (strcmp(bus, "virtio-scsi") == 0)
		p2v_buf_addf(out, "bus=scsi0.0,channel=0,scsi-id=%zu,lun=0", place);
	else if (strcmp(bus, "sata") == 0)
		p2v_buf_addf(out, "bus=%s.%zu", is_q35(q) ? "ide" : "sata0", place);
	else
		p2v_buf_addf(out, "bus=ide.%zu,unit=%zu", place / 2, place % 2);
}

static void add_disk(const struct emit_qemu *q, size_t i, struct emit_argv *argv)
{
	const struct output_disk *disk = &q->output->disks[i];
	p2v_auto_emit_place struct emit_place place = {0};
	p2v_autobuf struct p2v_buf props = {0}, node = {0};

	add_disk_place(q, i, &props);
	if (disk->logical_sector_bytes > 512)
		p2v_buf_addf(&props, ",logical_block_size=%u,physical_block_size=%u",
			disk->logical_sector_bytes, disk->logical_sector_bytes);
	if (disk->boot_order)
		p2v_buf_addf(&props, ",bootindex=%u", disk->boot_order);
	/* A format of its own means a file of its own. */
	if (q->disk_format || emit_place_parse(disk->path, &place, NULL) == 0)
		emit_place_blockdev(&place, "file.", q->disk_files[i], &node);
	argv->failed |= props.failed || node.failed;
	if (argv->failed)
		return;
	emit_argv_opt(argv, "-blockdev", "driver=%s,node-name=%s-node,%s",
		q->disk_format ? q->disk_format : disk->format, disk->id, (const char *)node.data);
	emit_argv_opt(argv, "-device", "%s,id=%s,drive=%s-node,%s",
		emit_bus_find(disk->bus)->device, disk->id, disk->id, (const char *)props.data);
}

/* net, user and peer on one switch. */
static void add_hub(size_t i, int peer, struct emit_argv *argv)
{
	emit_argv_opt(argv, "-netdev", "socket,id=peer%zu,fd=%d", i, peer);
	emit_argv_opt(argv, "-netdev", "hubport,id=hub-user%zu,hubid=%zu,netdev=user%zu", i, i, i);
	emit_argv_opt(argv, "-netdev", "hubport,id=hub-peer%zu,hubid=%zu,netdev=peer%zu", i, i, i);
	emit_argv_opt(argv, "-netdev", "hubport,id=net%zu,hubid=%zu", i, i);
}

static void add_nic(const struct emit_qemu *q, size_t i, struct emit_argv *argv)
{
	const struct output_nic *nic = &q->output->nics[i];
	struct emit_usernet net = emit_usernet_of(nic);
	struct emit_slot slot = emit_nic_slot(i, q->output->n_nics);
	int peer = q->net_peers ? q->net_peers[i] : -1;
	p2v_autofree char *shape =
		net.set ? p2v_strf(",net=%s,host=%s,dns=%s", net.net, net.host, net.dns)
			: strdup("");

	argv->failed |= !shape;
	emit_argv_opt(argv, "-netdev", "user,id=%s%zu%s%s%s", peer < 0 ? "net" : "user", i,
		q->isolated ? ",restrict=on" : "", shape ? shape : "",
		q->net_options ? q->net_options[i] : "");
	if (peer >= 0)
		add_hub(i, peer, argv);
	/* No boot ROM: the machine boots from its disk and does not wait for a network. */
	emit_argv_opt(argv, "-device",
		"%s,id=nic%zu,netdev=net%zu,mac=%s,bus=%s,addr=%x.%x%s,romfile=",
		emit_nic_find(nic->model)->device, i, i, nic->mac, root_bus(q), slot.slot,
		slot.function, slot.multifunction ? ",multifunction=on" : "");
}

int emit_qemu_args(const struct emit_qemu *q, struct emit_argv *argv, struct p2v_err *err)
{
	int r = emit_hw_check(q->output, err);

	if (r < 0)
		return r;
	add_board(q, argv);
	add_firmware(q, argv);
	add_smbios(q, argv);
	add_common(q, argv);
	for (size_t i = 0; i < q->output->n_disks; i++)
		add_disk(q, i, argv);
	for (size_t i = 0; i < q->output->n_nics; i++)
		add_nic(q, i, argv);
	return emit_argv_check(argv, err);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What needs a person before a machine is migrated: keys, decisions, and hardware that a virtual
 * machine will not have.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/cli/assessment.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

struct asking {
	const struct assess_input *in;
	struct assessment *a;
	struct p2v_err *err;
	int r;
};

static void __attribute__((format(printf, 3, 4)))
need(struct asking *k, const char *kind, const char *fmt, ...)
{
	struct assess_need *n =
		k->r < 0 ? NULL : p2v_json_grow((void **)&k->a->needs, &k->a->n_needs, sizeof(*n));
	va_list ap;

	va_start(ap, fmt);
	if (n && (vasprintf(&n->text, fmt, ap) < 0 || !(n->kind = strdup(kind))))
		k->r = p2v_err_set(k->err, P2V_ENOMEM, "out of memory");
	va_end(ap);
	if (!n && k->r == 0)
		k->r = p2v_err_set(k->err, P2V_ENOMEM, "out of memory");
}

static bool is(const char *text, const char *word)
{
	return text && strcmp(text, word) == 0;
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static bool is_open(const struct facts *facts, const char *device)
{
	for (size_t i = 0; i < facts->n_filesystems; i++)
		if (is(facts->filesystems[i].parent, device))
			return true;
	return false;
}

static void ask_keys(struct asking *k)
{
	const struct facts *facts = k->in->facts;

	for (size_t i = 0; i < facts->n_filesystems; i++) {
		const struct facts_fs *f = &facts->filesystems[i];
		bool luks = is(f->kind, "crypto_LUKS");

		if (!luks && !is(f->kind, "BitLocker"))
			continue;
		if (!luks && !is_open(facts, f->device))
			need(k, "key",
				"%s is encrypted by BitLocker: put its recovery key into a file "
				"and say --key %s:file:PATH, or switch BitLocker off first",
				f->device, f->device);
		else if (!luks)
			continue;
		else if (!is_open(facts, f->device))
			need(k, "key",
				"%s is encrypted (LUKS): put its passphrase into a file and say "
				"--key %s:file:PATH",
				f->device, f->uuid && *f->uuid ? f->uuid : f->device);
		else if (k->in->files_only)
			need(k, "key",
				"%s is encrypted (LUKS) and open here: p2v convert will need its "
				"passphrase, --key %s:file:PATH",
				f->device, f->uuid && *f->uuid ? f->uuid : f->device);
	}
}

static void ask_root(struct asking *k)
{
	const struct facts *facts = k->in->facts;
	p2v_autobuf struct p2v_buf list = {0};

	if (facts->n_systems < 2 || *or_empty(k->in->plan->root))
		return;
	for (size_t i = 0; i < facts->n_systems; i++)
		p2v_buf_addf(&list, "%s--root %s (%s)", i ? ", " : "", facts->systems[i].root,
			facts->systems[i].pretty ? facts->systems[i].pretty
						 : or_empty(facts->systems[i].kind));
	need(k, "root", "choose the system: %s", list.data ? (const char *)list.data : "");
}

/* What a partition or disk may hold that cannot be converted as it stands. */
static const struct {
	const char *suffix, *kind, *text;
} contents[] = {
	{"linux_raid_member", NULL, NULL},
	{"_raid_member", "fake-raid",
		"is a member of a RAID of the firmware: copy the volume that the running system "
		"sees (/dev/md126 or /dev/mapper/...), not its members"},
	{"mpath_member", "san", "is a path to a SAN unit: copy /dev/mapper/..., once"},
	{"zfs_member", "contents", "holds ZFS: p2v cannot read it; it is copied as it is"},
	{"bcache", "contents", "is a bcache device: flush and detach the cache first"},
	{"drbd", "contents", "is replicated by DRBD: the other node stays behind"},
	{"swsuspend", "contents",
		"holds a suspended system: start the machine and shut it down first"},
	{"VMFS_volume_member", "contents", "holds a VMware data store: this is a hypervisor"},
};

static void ask_contents(struct asking *k)
{
	for (size_t i = 0; i < k->in->facts->n_filesystems; i++) {
		const struct facts_fs *f = &k->in->facts->filesystems[i];

		for (size_t c = 0; c < P2V_N(contents); c++) {
			if (!p2v_span_ends(p2v_span_str(f->kind), contents[c].suffix))
				continue;
			if (contents[c].kind)
				need(k, contents[c].kind, "%s %s", f->device, contents[c].text);
			break;
		}
	}
}

/* A disk of this machine, as far as its name tells. */
static bool names_disk(const char *spec)
{
	static const char *const prefixes[] = {
		"UUID=", "LABEL=", "PARTUUID=", "PARTLABEL=", "/dev/"};

	if (is(spec, "/dev/cdrom") || strncmp(spec, "/dev/sr", 7) == 0 ||
		strncmp(spec, "/dev/fd", 7) == 0)
		return false;
	for (size_t i = 0; i < P2V_N(prefixes); i++)
		if (strncmp(spec, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static const struct facts_os *chosen(const struct assess_input *in)
{
	for (size_t i = 0; i < in->facts->n_systems; i++)
		if (is(in->facts->systems[i].root, or_empty(in->plan->root)))
			return &in->facts->systems[i];
	return NULL;
}

static void ask_mounts(struct asking *k)
{
	const struct facts_os *os = chosen(k->in);

	for (size_t i = 0; os && i < os->n_mounts; i++) {
		const struct facts_mount *m = &os->mounts[i];
		const char *spec = or_empty(m->spec);

		if (p2v_span_has_option(p2v_span_str(m->options), "_netdev") && names_disk(spec))
			need(k, "san",
				"%s on %s comes by the network: the virtual machine must "
				"reach it, or the disk be given, too",
				spec, m->mountpoint);
		else if (!*or_empty(m->device) && names_disk(spec) &&
			 !p2v_span_has_option(p2v_span_str(m->options), "noauto"))
			need(k, "disk",
				"%s on %s (/etc/fstab line %u) is on none of these disks: "
				"give that disk, too, or do without",
				spec, m->mountpoint, m->line);
	}
}

static void ask_disks(struct asking *k)
{
	static const struct {
		const char *bus, *text;
	} sans[] = {{"fc", "Fibre Channel"}, {"iscsi", "iSCSI"}};
	const struct machine *m = k->in->machine;

	for (size_t i = 0; i < m->n_disks; i++)
		for (size_t s = 0; s < P2V_N(sans); s++)
			if (is(m->disks[i].bus, sans[s].bus))
				need(k, "san",
					"%s is a unit of a SAN (%s): copy it like a disk, or keep "
					"it there and attach it to the virtual machine",
					m->disks[i].path, sans[s].text);
}

/* Devices by class and maker, the first row that fits; a row without a kind is nothing to tell.
 * "" fits all. Sources: the PCI and USB ID lists' class codes and vendors. */
static const struct {
	const char *bus, *class, *vendor, *kind, *text;
} devices[] = {
	{"tape", "", "", "device", "a tape drive"},
	{"pci", "", "1af4", NULL, NULL}, /* virtio: it is a virtual machine already */
	{"pci", "0302", "", "gpu", "a 3D accelerator"},
	{"pci", "03", "10de", "gpu", "a graphics processor (NVIDIA)"},
	{"pci", "03", "1002", "gpu", "a graphics card (AMD)"},
	{"pci", "03", "", NULL, NULL}, /* a server's own screen */
	{"pci", "12", "", "gpu", "an accelerator"},
	{"pci", "0b4", "", "device", "a coprocessor"},
	{"pci", "0c04", "", "san", "a Fibre Channel adapter"},
	{"pci", "0207", "", "device", "an InfiniBand adapter"},
	{"pci", "0c06", "", "device", "an InfiniBand adapter"},
	{"pci", "0204", "", "device", "an ISDN adapter"},
	{"pci", "1080", "1022", NULL, NULL}, /* a part of AMD's processors */
	{"pci", "10", "", "device", "an encryption card"},
	{"pci", "07", "8086", NULL, NULL}, /* the chipset's management serial line */
	{"pci", "0700", "", "device", "a serial port card"},
	{"pci", "0702", "", "device", "a multiport serial card"},
	{"pci", "0703", "", "device", "a modem"},
	{"pci", "0400", "", "device", "a video capture card"},
	{"pci", "0d", "", "device", "a radio card"},
	{"pci", "09", "", "device", "an input card"},
	/* Licence dongles, which may pose as a keyboard. */
	{"usb", "", "0529", "dongle", "a licence dongle (Aladdin HASP)"},
	{"usb", "", "064f", "dongle", "a licence dongle (WIBU)"},
	{"usb", "", "04b9", "dongle", "a licence dongle (Sentinel)"},
	{"usb", "", "096e", "dongle", "a licence dongle (Feitian)"},
	{"usb", "", "0a89", "dongle", "a licence dongle (Guardant)"},
	{"usb", "", "1bc0", "dongle", "a licence dongle (Senselock)"},
	{"usb", "03", "", NULL, NULL}, /* keyboards, mice, and a server's virtual ones */
	{"usb", "08", "", NULL, NULL}, /* a disk: seen as a disk */
	{"usb", "e0", "", NULL, NULL}, /* Bluetooth */
	{"usb", "02", "", "device", "a modem or serial adapter"},
	{"usb", "0a", "", "device", "a modem or serial adapter"},
	{"usb", "07", "", "device", "a printer"},
	{"usb", "0b", "", "device", "a smart card reader"},
	{"usb", "ff", "", "device", "a device of its own kind"},
};

static void ask_device(struct asking *k, const struct machine_device *d)
{
	for (size_t i = 0; i < P2V_N(devices); i++) {
		const char *class = devices[i].class, *vendor = devices[i].vendor;

		if (!is(d->bus, devices[i].bus) || (*vendor && !is(d->vendor_id, vendor)) ||
			strncmp(or_empty(d->kind), class, strlen(class)) != 0)
			continue;
		if (devices[i].kind)
			need(k, devices[i].kind,
				"%s at %s %s%s%s%s: pass it through to the virtual machine, or do "
				"without",
				devices[i].text, d->bus, or_empty(d->place), d->name ? " (" : "",
				or_empty(d->name), d->name ? ")" : "");
		return;
	}
}

static void ask_devices(struct asking *k)
{
	for (size_t i = 0; i < k->in->machine->n_devices; i++)
		ask_device(k, &k->in->machine->devices[i]);
}

static void ask_inventory(struct asking *k)
{
	if (!k->in->machine_known)
		need(k, "inventory",
			"nothing is known of the machine itself (memory, network cards, firmware, "
			"dongles): run 'p2v-agent --inventory > machine.json' on it and say "
			"--machine machine.json");
}

int cli_assessment_needs(const struct assess_input *in, struct assessment *a, struct p2v_err *err)
{
	static void (*const rows[])(struct asking * k) = {
		ask_keys,
		ask_root,
		ask_contents,
		ask_mounts,
		ask_disks,
		ask_devices,
		ask_inventory,
	};
	struct asking k = {.in = in, .a = a, .err = err};

	for (size_t i = 0; k.r == 0 && i < P2V_N(rows); i++)
		rows[i](&k);
	return k.r;
}

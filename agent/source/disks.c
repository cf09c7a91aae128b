/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "agent/source/source.h"
#include "agent/source/table.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"

#define SYS_SECTOR 512u /* /sys/block's unit, whatever the disk's is */
#define VPD_SERIAL 0x80
#define VPD_MAX	   4096

/* Have a device behind them and are no disks. */
static const char *const not_disks[] = {"sr", "fd", "scd"};

static bool is_disk(const struct source_host *host, const char *name)
{
	for (size_t i = 0; i < P2V_N(not_disks); i++)
		if (strncmp(name, not_disks[i], strlen(not_disks[i])) == 0)
			return false;
	/* Boot partitions and the like of an eMMC stand beside the disk itself. */
	if (strncmp(name, "mmcblk", 6) == 0 && (strstr(name, "boot") || strstr(name, "rpmb")))
		return false;
	return source_exists(host, "/sys/block/%s/device", name) &&
	       source_attr_u64(host, 0, "/sys/block/%s/hidden", name) == 0 &&
	       source_attr_u64(host, 0, "/sys/block/%s/size", name) > 0;
}

/* The first part of the device's path that tells a bus wins: a USB disk is also a SCSI one. */
static const char *bus_of(const char *device_path)
{
	static const struct {
		const char *part, *bus;
	} rows[] = {
		{"/usb", "usb"},
		{"/virtio", "virtio"},
		{"/nvme", "nvme"},
		{"/session", "iscsi"}, /* .../host2/session1/target2:0:0 */
		{"/rport-", "fc"},     /* .../host3/rport-3:0-0/target3:0:0 */
		{"/ata", "ata"},
		{"/ide", "ata"},
		{"/mmc", "mmc"},
	};

	for (size_t i = 0; device_path && i < P2V_N(rows); i++)
		if (strstr(device_path, rows[i].part))
			return rows[i].bus;
	return "scsi";
}

/* "naa.5000c500a1b2c3d4" is written 0x5000c500a1b2c3d4, as udev does; others stay as they are. */
static char *wwn_read(const struct source_host *host, const char *name)
{
	p2v_autofree char *wwid = source_attr(host, "/sys/block/%s/device/wwid", name);

	if (!wwid)
		wwid = source_attr(host, "/sys/block/%s/wwid", name);
	if (wwid && strncmp(wwid, "naa.", 4) == 0)
		return p2v_strf("0x%s", wwid + 4);
	return wwid && strncmp(wwid, "eui.", 4) == 0 ? p2v_steal(wwid) : NULL;
}

/* SCSI vital product data page 0x80 (SPC-4 7.8.15): u8, u8 page, u16 length, serial number. */
static char *vpd_serial(const struct source_host *host, const char *name)
{
	p2v_autofree char *path = p2v_strf("/sys/block/%s/device/vpd_pg80", name);
	p2v_autobuf struct p2v_buf raw = {0};
	char text[256];
	size_t n = 0;
	struct p2v_rd rd;

	if (!path || !source_bytes(host, path, VPD_MAX, &raw))
		return NULL;
	rd = p2v_rd_init(raw.data, raw.len);
	p2v_rd_u8(&rd);
	if (p2v_rd_u8(&rd) != VPD_SERIAL)
		return NULL;
	p2v_rd_be16(&rd);
	while (rd.left && n < sizeof(text) - 1) {
		char c = (char)p2v_rd_u8(&rd);

		if (c > ' ' && c < 0x7f)
			text[n++] = c;
	}
	text[n] = '\0';
	return n ? strdup(text) : NULL;
}

static char *serial_read(const struct source_host *host, const char *name)
{
	char *text = source_attr(host, "/sys/block/%s/serial", name);

	if (!text)
		text = source_attr(host, "/sys/block/%s/device/serial", name);
	return text ? text : vpd_serial(host, name);
}

char *source_disk_node(const char *name)
{
	char *path = p2v_strf("/dev/%s", name);

	for (char *p = path; p && *p; p++)
		if (*p == '!')
			*p = '/';
	return path;
}

static int disk_fill(const struct source_host *host, const char *name, size_t i,
	struct machine_disk *d, struct p2v_err *err)
{
	p2v_autofree char *device = source_resolve(host, "/sys/block/%s/device", name);
	const char *bus = bus_of(device);
	uint64_t sectors = source_attr_u64(host, 0, "/sys/block/%s/size", name);

	d->id = p2v_strf("disk%zu", i);
	d->path = source_disk_node(name);
	d->bus = strdup(bus);
	if (!d->id || !d->path || !d->bus)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (!p2v_mul_u64(sectors, SYS_SECTOR, &d->size_bytes))
		return p2v_err_set(err, P2V_EFORMAT, "%s: its size makes no sense", d->path);
	d->logical_sector_bytes = (uint32_t)source_attr_u64(
		host, SYS_SECTOR, "/sys/block/%s/queue/logical_block_size", name);
	d->physical_sector_bytes = (uint32_t)source_attr_u64(
		host, SYS_SECTOR, "/sys/block/%s/queue/physical_block_size", name);
	d->rotational = source_attr_u64(host, 0, "/sys/block/%s/queue/rotational", name) == 1;
	d->removable = source_attr_u64(host, 0, "/sys/block/%s/removable", name) == 1 ||
		       strcmp(bus, "usb") == 0;
	d->model = source_attr(host, "/sys/block/%s/device/model", name);
	d->serial = serial_read(host, name);
	d->wwn = wwn_read(host, name);
	return 0;
}

/* Only where the device can be opened: without root, or in a copy of /sys, it stays unknown. */
static void table_fill(const struct source_host *host, struct machine_disk *d)
{
	p2v_autofree char *path = p2v_strf("%s%s", host->root, d->path);
	source_autotable struct source_table table = {0};

	if (path && source_table_read(path, &table, NULL) == 0)
		d->table = strdup(table.kind);
}

int source_disks_read(const struct source_host *host, struct machine *m, struct p2v_err *err)
{
	source_autonames struct source_names names = {0};

	source_names_read(host, "/sys/block", &names);
	for (size_t i = 0; i < names.n_items; i++) {
		struct machine_disk *d;
		int r;

		if (!is_disk(host, names.items[i]))
			continue;
		d = p2v_json_grow((void **)&m->disks, &m->n_disks, sizeof(*d));
		if (!d)
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
		r = disk_fill(host, names.items[i], m->n_disks - 1, d, err);
		if (r < 0)
			return r;
		table_fill(host, d);
	}
	return 0;
}

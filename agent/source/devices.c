/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/source/source.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/publish.h"

#define PCI "/sys/bus/pci/devices"
#define USB "/sys/bus/usb/devices"

/* "0x10de" -> "10de" */
static char *hex_attr(const struct source_host *host, const char *dir, const char *key)
{
	p2v_autofree char *text = source_attr(host, "%s/%s", dir, key);
	const char *digits = text && strncmp(text, "0x", 2) == 0 ? text + 2 : text;

	return digits ? strdup(digits) : NULL;
}

static char *driver_of(const struct source_host *host, const char *dir)
{
	p2v_autofree char *path = source_resolve(host, "%s/driver", dir);

	return path ? strdup(strrchr(path, '/') + 1) : NULL;
}

/* A zeroed device of the machine, or NULL: no memory, or there are too many. */
static struct machine_device *device_add(struct machine *m, const char *bus, const char *place)
{
	struct machine_device *d;

	if (m->n_devices >= SOURCE_MAX_DEVICES)
		return NULL;
	d = p2v_json_grow((void **)&m->devices, &m->n_devices, sizeof(*d));
	if (!d)
		return NULL;
	d->bus = strdup(bus);
	d->place = strdup(place);
	return d;
}

/* Base classes that any machine has and nobody misses: memory, bridges, system peripherals, docking
 * stations, processors; and of the serial buses (0c) SMBus, USB and IPMI. */
static bool is_plain_pci(const char *class)
{
	static const char *const plain[] = {
		"05", "06", "08", "0a", "0b0", "0b2", "0c03", "0c05", "0c07"};

	for (size_t i = 0; i < P2V_N(plain); i++)
		if (strncmp(class, plain[i], strlen(plain[i])) == 0)
			return true;
	return false;
}

static void pci_add(const struct source_host *host, const char *place, struct machine *m)
{
	p2v_autofree char *dir = p2v_strf(PCI "/%s", place);
	p2v_autofree char *class = dir ? hex_attr(host, dir, "class") : NULL;
	struct machine_device *d;

	/* Virtual functions belong to whoever made them. */
	if (!class || is_plain_pci(class) || source_exists(host, "%s/physfn", dir))
		return;
	d = device_add(m, "pci", place);
	if (!d)
		return;
	d->kind = p2v_steal(class);
	d->vendor_id = hex_attr(host, dir, "vendor");
	d->device_id = hex_attr(host, dir, "device");
	d->driver = driver_of(host, dir);
}

/* Of a device that says "see my interfaces" (00, ef): the first one's. */
static char *usb_class(const struct source_host *host, const char *place)
{
	p2v_autofree char *class = source_attr(host, USB "/%s/bDeviceClass", place);

	if (class && strcmp(class, "00") != 0 && strcmp(class, "ef") != 0)
		return p2v_steal(class);
	return source_attr(host, USB "/%s:1.0/bInterfaceClass", place);
}

static void usb_add(const struct source_host *host, const char *place, struct machine *m)
{
	p2v_autofree char *class = usb_class(host, place);
	p2v_autofree char *maker = source_attr(host, USB "/%s/manufacturer", place);
	p2v_autofree char *product = source_attr(host, USB "/%s/product", place);
	p2v_autofree char *dir = p2v_strf(USB "/%s", place);
	p2v_autofree char *interface = p2v_strf(USB "/%s:1.0", place);
	struct machine_device *d;

	/* The names hold interfaces, too ("1-1:1.0"); and a hub is nothing by itself. */
	if (!dir || !interface || strchr(place, ':') || (class && strcmp(class, "09") == 0))
		return;
	d = device_add(m, "usb", place);
	if (!d)
		return;
	d->vendor_id = hex_attr(host, dir, "idVendor");
	d->device_id = hex_attr(host, dir, "idProduct");
	d->kind = p2v_steal(class);
	d->driver = driver_of(host, interface);
	if (maker || product)
		d->name = p2v_strf("%s%s%s", maker ? maker : "", maker && product ? " " : "",
			product ? product : "");
}

/* st0, beside nst0 and st0a that are the same drive. */
static void tape_add(const struct source_host *host, const char *name, struct machine *m)
{
	struct machine_device *d;

	if (strncmp(name, "st", 2) != 0 || name[2 + strspn(name + 2, "0123456789")])
		return;
	d = device_add(m, "tape", name);
	if (d)
		d->name = source_attr(host, "/sys/class/scsi_tape/%s/device/model", name);
}

int source_devices_read(const struct source_host *host, struct machine *m, struct p2v_err *err)
{
	static const struct {
		const char *path;
		void (*add)(const struct source_host *host, const char *name, struct machine *m);
	} rows[] = {{PCI, pci_add}, {USB, usb_add}, {"/sys/class/scsi_tape", tape_add}};

	for (size_t i = 0; i < P2V_N(rows); i++) {
		source_autonames struct source_names names = {0};

		source_names_read(host, rows[i].path, &names);
		for (size_t k = 0; k < names.n_items; k++)
			rows[i].add(host, names.items[k], m);
	}
	for (size_t i = 0; i < m->n_devices; i++)
		if (!m->devices[i].bus || !m->devices[i].place)
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/source/netname.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

#define PCI_HEADER_TYPE	      0x0e /* bit 7: several functions */
#define PCI_CLASS_BRIDGE      0x0604
#define ONBOARD_INDEX_MAX     65535
#define PCI_CONFIG_HEAD_BYTES 4096

/* A name under construction; what does not fit makes it none. */
struct text {
	char *out;
	size_t len;
	bool over;
};

static void __attribute__((format(printf, 2, 3))) put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->out + t->len, SOURCE_NETNAME_MAX - t->len, fmt, ap);
	va_end(ap);
	if (n < 0 || t->len + (size_t)n >= SOURCE_NETNAME_MAX)
		t->over = true;
	else
		t->len += (size_t)n;
	if (t->over)
		t->out[0] = '\0', t->len = 0;
}

static void put_port(struct text *t, const struct netname_parts *p)
{
	if (p->port_name[0])
		put(t, "n%s", p->port_name);
	else if (p->dev_port)
		put(t, "d%" PRIu32, p->dev_port);
}

static void put_function(struct text *t, const struct netname_parts *p)
{
	uint32_t function = p->ari ? p->slot * 8 + p->function : p->function;

	if (function || p->multifunction)
		put(t, "f%" PRIu32, function);
}

/* One number that ends with `end`; p is moved behind it. */
static bool number_next(const char **p, int base, char end, uint32_t *ret)
{
	char *stop;
	unsigned long n;

	if (!isxdigit((unsigned char)**p))
		return false;
	n = strtoul(*p, &stop, base);
	if (*stop != end || n > UINT32_MAX)
		return false;
	*p = end ? stop + 1 : stop;
	*ret = (uint32_t)n;
	return true;
}

/* "2-1.4:1.6": bus 2, ports 1 and 4, configuration 1, interface 6 -> u1u4i6. */
static void put_usb(struct text *t, const char *usb)
{
	const char *p = strchr(usb, '-');
	uint32_t config = 1, interface = 0;

	if (!p)
		return;
	put(t, "u");
	for (p++; *p && *p != ':'; p++)
		put(t, "%c", *p == '.' ? 'u' : *p);
	if (!*p++ || !number_next(&p, 10, '.', &config) || !number_next(&p, 10, '\0', &interface))
		return;
	if (config != 1)
		put(t, "c%" PRIu32, config);
	if (interface)
		put(t, "i%" PRIu32, interface);
}

static void put_domain(struct text *t, const struct netname_parts *p)
{
	put(t, "%s", p->prefix);
	if (p->domain)
		put(t, "P%" PRIu32, p->domain);
}

static void finish(struct text *t)
{
	if (t->over)
		t->out[0] = '\0';
}

void source_netname_make(const struct netname_parts *p, struct netname *ret)
{
	struct text path = {ret->path}, slot = {ret->slot}, onboard = {ret->onboard};

	memset(ret, 0, sizeof(*ret));
	put_domain(&path, p);
	put(&path, "p%" PRIu32 "s%" PRIu32, p->bus, p->slot);
	put_function(&path, p);
	put_port(&path, p);
	put_usb(&path, p->usb);
	finish(&path);

	/* A bridge's slot may hold several cards: only a function number tells them apart. */
	if (p->hotplug_slot && (!p->slot_is_bridge || p->function || p->multifunction)) {
		put_domain(&slot, p);
		put(&slot, "s%" PRIu32, p->hotplug_slot);
		put_function(&slot, p);
		put_port(&slot, p);
		put_usb(&slot, p->usb);
		finish(&slot);
	}
	if (p->has_index && p->index <= ONBOARD_INDEX_MAX && !p->usb[0]) {
		put(&onboard, "%so%" PRIu32, p->prefix, p->index);
		put_port(&onboard, p);
		finish(&onboard);
	}
}

/* "0000:00:03.0" and nothing else. */
static bool pci_parse(const char *name, struct netname_parts *ret)
{
	return number_next(&name, 16, ':', &ret->domain) &&
	       number_next(&name, 16, ':', &ret->bus) && number_next(&name, 16, '.', &ret->slot) &&
	       number_next(&name, 16, '\0', &ret->function);
}

/* The number of the hotplug slot that holds this PCI device itself, or 0. */
static uint32_t hotplug_slot_of(const struct source_host *host, const char *pci)
{
	source_autonames struct source_names slots = {0};

	source_names_read(host, "/sys/bus/pci/slots", &slots);
	for (size_t i = 0; i < slots.n_items; i++) {
		p2v_autofree char *address =
			source_attr(host, "/sys/bus/pci/slots/%s/address", slots.items[i]);
		char *end;
		unsigned long n = strtoul(slots.items[i], &end, 10);

		/* A name such as "8-1" is no number and gives no network name. */
		if (address && !*end && n > 0 && n <= UINT32_MAX &&
			strncmp(pci, address, strlen(address)) == 0)
			return (uint32_t)n;
	}
	return 0;
}

static bool is_bridge(const struct source_host *host, const char *dir)
{
	return source_attr_u64(host, 0, "%s/class", dir) >> 8 == PCI_CLASS_BRIDGE;
}

/* Looks at the device and then at each PCI device above it. dir is used up. */
static void slot_search(const struct source_host *host, char *dir, struct netname_parts *p)
{
	struct netname_parts ignored;
	char *slash;

	while ((slash = strrchr(dir, '/')) && pci_parse(slash + 1, &ignored)) {
		p->hotplug_slot = hotplug_slot_of(host, slash + 1);
		if (p->hotplug_slot) {
			p->slot_is_bridge = is_bridge(host, dir);
			return;
		}
		*slash = '\0';
	}
}

static void attr_copy(char *out, size_t n, char *text)
{
	snprintf(out, n, "%s", text ? text : "");
	free(text);
}

static void index_read(const struct source_host *host, const char *dir, struct netname_parts *p)
{
	uint64_t index = source_attr_u64(host, UINT64_MAX, "%s/acpi_index", dir);

	if (index == UINT64_MAX)
		index = source_attr_u64(host, UINT64_MAX, "%s/index", dir);
	p->has_index = index <= ONBOARD_INDEX_MAX;
	p->index = p->has_index ? (uint32_t)index : 0;
}

static void pci_read(const struct source_host *host, char *dir, struct netname_parts *p)
{
	p2v_autofree char *config = p2v_strf("%s/config", dir);
	p2v_autobuf struct p2v_buf head = {0};

	if (config && source_bytes(host, config, PCI_CONFIG_HEAD_BYTES, &head))
		p->multifunction = head.len > PCI_HEADER_TYPE && head.data[PCI_HEADER_TYPE] & 0x80;
	p->ari = source_attr_u64(host, 0, "%s/ari_enabled", dir) == 1;
	index_read(host, dir, p);
	slot_search(host, dir, p);
}

static void prefix_read(const struct source_host *host, const char *name, struct netname_parts *p)
{
	p2v_autofree char *path = p2v_strf("/sys/class/net/%s/uevent", name);
	p2v_autobuf struct p2v_buf uevent = {0};
	const char *prefix = "en";

	if (path && source_bytes(host, path, 4096, &uevent) && uevent.len) {
		if (strstr((const char *)uevent.data, "DEVTYPE=wlan"))
			prefix = "wl";
		else if (strstr((const char *)uevent.data, "DEVTYPE=wwan"))
			prefix = "ww";
	}
	memcpy(p->prefix, prefix, 3);
}

/*
 * /sys/devices/pci0000:00/0000:00:1d.0/usb2/2-1/2-1.4/2-1.4:1.6
 *                         ^ PCI device              ^ USB interface
 * From the end upwards: a USB interface, at most one virtio device, USB's hubs, the PCI device.
 */
bool source_netname_read(const struct source_host *host, const char *name,
	struct netname_parts *ret, char ret_pci[16])
{
	p2v_autofree char *dir = source_resolve(host, "/sys/class/net/%s/device", name);
	struct netname_parts p = {0};
	char *slash = dir ? strrchr(dir, '/') : NULL;

	if (slash && isdigit((unsigned char)slash[1]) && strchr(slash, '-') && strchr(slash, ':'))
		snprintf(p.usb, sizeof(p.usb), "%s", slash + 1);
	while (slash && !pci_parse(slash + 1, &p)) {
		*slash = '\0';
		slash = strrchr(dir, '/');
	}
	if (!slash)
		return false;
	snprintf(ret_pci, 16, "%s", slash + 1);
	pci_read(host, dir, &p);
	prefix_read(host, name, &p);
	p.dev_port = (uint32_t)source_attr_u64(host, 0, "/sys/class/net/%s/dev_port", name);
	attr_copy(p.port_name, sizeof(p.port_name),
		source_attr(host, "/sys/class/net/%s/phys_port_name", name));
	*ret = p;
	return true;
}

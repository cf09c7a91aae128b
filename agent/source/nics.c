/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "agent/source/netname.h"
#include "agent/source/source.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"

#define ARPHRD_ETHER 1
#define NET	     "/sys/class/net"

static bool is_physical(const struct source_host *host, const char *name)
{
	return source_exists(host, NET "/%s/device", name) &&
	       !source_exists(host, NET "/%s/device/physfn", name) &&
	       source_attr_u64(host, 0, NET "/%s/type", name) == ARPHRD_ETHER;
}

/* A card in a bond wears the bond's address; its own is elsewhere. */
static char *mac_read(const struct source_host *host, const char *name)
{
	uint8_t mac[6];
	char *text;

	if (host->permanent_mac && host->permanent_mac(name, mac) == 0) {
		char out[18];

		snprintf(out, sizeof(out), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
			mac[3], mac[4], mac[5]);
		return strdup(out);
	}
	text = source_attr(host, NET "/%s/bonding_slave/perm_hwaddr", name);
	if (!text)
		text = source_attr(host, NET "/%s/address", name);
	for (char *p = text; p && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return text;
}

static char *name_or_none(const char *name)
{
	return name[0] ? strdup(name) : NULL;
}

static void hardware_read(const struct source_host *host, struct machine_nic *nic)
{
	p2v_autofree char *driver = source_resolve(host, NET "/%s/device/driver", nic->name);
	struct netname_parts parts;
	struct netname names;
	char pci[16];

	if (driver)
		nic->driver = strdup(strrchr(driver, '/') + 1);
	if (!source_netname_read(host, nic->name, &parts, pci))
		return;
	source_netname_make(&parts, &names);
	nic->pci = strdup(pci);
	nic->vendor_id = source_attr(host, "/sys/bus/pci/devices/%s/vendor", pci);
	nic->device_id = source_attr(host, "/sys/bus/pci/devices/%s/device", pci);
	nic->path_name = name_or_none(names.path);
	nic->slot_name = name_or_none(names.slot);
	nic->onboard_name = name_or_none(names.onboard);
}

static int nic_add(
	const struct source_host *host, const char *name, struct machine *m, struct p2v_err *err)
{
	p2v_autofree char *mac = mac_read(host, name);
	struct machine_nic *nic;
	uint64_t speed;

	if (!mac || strlen(mac) != 17)
		return 0;
	nic = p2v_json_grow((void **)&m->nics, &m->n_nics, sizeof(*nic));
	if (!nic || !(nic->name = strdup(name)))
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	nic->mac = p2v_steal(mac);
	hardware_read(host, nic);
	nic->link = source_attr_u64(host, 0, NET "/%s/carrier", name) == 1;
	speed = source_attr_u64(host, 0, NET "/%s/speed", name);
	/* -1 (no link) reads as 2^32 - 1 from older kernels. */
	nic->speed_mbit = speed < INT32_MAX ? (uint32_t)speed : 0;
	if (!host->addresses)
		return 0;
	return host->addresses(name, &nic->addresses, &nic->n_addresses, err);
}

static int nic_order(const void *a, const void *b)
{
	const struct machine_nic *x = a, *y = b;

	if (!x->pci != !y->pci)
		return x->pci ? -1 : 1;
	/* Fixed-width hexadecimal: text order is the bus's order. */
	if (x->pci && strcmp(x->pci, y->pci) != 0)
		return strcmp(x->pci, y->pci);
	return strverscmp(x->name, y->name);
}

int source_nics_read(const struct source_host *host, struct machine *m, struct p2v_err *err)
{
	source_autonames struct source_names names = {0};
	int r = 0;

	source_names_read(host, NET, &names);
	for (size_t i = 0; i < names.n_items && r == 0; i++)
		if (is_physical(host, names.items[i]))
			r = nic_add(host, names.items[i], m, err);
	if (m->n_nics)
		qsort(m->nics, m->n_nics, sizeof(*m->nics), nic_order);
	return r;
}

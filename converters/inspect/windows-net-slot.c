/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Which slot a network card is in, by what Windows wrote down of it. Cards of Broadcom, QLogic,
 * Mellanox and others are two devices: one on the PCI bus, whose driver is a bus itself, and on
 *that the card. The child's name begins with its parent's prefix:
 *
 *	Enum\PCI\VEN_14E4&DEV_1639...\4&1E3E6E8B&0&0008      ParentIdPrefix = "5&2CEBB3C4&0"
 *	Enum\B06BDRV\L2ND&PCI_163914E4...\5&2CEBB3C4&0&20050300
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/inspect/windows.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

#define PCI	 "PCI\\"
#define MAX_KEYS ((size_t)4096)

/*
 * "PCI bus 2, device 0, function 1" in the guest's language, or
 * "@System32\drivers\pci.sys,#65536;PCI bus %1, device %2, function %3;(2,0,1)": the last three
 * numbers. 0000:02:00.1 is how Linux calls that slot.
 */
static bool parse_slot(const char *text, char *ret, size_t size)
{
	unsigned long n[3] = {0};
	size_t found = 0;
	const char *list = strrchr(text, '(');
	char *end;

	for (const char *p = list ? list : text; *p && found < 3; p = end) {
		end = (char *)(uintptr_t)p + 1;
		if (*p >= '0' && *p <= '9')
			n[found++] = strtoul(p, &end, 10);
	}
	if (found < 3 || n[0] > 255 || n[1] > 31 || n[2] > 7)
		return false;
	snprintf(ret, size, "0000:%02lx:%02lx.%lx", n[0], n[1], n[2]);
	return true;
}

static char *location_of(struct windows *win, const char *instance)
{
	p2v_autofree char *rest = p2v_strf("Enum\\%s", instance);
	p2v_autofree char *key = rest ? windows_key(win, rest) : NULL;

	return key ? windows_text(win, win->system, key, "LocationInformation") : NULL;
}

/* The one of these devices whose children have that prefix: "PCI\\DEVICE\\INSTANCE", or NULL. */
static char *find_parent_in(struct windows *win, const char *device, const char *prefix)
{
	p2v_autofree char *rest = p2v_strf("Enum\\" PCI "%s", device);
	p2v_autofree char *top = rest ? windows_key(win, rest) : NULL;
	guest_auto_names struct guest_hive_names instances = {0};

	if (!top || guest_hive_keys(win->system, top, &instances, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < instances.n_items && i < MAX_KEYS; i++) {
		p2v_autofree char *key = p2v_strf("%s\\%s", top, instances.items[i]);
		p2v_autofree char *has =
			key ? windows_text(win, win->system, key, "ParentIdPrefix") : NULL;

		if (has && strcasecmp(has, prefix) == 0)
			return p2v_strf(PCI "%s\\%s", device, instances.items[i]);
	}
	return NULL;
}

/* The device on the PCI bus that this one hangs on: malloc'd, or NULL. */
static char *find_parent(struct windows *win, const char *instance)
{
	p2v_autofree char *top = windows_key(win, "Enum\\PCI");
	const char *name = strrchr(instance, '\\'), *end = name ? strrchr(name, '&') : NULL;
	p2v_autofree char *prefix = end ? strndup(name + 1, (size_t)(end - name - 1)) : NULL;
	guest_auto_names struct guest_hive_names devices = {0};
	char *found = NULL;

	if (!top || !prefix || guest_hive_keys(win->system, top, &devices, NULL) < 0)
		return NULL;
	for (size_t i = 0; !found && i < devices.n_items && i < MAX_KEYS; i++)
		found = find_parent_in(win, devices.items[i], prefix);
	return found;
}

int windows_network_slot(struct windows *win, struct facts_nic *nic, const char *instance)
{
	bool own = strncasecmp(instance, PCI, strlen(PCI)) == 0;
	p2v_autofree char *parent = own ? strdup(instance) : find_parent(win, instance);
	p2v_autofree char *text = parent ? location_of(win, parent) : NULL;
	struct facts_nic_match *m;
	char slot[16];
	int r;

	if (!text || !parse_slot(text, slot, sizeof(slot)))
		return 0;
	m = inspect_grow(win->in, (void **)&nic->matches, &nic->n_matches, sizeof(*m));
	if (!m)
		return P2V_ENOMEM;
	r = inspect_set(win->in, &m->key, "pci");
	return r < 0 ? r : inspect_set(win->in, &m->value, slot);
}

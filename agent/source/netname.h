/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SOURCE_NETNAME_H
#define AGENT_SOURCE_NETNAME_H

/*
 * The predictable names that udev gives to a network card: by path (enp0s3), by hotplug slot (ens3)
 * and by the firmware's index of onboard devices (eno1). Format: systemd.net-naming-scheme(7), as
 *of scheme v252:
 *
 *	path     prefix [Pdomain] p<bus> s<slot> [f<function>] [n<port name> | d<port>] [u<usb
 *ports>...] slot     prefix [Pdomain] s<hotplug slot> [f<function>] [n<port name> | d<port>] [u...]
 *	onboard  prefix o<index> [n<port name> | d<port>]
 *
 * The domain is left out where 0, the function where 0 on a device with a single one. A name of
 * more than 15 bytes is none.
 */

#include <stdbool.h>
#include <stdint.h>

#include "agent/source/host.h"

#define SOURCE_NETNAME_MAX 16 /* with NUL, the kernel's IFNAMSIZ */

/* What the names are made of. */
struct netname_parts {
	char prefix[3]; /* en, wl, ww */
	uint32_t domain, bus, slot, function;
	bool multifunction;
	bool ari;	       /* slot and function are one number of 8 bits */
	uint32_t hotplug_slot; /* 0: none */
	bool slot_is_bridge;   /* the hotplug slot is that of a bridge above */
	bool has_index;
	uint32_t index; /* firmware's, of an onboard device */
	uint32_t dev_port;
	char port_name[SOURCE_NETNAME_MAX]; /* "" none */
	char usb[SOURCE_NETNAME_MAX];	    /* "2-1.4:1.6", "" where it is no USB device */
};

struct netname {
	char path[SOURCE_NETNAME_MAX], slot[SOURCE_NETNAME_MAX], onboard[SOURCE_NETNAME_MAX];
};

/* Pure: parts to names; "" for one that does not exist. */
void source_netname_make(const struct netname_parts *parts, struct netname *ret);

/* Asks /sys about the card `name`. ret_pci ("0000:00:03.0") holds 16 bytes. False where no PCI
 * device is above it: no such names then. */
bool source_netname_read(const struct source_host *host, const char *name,
	struct netname_parts *ret, char ret_pci[16]);

#endif

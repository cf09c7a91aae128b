/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_EMIT_USERNET_H
#define P2V_EMIT_USERNET_H

/*
 * QEMU's user network in the shape of the guest's own: its subnet, with the host standing at the
 * address of its gateway, so that a guest with a static address finds a network that fits.
 */

#include <netinet/in.h>
#include <stdbool.h>

#include "p2v/model/output.h"

struct emit_usernet {
	bool set; /* false: no static IPv4 address; QEMU's default network and DHCP */
	char net[INET_ADDRSTRLEN + 4]; /* 192.0.2.0/24 */
	char host[INET_ADDRSTRLEN];
	char dns[INET_ADDRSTRLEN]; /* an address that nobody else in the subnet has */
};

/* "192.0.2.10/24" (or without prefix: /24) -> the address in host order, and the prefix. */
bool emit_ip4_parse(const char *text, uint32_t *ret_address, unsigned *ret_prefix);

/* The network of a card: the smallest one that holds its IPv4 addresses and the gateway, at least
 * eight addresses wide (QEMU needs three of its own). Addresses too far from the one that reaches
 * the gateway (a VLAN's, a second subnet's) stay outside: a guest answers for them all the same. */
struct emit_usernet emit_usernet_of(const struct output_nic *nic);

#endif

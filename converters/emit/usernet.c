/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/emit/usernet.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "p2v/core/num.h"

#define DEFAULT_PREFIX 24
#define MAX_PREFIX     29
#define MIN_PREFIX     8 /* QEMU knows no network that is larger than a class A */

bool emit_ip4_parse(const char *text, uint32_t *ret_address, unsigned *ret_prefix)
{
	char address[INET_ADDRSTRLEN];
	const char *slash = strchrnul(text, '/');
	uint64_t prefix = DEFAULT_PREFIX;
	struct in_addr in;

	if ((size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (inet_pton(AF_INET, address, &in) != 1)
		return false;
	if (*slash && p2v_num_parse(slash + 1, "prefix", 0, 32, &prefix, NULL) < 0)
		return false;
	*ret_address = ntohl(in.s_addr);
	*ret_prefix = (unsigned)prefix;
	return true;
}

static uint32_t mask_of(unsigned prefix)
{
	return prefix ? ~UINT32_C(0) << (32 - prefix) : 0;
}

static void text_of(uint32_t address, char out[INET_ADDRSTRLEN])
{
	struct in_addr in = {.s_addr = htonl(address)};

	inet_ntop(AF_INET, &in, out, INET_ADDRSTRLEN);
}

static bool is_guests(const struct output_nic *nic, uint32_t address)
{
	uint32_t own;
	unsigned prefix;

	for (size_t i = 0; i < nic->n_addresses; i++)
		if (emit_ip4_parse(nic->addresses[i], &own, &prefix) && own == address)
			return true;
	return false;
}

/* The highest address of the subnet that is neither the guest's nor `taken`. The guest may hold all
 * but a few of a small subnet; the network address itself is nobody's. */
static uint32_t free_address(
	const struct output_nic *nic, uint32_t net, unsigned prefix, uint32_t taken)
{
	uint32_t last = net | ~mask_of(prefix);

	for (uint32_t a = last - 1; a > net; a--)
		if (a != taken && !is_guests(nic, a))
			return a;
	return net;
}

/* The widest prefix up to *prefix with which both lie in one network. False, and *prefix as it was,
 * where that would be half of the Internet: they are on different networks. */
static bool widen(uint32_t a, uint32_t b, unsigned *prefix)
{
	unsigned wide = *prefix;

	while (wide && ((a ^ b) & mask_of(wide)))
		wide--;
	if (wide < MIN_PREFIX)
		return false;
	*prefix = wide;
	return true;
}

/* QEMU's network has no tags: what stands in a VLAN is not on it. Where all do, it is of no use to
 * the guest whatever it is, and as good as another. */
static bool is_beside(const struct output_nic *nic, const char *address)
{
	for (size_t i = 0; nic->n_tagged < nic->n_addresses && i < nic->n_tagged; i++)
		if (strcmp(nic->tagged[i].address, address) == 0)
			return true;
	return false;
}

static bool is_beside_gateway(const struct output_nic *nic, uint32_t gateway)
{
	uint32_t address;
	unsigned prefix;

	for (size_t i = 0; i < nic->n_addresses; i++)
		if (is_beside(nic, nic->addresses[i]) &&
			emit_ip4_parse(nic->addresses[i], &address, &prefix) &&
			((address ^ gateway) & mask_of(prefix)) == 0)
			return true;
	return false;
}

/* The address by which the card reaches its gateway, else its first one. */
static bool main_address(
	const struct output_nic *nic, uint32_t gateway, uint32_t *ret, unsigned *ret_prefix)
{
	bool found = false;
	uint32_t address;
	unsigned prefix;

	for (size_t i = 0; i < nic->n_addresses; i++) {
		bool reaches;

		if (is_beside(nic, nic->addresses[i]) ||
			!emit_ip4_parse(nic->addresses[i], &address, &prefix))
			continue;
		reaches = gateway && ((address ^ gateway) & mask_of(prefix)) == 0;
		if (!found || reaches) {
			*ret = address;
			*ret_prefix = prefix;
		}
		found = true;
		if (reaches)
			break;
	}
	return found;
}

struct emit_usernet emit_usernet_of(const struct output_nic *nic)
{
	struct emit_usernet ret = {0};
	uint32_t main = 0, net, address, gateway = 0, host;
	unsigned prefix = MAX_PREFIX, p;
	bool has_gateway = nic->gateway && emit_ip4_parse(nic->gateway, &gateway, &p) &&
			   !is_beside_gateway(nic, gateway);

	gateway = has_gateway ? gateway : 0;
	if (!main_address(nic, gateway, &main, &prefix))
		return ret;
	ret.set = true;
	prefix = prefix < MIN_PREFIX ? MIN_PREFIX : prefix > MAX_PREFIX ? MAX_PREFIX : prefix;
	for (size_t i = 0; i < nic->n_addresses; i++) {
		unsigned both = prefix;

		if (is_beside(nic, nic->addresses[i]) ||
			!emit_ip4_parse(nic->addresses[i], &address, &p))
			continue;
		both = p < both ? p : both;
		if (widen(main, address, &both))
			prefix = both;
	}
	has_gateway = has_gateway && widen(main, gateway, &prefix) && !is_guests(nic, gateway);
	net = main & mask_of(prefix);
	host = has_gateway ? gateway : free_address(nic, net, prefix, net);
	text_of(host, ret.host);
	text_of(free_address(nic, net, prefix, host), ret.dns);
	text_of(net, ret.net);
	snprintf(ret.net + strlen(ret.net), 4, "/%u", prefix);
	return ret;
}

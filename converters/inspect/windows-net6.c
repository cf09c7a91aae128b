/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * IPv6 that was set by hand, from Vista on. What the network store keeps for the next start is not
 * below the adapter's GUID but in two lists of all adapters, under the adapter's LUID:
 *
 *	Control\Nsi\{eb004a01-9b1a-11d4-9123-0050047759bc}
 *	    10   addresses: name = LUID (8 bytes), address (16); data: at 16 the prefix's length
 *	    16   routes: name = 4 bytes, prefix (16), its length, 19 bytes, LUID twice, next hop
 *(16) Control\Class\{class}\NNNN   NetLuidIndex, *IfType
 *	Services\Tcpip6\Parameters\Interfaces\{GUID}   NameServer
 *
 * Names are hexadecimal. Undocumented; layout: the structures nsi_ipv6_unicast_key and
 * nsi_ipv6_forward_key of Wine's nsi.h. LUID: NET_LUID of Windows' ifdef.h, 24 bits of nothing, 24
 * of index, 16 of type.
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "converters/inspect/windows.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"

#define NSI	       "Control\\Nsi\\{eb004a01-9b1a-11d4-9123-0050047759bc}\\"
#define LIST_ADDRESSES "10"
#define LIST_ROUTES    "16"
#define LUID_BYTES     8
#define ADDRESS_BYTES  16
#define ADDRESS_NAME   (LUID_BYTES + ADDRESS_BYTES)
#define ROUTE_NAME     72
#define AT_PREFIX_BITS 20
#define AT_LUID	       40
#define AT_HOP	       56
#define AT_DATA_PREFIX 16
#define TYPE_ETHERNET  6 /* IANA's ifType */

struct net6 {
	struct windows *win;
	struct facts_nic *nic;
	const char *list; /* "10" or "16" */
	uint8_t luid[LUID_BYTES];
};

static bool read_luid(struct windows *win, const char *class_key, uint8_t ret[LUID_BYTES])
{
	uint32_t none = UINT32_MAX;
	uint32_t index = windows_u32(win, win->system, class_key, "NetLuidIndex", none);
	uint32_t type = windows_u32(win, win->system, class_key, "*IfType", TYPE_ETHERNET);

	memset(ret, 0, LUID_BYTES);
	for (int i = 0; i < 3; i++)
		ret[3 + i] = (uint8_t)(index >> 8 * i);
	for (int i = 0; i < 2; i++)
		ret[6 + i] = (uint8_t)(type >> 8 * i);
	return index != none;
}

static bool is_link_local(const uint8_t *address)
{
	return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

/* It is the card's, and goes with it. */
static int claim(struct net6 *n, const char *name)
{
	p2v_autofree char *value = p2v_strf("%s\\%s", n->list, name);

	return value ? inspect_add_str(n->win->in, &n->nic->nsi, &n->nic->n_nsi, value)
		     : p2v_err_set(n->win->in->err, P2V_ENOMEM, "no memory");
}

static int read_address(struct net6 *n, const char *key, const char *name, const uint8_t *bytes)
{
	p2v_autobuf struct p2v_buf data = {0};
	char address[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 5];
	uint32_t type;
	int r;

	if (memcmp(bytes, n->luid, LUID_BYTES) != 0 || is_link_local(bytes + LUID_BYTES) ||
		guest_hive_get(n->win->system, key, name, &type, &data, NULL) < 0 ||
		data.len <= AT_DATA_PREFIX || data.data[AT_DATA_PREFIX] > 128)
		return 0;
	inet_ntop(AF_INET6, bytes + LUID_BYTES, address, sizeof(address));
	snprintf(text, sizeof(text), "%s/%u", address, (unsigned)data.data[AT_DATA_PREFIX]);
	r = windows_add_address(n->win, n->nic, "static", text, "");
	return r == 0 ? claim(n, name) : r;
}

/* The first address of that kind, or NULL. */
static struct facts_address *first_address(struct facts_nic *nic)
{
	for (size_t i = 0; i < nic->n_addresses; i++)
		if (nic->addresses[i].address && strchr(nic->addresses[i].address, ':'))
			return &nic->addresses[i];
	return NULL;
}

static int read_route(struct net6 *n, const char *key, const char *name, const uint8_t *bytes)
{
	struct facts_address *a = first_address(n->nic);
	char hop[INET6_ADDRSTRLEN];
	int r;

	(void)key;
	if (!a || memcmp(bytes + AT_LUID, n->luid, LUID_BYTES) != 0)
		return 0;
	inet_ntop(AF_INET6, bytes + AT_HOP, hop, sizeof(hop));
	if (bytes[AT_PREFIX_BITS] != 0 || *a->gateway)
		return inspect_note(n->win->in,
			"%s: a route of IPv6 over %s, beside the default one, is to be set by hand",
			n->nic->name, hop);
	r = inspect_set(n->win->in, &a->gateway, hop);
	return r == 0 ? claim(n, name) : r;
}

static int read_list(struct net6 *n, const char *list, size_t n_bytes,
	int (*read)(struct net6 *n, const char *key, const char *name, const uint8_t *bytes))
{
	p2v_autofree char *rest = p2v_strf(NSI "%s", list);
	p2v_autofree char *key = rest ? windows_key(n->win, rest) : NULL;
	guest_auto_names struct guest_hive_names names = {0};
	uint8_t bytes[ROUTE_NAME];
	int r = 0;

	if (!key)
		return p2v_err_set(n->win->in->err, P2V_ENOMEM, "no memory");
	if (guest_hive_values(n->win->system, key, &names, NULL) < 0)
		return 0;
	n->list = list;
	for (size_t i = 0; r == 0 && i < names.n_items; i++)
		if (strlen(names.items[i]) == 2 * n_bytes &&
			p2v_unhex(names.items[i], bytes, n_bytes, NULL) == 0)
			r = read(n, key, names.items[i], bytes);
	return r;
}

int windows_network6(
	struct windows *win, struct facts_nic *nic, const char *guid, const char *class_key)
{
	p2v_autofree char *rest = p2v_strf("Services\\Tcpip6\\Parameters\\Interfaces\\%s", guid);
	p2v_autofree char *key = rest ? windows_key(win, rest) : NULL;
	struct net6 n = {.win = win, .nic = nic};
	int r = key ? windows_add_dns(win, nic, key)
		    : p2v_err_set(win->in->err, P2V_ENOMEM, "no memory");

	if (r < 0 || !class_key || !read_luid(win, class_key, n.luid))
		return r;
	r = read_list(&n, LIST_ADDRESSES, ADDRESS_NAME, read_address);
	return r == 0 ? read_list(&n, LIST_ROUTES, ROUTE_NAME, read_route) : r;
}

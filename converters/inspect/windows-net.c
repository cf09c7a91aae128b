/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Network adapters: each has a GUID, under which its addresses are.
 *
 *	Control\Network\{class}\{GUID}\Connection   Name, PnpInstanceID
 *	Control\NetworkSetup2\Interfaces\{GUID}\Kernel   CurrentAddress (10 and later)
 *	Control\Class\{class}\NNNN   NetCfgInstanceId = {GUID}, NetworkAddress: set by hand
 *	Services\Tcpip\Parameters\Interfaces\{GUID}   addresses, name servers, suffix
 *	Services\NetBT\Parameters\Interfaces\Tcpip_{GUID}   the same of NetBIOS
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/inspect/windows.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"

#define NET_CLASS "{4D36E972-E325-11CE-BFC1-08002BE10318}"
#define MAX_CARDS 256

/* "255.255.255.0" -> 24; a mask with holes, or none, is 33. */
static unsigned mask_bits(const char *text)
{
	struct in_addr a;
	uint32_t mask;
	unsigned n = 0;

	if (inet_pton(AF_INET, text, &a) != 1)
		return 33;
	mask = ntohl(a.s_addr);
	while (n < 32 && mask & (UINT32_C(1) << (31 - n)))
		n++;
	return n < 32 && mask << n ? 33 : n;
}

static bool is_ipv4(const char *text)
{
	struct in_addr a;

	return inet_pton(AF_INET, text, &a) == 1 && a.s_addr != 0;
}

int windows_add_address(struct windows *win, struct facts_nic *nic, const char *method,
	const char *address, const char *gateway)
{
	struct facts_address *a =
		inspect_grow(win->in, (void **)&nic->addresses, &nic->n_addresses, sizeof(*a));
	int r;

	if (!a)
		return P2V_ENOMEM;
	r = inspect_set(win->in, &a->method, method);
	if (r == 0)
		r = inspect_set(win->in, &a->address, address);
	return r == 0 ? inspect_set(win->in, &a->gateway, gateway) : r;
}

static int read_static(struct windows *win, struct facts_nic *nic, const char *key)
{
	guest_auto_names struct guest_hive_names ips = {0}, masks = {0}, gateways = {0};
	int r = 0;

	windows_texts(win, win->system, key, "IPAddress", &ips);
	windows_texts(win, win->system, key, "SubnetMask", &masks);
	windows_texts(win, win->system, key, "DefaultGateway", &gateways);
	for (size_t i = 0; r == 0 && i < ips.n_items && i < masks.n_items; i++) {
		unsigned bits = mask_bits(masks.items[i]);
		char text[INET_ADDRSTRLEN + 4];
		const char *gateway =
			i < gateways.n_items && is_ipv4(gateways.items[i]) ? gateways.items[i] : "";

		if (!is_ipv4(ips.items[i]) || bits > 32)
			continue;
		snprintf(text, sizeof(text), "%.15s/%u", ips.items[i], bits);
		r = windows_add_address(win, nic, "static", text, gateway);
	}
	return r;
}

static bool is_ipv6(const char *text)
{
	return inet_pton(AF_INET6, text, &(struct in6_addr){0}) == 1;
}

int windows_add_dns(struct windows *win, struct facts_nic *nic, const char *key)
{
	p2v_autofree char *text = windows_text(win, win->system, key, "NameServer");
	int r = 0;

	for (char *p = text; p && *p && r == 0;) {
		size_t n = strcspn(p, ", ");
		p2v_autofree char *one = strndup(p, n);

		if (one && (is_ipv4(one) || is_ipv6(one)))
			r = inspect_add_str(win->in, &nic->dns, &nic->n_dns, one);
		p += n + strspn(p + n, ", ");
	}
	return r;
}

/* Set by hand, and no part of an address: nothing here hands it on. */
static int note_rest(struct windows *win, const struct facts_nic *nic, const char *key)
{
	static const struct {
		const char *value, *words;
	} rows[] = {{"InterfaceMetric", "metric"}, {"MTU", "MTU"}};
	guest_auto_names struct guest_hive_names gateways = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < P2V_N(rows); i++) {
		uint32_t n = windows_u32(win, win->system, key, rows[i].value, 0);

		if (n && n != UINT32_MAX)
			r = inspect_note(win->in, "%s: its %s of %u is to be set by hand",
				nic->name, rows[i].words, n);
	}
	windows_texts(win, win->system, key, "DefaultGateway", &gateways);
	for (size_t i = nic->n_addresses; r == 0 && i < gateways.n_items; i++)
		if (is_ipv4(gateways.items[i]))
			r = inspect_note(win->in, "%s: its further gateway %s is to be set by hand",
				nic->name, gateways.items[i]);
	return r;
}

/* NetBIOS: name servers, and whether it is spoken at all. */
static int read_wins(struct windows *win, struct facts_nic *nic, const char *guid)
{
	p2v_autofree char *rest =
		p2v_strf("Services\\NetBT\\Parameters\\Interfaces\\Tcpip_%s", guid);
	p2v_autofree char *key = rest ? windows_key(win, rest) : NULL;
	guest_auto_names struct guest_hive_names servers = {0};
	int r = 0;

	if (!key)
		return p2v_err_set(win->in->err, P2V_ENOMEM, "no memory");
	windows_texts(win, win->system, key, "NameServerList", &servers);
	for (size_t i = 0; r == 0 && i < servers.n_items; i++)
		if (is_ipv4(servers.items[i]))
			r = inspect_add_str(win->in, &nic->wins, &nic->n_wins, servers.items[i]);
	nic->netbios = windows_u32(win, win->system, key, "NetbiosOptions", 0);
	return r;
}

static int read_addresses(struct windows *win, struct facts_nic *nic, const char *guid)
{
	p2v_autofree char *rest = p2v_strf("Services\\Tcpip\\Parameters\\Interfaces\\%s", guid);
	p2v_autofree char *key = rest ? windows_key(win, rest) : NULL;
	int r;

	if (!key)
		return p2v_err_set(win->in->err, P2V_ENOMEM, "no memory");
	if (windows_u32(win, win->system, key, "EnableDHCP", 0))
		r = windows_add_address(win, nic, "dhcp", "", "");
	else
		r = read_static(win, nic, key);
	if (r == 0)
		r = note_rest(win, nic, key);
	if (r == 0)
		r = windows_add_dns(win, nic, key);
	if (r < 0)
		return r;
	nic->suffix = windows_text(win, win->system, key, "Domain");
	if (nic->suffix && !*nic->suffix) {
		free(nic->suffix);
		nic->suffix = NULL;
	}
	return read_wins(win, nic, guid);
}

static int set_mac(struct windows *win, struct facts_nic *nic, const uint8_t *m)
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
		m[5]);
	return inspect_set(win->in, &nic->mac, text);
}

static int read_mac(struct windows *win, struct facts_nic *nic, const char *guid)
{
	static const char *const values[] = {"PermanentAddress", "CurrentAddress"};
	p2v_autofree char *rest = p2v_strf("Control\\NetworkSetup2\\Interfaces\\%s\\Kernel", guid);
	p2v_autofree char *key = rest ? windows_key(win, rest) : NULL;

	for (size_t i = 0; key && i < P2V_N(values); i++) {
		p2v_autobuf struct p2v_buf bytes = {0};
		uint32_t type;

		if (guest_hive_get(win->system, key, values[i], &type, &bytes, NULL) == 0 &&
			bytes.len == 6 && !p2v_is_zero(bytes.data, 6))
			return set_mac(win, nic, bytes.data);
	}
	return 0;
}

/* The key of its driver's own settings, malloc'd; NULL: it has none. */
static char *find_class_key(struct windows *win, const char *guid)
{
	p2v_autofree char *top = windows_key(win, "Control\\Class\\" NET_CLASS);
	guest_auto_names struct guest_hive_names keys = {0};

	if (!top || guest_hive_keys(win->system, top, &keys, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < keys.n_items && i < MAX_CARDS; i++) {
		p2v_autofree char *key = p2v_strf("%s\\%s", top, keys.items[i]);
		p2v_autofree char *id =
			key ? windows_text(win, win->system, key, "NetCfgInstanceId") : NULL;

		if (id && strcasecmp(id, guid) == 0)
			return p2v_steal(key);
	}
	return NULL;
}

/* An address that was set by hand. */
static int read_set_mac(struct windows *win, struct facts_nic *nic, const char *class_key)
{
	p2v_autofree char *text = windows_text(win, win->system, class_key, "NetworkAddress");
	uint8_t mac[6];

	if (!text || strlen(text) != 12 || p2v_unhex(text, mac, 6, NULL) < 0)
		return 0;
	return set_mac(win, nic, mac);
}

/* A card is something on a bus, or in a slot; teams, tunnels and such hang on ROOT or nothing. */
static bool is_card(const struct facts_nic *nic, const char *instance)
{
	static const char *const buses[] = {"PCI\\", "USB\\", "VMBUS\\", "XENVIF\\", "B06BDRV\\"};

	for (size_t i = 0; instance && i < P2V_N(buses); i++)
		if (strncasecmp(instance, buses[i], strlen(buses[i])) == 0)
			return true;
	return nic->n_matches > 0;
}

static bool has_addresses(const struct facts_nic *nic)
{
	for (size_t i = 0; i < nic->n_addresses; i++)
		if (nic->addresses[i].method && strcmp(nic->addresses[i].method, "static") == 0)
			return true;
	return false;
}

static int read_adapter(struct windows *win, const char *top, const char *guid)
{
	p2v_autofree char *key = p2v_strf("%s\\%s\\Connection", top, guid);
	p2v_autofree char *name = key ? windows_text(win, win->system, key, "Name") : NULL;
	p2v_autofree char *instance =
		key ? windows_text(win, win->system, key, "PnpInstanceID") : NULL;
	p2v_autofree char *class_key = find_class_key(win, guid);
	struct facts_os *os = win->in->os;
	struct facts_nic *nic;
	int r;

	if (!name)
		return 0;
	nic = inspect_grow(win->in, (void **)&os->nics, &os->n_nics, sizeof(*nic));
	if (!nic)
		return P2V_ENOMEM;
	r = inspect_set(win->in, &nic->name, name);
	if (r == 0)
		r = inspect_set(win->in, &nic->dialect, "windows");
	if (r == 0)
		r = inspect_set(win->in, &nic->path, guid);
	if (r == 0)
		r = read_mac(win, nic, guid);
	if (r == 0 && !nic->mac && class_key)
		r = read_set_mac(win, nic, class_key);
	if (r == 0 && instance)
		r = windows_network_slot(win, nic, instance);
	if (r == 0)
		r = read_addresses(win, nic, guid);
	if (r == 0)
		r = windows_network6(win, nic, guid, class_key);
	if (r < 0)
		return r;
	/* A team holds the addresses of its cards. */
	return inspect_set(win->in, &nic->kind,
		is_card(nic, instance) ? "ethernet"
		: has_addresses(nic)   ? "bond"
				       : "other");
}

int windows_network(struct windows *win)
{
	p2v_autofree char *top = windows_key(win, "Control\\Network\\" NET_CLASS);
	guest_auto_names struct guest_hive_names guids = {0};
	int r = top ? guest_hive_keys(win->system, top, &guids, win->in->err)
		    : p2v_err_set(win->in->err, P2V_ENOMEM, "no memory");

	for (size_t i = 0; r == 0 && i < guids.n_items && i < MAX_CARDS; i++)
		if (*guids.items[i] == '{')
			r = read_adapter(win, top, guids.items[i]);
	return r == 0 ? windows_network_team(win) : r;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/source/host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"

static int this_permanent_mac(const char *name, uint8_t ret_mac[6])
{
	struct {
		struct ethtool_perm_addr head;
		uint8_t room[32]; /* MAX_ADDR_LEN: InfiniBand's are 20 bytes */
	} ask = {{ETHTOOL_GPERMADDR, 32}, {0}};
	static const uint8_t none[6];
	p2v_autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = {0};

	if (fd < 0 || strlen(name) >= sizeof(req.ifr_name))
		return P2V_ENOTFOUND;
	memcpy(req.ifr_name, name, strlen(name) + 1);
	req.ifr_data = (char *)&ask;
	if (ioctl(fd, SIOCETHTOOL, &req) < 0 || ask.head.size != 6 ||
		memcmp(ask.room, none, sizeof(none)) == 0)
		return P2V_ENOTFOUND;
	memcpy(ret_mac, ask.room, 6);
	return 0;
}

/* Length of the prefix that a netmask stands for. */
static unsigned mask_bits(const uint8_t *mask, size_t n)
{
	unsigned bits = 0;

	for (size_t i = 0; i < n; i++)
		bits += (unsigned)__builtin_popcount(mask[i]);
	return bits;
}

static bool address_text(const struct ifaddrs *a, char *out, size_t n)
{
	char host[INET6_ADDRSTRLEN];
	unsigned bits;

	if (a->ifa_addr->sa_family == AF_INET) {
		struct sockaddr_in addr, mask;

		memcpy(&addr, a->ifa_addr, sizeof(addr));
		memcpy(&mask, a->ifa_netmask, sizeof(mask));
		inet_ntop(AF_INET, &addr.sin_addr, host, sizeof(host));
		bits = mask_bits((const uint8_t *)&mask.sin_addr, 4);
	} else if (a->ifa_addr->sa_family == AF_INET6) {
		struct sockaddr_in6 addr, mask;

		memcpy(&addr, a->ifa_addr, sizeof(addr));
		memcpy(&mask, a->ifa_netmask, sizeof(mask));
		if (IN6_IS_ADDR_LINKLOCAL(&addr.sin6_addr))
			return false;
		inet_ntop(AF_INET6, &addr.sin6_addr, host, sizeof(host));
		bits = mask_bits((const uint8_t *)&mask.sin6_addr, 16);
	} else {
		return false;
	}
	snprintf(out, n, "%s/%u", host, bits);
	return true;
}

static int this_addresses(const char *name, char ***items, size_t *n_items, struct p2v_err *err)
{
	char text[INET6_ADDRSTRLEN + 8];
	struct ifaddrs *all;
	int r = 0;

	if (getifaddrs(&all) < 0)
		return p2v_err_errno(err, errno, "addresses of %s", name);
	for (struct ifaddrs *a = all; a && r == 0; a = a->ifa_next)
		if (a->ifa_addr && a->ifa_netmask && strcmp(a->ifa_name, name) == 0 &&
			address_text(a, text, sizeof(text)))
			r = p2v_json_add_str(items, n_items, text, err);
	freeifaddrs(all);
	return r;
}

const struct source_host source_host_this = {"", this_permanent_mac, this_addresses};

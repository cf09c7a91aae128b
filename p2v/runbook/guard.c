/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/runbook/guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"

#define ROUNDS	  3
#define ROUND_MS  1000
#define FRAME_MAX 2048
#define ARP_BYTES 28
#define NS_BYTES  24
#define NA_TYPE	  136
#define NS_TYPE	  135
#define ICMPV6	  58

typedef uint8_t mac_bytes[6];

struct address {
	bool v6;
	uint8_t bytes[16];
};

struct guard {
	int fd, index;
	mac_bytes own;
	mac_bytes *macs;
	size_t n_macs;
	struct address *addresses;
	size_t n_addresses;
	char *who;
};

void guard_question_finish(struct guard_question *q)
{
	for (size_t i = 0; i < q->n_macs; i++)
		free(q->macs[i]);
	for (size_t i = 0; i < q->n_addresses; i++)
		free(q->addresses[i]);
	free(q->macs);
	free(q->addresses);
	*q = (struct guard_question){0};
}

/* ---- what is asked for ---- */

/* "aa:bb:cc:dd:ee:ff" */
static bool mac_parse(const char *text, mac_bytes ret)
{
	char hex[13];

	if (strlen(text) != 17)
		return false;
	for (size_t i = 0; i < 6; i++)
		memcpy(hex + 2 * i, text + 3 * i, 2);
	hex[12] = '\0';
	return p2v_unhex(hex, ret, 6, NULL) == 0;
}

static bool address_parse(const char *text, struct address *ret)
{
	p2v_autofree char *copy = strdup(text);
	char *slash = copy ? strchr(copy, '/') : NULL;

	if (slash)
		*slash = '\0';
	*ret = (struct address){.v6 = copy && strchr(copy, ':')};
	return copy && inet_pton(ret->v6 ? AF_INET6 : AF_INET, copy, ret->bytes) == 1;
}

/* fe80:: and the card's address, as RFC 4291 makes it. */
static struct address link_local(const mac_bytes mac)
{
	return (struct address){.v6 = true,
		.bytes = {0xfe, 0x80, [8] = mac[0] ^ 2, [9] = mac[1], [10] = mac[2], [11] = 0xff,
			[12] = 0xfe, [13] = mac[3], [14] = mac[4], [15] = mac[5]}};
}

static int question_read(struct guard *g, const struct guard_question *q, struct p2v_err *err)
{
	g->macs = calloc(q->n_macs + 1, sizeof(*g->macs));
	g->addresses = calloc(q->n_macs + q->n_addresses + 1, sizeof(*g->addresses));
	if (!g->macs || !g->addresses)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	for (size_t i = 0; i < q->n_macs; i++)
		if (mac_parse(q->macs[i], g->macs[g->n_macs]))
			g->n_macs++;
	for (size_t i = 0; i < q->n_addresses; i++)
		if (address_parse(q->addresses[i], &g->addresses[g->n_addresses]))
			g->n_addresses++;
	for (size_t i = 0; i < g->n_macs; i++)
		g->addresses[g->n_addresses++] = link_local(g->macs[i]);
	return g->n_addresses ? 0
			      : p2v_err_set(err, P2V_EINVAL,
					"guard: the machine has no card and no address to ask for");
}

/* ---- the interface ---- */

static int interface_open(struct guard *g, const char *name, struct p2v_err *err)
{
	struct ifreq request = {0};
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};

	g->index = (int)if_nametoindex(name);
	if (!g->index || strlen(name) >= sizeof(request.ifr_name))
		return p2v_err_set(
			err, P2V_ENOTFOUND, "guard: there is no network interface %.40s", name);
	g->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (g->fd < 0 && (errno == EPERM || errno == EACCES))
		return p2v_err_set(err, P2V_EREFUSED,
			"guard: asking on %s needs root, or the capability CAP_NET_RAW", name);
	memcpy(request.ifr_name, name, strlen(name));
	if (g->fd < 0 || ioctl(g->fd, SIOCGIFHWADDR, &request) < 0)
		return p2v_err_errno(err, errno, "guard: %s", name);
	if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return p2v_err_set(
			err, P2V_EUNSUPPORTED, "guard: %s is no Ethernet interface", name);
	memcpy(g->own, request.ifr_hwaddr.sa_data, sizeof(g->own));
	if (ioctl(g->fd, SIOCGIFFLAGS, &request) < 0 || !(request.ifr_flags & IFF_RUNNING))
		return p2v_err_set(
			err, P2V_EIO, "guard: %s is down: nobody could answer there", name);
	at.sll_ifindex = g->index;
	if (bind(g->fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return p2v_err_errno(err, errno, "guard: %s", name);
	return 0;
}

/* ---- asking ---- */

static void ethernet_add(
	struct p2v_buf *out, const mac_bytes to, const mac_bytes from, uint16_t kind)
{
	p2v_buf_add(out, to, 6);
	p2v_buf_add(out, from, 6);
	p2v_buf_add_be16(out, kind);
}

/* RFC 5227's probe: who asks has no address of his own, so nobody's table is changed. */
static void arp_make(const struct guard *g, const struct address *a, struct p2v_buf *out)
{
	static const mac_bytes everybody = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	ethernet_add(out, everybody, g->own, ETH_P_ARP);
	p2v_buf_add_be16(out, ARPHRD_ETHER);
	p2v_buf_add_be16(out, ETH_P_IP);
	p2v_buf_add_u8(out, 6);
	p2v_buf_add_u8(out, 4);
	p2v_buf_add_be16(out, ARPOP_REQUEST);
	p2v_buf_add(out, g->own, 6);
	p2v_buf_add_zeros(out, 4 + 6);
	p2v_buf_add(out, a->bytes, 4);
}

static uint32_t sum_of(const uint8_t *bytes, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += p2v_get_be16(bytes + i);
	return sum;
}

/* RFC 4862's question whether an address is taken: from nobody, to the groups of its owner. */
static void neighbour_make(const struct guard *g, const struct address *a, struct p2v_buf *out)
{
	const uint8_t *low = a->bytes + 13;
	const mac_bytes group = {0x33, 0x33, 0xff, low[0], low[1], low[2]};
	const uint8_t to[16] = {0xff, 0x02, [11] = 1, [12] = 0xff, low[0], low[1], low[2]};
	uint8_t message[NS_BYTES] = {NS_TYPE};
	uint32_t sum;

	memcpy(message + 8, a->bytes, 16);
	sum = sum_of(to, sizeof(to)) + sum_of(message, sizeof(message)) + NS_BYTES + ICMPV6;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	p2v_put_be16(message + 2, (uint16_t)~sum);
	ethernet_add(out, group, g->own, ETH_P_IPV6);
	p2v_buf_add_be32(out, 0x60000000);
	p2v_buf_add_be16(out, NS_BYTES);
	p2v_buf_add_u8(out, ICMPV6);
	p2v_buf_add_u8(out, 255);
	p2v_buf_add_zeros(out, 16);
	p2v_buf_add(out, to, sizeof(to));
	p2v_buf_add(out, message, sizeof(message));
}

static int question_send(const struct guard *g, const struct address *a, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf frame = {0};

	if (a->v6)
		neighbour_make(g, a, &frame);
	else
		arp_make(g, a, &frame);
	if (frame.failed)
		return p2v_buf_check(&frame, err);
	return send(g->fd, frame.data, frame.len, 0) == (ssize_t)frame.len
		       ? 0
		       : p2v_err_errno(err, errno, "guard: send");
}

/* ---- listening ---- */

static bool is_asked(const struct guard *g, bool v6, const uint8_t *bytes)
{
	for (size_t i = 0; i < g->n_addresses; i++)
		if (g->addresses[i].v6 == v6 &&
			memcmp(g->addresses[i].bytes, bytes, v6 ? 16 : 4) == 0)
			return true;
	return false;
}

static char *answer_text(bool v6, const uint8_t *address, const uint8_t *mac)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(v6 ? AF_INET6 : AF_INET, address, text, sizeof(text));
	return p2v_strf("%s is at %02x:%02x:%02x:%02x:%02x:%02x", text, mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
}

/* Whoever says in ARP that he has the address, and whoever advertises it as a neighbour. */
static void answer_look(struct guard *g, uint16_t kind, struct p2v_rd rd, const uint8_t *from)
{
	const uint8_t *head, *body;

	if (kind == ETH_P_ARP) {
		head = p2v_rd_bytes(&rd, 8);
		body = p2v_rd_bytes(&rd, ARP_BYTES - 8);
		if (head && body && p2v_get_be16(head + 2) == ETH_P_IP && head[5] == 4 &&
			is_asked(g, false, body + 6))
			g->who = answer_text(false, body + 6, body);
	} else if (kind == ETH_P_IPV6) {
		head = p2v_rd_bytes(&rd, 40);
		body = p2v_rd_bytes(&rd, NS_BYTES);
		if (head && body && head[6] == ICMPV6 && body[0] == NA_TYPE &&
			is_asked(g, true, body + 8))
			g->who = answer_text(true, body + 8, from);
	}
}

static void frame_look(struct guard *g, const uint8_t *bytes, size_t n)
{
	struct p2v_rd rd = p2v_rd_init(bytes, n);
	const uint8_t *to = p2v_rd_bytes(&rd, 6), *from = p2v_rd_bytes(&rd, 6);
	uint16_t kind = p2v_rd_be16(&rd);

	if (!to || !from || rd.failed)
		return;
	answer_look(g, kind, rd, from);
	for (size_t i = 0; !g->who && i < g->n_macs; i++)
		if (memcmp(g->macs[i], from, 6) == 0)
			g->who = p2v_strf("%02x:%02x:%02x:%02x:%02x:%02x sends", from[0], from[1],
				from[2], from[3], from[4], from[5]);
}

static int listen_round(struct guard *g, struct p2v_err *err)
{
	uint64_t until = p2v_now_ms() + ROUND_MS, now;

	while (!g->who && (now = p2v_now_ms()) < until) {
		struct pollfd poll_fd = {.fd = g->fd, .events = POLLIN};
		struct sockaddr_ll from = {0};
		socklen_t from_len = sizeof(from);
		uint8_t frame[FRAME_MAX];
		ssize_t n;
		int r = p2v_stop_check(err);

		if (r < 0)
			return r;
		if (poll(&poll_fd, 1, (int)(until - now)) <= 0)
			continue;
		n = recvfrom(g->fd, frame, sizeof(frame), MSG_DONTWAIT, (struct sockaddr *)&from,
			&from_len);
		if (n < 0 && errno == ENETDOWN)
			return p2v_err_set(err, P2V_EIO, "guard: the interface went down");
		if (n > 0 && from.sll_pkttype != PACKET_OUTGOING)
			frame_look(g, frame, (size_t)n);
	}
	return 0;
}

int guard_ask(
	const char *interface, const struct guard_question *q, char **ret_who, struct p2v_err *err)
{
	struct guard g = {.fd = -1};
	int r = question_read(&g, q, err);

	if (r == 0)
		r = interface_open(&g, interface, err);
	for (int round = 0; r == 0 && !g.who && round < ROUNDS; round++) {
		for (size_t i = 0; r == 0 && i < g.n_addresses; i++)
			r = question_send(&g, &g.addresses[i], err);
		if (r == 0)
			r = listen_round(&g, err);
	}
	if (r == 0)
		*ret_who = p2v_steal(g.who);
	p2v_cleanup_close(&g.fd);
	free(g.macs);
	free(g.addresses);
	free(g.who);
	return r;
}

char *guard_hear(const struct guard_question *q, const void *frame, size_t n)
{
	struct guard g = {.fd = -1};

	if (question_read(&g, q, NULL) == 0)
		frame_look(&g, frame, n);
	free(g.macs);
	free(g.addresses);
	return g.who;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/prove/wire.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "converters/emit/usernet.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/model/check.h"

#define FILE_HEADER   24
#define RECORD_HEADER 16
#define MAX_FRAME     (256 * 1024)
#define MAGIC	      UINT32_C(0xa1b2c3d4)
#define MAGIC_SWAPPED UINT32_C(0xd4c3b2a1)

enum {
	TYPE_IP4 = 0x0800,
	TYPE_ARP = 0x0806,
	TYPE_VLAN = 0x8100,
	TYPE_QINQ = 0x88a8,
	TYPE_IP6 = 0x86dd
};
enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMP6 = 58 };
enum { SOLICITED = 0x40 }; /* of a neighbour advertisement */
enum { TCP_SYN = 0x02, TCP_RST = 0x04, TCP_ACK = 0x10 };

static unsigned vlan_of(const struct output_nic *nic, const char *address)
{
	for (size_t i = 0; i < nic->n_tagged; i++)
		if (strcmp(nic->tagged[i].address, address) == 0)
			return nic->tagged[i].vlan_id;
	return 0;
}

/* A locally administered one that begins as QEMU's own, so that it is none of the guest's. */
const uint8_t prove_peer_mac[6] = {0x52, 0x55, 0x70, 0x32, 0x76, 0x01};

/* Both addresses of the frame, and the tag that it needs. */
static void begin_frame(const struct prove_address *a, const uint8_t to[6], struct p2v_buf *ret)
{
	p2v_buf_add(ret, to, 6);
	p2v_buf_add(ret, prove_peer_mac, 6);
	if (a->vlan) {
		p2v_buf_add_be16(ret, TYPE_VLAN);
		p2v_buf_add_be16(ret, (uint16_t)a->vlan);
	}
}

static bool ask_arp(const struct prove_address *a, struct p2v_buf *ret)
{
	static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, none[6] = {0};
	char text[INET_ADDRSTRLEN], with_prefix[INET_ADDRSTRLEN + 4], *texts[] = {with_prefix};
	struct output_nic only = {.addresses = texts, .n_addresses = 1};
	struct emit_usernet net;
	struct in_addr from;

	if (!inet_ntop(AF_INET, a->bytes, text, sizeof(text)))
		return false;
	snprintf(with_prefix, sizeof(with_prefix), "%s/%u", text, a->prefix);
	/* From another address of its network: a question from nobody (0.0.0.0) would look as if
	 * the asker wanted the address for itself. */
	net = emit_usernet_of(&only);
	if (!net.set || inet_pton(AF_INET, net.host, &from) != 1)
		return false;
	begin_frame(a, all, ret);
	p2v_buf_add_be16(ret, TYPE_ARP);
	p2v_buf_add_be16(ret, 1);
	p2v_buf_add_be16(ret, TYPE_IP4);
	p2v_buf_add_be16(ret, 0x0604);
	p2v_buf_add_be16(ret, 1);
	p2v_buf_add(ret, prove_peer_mac, 6);
	p2v_buf_add(ret, &from.s_addr, 4);
	p2v_buf_add(ret, none, 6);
	p2v_buf_add(ret, a->bytes, 4);
	return true;
}

/* RFC 1071, over an even number of bytes. */
static uint16_t checksum(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += p2v_get_be16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* A neighbour solicitation (RFC 4861, 4.3): to the group of all whose addresses end alike, from the
 * link-local address that follows from prove_peer_mac. */
static bool ask_neighbour(const struct prove_address *a, struct p2v_buf *ret)
{
	const uint8_t *end = a->bytes + 13, group[6] = {0x33, 0x33, 0xff, end[0], end[1], end[2]};
	/* The two addresses, then the message: type, target, option 1 with the asker's card. */
	uint8_t body[32 + 32] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x50, 0x55, 0x70, 0xff, 0xfe, 0x32,
		0x76, 1, 0xff, 2, [27] = 1, 0xff, end[0], end[1], end[2], 135, [56] = 1, 1};
	uint16_t sum;

	memcpy(body + 40, a->bytes, 16);
	memcpy(body + 58, prove_peer_mac, 6);
	sum = checksum(body, sizeof(body), 32 + PROTO_ICMP6);
	body[34] = (uint8_t)(sum >> 8);
	body[35] = (uint8_t)sum;
	begin_frame(a, group, ret);
	p2v_buf_add_be16(ret, TYPE_IP6);
	p2v_buf_add_be32(ret, 0x60000000);
	p2v_buf_add_be16(ret, 32);
	p2v_buf_add_u8(ret, PROTO_ICMP6);
	p2v_buf_add_u8(ret, 255);
	p2v_buf_add(ret, body, sizeof(body));
	return true;
}

bool prove_wire_asks(const struct prove_address *a)
{
	return a->vlan || a->v6;
}

bool prove_wire_ask(const struct prove_wire *wire, size_t i, struct p2v_buf *ret)
{
	const struct prove_address *a = &wire->addresses[i];

	if (!(a->v6 ? ask_neighbour(a, ret) : ask_arp(a, ret)))
		return false;
	if (ret->len < 64)
		p2v_buf_add_zeros(ret, 64 - ret->len);
	return !ret->failed;
}

void prove_wire_init(struct prove_wire *wire, const struct output_nic *nic)
{
	memset(wire, 0, sizeof(*wire));
	for (size_t i = 0; model_mac_ok(nic->mac) && i < 6; i++)
		p2v_unhex((const char[]){nic->mac[3 * i], nic->mac[3 * i + 1], '\0'}, &wire->mac[i],
			1, NULL);
	for (size_t i = 0; i < nic->n_addresses && wire->n_addresses < PROVE_WIRE_ADDRESSES; i++) {
		struct prove_address *a = &wire->addresses[wire->n_addresses];
		char text[INET6_ADDRSTRLEN];

		snprintf(text, sizeof(text), "%.*s", (int)strcspn(nic->addresses[i], "/"),
			nic->addresses[i]);
		a->v6 = strchr(text, ':') != NULL;
		a->vlan = vlan_of(nic, nic->addresses[i]);
		emit_ip4_parse(nic->addresses[i], &(uint32_t){0}, &a->prefix);
		if (inet_pton(a->v6 ? AF_INET6 : AF_INET, text, a->bytes) == 1)
			wire->n_addresses++;
	}
}

/* The address that a frame of this kind may have. */
static struct prove_address *find(struct prove_wire *wire, bool v6, const uint8_t *bytes)
{
	for (size_t i = 0; bytes && i < wire->n_addresses; i++)
		if (wire->addresses[i].v6 == v6 &&
			(!wire->addresses[i].vlan || wire->addresses[i].vlan == wire->vlan) &&
			memcmp(wire->addresses[i].bytes, bytes, v6 ? 16 : 4) == 0)
			return &wire->addresses[i];
	return NULL;
}

/* "ARP request", or "ARP request in VLAN 42". */
static void say(const struct prove_wire *wire, const char *how, char out[64])
{
	if (wire->vlan)
		snprintf(out, 64, "%.40s in VLAN %u", how, wire->vlan);
	else
		snprintf(out, 64, "%.60s", how);
}

static void announced(
	struct prove_wire *wire, struct prove_address *a, const uint8_t mac[6], const char *how)
{
	if (!a || a->announced)
		return;
	a->announced = true;
	memcpy(a->mac, mac, 6);
	say(wire, how, a->how);
}

static void answered(const struct prove_wire *wire, struct prove_address *a, const char *how)
{
	if (a && !a->answered) {
		a->answered = true;
		say(wire, how, a->answer);
	}
}

static bool is_guest(const struct prove_wire *wire, const uint8_t mac[6])
{
	static const uint8_t qemu[] = {0x52, 0x55};

	return memcmp(mac, qemu, sizeof(qemu)) != 0 || memcmp(mac, wire->mac, 6) == 0;
}

static void read_arp(struct prove_wire *wire, struct p2v_rd rd)
{
	uint16_t hardware = p2v_rd_be16(&rd), protocol = p2v_rd_be16(&rd);
	uint16_t lengths = p2v_rd_be16(&rd), op = p2v_rd_be16(&rd);
	const uint8_t *mac = p2v_rd_bytes(&rd, 6), *ip = p2v_rd_bytes(&rd, 4);
	const uint8_t *to = p2v_rd_bytes(&rd, 6);

	if (rd.failed || hardware != 1 || protocol != TYPE_IP4 || lengths != 0x0604 ||
		!is_guest(wire, mac))
		return;
	announced(wire, find(wire, false, ip), mac, op == 2 ? "ARP reply" : "ARP request");
	if (op == 2 && memcmp(to, prove_peer_mac, 6) == 0)
		answered(wire, find(wire, false, ip), "ARP reply");
}

static void accepted(struct prove_wire *wire, uint16_t port)
{
	for (size_t i = 0; i < wire->n_ports; i++)
		wire->ports[i].open = wire->ports[i].open || wire->ports[i].number == port;
}

/* On this wire only the guest lets anybody in: QEMU's network leads nowhere. */
static void read_tcp(struct prove_wire *wire, struct prove_address *a, struct p2v_rd rd)
{
	uint16_t port = p2v_rd_be16(&rd);
	uint8_t flags;

	p2v_rd_bytes(&rd, 11);
	flags = p2v_rd_u8(&rd);
	if (rd.failed)
		return;
	if ((flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK)) {
		answered(wire, a, "TCP SYN/ACK");
		accepted(wire, port);
	} else if (flags & TCP_RST)
		answered(wire, a, "TCP RST");
}

static void read_icmp(const struct prove_wire *wire, struct prove_address *a, struct p2v_rd rd)
{
	uint8_t type = p2v_rd_u8(&rd);

	if (rd.failed)
		return;
	if (type == 0)
		answered(wire, a, "ICMP echo reply");
	else if (type == 3)
		answered(wire, a, "ICMP unreachable");
}

static void read_udp(struct prove_wire *wire, struct p2v_rd rd)
{
	uint16_t from = p2v_rd_be16(&rd), to = p2v_rd_be16(&rd);

	if (!rd.failed && from == 68 && to == 67)
		wire->dhcp = true;
}

static void read_ip4(struct prove_wire *wire, struct p2v_rd rd)
{
	uint8_t version = p2v_rd_u8(&rd), protocol;
	const uint8_t *source;
	size_t header = (size_t)(version & 15) * 4;

	p2v_rd_bytes(&rd, 8);
	protocol = p2v_rd_u8(&rd);
	p2v_rd_bytes(&rd, 2);
	source = p2v_rd_bytes(&rd, 4);
	p2v_rd_bytes(&rd, 4);
	if (rd.failed || version >> 4 != 4 || header < 20)
		return;
	p2v_rd_bytes(&rd, header - 20);
	if (protocol == PROTO_TCP)
		read_tcp(wire, find(wire, false, source), rd);
	else if (protocol == PROTO_ICMP)
		read_icmp(wire, find(wire, false, source), rd);
	else if (protocol == PROTO_UDP)
		read_udp(wire, rd);
}

static void read_ip6(struct prove_wire *wire, const uint8_t mac[6], struct p2v_rd rd)
{
	uint8_t version = p2v_rd_u8(&rd), next, type, flags;
	struct prove_address *target;
	const uint8_t *source;

	p2v_rd_bytes(&rd, 5);
	next = p2v_rd_u8(&rd);
	p2v_rd_bytes(&rd, 1);
	source = p2v_rd_bytes(&rd, 16);
	p2v_rd_bytes(&rd, 16);
	if (rd.failed || version >> 4 != 6)
		return;
	announced(wire, find(wire, true, source), mac, "IPv6 packet");
	if (next != PROTO_ICMP6)
		return;
	type = p2v_rd_u8(&rd);
	p2v_rd_bytes(&rd, 3);
	flags = p2v_rd_u8(&rd);
	p2v_rd_bytes(&rd, 3);
	target = find(wire, true, p2v_rd_bytes(&rd, 16));
	/* A neighbour solicitation for its own address: duplicate address detection. */
	if (type == 135)
		announced(wire, target, mac, "IPv6 neighbour solicitation");
	if (type != 136)
		return;
	announced(wire, target, mac, "IPv6 neighbour advertisement");
	if (flags & SOLICITED)
		answered(wire, target, "IPv6 neighbour advertisement");
}

static void read_frame(struct prove_wire *wire, const uint8_t *frame, size_t n)
{
	struct p2v_rd rd = p2v_rd_init(frame, n);
	const uint8_t *source;
	uint16_t type;

	p2v_rd_bytes(&rd, 6);
	source = p2v_rd_bytes(&rd, 6);
	type = p2v_rd_be16(&rd);
	wire->vlan = 0;
	for (int tags = 0; tags < 2 && (type == TYPE_VLAN || type == TYPE_QINQ); tags++) {
		wire->vlan = p2v_rd_be16(&rd) & 0xfff;
		type = p2v_rd_be16(&rd);
	}
	if (rd.failed || !is_guest(wire, source))
		return;
	wire->frames++;
	if (type == TYPE_ARP)
		read_arp(wire, rd);
	else if (type == TYPE_IP4)
		read_ip4(wire, rd);
	else if (type == TYPE_IP6)
		read_ip6(wire, source, rd);
}

int prove_wire_feed(struct prove_wire *wire, const void *bytes, size_t n, size_t *ret_taken,
	struct p2v_err *err)
{
	struct p2v_rd rd = p2v_rd_init(bytes, n);

	if (!wire->has_header && n >= FILE_HEADER) {
		uint32_t magic = p2v_rd_le32(&rd);

		if (magic != MAGIC && magic != MAGIC_SWAPPED)
			return p2v_err_set(err, P2V_EFORMAT, "not a pcap file");
		wire->has_header = true;
		wire->swapped = magic == MAGIC_SWAPPED;
		p2v_rd_bytes(&rd, FILE_HEADER - 4);
	}
	while (wire->has_header && rd.left >= RECORD_HEADER) {
		struct p2v_rd record = rd;
		const uint8_t *frame;
		uint32_t length;

		p2v_rd_bytes(&record, 8);
		length = wire->swapped ? p2v_rd_be32(&record) : p2v_rd_le32(&record);
		p2v_rd_bytes(&record, 4);
		if (length > MAX_FRAME)
			return p2v_err_set(err, P2V_EFORMAT, "a frame of %u bytes", length);
		frame = p2v_rd_bytes(&record, length);
		if (!frame)
			break;
		read_frame(wire, frame, length);
		rd = record;
	}
	*ret_taken = n - rd.left;
	return 0;
}

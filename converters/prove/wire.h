/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_PROVE_WIRE_H
#define P2V_PROVE_WIRE_H

/*
 * What a network card of the guest says on its isolated wire, read from the frames that QEMU dumps.
 *
 * pcap (draft-ietf-opsawg-pcap): a header of 24 bytes, magic a1b2c3d4 in the writer's byte order,
 * then records of 16 bytes (seconds, microseconds, captured length, length) and a frame. Frames are
 * Ethernet, with VLAN tags or without: ARP (RFC 826), IPv4 with TCP, UDP, ICMP, and IPv6 with
 * neighbour discovery (RFC 4861). All of it is the guest's word: bounded reads, no assumption.
 * Two talk on this wire: the guest, whose bridges may have an address of their own, and QEMU's user
 * network, whose address begins with 52:55 (libslirp, special_ethaddr).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"
#include "p2v/model/output.h"

#define PROVE_WIRE_ADDRESSES 16
#define PROVE_WIRE_PORTS     16

struct prove_address {
	bool v6;
	unsigned prefix;   /* of an IPv4 address */
	unsigned vlan;	   /* the tag that its frames have; 0: whatever they have */
	uint8_t bytes[16]; /* network order; 4 or 16 of them */
	bool announced;	   /* the guest has it: seen on the wire */
	uint8_t mac[6];	   /* announced: of the card, or of a bridge over it */
	bool answered;	   /* answered a probe */
	char how[64];	   /* announced: "ARP reply", "ARP request in VLAN 42", ... */
	char answer[64];
};

struct prove_wire {
	uint8_t mac[6];
	struct prove_address addresses[PROVE_WIRE_ADDRESSES];
	size_t n_addresses;
	bool dhcp; /* asked for an address */
	struct prove_port {
		uint16_t number;
		bool open;	   /* a connection to it was accepted */
	} ports[PROVE_WIRE_PORTS]; /* that are looked for */
	size_t n_ports;
	uint64_t frames;
	unsigned vlan;		  /* innermost tag of the frame that is being read; 0: none */
	bool has_header, swapped; /* byte order of the file */
};

/* Who asks in a VLAN, and by IPv6: QEMU's user network knows no tags, and forwards IPv4 only. */
extern const uint8_t prove_peer_mac[6];
/* The address is asked for by such a question. */
bool prove_wire_asks(const struct prove_address *a);
/* The frame that asks address i for its card, with its tag: an ARP request or a neighbour
 * solicitation; false: no memory. ret: empty before. */
bool prove_wire_ask(const struct prove_wire *wire, size_t i, struct p2v_buf *ret);

/* The addresses to look for; those that are no IP addresses are left out. */
void prove_wire_init(struct prove_wire *wire, const struct output_nic *nic);

/* Reads whole records from the next n bytes of the file and returns how many bytes they took: the
 * rest is given again with what follows. P2V_EFORMAT where it is no pcap. */
int prove_wire_feed(struct prove_wire *wire, const void *bytes, size_t n, size_t *ret_taken,
	struct p2v_err *err);

#endif

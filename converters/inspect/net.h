/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_INSPECT_NET_H
#define CONVERTERS_INSPECT_NET_H

/*
 * Dialects of network configuration: each is one row of a table in network.c and one file. A
 * dialect turns the texts of its files into interfaces of facts_os; the parsers see no guest.
 */

#include "converters/inspect/inspection.h"

#define NET_MAX_NICS	 ((size_t)512)
#define NET_MAX_FILES	 ((size_t)256)
#define NET_MAX_INCLUDES ((size_t)64)

/* The interface of that name, made where it is new; NULL with err set. Pointers to others move. */
struct facts_nic *net_nic(struct facts_os *os, struct p2v_span name, const char *dialect,
	const char *path, struct p2v_err *err);
/* Static where method says so; address with or without a prefix, netmask as 255.255.255.0 or as a
 * number, or empty. What is not an address is passed over. */
int net_address(struct facts_nic *nic, const char *method, struct p2v_span address,
	struct p2v_span netmask, struct p2v_span gateway, struct p2v_err *err);
int net_member(struct facts_nic *nic, struct p2v_span name, struct p2v_err *err);
/* Lower case, colons; passed over where it is no MAC address. */
int net_mac(struct facts_nic *nic, struct p2v_span mac, struct p2v_err *err);
int net_kind(struct facts_nic *nic, const char *kind, struct p2v_err *err);

/* The name that a card with this address is given: an entry of the kind "name". */
int net_pin(struct facts_os *os, struct p2v_span name, struct p2v_span mac, const char *dialect,
	const char *path, struct p2v_err *err);

/* Files that one interfaces(5) text asks to be read as well. */
struct net_includes {
	char **patterns; /* such as /etc/network/interfaces.d/x* */
	size_t n_patterns;
};
void net_includes_finish(struct net_includes *i);

/* The parsers. path: of the file, for facts_nic.path. */
int net_ifupdown_parse(struct p2v_span text, const char *path, struct facts_os *os,
	struct net_includes *includes, struct p2v_err *err);
int net_networkd_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err);
int net_keyfile_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err);
/* dialect: ifcfg-rh or ifcfg-suse; the interface's name is the file's where no key says it. */
int net_ifcfg_parse(struct p2v_span text, const char *path, const char *dialect,
	struct facts_os *os, struct p2v_err *err);

/* .link files and udev rules that name a card by its address. */
int net_link_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err);
int net_rules_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err);

/* The rows' functions that need more than "each file of a directory". */
int inspect_ifupdown(struct inspection *in);

#endif

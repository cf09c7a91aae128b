/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_INSPECT_NET_H
#define CONVERTERS_INSPECT_NET_H

/*
 * Dialects of network configuration: each is one row of a table in network.c and one file. A
 * dialect turns the texts of its files into interfaces of facts_os; the parsers see no guest.
 */

#include "converters/inspect/inspection.h"

#define NET_MAX_NICS	  ((size_t)2048)
#define NET_MAX_MEMBERS	  ((size_t)64)
#define NET_MAX_FILES	  ((size_t)512)
#define NET_MAX_INCLUDES  ((size_t)64)
#define NET_MAX_ADDRESSES ((size_t)32)
#define NET_MAX_MATCHES	  ((size_t)16)

/* The interface of that name, made where it is new; NULL with err set. Pointers to others move.
 * Without a name it is always a new one. */
struct facts_nic *net_nic(struct facts_os *os, struct p2v_span name, const char *dialect,
	const char *path, struct p2v_err *err);
/* A new one, though another may have that name. */
struct facts_nic *net_nic_new(struct facts_os *os, struct p2v_span name, const char *dialect,
	const char *path, struct p2v_err *err);
/* Static where method says so; address with or without a prefix, netmask as 255.255.255.0 or as a
 * number, or empty. What is not an address is passed over. */
int net_address(struct facts_nic *nic, const char *method, struct p2v_span address,
	struct p2v_span netmask, struct p2v_span gateway, struct p2v_err *err);
int net_member(struct facts_nic *nic, struct p2v_span name, struct p2v_err *err);
/* It is a bond, bridge or VLAN (kind) of that member. */
int net_join(struct facts_os *os, struct p2v_span name, const char *kind, struct p2v_span member,
	const char *dialect, const char *path, struct p2v_err *err);
/* Lower case, colons; passed over where it is no MAC address. */
int net_mac(struct facts_nic *nic, struct p2v_span mac, struct p2v_err *err);
int net_clone_mac(struct facts_nic *nic, struct p2v_span mac, struct p2v_err *err);
int net_primary(struct facts_nic *nic, struct p2v_span member, struct p2v_err *err);
/* Passed over where it is no number of bytes. */
void net_mtu(struct facts_nic *nic, struct p2v_span mtu);
int net_mode(struct facts_nic *nic, struct p2v_span mode, struct p2v_err *err);
int net_kind(struct facts_nic *nic, const char *kind, struct p2v_err *err);
/* eth0.5, vlan5: the number; base is empty where the name says none. */
bool net_is_vlan_name(struct p2v_span name, struct p2v_span *ret_base, uint32_t *ret_id);
bool net_ip4(struct p2v_span text, uint32_t *ret); /* host order */
bool net_is_mac(struct p2v_span text);
bool net_is_pattern(struct p2v_span name);

/* What files call an interface otherwise than by its name, and that name (or its address, or a
 * pattern of names), in turn: numbers of NetworkManager's profiles, identifiers of netplan. */
struct net_ids {
	char **items;
	size_t n_items;
};
int net_ids_add(struct net_ids *ids, struct p2v_span id, struct p2v_span name, struct p2v_err *err);
/* The name, or id itself where there is none; lives as long as ids. */
struct p2v_span net_ids_find(const struct net_ids *ids, struct p2v_span id);
/* Of several names for one id the one that sorts last stays. */
int net_ids_last(
	struct net_ids *ids, struct p2v_span id, struct p2v_span name, struct p2v_err *err);
void net_ids_finish(struct net_ids *ids);

/* What a card is looked for by. text: as written. */
struct net_match {
	const char *key; /* of facts_nic_match */
	struct p2v_span value, text;
	const char *path;
	uint32_t line;
};
int net_match(struct facts_nic *nic, const struct net_match *m, struct p2v_err *err);

/* The name that a card with this address is given: an entry of the kind "name". */
int net_pin(struct facts_os *os, struct p2v_span name, struct p2v_span mac, const char *dialect,
	const char *path, struct p2v_err *err);

/* One interface, gathered from one or more texts in which its spans lie. */
struct net_config {
	struct p2v_span name, mac, clone_mac, primary, mode;
	const char *kind; /* NULL: ethernet */
	struct p2v_span gateway, gateway6, netmask;
	struct p2v_span address[NET_MAX_ADDRESSES], mask[NET_MAX_ADDRESSES];
	size_t n_addresses;
	struct p2v_span vlan_id, raw_device; /* of a VLAN */
	struct p2v_span mtu;
	struct p2v_span master; /* that it is a member of */
	const char *master_kind;
	struct p2v_span members[NET_MAX_ADDRESSES];
	size_t n_members;
	struct net_match matches[NET_MAX_MATCHES];
	size_t n_matches;
	bool dhcp, manual;
};

void net_config_address(struct net_config *c, struct p2v_span address, struct p2v_span mask);
void net_config_member(struct net_config *c, struct p2v_span member);
/* Each of them. */
void net_config_members(struct net_config *c, struct p2v_span words);
void net_config_match(struct net_config *c, const char *key, struct p2v_span value,
	struct p2v_span text, const char *path, uint32_t line);
/* teamd.conf(5), in JSON: whether its runner is the one that needs a partner. */
void net_config_team(struct net_config *c, struct p2v_span conf);
/* By the address's family. */
void net_config_gateway(struct net_config *c, struct p2v_span gateway);
/* To the facts; nothing where it names no card and none could be meant. */
int net_config_add(const struct net_config *c, const char *path, const char *dialect,
	struct facts_os *os, struct p2v_err *err);
/* bond, bridge, vlan, ... of the words that files use, in any case; ethernet for unknown ones. */
const char *net_kind_of(struct p2v_span word);

/* Lines "key=value" under lines "[section]"; comments begin with '#' or ';'. A '\' at its end joins
 * a line to the next one. */
struct net_ini {
	struct p2v_span rest;
	struct p2v_span section, key, value; /* value: without quotes around it */
	struct p2v_span text;		     /* the line, without blanks at its ends */
	uint32_t line;	 /* its number, of the first where it stands on several */
	uint32_t joined; /* so many more lines it has */
	bool shell;	 /* set by who reads: a value without quotes ends at a blank */
};
bool net_ini_next(struct net_ini *i);
bool net_is_yes(struct p2v_span value);

/* Files that one interfaces(5) text asks to be read as well. */
struct net_includes {
	char **patterns; /* such as /etc/network/interfaces.d/x* */
	size_t n_patterns;
	char **started; /* names and patterns that "auto" and "allow-" lines bring up */
	size_t n_started;
	char **maps; /* a card's name and the logical name whose configuration it gets, in turn */
	size_t n_maps;
};
void net_includes_finish(struct net_includes *i);

/* A text and where it is from. */
struct net_file {
	const char *path;
	struct p2v_span text;
};

/* The parsers. path: of the file, for facts_nic.path. */
int net_ifupdown_parse(struct p2v_span text, const char *path, struct facts_os *os,
	struct net_includes *includes, struct p2v_err *err);
/* After the last of its files: mappings, and what is brought up at the start. */
int net_ifupdown_end(const struct net_includes *includes, struct facts_os *os, struct p2v_err *err);
/* The file and its drop-ins. */
int net_networkd_parse(
	const struct net_file *files, size_t n_files, struct facts_os *os, struct p2v_err *err);
int net_netdev_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err);
/* ids: of all profiles, whatever kind of file they are in, as masters are told by number, too. */
int net_keyfile_parse(struct p2v_span text, const char *path, const struct net_ids *ids,
	struct facts_os *os, struct p2v_err *err);
int net_keyfile_ids(struct p2v_span text, struct net_ids *ids, struct p2v_err *err);
/* Of several profiles for one interface NetworkManager uses the one with the highest priority, and
 * of these the one that was used last (times: when, by their numbers). To used: the interface and
 * "RANK PATH"; nothing where the profile does not start by itself. */
int net_keyfile_used(struct p2v_span text, const char *path, const struct net_ids *times,
	struct net_ids *used, struct p2v_err *err);
/* The path of the profile that is used instead of this one; empty where none is. */
struct p2v_span net_keyfile_instead(
	struct p2v_span text, const struct net_ids *times, const struct net_ids *used);
int net_keyfile_times(struct p2v_span text, struct net_ids *times, struct p2v_err *err);
/* dialect: ifcfg-rh or ifcfg-suse. */
int net_ifcfg_parse(struct p2v_span text, const char *path, const char *dialect,
	const struct net_ids *ids, struct facts_os *os, struct p2v_err *err);
int net_ifcfg_ids(struct p2v_span text, struct net_ids *ids, struct p2v_err *err);
/* SUSE's list of routes, Red Hat's in ip(8)'s words, or a "GATEWAY=" for all: the default one, for
 * the addresses that reach its gateway. */
int net_routes_parse(struct p2v_span text, struct facts_os *os, struct p2v_err *err);
/* P2V_EFORMAT where it is no YAML. ids: of all files, as they are one configuration. */
int net_netplan_parse(struct p2v_span text, const char *path, const struct net_ids *ids,
	struct facts_os *os, struct p2v_err *err);
int net_netplan_ids(
	struct p2v_span text, const char *path, struct net_ids *ids, struct p2v_err *err);
/* It says anything of the network. */
bool net_netplan_tells(struct p2v_span text);
int net_dhcpcd_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err);
int net_netctl_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err);
/* P2V_EFORMAT where it is no XML. */
int net_wicked_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err);
/* Shell variables: Gentoo's conf.d/net and Slackware's rc.inet1.conf. */
int net_netifrc_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err);
int net_rc_inet1_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err);

/* Files that name a card by its address: .link files, udev rules, iftab(5), ifname= on the kernel's
 * command line. */
int net_link_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err);
int net_rules_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err);
int net_iftab_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err);
int net_cmdline_parse(const char *cmdline, struct facts_os *os, struct p2v_err *err);

/* The rows' functions that need more than "each file of a directory". */
int inspect_ifupdown(struct inspection *in);
/* The files of a directory that fit the pattern, in the order of their names. */
int inspect_each_file(struct inspection *in, const char *dir, const char *pattern,
	int (*read)(struct inspection *in, const char *path, struct p2v_span text));
/* How udev names cards here, and files that bind a driver to a name. */
int inspect_net_naming(struct inspection *in);
/* A place that names hardware; device and stable stay empty. */
int inspect_net_ref(struct inspection *in, const char *what, const char *path, uint32_t line,
	struct p2v_span text);

#endif

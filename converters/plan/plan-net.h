/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_PLAN_PLAN_NET_H
#define CONVERTERS_PLAN_PLAN_NET_H

/*
 * What the files about network cards share: which card each name of the guest is. A card is its
 * index in machine.nics; plan.nics has the same order until the last step.
 */

#include "converters/plan/planning.h"

#define NET_MAX_NAMES 512
#define NET_MAX_CARDS 64
#define NET_NO_CARD   SIZE_MAX

/* A card that the guest configures, by name. */
struct net_name {
	const char *name;
	const struct facts_nic *nic; /* its own configuration; NULL: only a member of another */
	size_t card;		     /* NET_NO_CARD: not found yet */
	const char *why;	     /* how it was found */
	bool guess;		     /* by something that may be otherwise */
	bool unconfigured;	     /* no configuration names it; scripts and the like may */
};

struct net_names {
	struct planning *p;
	struct net_name names[NET_MAX_NAMES];
	size_t n;
};

/* plan-net-names.c: each name that is configured, and whose it is. */
void plan_net_match(struct net_names *m);
/* The name that a card keeps, or NULL. */
const struct net_name *plan_net_name_of(const struct net_names *m, size_t card);
/* The interface's own configuration, whatever the dialect. */
const struct facts_nic *plan_net_find(const struct facts_os *os, const char *name);
/* The card that it is, or that the lowest of its members is. */
size_t plan_net_card_of(const struct net_names *m, const struct facts_nic *nic);
/* Whether what is looked for is true of that card in the old machine. */
bool plan_net_fits(const struct net_names *m, const struct facts_nic_match *match, size_t card);
bool plan_net_all_fit(const struct net_names *m, const struct facts_nic *nic, size_t card);
/* It is called like what is made of cards (bond0, br0): it is none, though nothing says how it is
 * made.
 */
bool plan_net_is_made(const char *name);
bool plan_net_has_arg(const struct planning *p, const char *argument);

/* plan-net-twins.c: of cards with one address all but one get another one in the plan. */
void plan_net_twins(const struct net_names *m);
/* plan-net-pin.c: the .link file of the guest that was the card's, by the order of the files'
 * names; NULL where there was none but systemd's. */
const struct facts_nic *plan_net_old_link(const struct net_names *m, size_t card);
/* The steps by which a card keeps its name. */
void plan_net_pin(const struct net_names *m, const struct net_name *w);
/* plan-net-free.c: what finds cards by the old hardware finds them otherwise. */
void plan_net_free(const struct net_names *m);

/* A match that is one of the new hardware, or has nothing to do with it. */
bool plan_net_is_hardware(const struct facts_nic_match *match);
/* "virtio_net": what udev and the kernel call the driver of the new card. */
const char *plan_net_driver(const struct plan_nic *nic);
const char *plan_net_base(const char *path);
/* A line of a file: other words in the place of text, or a comment where `to` is NULL. */
void plan_net_line(struct planning *p, const char *path, uint32_t line, const char *text,
	const char *to, const char *reason);
/* '*', '?' and '[a-z]' as in fnmatch(3); any of several patterns with blanks or ';' between. */
bool plan_net_glob(const char *pattern, size_t n, const char *text);
bool plan_net_any_glob(const char *patterns, const char *text);

#endif

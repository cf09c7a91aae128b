/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_UI_NET_H
#define AGENT_UI_NET_H

/*
 * Brings the network of the booted machine up, as the settings say, with the tools on the medium:
 * ip(8) of iproute2, and udhcpc, which stays behind and renews the lease.
 */

#include "agent/ui/settings.h"
#include "p2v/core/err.h"
#include "p2v/model/machine.h"

/*
 * ret_what: "eth0 10.0.0.7/24", malloc'd. say is called with what is being tried. P2V_ELINK names
 * each card with what it lacks: a cable, or an answer to DHCP.
 */
int ui_net_up(const struct ui_settings *s, const struct machine *m,
	void (*say)(void *ctx, const char *text), void *ctx, char **ret_what, struct p2v_err *err);

/* "active-backup:eth0,eth1": the mode, and the cards in the order given. */
struct ui_bond {
	char *mode;
	char **cards;
	size_t n_cards;
};
int ui_bond_parse(const char *text, struct ui_bond *ret, struct p2v_err *err);
void ui_bond_finish(struct ui_bond *b);

#endif

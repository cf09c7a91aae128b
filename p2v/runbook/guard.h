/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_RUNBOOK_GUARD_H
#define P2V_RUNBOOK_GUARD_H

/*
 * Two machines with one address take each other off the network. Before a virtual machine is
 * handed over its physical one must not answer any more: nobody may have its addresses (asked by
 * ARP, RFC 5227, and by neighbour discovery, RFC 4861), and no frame may come from its cards'
 * addresses. The link-local address that such a card would make for itself is asked for, too.
 *
 * One broadcast domain is asked, that of the interface. A machine that drops these questions and is
 * quiet is not seen.
 */

#include <stddef.h>

#include "p2v/core/err.h"

struct guard_question {
	char **macs; /* aa:bb:cc:dd:ee:ff */
	size_t n_macs;
	char **addresses; /* IPv4 or IPv6, a prefix length behind it or not */
	size_t n_addresses;
};
void guard_question_finish(struct guard_question *q);
#define guard_auto_question __attribute__((cleanup(guard_question_finish)))

/*
 * Takes some seconds. *ret_who: who answers, in words ("192.0.2.10 is at 00:1b:21:aa:bb:01"), and
 * NULL where nobody does; malloc'd. P2V_EREFUSED: this user may not ask (CAP_NET_RAW);
 * P2V_ENOTFOUND: there is no such interface; P2V_EUNSUPPORTED: it is none of Ethernet; P2V_EIO: it
 * is down. P2V_EINVAL: there is nothing to ask for.
 */
int guard_ask(
	const char *interface, const struct guard_question *q, char **ret_who, struct p2v_err *err);

/* What one frame that came says of it, in the same words; NULL: nothing, or no memory. */
char *guard_hear(const struct guard_question *q, const void *frame, size_t n);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_PROVE_SERVICE_H
#define P2V_PROVE_SERVICE_H

/*
 * What its owner wants to answer on the isolated wire before the machine counts as proven: a TCP
 * port, or an HTTP status. Asked at the machine's first untagged IPv4 address (where it has none of
 * its own: at the one that the user network gives it), by way of a forward from loopback. Whether a
 * port is open is read from the frames: QEMU accepts by itself. HTTP is asked with curl(1).
 */

#include <stdbool.h>
#include <stdint.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"
#include "p2v/model/orders.h"

struct prove_service {
	const struct orders_check *wanted;
	uint16_t port; /* the guest's */
	uint16_t near; /* that leads there, on loopback */
	int fd;	       /* the connection that is under way, or -1 */
	bool ok;
	char seen[160]; /* the answer, or why there is none yet */
};

/* n of them, to be freed by prove_services_free. */
int prove_services_new(const struct orders_check *wanted, size_t n, struct prove_service **ret,
	struct p2v_err *err);
void prove_services_free(struct prove_service *services, size_t n);
/* Appends their forwards to a user network's options. address: the guest's, or "". */
void prove_services_forward(
	const struct prove_service *services, size_t n, const char *address, struct p2v_buf *out);
/* Asks once; open: the guest has accepted a connection to the port. */
void prove_service_ask(struct prove_service *service, bool open);
bool prove_services_missing(const struct prove_service *services, size_t n);

/* A port of loopback that nobody has now. It is let go and QEMU takes it a moment later. */
int prove_port_find(uint16_t *ret, struct p2v_err *err);

#endif

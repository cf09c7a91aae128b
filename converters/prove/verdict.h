/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_PROVE_VERDICT_H
#define P2V_PROVE_VERDICT_H

/*
 * From what was seen to checks and a verdict: no input, no clock. What each check and verdict
 * means: converters/prove/prove.h.
 */

#include "converters/prove/console.h"
#include "converters/prove/picture.h"
#include "converters/prove/vm.h"
#include "p2v/model/proof.h"

struct prove_sights {
	const struct prove_console *serial, *screen;
	/* A Windows' pictures, read; else NULL. ground: of the last one. */
	const struct prove_console *picture;
	struct prove_ground ground;
	bool unread;   /* there is nothing here to read them with */
	uint64_t stop; /* the number of its crash, 0: not known */
	const struct prove_service *services;
	size_t n_services;
	uint64_t writes, flushes; /* of all disks together */
	bool agent;
	bool locked;		   /* a passphrase is asked for that nobody has */
	bool panicked, reset_loop; /* as QEMU says */
	bool ended, timed_out;
};

/* Fills verdict, reason and checks of an empty proof. */
int prove_verdict(const struct prove_sights *sights, const struct output *output,
	const struct prove_nic *nics, size_t n_nics, struct proof *proof, struct p2v_err *err);

/* A known failure was recognised: waiting changes nothing. */
bool prove_has_failed(const struct prove_sights *sights);

/* It has come as far as a login. */
bool prove_has_login(const struct prove_sights *sights);

/* Disk and every static address hold: it runs, whatever else is missing. */
bool prove_is_up(const struct proof *proof);

#endif

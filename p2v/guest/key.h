/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_GUEST_KEY_H
#define P2V_GUEST_KEY_H

/*
 * Keys of encrypted volumes, as an operator names them. SELECTOR is a device in the door's terms, a
 * volume's UUID, or "all".
 *
 *	SELECTOR:file:PATH      a host file that holds the passphrase
 *	SELECTOR:command:NAME   a program of GUEST_KEY_PROGRAMS, which the administrator puts there;
 *or, with a slash in it, any one. It is given SELECTOR and prints the passphrase.
 *
 * A newline at its end is none of the passphrase's. Keys are kept in memory only, and wiped.
 */

#include <stddef.h>

#include "p2v/core/err.h"
#include "p2v/guest/guest.h"

#define GUEST_KEY_MAX_BYTES 8192
#define GUEST_KEY_PROGRAMS  "/etc/p2v/keys.d"

struct guest_keys {
	struct guest_key *items;
	size_t n_items;
};

/* P2V_EINVAL: a text is not of that form, or what it names is empty or holds a NUL, which
 * libguestfs cannot pass on. The error names the file or program and never holds a key. */
int guest_keys_load(
	const char *const *texts, size_t n_texts, struct guest_keys *ret, struct p2v_err *err);
void guest_keys_finish(struct guest_keys *keys);

#define guest_auto_keys __attribute__((cleanup(guest_keys_finish)))

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_GUEST_KEY_H
#define P2V_GUEST_KEY_H

/*
 * Keys of encrypted volumes, as an operator names them: SELECTOR:file:PATH. SELECTOR is a device in
 * the door's terms, a volume's UUID, or "all"; PATH is a host file that holds the passphrase,
 * without the newline that an editor puts at its end. Keys are kept in memory only, and wiped.
 */

#include <stddef.h>

#include "p2v/core/err.h"
#include "p2v/guest/guest.h"

#define GUEST_KEY_MAX_BYTES 8192

struct guest_keys {
	struct guest_key *items;
	size_t n_items;
};

/* P2V_EINVAL: a text is not of that form, or its file is empty or holds a NUL, which libguestfs
 * cannot pass on. The error names the file and never holds a key. */
int guest_keys_load(
	const char *const *texts, size_t n_texts, struct guest_keys *ret, struct p2v_err *err);
void guest_keys_finish(struct guest_keys *keys);

#define guest_auto_keys __attribute__((cleanup(guest_keys_finish)))

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_PROVE_PROVE_H
#define P2V_PROVE_PROVE_H

/*
 * Boots an output and says what was seen.
 *
 * The machine is the one that was handed over (converters/emit/qemu.h), on a throw-away overlay:
 * the output is never opened writable. No frame leaves QEMU: the user network is restricted and has
 * the shape of the guest's own subnet. It gets at most half of this host's memory and no more
 * processors than the host has.
 *
 * Checks, by name (struct proof_check); one `network` and one `answer` per static address:
 *	kernel       the kernel speaks on the serial port
 *	root         a root file system on a disk of the expected bus is mounted
 *	login        a login prompt, on the serial port or on the text screen
 *	disk-driver  the guest's own driver wrote to its disk (a boot loader only reads)
 *	network      the guest announces the address on the card's wire
 *	answer       it answers a TCP connection to port 22, be it with a refusal
 *	service      what its orders want to answer does: a TCP port, an HTTP status (service.h)
 *	dhcp         a card asks for an address; required where the guest is set to, and of the
 *	             first card where neither an address nor that is known of any
 *	agent        the guest agent answers; never required
 *
 * A later stage is evidence for an earlier one where the guest keeps quiet (`quiet` on the kernel's
 * command line): a login prompt means a kernel, and with writes on its only disks, a root.
 *
 * An encrypted volume's passphrase is typed where the guest asks for it on its serial line; one
 *that nobody gave, or that is asked for again and again, is a failure with that reason.
 *
 * failed: a known failure was recognised (panic, rescue shell, ...: its name is the reason), QEMU
 * ended, nothing shows that an operating system runs, or a static address never came up.
 * partial: it runs, something required was not seen: a guest without a serial console whose disk
 * and network work; one whose firewall drops the connection.
 */

#include <stdint.h>

#include "p2v/core/progress.h"
#include "p2v/model/orders.h"
#include "p2v/model/output.h"
#include "p2v/model/proof.h"

struct prove_options {
	const char *accel;   /* "kvm" or "tcg" */
	uint32_t timeout_ms; /* 0: 180 s with kvm, 600 s with tcg */
	/* Typed in turn where the serial line asks for the passphrase of an encrypted volume. */
	const char *const *passphrases;
	size_t n_passphrases;
	const struct orders_check *checks; /* what has to answer before it is proven */
	size_t n_checks;
};

/* Writes DIR/proof/ and, last, DIR/proof.json. A verdict of any kind is success (0); an error means
 * that there is none: QEMU cannot be started, or the run was interrupted (P2V_ECANCELED). QEMU and
 * the overlay are gone when it returns. The job directory is locked by the caller. */
int prove_run(const char *dir, const struct output *output, const struct prove_options *options,
	struct p2v_progress *progress, struct proof *ret, struct p2v_err *err);

#endif

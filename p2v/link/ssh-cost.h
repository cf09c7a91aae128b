/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_LINK_SSH_COST_H
#define P2V_LINK_SSH_COST_H

/*
 * What encrypting costs on this processor, in nanoseconds a byte: measured once a process, in about
 * 20 ms, on packets as SSH has them. For ssh*.c alone.
 */
struct ssh_cost {
	double aes_ctr_hmac, aes_gcm, chacha;
};

const struct ssh_cost *ssh_cost_measure(void);

#endif

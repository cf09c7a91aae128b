/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_GUEST_ACCEL_H
#define P2V_GUEST_ACCEL_H

/*
 * Which accelerator this host can really use. A /dev/kvm that is there may still hang an ordinary
 * guest, so a kernel is booted under it for some seconds, and its own text on the serial line
 * is the proof. The answer is kept in a file, so that the trial costs its seconds once; another
 * host kernel, another boot of it, another QEMU or another permission on /dev/kvm tries again.
 *
 * P2V_ACCEL=kvm|tcg in the environment overrides.
 */

#include <stdbool.h>
#include <stdint.h>

#include "p2v/core/err.h"

enum guest_accel { GUEST_ACCEL_TCG, GUEST_ACCEL_KVM };

struct guest_accel_result {
	enum guest_accel accel;
	char reason[256];  /* "a kernel booted under KVM", "/dev/kvm is there but ...", ... */
	uint32_t tried_ms; /* how long the trial took, now or when the answer was found; 0: none */
	bool cached;	   /* the answer comes from the file */
};

/* The answer; tries where none is known. Fails only on misuse (P2V_ACCEL holds another word). */
int guest_accel_find(struct guest_accel_result *ret, struct p2v_err *err);
/* Tries now and keeps the new answer, whatever the file says. */
int guest_accel_retry(struct guest_accel_result *ret, struct p2v_err *err);

const char *guest_accel_word(enum guest_accel accel); /* "kvm", "tcg": QEMU's words */

#endif

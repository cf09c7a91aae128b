/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_EMIT_QEMU_H
#define P2V_EMIT_QEMU_H

/*
 * QEMU's arguments for an output: the start script prints them and the proof runs them.
 *
 * What is here is the machine. The caller adds the accelerator, the display and the far ends of two
 * character devices that the machine refers to: serial0 (first serial port) and agent0 (the
 * guest agent's channel). Other ids: disk<i> (its block node is disk<i>-node), net<i>, nic<i>.
 */

#include <stdbool.h>
#include <stdint.h>

#include "converters/emit/argv.h"
#include "converters/emit/firmware.h"
#include "p2v/core/buf.h"
#include "p2v/model/machine.h"
#include "p2v/model/output.h"

struct emit_qemu {
	const struct output *output;
	const struct machine *machine; /* for SMBIOS, or NULL */
	const char *const *disk_files; /* one per disk */
	const char *disk_format;       /* of all of them, or NULL: what output says */
	struct emit_firmware firmware;
	const char *nvram_file;	 /* UEFI: the variable store to use */
	uint64_t max_memory_mib; /* 0: no limit but the output's own size */
	unsigned max_cpus;
	bool kvm;      /* is sure, and with it what only KVM can show: Hyper-V's interfaces */
	bool isolated; /* no way out of the user network */
	const char *const *net_options; /* one per card, "" or ",hostfwd=..."; or NULL */
	const int *net_peers; /* one per card: a datagram socket, each datagram a frame, whose far
				 end hangs on the card's wire, too; -1: none; or NULL */
};

/* Appends -cpu's value where there is KVM: Hyper-V's interfaces, by libvirt's names, which QEMU
 * shares. An emulated processor has none, and QEMU refuses them then. */
int emit_qemu_hyperv(const struct output *output, struct p2v_buf *out, struct p2v_err *err);
/* Appends to argv, which starts with the caller's program. */
int emit_qemu_args(const struct emit_qemu *qemu, struct emit_argv *argv, struct p2v_err *err);

/* text as the value of a QEMU option: commas doubled, control characters replaced; malloc'd, NULL
 * only for want of memory. */
char *emit_qemu_value(const char *text);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_PROVE_VM_H
#define P2V_PROVE_VM_H

/*
 * The machine as it runs for the proof: one QEMU process, and what it leaves.
 *
 *	p2v ---- socket pair ---- QMP                 DIR/work/prove/   overlays, variable store
 *	    ---- socket pair ---- serial port   --->  DIR/proof/serial.log (at most 8 MiB)
 *	    ---- socket pair ---- guest agent
 *	    ---- TCP 127.0.0.1:port ---- user network --.-- guest:22
 *	    ---- socket pair, tagged frames ------------'
 *	                                 `--------->  DIR/proof/wire.pcap, wire1.pcap, ...
 *
 * There is no listening socket but the loopback ports, and no file outside of the job directory.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "converters/prove/console.h"
#include "converters/prove/picture.h"
#include "converters/prove/qmp.h"
#include "converters/prove/service.h"
#include "converters/prove/wire.h"
#include "p2v/model/machine.h"
#include "p2v/model/output.h"

struct prove_probe {
	size_t nic, address; /* in vm->nics[nic].wire.addresses */
	uint16_t port;	     /* on loopback */
	int fd;		     /* the connection that is under way, or -1 */
};

struct prove_nic {
	struct prove_wire wire;
	char *pcap;
	int fd;		     /* reads pcap; -1 until QEMU has made it */
	struct p2v_buf rest; /* a record that is not complete yet */
	uint64_t bytes;
	bool muted;
	int peer_fd; /* where frames go onto its wire, one a datagram; -1: no address has a tag */
	int far_fd;  /* the other end, until QEMU has it */
};

struct prove_vm {
	const struct output *output;
	char *dir, *work, *proof; /* absolute */
	pid_t pid;		  /* 0: not running */
	struct prove_qmp qmp;
	int serial_fd, agent_fd, log_fd, errors_fd;
	uint64_t logged_bytes;
	struct prove_console serial, screen, picture;
	struct prove_ground ground; /* of the last picture */
	uint64_t picture_digest;
	struct prove_nic *nics;
	size_t n_nics;
	struct prove_probe *probes;
	size_t n_probes;
	struct prove_service *services;
	size_t n_services;
};

/* Prepares and starts. vm is finished by the caller in any case. wanted: what is to answer once it
 * runs; lives as long as vm. */
int prove_vm_start(struct prove_vm *vm, const char *dir, const struct output *output,
	const char *accel, const struct orders_check *wanted, size_t n_wanted, struct p2v_err *err);
/* Stops QEMU and removes the overlays; logs and dumps stay. Zero-initialised is fine. */
void prove_vm_finish(struct prove_vm *vm);

/* After P2V_ELINK (r): P2V_EIO with what QEMU said last, or r and err as they are. */
int prove_vm_blame(struct prove_vm *vm, int r, struct p2v_err *err);

/* Reads what the serial port and QMP have to say, for at most wait_ms. P2V_ELINK where QEMU ended.
 */
int prove_vm_listen(struct prove_vm *vm, int wait_ms, struct p2v_err *err);
/* Reads the new frames of each card. */
int prove_vm_read_wires(struct prove_vm *vm, struct p2v_err *err);
/* Knocks at each address that has not answered yet, which makes QEMU ask for it by ARP; in a VLAN
 * we ask. */
void prove_vm_knock(struct prove_vm *vm);
/* Asks for each service that has not answered as it should. */
void prove_vm_ask_services(struct prove_vm *vm);
/* Reads the text screen. */
int prove_vm_read_screen(struct prove_vm *vm, struct p2v_err *err);
int prove_vm_screenshot(struct prove_vm *vm, struct p2v_err *err);
/* Takes a picture of the screen, and where it is another one than before, has its words read: by
 * tesseract, which may take seconds; without it only its colour is known. */
int prove_vm_read_picture(struct prove_vm *vm, struct p2v_err *err);
/* Types a line on the serial port. What the guest does not take is lost. */
void prove_vm_type(struct prove_vm *vm, const char *line);
/* Asks the guest agent; true where it has answered since the start. */
bool prove_vm_agent(struct prove_vm *vm);

#endif

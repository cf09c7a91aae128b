/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CLI_LSBLK_H
#define P2V_CLI_LSBLK_H

/*
 * What lsblk(8) of a running machine says, as the storage that a guest door would list. lsblk -P
 * prints a line for each device: KEY="value" pairs, with \xNN for bytes that would not be plain.
 *
 * The machine's own names become the door's: the k-th disk is /dev/sda, /dev/sdb, ... with its
 * partitions by their numbers; volumes are /dev/VG/LV, md arrays and opened volumes keep theirs.
 * Optical drives, loop devices, zram and disks on USB are no disks of the machine.
 */

#include "p2v/core/err.h"
#include "p2v/core/span.h"
#include "p2v/guest/guest.h"

/* The command that prints it, for people and for p2v_proc_run; NULL-terminated. */
extern const char *const cli_lsblk_argv[];

/* ret_root: the device whose file system is mounted on "/" ("" where none is); malloc'd.
 * P2V_EFORMAT: this is no output of lsblk -P. */
int cli_lsblk_parse(
	struct p2v_span text, struct guest_storage *ret, char **ret_root, struct p2v_err *err);

#endif

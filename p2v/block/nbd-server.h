/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_BLOCK_NBD_SERVER_H
#define P2V_BLOCK_NBD_SERVER_H

/*
 * A qemu-storage-daemon of our own that serves one image on a private Unix socket. For io-nbd.c
 * alone.
 *
 * The listening socket is made here and handed down, so connecting never has to wait or poll for
 * the daemon: a connection stands in the queue until it is ready, and is reset if it dies before.
 * A snapshot within an image is served by qemu-nbd, which takes no socket: it is waited for.
 */

#include <sys/types.h>

#include "p2v/block/io.h"
#include "p2v/core/err.h"

struct nbd_server {
	pid_t pid;	   /* 0: none */
	int stderr_fd;	   /* what it wrote to its stderr; -1: none */
	char *dir;	   /* private directory of the socket, until hidden */
	char *socket_path; /* until hidden */
};

void nbd_server_init(struct nbd_server *s);
/* On failure s still wants nbd_server_stop. */
int nbd_server_start(
	struct nbd_server *s, const struct block_io_nbd_spec *spec, struct p2v_err *err);
/* Removes the socket from the file system: nobody else can connect any more. */
void nbd_server_hide(struct nbd_server *s);
/* Adds the last line that the daemon wrote to its stderr, if any; returns kind. */
int nbd_server_explain(struct nbd_server *s, int kind, struct p2v_err *err);
/* Ends it in order (it writes back its caches), waits for that; harmless where there is none. */
void nbd_server_stop(struct nbd_server *s);

#endif

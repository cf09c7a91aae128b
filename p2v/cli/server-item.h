/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CLI_SERVER_ITEM_H
#define P2V_CLI_SERVER_ITEM_H

/*
 * What a conversion server consists of beside the programs: directories and files, each a row. `p2v
 * server init` makes them, `p2v server check` looks whether they are as init makes them.
 */

#include <stdbool.h>
#include <stdint.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"

#define SERVER_USER "p2v"
/* The keys that root keeps by hand, and those of 'p2v key'. */
#define SERVER_KEYS_ROOT   "/etc/p2v/authorized_keys"
#define SERVER_KEYS_OURS   "/var/lib/p2v/authorized_keys"
#define SERVER_SSHD_CONFIG "/etc/p2v/sshd_config"

struct server_place {
	const char *root; /* below which all of it lies; "" is this host */
	const char *base; /* of the job directories */
	const char *bin;  /* where p2v and p2v-recv are */
	const char *sbin; /* where p2vd is */
	uint64_t port;	  /* of a sshd of our own; 0: the host's is used */
};

enum server_state { SERVER_FINE, SERVER_MISSING, SERVER_DIFFERS };

struct server_item {
	const char *path; /* "{base}" stands for that */
	unsigned mode;
	bool ours;	  /* belongs to the user p2v, else to root */
	const char *text; /* of a file; NULL: a directory. {base}, {bin}, ... are filled in */
	/* What is there stays, whatever it says: it is the administrator's. */
	bool theirs;
	bool own_sshd; /* only where there is a port */
};
extern const struct server_item server_items[];
extern const size_t server_n_items;

/* Whether this item is to be there at all. */
bool server_item_wanted(const struct server_place *place, const struct server_item *item);
/* Its path, with the root; malloc'd, NULL for want of memory. */
char *server_item_path(const struct server_place *place, const struct server_item *item);
int server_item_look(const struct server_place *place, const struct server_item *item,
	enum server_state *ret, struct p2v_err *err);
/* ret: what was found before; fine: nothing was done. The user has to be there where it is not for
 * another root. */
int server_item_make(const struct server_place *place, const struct server_item *item,
	enum server_state *ret, struct p2v_err *err);

#endif

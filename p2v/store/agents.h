/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_STORE_AGENTS_H
#define P2V_STORE_AGENTS_H

/*
 * Machines that ask to be let in, or wait to be told what they are called; and those that were.
 * One file each in BASE/.agents; p2v/wire/PROTOCOL.md, "Enrolment", says what it is all for.
 *
 *	its key is not known here   has a code, which its own screens show and nobody else is told;
 *	                            who lets it in says the code, and by that means this machine
 *	its key is known            waits for a name; who gives it one picks it from the list
 *
 * What a machine says of itself is foreign text: cut, and without control characters. Files change
 * under a lock of the directory; times are seconds since 1970.
 */

#include <stdbool.h>
#include <stdint.h>

#include "p2v/core/json.h"
#include "p2v/model/machine.h"

#define STORE_AGENTS_DIR	".agents"
#define STORE_AGENTS_WAITING	128	/* so many wait at once */
#define STORE_AGENTS_ONE_PLACE	32	/* of them from one address */
#define STORE_AGENTS_ALL	1024	/* waiting or let in */
#define STORE_AGENTS_AWAY_S	900	/* one that is not connected is forgotten then */
#define STORE_AGENTS_CODE_S	86400	/* a code is good for so long */
#define STORE_AGENTS_ENROLLED_S 2592000 /* a key that was let in, unless told: 30 days */

struct store_agent {
	uint32_t version; /* 1 */
	char *id;	  /* eight hexadecimal digits; the name of its file */
	char *key;	  /* "ssh-ed25519 AAAA..."; NULL: it is known here without that */
	char *code;	  /* "K7QF-2M4D", while its key waits; NULL */
	char *wants;	  /* the name that it gave itself */
	char *name;	  /* the name that people gave it; NULL: it waits */
	char *vendor, *product, *serial, *uuid;
	char **macs, **disks; /* disks: "/dev/sda 146 GiB PERC" */
	size_t n_macs, n_disks;
	char *address; /* where it calls from, or NULL */
	uint64_t asked_s, decided_s;
	uint64_t until_s; /* its key is good until then; 0: no end */
	char *by;	  /* who decided */
	bool new_key;	  /* it has a key that was not known here */
	bool there;	  /* it is connected now */
};

struct store_agents {
	uint32_t version; /* 1 */
	struct store_agent *agents;
	size_t n_agents;
};

/* Without key and code: for all who may look. */
extern const struct p2v_json_type store_agent_type, store_agents_type;

void store_agent_finish(struct store_agent *agent);
void store_agents_finish(struct store_agents *agents);
#define p2v_auto_agent	__attribute__((cleanup(store_agent_finish)))
#define p2v_auto_agents __attribute__((cleanup(store_agents_finish)))

/* ---- the machine's side ---- */

/* It asks, or asks again: what is known of it. P2V_EREFUSED: too many ask, or its key was let in
 * for another machine. key: NULL where it is known; address: or NULL. */
int store_agents_ask(const char *base, const struct machine *m, const char *key,
	const char *address, struct store_agent *ret, struct p2v_err *err);
/* "It is still there." */
void store_agents_touch(const char *base, const char *id);
/* P2V_ENOTFOUND: it was dropped, or its time is over. */
int store_agents_look(
	const char *base, const char *id, struct store_agent *ret, struct p2v_err *err);
/* Who has the key; P2V_ENOTFOUND where it was not let in, or its time is over. */
int store_agents_of_key(
	const char *base, const char *key, struct store_agent *ret, struct p2v_err *err);

/* ---- people's side ---- */

/* Those that wait first, then those that were let in; both by their time. */
int store_agents_list(const char *base, struct store_agents *ret, struct p2v_err *err);
/* The one whose screen shows the code (case, dashes, 0 and O, 1 and I do not matter). name: NULL:
 * the one that it wants. An earlier key of the same machine ends. P2V_ENOTFOUND: no such code
 * waits; P2V_EREFUSED: the name is another machine's. */
int store_agents_enroll(const char *base, const char *code, const char *name, uint64_t for_s,
	const char *who, struct store_agent *ret, struct p2v_err *err);
/* which: id, serial number, UUID, address of a card or wanted name of one that waits and whose key
 * is known. P2V_EREFUSED: of several, or of one whose key is not. */
int store_agents_assign(const char *base, const char *which, const char *name, const char *who,
	struct store_agent *ret, struct p2v_err *err);
/* By the same words, or by the name that it was given. It has to ask again. */
int store_agents_drop(
	const char *base, const char *which, struct store_agent *ret, struct p2v_err *err);

/* ---- the door: whether machines with unknown keys may ask at all ---- */

struct store_door {
	uint32_t version;
	uint64_t until_s; /* 0, or in the past: it is shut */
	char *from;	  /* addresses, as authorized_keys has them; NULL: all */
};
extern const struct p2v_json_type store_door_type;

/* One that is not there is shut. */
int store_agents_door(const char *base, struct store_door *ret, struct p2v_err *err);
/* from: characters of addresses and patterns only, else P2V_EINVAL. for_s 0 shuts it. */
int store_agents_door_set(const char *base, uint64_t for_s, const char *from, struct p2v_err *err);
bool store_agents_door_open(const struct store_door *door);

#endif

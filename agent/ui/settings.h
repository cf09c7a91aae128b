/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_UI_SETTINGS_H
#define AGENT_UI_SETTINGS_H

/*
 * What a machine that was booted from the medium is told to do: one table of names, and three
 * places where they are said. The same table is the parser, the --help text and the manual page.
 *
 *	the kernel command line    p2v.server=p2v@10.0.0.5 p2v.refresh
 *	a file                     the same words, on one line or many; "p2v." may be left out
 *	this program's options     --server=p2v@10.0.0.5 --refresh
 *
 * A file may speak to some machines only. Behind [mac 00:1b:21:aa:bb:01], [serial 7B5TM12] or
 * [uuid 4c4c4544-...] it does, until the next such line; [all] ends it. '#' begins a comment where
 * a word could begin. A blank inside a value is put between double quotes, as the kernel has it:
 * p2v.name="a b" or "p2v.name=a b".
 *
 * Each layer that says a name replaces what lower layers said of it. An empty value ("p2v.limit=")
 * takes back what a lower layer said; for a flag, "=no" does, "=yes" is the bare word.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/err.h"
#include "p2v/core/opt.h"
#include "p2v/core/span.h"
#include "p2v/model/machine.h"

struct ui_settings {
	/* where to */
	const char *server, *identity, *known_hosts, *host_key;
	/* what */
	const char *name;
	const char **disks;
	size_t n_disks;
	bool refresh, rescue, assign;
	const char *link, *compress;
	uint64_t limit_bytes;
	/* by which way */
	const char *interface, *address, *gateway, *dns, *bond;
	uint64_t vlan;
	/* more settings */
	const char *config, *config_digest, *config_key;
	/* when, and what then */
	const char *start, *until, *after, *on_failure;
	uint64_t delay_s, retry_s;
	/* `p2v-boot MODE [DIR]` */
	const char **operands;
	size_t n_operands;
	/* Owned: what the texts above point into. */
	char **words;
	size_t n_words;
};

extern const struct p2v_cmd ui_settings_cmd;

/* What was said so far, by which layer. Zeroed: nothing. */
struct ui_said {
	struct ui_saying {
		char *name;
		char *value; /* NULL: taken back */
		unsigned layer;
	} * items;
	size_t n_items;
	unsigned layer;	  /* of the one that was added last */
	bool tells_apart; /* some files speak to single machines */
	bool told;	  /* and one of them to this one */
};

/* Adds a layer on top. what: its name in error sentences ("kernel command line"). An unknown name,
 * a value that cannot be, an unknown kind of machine, a quote that does not end, or a command line
 * that is as long as the kernel keeps it (so its end is lost) is P2V_EINVAL, and nothing is added.
 */
int ui_said_add_cmdline(
	struct ui_said *said, const char *what, struct p2v_span text, struct p2v_err *err);
/* m: who reads it, or NULL to take the part for all machines only. */
int ui_said_add_file(struct ui_said *said, const char *what, struct p2v_span text,
	const struct machine *m, struct p2v_err *err);
/* "name=value" on top of what the topmost layer says. */
int ui_said_add_word(struct ui_said *said, const char *word, struct p2v_err *err);
void ui_said_finish(struct ui_said *said);
#define ui_autosaid __attribute__((cleanup(ui_said_finish)))

/* What holds in the end, with argv (of main) as the top layer, and the defaults at the bottom.
 * 1: help was printed. */
int ui_settings_resolve(const struct ui_said *said, int argc, char **argv, struct ui_settings *ret,
	struct p2v_err *err);
void ui_settings_finish(struct ui_settings *s);
#define ui_auto_settings __attribute__((cleanup(ui_settings_finish)))

/* Whether the value can be one of that setting, with both in the sentence and what would be right.
 * A setting without a form, or one that is not there, takes any. */
int ui_setting_check(const char *setting, const char *value, struct p2v_err *err);

/* NULL where a transfer can start; else what is missing ("p2v.server"). */
const char *ui_settings_missing(const struct ui_settings *s);

#endif

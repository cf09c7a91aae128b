/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_INSPECT_WINDOWS_H
#define CONVERTERS_INSPECT_WINDOWS_H

/*
 * A Windows under inspection: its hives are open, its root is mounted. The parts are the rows of a
 * table in windows.c. A value that is missing is no error; one that is not what it should be is a
 * note, and counts as missing.
 */

#include "converters/inspect/inspection.h"
#include "p2v/guest/hive.h"

struct windows {
	struct inspection *in;
	struct facts_windows *w;
	struct guest_hive *system;   /* never NULL */
	struct guest_hive *software; /* NULL where there is none */
	char *set;		     /* the control set in use: "ControlSet001" */
};

/* "/Windows" or what it is called, malloc'd; NULL where there is none. P2V_ENOMEM and a medium that
 * failed are errors. */
int inspect_windows_dir(struct guest *g, char **ret, struct p2v_err *err);
/* The guest's root is mounted: fills os (zeroed, root set). It may be unmounted and mounted again
 * to look at the EFI system partition. */
int inspect_windows(struct guest *g, struct facts *facts, struct facts_os *os, struct p2v_err *err);

int windows_version(struct windows *win);
int windows_drivers(struct windows *win);
int windows_state(struct windows *win);
int windows_agents(struct windows *win);
int windows_network(struct windows *win);
int windows_boot(struct windows *win);

/* Where the file of a driver that came with XP or 2003 can be had, which its setup did not install:
 * malloc'd, or NULL. */
char *windows_source(struct windows *win, const char *driver);

/* An adapter's IPv6. class_key: of its driver's settings, or NULL. */
int windows_network6(
	struct windows *win, struct facts_nic *nic, const char *guid, const char *class_key);
/* Where the card is plugged in, as Linux calls it; instance: its key below Enum. */
int windows_network_slot(struct windows *win, struct facts_nic *nic, const char *instance);
/* Once all adapters are known: the cards of a team. */
int windows_network_team(struct windows *win);
int windows_add_address(struct windows *win, struct facts_nic *nic, const char *method,
	const char *address, const char *gateway);
/* What the key's NameServer lists. */
int windows_add_dns(struct windows *win, struct facts_nic *nic, const char *key);

/* Values, by printf of a key; h may be NULL. Text: malloc'd, or NULL. */
char *windows_text(struct windows *win, struct guest_hive *h, const char *key, const char *name);
uint32_t windows_u32(struct windows *win, struct guest_hive *h, const char *key, const char *name,
	uint32_t otherwise);
void windows_texts(struct windows *win, struct guest_hive *h, const char *key, const char *name,
	struct guest_hive_names *ret);
/* "ControlSet001\\REST", malloc'd; NULL for want of memory. */
char *windows_key(const struct windows *win, const char *rest);
/* "/Windows/REST" as its directories spell it; malloc'd, NULL on failure. */
char *windows_path(struct windows *win, const char *rest);

#endif

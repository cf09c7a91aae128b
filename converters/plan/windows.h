/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONVERTERS_PLAN_WINDOWS_H
#define CONVERTERS_PLAN_WINDOWS_H

/*
 * The rules for Windows, and what their files share. They take the place of those for Linux: plan.c
 * has both tables.
 */

#include "converters/plan/planning.h"

void plan_windows_check(struct planning *p);   /* what stands in the way, and what may */
void plan_windows_devices(struct planning *p); /* machine type, disk bus, network model */
void plan_windows_storage(struct planning *p); /* drivers that a boot needs */
void plan_windows_tidy(struct planning *p);    /* what belongs to the old hardware */
void plan_windows_network(struct planning *p);
void plan_windows_first_boot(struct planning *p); /* what Windows itself has to do */
void plan_windows_boot(struct planning *p);	  /* the removable path */
void plan_windows_board(struct planning *p);	  /* what the hypervisor shows to Windows */
void plan_windows_grade(struct planning *p);

static inline const struct facts_windows *plan_windows(const struct planning *p)
{
	return p->os->windows;
}

/* NT's version as one number: 601 is 6.1 (7 and 2008 R2). */
static inline uint32_t plan_windows_version(const struct planning *p)
{
	return plan_windows(p)->major * 100 + plan_windows(p)->minor;
}

/* The chosen medium's driver of that name that can be used; NULL: none. */
const struct target_driver *plan_windows_offer(const struct planning *p, const char *name);
/* Every control set that may be booted has the driver, with its file. */
bool plan_windows_has(const struct planning *p, const char *name);
/* ... and starts it at boot. */
bool plan_windows_boots(const struct planning *p, const char *name);
/* Its drivers are in the guest itself or on the medium, and are to be put there. */
bool plan_windows_installs(const struct planning *p);

/* The static settings of a network card that the guest had, and which card of the virtual machine
 * gets them. */
struct windows_lease {
	const struct facts_nic *from;
	struct plan_nic *to; /* NULL: nobody knows */
};
#define PLAN_WINDOWS_MAX_NICS ((size_t)32)
size_t plan_windows_leases(
	const struct planning *p, struct windows_lease ret[PLAN_WINDOWS_MAX_NICS]);
/* A lease before that one gives the same card that address; address: NULL for any static one of
 * IPv4. */
bool plan_windows_is_given(
	const struct windows_lease *leases, size_t at, const struct facts_address *address);

/*
 * The step hive-edit (converters/apply/editors.h); arguments are added to the last step. name: the
 * hive's file. set: a control set, or "" for a key from the root; its parts are joined by '\\'.
 */
void plan_hive_step(struct planning *p, const char *name, const char *reason, ...)
	__attribute__((format(printf, 3, 4)));
void plan_hive_key(struct planning *p, const char *set, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* For a key that other control sets may not have. */
void plan_hive_key_if_there(struct planning *p, const char *set, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void plan_hive_delete_key(struct planning *p, const char *set, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void plan_hive_u32(struct planning *p, const char *name, uint32_t value);
/* verb: text, expand, binary, texts, ...; the value name "" is the key's own. */
void plan_hive_value(struct planning *p, const char *verb, const char *name, const char *value);

/* "viostor.inf" of ".../amd64/viostor.inf". */
const char *plan_base_name(const char *path);
/* A name out of an .inf or a hive that may become a part of a key, a path or an argument. */
bool plan_is_plain(const char *name);

/* NULL is none. */
bool plan_is_dns_name(const char *text);

#define WINDOWS_VERSION_BYTES 48
/* The value Version of a driver's package in DriverDatabase, in hexadecimal: arch (i686, x86_64),
 * class ("{4D36E97B-...}"), date ("2023-07-21") and version ("63.93.104.24000") of its .inf. What
 * cannot be read counts as zero; false where the class cannot. */
bool plan_windows_package_version(const char *arch, const char *class_guid, const char *date,
	const char *version, char ret[2 * WINDOWS_VERSION_BYTES + 1]);

#endif

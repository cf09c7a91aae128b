/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_GUEST_HIVE_H
#define P2V_GUEST_HIVE_H

/*
 * A Windows registry hive of a guest: copied to the host, read and edited there by libhivex, and
 * put back as one file that replaces the old one. Nothing changes in the guest before
 * guest_hive_save.
 *
 * Keys are named by their path from the hive's root, parts separated by '\\', in any letter case:
 * "ControlSet001\\Services\\disk"; "" is the root. The value name "" is a key's default value.
 * Texts are UTF-8 here and UTF-16LE in the hive. An edit that changes nothing is none: what is done
 * twice is done once. Each edit is a line of the list that the guest's change holds.
 *
 * Format: https://github.com/msuhanov/regf ("regf", base block of 4096 bytes). A hive whose two
 * sequence numbers differ, or whose base block's checksum is wrong, was not written back in full
 * (dirty): part of it is in its .LOG1 and .LOG2 files, which libhivex does not read. It can be
 * read; it is never written.
 *
 * P2V_ENOTFOUND: no such file, key or value. P2V_EFORMAT: no hive, a damaged one, a value of
 * another type or size than asked for.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"
#include "p2v/guest/guest.h"

#define GUEST_HIVE_MAX_BYTES ((uint64_t)512 << 20)
#define GUEST_HIVE_MAX_NAMES ((size_t)16384)
#define GUEST_HIVE_MAX_VALUE ((size_t)1 << 20) /* larger ones are not read */
#define GUEST_HIVE_MAX_NEW   ((size_t)16344)   /* larger ones would need big-data records */

enum guest_reg_type {
	GUEST_REG_NONE = 0,
	GUEST_REG_SZ = 1,
	GUEST_REG_EXPAND_SZ = 2,
	GUEST_REG_BINARY = 3,
	GUEST_REG_DWORD = 4,
	GUEST_REG_MULTI_SZ = 7,
	GUEST_REG_QWORD = 11,
};

struct guest_hive;

struct guest_hive_names {
	char **items;
	size_t n_items;
};

/* path: the real one, see guest_path_nocase. The hive keeps the door, which must outlive it. For
 * writing: P2V_EREFUSED where the hive is dirty. */
int guest_hive_open(struct guest *g, const char *path, bool writable, struct guest_hive **ret,
	struct p2v_err *err);
void guest_hive_free(struct guest_hive *h);
#define guest_auto_hive __attribute__((cleanup(guest_hive_freep)))
static inline void guest_hive_freep(struct guest_hive **h)
{
	guest_hive_free(*h);
}

bool guest_hive_is_dirty(const struct guest_hive *h);
/* Goes through all keys: each is in one list of keys, and each list can be read; else P2V_EFORMAT
 * with the key's name. */
int guest_hive_check(struct guest_hive *h, struct p2v_err *err);
/* false also where the hive cannot be read there. */
bool guest_hive_has_key(struct guest_hive *h, const char *key);
/* The names of the keys below a key, of the values in it; a key that is not there has none. */
int guest_hive_keys(
	struct guest_hive *h, const char *key, struct guest_hive_names *ret, struct p2v_err *err);
int guest_hive_values(
	struct guest_hive *h, const char *key, struct guest_hive_names *ret, struct p2v_err *err);
void guest_hive_names_finish(struct guest_hive_names *names);
#define guest_auto_names __attribute__((cleanup(guest_hive_names_finish)))

/* Appends the value's bytes. */
int guest_hive_get(struct guest_hive *h, const char *key, const char *name, uint32_t *ret_type,
	struct p2v_buf *ret, struct p2v_err *err);
/* A DWORD, or a QWORD that fits. */
int guest_hive_get_u32(struct guest_hive *h, const char *key, const char *name, uint32_t *ret,
	struct p2v_err *err);
/* SZ or EXPAND_SZ. */
int guest_hive_get_text(
	struct guest_hive *h, const char *key, const char *name, char **ret, struct p2v_err *err);
/* MULTI_SZ; an SZ is a list of one. */
int guest_hive_get_texts(struct guest_hive *h, const char *key, const char *name,
	struct guest_hive_names *ret, struct p2v_err *err);

/* Makes the keys on the way. */
int guest_hive_add_key(struct guest_hive *h, const char *key, struct p2v_err *err);
int guest_hive_set(struct guest_hive *h, const char *key, const char *name, uint32_t type,
	const void *bytes, size_t n, struct p2v_err *err);
int guest_hive_set_u32(struct guest_hive *h, const char *key, const char *name, uint32_t value,
	struct p2v_err *err);
/* type: SZ or EXPAND_SZ */
int guest_hive_set_text(struct guest_hive *h, const char *key, const char *name, uint32_t type,
	const char *text, struct p2v_err *err);
int guest_hive_set_texts(struct guest_hive *h, const char *key, const char *name,
	const char *const *texts, size_t n_texts, struct p2v_err *err);
/* Not there: nothing. A key goes with all below it. */
int guest_hive_delete_value(
	struct guest_hive *h, const char *key, const char *name, struct p2v_err *err);
int guest_hive_delete_key(struct guest_hive *h, const char *key, struct p2v_err *err);

/* One line an edit; "" where there was none. */
const char *guest_hive_edits(struct guest_hive *h);
/* Puts the edited hive back, where there was an edit. */
int guest_hive_save(struct guest_hive *h, const char *why, struct p2v_err *err);

/* ---- the encodings, for their own sake ---- */

/* The texts of a MULTI_SZ: up to an empty one or the end, at most GUEST_HIVE_MAX_NAMES. */
int guest_multi_sz_read(
	const void *bytes, size_t n, struct guest_hive_names *ret, struct p2v_err *err);
/* The first bytes of a hive file: P2V_EFORMAT where it is none. ret_dirty: see above. */
int guest_hive_header(const void *bytes, size_t n, bool *ret_dirty, struct p2v_err *err);

#endif

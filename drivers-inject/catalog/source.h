/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIVERS_INJECT_CATALOG_SOURCE_H
#define DRIVERS_INJECT_CATALOG_SOURCE_H

/*
 * Inside the room: the files of a medium, listed once. What every .inf says, how every .sys is
 * signed, and who has signed every .cat is taken in the same pass, since an ISO is read from front
 * to end; other bytes are read when they are asked for.
 */

#include "drivers-inject/catalog/pe.h"
#include "drivers-inject/catalog/windows.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

#define SOURCE_MAX_INF_TOTAL ((size_t)64 << 20)

struct source_member {
	char *path; /* relative; no ".." */
	char *twin; /* path of the member that has the bytes; NULL: itself */
	uint64_t size_bytes;
	struct p2v_buf text; /* of an .inf */
	struct pe_facts pe;  /* of a .sys */
	bool is_pe;
	struct catalog_publisher publisher; /* of a .cat */
};

struct catalog_source {
	int fd; /* of the ISO, or the directory */
	bool is_iso;
	struct source_member *members; /* sorted by path, letter case ignored, once it is open */
	size_t n_members;
	size_t inf_bytes;
};

/* label: of an ISO, else "". */
int source_open(
	const char *path, struct catalog_source **ret, char **ret_label, struct p2v_err *err);
void source_free(struct catalog_source *s);
P2V_DEFINE_CLEANUP(struct catalog_source *, source_free);

/* The member "dir/name", letter case ignored; NULL: none. dir may be empty. */
const struct source_member *source_find(
	const struct catalog_source *s, struct p2v_span dir, const char *name);
/* The member that has the bytes of this one. */
const struct source_member *source_body(
	const struct catalog_source *s, const struct source_member *m);
int source_read(const struct catalog_source *s, const char *path, size_t max_bytes,
	struct p2v_buf *ret, struct p2v_err *err);

/* Between source.c and its two kinds. True: the bytes of such a file are taken when it is listed.
 */
bool source_wants(const char *path, uint64_t size_bytes);
/* bytes: NULL where they were not wanted. same_as: NULL, or the path of an earlier member. */
int source_add(struct catalog_source *s, const char *path, uint64_t size_bytes, const char *same_as,
	const struct p2v_buf *bytes, struct p2v_err *err);
int source_iso_list(struct catalog_source *s, struct p2v_err *err);
int source_iso_read(const struct catalog_source *s, const char *path, size_t max_bytes,
	struct p2v_buf *ret, struct p2v_err *err);
int source_dir_list(struct catalog_source *s, struct p2v_err *err);
int source_dir_read(const struct catalog_source *s, const char *path, size_t max_bytes,
	struct p2v_buf *ret, struct p2v_err *err);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_SOURCE_HOST_H
#define AGENT_SOURCE_HOST_H

/*
 * Where facts about a machine are asked: the kernel's files below a root directory, and the two
 * questions that only a system call answers. source_host_this is this machine; another one is a
 * directory that holds copies of its /sys and /proc.
 *
 * The kernel's text is foreign (serial numbers and models come from firmware): every attribute is
 * read bounded, and control bytes become blanks.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"

struct source_host {
	const char *root; /* "" for this machine */
	/* Optional. The permanent address of a network card: 6 bytes; 0, or P2V_ENOTFOUND. */
	int (*permanent_mac)(const char *name, uint8_t ret_mac[6]);
	/* Optional. Appends "192.0.2.10/24" for each address of this name that is not link-local.
	 */
	int (*addresses)(const char *name, char ***items, size_t *n_items, struct p2v_err *err);
};

extern const struct source_host source_host_this;

/* All paths are absolute ("/sys/block"); root is put before them. NULL: absent, empty, unreadable,
 * or no memory. The caller frees. */

/* The file's first line without blanks at its ends. */
char *source_attr(const struct source_host *host, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A whole number in C notation ("512", "0x8086"), or `otherwise`. */
uint64_t source_attr_u64(const struct source_host *host, uint64_t otherwise, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The bytes of a file of at most max_bytes; false where it cannot be read. */
bool source_bytes(
	const struct source_host *host, const char *path, size_t max_bytes, struct p2v_buf *ret);
/* Where a path leads after all symlinks, without the root. */
char *source_resolve(const struct source_host *host, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
bool source_exists(const struct source_host *host, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The names in a directory, sorted, without dot files; none where it is not there. */
struct source_names {
	char **items;
	size_t n_items;
};
void source_names_read(const struct source_host *host, const char *path, struct source_names *ret);
void source_names_finish(struct source_names *names);
#define source_autonames __attribute__((cleanup(source_names_finish)))

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_EMIT_PLACE_H
#define P2V_EMIT_PLACE_H

/*
 * Where a disk lies that is handed over: a file of the job directory, or a place elsewhere that
 * somebody named (--to), which is overwritten and holds the raw disk:
 *
 *	/dev/vg0/web01                          a block device
 *	nbd://HOST[:PORT]/EXPORT                an NBD server (NetworkBlockDevice/nbd, doc/uri.md)
 *	nbd+unix:///EXPORT?socket=PATH          the same through a socket
 *	rbd:POOL/IMAGE                          Ceph, with the host's own ceph.conf
 */

#include "converters/emit/argv.h"
#include "converters/emit/xml.h"
#include "p2v/core/err.h"
#include "p2v/model/output.h"

enum emit_place_kind { EMIT_PLACE_FILE, EMIT_PLACE_DEVICE, EMIT_PLACE_NBD, EMIT_PLACE_RBD };

struct emit_place {
	enum emit_place_kind kind;
	const char *path;	    /* as it was named; the caller's */
	char *host, *port, *socket; /* NBD: host and port, or socket */
	char *name;		    /* NBD: export, may be empty; RBD: POOL/IMAGE */
};

/* P2V_EINVAL, with a sentence, for what is none of these. path stays the caller's. */
int emit_place_parse(const char *path, struct emit_place *ret, struct p2v_err *err);
void emit_place_finish(struct emit_place *place);
#define p2v_auto_emit_place __attribute__((cleanup(emit_place_finish)))

/* Elsewhere: no file of the job directory. */
bool emit_place_elsewhere(const char *path);
/* What QEMU's tools open: dir and path joined, or path as it is; malloc'd, NULL for want of memory.
 */
char *emit_place_file(const char *dir, const char *path);

/* P2V_EREFUSED: in use, or too small for the disk; P2V_ENOTFOUND, P2V_EIO: not there. */
int emit_place_check(const char *to, uint64_t size_bytes, struct p2v_err *err);

/* "driver=...,...": the protocol part of a -blockdev, each key after `prefix`; file: what a
 * EMIT_PLACE_FILE is called there. Appends to out. */
void emit_place_blockdev(
	const struct emit_place *place, const char *prefix, const char *file, struct p2v_buf *out);
/* libvirt's word for <disk type=...>, and its <source>. */
const char *emit_place_xml_type(const struct emit_place *place);
void emit_place_xml_source(const struct emit_place *place, const char *file, struct emit_xml *xml);

#endif

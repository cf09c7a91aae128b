/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_WIRE_MSG_H
#define P2V_WIRE_MSG_H

/*
 * The messages of the wire (PROTOCOL.md, "Messages"): a struct each, a tagged union, and one table
 * of rows that encodes and decodes them.
 *
 * A decoded message points into the frame's payload and lives as long as that; texts are not
 * NUL-terminated (print with WIRE_TEXT_ARG). Limits that need no state are checked by decode.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/block/digest.h"
#include "p2v/core/buf.h"
#include "p2v/core/err.h"
#include "p2v/wire/frame.h"

#define WIRE_VERSION	     1
#define WIRE_TEXT_MAX	     4096u
#define WIRE_INVENTORY_MAX   (1024u * 1024)
#define WIRE_DISKS_MAX	     256u
#define WIRE_HAVE_MAX	     4096u /* grains in a HAVE */
#define WIRE_RANGES_MAX	     1024u
#define WIRE_CHUNK_MAX	     (1024u * 1024) /* bytes of the disk in a DATA chunk */
#define WIRE_REPEATS_MAX     64u	    /* runs in a DATA chunk that lie elsewhere, too */
#define WIRE_WINDOW_MAX	     (64u * 1024 * 1024)
#define WIRE_GRAIN_MIN	     4096u
#define WIRE_GRAIN_MAX	     (1024u * 1024)
#define WIRE_KEEPALIVE_MS    10000u
#define WIRE_DIGEST_XXH3_128 1
#define WIRE_DIGEST_BYTES    16u

enum wire_type {
	WIRE_HELLO = 1,
	WIRE_WELCOME,
	WIRE_REFUSE,
	WIRE_INVENTORY,
	WIRE_WAIT,
	WIRE_ADMIT,
	WIRE_OPEN,
	WIRE_READY,
	WIRE_HAVE_ASK,
	WIRE_HAVE,
	WIRE_CHUNK,
	WIRE_TAKEN,
	WIRE_CHECKPOINT,
	WIRE_DURABLE,
	WIRE_RESEND,
	WIRE_PULL,
	WIRE_DONE,
	WIRE_VERIFIED,
	WIRE_MISMATCH,
	WIRE_FINISH,
	WIRE_FINISHED,
	WIRE_STATUS,
	WIRE_PROGRESS,
	WIRE_LIMIT,
	WIRE_PING,
	WIRE_PONG,
	WIRE_CANCEL,
	WIRE_ERROR,
	WIRE_LOG,
	WIRE_TYPE_END, /* one past the last */
};

/* Feature bits of HELLO and WELCOME. */
#define WIRE_FEATURE_ZSTD    (UINT64_C(1) << 0)
#define WIRE_FEATURE_RESUME  (UINT64_C(1) << 1)
#define WIRE_FEATURE_REFRESH (UINT64_C(1) << 2)
#define WIRE_FEATURE_DATA    (UINT64_C(1) << 3)
#define WIRE_FEATURE_PULL    (UINT64_C(1) << 4)
#define WIRE_FEATURE_STATUS  (UINT64_C(1) << 5)
#define WIRE_FEATURE_REPEAT  (UINT64_C(1) << 6)
#define WIRE_FEATURE_ASSIGN  (UINT64_C(1) << 7)

enum wire_refuse_reason {
	WIRE_REFUSE_VERSION = 1,
	WIRE_REFUSE_NOT_ENROLLED,
	WIRE_REFUSE_RULE,
	WIRE_REFUSE_NO_SPACE,
	WIRE_REFUSE_BUSY,
	WIRE_REFUSE_INVENTORY,
	WIRE_REFUSE_UNKNOWN_JOB,
	WIRE_REFUSE_UNSUPPORTED,
	WIRE_REFUSE_PROTOCOL,
};

enum wire_error_kind {
	WIRE_ERROR_PROTOCOL,
	WIRE_ERROR_IO,
	WIRE_ERROR_NO_SPACE,
	WIRE_ERROR_INTERNAL,
};

enum wire_role { WIRE_ROLE_CONTROL, WIRE_ROLE_DATA };		      /* HELLO */
enum wire_how { WIRE_HOW_NEW, WIRE_HOW_CONTINUED, WIRE_HOW_REFRESH }; /* ADMIT */
enum wire_pass { WIRE_PASS_COPY, WIRE_PASS_REFRESH };		      /* OPEN */
enum wire_chunk_kind {
	WIRE_CHUNK_DATA,
	WIRE_CHUNK_ZERO,
	WIRE_CHUNK_FREE,
	WIRE_CHUNK_SAME,
};
enum wire_encoding { WIRE_ENCODING_RAW, WIRE_ENCODING_ZSTD, WIRE_ENCODING_REPEAT };

/* Somebody's words: n bytes without NUL. */
struct wire_text {
	const char *bytes;
	size_t n;
};
/* printf("%.*s", WIRE_TEXT_ARG(t)). Foreign: show it through wire_text_copy. */
#define WIRE_TEXT_ARG(t) (int)(t).n, (t).n ? (t).bytes : ""
/* From a C string; cut at WIRE_TEXT_MAX. */
struct wire_text wire_text(const char *s);
/* Into a C string of at most size - 1 bytes; control bytes become '?'. Returns buf. */
const char *wire_text_copy(struct wire_text text, char *buf, size_t size);

/* n ranges as they lie on the wire; wire_range_at takes one out, wire_range_add appends one. */
struct wire_ranges {
	uint16_t n;
	const uint8_t *raw; /* 16 * n bytes */
};
struct wire_range {
	uint64_t offset, length;
};
struct wire_range wire_range_at(const struct wire_ranges *ranges, uint16_t i);
void wire_range_add(struct p2v_buf *raw, uint64_t offset, uint64_t length);

/* Leaf i of a row of digests as they lie on the wire. */
void wire_leaf_at(const uint8_t *leaves, size_t i, struct digest *ret);

struct wire_hello {
	uint16_t version_min, version_max;
	uint64_t features;
	uint32_t max_frame;
	uint8_t role; /* enum wire_role */
	struct digest token;
	struct wire_text program;
};

struct wire_welcome {
	uint16_t version;
	uint64_t features;
	uint32_t max_frame, window, keepalive_ms;
	struct wire_text program;
};

struct wire_refuse {
	uint8_t reason; /* enum wire_refuse_reason; others may come */
	struct wire_text sentence;
};

struct wire_inventory {
	const uint8_t *json;
	uint32_t n;
};

struct wire_wait {
	uint32_t position, retry_ms;
	struct wire_text text;
};

/* wanted: n entries of u16 disk, u8 wanted; wire_admit_wants asks, wire_admit_add appends. */
struct wire_admit {
	struct wire_text job;
	struct digest token;
	uint8_t how; /* enum wire_how */
	uint16_t n;
	const uint8_t *raw; /* 3 * n bytes */
};
bool wire_admit_wants(const struct wire_admit *admit, uint16_t disk);
void wire_admit_add(struct p2v_buf *raw, uint16_t disk, bool wanted);

struct wire_open {
	uint16_t disk;
	uint64_t size;
	uint32_t sector, grain;
	uint8_t digest_kind, pass;
	uint64_t used;
};

struct wire_ready {
	uint16_t disk;
	uint64_t durable_grains;
};

struct wire_have_ask {
	uint16_t disk;
	uint64_t first;
	uint32_t count;
};

struct wire_have {
	uint16_t disk;
	uint64_t first;
	uint32_t count;
	const uint8_t *states; /* count bytes: 0 missing, 1 durable */
	const uint8_t *leaves; /* count digests: wire_leaf_at */
};

/* body: the leaf digests and the data; wire/codec.h takes it apart, as that needs the grain. */
struct wire_chunk {
	uint16_t disk;
	uint8_t kind, encoding;
	uint64_t offset, length;
	const uint8_t *body;
	size_t body_n;
};

struct wire_seq { /* TAKEN, DURABLE */
	uint64_t seq;
};

struct wire_resend {
	uint16_t disk;
	uint64_t offset, length;
	struct wire_text why;
};

struct wire_pull {
	uint16_t disk;
	uint64_t offset, length;
};

struct wire_done {
	uint16_t disk;
	struct digest root;
	uint64_t read, sent, zero, free;
	struct wire_ranges bad;
};

struct wire_verified {
	uint16_t disk;
	struct digest root;
};

struct wire_mismatch {
	uint16_t disk;
	struct wire_ranges ranges;
};

struct wire_finished {
	const uint8_t *json; /* the receipt */
	uint32_t n;
};

struct wire_status {
	struct wire_text stage;
	uint16_t permille;
	struct wire_text text;
};

struct wire_progress {
	uint16_t disk;
	uint64_t done, total;
};

struct wire_limit {
	uint64_t bytes_per_second;
};

struct wire_ping { /* PING, PONG */
	uint64_t cookie;
};

struct wire_cancel {
	struct wire_text why;
};

struct wire_error {
	uint8_t kind; /* enum wire_error_kind */
	struct wire_text sentence;
};

struct wire_log {
	uint8_t level;
	struct wire_text text;
};

struct wire_msg {
	enum wire_type type;
	union {
		struct wire_hello hello;
		struct wire_welcome welcome;
		struct wire_refuse refuse;
		struct wire_inventory inventory;
		struct wire_wait wait;
		struct wire_admit admit;
		struct wire_open open;
		struct wire_ready ready;
		struct wire_have_ask have_ask;
		struct wire_have have;
		struct wire_chunk chunk;
		struct wire_seq taken;
		struct wire_seq durable;
		struct wire_resend resend;
		struct wire_pull pull;
		struct wire_done done;
		struct wire_verified verified;
		struct wire_mismatch mismatch;
		struct wire_finished finished;
		struct wire_status status;
		struct wire_progress progress;
		struct wire_limit limit;
		struct wire_ping ping;
		struct wire_ping pong;
		struct wire_cancel cancel;
		struct wire_error error;
		struct wire_log log;
	};
};

/* "CHUNK"; "message 77" is not known: NULL. */
const char *wire_type_name(unsigned type);

/* Appends msg as a whole frame. P2V_EINVAL where it breaks a limit or max_frame: a bug of ours. */
int wire_msg_encode(
	const struct wire_msg *msg, uint32_t max_frame, struct p2v_buf *out, struct p2v_err *err);
/*
 * 1: ret is the message. 0: an unknown optional one, skip it. P2V_EFORMAT: an unknown type, too
 * short, bytes left over (but for HELLO, WELCOME, REFUSE), or a value beyond its limit; the
 * sentence names the message.
 */
int wire_msg_decode(const struct wire_frame *frame, struct wire_msg *ret, struct p2v_err *err);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/emit/nvram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

/* fff12b8d-7696-4c8b-a985-2747075b4f50: a volume that holds variables. */
static const uint8_t volume_guid[16] = {0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c, 0xa9, 0x85,
	0x27, 0x47, 0x07, 0x5b, 0x4f, 0x50};
/* aaf32c78-947b-439a-a180-2e144ec37792: authenticated variables. */
static const uint8_t store_guid[16] = {0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80,
	0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92};
/* 8be4df61-93ca-11d2-aa0d-00e098032b8c: the variables that UEFI itself names. */
#define GLOBAL_GUID "8be4df61-93ca-11d2-aa0d-00e098032b8c"
static const uint8_t global_guid[16] = {0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d,
	0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};

#define STORE_HEADER	28
#define FORMATTED	0x5a
#define HEALTHY		0xfe
#define VARIABLE_START	0x55aa
#define VARIABLE_HEADER 60
#define STATE_AT	2
#define STATE_ADDED	0x3f
#define STATE_LIVE	0x02 /* this bit is cleared when a variable is deleted */
#define BOOT_ATTRIBUTES 7    /* non-volatile, boot services, runtime */
#define NAME_MAX_CHARS	16

/* Node types of a device path. */
#define NODE_MEDIA	 0x04
#define NODE_HARD_DRIVE	 0x01
#define HARD_DRIVE_LEN	 42
#define NODE_END	 0x7f

#define MAX_OPTION_BYTES 4096
#define MAX_ENTRIES	 32

/* ---- load options ---- */

/* Where in a device path the partition's node stands; false: nowhere in its first instance. */
static bool find_partition(const uint8_t *path, size_t n, size_t *ret_at)
{
	struct p2v_rd rd = p2v_rd_init(path, n);

	while (rd.left > 0) {
		size_t at = n - rd.left;
		uint8_t type = p2v_rd_u8(&rd), subtype = p2v_rd_u8(&rd);
		uint16_t length = p2v_rd_le16(&rd);

		if (rd.failed || length < 4 || !p2v_rd_bytes(&rd, length - 4u) || type == NODE_END)
			return false;
		if (type == NODE_MEDIA && subtype == NODE_HARD_DRIVE && length == HARD_DRIVE_LEN) {
			*ret_at = at;
			return true;
		}
	}
	return false;
}

bool emit_nvram_portable(const void *bytes, size_t n, struct p2v_buf *ret)
{
	struct p2v_rd rd = p2v_rd_init(bytes, n);
	uint32_t attributes = p2v_rd_le32(&rd);
	uint16_t path_bytes = p2v_rd_le16(&rd);
	const uint8_t *description = rd.p, *path;
	size_t description_bytes, at;

	while (!rd.failed && p2v_rd_le16(&rd) != 0)
		;
	description_bytes = (size_t)(rd.p - description);
	path = p2v_rd_bytes(&rd, path_bytes);
	if (rd.failed || n > MAX_OPTION_BYTES || !find_partition(path, path_bytes, &at))
		return false;
	p2v_buf_add_le32(ret, attributes);
	p2v_buf_add_le16(ret, (uint16_t)(path_bytes - at));
	p2v_buf_add(ret, description, description_bytes);
	p2v_buf_add(ret, path + at, path_bytes - at);
	p2v_buf_add(ret, rd.p, rd.left);
	return true;
}

/* ---- the store ---- */

struct store {
	uint8_t *p;
	size_t first, used, end; /* [first, used): variables; [used, end): free */
};

struct variable {
	size_t at, bytes; /* in the store, without what aligns the next */
	uint8_t state;
	uint32_t name_bytes;
	const uint8_t *guid, *name;
};

/* The variable at `at`; false: none stands there, or it runs past the end. */
static bool read_variable(const struct store *s, size_t at, struct variable *ret)
{
	struct p2v_rd rd = p2v_rd_init(s->p + at, s->end - at);
	uint16_t start = p2v_rd_le16(&rd);
	uint32_t data_bytes;

	*ret = (struct variable){.at = at, .state = p2v_rd_u8(&rd)};
	/* A reserved byte, attributes, a counter, a time stamp and a key index. */
	p2v_rd_bytes(&rd, 1 + 4 + 8 + 16 + 4);
	ret->name_bytes = p2v_rd_le32(&rd);
	data_bytes = p2v_rd_le32(&rd);
	ret->guid = p2v_rd_bytes(&rd, 16);
	ret->name = p2v_rd_bytes(&rd, ret->name_bytes);
	p2v_rd_bytes(&rd, data_bytes);
	ret->bytes = s->end - at - rd.left;
	return start == VARIABLE_START && !rd.failed;
}

static int no_store(struct p2v_err *err)
{
	return p2v_err_set(
		err, P2V_EFORMAT, "this is no UEFI variable store of a kind that can be added to");
}

static int open_store(struct p2v_buf *bytes, struct store *ret, struct p2v_err *err)
{
	struct p2v_rd rd = p2v_rd_init(bytes->data, bytes->len);
	const uint8_t *guid, *signature;
	struct variable v;
	uint64_t volume_bytes, first;
	uint32_t store_bytes;
	uint16_t header_bytes;

	p2v_rd_bytes(&rd, 16);
	guid = p2v_rd_bytes(&rd, 16);
	volume_bytes = p2v_rd_le64(&rd);
	signature = p2v_rd_bytes(&rd, 4);
	p2v_rd_le32(&rd);
	header_bytes = p2v_rd_le16(&rd);
	if (rd.failed || memcmp(guid, volume_guid, 16) != 0 || memcmp(signature, "_FVH", 4) != 0 ||
		volume_bytes > bytes->len || header_bytes % 4 != 0 || header_bytes > volume_bytes)
		return no_store(err);
	rd = p2v_rd_init(bytes->data + header_bytes, (size_t)volume_bytes - header_bytes);
	guid = p2v_rd_bytes(&rd, 16);
	store_bytes = p2v_rd_le32(&rd);
	if (p2v_rd_u8(&rd) != FORMATTED || p2v_rd_u8(&rd) != HEALTHY || rd.failed ||
		memcmp(guid, store_guid, 16) != 0 || store_bytes < STORE_HEADER ||
		!p2v_range_within(header_bytes, store_bytes, volume_bytes))
		return no_store(err);
	first = (uint64_t)header_bytes + STORE_HEADER;
	*ret = (struct store){
		bytes->data, (size_t)first, (size_t)first, (size_t)header_bytes + store_bytes};
	while (ret->used < ret->end && read_variable(ret, ret->used, &v))
		ret->used = (size_t)p2v_min_u64(p2v_align_up(v.at + v.bytes, 4), ret->end);
	for (size_t i = ret->used; i < ret->end; i++)
		if (ret->p[i] != 0xff)
			return no_store(err);
	return 0;
}

/* name as UTF-16 with its NUL. */
static size_t wide(const char *name, uint8_t out[2 * NAME_MAX_CHARS])
{
	size_t n = strlen(name) + 1;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = (uint8_t)name[i];
		out[2 * i + 1] = 0;
	}
	return 2 * n;
}

static void forget(struct store *s, const uint8_t *name, size_t name_bytes)
{
	struct variable v;

	for (size_t at = s->first; at < s->used; at = p2v_align_up(v.at + v.bytes, 4)) {
		if (!read_variable(s, at, &v))
			return;
		if (v.name_bytes == name_bytes && memcmp(v.name, name, name_bytes) == 0 &&
			memcmp(v.guid, global_guid, 16) == 0)
			s->p[at + STATE_AT] &= (uint8_t)~STATE_LIVE;
	}
}

static size_t room_for(size_t name_chars, size_t data_bytes)
{
	return (size_t)p2v_align_up(VARIABLE_HEADER + 2 * (name_chars + 1) + data_bytes, 4);
}

/* The caller has seen to it that there is room. */
static int put(struct store *s, const char *name, const struct p2v_buf *data, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf v = {0};
	uint8_t name16[2 * NAME_MAX_CHARS];
	size_t name_bytes = wide(name, name16);

	p2v_buf_add_le16(&v, VARIABLE_START);
	p2v_buf_add_u8(&v, STATE_ADDED);
	p2v_buf_add_u8(&v, 0);
	p2v_buf_add_le32(&v, BOOT_ATTRIBUTES);
	p2v_buf_add_zeros(&v, 8 + 16 + 4);
	p2v_buf_add_le32(&v, (uint32_t)name_bytes);
	p2v_buf_add_le32(&v, (uint32_t)data->len);
	p2v_buf_add(&v, global_guid, 16);
	p2v_buf_add(&v, name16, name_bytes);
	p2v_buf_add(&v, data->data, data->len);
	if (v.failed)
		return p2v_buf_check(&v, err);
	forget(s, name16, name_bytes);
	memcpy(s->p + s->used, v.data, v.len);
	s->used += (size_t)p2v_align_up(v.len, 4);
	return 0;
}

/* ---- the machine's entries ---- */

static const struct machine_efi_var *find_var(const struct machine *m, const char *name)
{
	for (size_t i = 0; i < m->n_efi_vars; i++)
		if (m->efi_vars[i].name && m->efi_vars[i].guid && m->efi_vars[i].data_hex &&
			strcmp(m->efi_vars[i].guid, GLOBAL_GUID) == 0 &&
			strcmp(m->efi_vars[i].name, name) == 0)
			return &m->efi_vars[i];
	return NULL;
}

static bool data_of(const struct machine_efi_var *var, struct p2v_buf *ret)
{
	size_t n = var ? strlen(var->data_hex) / 2 : 0;
	uint8_t *to = n > 0 && n <= MAX_OPTION_BYTES ? p2v_buf_reserve(ret, n) : NULL;

	if (!to || p2v_unhex(var->data_hex, to, n, NULL) < 0)
		return false;
	ret->len += n;
	return true;
}

/* In the machine's order; without one, nothing says which of them it would have started. */
static size_t read_order(const struct machine *m, uint16_t order[MAX_ENTRIES])
{
	p2v_autobuf struct p2v_buf data = {0};
	size_t n = 0;
	struct p2v_rd rd;

	if (!data_of(find_var(m, "BootOrder"), &data) &&
		!data_of(find_var(m, "BootCurrent"), &data))
		return 0;
	rd = p2v_rd_init(data.data, data.len);
	while (rd.left >= 2 && n < MAX_ENTRIES)
		order[n++] = p2v_rd_le16(&rd);
	return n;
}

static int put_entry(struct store *s, const struct machine *m, uint16_t number, bool *ret_put,
	struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf data = {0}, option = {0};
	size_t reserve = room_for(strlen("BootOrder"), 2 * (size_t)MAX_ENTRIES);
	char name[NAME_MAX_CHARS];

	snprintf(name, sizeof(name), "Boot%04X", number);
	*ret_put = false;
	if (!data_of(find_var(m, name), &data) ||
		!emit_nvram_portable(data.data, data.len, &option))
		return 0;
	if (option.failed)
		return p2v_buf_check(&option, err);
	if (room_for(strlen(name), option.len) + reserve > s->end - s->used)
		return 0;
	*ret_put = true;
	return put(s, name, &option, err);
}

int emit_nvram_add(
	struct p2v_buf *bytes, const struct machine *machine, size_t *ret_n, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf kept = {0};
	uint16_t order[MAX_ENTRIES];
	size_t n = read_order(machine, order);
	struct store store;
	int r = open_store(bytes, &store, err);

	for (size_t i = 0; r == 0 && i < n; i++) {
		bool done;

		r = put_entry(&store, machine, order[i], &done, err);
		if (r == 0 && done)
			p2v_buf_add_le16(&kept, order[i]);
	}
	if (r == 0 && kept.len > 0)
		r = put(&store, "BootOrder", &kept, err);
	if (r < 0)
		return r;
	*ret_n = kept.len / 2;
	return p2v_buf_check(&kept, err);
}

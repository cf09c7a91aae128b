/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/emit/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "converters/emit/qemu.h"
#include "converters/emit/qimg.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"

#define NBD_PORT "10809" /* IANA; the same in QEMU and libvirt */

/* HOST[:PORT], [IPV6][:PORT] */
static bool parse_host(struct p2v_span s, struct emit_place *ret)
{
	struct p2v_span host, port;
	uint64_t number;

	if (p2v_span_starts(s, "[")) {
		if (!p2v_span_has(s, ']'))
			return false;
		host = p2v_span_until(p2v_span_skip(s, 1), ']', &port);
		if (port.n && !p2v_span_starts(port, ":"))
			return false;
		port = p2v_span_skip(port, 1);
	} else {
		host = p2v_span_until(s, ':', &port);
	}
	if (!host.n || (port.n && (!p2v_span_u64(port, 65535, &number) || !number)))
		return false;
	ret->host = p2v_span_dup(host);
	ret->port = port.n ? p2v_span_dup(port) : strdup(NBD_PORT);
	return true;
}

static bool parse_nbd(struct p2v_span s, struct emit_place *ret)
{
	struct p2v_span name, host = p2v_span_until(s, '/', &name);

	ret->kind = EMIT_PLACE_NBD;
	ret->name = p2v_span_dup(name);
	return !p2v_span_has(name, '?') && parse_host(host, ret);
}

static bool parse_nbd_socket(struct p2v_span s, struct emit_place *ret)
{
	struct p2v_span query, name = p2v_span_until(s, '?', &query);

	ret->kind = EMIT_PLACE_NBD;
	ret->name = p2v_span_dup(name);
	if (!p2v_span_starts(query, "socket=/") || p2v_span_has(query, '&'))
		return false;
	ret->socket = p2v_span_dup(p2v_span_skip(query, strlen("socket=")));
	return true;
}

static bool parse_rbd(struct p2v_span s, struct emit_place *ret)
{
	struct p2v_span image, pool = p2v_span_until(s, '/', &image);

	ret->kind = EMIT_PLACE_RBD;
	ret->name = p2v_span_dup(s);
	return pool.n && image.n && !p2v_span_has(image, '/') && !p2v_span_has(s, ':') &&
	       !p2v_span_has(s, '@');
}

static bool parse_device(struct p2v_span s, struct emit_place *ret)
{
	ret->kind = EMIT_PLACE_DEVICE;
	return s.n > 0;
}

static const struct row {
	const char *prefix;
	bool (*parse)(struct p2v_span rest, struct emit_place *ret);
} rows[] = {
	{"/", parse_device},
	{"nbd://", parse_nbd},
	{"nbd+unix:///", parse_nbd_socket},
	{"rbd:", parse_rbd},
};

static const struct row *row_of(const char *path)
{
	for (size_t i = 0; i < P2V_N(rows); i++)
		if (strncmp(path, rows[i].prefix, strlen(rows[i].prefix)) == 0)
			return &rows[i];
	return NULL;
}

bool emit_place_elsewhere(const char *path)
{
	return row_of(path) != NULL;
}

/* No escapes of URIs: the tools that get it would not agree on what they mean. */
static bool is_plain(const char *path)
{
	for (; *path; path++)
		if (*path <= ' ' || *path > '~' || strchr("%\"'\\", *path))
			return false;
	return true;
}

int emit_place_parse(const char *path, struct emit_place *ret, struct p2v_err *err)
{
	const struct row *row = row_of(path);
	struct emit_place place = {.kind = EMIT_PLACE_FILE, .path = path};

	if (row && (!is_plain(path) ||
			   !row->parse(p2v_span_skip(p2v_span_str(path), strlen(row->prefix)),
				   &place))) {
		emit_place_finish(&place);
		return p2v_err_set(err, P2V_EINVAL,
			"'%.200s' is no place for a disk: /dev/..., nbd://HOST[:PORT]/EXPORT, "
			"nbd+unix:///EXPORT?socket=PATH and rbd:POOL/IMAGE are",
			path);
	}
	*ret = place;
	return 0;
}

void emit_place_finish(struct emit_place *place)
{
	free(place->host);
	free(place->port);
	free(place->socket);
	free(place->name);
	*place = (struct emit_place){0};
}

char *emit_place_file(const char *dir, const char *path)
{
	return emit_place_elsewhere(path) ? strdup(path) : p2v_path_join(dir, path);
}

static int device_size(const char *path, uint64_t *ret, struct p2v_err *err)
{
	/* O_EXCL on a block device: nobody has mounted it or holds it otherwise. */
	p2v_autoclose int fd = open(path, O_RDWR | O_EXCL | O_CLOEXEC);
	struct stat st;
	off_t end;

	if (fd < 0 && errno == EBUSY)
		return p2v_err_set(err, P2V_EREFUSED, "%s: is in use", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return p2v_err_errno(err, errno, "%s", path);
	if (!S_ISBLK(st.st_mode))
		return p2v_err_set(err, P2V_EREFUSED, "%s: is no block device", path);
	end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		return p2v_err_errno(err, errno, "%s: size", path);
	*ret = (uint64_t)end;
	return 0;
}

static int remote_size(const char *path, uint64_t *ret, struct p2v_err *err)
{
	p2v_auto_qimg_info struct emit_qimg_info info = {0};
	int r = emit_qimg_info(path, "raw", NULL, &info, err);

	*ret = info.virtual_size;
	return r;
}

int emit_place_check(const char *to, uint64_t size_bytes, struct p2v_err *err)
{
	p2v_auto_emit_place struct emit_place place = {0};
	char have[P2V_NUM_TEXT], want[P2V_NUM_TEXT];
	uint64_t size = 0;
	int r = emit_place_parse(to, &place, err);

	if (r == 0)
		r = place.kind == EMIT_PLACE_DEVICE ? device_size(to, &size, err)
						    : remote_size(to, &size, err);
	if (r < 0)
		return r;
	if (size < size_bytes)
		return p2v_err_set(err, P2V_EREFUSED, "%s: has %s, the disk needs %s", to,
			p2v_num_bytes_text(size, have), p2v_num_bytes_text(size_bytes, want));
	return 0;
}

static void add_option(struct p2v_buf *out, const char *prefix, const char *key, const char *text)
{
	p2v_autofree char *value = emit_qemu_value(text);

	out->failed |= !value;
	p2v_buf_addf(out, ",%s%s=%s", prefix, key, value ? value : "");
}

void emit_place_blockdev(
	const struct emit_place *place, const char *prefix, const char *file, struct p2v_buf *out)
{
	static const char *const drivers[] = {
		[EMIT_PLACE_FILE] = "file", "host_device", "nbd", "rbd"};
	p2v_autofree char *pool = NULL;
	struct p2v_span image;

	p2v_buf_addf(out, "%sdriver=%s", prefix, drivers[place->kind]);
	switch (place->kind) {
	case EMIT_PLACE_FILE:
	case EMIT_PLACE_DEVICE:
		add_option(out, prefix, "filename", file);
		break;
	case EMIT_PLACE_NBD:
		add_option(out, prefix, "server.type", place->socket ? "unix" : "inet");
		if (place->socket) {
			add_option(out, prefix, "server.path", place->socket);
		} else {
			add_option(out, prefix, "server.host", place->host);
			add_option(out, prefix, "server.port", place->port);
		}
		add_option(out, prefix, "export", place->name);
		break;
	case EMIT_PLACE_RBD:
		pool = p2v_span_dup(p2v_span_until(p2v_span_str(place->name), '/', &image));
		out->failed |= !pool;
		add_option(out, prefix, "pool", pool ? pool : "");
		add_option(out, prefix, "image", image.p);
		break;
	}
}

const char *emit_place_xml_type(const struct emit_place *place)
{
	static const char *const types[] = {
		[EMIT_PLACE_FILE] = "file", "block", "network", "network"};

	return types[place->kind];
}

void emit_place_xml_source(const struct emit_place *place, const char *file, struct emit_xml *xml)
{
	switch (place->kind) {
	case EMIT_PLACE_FILE:
		emit_xml_empty(xml, "source", "file", file, NULL);
		break;
	case EMIT_PLACE_DEVICE:
		emit_xml_empty(xml, "source", "dev", file, NULL);
		break;
	case EMIT_PLACE_RBD:
		emit_xml_empty(xml, "source", "protocol", "rbd", "name", place->name, NULL);
		break;
	case EMIT_PLACE_NBD:
		emit_xml_start(xml, "source", "protocol", "nbd", "name", place->name, NULL);
		if (place->socket)
			emit_xml_empty(
				xml, "host", "transport", "unix", "socket", place->socket, NULL);
		else
			emit_xml_empty(xml, "host", "name", place->host, "port", place->port, NULL);
		emit_xml_end(xml);
		break;
	}
}

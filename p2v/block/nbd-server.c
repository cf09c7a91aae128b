/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/block/nbd-server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "p2v/core/buf.h"
#include "p2v/core/json.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"

#define DAEMON "qemu-storage-daemon"
/* Closing writes back what its caches hold; a slow medium needs time for that. */
#define STOP_GRACE_MS 60000
#define LAST_LINE     300
/* qemu-nbd makes its socket by itself. */
#define READY_MS      30000
#define READY_STEP_MS 20

void nbd_server_init(struct nbd_server *s)
{
	*s = (struct nbd_server){.stderr_fd = -1};
}

static int socket_listen(const char *path, int backlog, struct p2v_err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	p2v_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(addr.sun_path))
		return p2v_err_set(
			err, P2V_EINVAL, "%s: too long for a socket's path (TMPDIR?)", path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		listen(fd, backlog) < 0)
		return p2v_err_errno(err, errno, "%s: cannot listen", path);
	return p2v_steal_fd(&fd);
}

/* Some file systems know no O_DIRECT and say so when a file is opened. */
bool block_io_can_direct(const char *path)
{
	p2v_autoclose int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC | O_NONBLOCK);

	return fd >= 0;
}

/* {"driver":"file","node-name":"file","filename":PATH,...} and the format's node above it. */
static void nodes_describe(
	const struct block_io_nbd_spec *spec, struct p2v_buf *ret_file, struct p2v_buf *ret_disk)
{
	const char *read_only = spec->writable ? "false" : "true";
	const char *cache = spec->direct && block_io_can_direct(spec->path)
				    ? ",\"cache\":{\"direct\":true}"
				    : "";
	struct stat st;
	bool device = stat(spec->path, &st) == 0 && S_ISBLK(st.st_mode);

	p2v_buf_addf(ret_file, "{\"driver\":\"%s\",\"node-name\":\"file\",\"filename\":",
		device ? "host_device" : "file");
	p2v_json_quote(spec->path, ret_file);
	p2v_buf_addf(ret_file, ",\"discard\":\"unmap\",\"read-only\":%s%s}", read_only, cache);
	p2v_buf_add_str(ret_disk, "{\"driver\":");
	p2v_json_quote(spec->format, ret_disk);
	p2v_buf_addf(ret_disk,
		",\"node-name\":\"disk\",\"file\":\"file\",\"discard\":\"unmap\",\"read-only\":%s%"
		"s}",
		read_only, cache);
}

static int daemon_start(struct nbd_server *s, const struct block_io_nbd_spec *spec, int listen_fd,
	struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf file = {0}, disk = {0};
	p2v_autofree char *server =
		p2v_strf("addr.type=fd,addr.str=%d,max-connections=16", listen_fd);
	p2v_autofree char *export = p2v_strf(
		"type=nbd,id=disk,node-name=disk,name=,writable=%s", spec->writable ? "on" : "off");
	const int keep[] = {listen_fd, -1};
	int r;

	nodes_describe(spec, &file, &disk);
	if (!server || !export)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	r = p2v_buf_check(&file, err);
	if (r == 0)
		r = p2v_buf_check(&disk, err);
	if (r < 0)
		return r;
	const char *const argv[] = {DAEMON, "--blockdev", (char *)file.data, "--blockdev",
		(char *)disk.data, "--nbd-server", server, "--export", export, NULL};
	const struct p2v_proc_spec proc = {
		.argv = argv,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = s->stderr_fd,
		.keep_fds = keep,
	};
	return p2v_proc_start(&proc, &s->pid, err);
}

static bool socket_answers(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	p2v_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(addr.sun_path))
		return false;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
}

/* Commas are doubled within QEMU's "name=value,...". */
static void value_add(struct p2v_buf *out, const char *text)
{
	for (; *text; text++)
		p2v_buf_addf(out, *text == ',' ? ",%c" : "%c", *text);
}

/* qemu-storage-daemon opens no snapshot within an image; qemu-nbd does. */
static int snapshot_start(
	struct nbd_server *s, const struct block_io_nbd_spec *spec, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf load = {0}, image = {0};
	const char *cache = spec->direct && block_io_can_direct(spec->path) ? "--cache=none" : NULL;
	int status, r;

	p2v_buf_add_str(&load, "snapshot.name=");
	value_add(&load, spec->snapshot);
	p2v_buf_addf(&image, "driver=%s,file.driver=file,file.filename=", spec->format);
	value_add(&image, spec->path);
	r = p2v_buf_check(&load, err);
	if (r == 0)
		r = p2v_buf_check(&image, err);
	if (r < 0)
		return r;
	const char *const argv[] = {"qemu-nbd", "--read-only", "--persistent", "--shared=16", "-k",
		s->socket_path, "-l", (char *)load.data, "--image-opts", (char *)image.data, cache,
		NULL};
	const struct p2v_proc_spec proc = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = s->stderr_fd};

	r = p2v_proc_start(&proc, &s->pid, err);
	for (int ms = 0; r == 0 && !socket_answers(s->socket_path); ms += READY_STEP_MS) {
		if (ms >= READY_MS)
			return p2v_err_set(err, P2V_ETIMEDOUT, "qemu-nbd does not answer");
		if (p2v_proc_wait(s->pid, READY_STEP_MS, &status, NULL) == 0) {
			s->pid = 0;
			p2v_err_set(err, P2V_EIO, "qemu-nbd ended");
			return nbd_server_explain(s, P2V_EIO, err);
		}
	}
	return r;
}

int nbd_server_start(
	struct nbd_server *s, const struct block_io_nbd_spec *spec, struct p2v_err *err)
{
	p2v_autoclose int listen_fd = -1;
	int r = p2v_dir_temp("nbd", &s->dir, err);

	if (r < 0)
		return r;
	s->socket_path = p2v_path_join(s->dir, "socket");
	if (!s->socket_path)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	s->stderr_fd = memfd_create("nbd-stderr", MFD_CLOEXEC);
	if (s->stderr_fd < 0)
		return p2v_err_errno(err, errno, "memfd");
	if (spec->snapshot)
		return snapshot_start(s, spec, err);
	listen_fd = socket_listen(s->socket_path, 16, err);
	if (listen_fd < 0)
		return listen_fd;
	return daemon_start(s, spec, listen_fd, err);
}

void nbd_server_hide(struct nbd_server *s)
{
	if (s->dir)
		p2v_dir_remove(s->dir);
	free(s->dir);
	free(s->socket_path);
	s->dir = s->socket_path = NULL;
}

int nbd_server_explain(struct nbd_server *s, int kind, struct p2v_err *err)
{
	char text[LAST_LINE + 1], *line = text, *newline;
	off_t size = s->stderr_fd >= 0 ? lseek(s->stderr_fd, 0, SEEK_END) : 0;
	ssize_t n = 0;
	int status;

	/* It may be about to say why it ends. */
	if (s->pid > 0 && p2v_proc_wait(s->pid, 2000, &status, NULL) == 0) {
		s->pid = 0;
		size = lseek(s->stderr_fd, 0, SEEK_END);
	}
	if (size > 0)
		n = pread(s->stderr_fd, text, LAST_LINE, size > LAST_LINE ? size - LAST_LINE : 0);
	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (n <= 0 || !err)
		return kind;
	text[n] = '\0';
	newline = strrchr(text, '\n');
	if (newline)
		line = newline + 1;
	for (char *c = line; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	n = (ssize_t)strlen(err->text);
	snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", line);
	return kind;
}

void nbd_server_stop(struct nbd_server *s)
{
	nbd_server_hide(s);
	if (s->pid > 0)
		p2v_proc_stop(s->pid, STOP_GRACE_MS);
	if (s->stderr_fd >= 0)
		close(s->stderr_fd);
	nbd_server_init(s);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A data connection's own process: it hands its descriptors over, and waits. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/recv/streams.h"

#define TICK_MS 500

static int unknown(struct p2v_err *err)
{
	return p2v_err_set(err, P2V_ENOTFOUND,
		"no job here waits for this data connection: it has ended, or runs below another "
		"directory");
}

static int socket_connect(int base_fd, const char *job, const char *name)
{
	p2v_autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int n = snprintf(
		at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/%s/%s", base_fd, job, name);

	if (fd < 0 || n < 0 || (size_t)n >= sizeof(at.sun_path) ||
		connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -1;
	return p2v_steal_fd(&fd);
}

/* The token is the name, so it is enough to look into each job. */
static int job_connect(int base_fd, const char *job, const char *name)
{
	int fd = -1, dir_fd;
	struct dirent *e;
	DIR *dir;

	if (job)
		return socket_connect(base_fd, job, name);
	dir_fd = openat(base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = dir_fd < 0 ? NULL : fdopendir(dir_fd);
	while (fd < 0 && dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			fd = socket_connect(base_fd, e->d_name, name);
	if (dir)
		closedir(dir);
	else if (dir_fd >= 0)
		close(dir_fd);
	return fd;
}

static int hand_over(int fd, const struct p2v_buf *hello, int in_fd, int out_fd)
{
	const int fds[2] = {in_fd, out_fd};
	union {
		char room[CMSG_SPACE(sizeof(fds))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {hello->data, hello->len};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room)};
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(head), fds, sizeof(fds));
	return sendmsg(fd, &msg, MSG_NOSIGNAL) == (ssize_t)hello->len ? 0 : -1;
}

/* sshd takes our end for the connection's, so it must not come before the other is done. */
static int let_go_wait(int fd, struct p2v_err *err)
{
	for (;;) {
		struct pollfd at = {.fd = fd, .events = POLLIN};
		int r = p2v_stop_check(err);

		if (r < 0 || poll(&at, 1, TICK_MS) > 0)
			return r;
	}
}

int recv_relay_run(const char *base, const char *name, struct peer *peer,
	const struct wire_hello *hello, struct p2v_err *err)
{
	const struct wire_msg msg = {.type = WIRE_HELLO, .hello = *hello};
	p2v_autoclose int base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	p2v_autobuf struct p2v_buf frame = {0};
	char socket_name[64];
	int in_fd, out_fd, r = link_fds(peer->link, &in_fd, &out_fd, err);

	if (r == 0 && base_fd < 0)
		r = p2v_err_errno(err, errno, "%s", base);
	/* Until WELCOME the agent has nothing more to say; what it said would be lost here. */
	if (r == 0 && peer->feed.at < peer->feed.len)
		r = p2v_err_set(err, P2V_EFORMAT, "more than HELLO came before WELCOME");
	if (r == 0)
		r = wire_msg_encode(&msg, WIRE_FRAME_MAX_FIRST, &frame, err);
	if (r < 0)
		return r;
	recv_socket_name(&hello->token, socket_name);
	fd = job_connect(base_fd, name, socket_name);
	if (fd < 0 || hand_over(fd, &frame, in_fd, out_fd) < 0)
		return unknown(err);
	return let_go_wait(fd, err);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/link/ssh-socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/link/wake.h"

#define MAX_WAIT_MS 120000

static void socket_tune(int fd)
{
	static const struct {
		int level, name, value;
	} rows[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, SSH_SILENCE_MS},
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, SSH_KEEPALIVE_MS / 1000},
		{IPPROTO_TCP, TCP_KEEPINTVL, SSH_KEEPALIVE_MS / 1000},
		{IPPROTO_TCP, TCP_KEEPCNT, SSH_SILENCE_MS / SSH_KEEPALIVE_MS},
	};

	for (size_t i = 0; i < P2V_N(rows); i++)
		setsockopt(fd, rows[i].level, rows[i].name, &rows[i].value, sizeof(int));
}

/* 0, or an errno. */
static int connect_finish(int fd, uint64_t deadline)
{
	struct pollfd p = {fd, POLLOUT, 0};
	int errnum = 0;
	socklen_t n = sizeof(errnum);

	if (poll(&p, 1, link_deadline_left(deadline, MAX_WAIT_MS)) <= 0)
		return ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &n) < 0)
		return errno;
	return errnum;
}

static int connect_one(const struct addrinfo *a, uint64_t deadline, int *ret_fd)
{
	p2v_autoclose int fd =
		socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int errnum = 0;

	if (fd < 0)
		return errno;
	socket_tune(fd);
	if (connect(fd, a->ai_addr, a->ai_addrlen) < 0)
		errnum = errno == EINPROGRESS ? connect_finish(fd, deadline) : errno;
	if (errnum == 0)
		*ret_fd = p2v_steal_fd(&fd);
	return errnum;
}

int ssh_socket_connect(
	const struct link_ssh_target *target, uint64_t deadline, int *ret_fd, struct p2v_err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	char port[8];
	int r, errnum = EHOSTUNREACH;

	snprintf(port, sizeof(port), "%u", target->port);
	r = getaddrinfo(target->host, port, &hints, &list);
	if (r != 0)
		return p2v_err_set(err, P2V_ELINK, "cannot find the host: %s", gai_strerror(r));
	for (const struct addrinfo *a = list; a && errnum; a = a->ai_next)
		errnum = connect_one(a, deadline, ret_fd);
	freeaddrinfo(list);
	if (errnum)
		return p2v_err_set(err, P2V_ELINK, "cannot connect: %s", strerror(errnum));
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/link/wake.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "p2v/core/stop.h"

int link_wake_new(struct p2v_err *err)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? p2v_err_errno(err, errno, "eventfd") : fd;
}

void link_wake_kick(int wake_fd)
{
	const uint64_t one = 1;

	/* It can only fail where the counter is full, and then the wait ends anyway. */
	if (write(wake_fd, &one, sizeof(one)) < 0)
		return;
}

bool link_wake_wait(int fd, short events, int wake_fd, int timeout_ms)
{
	struct pollfd fds[2] = {{fd, events, 0}, {wake_fd, POLLIN, 0}};
	uint64_t count;
	int n = poll(fds, 2, timeout_ms);

	if (n > 0 && fds[1].revents && read(wake_fd, &count, sizeof(count)) < 0)
		return true;
	/* A signal is a reason to look around, too. */
	return n != 0;
}

uint64_t link_deadline(int timeout_ms)
{
	return timeout_ms < 0 ? LINK_NEVER : p2v_now_ms() + (uint64_t)timeout_ms;
}

int link_deadline_left(uint64_t deadline, int cap_ms)
{
	uint64_t now = p2v_now_ms();

	if (deadline <= now)
		return 0;
	return deadline - now < (uint64_t)cap_ms ? (int)(deadline - now) : cap_ms;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/core/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"

int apart_prepare(const struct p2v_proc_confine *confine, struct apart *ret, struct p2v_err *err)
{
	const char *slash = confine->alone ? strrchr(confine->alone, '/') : NULL;

	*ret = (struct apart){.no_network = confine->no_network, .alone = confine->alone};
	if (!confine->alone)
		return 0;
	if (!slash || slash == confine->alone)
		return p2v_err_set(
			err, P2V_EINVAL, "%s: is no directory below another", confine->alone);
	ret->above = strndup(confine->alone, (size_t)(slash - confine->alone));
	return ret->above ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

void apart_finish(struct apart *apart)
{
	free(apart->above);
}

/* ---- in the child ---- */

/* A new network has a loopback interface that is down. */
static int loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);

	if (fd >= 0)
		close(fd);
	return r;
}

/* An empty directory over the one above; in it, under its own name, the one that stays. */
static int others_hide(const struct apart *a)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	int fd = open(a->alone, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char self[64];

	if (fd < 0)
		return -1;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	/* What is mounted here is to be seen by nobody else. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", a->above, "tmpfs", flags, "mode=0755,size=64k") < 0 ||
		mkdir(a->alone, 0700) < 0 ||
		mount(self, a->alone, NULL, MS_BIND | MS_REC, NULL) < 0 ||
		mount(NULL, a->above, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL) < 0)
		return -1;
	return close(fd);
}

int apart_enter(const struct apart *a)
{
	int flags = (a->no_network ? CLONE_NEWNET : 0) | (a->alone ? CLONE_NEWNS : 0);

	if (flags && unshare(flags) < 0)
		return -1;
	if (a->no_network && loopback_up() < 0)
		return -1;
	return a->alone ? others_hide(a) : 0;
}

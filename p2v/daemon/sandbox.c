/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/daemon/sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"

/* By name: one that an architecture does not have is passed over. */
static const char *const forbidden[] = {"mount", "umount", "umount2", "pivot_root", "chroot",
	"move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
	"swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "ptrace", "process_vm_readv",
	"process_vm_writev", "kcmp", "pidfd_getfd", "setns", "bpf", "perf_event_open",
	"userfaultfd", "add_key", "keyctl", "request_key", "open_by_handle_at", "settimeofday",
	"clock_settime", "clock_adjtime", "adjtimex", "stime", "iopl", "ioperm", "syslog",
	"sethostname", "setdomainname", "vhangup", "lookup_dcookie", "nfsservctl"};

static int rules_add(scmp_filter_ctx ctx, struct p2v_err *err)
{
	/* Programs for 32 bits, too, where the kernel runs them. */
	int r = seccomp_arch_native() == SCMP_ARCH_X86_64 ? seccomp_arch_add(ctx, SCMP_ARCH_X86)
							  : 0;

	for (size_t i = 0; r == 0 && i < P2V_N(forbidden); i++) {
		int number = seccomp_syscall_resolve_name(forbidden[i]);

		if (number != __NR_SCMP_ERROR)
			r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), number, 0);
	}
	return r == 0 ? 0 : p2v_err_errno(err, -r, "seccomp");
}

/* libseccomp only writes to a descriptor. */
static int filter_export(scmp_filter_ctx ctx, struct p2v_buf *ret, struct p2v_err *err)
{
	p2v_autoclose int fd = memfd_create("seccomp", MFD_CLOEXEC);
	off_t size;
	uint8_t *to;
	int r;

	if (fd < 0)
		return p2v_err_errno(err, errno, "memfd");
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return p2v_err_errno(err, -r, "seccomp");
	size = lseek(fd, 0, SEEK_END);
	to = size > 0 ? p2v_buf_reserve(ret, (size_t)size) : NULL;
	if (!to || pread(fd, to, (size_t)size, 0) != size)
		return p2v_err_set(err, P2V_EIO, "seccomp: the filter cannot be read");
	ret->len += (size_t)size;
	return 0;
}

int daemon_sandbox_make(struct p2v_buf *ret_filter, struct p2v_err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (!ctx)
		return p2v_err_set(err, P2V_EUNSUPPORTED, "seccomp is not to be had");
	r = rules_add(ctx, err);
	if (r == 0)
		r = filter_export(ctx, ret_filter, err);
	seccomp_release(ctx);
	return r;
}

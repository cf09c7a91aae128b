/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/daemon/sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/model/orders.h"
#include "p2v/store/jobdir.h"

/* No job has such a name; several servers may look below the same base at once. */
#define PROBE	 ".namespaces-"
#define PROBE_MS 10000

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

static int filter_make(struct p2v_buf *ret, struct p2v_err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (!ctx)
		return p2v_err_set(err, P2V_EUNSUPPORTED, "seccomp is not to be had");
	r = rules_add(ctx, err);
	if (r == 0)
		r = filter_export(ctx, ret, err);
	seccomp_release(ctx);
	return r;
}

/* A program is started so: containers forbid namespaces even to root, in many ways. */
static bool namespaces_work(const struct server_config *config, struct p2v_err *ret_why)
{
	p2v_autofree char *probe = p2v_strf("%s/" PROBE "%s", config->base, config->host);
	const char *const argv[] = {"true", NULL};
	const struct p2v_proc_confine confine = {
		.no_new_privs = true, .no_network = true, .alone = probe};
	const struct p2v_proc_spec spec = {.argv = argv,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
		.confine = &confine};
	int status = -1;
	pid_t pid;

	if (geteuid() != 0) {
		p2v_err_set(ret_why, P2V_EREFUSED, "p2vd is not root");
		return false;
	}
	if (!probe || p2v_dir_make(probe, 0700, ret_why) < 0)
		return false;
	if (p2v_proc_start(&spec, &pid, ret_why) == 0 &&
		p2v_proc_wait(pid, PROBE_MS, &status, ret_why) < 0)
		p2v_proc_stop(pid, 0);
	rmdir(probe);
	return status == 0;
}

int daemon_sandbox_make(const struct server_config *config, struct daemon_sandbox *ret,
	struct p2v_err *ret_why, struct p2v_err *err)
{
	int r = filter_make(&ret->filter, err);

	ret->apart = r == 0 && namespaces_work(config, ret_why);
	return r;
}

void daemon_sandbox_finish(struct daemon_sandbox *sandbox)
{
	p2v_buf_finish(&sandbox->filter);
}

bool daemon_sandbox_needs_network(const struct server_config *config, const char *dir)
{
	p2v_autofree char *path = p2v_path_join(dir, STORE_ORDERS);
	p2v_auto_orders struct orders orders = {0};
	const char *drivers;

	/* Orders that cannot be read are for the stage to complain about. */
	if (path && p2v_file_exists(path))
		model_orders_load(path, &orders, NULL);
	drivers = orders.virtio_win ? orders.virtio_win : config->virtio_win;
	if (drivers && *drivers != '/')
		return true;
	for (size_t i = 0; i < orders.n_keys; i++)
		if (strstr(orders.keys[i], ":command:"))
			return true;
	return orders.n_destinations > 0;
}

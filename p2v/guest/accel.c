/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/guest/accel.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/core/text.h"
#include "p2v/guest/backend.h"

#define QEMU "qemu-system-x86_64"
/* Where KVM works, a kernel prints its first line within one second and gives up for want of a root
 * file system within three. */
#define FIRST_LINE_MS 8000
#define END_MS	      20000
#define POLL_MS	      50
#define CACHE_FILE    "accel.json"

static const char *const accel_words[] = {"tcg", "kvm", NULL};

const char *guest_accel_word(enum guest_accel accel)
{
	return accel_words[accel];
}

/* The file: an answer, and the host that it is true for. */
struct answer {
	uint32_t version;
	char *host;
	int accel;
	char *reason;
	uint32_t tried_ms;
};

static const struct p2v_json_field answer_fields[] = {
	P2V_JSON_U32(struct answer, version, 0),
	P2V_JSON_STR(struct answer, host, P2V_JSON_REQUIRED),
	P2V_JSON_ENUM(struct answer, accel, P2V_JSON_REQUIRED, accel_words),
	P2V_JSON_STR(struct answer, reason, P2V_JSON_REQUIRED),
	P2V_JSON_U32(struct answer, tried_ms, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type answer_type = {"accel", sizeof(struct answer), answer_fields};

static void tell(struct guest_accel_result *r, enum guest_accel accel, const char *reason)
{
	*r = (struct guest_accel_result){.accel = accel};
	snprintf(r->reason, sizeof(r->reason), "%.255s", reason);
}

/* Names this boot of this host with this QEMU; NULL: no QEMU here. */
static char *host_key(void)
{
	static const char *const argv[] = {QEMU, "--version", NULL};
	p2v_autobuf struct p2v_buf boot = {0}, qemu = {0};
	struct utsname uts;

	if (uname(&uts) < 0 || p2v_proc_run(argv, NULL, 0, 10000, &qemu, NULL) < 0 || !qemu.data)
		return NULL;
	if (p2v_file_read("/proc/sys/kernel/random/boot_id", 64, &boot, NULL) < 0)
		p2v_buf_add_str(&boot, "unknown boot");
	return p2v_strf("%s; %.36s; %.*s; %s", uts.release, (const char *)boot.data,
		(int)strcspn((const char *)qemu.data, "\n"), (const char *)qemu.data,
		access("/dev/kvm", R_OK | W_OK) == 0 ? "may open KVM" : "may not open KVM");
}

static char *cache_dir(void)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (geteuid() == 0)
		return strdup("/var/cache/p2v");
	if (xdg && xdg[0] == '/')
		return p2v_strf("%s/p2v", xdg);
	return home ? p2v_strf("%s/.cache/p2v", home) : NULL;
}

static bool recall(const char *host, struct guest_accel_result *ret)
{
	p2v_autofree char *dir = cache_dir();
	p2v_autofree char *path = dir ? p2v_path_join(dir, CACHE_FILE) : NULL;
	struct answer a = {0};
	bool known;

	if (!path || p2v_json_load(&answer_type, path, &a, NULL) < 0)
		return false;
	known = strcmp(a.host, host) == 0;
	if (known) {
		tell(ret, (enum guest_accel)a.accel, a.reason);
		ret->tried_ms = a.tried_ms;
		ret->cached = true;
	}
	p2v_json_free(&answer_type, &a);
	return known;
}

/* Where it cannot be kept, the next call tries again: slower, but as true. */
static void keep(char *host, struct guest_accel_result *r)
{
	p2v_autofree char *dir = cache_dir();
	struct answer a = {1, host, (int)r->accel, r->reason, r->tried_ms};

	if (dir && p2v_dir_make(dir, 0755, NULL) == 0)
		p2v_json_save(&answer_type, &a, dir, CACHE_FILE, NULL);
}

/* A kernel of this host that we may read; the running one first. malloc'd or NULL. */
static char *find_kernel(void)
{
	struct utsname uts;
	char *path = uname(&uts) == 0 ? p2v_strf("/boot/vmlinuz-%s", uts.release) : NULL;
	glob_t all = {0};

	if (path && access(path, R_OK) == 0)
		return path;
	free(path);
	path = NULL;
	if (glob("/boot/vmlinuz-*", 0, NULL, &all) == 0)
		for (size_t i = all.gl_pathc; i-- > 0 && !path;)
			if (access(all.gl_pathv[i], R_OK) == 0)
				path = strdup(all.gl_pathv[i]);
	globfree(&all);
	return path;
}

struct trial {
	pid_t pid;
	int serial_fd;
	uint64_t began_ms;
	bool first_line, ended; /* what the kernel has printed */
};

static void look_at_serial(struct trial *t)
{
	char text[65536];
	ssize_t n = pread(t->serial_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return;
	t->first_line = memmem(text, (size_t)n, "Linux version", 13) != NULL;
	t->ended = t->first_line && memmem(text, (size_t)n, "Kernel panic", 12) != NULL;
}

/* Until the kernel has said all, or the time is over, or QEMU ends. */
static void watch(struct trial *t)
{
	int status;

	while (!t->ended && !p2v_stop_requested()) {
		uint64_t ms = p2v_now_ms() - t->began_ms;
		bool gone = p2v_proc_wait(t->pid, POLL_MS, &status, NULL) == 0;

		look_at_serial(t);
		if (gone) {
			t->pid = 0;
			return;
		}
		if (ms > END_MS || (ms > FIRST_LINE_MS && !t->first_line))
			break;
	}
	p2v_proc_stop(t->pid, 500);
}

static int start(struct trial *t, const char *kernel, struct p2v_err *err)
{
	const char *const argv[] = {QEMU, "-accel", "kvm", "-machine", "q35", "-cpu", "host", "-m",
		"256", "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
		"-no-reboot", "-kernel", kernel, "-append", "console=ttyS0 panic=-1", NULL};
	struct p2v_proc_spec spec = {.argv = argv, .stdin_fd = -1};
	int rc = guest_temp_fd(&t->serial_fd, err);

	if (rc < 0)
		return rc;
	spec.stdout_fd = t->serial_fd;
	spec.stderr_fd = t->serial_fd;
	t->began_ms = p2v_now_ms();
	return p2v_proc_start(&spec, &t->pid, err);
}

/* With the first line that QEMU wrote. */
static void tell_qemu_failed(struct guest_accel_result *ret, int fd)
{
	p2v_autobuf struct p2v_buf line = {0};
	char text[160] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		text[0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	p2v_buf_add_str(&line, "QEMU does not start under KVM: ");
	p2v_text_add_printable(&line, text);
	tell(ret, GUEST_ACCEL_TCG, line.failed ? "no memory" : (const char *)line.data);
}

static void boot(const char *kernel, struct guest_accel_result *ret)
{
	struct trial t = {.serial_fd = -1};
	struct p2v_err err = {0};

	if (start(&t, kernel, &err) < 0) {
		tell(ret, GUEST_ACCEL_TCG, err.text);
	} else {
		watch(&t);
		if (t.ended)
			tell(ret, GUEST_ACCEL_KVM, "a kernel booted under KVM");
		else if (t.pid == 0)
			tell_qemu_failed(ret, t.serial_fd);
		else if (t.first_line)
			tell(ret, GUEST_ACCEL_TCG,
				"/dev/kvm is there, but a kernel hangs under it while it starts");
		else
			tell(ret, GUEST_ACCEL_TCG,
				"/dev/kvm is there, but a kernel prints nothing under it");
		ret->tried_ms = (uint32_t)(p2v_now_ms() - t.began_ms);
	}
	if (t.serial_fd >= 0)
		close(t.serial_fd);
}

static void try_kvm(struct guest_accel_result *ret)
{
	p2v_autofree char *kernel = NULL;

	if (access("/dev/kvm", F_OK) < 0) {
		tell(ret, GUEST_ACCEL_TCG, "there is no /dev/kvm");
		return;
	}
	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		tell(ret, GUEST_ACCEL_TCG, "/dev/kvm is there, but this user may not open it");
		return;
	}
	kernel = find_kernel();
	if (kernel)
		boot(kernel, ret);
	else
		tell(ret, GUEST_ACCEL_TCG,
			"/dev/kvm is there, but no kernel in /boot can be read to try it with");
}

static int from_environment(bool *ret_said, struct guest_accel_result *ret, struct p2v_err *err)
{
	const char *word = getenv("P2V_ACCEL");

	*ret_said = word && word[0];
	if (!*ret_said)
		return 0;
	for (int i = 0; accel_words[i]; i++)
		if (strcmp(word, accel_words[i]) == 0) {
			tell(ret, (enum guest_accel)i, "P2V_ACCEL says so");
			return 0;
		}
	return p2v_err_set(err, P2V_EINVAL, "P2V_ACCEL=%s: neither kvm nor tcg", word);
}

static int find(bool again, struct guest_accel_result *ret, struct p2v_err *err)
{
	p2v_autofree char *host = NULL;
	bool said;
	int rc = from_environment(&said, ret, err);

	if (rc < 0 || said)
		return rc;
	host = host_key();
	if (!host) {
		tell(ret, GUEST_ACCEL_TCG, QEMU " is not installed");
		return 0;
	}
	if (!again && recall(host, ret))
		return 0;
	try_kvm(ret);
	if (p2v_stop_check(err) < 0)
		return P2V_ECANCELED;
	keep(host, ret);
	return 0;
}

int guest_accel_find(struct guest_accel_result *ret, struct p2v_err *err)
{
	return find(false, ret, err);
}

int guest_accel_retry(struct guest_accel_result *ret, struct p2v_err *err)
{
	return find(true, ret, err);
}

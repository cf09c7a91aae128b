/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * p2v doctor: can this host receive, convert and prove? Each check is a row; a check that fails
 * says what to install or do.
 */
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "p2v/cli/print.h"
#include "p2v/cli/server-door.h"
#include "p2v/cli/verb.h"
#include "p2v/control/api.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/core/text.h"
#include "p2v/guest/accel.h"
#include "p2v/guest/guest.h"

/* Where the text of a finding begins. */
#define FINDING_COLUMN 24

enum level { LEVEL_OK, LEVEL_NOTE, LEVEL_BAD };
static const char *const level_words[] = {"ok", "note", "bad", NULL};

struct finding {
	char *task, *name;
	int level;
	char *text;
};

struct diagnosis {
	uint32_t version;
	bool receive, convert, prove;
	char *accel;
	struct finding *findings;
	size_t n_findings;
};

static const struct p2v_json_field finding_fields[] = {
	P2V_JSON_STR(struct finding, task, 0),
	P2V_JSON_STR(struct finding, name, 0),
	P2V_JSON_ENUM(struct finding, level, 0, level_words),
	P2V_JSON_STR(struct finding, text, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type finding_type = {
	"finding", sizeof(struct finding), finding_fields};
static const struct p2v_json_field diagnosis_fields[] = {
	P2V_JSON_U32(struct diagnosis, version, 0),
	P2V_JSON_BOOL(struct diagnosis, receive, 0),
	P2V_JSON_BOOL(struct diagnosis, convert, 0),
	P2V_JSON_BOOL(struct diagnosis, prove, 0),
	P2V_JSON_STR(struct diagnosis, accel, 0),
	P2V_JSON_OBJS(struct diagnosis, findings, 0, &finding_type),
	P2V_JSON_END,
};
static const struct p2v_json_type diagnosis_type = {
	"doctor", sizeof(struct diagnosis), diagnosis_fields};

struct doctor_opts {
	bool json, quick, retry;
};

enum { RECEIVE = 1, CONVERT = 2, PROVE = 4 };

/* One thing that is looked at. `look` returns a level and a sentence (malloc'd). */
struct check {
	int tasks;
	const char *name;
	const char *arg;
	const char *cure; /* what to do where it is bad */
	enum level (*look)(const struct check *c, const struct doctor_opts *o, char **ret_text);
};

static enum level look_program(const struct check *c, const struct doctor_opts *o, char **ret_text)
{
	bool there = p2v_proc_exists(c->arg);

	(void)o;
	*ret_text = there ? p2v_strf("%s is there", c->arg)
			  : p2v_strf("%s is missing: %s", c->arg, c->cure);
	return there ? LEVEL_OK : LEVEL_BAD;
}

/* Something is less good without it. */
static enum level look_helper(const struct check *c, const struct doctor_opts *o, char **ret_text)
{
	return look_program(c, o, ret_text) == LEVEL_OK ? LEVEL_OK : LEVEL_NOTE;
}

static enum level look_sshd(const struct check *c, const struct doctor_opts *o, char **ret_text)
{
	if (access("/usr/sbin/sshd", X_OK) == 0) {
		*ret_text = strdup("sshd is there");
		return LEVEL_OK;
	}
	return look_program(c, o, ret_text);
}

static enum level look_file(const struct check *c, const struct doctor_opts *o, char **ret_text)
{
	bool there = access(c->arg, R_OK) == 0;

	(void)o;
	*ret_text = there ? p2v_strf("%s is there", c->arg) : p2v_strf("%s", c->cure);
	return there ? LEVEL_OK : LEVEL_NOTE;
}

static enum level look_kernel(const struct check *c, const struct doctor_opts *o, char **ret_text)
{
	glob_t found = {0};
	enum level level = LEVEL_BAD;

	(void)o;
	if (glob("/boot/vmlinu?-*", 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc && level == LEVEL_BAD; i++)
			if (access(found.gl_pathv[i], R_OK) == 0) {
				*ret_text = p2v_strf("%s can serve as the appliance's kernel",
					found.gl_pathv[i]);
				level = LEVEL_OK;
			}
	globfree(&found);
	if (level == LEVEL_BAD)
		*ret_text = strdup(c->cure);
	return level;
}

/* No server is needed to convert by hand: it is only worth a note. */
static enum level look_server(const struct check *c, const struct doctor_opts *o, char **ret_text)
{
	p2v_auto_config struct server_config config = {0};
	p2v_auto_server struct cli_server server = {0};
	struct api_server answer = {0};
	struct p2v_err err = {0};
	int r = control_config_load(CONTROL_CONFIG_PATH, true, &config, &err);

	(void)c;
	(void)o;
	if (r == P2V_ENOTFOUND) {
		*ret_text = strdup("this host is not set up as a server: p2v server init does it");
		return LEVEL_NOTE;
	}
	if (r == 0)
		r = cli_server_open(config.socket, NULL, &server, &err);
	if (r == 0)
		r = cli_server_get(&server, "/v1/server", &control_server_type, &answer, &err);
	*ret_text = r == 0 ? p2v_strf("p2vd %s answers, with room for %u machines at once",
				     answer.program ? answer.program : "", config.receivers)
			   : p2v_strf("p2vd does not answer (%s): p2v server check says more",
				     err.text);
	p2v_json_free(&control_server_type, &answer);
	return r == 0 ? LEVEL_OK : LEVEL_NOTE;
}

/* Starts the appliance on an empty disk: whatever is wrong with it shows here. */
static int start_appliance(bool kvm, uint64_t *ret_ms, struct p2v_err *err)
{
	p2v_autofree char *dir = NULL, *path = NULL;
	struct guest_disk disk = {.format = "raw"};
	struct guest_options options = {.disks = &disk, .n_disks = 1, .use_kvm = kvm};
	struct guest *g = NULL;
	uint64_t start = p2v_now_ms();
	FILE *f = NULL;
	int r;

	r = p2v_dir_temp("doctor", &dir, err);
	if (r < 0)
		return r;
	path = p2v_path_join(dir, "disk");
	f = fopen(path, "w");
	if (!f || ftruncate(fileno(f), 1 << 20) < 0)
		r = p2v_err_set(err, P2V_EIO, "%s: cannot make a file of 1 MiB", path);
	if (f)
		fclose(f);
	disk.path = path;
	if (r == 0)
		r = guest_open_disks(&options, &g, err);
	if (r == 0)
		r = guest_close(g, err);
	p2v_dir_remove(dir);
	*ret_ms = p2v_now_ms() - start;
	return r;
}

static enum level look_appliance(
	const struct check *c, const struct doctor_opts *o, char **ret_text)
{
	struct guest_accel_result accel;
	struct p2v_err err = {0};
	char took[P2V_NUM_TEXT];
	uint64_t ms = 0;

	if (o->quick) {
		*ret_text = strdup("not tried (--quick)");
		return LEVEL_NOTE;
	}
	if (guest_accel_find(&accel, &err) < 0 ||
		start_appliance(accel.accel == GUEST_ACCEL_KVM, &ms, &err) < 0) {
		*ret_text = p2v_strf(
			"the libguestfs appliance does not start: %s. %s", err.text, c->cure);
		return LEVEL_BAD;
	}
	*ret_text = p2v_strf("the libguestfs appliance starts in %s", p2v_num_ms_text(ms, took));
	return LEVEL_OK;
}

static enum level look_accel(const struct check *c, const struct doctor_opts *o, char **ret_text)
{
	struct guest_accel_result accel;
	struct p2v_err err = {0};
	int r = o->retry ? guest_accel_retry(&accel, &err) : guest_accel_find(&accel, &err);

	(void)c;
	if (r < 0) {
		*ret_text = strdup(err.text);
		return LEVEL_BAD;
	}
	*ret_text = p2v_strf("%s%s: %s",
		accel.accel == GUEST_ACCEL_KVM ? "KVM" : "TCG, software emulation",
		accel.cached ? " (found earlier; --retry tries again)" : "", accel.reason);
	return accel.accel == GUEST_ACCEL_KVM ? LEVEL_OK : LEVEL_NOTE;
}

static enum level look_space(const struct check *c, const struct doctor_opts *o, char **ret_text)
{
	struct statvfs vfs;
	char text[P2V_NUM_TEXT];
	uint64_t free_bytes;
	const char *dir = access(c->arg, F_OK) == 0 ? c->arg : "/var";

	(void)o;
	if (statvfs(dir, &vfs) < 0) {
		*ret_text = p2v_strf("%s: cannot be asked for its free space", dir);
		return LEVEL_NOTE;
	}
	free_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	*ret_text = p2v_strf("%s free below %s", p2v_num_bytes_text(free_bytes, text), dir);
	return free_bytes < 20 * P2V_GIB ? LEVEL_NOTE : LEVEL_OK;
}

static const struct check checks[] = {
	{RECEIVE, "ssh server", "sshd", "install openssh-server", look_sshd},
	{RECEIVE, "receiver", "p2v-recv", "install p2v, or name its full path in authorized_keys",
		look_program},
	{RECEIVE | CONVERT | PROVE, "image tools", "qemu-img", "install qemu-utils", look_program},
	{RECEIVE, "image server", "qemu-nbd", "install qemu-utils", look_program},
	{RECEIVE, "space", "/var/lib/p2v", "", look_space},
	{RECEIVE, "server", NULL, "", look_server},
	{CONVERT | PROVE, "emulator", "qemu-system-x86_64", "install qemu-system-x86",
		look_program},
	{PROVE, "screen reader", "tesseract",
		"install tesseract-ocr, or a Windows is not seen to come up", look_helper},
	{CONVERT, "TPM", "swtpm",
		"install swtpm on the host that is to run it, or a Windows 11 gets no TPM",
		look_helper},
	{CONVERT, "appliance kernel", NULL,
		"no kernel in /boot can be read: install linux-image-amd64; where it is there but "
		"not "
		"readable, run as root or dpkg-statoverride it to mode 0644",
		look_kernel},
	{CONVERT, "module indexes", "depmod",
		"install kmod (a root path such as /sbin must be in PATH)", look_program},
	{CONVERT, "LZ4 guests", "/usr/bin/lz4",
		"guests whose initramfs is packed with LZ4 cannot be converted: install lz4",
		look_file},
	{CONVERT, "diffs", "diff", "install diffutils", look_program},
	{CONVERT | PROVE, "accelerator", NULL, "", look_accel},
	{CONVERT, "appliance", NULL, "Install libguestfs0, and look at libguestfs-test-tool",
		look_appliance},
	{CONVERT, "XFS guests", "/usr/lib/x86_64-linux-gnu/guestfs/supermin.d/packages-xfs",
		"guests with XFS cannot be converted: install libguestfs-xfs", look_file},
	{PROVE, "HTTP checks", "/usr/bin/curl",
		"a machine that has to answer by HTTP cannot be proven: install curl", look_file},
	{PROVE, "UEFI firmware", "/usr/share/OVMF/OVMF_CODE_4M.fd",
		"UEFI machines cannot be started: install ovmf", look_file},
};

static const struct {
	int task;
	const char *word;
} tasks[] = {{RECEIVE, "receive"}, {CONVERT, "convert"}, {PROVE, "prove"}};

static void add_finding(struct diagnosis *d, const struct check *c, enum level level, char *text)
{
	struct finding *f =
		p2v_json_grow((void **)&d->findings, &d->n_findings, sizeof(*d->findings));
	p2v_autobuf struct p2v_buf words = {0};

	if (!f) {
		free(text);
		return;
	}
	for (size_t i = 0; i < P2V_N(tasks); i++)
		if (c->tasks & tasks[i].task)
			p2v_buf_addf(&words, "%s%s", words.len ? "," : "", tasks[i].word);
	f->task = p2v_buf_take_str(&words);
	f->name = strdup(c->name);
	f->level = level;
	f->text = text;
}

/* At once: what comes next may take half a minute. */
static void show(const struct check *c, enum level level, const char *text)
{
	p2v_autofree char *first = p2v_strf("%-4s  %-17s ", level_words[level], c->name);
	p2v_autobuf struct p2v_buf out = {0};

	p2v_text_add_wrapped(
		&out, first ? first : "", FINDING_COLUMN, p2v_text_columns(STDOUT_FILENO), text);
	fwrite(out.data, 1, out.len, stdout);
	fflush(stdout);
}

static int examine(const struct doctor_opts *o, struct diagnosis *d)
{
	int bad_tasks = 0;
	struct guest_accel_result accel;

	for (size_t i = 0; i < P2V_N(checks) && !p2v_stop_requested(); i++) {
		char *text = NULL;
		enum level level = checks[i].look(&checks[i], o, &text);

		if (level == LEVEL_BAD)
			bad_tasks |= checks[i].tasks;
		if (!o->json)
			show(&checks[i], level, text ? text : "");
		add_finding(d, &checks[i], level, text);
	}
	d->receive = !(bad_tasks & RECEIVE);
	d->convert = !(bad_tasks & CONVERT);
	d->prove = !(bad_tasks & PROVE);
	if (guest_accel_find(&accel, NULL) == 0)
		d->accel = strdup(guest_accel_word(accel.accel));
	return bad_tasks;
}

static const struct p2v_opt doctor_opts[] = {
	{"json", 0, NULL, P2V_OPT_FLAG, offsetof(struct doctor_opts, json), 0,
		"Print the findings as JSON (version 1: receive, convert, prove, accel, "
		"findings)."},
	{"quick", 0, NULL, P2V_OPT_FLAG, offsetof(struct doctor_opts, quick), 0,
		"Do not start the libguestfs appliance, which takes up to half a minute without "
		"KVM."},
	{"retry", 0, NULL, P2V_OPT_FLAG, offsetof(struct doctor_opts, retry), 0,
		"Try KVM again, even if it is known from earlier whether it works."},
	P2V_OPT_END,
};

static const struct p2v_cmd doctor_cmd = {
	.name = "p2v doctor",
	.operands = "",
	.max_operands = 0,
	.summary = "say whether this host can receive, convert and prove",
	.text = "Looks at what the host has, tries what can be tried, and says what to install or "
		"fix. "
		"Whether KVM really runs a guest is found out by booting a kernel under it for "
		"some "
		"seconds, once; the answer is kept, and everything else in p2v goes by it. "
		"P2V_ACCEL=kvm or P2V_ACCEL=tcg in the environment overrides it.\n\n"
		"Exit code 0: all three tasks can be done here. 1: at least one cannot.",
	.opts = doctor_opts,
	.see_also = "p2v(1)",
};

static int run(int argc, char **argv, struct p2v_err *err)
{
	struct doctor_opts o = {0};
	struct diagnosis d = {.version = 1};
	int r = p2v_opt_parse(&doctor_cmd, argc, argv, &o, err);

	if (r != 0)
		return r;
	r = examine(&o, &d) ? P2V_EIO : 0;
	if (p2v_stop_check(err) < 0)
		r = P2V_ECANCELED;
	else if (o.json && cli_print_json(&diagnosis_type, &d, err) < 0)
		r = P2V_EIO;
	else if (!o.json)
		printf("\nThis host can%s receive, can%s convert and can%s prove.\n",
			d.receive ? "" : "not", d.convert ? "" : "not", d.prove ? "" : "not");
	p2v_json_free(&diagnosis_type, &d);
	return r;
}

const struct verb cli_doctor = {"doctor", &doctor_cmd, run};

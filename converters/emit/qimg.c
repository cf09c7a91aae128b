/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/emit/qimg.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "converters/emit/argv.h"
#include "converters/emit/qemu.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"

/* Metadata only; a busy disk may take long, a hung one must end. */
#define SHORT_MS (10 * 60 * 1000)
/* Data: as long as it takes. */
#define LONG_MS -1
/* Three seconds in all. */
#define LOCK_TRIES    15
#define LOCK_PAUSE_NS 200000000L

struct info_snapshot {
	char *name;
};
static const struct p2v_json_field info_snapshot_fields[] = {
	P2V_JSON_STR(struct info_snapshot, name, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type info_snapshot_type = {
	"snapshot", sizeof(struct info_snapshot), info_snapshot_fields};

struct info_doc {
	char *format;
	uint64_t virtual_size;
	char *backing, *full_backing;
	struct info_snapshot *snapshots;
	size_t n_snapshots;
};
static const struct p2v_json_field info_doc_fields[] = {
	P2V_JSON_STR(struct info_doc, format, P2V_JSON_REQUIRED),
	{"virtual-size", P2V_JSON_KIND_U64, P2V_JSON_REQUIRED,
		offsetof(struct info_doc, virtual_size), 0, NULL, NULL},
	{"backing-filename", P2V_JSON_KIND_STR, 0, offsetof(struct info_doc, backing), 0, NULL,
		NULL},
	{"full-backing-filename", P2V_JSON_KIND_STR, 0, offsetof(struct info_doc, full_backing), 0,
		NULL, NULL},
	P2V_JSON_OBJS(struct info_doc, snapshots, 0, &info_snapshot_type),
	P2V_JSON_END,
};
static const struct p2v_json_type info_doc_type = {
	"qemu-img info", sizeof(struct info_doc), info_doc_fields};

/* QEMU's words for an image that a machine or another program has open. */
static bool is_locked(const struct p2v_err *why)
{
	return strstr(why->text, " lock") ||
	       strstr(why->text, "Is another process using the image");
}

/* A program that was killed a moment ago holds its lock until its last write is done. */
static int run(const char *path, int timeout_ms, const char *const *argv, struct p2v_buf *ret_out,
	struct p2v_err *err)
{
	struct p2v_err why = {0};
	int r = p2v_proc_run(argv, NULL, 0, timeout_ms, ret_out, &why);

	for (int tries = 0; r < 0 && is_locked(&why) && tries < LOCK_TRIES; tries++) {
		struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};

		nanosleep(&pause, NULL);
		p2v_err_clear(&why);
		r = p2v_proc_run(argv, NULL, 0, timeout_ms, ret_out, &why);
	}
	if (r == 0)
		return 0;
	if (is_locked(&why))
		return p2v_err_set(err, P2V_EREFUSED,
			"%s: in use by a running machine or another program (%s)", path, why.text);
	return p2v_err_set(err, r, "%s: %s", path, why.text);
}

int emit_qimg_info_decode(const void *text, size_t n, const char *snapshot,
	struct emit_qimg_info *ret, struct p2v_err *err)
{
	struct info_doc doc = {0};
	int r = p2v_json_decode(&info_doc_type, text, n, &doc, err);

	if (r < 0)
		return r;
	*ret = (struct emit_qimg_info){
		.format = p2v_steal(doc.format),
		.virtual_size = doc.virtual_size,
		.backing = doc.full_backing ? p2v_steal(doc.full_backing) : p2v_steal(doc.backing),
	};
	for (size_t i = 0; snapshot && i < doc.n_snapshots; i++)
		ret->has_snapshot |=
			doc.snapshots[i].name && strcmp(doc.snapshots[i].name, snapshot) == 0;
	p2v_json_free(&info_doc_type, &doc);
	return 0;
}

void emit_qimg_info_finish(struct emit_qimg_info *info)
{
	free(info->format);
	free(info->backing);
	memset(info, 0, sizeof(*info));
}

int emit_qimg_info(const char *path, const char *format, const char *snapshot,
	struct emit_qimg_info *ret, struct p2v_err *err)
{
	const char *const argv[] = {
		"qemu-img", "info", "--output=json", "-f", format, "--", path, NULL};
	p2v_autobuf struct p2v_buf out = {0};
	int r = run(path, SHORT_MS, argv, &out, err);

	if (r < 0)
		return r;
	r = emit_qimg_info_decode(out.data, out.len, snapshot, ret, err);
	return r < 0 ? p2v_err_wrap(err, r, "%s", path) : 0;
}

int emit_qimg_snapshot(const char *path, const char *action, const char *name, struct p2v_err *err)
{
	/* This subcommand has no -f. */
	p2v_autofree char *value = emit_qemu_value(path);
	p2v_autofree char *image =
		p2v_strf("driver=qcow2,file.driver=file,file.filename=%s", value ? value : "");
	const char *const argv[] = {
		"qemu-img", "snapshot", "-q", action, name, "--image-opts", image, NULL};

	if (!value || !image)
		return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", path);
	return run(path, SHORT_MS, argv, NULL, err);
}

int emit_qimg_commit(const char *overlay, struct p2v_err *err)
{
	/* -d: keep the overlay as it is, so that an interrupted commit is simply done again. */
	const char *const argv[] = {
		"qemu-img", "commit", "-q", "-d", "-f", "qcow2", "--", overlay, NULL};

	return run(overlay, LONG_MS, argv, NULL, err);
}

int emit_qimg_overlay(
	const char *path, const char *backing, const char *backing_format, struct p2v_err *err)
{
	const char *const argv[] = {"qemu-img", "create", "-q", "-f", "qcow2", "-b", backing, "-F",
		backing_format, "--", path, NULL};

	return run(path, SHORT_MS, argv, NULL, err);
}

/*
 * QEMU orders its writes so that what refers to data is always right; reference counts may be too
 * high after a kill, and the flags that follow from them (QCOW_OFLAG_COPIED) wrong either way.
 */
int emit_qimg_check(const char *path, struct p2v_err *err)
{
	const char *const mend[] = {
		"qemu-img", "check", "-q", "-r", "all", "-f", "qcow2", "--", path, NULL};
	const char *const check[] = {"qemu-img", "check", "-q", "-f", "qcow2", "--", path, NULL};
	int r = run(path, LONG_MS, check, NULL, err);

	if (r != P2V_EIO)
		return r;
	p2v_err_clear(err);
	r = run(path, LONG_MS, mend, NULL, err);
	return r < 0 ? r : run(path, LONG_MS, check, NULL, err);
}

/* "    (12.34/100%)\r" is what qemu-img -p writes, again and again. Ends at end of file. */
static int follow(int fd, struct p2v_progress *progress, uint64_t size_bytes, struct p2v_err *err)
{
	char text[256];

	for (;;) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		char *paren;
		ssize_t n;

		if (p2v_stop_check(err) < 0)
			return P2V_ECANCELED;
		if (poll(&wait, 1, 200) <= 0)
			continue;
		n = read(fd, text, sizeof(text) - 1);
		if (n <= 0)
			return 0;
		text[n] = '\0';
		paren = strrchr(text, '(');
		if (paren) {
			double percent = strtod(paren + 1, NULL);

			if (percent >= 0 && percent <= 100)
				p2v_progress_set(
					progress, (uint64_t)((double)size_bytes * percent / 100));
		}
	}
}

static int run_followed(const char *const *argv, const char *path, struct p2v_progress *progress,
	uint64_t size_bytes, struct p2v_err *err)
{
	p2v_autoclose int errors = memfd_create("qemu-img", MFD_CLOEXEC);
	struct p2v_proc_spec spec = {.argv = argv, .stdin_fd = -1, .stderr_fd = errors};
	char text[512];
	int out[2], status, r;
	ssize_t n;
	pid_t pid;

	if (errors < 0 || pipe2(out, O_CLOEXEC) < 0)
		return p2v_err_errno(err, errno, "qemu-img: pipe");
	spec.stdout_fd = out[1];
	r = p2v_proc_start(&spec, &pid, err);
	close(out[1]);
	if (r == 0) {
		r = follow(out[0], progress, size_bytes, err);
		if (r == 0)
			r = p2v_proc_wait(pid, LONG_MS, &status, err);
		if (r < 0)
			p2v_proc_stop(pid, 2000);
	}
	close(out[0]);
	if (r < 0 || status == 0)
		return r;
	n = pread(errors, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return p2v_err_set(err, strstr(text, "No space left") ? P2V_ENOSPC : P2V_EIO,
		"%s: qemu-img: %s", path, n > 0 ? text : "failed");
}

int emit_qimg_convert(const char *from, const char *from_format, const char *to,
	const char *to_format, const char *options, struct p2v_progress *progress,
	uint64_t size_bytes, struct p2v_err *err)
{
	p2v_auto_emit_argv struct emit_argv argv = {0};
	p2v_autoclose int fd = -1;
	int r;

	emit_argv_add(&argv, "qemu-img");
	emit_argv_add(&argv, "convert");
	emit_argv_add(&argv, "-p");
	emit_argv_opt(&argv, "-f", "%s", from_format);
	emit_argv_opt(&argv, "-O", "%s", to_format);
	if (options)
		emit_argv_opt(&argv, "-o", "%s", options);
	emit_argv_add(&argv, "--");
	emit_argv_add(&argv, "%s", from);
	emit_argv_add(&argv, "%s", to);
	r = emit_argv_check(&argv, err);
	if (r == 0)
		r = run_followed((const char *const *)argv.args, to, progress, size_bytes, err);
	if (r < 0)
		return r;
	/* qemu-img convert does not wait for the medium by itself. */
	fd = open(to, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return p2v_err_errno(err, errno, "%s: flush", to);
	return 0;
}

int emit_qimg_overwrite(const char *from, const char *from_format, const char *to,
	struct p2v_progress *progress, uint64_t size_bytes, struct p2v_err *err)
{
	/* -t: else it is written without a flush at the end. */
	const char *const argv[] = {"qemu-img", "convert", "-p", "-n", "-t", "writeback", "-f",
		from_format, "-O", "raw", "--", from, to, NULL};

	return run_followed(argv, to, progress, size_bytes, err);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/media/parts.h"

#define COPY_MAX_BYTES ((size_t)1 << 29)

static int tools_check(struct p2v_err *err)
{
	static const struct {
		const char *tool, *package;
	} tools[] = {{"mmdebstrap", "mmdebstrap"}, {"xorriso", "xorriso"},
		{"grub-mkimage", "grub-common"}, {"mformat", "mtools"}, {"depmod", "kmod"},
		{"readelf", "binutils"}, {"zstd", "zstd"}, {"tar", "tar"}};

	for (size_t i = 0; i < P2V_N(tools); i++)
		if (!p2v_proc_exists(tools[i].tool))
			return p2v_err_set(err, P2V_EUNSUPPORTED,
				"%s is not installed (Debian's package %s)", tools[i].tool,
				tools[i].package);
	return 0;
}

static int readable(const char *path, const char *what, struct p2v_err *err)
{
	return access(path, R_OK) == 0 ? 0 : p2v_err_errno(err, errno, "%s %s", what, path);
}

static int programs_check(const struct media_spec *spec, struct p2v_err *err)
{
	static const char *const names[] = {"p2v-agent", "p2v-boot"};
	int r = 0;

	for (size_t i = 0; r == 0 && i < P2V_N(names); i++) {
		p2v_autofree char *path = p2v_path_join(spec->programs, names[i]);

		r = path ? readable(path, "the medium's program", err)
			 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	return r;
}

int media_arch_check(const char *arch, struct p2v_err *err)
{
	return media_arch_find(arch)
		       ? 0
		       : p2v_err_set(err, P2V_EINVAL,
				 "architecture '%.40s' is neither amd64 nor i386", arch);
}

int media_spec_check(const struct media_spec *spec, struct p2v_err *err)
{
	int r = tools_check(err);

	if (r == 0)
		r = media_arch_check(spec->arch, err);
	if (r == 0)
		r = programs_check(spec, err);
	if (r == 0 && spec->sources)
		r = readable(spec->sources, "sources", err);
	return r;
}

int media_build_begin(const struct media_spec *spec, struct p2v_progress *progress,
	struct media_build *ret, struct p2v_err *err)
{
	struct media_build b = {
		.spec = spec, .arch = media_arch_find(spec->arch), .progress = progress};
	int r = p2v_dir_temp("media", &b.work, err);

	if (r == 0) {
		b.tree = p2v_path_join(b.work, "tree");
		b.boot = p2v_path_join(b.work, "boot");
		r = b.tree && b.boot ? p2v_dir_make(b.boot, 0700, err)
				     : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	if (r < 0) {
		media_build_finish(&b);
		return r;
	}
	*ret = b;
	return 0;
}

void media_build_finish(struct media_build *b)
{
	if (b->work)
		p2v_dir_remove(b->work);
	free(b->work);
	free(b->tree);
	free(b->kernel);
	free(b->boot);
	memset(b, 0, sizeof(*b));
}

/* What a tool wrote to `path`, for the error sentence: apt's first error ("E: ..."), which the ones
 * behind it follow from; of others the last line. */
static int tool_failed(const char *name, const char *path, int status, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, line, said = {0};
	char how[P2V_PROC_TEXT];

	p2v_file_read(path, (size_t)16 << 20, &text, NULL);
	rest = p2v_span_of(text.data, text.len);
	while (!p2v_span_starts(said, "E: ") && p2v_line_next(&rest, &line))
		if (p2v_span_trim(line).n)
			said = p2v_span_trim(line);
	return p2v_err_set(err, P2V_EIO, "%s: %s: %.*s", name, p2v_proc_status_text(status, how),
		(int)(said.n < 300 ? said.n : 300), said.n ? said.p : "");
}

int media_tool_run(const struct media_build *b, const char *const *argv, struct p2v_err *err)
{
	p2v_autofree char *epoch =
		p2v_strf("SOURCE_DATE_EPOCH=%llu", (unsigned long long)b->spec->epoch);
	p2v_autofree char *log = p2v_path_join(b->work, "log");
	const char *const env[] = {epoch, "LC_ALL=C.UTF-8", "TZ=UTC", "MTOOLS_SKIP_CHECK=1", NULL};
	struct p2v_proc_spec spec = {
		.argv = argv, .setenv = env, .cwd = b->work, .stdin_fd = -1, .stdout_fd = -1};
	p2v_autoclose int log_fd = -1;
	pid_t pid = 0;
	int status = 0, r;

	if (!epoch || !log)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	log_fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (log_fd < 0)
		return p2v_err_errno(err, errno, "%s", log);
	spec.stderr_fd = log_fd;
	r = p2v_proc_start(&spec, &pid, err);
	if (r < 0)
		return r;
	r = p2v_proc_wait(pid, MEDIA_FETCH_MS, &status, err);
	if (r < 0) {
		p2v_proc_stop(pid, 5000);
		return p2v_err_wrap(err, r, "%s", argv[0]);
	}
	return status ? tool_failed(argv[0], log, status, err) : 0;
}

int media_file_write(const struct media_build *b, const char *path, const void *bytes, size_t n,
	struct p2v_err *err)
{
	const struct timespec times[2] = {
		{.tv_sec = (time_t)b->spec->epoch}, {.tv_sec = (time_t)b->spec->epoch}};
	p2v_autofree char *dir = strdup(path);
	char *name = dir ? strrchr(dir, '/') : NULL;
	int r;

	if (!name)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	*name++ = '\0';
	r = p2v_dir_make(dir, 0755, err);
	if (r == 0)
		r = p2v_publish_bytes(dir, name, bytes ? bytes : "", n, 0644, err);
	if (r == 0 && utimensat(AT_FDCWD, path, times, 0) < 0)
		r = p2v_err_errno(err, errno, "%s", path);
	return r;
}

int media_file_copy(
	const struct media_build *b, const char *from, const char *to, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf bytes = {0};
	int r = p2v_file_read(from, COPY_MAX_BYTES, &bytes, err);

	return r < 0 ? r : media_file_write(b, to, bytes.data, bytes.len, err);
}

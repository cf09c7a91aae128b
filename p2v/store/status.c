/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/store/status.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/store/jobdir.h"

#define STATUS_MAX ((size_t)65536)

static const struct p2v_json_field fields[] = {
	P2V_JSON_U32(struct store_status, version, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct store_status, state, P2V_JSON_REQUIRED),
	P2V_JSON_BOOL(struct store_status, running, 0),
	P2V_JSON_STR(struct store_status, step, 0),
	P2V_JSON_STR(struct store_status, reason, 0),
	P2V_JSON_U64(struct store_status, done, P2V_JSON_OMIT),
	P2V_JSON_U64(struct store_status, total, P2V_JSON_OMIT),
	P2V_JSON_END,
};
static const struct p2v_json_type type = {"status", sizeof(struct store_status), fields};

int store_status_load(const char *dir, struct store_status *ret, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(dir, STORE_STATUS);
	p2v_autobuf struct p2v_buf text = {0};
	int r = path ? p2v_file_read(path, STATUS_MAX, &text, err)
		     : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	return r < 0 ? r : p2v_json_decode(&type, text.data, text.len, ret, err);
}

int store_status_write(const char *dir, const struct store_status *status, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct store_status s = *status;
	int r;

	s.version = 1;
	r = p2v_json_encode(&type, &s, true, &text, err);
	return r < 0 ? r : store_jobdir_place(dir, STORE_STATUS, &text, false, err);
}

void store_status_touch(const char *dir)
{
	p2v_autoclose int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir_fd >= 0)
		utimensat(dir_fd, STORE_STATUS, NULL, AT_SYMLINK_NOFOLLOW);
}

uint64_t store_status_age_s(const char *dir)
{
	p2v_autofree char *path = p2v_path_join(dir, STORE_STATUS);
	time_t now = time(NULL);
	struct stat st;

	if (!path || lstat(path, &st) < 0)
		return UINT64_MAX;
	return now > st.st_mtime ? (uint64_t)(now - st.st_mtime) : 0;
}

void store_status_drop(const char *dir)
{
	p2v_autofree char *path = p2v_path_join(dir, STORE_STATUS);

	if (path)
		unlink(path);
}

void store_status_finish(struct store_status *status)
{
	p2v_json_free(&type, status);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/core/publish.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"

#define SUFFIX_LEN 6

char *p2v_strf(const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : text;
}

char *p2v_path_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);

	return p2v_strf("%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name);
}

/* ".NAME.XXXXXX": what a publish of name leaves behind where it was cut short. */
static bool is_temp_of(const char *entry, const char *name)
{
	size_t n = strlen(name);

	if (entry[0] != '.' || strncmp(entry + 1, name, n) != 0 || entry[n + 1] != '.')
		return false;
	entry += n + 2;
	if (strlen(entry) != SUFFIX_LEN)
		return false;
	for (; *entry; entry++)
		if (!isalnum((unsigned char)*entry))
			return false;
	return true;
}

static void temps_remove(const char *dir, const char *name)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	if (!d)
		return;
	while ((entry = readdir(d)))
		if (is_temp_of(entry->d_name, name))
			unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
}

/* Like mkstemp, but with the mode asked for and the umask applied by the kernel. */
static int temp_open(
	const char *dir, const char *name, unsigned mode, char **ret_path, struct p2v_err *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";

	for (int tries = 0; tries < 100; tries++) {
		p2v_autofree char *path = NULL;
		char suffix[SUFFIX_LEN + 1] = "";
		int fd;

		if (getrandom(suffix, SUFFIX_LEN, 0) != SUFFIX_LEN)
			return p2v_err_errno(err, errno, "random numbers");
		for (int i = 0; i < SUFFIX_LEN; i++)
			suffix[i] = letters[(unsigned char)suffix[i] % (sizeof(letters) - 1)];
		path = p2v_strf("%s/.%s.%s", dir, name, suffix);
		if (!path)
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
		if (fd >= 0) {
			*ret_path = p2v_steal(path);
			return fd;
		}
		if (errno != EEXIST)
			break;
	}
	return p2v_err_errno(err, errno, "%s: make '%s'", dir, name);
}

int p2v_publish_begin(struct p2v_publish *pub, const char *dir, const char *name, unsigned mode,
	struct p2v_err *err)
{
	p2v_autofree char *own_dir = strdup(dir), *own_name = strdup(name), *temp = NULL;
	int fd;

	if (!own_dir || !own_name)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (!*name || strchr(name, '/'))
		return p2v_err_set(err, P2V_EINVAL, "'%s' is not a file name", name);
	temps_remove(dir, name);
	fd = temp_open(dir, name, mode, &temp, err);
	if (fd < 0)
		return fd;
	*pub = (struct p2v_publish){p2v_steal(own_dir), p2v_steal(own_name), p2v_steal(temp), fd};
	return 0;
}

static void publish_finish(struct p2v_publish *pub)
{
	if (pub->temp)
		close(pub->fd);
	free(pub->dir);
	free(pub->name);
	free(pub->temp);
	*pub = (struct p2v_publish){.fd = -1};
}

void p2v_publish_abort(struct p2v_publish *pub)
{
	if (pub->temp)
		unlink(pub->temp);
	publish_finish(pub);
}

int p2v_publish_commit(struct p2v_publish *pub, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(pub->dir, pub->name);
	int rc;

	if (!path)
		rc = p2v_err_set(err, P2V_ENOMEM, "out of memory");
	else if (fsync(pub->fd) < 0)
		rc = p2v_err_errno(err, errno, "%s: fsync", path);
	else if (rename(pub->temp, path) < 0)
		rc = p2v_err_errno(err, errno, "%s: rename", path);
	else {
		rc = p2v_dir_sync(pub->dir, err);
		publish_finish(pub);
		return rc;
	}
	p2v_publish_abort(pub);
	return rc;
}

static int write_all(int fd, const uint8_t *bytes, size_t n, struct p2v_err *err)
{
	while (n > 0) {
		ssize_t done = write(fd, bytes, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return p2v_err_errno(err, errno, "write");
		bytes += done;
		n -= (size_t)done;
	}
	return 0;
}

int p2v_publish_bytes(const char *dir, const char *name, const void *bytes, size_t n, unsigned mode,
	struct p2v_err *err)
{
	p2v_autopublish struct p2v_publish pub = {0};
	int rc = p2v_publish_begin(&pub, dir, name, mode, err);

	if (rc < 0)
		return rc;
	rc = write_all(pub.fd, bytes, n, err);
	if (rc < 0)
		return p2v_err_wrap(err, rc, "%s/%s", dir, name);
	return p2v_publish_commit(&pub, err);
}

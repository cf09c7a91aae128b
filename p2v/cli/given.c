/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/cli/given.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/model/check.h"
#include "p2v/store/jobdir.h"

/* What `qemu-img info --output=json` says that matters here. */
struct img_data {
	char *data_file;
};
struct img_specific {
	struct img_data data;
};
struct img_info {
	char *format;
	uint64_t virtual_size;
	char *backing_filename;
	struct img_specific specific;
};

static const struct p2v_json_field data_fields[] = {
	{"data-file", P2V_JSON_KIND_STR, 0, offsetof(struct img_data, data_file), 0, NULL, NULL},
	P2V_JSON_END,
};
static const struct p2v_json_type data_type = {"data", sizeof(struct img_data), data_fields};
static const struct p2v_json_field specific_fields[] = {
	P2V_JSON_OBJ(struct img_specific, data, 0, &data_type),
	P2V_JSON_END,
};
static const struct p2v_json_type specific_type = {
	"format-specific", sizeof(struct img_specific), specific_fields};
static const struct p2v_json_field info_fields[] = {
	P2V_JSON_STR(struct img_info, format, P2V_JSON_REQUIRED),
	{"virtual-size", P2V_JSON_KIND_U64, P2V_JSON_REQUIRED,
		offsetof(struct img_info, virtual_size), 0, NULL, NULL},
	{"backing-filename", P2V_JSON_KIND_STR, 0, offsetof(struct img_info, backing_filename), 0,
		NULL, NULL},
	{"format-specific", P2V_JSON_KIND_OBJ, 0, offsetof(struct img_info, specific), 0,
		&specific_type, NULL},
	P2V_JSON_END,
};
static const struct p2v_json_type info_type = {
	"qemu-img info", sizeof(struct img_info), info_fields};

static int ask_qemu_img(
	const char *path, const char *format, struct img_info *ret, struct p2v_err *err)
{
	const char *argv[8] = {"qemu-img", "info", "--output=json"};
	p2v_autobuf struct p2v_buf out = {0};
	size_t n = 3;
	int r;

	if (format) {
		argv[n++] = "-f";
		argv[n++] = format;
	}
	argv[n++] = path;
	r = p2v_proc_run(argv, NULL, 0, 60000, &out, err);
	if (r == 0)
		r = p2v_json_decode(&info_type, out.data, out.len, ret, err);
	return r < 0 ? p2v_err_wrap(err, r, "%s", path) : 0;
}

static int check_is_disk(const char *path, char full[PATH_MAX], struct p2v_err *err)
{
	struct stat st;

	if (!realpath(path, full) || stat(full, &st) < 0)
		return p2v_err_errno(err, errno, "%s", path);
	if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		return 0;
	return p2v_err_set(
		err, P2V_EINVAL, "%s: is neither a file nor a block device, so no disk", path);
}

/* A block device says it; of a raw file, a GPT tells by where its header stands: in the second
 * sector (UEFI 2.10, 5.3.2). Else 512: a disk of 4096 has a GPT, as firmware boots from no other.
 */
static uint32_t sector_bytes(const char *path, const char *format)
{
	static const char mark[] = "EFI PART";
	p2v_autoclose int fd =
		strcmp(format, "raw") == 0 ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	char head[4096 + sizeof(mark) - 1];
	int size = 0;

	if (fd >= 0 && ioctl(fd, BLKSSZGET, &size) == 0)
		return size == 4096 ? 4096 : 512;
	return fd >= 0 && pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
			       memcmp(head + 512, mark, strlen(mark)) != 0 &&
			       memcmp(head + 4096, mark, strlen(mark)) == 0
		       ? 4096
		       : 512;
}

static int add_disk(struct image *image, const char *path, const char *format, struct p2v_err *err)
{
	struct img_info info = {0};
	struct image_disk *disk;
	char full[PATH_MAX];
	int r;

	r = check_is_disk(path, full, err);
	if (r == 0)
		r = ask_qemu_img(full, format, &info, err);
	if (r < 0)
		return r;
	if (info.backing_filename || info.specific.data.data_file) {
		const char *other = info.backing_filename ? info.backing_filename
							  : info.specific.data.data_file;

		r = p2v_err_set(err, P2V_EREFUSED,
			"%s: leans on another file, '%s': merge them first (qemu-img convert), or "
			"say "
			"--input-format raw if the disk only looks like that",
			path, other);
	} else if (info.virtual_size < 512) {
		r = p2v_err_set(err, P2V_EFORMAT, "%s: is empty, so no disk", path);
	} else if (!(disk = p2v_json_grow(
			     (void **)&image->disks, &image->n_disks, sizeof(*disk)))) {
		r = p2v_err_set(err, P2V_ENOMEM, "out of memory");
	} else {
		disk->id = p2v_strf("disk%zu", image->n_disks - 1);
		disk->path = strdup(full);
		disk->format = p2v_steal(info.format);
		disk->size_bytes = info.virtual_size;
		disk->logical_sector_bytes = sector_bytes(full, disk->format);
	}
	p2v_json_free(&info_type, &info);
	return r;
}

/* A machine name out of a file name: "/srv/web01.img" -> "web01". */
static char *name_of_path(const char *path)
{
	const char *base = strrchr(path, '/');
	char *name = strdup(base ? base + 1 : path);

	if (!name)
		return NULL;
	if (strchr(name, '.'))
		*strchr(name, '.') = '\0';
	if (model_name_ok(name))
		return name;
	free(name);
	return strdup("server");
}

int cli_given_disks(const char *const *paths, size_t n_paths, const char *format, struct image *ret,
	struct p2v_err *err)
{
	p2v_auto_image struct image image = {.version = 1};
	int r;

	image.name = name_of_path(paths[0]);
	for (size_t i = 0; i < n_paths; i++) {
		r = add_disk(&image, paths[i], format, err);
		if (r < 0)
			return r;
	}
	*ret = image;
	image = (struct image){0};
	return 0;
}

int cli_given_job(const char *dir, struct image *ret, struct p2v_err *err)
{
	p2v_auto_image struct image image = {0};
	p2v_autofree char *path = p2v_path_join(dir, STORE_IMAGE);
	char full[PATH_MAX];
	int r;

	if (!p2v_file_exists(path))
		return p2v_err_set(err, P2V_ENOTFOUND,
			"%s: has no image.json: nothing was received or converted there", dir);
	r = model_image_load(path, &image, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < image.n_disks; i++) {
		struct image_disk *disk = &image.disks[i];
		p2v_autofree char *joined =
			disk->path[0] == '/' ? strdup(disk->path) : p2v_path_join(dir, disk->path);

		r = check_is_disk(joined, full, err);
		if (r < 0)
			return r;
		free(disk->path);
		disk->path = strdup(full);
	}
	*ret = image;
	image = (struct image){0};
	return 0;
}

int cli_given(const char *const *operands, size_t n, const char *format, struct image *ret,
	struct p2v_err *err)
{
	struct stat st;

	if (n == 1 && stat(operands[0], &st) == 0 && S_ISDIR(st.st_mode))
		return cli_given_job(operands[0], ret, err);
	return cli_given_disks(operands, n, format, ret, err);
}

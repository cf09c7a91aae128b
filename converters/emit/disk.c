/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/emit/disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "converters/emit/place.h"
#include "converters/emit/qimg.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/store/jobdir.h"

/* qcow2 first: it is the default and the only one that needs no copy. */
static const struct emit_format formats[] = {
	{"qcow2", "qcow2", NULL, true},
	{"raw", "raw", NULL, false},
	{"vmdk", "vmdk", "subformat=monolithicSparse", false},
	{"vhdx", "vhdx", "subformat=dynamic", false},
	{"vdi", "vdi", NULL, false},
};

const struct emit_format *emit_format_find(const char *name)
{
	for (size_t i = 0; name && i < P2V_N(formats); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

static char *image_path(const char *dir, const struct image_disk *image)
{
	return image->path[0] == '/' ? strdup(image->path) : p2v_path_join(dir, image->path);
}

static bool same_file(const char *a, const char *b)
{
	struct stat sa, sb;

	return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

static int check_overlay(const char *overlay, const char *pristine, struct p2v_err *err)
{
	p2v_auto_qimg_info struct emit_qimg_info info = {0};
	int r;

	if (!p2v_file_exists(overlay))
		return p2v_err_set(err, P2V_ENOTFOUND,
			"%s: the converted state is gone; convert again", overlay);
	r = emit_qimg_info(overlay, "qcow2", NULL, &info, err);
	if (r < 0)
		return r;
	if (!info.backing || !same_file(info.backing, pristine))
		return p2v_err_set(err, P2V_EREFUSED, "%s: is no overlay of %s", overlay, pristine);
	return 0;
}

/* Steps 1 to 3. */
static int merge(const struct emit_disk_job *job, const char *pristine, struct p2v_err *err)
{
	p2v_auto_qimg_info struct emit_qimg_info info = {0};
	int r = emit_qimg_info(pristine, "qcow2", EMIT_SNAPSHOT, &info, err);

	if (r == 0 && info.backing)
		r = p2v_err_set(
			err, P2V_EREFUSED, "%s: has a backing file and is not complete", pristine);
	/* An earlier run may have been killed while it did the same. */
	if (r == 0)
		r = emit_qimg_check(pristine, err);
	if (r == 0)
		r = emit_qimg_snapshot(
			pristine, info.has_snapshot ? "-a" : "-c", EMIT_SNAPSHOT, err);
	if (r == 0)
		r = emit_qimg_commit(job->overlay, err);
	if (r == 0)
		r = emit_qimg_check(pristine, err);
	return r;
}

/* What is handed over needs no other file. */
static int check_whole(
	const char *path, const char *driver, uint64_t size_bytes, struct p2v_err *err)
{
	p2v_auto_qimg_info struct emit_qimg_info info = {0};
	int r = emit_qimg_info(path, driver, NULL, &info, err);

	if (r < 0)
		return r;
	if (info.backing)
		return p2v_err_set(err, P2V_EFORMAT, "%s: still needs %s", path, info.backing);
	/* Formats round up to their own grain. */
	if (info.virtual_size < size_bytes)
		return p2v_err_set(err, P2V_EFORMAT, "%s: smaller than the disk", path);
	return 0;
}

static int publish(const char *temp, const char *path, const char *dir, struct p2v_err *err)
{
	if (rename(temp, path) < 0)
		return p2v_err_errno(err, errno, "%s: rename to %s", temp, path);
	/* rename(2) does nothing where both names are already the same file. */
	unlink(temp);
	return p2v_dir_sync(dir, err);
}

/* Makes `temp` hold the result: linked or copied. */
static int make(const struct emit_disk_job *job, const char *pristine, const char *temp,
	bool *ret_in_place, struct p2v_err *err)
{
	bool in_place = job->image->owned && job->format->in_place &&
			strcmp(job->image->format, "qcow2") == 0;
	int r = check_overlay(job->overlay, pristine, err);

	if (r < 0)
		return r;
	unlink(temp);
	if (in_place && link(pristine, temp) < 0)
		in_place = false;
	if (in_place)
		r = merge(job, pristine, err);
	else
		r = emit_qimg_convert(job->overlay, "qcow2", temp, job->format->driver,
			job->format->options, job->progress, job->image->size_bytes, err);
	if (r == 0)
		*ret_in_place = in_place;
	return r;
}

static int fill(const struct emit_disk_job *job, const char *path, bool in_place,
	struct output_disk *disk, struct p2v_err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return p2v_err_errno(err, errno, "%s", path);
	disk->path = p2v_strf(
		STORE_OUTPUT_DIR "/%s-%s.%s", job->name, job->image->id, job->format->name);
	disk->format = strdup(job->format->driver);
	disk->pristine_snapshot = in_place ? strdup(EMIT_SNAPSHOT) : NULL;
	if (!disk->path || !disk->format || (in_place && !disk->pristine_snapshot))
		return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", path);
	disk->size_bytes = job->image->size_bytes;
	disk->file_bytes = (uint64_t)st.st_blocks * 512;
	return 0;
}

/* Killed within, it is done again. */
static int send(const struct emit_disk_job *job, const char *pristine, struct output_disk *disk,
	struct p2v_err *err)
{
	int r = check_overlay(job->overlay, pristine, err);

	if (r == 0)
		r = emit_place_check(job->to, job->image->size_bytes, err);
	if (r == 0)
		r = emit_qimg_overwrite(
			job->overlay, "qcow2", job->to, job->progress, job->image->size_bytes, err);
	if (r < 0)
		return r;
	disk->path = strdup(job->to);
	disk->format = strdup("raw");
	disk->size_bytes = disk->file_bytes = job->image->size_bytes;
	return disk->path && disk->format
		       ? 0
		       : p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", job->to);
}

int emit_disk_run(const struct emit_disk_job *job, struct output_disk *disk, struct p2v_err *err)
{
	p2v_autofree char *pristine = image_path(job->dir, job->image);
	p2v_autofree char *out_dir = p2v_path_join(job->dir, STORE_OUTPUT_DIR);
	p2v_autofree char *path = p2v_strf("%s/" STORE_OUTPUT_DIR "/%s-%s.%s", job->dir, job->name,
		job->image->id, job->format->name);
	p2v_autofree char *temp = p2v_strf("%s/" STORE_OUTPUT_DIR "/.%s-%s.%s.part", job->dir,
		job->name, job->image->id, job->format->name);
	bool in_place = false;
	int r;

	if (!pristine || !out_dir || !path || !temp)
		return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", job->image->id);
	if (job->to)
		return send(job, pristine, disk, err);
	r = make(job, pristine, temp, &in_place, err);
	if (r == 0)
		r = check_whole(temp, job->format->driver, job->image->size_bytes, err);
	if (r == 0)
		r = publish(temp, path, out_dir, err);
	if (r < 0) {
		unlink(temp);
		return r;
	}
	return fill(job, path, in_place, disk, err);
}

int emit_disk_undo(
	const char *dir, const struct image_disk *image, bool only_check, struct p2v_err *err)
{
	p2v_auto_qimg_info struct emit_qimg_info info = {0};
	p2v_autofree char *path = image_path(dir, image);
	int r;

	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", image->id);
	if (!image->owned || strcmp(image->format, "qcow2") != 0)
		return 0;
	r = emit_qimg_info(path, "qcow2", EMIT_SNAPSHOT, &info, err);
	if (r < 0 || only_check)
		return r;
	if (info.has_snapshot)
		r = emit_qimg_snapshot(path, "-a", EMIT_SNAPSHOT, err);
	/* Only now is the active state pristine again, and the snapshot may go. */
	if (r == 0 && info.has_snapshot)
		r = emit_qimg_snapshot(path, "-d", EMIT_SNAPSHOT, err);
	/* Without a snapshot, too: a run may have been killed while it made or deleted it. */
	return r == 0 ? emit_qimg_check(path, err) : r;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/model/image.h"
#include "p2v/model/receipt.h"
#include "p2v/recv/disk.h"
#include "p2v/recv/job.h"
#include "p2v/store/jobdir.h"

/* The job began when its machine.json was published. */
static int times_set(const struct recv_job *job, struct receipt *receipt, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(job->dir, STORE_MACHINE);
	char text[32];
	struct stat st;
	struct tm tm;
	time_t now = time(NULL);

	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (stat(path, &st) < 0)
		return p2v_err_errno(err, errno, "%s", path);
	gmtime_r(&st.st_mtime, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	receipt->started = strdup(text);
	p2v_now_text(text);
	receipt->finished = strdup(text);
	receipt->duration_ms = now > st.st_mtime ? (uint64_t)(now - st.st_mtime) * 1000 : 0;
	return receipt->started && receipt->finished
		       ? 0
		       : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static int bad_ranges_add(
	const struct journal *journal, struct receipt_disk *out, struct p2v_err *err)
{
	for (size_t i = 0; i < recv_journal_n_bad(journal); i++) {
		p2v_autofree char *text = NULL;
		uint64_t offset, length;
		int r;

		recv_journal_bad(journal, i, &offset, &length);
		text = p2v_strf(
			"%llu+%llu", (unsigned long long)offset, (unsigned long long)length);
		r = text ? p2v_json_add_str(&out->bad_ranges, &out->n_bad_ranges, text, err)
			 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
		if (r < 0)
			return r;
	}
	return 0;
}

/* Those of one disk, without its name. */
static int bad_files_add(
	const struct recv_unreadable *unreadable, struct receipt_disk *out, struct p2v_err *err)
{
	size_t n = strlen(out->id);
	int r = 0;

	for (size_t i = 0; i < unreadable->n && r == 0; i++) {
		const char *line = unreadable->lines[i];

		if (strncmp(line, out->id, n) == 0 && strncmp(line + n, ": ", 2) == 0)
			r = p2v_json_add_str(&out->bad_files, &out->n_bad_files, line + n + 2, err);
	}
	return r;
}

static int disk_add(const struct machine_disk *disk, const struct journal *journal,
	const char *format, struct receipt_disk *receipt, struct image_disk *image,
	struct p2v_err *err)
{
	struct journal_verified v;
	char root[BLOCK_DIGEST_HEX];
	unsigned opened;

	if (!journal || !recv_journal_verified(journal, &v))
		return p2v_err_set(
			err, P2V_EFORMAT, "FINISH cannot come now: %s is not verified", disk->id);
	opened = recv_journal_opened(journal);
	block_digest_text(&v.root, root);
	*receipt = (struct receipt_disk){
		.id = strdup(disk->id),
		.size_bytes = disk->size_bytes,
		.grain_bytes = BLOCK_GRAIN_BYTES,
		.digest = strdup(root),
		.verified = true,
		.read_bytes = v.read_bytes,
		.sent_bytes = v.sent_bytes,
		.written_bytes = recv_journal_written(journal),
		.zero_bytes = v.zero_bytes,
		.skipped_bytes = v.free_bytes,
		.resumed = opened ? opened - 1 : 0,
	};
	*image = (struct image_disk){
		.id = strdup(disk->id),
		.path = p2v_strf(STORE_IMAGE_DIR "/%s.%s", disk->id, format),
		.format = strdup(format),
		.size_bytes = disk->size_bytes,
		.logical_sector_bytes = disk->logical_sector_bytes,
		.owned = true,
		.digest = strdup(root),
	};
	if (!receipt->id || !receipt->digest || !image->id || !image->path || !image->format ||
		!image->digest)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	return bad_ranges_add(journal, receipt, err);
}

static int nouns_fill(const struct recv_job *job, const char *format,
	const struct recv_unreadable *unreadable, struct receipt *receipt, struct image *image,
	struct p2v_err *err)
{
	int r = times_set(job, receipt, err);

	receipt->version = image->version = 1;
	receipt->protocol = WIRE_VERSION;
	receipt->machine = strdup(job->machine.name);
	image->name = strdup(job->machine.name);
	if (r == 0 && (!receipt->machine || !image->name))
		r = p2v_err_set(err, P2V_ENOMEM, "out of memory");
	for (size_t i = 0; r == 0 && i < job->machine.n_disks; i++) {
		const struct machine_disk *disk = &job->machine.disks[i];
		p2v_auto(recv_journal_free) struct journal *journal = NULL;
		struct receipt_disk *rd =
			p2v_json_grow((void **)&receipt->disks, &receipt->n_disks, sizeof(*rd));
		struct image_disk *id =
			p2v_json_grow((void **)&image->disks, &image->n_disks, sizeof(*id));

		if (!rd || !id)
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
		r = recv_disk_journal(
			job->image_dir, (uint16_t)i, disk->size_bytes, format, &journal, err);
		if (r == 0)
			r = disk_add(disk, journal, format, rd, id, err);
		if (r == 0)
			r = bad_files_add(unreadable, rd, err);
	}
	return r;
}

int recv_job_complete(const struct recv_job *job, const char *format, unsigned streams,
	const struct recv_unreadable *unreadable, struct p2v_buf *ret_receipt, struct p2v_err *err)
{
	struct receipt receipt = {.streams = streams};
	struct image image = {0};
	int r = nouns_fill(job, format, unreadable, &receipt, &image, err);

	/* image.json is what the next stage starts from: it comes last. */
	if (r == 0)
		r = model_receipt_save(&receipt, job->dir, STORE_RECEIPT, err);
	if (r == 0)
		r = p2v_json_encode(&model_receipt_type, &receipt, true, ret_receipt, err);
	if (r == 0)
		r = model_image_save(&image, job->dir, STORE_IMAGE, err);
	model_receipt_finish(&receipt);
	model_image_finish(&image);
	return r;
}

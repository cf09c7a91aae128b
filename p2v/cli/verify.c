/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * p2v verify: reads the received disks again, at any later time, converted or not, and compares
 * each grain with the digest that it came with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/emit/disk.h"
#include "converters/emit/qimg.h"
#include "p2v/block/digest.h"
#include "p2v/block/io.h"
#include "p2v/cli/print.h"
#include "p2v/cli/verb.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/progress.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/model/image.h"
#include "p2v/model/receipt.h"
#include "p2v/recv/verify.h"
#include "p2v/store/jobdir.h"

#define CONNECTIONS 4

struct verify_opts {
	bool json;
	const char *progress;
	const char **dirs;
	size_t n_dirs;
};

/* What is printed with --json; version 1. */
struct verify_disk {
	char *id, *digest, *expected;
	bool ok;
	uint64_t size_bytes;
	char *snapshot;	   /* that it was read from; NULL: the image itself */
	char **bad_ranges; /* "offset+length" */
	size_t n_bad_ranges;
	char **lost_ranges; /* zeros, as the source could not be read there */
	size_t n_lost_ranges;
	char **lost_files; /* that these belong to */
	size_t n_lost_files;
};
static const struct p2v_json_field disk_fields[] = {
	P2V_JSON_STR(struct verify_disk, id, 0),
	P2V_JSON_BOOL(struct verify_disk, ok, 0),
	P2V_JSON_STR(struct verify_disk, digest, 0),
	P2V_JSON_STR(struct verify_disk, expected, 0),
	P2V_JSON_U64(struct verify_disk, size_bytes, 0),
	P2V_JSON_STR(struct verify_disk, snapshot, 0),
	P2V_JSON_STRS(struct verify_disk, bad_ranges, 0),
	P2V_JSON_STRS(struct verify_disk, lost_ranges, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct verify_disk, lost_files, P2V_JSON_OMIT),
	P2V_JSON_END,
};
static const struct p2v_json_type disk_type = {
	"verified disk", sizeof(struct verify_disk), disk_fields};

struct verify_doc {
	uint32_t version;
	char *name;
	bool ok;
	struct verify_disk *disks;
	size_t n_disks;
};
static const struct p2v_json_field doc_fields[] = {
	P2V_JSON_U32(struct verify_doc, version, 0),
	P2V_JSON_STR(struct verify_doc, name, 0),
	P2V_JSON_BOOL(struct verify_doc, ok, 0),
	P2V_JSON_OBJS(struct verify_doc, disks, 0, &disk_type),
	P2V_JSON_END,
};
static const struct p2v_json_type doc_type = {
	"verification", sizeof(struct verify_doc), doc_fields};

/* One disk as it is read. */
struct reading {
	struct verify_disk *out;
	struct p2v_progress *progress;
};

static int out_of_memory(struct p2v_err *err)
{
	return p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static int bad_add(void *ctx, uint64_t first, uint64_t n, struct p2v_err *err)
{
	struct verify_disk *out = ((struct reading *)ctx)->out;
	uint64_t offset = first * BLOCK_GRAIN_BYTES;
	p2v_autofree char *text = p2v_strf("%llu+%llu", (unsigned long long)offset,
		(unsigned long long)p2v_min_u64(n * BLOCK_GRAIN_BYTES, out->size_bytes - offset));

	return text ? p2v_json_add_str(&out->bad_ranges, &out->n_bad_ranges, text, err)
		    : out_of_memory(err);
}

static int progress_show(void *ctx, uint64_t done_bytes, struct p2v_err *err)
{
	p2v_progress_set(((struct reading *)ctx)->progress, done_bytes);
	return p2v_stop_check(err);
}

/* Without a journal (somebody removed it) there is still the digest of the whole. */
static int disk_read(const char *journal_path, struct block_io *io, struct reading *reading,
	struct digest *ret_root, struct p2v_err *err)
{
	p2v_auto(recv_journal_free) struct journal *journal = NULL;
	struct recv_verify spec = {io, NULL, reading, bad_add, progress_show};
	int r;

	if (!p2v_file_exists(journal_path))
		return block_io_digest(io, progress_show, reading, ret_root, err);
	r = recv_journal_open(journal_path, io->size_bytes, &journal, err);
	spec.journal = journal;
	return r < 0 ? r : recv_verify_run(&spec, ret_root, err);
}

/* Where a conversion wrote into the image, the disk as received lies in a snapshot inside. */
static int snapshot_find(
	const char *path, const struct image_disk *disk, char **ret, struct p2v_err *err)
{
	p2v_auto_qimg_info struct emit_qimg_info info = {0};
	const struct emit_format *format = emit_format_find(disk->format);
	int r;

	if (!format || !format->in_place)
		return 0;
	r = emit_qimg_info(path, format->driver, EMIT_SNAPSHOT, &info, err);
	if (r == 0 && info.has_snapshot && !(*ret = strdup(EMIT_SNAPSHOT)))
		return out_of_memory(err);
	return r;
}

static int disk_open(const char *path, const struct image_disk *disk, struct verify_disk *out,
	struct block_io **ret, struct p2v_err *err)
{
	struct block_io_nbd_spec spec = {
		.path = path, .format = disk->format, .connections = CONNECTIONS, .direct = true};
	int r = snapshot_find(path, disk, &out->snapshot, err);

	spec.snapshot = out->snapshot;
	return r < 0 ? r : block_io_nbd_open(&spec, ret, err);
}

static int disk_verify(const char *dir, const struct image_disk *disk, struct reading *reading,
	struct p2v_err *err)
{
	struct verify_disk *out = reading->out;
	p2v_autofree char *path = p2v_path_join(dir, disk->path);
	p2v_autofree char *journal = p2v_strf("%s/" STORE_IMAGE_DIR "/%s.journal", dir, disk->id);
	p2v_auto(block_io_free) struct block_io *io = NULL;
	char text[BLOCK_DIGEST_HEX];
	struct digest root;
	int r = path && journal ? disk_open(path, disk, out, &io, err) : out_of_memory(err);

	if (r == 0 && io->size_bytes != disk->size_bytes)
		r = p2v_err_set(err, P2V_EFORMAT, "%s: has %llu bytes, the disk had %llu", path,
			(unsigned long long)io->size_bytes, (unsigned long long)disk->size_bytes);
	if (r == 0) {
		p2v_progress_start(reading->progress, disk->id, "bytes", disk->size_bytes);
		r = disk_read(journal, io, reading, &root, err);
		p2v_progress_end(reading->progress);
	}
	if (r < 0)
		return r;
	out->digest = strdup(block_digest_text(&root, text));
	out->ok = out->digest && strcmp(out->digest, out->expected) == 0;
	return out->digest ? 0 : out_of_memory(err);
}

static int strings_copy(char *const *from, size_t n, char ***to, size_t *ret_n, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = p2v_json_add_str(to, ret_n, from[i], err);
	return r;
}

/* What the receipt owns up to. */
static int lost_copy(
	const struct receipt_disk *receipt, struct verify_disk *out, struct p2v_err *err)
{
	int r = strings_copy(receipt->bad_ranges, receipt->n_bad_ranges, &out->lost_ranges,
		&out->n_lost_ranges, err);

	return r == 0 ? strings_copy(receipt->bad_files, receipt->n_bad_files, &out->lost_files,
				&out->n_lost_files, err)
		      : r;
}

static int doc_fill(const char *dir, const struct receipt *receipt, const struct image *image,
	struct p2v_progress *progress, struct verify_doc *doc, struct p2v_err *err)
{
	doc->version = 1;
	doc->ok = true;
	doc->name = strdup(image->name);
	if (!doc->name)
		return out_of_memory(err);
	if (image->n_disks != receipt->n_disks)
		return p2v_err_set(err, P2V_EFORMAT,
			"%s: the receipt names %zu disks, image.json %zu", dir, receipt->n_disks,
			image->n_disks);
	for (size_t i = 0; i < image->n_disks; i++) {
		struct verify_disk *out =
			p2v_json_grow((void **)&doc->disks, &doc->n_disks, sizeof(*out));
		struct reading reading = {out, progress};
		int r;

		if (!out)
			return out_of_memory(err);
		out->id = strdup(image->disks[i].id);
		out->expected = strdup(receipt->disks[i].digest);
		out->size_bytes = image->disks[i].size_bytes;
		if (!out->id || !out->expected)
			return out_of_memory(err);
		r = lost_copy(&receipt->disks[i], out, err);
		if (r == 0)
			r = disk_verify(dir, &image->disks[i], &reading, err);
		if (r < 0)
			return r;
		doc->ok = doc->ok && out->ok;
	}
	return 0;
}

static int say(const struct verify_doc *doc, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf out = {0};
	char size[P2V_NUM_TEXT];

	for (size_t i = 0; i < doc->n_disks; i++) {
		const struct verify_disk *d = &doc->disks[i];

		p2v_buf_addf(&out, "%s: %s, %s, digest %s: %s%s%s\n", doc->name, d->id,
			p2v_num_bytes_text(d->size_bytes, size), d->digest,
			d->ok ? "as it was received" : "NOT what was received",
			d->snapshot ? ", in snapshot " : "", d->snapshot ? d->snapshot : "");
		for (size_t k = 0; k < d->n_bad_ranges; k++)
			p2v_buf_addf(&out, "  differs at %s\n", d->bad_ranges[k]);
		for (size_t k = 0; k < d->n_lost_ranges; k++)
			p2v_buf_addf(&out, "  the source could not be read at %s: zeros\n",
				d->lost_ranges[k]);
		for (size_t k = 0; k < d->n_lost_files; k++)
			p2v_buf_addf(&out, "  unreadable there: %s\n", d->lost_files[k]);
	}
	if (p2v_buf_check(&out, err) < 0)
		return P2V_ENOMEM;
	cli_print_text(out.data, out.len);
	return 0;
}

static bool job_has(const char *dir, const char *noun)
{
	p2v_autofree char *path = p2v_path_join(dir, noun);

	return path && p2v_file_exists(path);
}

static int job_check(const char *dir, struct p2v_err *err)
{
	if (!job_has(dir, STORE_RECEIPT) || !job_has(dir, STORE_IMAGE))
		return p2v_err_set(err, P2V_ENOTFOUND,
			"%s: has no receipt and image.json: nothing was received here to its end",
			dir);
	return 0;
}

static int verify(const struct verify_opts *o, struct p2v_progress *progress,
	struct verify_doc *doc, struct p2v_err *err)
{
	const char *dir = o->dirs[0];
	p2v_autofree char *receipt_path = p2v_path_join(dir, STORE_RECEIPT);
	p2v_autofree char *image_path = p2v_path_join(dir, STORE_IMAGE);
	p2v_auto_receipt struct receipt receipt = {0};
	p2v_auto_image struct image image = {0};
	p2v_autoclose int lock = -1;
	int r = receipt_path && image_path ? job_check(dir, err) : out_of_memory(err);

	if (r == 0)
		r = store_jobdir_open(dir, &lock, err);
	if (r == 0)
		r = model_receipt_load(receipt_path, &receipt, err);
	if (r == 0)
		r = model_image_load(image_path, &image, err);
	if (r == 0)
		r = doc_fill(dir, &receipt, &image, progress, doc, err);
	if (r == 0)
		r = o->json ? cli_print_json(&doc_type, doc, err) : say(doc, err);
	return r < 0 || doc->ok ? r : P2V_EIO;
}

static const struct p2v_opt verify_opts[] = {
	{"json", 0, NULL, P2V_OPT_FLAG, offsetof(struct verify_opts, json), 0,
		"Print one JSON document."},
	{"progress", 0, "MODE", P2V_OPT_STR, offsetof(struct verify_opts, progress), 0,
		"auto, json or none."},
	P2V_OPT_END,
};

static const struct p2v_cmd verify_cmd = {
	.name = "p2v verify",
	.operands = "DIR",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "read received disks again and compare them with their digests",
	.text = "DIR is a job directory that p2v-recv has filled. Each disk is read from storage, "
		"past "
		"the page cache where the file system can do that, and each 64 KiB of it is "
		"compared with the digest that it came with: what has changed since is named by "
		"offset and length in bytes. What the source itself could not give "
		"('p2v-agent --rescue'), and whose files that is, is said as well. Nothing is "
		"written.\n\n"
		"Where a conversion wrote into the image, the disk as received is read from the "
		"snapshot inside. While a machine runs on the image, it is refused.\n\n"
		"Exit code 0: as received. 1: not.",
	.opts = verify_opts,
	.operands_offset = offsetof(struct verify_opts, dirs),
	.n_operands_offset = offsetof(struct verify_opts, n_dirs),
	.see_also = "p2v(1), p2v-recv(1), p2v-convert(1)",
};

static int run(int argc, char **argv, struct p2v_err *err)
{
	struct verify_opts o = {0};
	struct verify_doc doc = {0};
	struct p2v_progress *progress = NULL;
	enum p2v_progress_mode mode;
	int r = p2v_opt_parse(&verify_cmd, argc, argv, &o, err);

	if (r == 0)
		r = p2v_progress_mode_parse(o.progress, &mode, err);
	if (r == 0) {
		progress = p2v_progress_new(mode);
		r = verify(&o, progress, &doc, err);
	}
	p2v_progress_free(progress);
	p2v_json_free(&doc_type, &doc);
	p2v_opt_free(&verify_cmd, &o);
	return r;
}

const struct verb cli_verify = {"verify", &verify_cmd, run};

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/archive/cpio.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"

#define PAD	       512
#define LZ4_TIMEOUT_MS 120000

static la_ssize_t gather(struct archive *a, void *opaque, const void *bytes, size_t n)
{
	struct p2v_buf *out = opaque;

	p2v_buf_add(out, bytes, n);
	if (out->failed) {
		archive_set_error(a, -1, "no memory");
		return -1;
	}
	return (la_ssize_t)n;
}

static int fail(struct archive *a, struct p2v_err *err)
{
	const char *text = archive_error_string(a);

	return p2v_err_set(err, P2V_EIO, "cpio archive: %s", text ? text : "cannot be written");
}

static int write_entry(
	struct archive *a, const struct archive_file *f, int64_t number, struct p2v_err *err)
{
	struct archive_entry *e = archive_entry_new();
	bool is_link = (f->mode & 0170000) == 0120000;
	size_t n = is_link ? 0 : f->n;
	int rc;

	if (!e)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	archive_entry_set_pathname(e, f->path);
	archive_entry_set_mode(e, (__LA_MODE_T)f->mode);
	archive_entry_set_nlink(e, 1);
	archive_entry_set_ino64(e, number);
	archive_entry_set_mtime(e, 0, 0);
	archive_entry_set_size(e, (la_int64_t)n);
	if (is_link)
		archive_entry_set_symlink(e, f->bytes);
	rc = archive_write_header(a, e) == ARCHIVE_OK &&
			     (n == 0 || archive_write_data(a, f->bytes, n) == (la_ssize_t)n)
		     ? 0
		     : fail(a, err);
	archive_entry_free(e);
	return rc;
}

static int write_plain(struct archive *a, const struct archive_file *files, size_t n_files,
	struct p2v_buf *out, struct p2v_err *err)
{
	int rc = 0;

	if (archive_write_set_format_cpio_newc(a) != ARCHIVE_OK ||
		archive_write_set_bytes_per_block(a, PAD) != ARCHIVE_OK ||
		archive_write_set_bytes_in_last_block(a, PAD) != ARCHIVE_OK ||
		archive_write_open(a, out, NULL, gather, NULL) != ARCHIVE_OK)
		return fail(a, err);
	for (size_t i = 0; i < n_files && rc == 0; i++)
		rc = write_entry(a, &files[i], (int64_t)i + 1, err);
	if (rc == 0 && archive_write_close(a) != ARCHIVE_OK)
		rc = fail(a, err);
	return rc;
}

/* One blob through one filter. */
static int write_gzip(
	struct archive *a, const struct p2v_buf *in, struct p2v_buf *out, struct p2v_err *err)
{
	struct archive_entry *e;
	int rc;

	/* The time in gzip's header would make equal segments differ. */
	if (archive_write_set_format_raw(a) != ARCHIVE_OK ||
		archive_write_add_filter_gzip(a) != ARCHIVE_OK ||
		archive_write_set_filter_option(a, "gzip", "timestamp", NULL) != ARCHIVE_OK ||
		archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK ||
		archive_write_open(a, out, NULL, gather, NULL) != ARCHIVE_OK)
		return fail(a, err);
	e = archive_entry_new();
	if (!e)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	archive_entry_set_filetype(e, 0100000);
	rc = archive_write_header(a, e) == ARCHIVE_OK &&
			     archive_write_data(a, in->data, in->len) == (la_ssize_t)in->len &&
			     archive_write_close(a) == ARCHIVE_OK
		     ? 0
		     : fail(a, err);
	archive_entry_free(e);
	return rc;
}

static int pack_gzip(const struct p2v_buf *in, struct p2v_buf *out, struct p2v_err *err)
{
	struct archive *a = archive_write_new();
	int rc;

	if (!a)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	rc = write_gzip(a, in, out, err);
	archive_write_free(a);
	return rc;
}

/* libarchive writes LZ4's frame format only, and Linux reads the older one only. */
static int pack_lz4(const struct p2v_buf *in, struct p2v_buf *out, struct p2v_err *err)
{
	static const char *const argv[] = {"lz4", "-l", "-9", "-c", "-z", "-q", "-", NULL};

	if (!p2v_proc_exists("lz4"))
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"the program lz4 is needed to write LZ4's legacy format; install it");
	return p2v_proc_run(argv, in->data, in->len, LZ4_TIMEOUT_MS, out, err);
}

int archive_cpio_pack(const struct archive_file *files, size_t n_files,
	enum archive_packing packing, struct p2v_buf *ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf plain = {0}, packed = {0};
	struct archive *a = archive_write_new();
	int rc;

	if (!a)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	rc = write_plain(a, files, n_files, &plain, err);
	archive_write_free(a);
	if (rc == 0 && packing == ARCHIVE_GZIP)
		rc = pack_gzip(&plain, &packed, err);
	if (rc == 0 && packing == ARCHIVE_LZ4_LEGACY)
		rc = pack_lz4(&plain, &packed, err);
	if (rc < 0)
		return rc;
	if (packing == ARCHIVE_PLAIN)
		p2v_buf_add(ret, plain.data, plain.len);
	else
		p2v_buf_add(ret, packed.data, packed.len);
	return p2v_buf_check(ret, err);
}

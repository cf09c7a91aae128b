/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/core/text.h"

static int out_of_memory(struct p2v_err *err)
{
	return p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

struct sent_doc {
	char *path, *digest;
	bool verified;
	uint64_t size_bytes, read_bytes, sent_bytes, zero_bytes, free_bytes, kept_bytes;
	char **bad_ranges; /* "offset+length" */
	size_t n_bad_ranges;
	char **bad_files; /* "partition 1: /etc/fstab" */
	size_t n_bad_files;
};
static const struct p2v_json_field sent_fields[] = {
	P2V_JSON_STR(struct sent_doc, path, 0),
	P2V_JSON_STR(struct sent_doc, digest, 0),
	P2V_JSON_BOOL(struct sent_doc, verified, 0),
	P2V_JSON_U64(struct sent_doc, size_bytes, 0),
	P2V_JSON_U64(struct sent_doc, read_bytes, 0),
	P2V_JSON_U64(struct sent_doc, sent_bytes, 0),
	P2V_JSON_U64(struct sent_doc, zero_bytes, 0),
	P2V_JSON_U64(struct sent_doc, free_bytes, 0),
	P2V_JSON_U64(struct sent_doc, kept_bytes, 0),
	P2V_JSON_STRS(struct sent_doc, bad_ranges, 0),
	P2V_JSON_STRS(struct sent_doc, bad_files, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type sent_type = {"sent", sizeof(struct sent_doc), sent_fields};

struct result_doc {
	uint32_t version;
	bool ok;
	char *kind, *error;
	char *job, *machine, *link;
	char *server_stage, *server_text; /* with --follow: what the server said last */
	uint32_t connections, streams;
	uint64_t duration_ms, peak_memory_bytes;
	struct sent_doc *disks;
	size_t n_disks;
	struct receipt receipt;
};
static const struct p2v_json_field result_fields[] = {
	P2V_JSON_U32(struct result_doc, version, 0),
	P2V_JSON_BOOL(struct result_doc, ok, 0),
	P2V_JSON_STR(struct result_doc, job, 0),
	P2V_JSON_STR(struct result_doc, machine, 0),
	P2V_JSON_STR(struct result_doc, link, 0),
	P2V_JSON_STR(struct result_doc, server_stage, 0),
	P2V_JSON_STR(struct result_doc, server_text, 0),
	P2V_JSON_U32(struct result_doc, connections, 0),
	P2V_JSON_U32(struct result_doc, streams, 0),
	P2V_JSON_U64(struct result_doc, duration_ms, 0),
	P2V_JSON_U64(struct result_doc, peak_memory_bytes, 0),
	P2V_JSON_OBJS(struct result_doc, disks, 0, &sent_type),
	P2V_JSON_OBJ(struct result_doc, receipt, 0, &model_receipt_type),
	P2V_JSON_END,
};
static const struct p2v_json_type result_type = {
	"result", sizeof(struct result_doc), result_fields};

static const struct p2v_json_field failure_fields[] = {
	P2V_JSON_U32(struct result_doc, version, 0),
	P2V_JSON_BOOL(struct result_doc, ok, 0),
	P2V_JSON_STR(struct result_doc, kind, 0),
	P2V_JSON_STR(struct result_doc, error, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type failure_type = {
	"failure", sizeof(struct result_doc), failure_fields};

int agent_print_failure(const struct p2v_err *why, FILE *out)
{
	struct result_doc doc = {
		.version = 1, .kind = strdup(p2v_err_word(why->kind)), .error = strdup(why->text)};
	int r = agent_json_print(&failure_type, &doc, true, out, NULL);

	p2v_json_free(&failure_type, &doc);
	return r;
}

static int bad_ranges_add(const struct send_bad *bad, struct sent_doc *to, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < bad->n; i++) {
		p2v_autofree char *text =
			p2v_strf("%llu+%llu", (unsigned long long)bad->items[i].offset,
				(unsigned long long)bad->items[i].length);

		r = text ? p2v_json_add_str(&to->bad_ranges, &to->n_bad_ranges, text, err)
			 : out_of_memory(err);
	}
	return r;
}

static int bad_files_add(const struct agent_disk *disk, struct sent_doc *to, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < disk->n_bad_files; i++)
		r = p2v_json_add_str(&to->bad_files, &to->n_bad_files, disk->bad_files[i], err);
	return r;
}

static int sent_doc_add(const struct machine_disk *disk, const struct agent_disk *here,
	const struct send_disk_result *d, struct result_doc *doc, struct p2v_err *err)
{
	int r;
	struct sent_doc *to =
		p2v_json_grow((void **)&doc->disks, &doc->n_disks, sizeof(*doc->disks));
	char digest[BLOCK_DIGEST_HEX];

	if (!to)
		return out_of_memory(err);
	*to = (struct sent_doc){.path = strdup(disk->path),
		.digest = strdup(block_digest_text(&d->root, digest)),
		.verified = d->verified,
		.size_bytes = disk->size_bytes,
		.read_bytes = d->read_bytes,
		.sent_bytes = d->sent_bytes,
		.zero_bytes = d->zero_bytes,
		.free_bytes = d->free_bytes,
		.kept_bytes = d->kept_bytes};
	r = to->path && to->digest ? bad_ranges_add(&d->bad, to, err) : out_of_memory(err);
	return r < 0 ? r : bad_files_add(here, to, err);
}

/* "VmHWM:     23136 kB". Not getrusage's: that goes on counting what was before exec. */
static uint64_t peak_memory_bytes(void)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, line, word;
	uint64_t kib;

	if (p2v_file_read("/proc/self/status", 65536, &text, NULL) < 0)
		return 0;
	rest = p2v_span_of(text.data, text.len);
	while (p2v_line_next(&rest, &line))
		if (p2v_word_next(&line, &word) && p2v_span_eq(word, "VmHWM:") &&
			p2v_word_next(&line, &word) &&
			p2v_span_u64(word, UINT64_MAX / P2V_KIB, &kib))
			return kib * P2V_KIB;
	return 0;
}

static int result_json(const struct machine *m, const struct agent_disks *disks,
	const struct send_result *result, const char *link, FILE *out, struct p2v_err *err)
{
	struct result_doc doc = {.version = 1,
		.ok = true,
		.connections = result->connections,
		.streams = result->streams.most,
		.duration_ms = result->duration_ms,
		/* lent */
		.server_stage = result->server_stage,
		.server_text = result->server_text,
		.receipt = result->receipt};
	int r = 0;

	doc.peak_memory_bytes = peak_memory_bytes();
	doc.job = strdup(result->job ? result->job : "");
	doc.machine = strdup(m->name);
	doc.link = strdup(link ? link : "");
	for (size_t i = 0; i < result->n_disks && r == 0; i++)
		r = sent_doc_add(&m->disks[i], &disks->items[i], &result->disks[i], &doc, err);
	if (r == 0)
		r = agent_json_print(&result_type, &doc, true, out, err);
	doc.server_stage = doc.server_text = NULL;
	memset(&doc.receipt, 0, sizeof(doc.receipt));
	p2v_json_free(&result_type, &doc);
	return r;
}

static void disk_show(const struct machine_disk *disk, const struct agent_disk *here,
	const struct send_disk_result *d, FILE *out)
{
	char size[P2V_NUM_TEXT], read[P2V_NUM_TEXT], sent[P2V_NUM_TEXT], digest[BLOCK_DIGEST_HEX];

	if (!d->verified) {
		fprintf(out, "%s: the server had it already\n", disk->path);
		return;
	}
	fprintf(out, "%s: %s verified, digest %s; %s read, %s sent\n", disk->path,
		p2v_num_bytes_text(disk->size_bytes, size), block_digest_text(&d->root, digest),
		p2v_num_bytes_text(d->read_bytes, read), p2v_num_bytes_text(d->sent_bytes, sent));
	for (size_t i = 0; i < d->bad.n; i++)
		fprintf(out, "%s: %s at %llu could not be read and are zeros in the image\n",
			disk->path, p2v_num_bytes_text(d->bad.items[i].length, size),
			(unsigned long long)d->bad.items[i].offset);
	for (size_t i = 0; i < here->n_bad_files; i++)
		fprintf(out, "%s: unreadable there: %s\n", disk->path, here->bad_files[i]);
}

static void server_show(const struct send_result *result, FILE *out)
{
	p2v_autobuf struct p2v_buf text = {0};

	if (!result->server_stage)
		return;
	p2v_text_add_printable(&text, result->server_stage);
	p2v_buf_add_str(&text, result->server_text && *result->server_text ? ": " : "");
	p2v_text_add_printable(&text, result->server_text ? result->server_text : "");
	fprintf(out, "the server: %s\n", text.data ? (char *)text.data : "");
}

int agent_print_result(const struct machine *m, const struct agent_disks *disks,
	const struct send_result *result, const char *link, bool json, FILE *out,
	struct p2v_err *err)
{
	char took[P2V_NUM_TEXT];

	if (json)
		return result_json(m, disks, result, link, out, err);
	for (size_t i = 0; i < result->n_disks; i++)
		disk_show(&m->disks[i], &disks->items[i], &result->disks[i], out);
	fprintf(out, "%s: done in %s, job %s\n", m->name,
		p2v_num_ms_text(result->duration_ms, took), result->job ? result->job : "");
	server_show(result, out);
	return 0;
}

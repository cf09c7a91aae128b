/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/source/table.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"

P2V_DEFINE_CLEANUP(blkid_probe, blkid_free_probe);

#define SECTOR 512u /* libblkid's unit, whatever the disk's is */

static char *value_of(blkid_probe probe, const char *key)
{
	const char *text;

	return blkid_probe_lookup_value(probe, key, &text, NULL) == 0 ? strdup(text) : NULL;
}

/* What libblkid says of that stretch: 0 one thing is there, 1 nothing; else several, or it cannot
 * be read. */
static int content_probe(int fd, uint64_t offset, uint64_t length, blkid_probe *ret)
{
	blkid_probe probe = *ret = blkid_new_probe();

	if (!probe ||
		blkid_probe_set_device(probe, fd, (blkid_loff_t)offset, (blkid_loff_t)length) < 0)
		return -1;
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(
		probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID);
	return blkid_do_safeprobe(probe);
}

/* Two signatures at once, or none: the type stays unknown, and unknown means used. */
static void content_read(int fd, struct source_part *part)
{
	p2v_auto(blkid_free_probe) blkid_probe probe = NULL;

	if (part->extended || part->length_bytes == 0 ||
		content_probe(fd, part->offset_bytes, part->length_bytes, &probe) != 0)
		return;
	part->type = value_of(probe, "TYPE");
	part->label = value_of(probe, "LABEL");
	part->uuid = value_of(probe, "UUID");
}

static struct source_part *part_add(struct source_table *t, struct p2v_err *err)
{
	struct source_part *part =
		p2v_json_grow((void **)&t->parts, &t->n_parts, sizeof(*t->parts));

	if (!part)
		p2v_err_set(err, P2V_ENOMEM, "out of memory");
	return part;
}

/* A file system that was made over a table, a table over a file system, a member of an array that
 * holds the table: what lies in its partitions may be nobody's any more. */
static int parts_doubt(int fd, uint64_t size_bytes, struct source_table *t, struct p2v_err *err)
{
	p2v_auto(blkid_free_probe) blkid_probe probe = NULL;

	if (content_probe(fd, 0, size_bytes, &probe) == 1)
		return 0;
	for (size_t i = 0; i < t->n_parts; i++) {
		free(t->parts[i].type);
		t->parts[i].type = strdup(SOURCE_DOUBTFUL);
		if (!t->parts[i].type)
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	return 0;
}

static int parts_read(int fd, blkid_partlist list, struct source_table *t, struct p2v_err *err)
{
	int n = blkid_partlist_numof_partitions(list);

	for (int i = 0; i < n; i++) {
		blkid_partition p = blkid_partlist_get_partition(list, i);
		struct source_part *part = part_add(t, err);

		if (!part)
			return P2V_ENOMEM;
		part->number = (uint32_t)blkid_partition_get_partno(p);
		part->offset_bytes = (uint64_t)blkid_partition_get_start(p) * SECTOR;
		part->length_bytes = (uint64_t)blkid_partition_get_size(p) * SECTOR;
		part->extended = blkid_partition_is_extended(p) != 0;
		content_read(fd, part);
	}
	return 0;
}

static const char *kind_of(const char *type)
{
	static const char *const kinds[] = {"gpt", "dos"};

	for (size_t i = 0; i < P2V_N(kinds); i++)
		if (strcmp(type, kinds[i]) == 0)
			return kinds[i];
	return "none";
}

static int table_read(int fd, struct source_table *t, struct p2v_err *err)
{
	p2v_auto(blkid_free_probe) blkid_probe probe = blkid_new_probe();
	struct source_part *whole;
	blkid_partlist list;
	blkid_parttable table;
	uint64_t size_bytes;
	int r;

	if (!probe || blkid_probe_set_device(probe, fd, 0, 0) < 0)
		return p2v_err_errno(err, errno ? errno : ENOMEM, "probe");
	blkid_probe_enable_partitions(probe, 1);
	list = blkid_probe_get_partitions(probe);
	table = list ? blkid_partlist_get_table(list) : NULL;
	t->kind = table ? kind_of(blkid_parttable_get_type(table)) : "none";
	size_bytes = (uint64_t)blkid_probe_get_size(probe);
	if (table) {
		r = parts_read(fd, list, t, err);
		return r < 0 ? r : parts_doubt(fd, size_bytes, t, err);
	}
	whole = part_add(t, err);
	if (!whole)
		return P2V_ENOMEM;
	whole->length_bytes = size_bytes;
	content_read(fd, whole);
	return 0;
}

int source_table_read(const char *path, struct source_table *ret, struct p2v_err *err)
{
	p2v_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct source_table t = {0};
	int r;

	if (fd < 0)
		return p2v_err_errno(err, errno, "%s", path);
	r = table_read(fd, &t, err);
	if (r < 0) {
		source_table_finish(&t);
		return p2v_err_wrap(err, r, "%s", path);
	}
	*ret = t;
	return 0;
}

void source_table_finish(struct source_table *t)
{
	for (size_t i = 0; i < t->n_parts; i++) {
		free(t->parts[i].type);
		free(t->parts[i].label);
		free(t->parts[i].uuid);
	}
	free(t->parts);
	memset(t, 0, sizeof(*t));
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/source/host.h"
#include "agent/source/source.h"
#include "agent/source/table.h"
#include "p2v/block/io.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

static bool same_disk(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode))
		return a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The first given twice, or a partition: each would be an image that is not what was meant. */
static int path_check(const char *const *paths, size_t i, struct stat *ret, struct p2v_err *err)
{
	p2v_autofree char *part = NULL;
	struct stat st = {0}, other;

	if (stat(paths[i], &st) < 0)
		return p2v_err_errno(err, errno, "%s", paths[i]);
	for (size_t k = 0; k < i; k++)
		if (stat(paths[k], &other) == 0 && same_disk(&st, &other))
			return p2v_err_set(err, P2V_EREFUSED, "%s: is the same disk as %s",
				paths[i], paths[k]);
	part = p2v_strf("/sys/dev/block/%u:%u/partition", major(st.st_rdev), minor(st.st_rdev));
	if (S_ISBLK(st.st_mode) && part && p2v_file_exists(part))
		return p2v_err_set(err, P2V_EREFUSED,
			"%s: is a partition: name the whole disk that holds it", paths[i]);
	*ret = st;
	return 0;
}

/* What the machine knows of a block device, or NULL. */
static const struct machine_disk *known_as(const struct machine *m, const struct stat *st)
{
	struct stat other;

	for (size_t i = 0; S_ISBLK(st->st_mode) && i < m->n_disks; i++)
		if (stat(m->disks[i].path, &other) == 0 && same_disk(st, &other))
			return &m->disks[i];
	return NULL;
}

static int copy_text(const char *from, char **ret, struct p2v_err *err)
{
	if (from && !(*ret = strdup(from)))
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	return 0;
}

static int hardware_copy(
	const struct machine_disk *from, struct machine_disk *to, struct p2v_err *err)
{
	int r = copy_text(from->model, &to->model, err);

	if (r == 0)
		r = copy_text(from->serial, &to->serial, err);
	if (r == 0)
		r = copy_text(from->wwn, &to->wwn, err);
	to->rotational = from->rotational;
	to->removable = from->removable;
	to->physical_sector_bytes = from->physical_sector_bytes;
	return r;
}

/* Size, sectors and table come from the disk itself, whatever was known. */
static int disk_make(const char *path, size_t i, const struct machine_disk *known, bool prepared,
	struct machine_disk *d, struct p2v_err *err)
{
	p2v_auto(block_io_free) struct block_io *io = NULL;
	source_autotable struct source_table table = {0};
	int r = block_io_file_open(path, false, &io, err);

	if (r == 0)
		r = source_table_read(path, &table, err);
	if (r == 0 && known)
		r = hardware_copy(known, d, err);
	if (r < 0)
		return r;
	if (io->size_bytes == 0)
		return p2v_err_set(err, P2V_EREFUSED, "%s: is not a disk: it is empty", path);
	d->size_bytes = io->size_bytes;
	d->logical_sector_bytes = io->logical_sector_bytes;
	if (!d->physical_sector_bytes)
		d->physical_sector_bytes = io->logical_sector_bytes;
	d->id = p2v_strf("disk%zu", i);
	d->path = strdup(prepared && known ? known->path : path);
	d->bus = strdup(known && known->bus ? known->bus : "file");
	d->table = strdup(table.kind);
	return d->id && d->path && d->bus && d->table
		       ? 0
		       : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

/* O_EXCL without O_CREAT on a block device: EBUSY where a claim is on it or on one of its parts. */
bool source_disk_busy(const char *path)
{
	struct stat st;
	p2v_autoclose int fd = -1;

	if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
		return false;
	fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 && errno == EBUSY;
}

/* The node of a disk's partition, by the number that the kernel gave it; malloc'd. */
static char *part_node(const char *disk, uint32_t number)
{
	p2v_autofree char *dir = NULL;
	source_autonames struct source_names names = {0};
	struct stat st;

	if (stat(disk, &st) < 0)
		return NULL;
	dir = p2v_strf("/sys/dev/block/%u:%u", major(st.st_rdev), minor(st.st_rdev));
	if (!dir)
		return NULL;
	source_names_read(&source_host_this, dir, &names);
	for (size_t i = 0; i < names.n_items; i++)
		if (source_attr_u64(&source_host_this, 0, "%s/%s/partition", dir, names.items[i]) ==
			number)
			return source_disk_node(names.items[i]);
	return NULL;
}

bool source_part_busy(const char *path, uint32_t number)
{
	p2v_autofree char *node = NULL;

	if (!source_disk_busy(path))
		return false;
	node = number ? part_node(path, number) : NULL;
	return !node || access(node, F_OK) < 0 || source_disk_busy(node);
}

static void swap_disks(struct machine *m, struct machine *with)
{
	struct machine_disk *disks = m->disks;
	size_t n = m->n_disks;

	m->disks = with->disks;
	m->n_disks = with->n_disks;
	with->disks = disks;
	with->n_disks = n;
}

int source_disks_choose(struct machine *m, const char *const *paths, size_t n_paths, bool prepared,
	struct p2v_err *err)
{
	p2v_auto_machine struct machine chosen = {0};

	for (size_t i = 0; i < n_paths; i++) {
		const struct machine_disk *known = NULL;
		struct machine_disk *d;
		struct stat st = {0};
		int r = path_check(paths, i, &st, err);

		if (r < 0)
			return r;
		if (prepared)
			known = i < m->n_disks ? &m->disks[i] : NULL;
		else
			known = known_as(m, &st);
		d = p2v_json_grow((void **)&chosen.disks, &chosen.n_disks, sizeof(*chosen.disks));
		if (!d)
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
		r = disk_make(paths[i], i, known, prepared, d, err);
		if (r < 0)
			return r;
	}
	swap_disks(m, &chosen);
	return 0;
}

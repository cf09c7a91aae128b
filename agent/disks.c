/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/map/files.h"
#include "agent/source/source.h"
#include "agent/source/table.h"
#include "p2v/core/cleanup.h"

/* The disks that nobody had to name: all but what can be pulled out, such as the boot medium. */
static int disks_fixed(struct machine *m, struct p2v_err *err)
{
	const char **paths = calloc(m->n_disks + 1, sizeof(*paths));
	size_t n = 0;
	int r;

	if (!paths)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	for (size_t i = 0; i < m->n_disks; i++)
		if (!m->disks[i].removable)
			paths[n++] = m->disks[i].path;
	if (n == 0)
		r = p2v_err_set(err, P2V_ENOTFOUND,
			m->n_disks ? "this machine has removable disks only: name them with --disk"
				   : "no disk was found in this machine");
	else
		r = source_disks_choose(m, paths, n, false, err);
	free(paths);
	return r;
}

static int disks_choose(const struct agent_opts *o, struct machine *m, struct p2v_err *err)
{
	if (o->n_disks)
		return source_disks_choose(m, o->disks, o->n_disks, o->machine != NULL, err);
	if (o->inventory)
		return 0;
	if (o->machine)
		return p2v_err_set(err, P2V_EINVAL,
			"--machine describes another machine: name its disk files with --disk");
	if (geteuid() != 0)
		return p2v_err_set(err, P2V_EREFUSED,
			"the disks of this machine can be read by root only: run it with sudo, or "
			"name disk files with --disk");
	return disks_fixed(m, err);
}

static int prepared_read(const struct agent_opts *o, struct machine *ret, struct p2v_err *err)
{
	char clean[65];
	int r = model_machine_load(o->machine, ret, err);

	if (r < 0 || !o->name)
		return r;
	source_name_clean(o->name, clean);
	free(ret->name);
	ret->name = strdup(o->name);
	if (strcmp(clean, o->name) == 0 && ret->name)
		return 0;
	model_machine_finish(ret);
	return p2v_err_set(err, P2V_EINVAL,
		"name '%.80s': not made of 1 to 64 letters, digits, dots and dashes", o->name);
}

int agent_machine_read(const struct agent_opts *o, struct machine *ret, struct p2v_err *err)
{
	struct machine m = {0};
	int r = o->machine ? prepared_read(o, &m, err)
			   : source_machine_read(&source_host_this, o->name, &m, err);

	if (r < 0)
		return r;
	r = disks_choose(o, &m, err);
	if (r < 0) {
		model_machine_finish(&m);
		return r;
	}
	*ret = m;
	return 0;
}

/* The map room knows no libblkid, so what that found is handed over. ret: lent by the table. */
static int disk_parts(const struct agent_disk *d, struct source_table *table, struct map_part **ret,
	size_t *ret_n, struct p2v_err *err)
{
	struct map_part *parts;
	size_t n = 0;
	int r = source_table_read(d->path, table, err);

	if (r < 0)
		return r;
	parts = calloc(table->n_parts + 1, sizeof(*parts));
	if (!parts)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	for (size_t i = 0; i < table->n_parts; i++) {
		const struct source_part *p = &table->parts[i];

		if (!p->extended)
			parts[n++] = (struct map_part){p->number, p->offset_bytes, p->length_bytes,
				p->type, source_part_busy(d->path, p->number)};
	}
	*ret = parts;
	*ret_n = n;
	return 0;
}

static void bad_files_clear(struct agent_disk *d)
{
	for (size_t i = 0; i < d->n_bad_files; i++)
		free(d->bad_files[i]);
	free(d->bad_files);
	d->bad_files = NULL;
	d->n_bad_files = 0;
}

int agent_disk_name_bad(struct agent_disk *d, const struct send_bad *bad, struct p2v_err *err)
{
	source_autotable struct source_table table = {0};
	p2v_autofree struct map_span *spans = calloc(bad->n, sizeof(*spans));
	p2v_autofree struct map_part *parts = NULL;
	size_t n = 0;
	int r = spans ? disk_parts(d, &table, &parts, &n, err)
		      : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	bad_files_clear(d);
	if (r < 0)
		return r;
	for (size_t i = 0; i < bad->n; i++)
		spans[i] = (struct map_span){bad->items[i].offset, bad->items[i].length};
	return map_files_at(d->io, parts, n, spans, bad->n, &d->bad_files, &d->n_bad_files, err);
}

/* What libblkid found on one disk. */
struct seen {
	struct source_table table;
	struct map_part *parts;
	size_t n;
};

static int disk_open(
	struct agent_disk *d, struct seen *seen, struct map_peers *peers, struct p2v_err *err)
{
	int r = block_io_file_open(d->path, false, &d->io, err);

	if (r == 0)
		r = disk_parts(d, &seen->table, &seen->parts, &seen->n, err);
	return r < 0 ? r : map_peers_add(peers, d->io, seen->parts, seen->n, err);
}

/* All are opened before the first is mapped: a volume group may lie on several. */
static int disks_map(struct agent_disks *disks, struct seen *seen, struct p2v_err *err)
{
	struct map_peers peers = {0};
	int r = 0;

	for (size_t i = 0; i < disks->n_items && r == 0; i++)
		r = disk_open(&disks->items[i], &seen[i], &peers, err);
	for (size_t i = 0; i < disks->n_items && r == 0; i++)
		r = map_disk(disks->items[i].io, seen[i].parts, seen[i].n, &peers,
			&disks->items[i].map, err);
	map_peers_finish(&peers);
	return r;
}

int agent_disks_open(const struct agent_opts *o, const struct machine *m, struct agent_disks *ret,
	struct p2v_err *err)
{
	struct agent_disks disks = {calloc(m->n_disks + 1, sizeof(*disks.items)), m->n_disks};
	p2v_autofree struct seen *seen = calloc(m->n_disks + 1, sizeof(*seen));
	int r = disks.items && seen ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	for (size_t i = 0; i < m->n_disks && r == 0; i++)
		disks.items[i].path = o->n_disks ? o->disks[i] : m->disks[i].path;
	if (r == 0)
		r = disks_map(&disks, seen, err);
	for (size_t i = 0; i < m->n_disks && seen; i++) {
		source_table_finish(&seen[i].table);
		free(seen[i].parts);
	}
	if (r < 0) {
		agent_disks_finish(&disks);
		return r;
	}
	*ret = disks;
	return 0;
}

void agent_disks_finish(struct agent_disks *disks)
{
	for (size_t i = 0; disks->items && i < disks->n_items; i++) {
		map_finish(&disks->items[i].map);
		bad_files_clear(&disks->items[i]);
		block_io_free(disks->items[i].io);
	}
	free(disks->items);
	memset(disks, 0, sizeof(*disks));
}

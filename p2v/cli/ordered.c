/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/cli/ordered.h"

#include <stdlib.h>
#include <string.h>

#include "converters/emit/place.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/store/jobdir.h"

int cli_ordered_load(const char *dir, struct orders *ret, struct p2v_err *err)
{
	p2v_autofree char *path = dir ? p2v_path_join(dir, STORE_ORDERS) : NULL;

	return path && p2v_file_exists(path) ? model_orders_load(path, ret, err) : 0;
}

static bool has_disk(const struct image *image, const char *id)
{
	for (size_t i = 0; i < image->n_disks; i++)
		if (strcmp(image->disks[i].id, id) == 0)
			return true;
	return false;
}

static void disk_forget(struct image_disk *disk)
{
	struct image one = {.disks = disk, .n_disks = 1};

	/* What the type frees is the list, too: the disk alone is taken out of it first. */
	one.disks = malloc(sizeof(*disk));
	if (!one.disks)
		return;
	*one.disks = *disk;
	model_image_finish(&one);
}

int cli_ordered_disks(const struct orders *orders, struct image *image, struct p2v_err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < orders->n_leave_out; i++)
		if (!has_disk(image, orders->leave_out[i]))
			return p2v_err_set(err, P2V_EINVAL,
				"%s: %s is to be left out, and there is none", image->name,
				orders->leave_out[i]);
	if (orders->n_leave_out == 0)
		return 0;
	for (size_t i = 0; i < image->n_disks; i++)
		n += !model_orders_leave_out(orders, image->disks[i].id);
	if (n == 0)
		return p2v_err_set(
			err, P2V_EINVAL, "%s: all of its disks are to be left out", image->name);
	n = 0;
	for (size_t i = 0; i < image->n_disks; i++) {
		struct image_disk *disk = &image->disks[i];

		if (model_orders_leave_out(orders, disk->id)) {
			disk_forget(disk);
			continue;
		}
		free(disk->id);
		disk->id = p2v_strf("disk%zu", n);
		if (!disk->id)
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
		image->disks[n++] = *disk;
	}
	image->n_disks = n;
	return 0;
}

void cli_ordered_machine(const struct orders *orders, struct machine *machine)
{
	if (orders->memory_bytes)
		machine->memory_bytes = orders->memory_bytes;
	if (!orders->cpus)
		return;
	machine->cpus = orders->cpus;
	machine->sockets = 1;
	machine->cores_per_socket = orders->cpus;
}

static int wire_set(const struct orders_network *to, struct plan *plan, struct p2v_err *err)
{
	for (size_t i = 0; i < plan->n_nics; i++) {
		struct plan_nic *nic = &plan->nics[i];

		if (strcmp(nic->mac, to->mac) != 0)
			continue;
		nic->bridge = to->bridge ? strdup(to->bridge) : NULL;
		nic->network = to->network ? strdup(to->network) : NULL;
		return nic->bridge || nic->network ? 0
						   : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	return p2v_err_set(err, P2V_EINVAL, "%s: has no network card %s that could lead to %s",
		plan->name, to->mac, to->bridge ? to->bridge : to->network);
}

int cli_ordered_wires(const struct orders *orders, struct plan *plan, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < orders->n_networks; i++)
		r = wire_set(&orders->networks[i], plan, err);
	return r;
}

static int place_set(const char *disk, const char *to, struct plan *plan, struct p2v_err *err)
{
	p2v_auto_emit_place struct emit_place place = {0};
	int r = emit_place_parse(to, &place, err);

	if (r < 0)
		return r;
	if (place.kind == EMIT_PLACE_FILE)
		return p2v_err_set(err, P2V_EINVAL,
			"'%.200s' is no place elsewhere: it does not begin with /, nbd://, "
			"nbd+unix:/// or rbd:",
			to);
	for (size_t i = 0; i < plan->n_disks; i++) {
		if (strcmp(plan->disks[i].id, disk) != 0)
			continue;
		free(plan->disks[i].to);
		plan->disks[i].to = strdup(to);
		return plan->disks[i].to ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	return p2v_err_set(
		err, P2V_EINVAL, "%s: has no %.40s that could go to %.200s", plan->name, disk, to);
}

int cli_ordered_places(const struct orders *orders, struct plan *plan, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < orders->n_destinations; i++)
		r = place_set(orders->destinations[i].disk, orders->destinations[i].to, plan, err);
	return r;
}

int cli_named_places(const char *const *named, size_t n, struct plan *plan, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct p2v_span to, id = p2v_span_until(p2v_span_str(named[i]), '=', &to);
		p2v_autofree char *disk = p2v_span_dup(id);

		if (!disk)
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
		r = to.n ? place_set(disk, to.p, plan, err)
			 : p2v_err_set(
				   err, P2V_EINVAL, "--to: '%.200s' is not DISK=PLACE", named[i]);
	}
	return r;
}

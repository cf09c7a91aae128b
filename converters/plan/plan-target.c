/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The targets that --target names: which devices they have, best first. */
#include <stdlib.h>
#include <string.h>

#include "converters/plan/plan.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"

static const struct row {
	const char *name;
	const char *buses[5], *nics[5];
} rows[] = {
	/* virtio-blk before virtio-scsi: fewer modules, and older kernels have it. */
	{"kvm", {"virtio-blk", "virtio-scsi", "sata", "ide"},
		{"virtio-net", "e1000e", "e1000", "rtl8139"}},
};

static int add_all(char ***items, size_t *n_items, const char *const words[5], struct p2v_err *err)
{
	for (size_t i = 0; i < 5 && words[i]; i++) {
		int r = p2v_json_add_str(items, n_items, words[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

int plan_target_find(const char *name, struct target *ret, struct p2v_err *err)
{
	p2v_auto_target struct target target = {0};
	int r;

	for (size_t i = 0; i < P2V_N(rows); i++) {
		if (strcmp(rows[i].name, name) != 0)
			continue;
		target.name = strdup(name);
		target.format = strdup("qcow2");
		if (!target.name || !target.format)
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
		r = add_all(&target.buses, &target.n_buses, rows[i].buses, err);
		if (r == 0)
			r = add_all(&target.nics, &target.n_nics, rows[i].nics, err);
		if (r < 0)
			return r;
		*ret = target;
		target = (struct target){0};
		return 0;
	}
	return p2v_err_set(err, P2V_EINVAL, "'%s' is not a target that is known: kvm is", name);
}

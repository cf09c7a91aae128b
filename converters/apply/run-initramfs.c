/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <inttypes.h>
#include <stdlib.h>

#include "converters/apply/editors.h"
#include "drivers-inject/linux/initramfs.h"

#define MAX_MODULES 32

static int add_detail(struct apply_details *details, const char *path,
	const struct linux_initramfs_result *result, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};

	p2v_buf_addf(&text, "%" PRIu64 " bytes appended:", result->added_bytes);
	for (size_t i = 0; i < result->n_added; i++)
		p2v_buf_addf(&text, " %s", result->added[i]);
	p2v_buf_add_u8(&text, 0);
	return text.failed ? p2v_buf_check(&text, err)
			   : apply_details_add(details, path, (const char *)text.data, err);
}

int run_initramfs_inject(struct guest *g, const struct plan_step *step,
	struct apply_details *details, struct p2v_err *err)
{
	const char *modules[MAX_MODULES], *module;
	struct linux_initramfs_request rq = {.image = step->path, .modules = modules};
	struct linux_initramfs_result result = {0};
	size_t at = 0;
	int r;

	rq.kernel = apply_arg(step, "kernel", err);
	if (!rq.kernel)
		return P2V_EFORMAT;
	while (rq.n_modules < MAX_MODULES && (module = apply_arg_next(step, "module", &at)))
		modules[rq.n_modules++] = module;
	r = linux_initramfs_inject(g, &rq, &result, err);
	if (r < 0)
		return r;
	r = result.changed ? add_detail(details, step->path, &result, err) : 0;
	linux_initramfs_result_finish(&result);
	return r;
}

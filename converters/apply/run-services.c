/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Services that are not to start, in the manner of each init; none is removed. */

#include <stdio.h>
#include <string.h>

#include "converters/apply/editors.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/guest/read.h"
#include "p2v/guest/write.h"

#define MAX_LINKS ((size_t)1024)

/* A unit of the administrator's own lies where the link would be, and stays: a condition that no
 * virtual machine meets keeps it from being started. */
static int add_condition(struct guest *g, const char *unit, const char *why, struct p2v_err *err)
{
	static const char text[] = "# Written by p2v: this is about hardware that is gone.\n"
				   "[Unit]\nConditionVirtualization=!vm\n";
	p2v_autofree char *path = p2v_strf("%s.d/p2v-off.conf", unit);

	return path ? guest_write_file(g, path, text, strlen(text), 0644, why, err)
		    : p2v_err_set(err, P2V_ENOMEM, "no memory");
}

/* What `systemctl mask` does. A name without a suffix is a service's. */
int run_unit_mask(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err)
{
	const char *name = apply_arg(step, "name", err);
	const char *dot = name ? strrchr(name, '.') : NULL;
	bool whole = dot && (!strcmp(dot, ".socket") || !strcmp(dot, ".timer") ||
				    !strcmp(dot, ".path") || !strcmp(dot, ".service"));
	p2v_autofree char *path =
		name ? p2v_strf("%s/%s%s", step->path, name, whole ? "" : ".service") : NULL;
	struct guest_stat st;

	(void)details;
	if (!name)
		return P2V_EFORMAT;
	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (guest_lstat(g, path, &st, NULL) == 0 && st.type == GUEST_FILE)
		return add_condition(g, path, step->reason, err);
	return guest_symlink(g, "/dev/null", path, step->reason, err);
}

/* S20name becomes K80name, as chkconfig and update-rc.d do. */
static int disable_in(
	struct guest *g, const char *dir, const char *name, const char *why, struct p2v_err *err)
{
	struct guest_dir d = {0};
	struct p2v_err absent = {0};
	int r = guest_list_dir(g, dir, "S[0-9][0-9]*", MAX_LINKS, &d, &absent);

	if (r == P2V_ENOTFOUND)
		return 0;
	if (r < 0)
		return p2v_err_set(err, r, "%s", absent.text);
	for (size_t i = 0; r == 0 && i < d.n_entries; i++) {
		const char *link = d.entries[i].name;
		p2v_autofree char *from = NULL, *to = NULL;
		int number;

		if (strcmp(link + 3, name) != 0)
			continue;
		number = (link[1] - '0') * 10 + (link[2] - '0');
		from = p2v_path_join(dir, link);
		to = p2v_strf("%s/K%02d%s", dir, number ? 100 - number : 99, name);
		r = from && to ? guest_rename(g, from, to, why, err)
			       : p2v_err_set(err, P2V_ENOMEM, "no memory");
	}
	guest_dir_finish(&d);
	return r;
}

/* The directories of levels 2 to 5 and of boot in the three places that there are; two may be the
 * same by a link: then the second finds nothing. */
int run_rc_disable(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err)
{
	static const char *const tops[] = {"/etc", "/etc/rc.d", "/etc/init.d"};
	const char *name = apply_arg(step, "name", err);
	int r = name ? 0 : P2V_EFORMAT;

	(void)details;
	for (size_t i = 0; r == 0 && i < P2V_N(tops); i++)
		for (const char *level = "2345S"; r == 0 && *level; level++) {
			char dir[40];

			snprintf(dir, sizeof(dir), "%s/rc%c.d", tops[i], *level);
			r = disable_in(g, dir, name, step->reason, err);
		}
	return r;
}

/* upstart: its own job by an override, an old script as elsewhere. */
int run_job_disable(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err)
{
	const char *name = apply_arg(step, "name", err);
	p2v_autofree char *job = name ? p2v_strf("/etc/init/%s.conf", name) : NULL;
	p2v_autofree char *path = name ? p2v_strf("/etc/init/%s.override", name) : NULL;
	int r;

	if (!name)
		return P2V_EFORMAT;
	if (!job || !path)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	r = run_rc_disable(g, step, details, err);
	if (r < 0 || !guest_is_file(g, job))
		return r;
	return guest_append_file(g, path, "manual\n", 7, 0644, step->reason, err);
}

/* OpenRC: what `rc-update del` does. */
int run_runlevel_remove(struct guest *g, const struct plan_step *step,
	struct apply_details *details, struct p2v_err *err)
{
	static const char *const levels[] = {"sysinit", "boot", "default"};
	const char *name = apply_arg(step, "name", err);
	int r = name ? 0 : P2V_EFORMAT;

	(void)details;
	for (size_t i = 0; r == 0 && i < P2V_N(levels); i++) {
		p2v_autofree char *path = p2v_strf("/etc/runlevels/%s/%s", levels[i], name);

		r = path ? guest_remove(g, path, step->reason, err)
			 : p2v_err_set(err, P2V_ENOMEM, "no memory");
	}
	return r;
}

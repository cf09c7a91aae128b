/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/cli/assessment.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

static const char *const verdict_words[] = {"ready", "needs-you", "blocked", NULL};

static const struct p2v_json_field need_fields[] = {
	P2V_JSON_STR(struct assess_need, kind, 0),
	P2V_JSON_STR(struct assess_need, text, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type need_type = {"need", sizeof(struct assess_need), need_fields};
static const struct p2v_json_field change_fields[] = {
	P2V_JSON_STR(struct assess_change, op, 0),
	P2V_JSON_STR(struct assess_change, path, 0),
	P2V_JSON_STR(struct assess_change, reason, 0),
	P2V_JSON_STR(struct assess_change, name, P2V_JSON_OMIT),
	P2V_JSON_END,
};
static const struct p2v_json_type change_type = {
	"change", sizeof(struct assess_change), change_fields};
static const struct p2v_json_field fields[] = {
	P2V_JSON_U32(struct assessment, version, 0),
	P2V_JSON_STR(struct assessment, name, 0),
	P2V_JSON_ENUM(struct assessment, verdict, 0, verdict_words),
	P2V_JSON_STR(struct assessment, grade, 0),
	P2V_JSON_STRS(struct assessment, what, 0),
	P2V_JSON_STRS(struct assessment, becomes, 0),
	P2V_JSON_OBJS(struct assessment, changes, 0, &change_type),
	P2V_JSON_OBJS(struct assessment, needs, 0, &need_type),
	P2V_JSON_STRS(struct assessment, blocks, 0),
	P2V_JSON_STRS(struct assessment, notes, 0),
	P2V_JSON_END,
};
const struct p2v_json_type cli_assessment_type = {"assessment", sizeof(struct assessment), fields};

static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

/* One line of a list; err is asked once, at the end. */
struct list {
	char ***items;
	size_t *n_items;
	struct p2v_err *err;
	int r;
};

static void __attribute__((format(printf, 2, 3))) add(struct list *l, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (l->r == 0)
		l->r = text ? p2v_json_add_str(l->items, l->n_items, text, l->err)
			    : p2v_err_set(l->err, P2V_ENOMEM, "out of memory");
	free(text);
}

static const char *fs_kind(const struct facts *facts, const char *device)
{
	for (size_t i = 0; i < facts->n_filesystems; i++)
		if (strcmp(facts->filesystems[i].device, device) == 0)
			return or_dash(facts->filesystems[i].kind);
	return "-";
}

static const char *default_kernel(const struct facts_os *os)
{
	for (size_t i = 0; i < os->n_kernels; i++)
		if (os->kernels[i].default_entry)
			return os->kernels[i].release;
	return "-";
}

static void add_nics(struct list *l, const struct facts_os *os)
{
	for (size_t i = 0; i < os->n_nics; i++) {
		const struct facts_nic *nic = &os->nics[i];
		p2v_autobuf struct p2v_buf text = {0};

		for (size_t k = 0; k < nic->n_addresses; k++)
			p2v_buf_addf(&text, " %s",
				nic->addresses[k].address && *nic->addresses[k].address
					? nic->addresses[k].address
					: or_dash(nic->addresses[k].method));
		/* Many configurations are for a card by its address, or for any. */
		if (text.len)
			add(l, "network %s, by %s:%s",
				nic->name && *nic->name ? nic->name
				: nic->mac && *nic->mac ? nic->mac
							: or_dash(nic->path),
				or_dash(nic->dialect), (const char *)text.data);
	}
}

static void add_system(struct list *l, const struct facts *facts, const struct facts_os *os)
{
	add(l, "%s, %s, host name %s", or_dash(os->pretty ? os->pretty : os->kind),
		or_dash(os->arch), or_dash(os->hostname));
	add(l, "root %s%s (%s), %s by %s, %zu kernel%s, starts %s", or_dash(os->root),
		os->root_subvolume && *os->root_subvolume ? " (subvolume)" : "",
		fs_kind(facts, os->root), or_dash(os->bootloader.firmware),
		or_dash(os->bootloader.kind), os->n_kernels, os->n_kernels == 1 ? "" : "s",
		default_kernel(os));
	add_nics(l, os);
}

static int fill_what(const struct assess_input *in, struct assessment *a, struct p2v_err *err)
{
	struct list l = {&a->what, &a->n_what, err, 0};
	const struct machine *m = in->machine;
	char size[P2V_NUM_TEXT];

	if (in->machine_known)
		add(&l, "%s%s%s%s%" PRIu32 " processors, %s of memory, %s",
			m->vendor ? m->vendor : "", m->vendor && m->product ? " " : "",
			m->product ? m->product : "", m->vendor || m->product ? ", " : "", m->cpus,
			p2v_num_bytes_text(m->memory_bytes, size), m->firmware);
	for (size_t i = 0; i < in->facts->n_disks; i++)
		add(&l, "%s, %s, partition table %s", in->facts->disks[i].id,
			p2v_num_bytes_text(in->facts->disks[i].size_bytes, size),
			or_dash(in->facts->disks[i].table));
	for (size_t i = 0; i < in->facts->n_systems; i++)
		add_system(&l, in->facts, &in->facts->systems[i]);
	return l.r;
}

static int fill_becomes(const struct assess_input *in, struct assessment *a, struct p2v_err *err)
{
	struct list l = {&a->becomes, &a->n_becomes, err, 0};
	const struct plan *p = in->plan;
	char size[P2V_NUM_TEXT];

	if (p->n_blockers)
		return 0;
	add(&l, "%s, %s%s, %" PRIu32 " processors, %s of memory", p->machine, p->firmware,
		p->secure_boot ? " with Secure Boot" : "", p->cpus,
		p2v_num_bytes_text(p->memory_bytes, size));
	add(&l, "%zu disk%s on %s", p->n_disks, p->n_disks == 1 ? "" : "s",
		p->n_disks ? p->disks[0].bus : "-");
	for (size_t i = 0; i < p->n_nics; i++)
		add(&l, "network card %s, %s%s%s", p->nics[i].mac, p->nics[i].model,
			p->nics[i].name && *p->nics[i].name ? ", stays " : "",
			p->nics[i].name ? p->nics[i].name : "");
	return l.r;
}

static const char *name_of(const struct plan_step *step)
{
	for (size_t i = 0; i < step->n_args; i++)
		if (strcmp(step->args[i].key, "name") == 0)
			return step->args[i].value;
	return NULL;
}

static int fill_changes(const struct plan *plan, struct assessment *a, struct p2v_err *err)
{
	for (size_t i = 0; !plan->n_blockers && i < plan->n_steps; i++) {
		struct assess_change *c =
			p2v_json_grow((void **)&a->changes, &a->n_changes, sizeof(*c));
		const char *name = name_of(&plan->steps[i]);

		if (!c || !(c->op = strdup(plan->steps[i].op)) ||
			!(c->path = strdup(or_dash(plan->steps[i].path))) ||
			!(c->reason = strdup(plan->steps[i].reason)) ||
			(name && !(c->name = strdup(name))))
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	return 0;
}

static int copy_all(char *const *from, size_t n, char ***to, size_t *n_to, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = p2v_json_add_str(to, n_to, from[i], err);
	return r;
}

static const char *grade_letter(const struct plan *plan)
{
	static const char *const letters[] = {
		[GRADE_PROVEN] = "A", [GRADE_GENERIC] = "B", [GRADE_COPIED] = "C"};

	return plan->n_blockers ? "" : letters[plan->grade];
}

int cli_assessment_make(const struct assess_input *in, struct assessment *ret, struct p2v_err *err)
{
	const struct plan *plan = in->plan;
	struct assessment a = {.version = 1};
	int r = 0;

	a.name = strdup(plan->name);
	a.grade = strdup(grade_letter(plan));
	if (!a.name || !a.grade)
		r = p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (r == 0)
		r = fill_what(in, &a, err);
	if (r == 0)
		r = fill_becomes(in, &a, err);
	if (r == 0)
		r = fill_changes(plan, &a, err);
	if (r == 0)
		r = cli_assessment_needs(in, &a, err);
	if (r == 0)
		r = copy_all(plan->blockers, plan->n_blockers, &a.blocks, &a.n_blocks, err);
	if (r == 0)
		r = copy_all(plan->warnings, plan->n_warnings, &a.notes, &a.n_notes, err);
	if (r < 0) {
		p2v_json_free(&cli_assessment_type, &a);
		return r;
	}
	a.verdict = a.n_blocks ? ASSESS_BLOCKED : a.n_needs ? ASSESS_NEEDS_YOU : ASSESS_READY;
	*ret = a;
	return 0;
}

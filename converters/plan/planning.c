/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/plan/planning.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"

static void no_memory(struct planning *p)
{
	p->r = p2v_err_set(p->err, P2V_ENOMEM, "no memory");
}

void plan_set(struct planning *p, char **to, const char *text)
{
	char *copy = strdup(plan_text(text));

	if (!copy) {
		no_memory(p);
		return;
	}
	free(*to);
	*to = copy;
}

void *plan_grow(struct planning *p, void **items, size_t *n_items, size_t size)
{
	void *item = p->r < 0 ? NULL : p2v_json_grow(items, n_items, size);

	if (!item)
		no_memory(p);
	return item;
}

static void add_text(
	struct planning *p, char ***items, size_t *n_items, const char *fmt, va_list ap)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (p->r == 0)
		p->r = p2v_json_add_str(items, n_items, text, p->err);
}

void plan_warn(struct planning *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_text(p, &p->plan->warnings, &p->plan->n_warnings, fmt, ap);
	va_end(ap);
}

void plan_tell(struct planning *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_text(p, &p->plan->warnings, &p->plan->n_warnings, fmt, ap);
	va_end(ap);
	p->n_told++;
}

void plan_block(struct planning *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_text(p, &p->plan->blockers, &p->plan->n_blockers, fmt, ap);
	va_end(ap);
}

void plan_step(struct planning *p, const char *op, const char *path, const char *reason, ...)
{
	struct plan_step *s = plan_grow(p, (void **)&p->plan->steps, &p->plan->n_steps, sizeof(*s));
	char text[1024];
	va_list ap;

	if (!s)
		return;
	va_start(ap, reason);
	vsnprintf(text, sizeof(text), reason, ap);
	va_end(ap);
	plan_set(p, &s->op, op);
	plan_set(p, &s->path, path);
	plan_set(p, &s->reason, text);
}

void plan_arg(struct planning *p, const char *key, const char *value)
{
	struct plan_step *s;
	struct plan_arg *a;

	if (p->r < 0 || !p->plan->n_steps)
		return;
	s = &p->plan->steps[p->plan->n_steps - 1];
	a = plan_grow(p, (void **)&s->args, &s->n_args, sizeof(*a));
	if (!a)
		return;
	plan_set(p, &a->key, key);
	plan_set(p, &a->value, value);
}

bool plan_is_kernel(const struct facts_kernel *k)
{
	return *plan_text(k->path) && !k->rescue;
}

bool plan_has(const struct facts_kernel *k, const char *driver)
{
	for (size_t i = 0; i < k->n_drivers; i++)
		if (plan_is(k->drivers[i].name, driver))
			return k->drivers[i].state != DRIVER_STATE_ABSENT;
	return false;
}

bool plan_has_module(const struct facts_kernel *k, const char *driver)
{
	for (size_t i = 0; i < k->n_drivers; i++)
		if (plan_is(k->drivers[i].name, driver))
			return k->drivers[i].state == DRIVER_STATE_MODULE;
	return false;
}

bool plan_extends(const struct facts_initramfs *i)
{
	static const char *const kinds[] = {"initramfs-tools", "dracut", "mkinitcpio",
		"mkinitrd-rh", "mkinitrd-suse", "mkinitfs"};

	for (size_t k = 0; k < P2V_N(kinds); k++)
		if (plan_is(i->kind, kinds[k]))
			return *plan_text(i->path) && i->tail_ok;
	return false;
}

bool plan_holds(const struct facts_initramfs *i, const char *module)
{
	for (size_t k = 0; k < i->n_modules; k++)
		if (plan_is(i->modules[k], module))
			return true;
	return false;
}

bool plan_all_have(const struct facts_os *os, const char *driver)
{
	bool any = false;

	for (size_t i = 0; i < os->n_kernels; i++) {
		if (!plan_is_kernel(&os->kernels[i]))
			continue;
		if (!plan_has(&os->kernels[i], driver))
			return false;
		any = true;
	}
	return any;
}

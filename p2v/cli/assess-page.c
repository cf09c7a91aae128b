/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The assessment as a page that a person reads. */
#include <stdio.h>
#include <string.h>

#include "p2v/cli/assessment.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"
#include "p2v/core/text.h"

#define COLUMNS	 80
#define MAX_ROWS 12 /* of a list; a page has about sixty lines */

static const struct {
	const char *word, *sentence;
} verdicts[] = {
	[ASSESS_READY] = {"READY", "It can be converted; nothing is asked of you."},
	[ASSESS_NEEDS_YOU] = {"NEEDS YOU", "It can be converted, but read \"What needs you\"."},
	[ASSESS_BLOCKED] = {"BLOCKED", "p2v convert will refuse it; \"What blocks it\" says why."},
};

static const struct {
	const char *letter, *text;
} grades[] = {
	{"A", "A, proven: made of parts that are booted in p2v's own tests."},
	{"B", "B, generic: a part of it is not among those that p2v's tests boot; it gets devices "
	      "that its kernels can drive. Prove the result before the outage ends."},
	{"C", "C, copied: nothing in it is changed. It boots if it can drive what it is given."},
	{"", "None: it cannot be converted as it stands."},
};

#define SERVICES "services of the old hardware, not started"
#define LOGIN	 "a login on the serial line"
#define NAMES	 "network cards keep their names"

/* Steps of one kind are one row of the page; path: where such a path begins so. */
static const struct {
	const char *op, *path, *text;
} ops[] = {
	{"initramfs-inject", "", "drivers of virtual disks, appended to the initramfs"},
	{"boot-args", "", "kernel arguments in the boot loader's files"},
	{"unified-args", "", "arguments inside a unified kernel"},
	{"device-replace", "", "names of old disks become names that stay"},
	{"fstab-nofail", "", "file systems that are not here must not stop the start"},
	{"nic-link", "", NAMES},
	{"nic-rule", "", NAMES},
	{"nic-line", "", "network settings that name the old hardware, changed"},
	{"nic-file", "", "network settings that name the old hardware, changed"},
	{"unit-mask", "", SERVICES},
	{"rc-disable", "", SERVICES},
	{"job-disable", "", SERVICES},
	{"runlevel-remove", "", SERVICES},
	{"file-copy", "", "the boot loader, where any firmware finds it"},
	{"file-remove", "", "lists of the old hardware, removed"},
	{"line-comment", "", "settings of the old hardware, switched off"},
	{"lines-add", "/etc/inittab", LOGIN},
	{"lines-add", "/etc/securetty", LOGIN},
	{"lines-add", "/etc/sysconfig/network", NAMES},
	{"lines-add", "", "settings for the guest's next initramfs"},
};

static const char *op_text(const struct assess_change *c)
{
	for (size_t i = 0; i < P2V_N(ops); i++)
		if (strcmp(c->op, ops[i].op) == 0 &&
			p2v_span_starts(p2v_span_str(c->path), ops[i].path))
			return ops[i].text;
	return c->reason;
}

static void title(struct p2v_buf *out, const char *text)
{
	p2v_buf_addf(out, "\n%s\n", text);
}

static void item(struct p2v_buf *out, const char *text)
{
	p2v_text_add_wrapped(out, "  - ", 4, COLUMNS, text);
}

static void more(struct p2v_buf *out, size_t n, size_t max)
{
	if (n > max)
		p2v_buf_addf(out, "  - and %zu more (--all shows them)\n", n - max);
}

static void list(struct p2v_buf *out, char *const *items, size_t n, size_t max)
{
	for (size_t i = 0; i < n && i < max; i++)
		item(out, items[i]);
	more(out, n, max);
}

/* What is changed: a service by its name, all else by its file. */
static const char *object(const struct assess_change *c)
{
	return c->name && strcmp(op_text(c), SERVICES) == 0 ? c->name : c->path;
}

/* The objects of all steps that are told in these words, each once. */
static void change_row(const struct assessment *a, size_t first, size_t max, struct p2v_buf *out)
{
	const char *text = op_text(&a->changes[first]);
	p2v_autobuf struct p2v_buf row = {0};
	size_t n = 0, end = strlen(text);

	/* A step's own reason is a sentence. */
	if (p2v_span_ends(p2v_span_str(text), "."))
		end--;
	p2v_buf_addf(&row, "%.*s:", (int)end, text);
	for (size_t i = first; i < a->n_changes; i++) {
		bool again = false;

		if (strcmp(op_text(&a->changes[i]), text) != 0)
			continue;
		for (size_t k = first; k < i && !again; k++)
			again = strcmp(object(&a->changes[k]), object(&a->changes[i])) == 0 &&
				strcmp(op_text(&a->changes[k]), text) == 0;
		if (!again && n++ < max)
			p2v_buf_addf(&row, "%s %s", n > 1 ? "," : "", object(&a->changes[i]));
	}
	if (n > max)
		p2v_buf_addf(&row, " and %zu more", n - max);
	out->failed |= row.failed;
	if (!row.failed)
		item(out, (const char *)row.data);
}

static void changes(const struct assessment *a, size_t max, struct p2v_buf *out)
{
	title(out, "What will be changed in the guest");
	if (a->n_blocks)
		p2v_buf_add_str(out, "  nothing: it is refused\n");
	else if (!a->n_changes)
		p2v_buf_add_str(out, "  nothing\n");
	for (size_t i = 0; i < a->n_changes; i++) {
		bool told = false;

		for (size_t k = 0; k < i && !told; k++)
			told = strcmp(op_text(&a->changes[k]), op_text(&a->changes[i])) == 0;
		if (!told)
			change_row(a, i, max == SIZE_MAX ? max : 4, out);
	}
}

static void grade(const struct assessment *a, struct p2v_buf *out)
{
	title(out, "Grade");
	for (size_t i = 0; i < P2V_N(grades); i++)
		if (strcmp(grades[i].letter, a->grade) == 0)
			p2v_text_add_wrapped(out, "  ", 2, COLUMNS, grades[i].text);
}

static void needs(const struct assessment *a, size_t max, struct p2v_buf *out)
{
	title(out, "What needs you");
	if (!a->n_needs)
		p2v_buf_add_str(out, "  nothing\n");
	for (size_t i = 0; i < a->n_needs && i < max; i++)
		item(out, a->needs[i].text);
	more(out, a->n_needs, max);
}

int cli_assessment_page(
	const struct assessment *a, bool all, struct p2v_buf *out, struct p2v_err *err)
{
	size_t max = all ? SIZE_MAX : MAX_ROWS;

	p2v_buf_addf(out, "%s: %s\n", a->name, verdicts[a->verdict].word);
	p2v_text_add_wrapped(out, "", 0, COLUMNS, verdicts[a->verdict].sentence);
	title(out, "What it is");
	list(out, a->what, a->n_what, max);
	grade(a, out);
	if (a->n_becomes) {
		title(out, "What it becomes");
		list(out, a->becomes, a->n_becomes, max);
	}
	changes(a, max, out);
	needs(a, max, out);
	title(out, "What blocks it");
	if (!a->n_blocks)
		p2v_buf_add_str(out, "  nothing\n");
	list(out, a->blocks, a->n_blocks, max);
	if (a->n_notes) {
		title(out, "To know");
		list(out, a->notes, a->n_notes, all ? max : MAX_ROWS / 2);
	}
	return p2v_buf_check(out, err);
}

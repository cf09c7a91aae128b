/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "converters/plan/planning.h"
#include "p2v/core/num.h"
#include "p2v/core/text.h"

#define COLUMNS 80

static void wrap(struct p2v_buf *out, const char *first, size_t indent, const char *text)
{
	p2v_text_add_wrapped(out, first, indent, COLUMNS, text);
}

static void print_nic(const struct plan_nic *n, struct p2v_buf *out)
{
	p2v_autobuf struct p2v_buf text = {0};

	p2v_buf_addf(&text, "%s %s", n->model, n->mac);
	if (*plan_text(n->name))
		p2v_buf_addf(&text, ", stays %s", n->name);
	for (size_t i = 0; i < n->n_addresses; i++)
		p2v_buf_addf(&text, "%s%s", i ? ", " : " with ", n->addresses[i]);
	if (*plan_text(n->gateway))
		p2v_buf_addf(&text, ", gateway %s", n->gateway);
	if (n->dhcp)
		p2v_buf_addf(&text, ", asks for its address by DHCP");
	wrap(out, "  network  ", 11, text.data ? (const char *)text.data : "");
}

static void print_machine(const struct plan *p, struct p2v_buf *out)
{
	char memory[P2V_NUM_TEXT];

	p2v_buf_addf(out, "%s becomes a virtual machine (%s, %s)\n", p->name, p->target, p->format);
	p2v_buf_addf(out, "  machine  %s, %s%s, %u processors, %s of memory\n", p->machine,
		p->firmware, p->secure_boot ? " with Secure Boot" : "", p->cpus,
		p2v_num_bytes_text(p->memory_bytes, memory));
	p2v_buf_addf(out, "  system   %s on %s\n", p->os, *p->root ? p->root : "no disk");
	for (size_t i = 0; i < p->n_disks; i++)
		p2v_buf_addf(out, "  disk     %s on %s%s%s\n", p->disks[i].id, p->disks[i].bus,
			p->disks[i].to ? ", to " : "", p->disks[i].to ? p->disks[i].to : "");
	for (size_t i = 0; i < p->n_nics; i++)
		print_nic(&p->nics[i], out);
	if (*plan_text(p->media))
		wrap(out, "  drivers  ", 11, p->media);
}

static void print_steps(const struct plan *p, struct p2v_buf *out)
{
	p2v_buf_addf(out, "\n%s\n",
		p->n_steps ? "In the guest will be changed"
			   : "Nothing in the guest needs a change");
	for (size_t i = 0; i < p->n_steps; i++) {
		char number[32];

		snprintf(number, sizeof(number), "%3zu. ", i + 1);
		wrap(out, number, 5, p->steps[i].path);
		wrap(out, "     ", 5, p->steps[i].reason);
	}
}

static void print_list(const char *title, char *const *items, size_t n, struct p2v_buf *out)
{
	if (n)
		p2v_buf_addf(out, "\n%s\n", title);
	for (size_t i = 0; i < n; i++)
		wrap(out, "  - ", 4, items[i]);
}

int plan_print(const struct plan *p, struct p2v_buf *out, struct p2v_err *err)
{
	print_machine(p, out);
	if (p->n_blockers == 0)
		print_steps(p, out);
	print_list("To know", p->warnings, p->n_warnings, out);
	print_list("It cannot be converted", p->blockers, p->n_blockers, out);
	return p2v_buf_check(out, err);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The names of network cards, and what finds them by the old hardware. */

#include <string.h>

#include "converters/apply/editors.h"
#include "p2v/guest/write.h"

struct pin {
	const char *name, *mac, *driver;
};

static int read_pin(const struct plan_step *step, struct pin *ret, struct p2v_err *err)
{
	struct pin pin = {.name = apply_arg(step, "name", err)};

	pin.mac = pin.name ? apply_arg(step, "mac", err) : NULL;
	pin.driver = pin.mac ? apply_arg(step, "driver", err) : NULL;
	if (!pin.driver)
		return P2V_EFORMAT;
	*ret = pin;
	return 0;
}

/*
 * systemd.link(5). The driver keeps bonds, bridges and VLANs out, which take over a card's address;
 * PermanentMACAddress= and Type=ether would say it better, but are not understood by each udev
 * since 209 that reads this file.
 */
int edit_nic_link(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err)
{
	struct pin pin;
	const char *setting;
	size_t at = 0;

	(void)text;
	if (read_pin(step, &pin, err) < 0)
		return P2V_EFORMAT;
	p2v_buf_addf(out,
		"# Written by p2v: the card keeps the name that it had in the physical machine.\n"
		"[Match]\nMACAddress=%s\nDriver=%s\n\n[Link]\nName=%s\n",
		pin.mac, pin.driver, pin.name);
	while ((setting = apply_arg_next(step, "setting", &at)))
		p2v_buf_addf(out, "%s\n", setting);
	return p2v_buf_check(out, err);
}

/* udev before 209: the list that the guest made itself has the card already, or gets it now. */
int edit_nic_rule(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf rule = {0};
	struct p2v_span rest = text, line;
	size_t at = 0;
	const char *key = apply_arg_next(step, "key", &at);
	struct pin pin;
	bool there = false;

	if (read_pin(step, &pin, err) < 0)
		return P2V_EFORMAT;
	/* Before udev 098: SYSFS{address}, and neither DRIVERS nor ATTR. */
	if (key)
		p2v_buf_addf(&rule, "SUBSYSTEM==\"net\", ACTION==\"add\", %s==\"%s\", NAME=\"%s\"",
			key, pin.mac, pin.name);
	else
		p2v_buf_addf(&rule,
			"SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", "
			"ATTR{address}==\"%s\", ATTR{type}==\"1\", NAME=\"%s\"",
			pin.mac, pin.name);
	if (rule.failed)
		return p2v_buf_check(&rule, err);
	while (p2v_line_next(&rest, &line))
		there |= p2v_span_eq(p2v_span_trim(line), (const char *)rule.data);
	p2v_buf_add(out, text.p, text.n);
	if (!there && text.n && !p2v_span_ends(text, "\n"))
		p2v_buf_add_str(out, "\n");
	if (!there)
		p2v_buf_addf(out, "%s\n", (const char *)rule.data);
	return p2v_buf_check(out, err);
}

/* "indent FROM rest" -> "indent TO rest", or the line as a comment where there is no TO. */
static void edit_found(struct p2v_span line, struct p2v_span from, const char *at, const char *to,
	struct p2v_buf *out)
{
	size_t before = (size_t)(at - line.p);

	if (!to) {
		edit_comment_lines(line, out);
		return;
	}
	p2v_buf_add(out, line.p, before);
	p2v_buf_add_str(out, to);
	p2v_buf_add(out, at + from.n, line.n - before - from.n);
}

/* A rule may stand on several lines. */
static void take_as_many(struct p2v_span as, struct p2v_span *rest, struct p2v_span *line)
{
	struct p2v_span more;

	while (p2v_span_has(as, '\n') && p2v_line_next(rest, &more)) {
		line->n = (size_t)(more.p + more.n - line->p);
		p2v_span_until(as, '\n', &as);
	}
}

int edit_nic_line(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err)
{
	const char *number = apply_arg(step, "line", err), *end = text.p + text.n, *to, *hit;
	struct p2v_span line, from = p2v_span_str(number ? apply_arg(step, "from", err) : NULL);
	uint64_t wanted = 0, at = 0;
	size_t arg = 0;

	if (!number || !from.n || !p2v_span_u64(p2v_span_str(number), UINT32_MAX, &wanted))
		return p2v_err_set(err, P2V_EFORMAT, "the plan's step %s names no line", step->op);
	to = apply_arg_next(step, "to", &arg);
	while (p2v_line_next(&text, &line)) {
		if (++at == wanted)
			take_as_many(from, &text, &line);
		hit = at == wanted && line.n ? memmem(line.p, line.n, from.p, from.n) : NULL;
		if (hit)
			edit_found(line, from, hit, to, out);
		else
			p2v_buf_add(out, line.p, line.n);
		if (line.p + line.n < end)
			p2v_buf_add_str(out, "\n");
	}
	return p2v_buf_check(out, err);
}

int run_nic_file(struct guest *g, const struct plan_step *step, struct apply_details *details,
	struct p2v_err *err)
{
	const char *to = apply_arg(step, "to", err);

	(void)details;
	return to ? guest_rename(g, step->path, to, step->reason, err) : P2V_EFORMAT;
}

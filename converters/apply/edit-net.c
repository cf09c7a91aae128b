/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The names of network cards. */

#include "converters/apply/editors.h"

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

	(void)text;
	if (read_pin(step, &pin, err) < 0)
		return P2V_EFORMAT;
	p2v_buf_addf(out,
		"# Written by p2v: the card keeps the name that it had in the physical machine.\n"
		"[Match]\nMACAddress=%s\nDriver=%s\n\n[Link]\nName=%s\n",
		pin.mac, pin.driver, pin.name);
	return p2v_buf_check(out, err);
}

/* udev before 209: the list that the guest made itself has the card already, or gets it now. */
int edit_nic_rule(struct p2v_span text, const struct plan_step *step, struct p2v_buf *out,
	struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf rule = {0};
	struct p2v_span rest = text, line;
	struct pin pin;
	bool there = false;

	if (read_pin(step, &pin, err) < 0)
		return P2V_EFORMAT;
	p2v_buf_addf(&rule,
		"SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", ATTR{address}==\"%s\", "
		"ATTR{type}==\"1\", NAME=\"%s\"",
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

/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * wicked's own files, /etc/wicked/ifconfig/x.xml: one or more <interface> elements, beside each
 * other or in one element around them. Their words are those of wicked's schema (wicked-config(5),
 * "wicked show-config").
 */

#include <expat.h>
#include <stdio.h>
#include <string.h>

#include "converters/inspect/net.h"
#include "p2v/core/cleanup.h"

#define MAX_DEPTH 12
#define MAX_WHERE 128
#define MAX_TEXT  256
#define MAX_KEPT  (4 * NET_MAX_ADDRESSES)

struct reader {
	const char *path;
	struct facts_os *os;
	struct p2v_err *err;
	XML_Parser xml;
	int r;
	unsigned depth, top;   /* top: of the <interface> that is open; 0: none is */
	char where[MAX_WHERE]; /* "ipv4:static/address/local", below the interface */
	char text[MAX_TEXT];   /* of the element that is open */
	size_t n_text;
	struct net_config now;
	struct p2v_span gateway; /* of the route that is open */
	bool elsewhere;		 /* it leads to a network, not to all */
	bool no_dhcp;
	struct p2v_span slave;
	char *kept[MAX_KEPT]; /* what now's spans lie in */
	size_t n_kept;
};

static void fail(struct reader *rd, int r)
{
	rd->r = r;
	XML_StopParser(rd->xml, XML_FALSE);
}

/* The open element's text, kept until its interface ends; empty where there are too many. */
static struct p2v_span keep(struct reader *rd)
{
	struct p2v_span s = p2v_span_trim(p2v_span_of(rd->text, rd->n_text));
	char *copy = rd->n_kept < MAX_KEPT ? p2v_span_dup(s) : NULL;

	if (!copy)
		return (struct p2v_span){0};
	rd->kept[rd->n_kept++] = copy;
	return p2v_span_str(copy);
}

static bool is_word(const struct reader *rd, const char *word)
{
	return p2v_span_eq(p2v_span_trim(p2v_span_of(rd->text, rd->n_text)), word);
}

static void take_name(struct reader *rd)
{
	if (!rd->now.name.n)
		rd->now.name = keep(rd);
}

static void take_mac(struct reader *rd)
{
	rd->now.mac = keep(rd);
}

static void take_mode(struct reader *rd)
{
	rd->now.manual = is_word(rd, "manual") || is_word(rd, "off");
}

static void take_address(struct reader *rd)
{
	net_config_address(&rd->now, keep(rd), (struct p2v_span){0});
}

static void take_destination(struct reader *rd)
{
	rd->elsewhere =
		!is_word(rd, "default") && !is_word(rd, "0.0.0.0/0") && !is_word(rd, "::/0");
}

static void take_gateway(struct reader *rd)
{
	rd->gateway = keep(rd);
}

static void end_route(struct reader *rd)
{
	if (!rd->elsewhere)
		net_config_gateway(&rd->now, rd->gateway);
	rd->elsewhere = false;
	rd->gateway = (struct p2v_span){0};
}

static void take_enabled(struct reader *rd)
{
	rd->no_dhcp = is_word(rd, "false");
}

static void end_dhcp(struct reader *rd)
{
	rd->now.dhcp |= !rd->no_dhcp;
	rd->no_dhcp = false;
}

static void take_vlan_id(struct reader *rd)
{
	rd->now.vlan_id = keep(rd);
}

static void take_vlan_device(struct reader *rd)
{
	rd->now.raw_device = keep(rd);
}

static void end_vlan(struct reader *rd)
{
	rd->now.kind = "vlan";
}

static void take_member(struct reader *rd)
{
	rd->slave = keep(rd);
	net_config_member(&rd->now, rd->slave);
}

static void take_primary(struct reader *rd)
{
	if (is_word(rd, "true"))
		rd->now.primary = rd->slave;
}

static void take_bond_primary(struct reader *rd)
{
	rd->now.primary = keep(rd);
}

static void take_bond_mode(struct reader *rd)
{
	rd->now.mode = keep(rd);
}

static void end_bond(struct reader *rd)
{
	rd->now.kind = "bond";
}

static void end_bridge(struct reader *rd)
{
	rd->now.kind = "bridge";
}

static void end_other(struct reader *rd)
{
	rd->now.kind = "other";
}

/* At the end of each element; '*' stands for any one element. */
static const struct {
	const char *where;
	void (*take)(struct reader *rd);
} rows[] = {
	{"name", take_name},
	{"name/permanent-address", take_mac},
	{"name/ethernet:permanent-address", take_mac},
	{"identify/ethernet:permanent-address", take_mac},
	{"control/mode", take_mode},
	{"ipv4:static/address/local", take_address},
	{"ipv6:static/address/local", take_address},
	{"ipv4:static/route/destination", take_destination},
	{"ipv6:static/route/destination", take_destination},
	{"ipv4:static/route/nexthop/gateway", take_gateway},
	{"ipv6:static/route/nexthop/gateway", take_gateway},
	{"ipv4:static/route", end_route},
	{"ipv6:static/route", end_route},
	{"ipv4:dhcp/enabled", take_enabled},
	{"ipv4:dhcp", end_dhcp},
	{"vlan/tag", take_vlan_id},
	{"vlan/device", take_vlan_device},
	{"vlan", end_vlan},
	{"bridge/ports/*/device", take_member},
	{"bridge", end_bridge},
	{"bond/slaves/*/device", take_member},
	{"bond/slaves/*/primary", take_primary},
	{"bond/primary", take_bond_primary},
	{"bond/mode", take_bond_mode},
	{"bond", end_bond},
	{"dummy", end_other},
	{"macvlan", end_other},
	{"macvtap", end_other},
	{"tun", end_other},
	{"tap", end_other},
	{"wireless", end_other},
	{"openvpn", end_other},
	{"gre", end_other},
	{"ipip", end_other},
	{"sit", end_other},
};

static bool is_at(const char *pattern, const char *where)
{
	for (; *pattern; pattern++, where++) {
		if (*pattern == '*') {
			where += strcspn(where, "/") - 1;
			continue;
		}
		if (*pattern != *where)
			return false;
	}
	return *where == '\0';
}

static void forget(struct reader *rd)
{
	for (size_t i = 0; i < rd->n_kept; i++)
		free(rd->kept[i]);
	rd->n_kept = 0;
	rd->now = (struct net_config){0};
	rd->gateway = rd->slave = (struct p2v_span){0};
	rd->elsewhere = rd->no_dhcp = false;
}

static void XMLCALL on_start(void *closure, const XML_Char *name, const XML_Char **attributes)
{
	struct reader *rd = closure;
	size_t n = strlen(rd->where);

	(void)attributes;
	if (++rd->depth > MAX_DEPTH || n + strlen(name) + 2 > sizeof(rd->where)) {
		fail(rd, p2v_err_set(rd->err, P2V_EFORMAT, "its elements are nested too deep"));
		return;
	}
	if (rd->top)
		snprintf(rd->where + n, sizeof(rd->where) - n, "%s%s", n ? "/" : "", name);
	else if (strcmp(name, "interface") == 0)
		rd->top = rd->depth;
	rd->n_text = 0;
}

static void XMLCALL on_text(void *closure, const XML_Char *text, int n)
{
	struct reader *rd = closure;

	if ((size_t)n > sizeof(rd->text) - rd->n_text)
		n = (int)(sizeof(rd->text) - rd->n_text);
	memcpy(rd->text + rd->n_text, text, (size_t)n);
	rd->n_text += (size_t)n;
}

static void end_interface(struct reader *rd)
{
	int r = net_config_add(&rd->now, rd->path, "wicked", rd->os, rd->err);

	forget(rd);
	rd->top = 0;
	if (r < 0)
		fail(rd, r);
}

static void XMLCALL on_end(void *closure, const XML_Char *name)
{
	struct reader *rd = closure;
	char *slash = strrchr(rd->where, '/');

	(void)name;
	for (size_t i = 0; rd->top && i < P2V_N(rows); i++)
		if (is_at(rows[i].where, rd->where))
			rows[i].take(rd);
	rd->n_text = 0;
	if (rd->top && rd->depth-- == rd->top)
		end_interface(rd);
	else if (rd->top)
		*(slash ? slash : rd->where) = '\0';
	else
		rd->depth--;
}

/* An element around all, as a file need have none; an XML declaration may not stand in it. */
static enum XML_Status parse(XML_Parser xml, struct p2v_span text)
{
	static const char open[] = "<all>", close[] = "</all>";
	struct p2v_span rest = p2v_span_trim(text);
	enum XML_Status status = XML_Parse(xml, open, sizeof(open) - 1, XML_FALSE);

	if (p2v_span_starts(rest, "<?xml "))
		p2v_span_until(rest, '>', &rest);
	if (status == XML_STATUS_OK)
		status = XML_Parse(xml, rest.p, (int)rest.n, XML_FALSE);
	return status == XML_STATUS_OK ? XML_Parse(xml, close, sizeof(close) - 1, XML_TRUE)
				       : status;
}

int net_wicked_parse(
	struct p2v_span text, const char *path, struct facts_os *os, struct p2v_err *err)
{
	struct reader rd = {.path = path, .os = os, .err = err, .xml = XML_ParserCreate("UTF-8")};
	enum XML_Status status;

	if (!rd.xml)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	XML_SetUserData(rd.xml, &rd);
	XML_SetElementHandler(rd.xml, on_start, on_end);
	XML_SetCharacterDataHandler(rd.xml, on_text);
	status = parse(rd.xml, text);
	if (status != XML_STATUS_OK && rd.r == 0)
		rd.r = p2v_err_set(err, P2V_EFORMAT, "line %lu: %s",
			(unsigned long)XML_GetCurrentLineNumber(rd.xml),
			XML_ErrorString(XML_GetErrorCode(rd.xml)));
	forget(&rd);
	XML_ParserFree(rd.xml);
	return rd.r;
}

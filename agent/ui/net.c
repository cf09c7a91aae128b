/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ui/net.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "agent/source/source.h"
#include "agent/ui/state.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/core/stop.h"

#define TOOL_MS	   20000
#define DHCP_MS	   60000
#define CARRIER_MS 15000
#define SETTLE_MS  3000 /* after the first link others may follow */
#define DHCP_DONE  "/lib/p2v/dhcp"
#define DHCP_PID   UI_DIR "/dhcp.pid"
#define BOND_NAME  "p2vbond"
#define VLAN_NAME  "p2vlan"

struct net {
	const struct ui_settings *s;
	const struct machine *m;
	void (*say)(void *ctx, const char *text);
	void *ctx;
	struct p2v_err *err;
};

#define TOOL(n, ...)                                                                               \
	p2v_proc_run((const char *const[]){__VA_ARGS__, NULL}, NULL, 0, TOOL_MS, NULL, (n)->err)

void ui_bond_finish(struct ui_bond *b)
{
	free(b->mode);
	for (size_t i = 0; i < b->n_cards; i++)
		free(b->cards[i]);
	free(b->cards);
	memset(b, 0, sizeof(*b));
}

int ui_bond_parse(const char *text, struct ui_bond *ret, struct p2v_err *err)
{
	struct p2v_span rest, mode = p2v_span_until(p2v_span_str(text), ':', &rest);
	struct ui_bond b = {.mode = p2v_span_dup(mode)};
	int r = b.mode ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	while (r == 0 && rest.n) {
		struct p2v_span card = p2v_span_until(rest, ',', &rest);
		p2v_autofree char *name = p2v_span_dup(card);

		if (card.n)
			r = p2v_json_add_str(&b.cards, &b.n_cards, name ? name : "", err);
	}
	if (r == 0 && (!mode.n || !b.n_cards))
		r = p2v_err_set(
			err, P2V_EINVAL, "bond '%.60s' is not like active-backup:eth0,eth1", text);
	if (r < 0) {
		ui_bond_finish(&b);
		return r;
	}
	*ret = b;
	return 0;
}

static bool has_carrier(const char *name)
{
	return source_attr_u64(&source_host_this, 0, "/sys/class/net/%s/carrier", name) == 1;
}

/* The name of the card that `text` means: its name, or its address. */
static const char *card_find(const struct machine *m, const char *text)
{
	for (size_t i = 0; i < m->n_nics; i++)
		if (strcmp(m->nics[i].name, text) == 0 ||
			(m->nics[i].mac && strcasecmp(m->nics[i].mac, text) == 0))
			return m->nics[i].name;
	return NULL;
}

static int card_need(struct net *n, const char *text, const char **ret)
{
	p2v_autobuf struct p2v_buf all = {0};

	*ret = card_find(n->m, text);
	if (*ret)
		return 0;
	for (size_t i = 0; i < n->m->n_nics; i++)
		p2v_buf_addf(&all, "%s%s", i ? ", " : "", n->m->nics[i].name);
	return p2v_err_set(n->err, P2V_ENOTFOUND,
		"this machine has no network card '%.40s'; it has %s", text,
		all.data ? (const char *)all.data : "none");
}

static int bond_make(struct net *n)
{
	__attribute__((cleanup(ui_bond_finish))) struct ui_bond bond = {0};
	int r = ui_bond_parse(n->s->bond, &bond, n->err);

	if (r == 0)
		r = TOOL(n, "ip", "link", "add", BOND_NAME, "type", "bond", "mode", bond.mode,
			"miimon", "100");
	for (size_t i = 0; r == 0 && i < bond.n_cards; i++) {
		const char *card = NULL;

		r = card_need(n, bond.cards[i], &card);
		if (r == 0)
			r = TOOL(n, "ip", "link", "set", card, "down");
		if (r == 0)
			r = TOOL(n, "ip", "link", "set", card, "master", BOND_NAME);
	}
	if (r == 0)
		r = TOOL(n, "ip", "link", "set", BOND_NAME, "up");
	return r;
}

static int vlan_make(struct net *n, const char *below)
{
	p2v_autofree char *id = p2v_strf("%u", (unsigned)n->s->vlan);
	int r;

	if (!id)
		return p2v_err_set(n->err, P2V_ENOMEM, "out of memory");
	r = TOOL(
		n, "ip", "link", "add", "link", below, "name", VLAN_NAME, "type", "vlan", "id", id);
	if (r == 0)
		r = TOOL(n, "ip", "link", "set", VLAN_NAME, "up");
	return r;
}

static void dhcp_stop(void)
{
	p2v_autobuf struct p2v_buf text = {0};
	uint64_t pid = 0;

	if (p2v_file_read(DHCP_PID, 32, &text, NULL) == 0 &&
		p2v_span_u64(p2v_span_trim(p2v_span_of(text.data, text.len)), INT32_MAX, &pid) &&
		pid)
		kill((pid_t)pid, SIGTERM);
	unlink(DHCP_PID);
}

/* What an earlier try has left: its DHCP client, bond, VLAN and addresses, which would stand beside
 * those of this one. What a router has given (it is not permanent) stays. */
static void earlier_undo(struct net *n)
{
	dhcp_stop();
	TOOL(n, "ip", "link", "del", VLAN_NAME);
	TOOL(n, "ip", "link", "del", BOND_NAME);
	for (size_t i = 0; i < n->m->n_nics; i++)
		TOOL(n, "ip", "addr", "flush", "dev", n->m->nics[i].name, "scope", "global",
			"permanent");
	p2v_err_clear(n->err);
}

/* One that cannot be switched on, for want of firmware, keeps nobody from using the others. */
static void cards_up(struct net *n)
{
	for (size_t i = 0; i < n->m->n_nics; i++)
		TOOL(n, "ip", "link", "set", n->m->nics[i].name, "up");
	p2v_err_clear(n->err);
}

/* Until a card has a link, and a little longer; or until none has. only: this one, or NULL. */
static void carrier_wait(struct net *n, const char *only)
{
	uint64_t end = p2v_now_ms() + CARRIER_MS;
	bool seen = false;

	while (p2v_now_ms() < end && !p2v_stop_requested()) {
		bool any = only && has_carrier(only);
		bool all = any || !only;

		for (size_t i = 0; !only && i < n->m->n_nics; i++) {
			bool up = has_carrier(n->m->nics[i].name);

			any = any || up;
			all = all && up;
		}
		if (any && all)
			return;
		if (any && !seen)
			end = p2v_now_ms() + SETTLE_MS;
		seen = any;
		p2v_sleep_ms(200);
	}
}

/* It stays behind, holding its descriptors: so it gets none of ours. */
static int dhcp(struct net *n, const char *card)
{
	const char *const argv[] = {"udhcpc", "-i", card, "-n", "-t", "5", "-T", "3", "-p",
		DHCP_PID, "-s", DHCP_DONE, NULL};
	const struct p2v_proc_spec spec = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1};
	p2v_autofree char *text = p2v_strf("asking for an address on %s", card);
	pid_t pid = 0;
	int status = 0, r;

	n->say(n->ctx, text ? text : card);
	r = p2v_proc_start(&spec, &pid, n->err);
	if (r == 0) {
		r = p2v_proc_wait(pid, DHCP_MS, &status, n->err);
		if (r < 0)
			p2v_proc_stop(pid, 1000);
	}
	if (r == 0 && status != 0)
		r = p2v_err_set(n->err, P2V_ELINK, "%s: no answer to DHCP", card);
	return r;
}

static int fixed(struct net *n, const char *card)
{
	const struct ui_settings *s = n->s;
	p2v_autofree char *resolv = p2v_strf("nameserver %s\n", s->dns ? s->dns : "");
	/* An IPv6 address is of no use while the kernel still looks whether somebody else has it.
	 */
	const char *at_once = strchr(s->address, ':') ? "nodad" : NULL;
	int r = TOOL(n, "ip", "addr", "replace", s->address, "dev", card, at_once);

	if (r < 0)
		return p2v_err_wrap(n->err, r, "%s cannot have the address %s", card, s->address);
	if (s->gateway)
		r = TOOL(n, "ip", "route", "replace", "default", "via", s->gateway, "dev", card);
	if (r < 0)
		return p2v_err_wrap(n->err, r, "the gateway %s cannot be used by %s with %s",
			s->gateway, card, s->address);
	if (s->dns && resolv)
		r = p2v_publish_bytes("/etc", "resolv.conf", resolv, strlen(resolv), 0644, n->err);
	return r;
}

/* What a router has given the card meanwhile. */
static bool routed_ipv6(const char *card)
{
	char **addresses = NULL;
	size_t n = 0;
	bool found = false;

	source_host_this.addresses(card, &addresses, &n, NULL);
	for (size_t i = 0; i < n; i++) {
		found = found || strchr(addresses[i], ':');
		free(addresses[i]);
	}
	free(addresses);
	return found;
}

static int address_get(struct net *n, const char *card)
{
	int r = n->s->address ? fixed(n, card) : dhcp(n, card);

	if (r == P2V_ELINK && routed_ipv6(card)) {
		p2v_err_clear(n->err);
		return 0;
	}
	return r;
}

/* The cards one after the other; those that have a link. */
static int any_card(struct net *n, const char **ret_card)
{
	p2v_autobuf struct p2v_buf lacks = {0};
	int r = P2V_ELINK;

	carrier_wait(n, NULL);
	for (size_t i = 0; r < 0 && i < n->m->n_nics; i++) {
		const char *card = n->m->nics[i].name;

		if (!has_carrier(card)) {
			p2v_buf_addf(&lacks, "%s%s: no link", lacks.len ? "; " : "", card);
			continue;
		}
		r = address_get(n, card);
		if (r == 0)
			*ret_card = card;
		else
			p2v_buf_addf(&lacks, "%s%s", lacks.len ? "; " : "",
				n->err ? n->err->text : card);
	}
	if (r == 0)
		return 0;
	if (!n->m->n_nics)
		return p2v_err_set(n->err, P2V_ENOTFOUND,
			"no network card was found: its driver is not on the medium, or needs "
			"firmware that is not free");
	return p2v_err_set(n->err, P2V_ELINK, "%s. Check the cable and the switch",
		lacks.data ? (char *)lacks.data : "no card");
}

static int told_card(struct net *n, const char **ret_card)
{
	const char *card = BOND_NAME;
	int r = n->s->bond ? bond_make(n) : 0;

	if (!n->s->bond && n->s->interface)
		r = card_need(n, n->s->interface, &card);
	else if (!n->s->bond) {
		carrier_wait(n, NULL);
		card = n->m->n_nics ? n->m->nics[0].name : "eth0";
		for (size_t i = n->m->n_nics; i > 0; i--)
			if (has_carrier(n->m->nics[i - 1].name))
				card = n->m->nics[i - 1].name;
	}
	if (r < 0)
		return r;
	carrier_wait(n, card);
	if (!has_carrier(card))
		return p2v_err_set(
			n->err, P2V_ELINK, "%s: no link. Check the cable and the switch", card);
	if (n->s->vlan) {
		r = vlan_make(n, card);
		card = VLAN_NAME;
	}
	if (r == 0)
		r = address_get(n, card);
	if (r == 0)
		*ret_card = card;
	return r;
}

/* "eth0 10.0.0.7/24" */
static char *describe(const char *card)
{
	char **addresses = NULL;
	size_t n = 0;
	char *text;

	source_host_this.addresses(card, &addresses, &n, NULL);
	text = p2v_strf("%s %s", card, n ? addresses[0] : "");
	for (size_t i = 0; i < n; i++)
		free(addresses[i]);
	free(addresses);
	return text;
}

int ui_net_up(const struct ui_settings *s, const struct machine *m,
	void (*say)(void *ctx, const char *text), void *ctx, char **ret_what, struct p2v_err *err)
{
	struct net n = {s, m, say, ctx, err};
	const char *card = NULL;
	char *what;
	int r;

	earlier_undo(&n);
	if (!s->bond)
		cards_up(&n);
	r = s->bond || s->vlan || s->interface ? told_card(&n, &card) : any_card(&n, &card);
	if (r < 0)
		return r;
	what = describe(card);
	if (!what)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	*ret_what = what;
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Configurations that find their card by the old hardware, and what else talks to it. */

#include <stdio.h>
#include <string.h>

#include "converters/plan/plan-net.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"

#define BY_ADDRESS "It finds its card by the old hardware; now by what the virtual machine keeps."

void plan_net_line(struct planning *p, const char *path, uint32_t line, const char *text,
	const char *to, const char *reason)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", line);
	plan_step(p, "nic-line", path, "%s", reason);
	plan_arg(p, "line", number);
	plan_arg(p, "from", text);
	if (to)
		plan_arg(p, "to", to);
}

/* The cards that a configuration is for, in the old machine. */
struct cards {
	size_t items[NET_MAX_CARDS], n;
	bool all;
};

static struct cards find_cards(const struct net_names *m, const struct facts_nic *nic)
{
	const struct machine *machine = m->p->machine;
	struct cards c = {0};

	for (size_t i = 0; i < machine->n_nics && c.n < NET_MAX_CARDS; i++)
		if (plan_net_all_fit(m, nic, i))
			c.items[c.n++] = i;
	c.all = c.n == machine->n_nics;
	return c;
}

static void add_list(const struct net_names *m, const struct cards *c, bool names, char separator,
	struct p2v_buf *out)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct net_name *w = plan_net_name_of(m, c->items[i]);

		p2v_buf_addf(out, "%.*s%s", i ? 1 : 0, &separator,
			names ? (w ? w->name : "") : m->p->plan->nics[c->items[i]].mac);
	}
}

/* How a dialect finds cards by what stays. false: it cannot. */
static bool networkd_line(const struct net_names *m, const struct facts_nic_match *match,
	const struct cards *c, struct p2v_buf *out)
{
	if (plan_is(match->key, "driver") && c->all) {
		p2v_buf_addf(out, "Driver=%s", plan_net_driver(&m->p->plan->nics[0]));
		return true;
	}
	p2v_buf_add_str(out, "MACAddress=");
	add_list(m, c, false, ' ', out);
	return true;
}

static bool keyfile_line(const struct net_names *m, const struct facts_nic_match *match,
	const struct cards *c, struct p2v_buf *out)
{
	if (plan_is(match->key, "driver") && c->all) {
		p2v_buf_addf(out, "driver=%s;", plan_net_driver(&m->p->plan->nics[0]));
		return true;
	}
	for (size_t i = 0; i < c->n; i++)
		if (!plan_net_name_of(m, c->items[i]))
			return false;
	p2v_buf_add_str(out, "interface-name=");
	add_list(m, c, true, ';', out);
	p2v_buf_add_str(out, ";");
	return true;
}

static bool netplan_line(const struct net_names *m, const struct facts_nic_match *match,
	const struct cards *c, struct p2v_buf *out)
{
	if (!*plan_text(match->text) || (c->n != 1 && !c->all))
		return false;
	if (c->all && c->n > 1)
		p2v_buf_addf(out, "driver: %s", plan_net_driver(&m->p->plan->nics[0]));
	else
		p2v_buf_addf(out, "macaddress: \"%s\"", m->p->plan->nics[c->items[0]].mac);
	return true;
}

static const struct {
	const char *dialect;
	bool (*line)(const struct net_names *m, const struct facts_nic_match *match,
		const struct cards *c, struct p2v_buf *out);
} dialects[] = {
	{"networkd", networkd_line},
	{"networkmanager", keyfile_line},
	{"netplan", netplan_line},
};

/* SUSE's ifcfg-bus-pci-0000:02:01.0 becomes ifcfg-eth-id-00:11:22:33:44:55. */
static bool rename_file(const struct net_names *m, const struct facts_nic *nic,
	const struct facts_nic_match *match, const struct cards *c)
{
	p2v_autobuf struct p2v_buf to = {0};

	if (match->line || c->n != 1)
		return false;
	p2v_buf_addf(&to, "%.*sifcfg-eth-id-%s", (int)(plan_net_base(nic->path) - nic->path),
		nic->path, m->p->plan->nics[c->items[0]].mac);
	if (to.failed)
		return false;
	plan_step(m->p, "nic-file", nic->path,
		"Its name says in which slot the card is; the card's address stays.");
	plan_arg(m->p, "to", (const char *)to.data);
	return true;
}

/* The first thing that it looks for becomes the address, or the like; more would be too much. */
static bool free_match(const struct net_names *m, const struct facts_nic *nic,
	const struct facts_nic_match *match, const struct cards *c, bool first)
{
	p2v_autobuf struct p2v_buf to = {0};

	if (plan_is(nic->dialect, "ifcfg-suse"))
		return rename_file(m, nic, match, c);
	for (size_t i = 0; i < P2V_N(dialects); i++) {
		if (!plan_is(nic->dialect, dialects[i].dialect))
			continue;
		if (first && !*plan_text(nic->mac) && !dialects[i].line(m, match, c, &to))
			return false;
		/* In YAML a comment would take the rest of the line with it. */
		if (!to.len && plan_is(nic->dialect, "netplan"))
			p2v_buf_addf(&to, "driver: %s", plan_net_driver(&m->p->plan->nics[0]));
		if (to.failed)
			return false;
		plan_net_line(m->p, match->path, match->line, match->text,
			to.len ? (const char *)to.data : NULL, BY_ADDRESS);
		return true;
	}
	return false;
}

static bool fits_new(const struct planning *p, const struct facts_nic_match *match)
{
	return plan_is(match->key, "driver") && p->plan->n_nics &&
	       plan_net_any_glob(match->value, plan_net_driver(&p->plan->nics[0]));
}

static void free_config(const struct net_names *m, const struct facts_nic *nic)
{
	struct cards c = find_cards(m, nic);
	bool first = true;

	for (size_t i = 0; i < nic->n_matches; i++) {
		const struct facts_nic_match *match = &nic->matches[i];

		if ((!plan_is(match->key, "path") && !plan_is(match->key, "driver")) ||
			fits_new(m->p, match))
			continue;
		if (c.n == 0 || !free_match(m, nic, match, &c, first))
			plan_warn(m->p,
				"%s finds its card by '%.60s', which the virtual machine does not "
				"have: name the card by its address there",
				nic->path, match->value);
		first = false;
	}
}

static void free_ref(struct planning *p, const struct facts_ref *ref)
{
	char to[1024];
	int n = (int)strcspn(plan_text(ref->text), "\n");
	const char *driver = p->plan->n_nics ? plan_net_driver(&p->plan->nics[0]) : "virtio_net";

	if (plan_is(ref->what, "nic-ethtool")) {
		snprintf(to, sizeof(to), "%.*s || true", n, ref->text);
		plan_net_line(p, ref->path, ref->line, ref->text, to,
			"It sets up the old card; ifup must go on where the new one refuses.");
	} else if (plan_is(ref->what, "card-alias")) {
		/* "alias eth0 e1000" */
		size_t at = strcspn(ref->text, " \t");

		at += strspn(ref->text + at, " \t");
		n = (int)(at + strcspn(ref->text + at, " \t"));
		snprintf(to, sizeof(to), "%.*s %s", n, ref->text, driver);
		if (!plan_is(ref->text, to) && !strstr(ref->text, " off"))
			plan_net_line(p, ref->path, ref->line, ref->text, to,
				"The card's driver is another one.");
	} else if (plan_is(ref->what, "cloud-network") && p->os->n_nics) {
		plan_step(p, "file-write", ref->path,
			"cloud-init would write the network anew from a source that may be gone; "
			"what it wrote stays.");
		plan_arg(p, "line", ref->text);
	}
}

void plan_net_free(const struct net_names *m)
{
	const struct facts_os *os = m->p->os;

	for (size_t i = 0; i < os->n_nics; i++)
		if (!plan_is(os->nics[i].kind, "name"))
			free_config(m, &os->nics[i]);
	for (size_t i = 0; i < os->n_refs; i++)
		free_ref(m->p, &os->refs[i]);
}

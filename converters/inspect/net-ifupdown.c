/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * interfaces(5) of Debian, Alpine and busybox: stanzas. A line that begins with one of the words in
 * `stanzas` ends the stanza before it; other lines are options of the iface stanza that is open.
 * '\' at the end of a line joins the next one to it.
 */

#include <string.h>

#include "converters/inspect/net.h"
#include "p2v/core/cleanup.h"

struct stanza {
	bool open;
	bool inet6;
	struct p2v_span name, method, address, netmask, gateway;
	struct p2v_span ovs_type, ovs_bridge, ovs_options;
};

struct reader {
	const char *path;
	struct p2v_span mapped; /* the name of the mapping stanza that is open */
	struct facts_os *os;
	struct net_includes *includes;
	struct stanza now;
	struct p2v_err *err;
};

static struct facts_nic *nic(struct reader *rd)
{
	/* eth0:1 is a further address of eth0. */
	return net_nic(
		rd->os, p2v_span_until(rd->now.name, ':', NULL), "ifupdown", rd->path, rd->err);
}

/* "ovs_options tag=7" */
static uint32_t ovs_tag(struct p2v_span options)
{
	struct p2v_span word;
	uint64_t id = 0;

	while (p2v_word_next(&options, &word))
		if (p2v_span_starts(word, "tag="))
			p2v_span_u64(p2v_span_skip(word, 4), 4094, &id);
	return (uint32_t)id;
}

/* Open vSwitch (its ifupdown script): the host's own port of a bridge has its address on the wire
 * of the bridge's cards, in a VLAN or in none. "OVSPort" is a card. */
static int end_ovs(const struct stanza *s, struct facts_nic *n, struct p2v_err *err)
{
	uint32_t tag = ovs_tag(s->ovs_options);
	int r;

	if (!s->ovs_type.n || p2v_span_eq(s->ovs_type, "OVSPort"))
		return 0;
	if (!p2v_span_eq(s->ovs_type, "OVSIntPort"))
		return net_kind(n, net_kind_of(s->ovs_type), err);
	n->vlan_id = tag;
	r = net_kind(n, tag ? "vlan" : "bridge", err);
	return r == 0 && s->ovs_bridge.n ? net_member(n, s->ovs_bridge, err) : r;
}

static int end_stanza(struct reader *rd)
{
	struct stanza s = rd->now;
	struct facts_nic *n;

	rd->now.open = false;
	if (!s.open)
		return 0;
	n = nic(rd);
	if (!n)
		return rd->err ? rd->err->kind : P2V_ENOMEM;
	if (end_ovs(&s, n, rd->err) < 0)
		return P2V_ENOMEM;
	if (p2v_span_eq(s.method, "loopback"))
		return net_kind(n, "loopback", rd->err);
	if (p2v_span_eq(s.method, "dhcp"))
		return net_address(n, "dhcp", s.address, s.netmask, s.gateway, rd->err);
	if (p2v_span_eq(s.method, "static"))
		return net_address(n, "static", s.address, s.netmask, s.gateway, rd->err);
	/* No card: ppp, wvdial, tunnel, v4tunnel, 6to4, can. */
	if (!p2v_span_eq(s.method, "manual") && !p2v_span_eq(s.method, "auto") &&
		!p2v_span_eq(s.method, "none") && s.method.n && strcmp(n->kind, "ethernet") == 0)
		return net_kind(n, "other", rd->err);
	return 0;
}

/* eth0.5 is VLAN 5 on eth0, vlan5 is VLAN 5 on what vlan-raw-device says. */
static int vlan_by_name(struct reader *rd)
{
	struct p2v_span base;
	struct facts_nic *n;
	uint32_t id;
	int r;

	if (!net_is_vlan_name(rd->now.name, &base, &id))
		return 0;
	n = nic(rd);
	if (!n)
		return rd->err ? rd->err->kind : P2V_ENOMEM;
	n->vlan_id = id;
	r = net_kind(n, "vlan", rd->err);
	return r == 0 && base.n ? net_member(n, base, rd->err) : r;
}

static int begin_iface(struct reader *rd, struct p2v_span rest)
{
	struct p2v_span family = {0};

	memset(&rd->now, 0, sizeof(rd->now));
	if (!p2v_word_next(&rest, &rd->now.name))
		return 0;
	p2v_word_next(&rest, &family);
	/* ifupdown-ng and ifupdown2 ask for neither: what has an address is static. */
	if (!p2v_word_next(&rest, &rd->now.method))
		rd->now.method = p2v_span_str("static");
	rd->now.open = true;
	rd->now.inet6 = p2v_span_eq(family, "inet6");
	if (!nic(rd))
		return rd->err ? rd->err->kind : P2V_ENOMEM;
	return vlan_by_name(rd);
}

/* By a pattern of names, which is not worked out: every card may be one, and keeps its name. */
static int add_any(struct reader *rd, struct facts_nic *of)
{
	struct p2v_span any = p2v_span_str("*");
	struct net_config c = {0};
	int r = net_member(of, any, rd->err);

	net_config_match(&c, "name", any, p2v_span_str(""), rd->path, 0);
	return r == 0 ? net_config_add(&c, rd->path, "ifupdown", rd->os, rd->err) : r;
}

static int add_members(struct reader *rd, const char *kind, struct p2v_span names)
{
	struct facts_nic *n = nic(rd);
	struct p2v_span name;
	int r = n ? net_kind(n, kind, rd->err) : P2V_ENOMEM;

	while (r == 0 && p2v_word_next(&names, &name)) {
		if (p2v_span_eq(name, "all") || p2v_span_eq(name, "regex") ||
			p2v_span_eq(name, "glob"))
			return add_any(rd, n);
		if (!p2v_span_eq(name, "none"))
			r = net_member(n, name, rd->err);
	}
	return r;
}

/* "bond-master bond0" in a member's stanza says the same as bond-slaves in the bond's. */
static int add_to_bond(struct reader *rd, struct p2v_span bond)
{
	struct p2v_span name;

	if (!p2v_word_next(&bond, &name))
		return 0;
	return net_join(rd->os, name, "bond", rd->now.name, "ifupdown", rd->path, rd->err);
}

/* Before there was bond-slaves: "up ifenslave bond0 eth0 eth1". */
static int run_command(struct reader *rd, struct p2v_span command)
{
	struct p2v_span word;
	int r = 0;

	if (!p2v_word_next(&command, &word) || !p2v_span_ends(word, "ifenslave"))
		return 0;
	/* The bond itself is named first. */
	while (p2v_word_next(&command, &word) && p2v_span_starts(word, "-"))
		continue;
	while (r == 0 && p2v_word_next(&command, &word))
		r = add_members(rd, "bond", word);
	return r;
}

/* "bond-primary eth0", or the order in which they are preferred. */
static int set_primary(struct reader *rd, struct p2v_span value)
{
	struct facts_nic *n = nic(rd);
	struct p2v_span word;

	if (!n)
		return P2V_ENOMEM;
	return p2v_word_next(&value, &word) ? net_primary(n, word, rd->err) : 0;
}

static int set_mode(struct reader *rd, struct p2v_span value)
{
	struct facts_nic *n = nic(rd);

	return n ? net_mode(n, p2v_span_trim(value), rd->err) : P2V_ENOMEM;
}

static int set_mac(struct reader *rd, struct p2v_span value)
{
	struct facts_nic *n = nic(rd);
	struct p2v_span word;
	int r = n ? 0 : P2V_ENOMEM;

	while (r == 0 && p2v_word_next(&value, &word))
		r = net_clone_mac(n, word, rd->err);
	return r;
}

static int set_mtu(struct reader *rd, struct p2v_span value)
{
	struct facts_nic *n = nic(rd);

	if (!n)
		return P2V_ENOMEM;
	net_mtu(n, value);
	return 0;
}

static int set_vlan_id(struct reader *rd, struct p2v_span value)
{
	struct facts_nic *n = nic(rd);
	uint64_t id;

	if (!n)
		return P2V_ENOMEM;
	if (!p2v_span_u64(p2v_span_trim(value), 4094, &id))
		return 0;
	n->vlan_id = (uint32_t)id;
	return net_kind(n, "vlan", rd->err);
}

/* '_' and '-' are the same in an option's name. */
static bool is_option(struct p2v_span word, const char *option)
{
	if (word.n != strlen(option))
		return false;
	for (size_t i = 0; i < word.n; i++)
		if ((word.p[i] == '_' ? '-' : word.p[i]) != option[i])
			return false;
	return true;
}

/* ifupdown-ng: "use dhcp", "use bond"; the others change no address. */
static int use_executor(struct reader *rd, struct p2v_span value)
{
	struct p2v_span word;

	while (p2v_word_next(&value, &word))
		if (p2v_span_eq(word, "dhcp"))
			rd->now.method = word;
	return 0;
}

/* ifupdown2 and ifupdown-ng: a stanza may have several. */
static int take_address(struct reader *rd, struct p2v_span value)
{
	struct stanza *s = &rd->now;
	struct facts_nic *n;
	int r = 0;

	if (s->address.n && p2v_span_eq(s->method, "static")) {
		n = nic(rd);
		r = n ? net_address(n, "static", s->address, s->netmask, s->gateway, rd->err)
		      : P2V_ENOMEM;
	}
	p2v_word_next(&value, &s->address);
	return r;
}

static int read_option(struct reader *rd, struct p2v_span option, struct p2v_span value)
{
	if (is_option(option, "address"))
		return take_address(rd, value);
	if (is_option(option, "netmask"))
		p2v_word_next(&value, &rd->now.netmask);
	else if (is_option(option, "gateway"))
		p2v_word_next(&value, &rd->now.gateway);
	else if (is_option(option, "hwaddress"))
		return set_mac(rd, value);
	else if (is_option(option, "mtu"))
		return set_mtu(rd, value);
	else if (is_option(option, "use"))
		return use_executor(rd, value);
	else if (is_option(option, "bond-slaves") || is_option(option, "slaves") ||
		 is_option(option, "bond-members") || is_option(option, "bond-ports"))
		return add_members(rd, "bond", value);
	else if (is_option(option, "bond-master"))
		return add_to_bond(rd, value);
	else if (is_option(option, "up") || is_option(option, "post-up") ||
		 is_option(option, "pre-up"))
		return run_command(rd, value);
	else if (is_option(option, "ovs-bonds"))
		return add_members(rd, "bond", value);
	else if (is_option(option, "ovs-ports"))
		return add_members(rd, "bridge", value);
	else if (is_option(option, "ovs-type"))
		rd->now.ovs_type = p2v_span_trim(value);
	else if (is_option(option, "ovs-bridge"))
		rd->now.ovs_bridge = p2v_span_trim(value);
	else if (is_option(option, "ovs-options"))
		rd->now.ovs_options = value;
	else if (is_option(option, "bridge-ports"))
		return add_members(rd, "bridge", value);
	else if (is_option(option, "vlan-raw-device"))
		return add_members(rd, "vlan", value);
	else if (is_option(option, "vlan-id"))
		return set_vlan_id(rd, value);
	else if (is_option(option, "bond-primary"))
		return set_primary(rd, value);
	else if (is_option(option, "bond-mode"))
		return set_mode(rd, value);
	return 0;
}

static int add_include(struct reader *rd, struct p2v_span rest, bool directory)
{
	p2v_autobuf struct p2v_buf pattern = {0};
	struct p2v_span word;

	if (!p2v_word_next(&rest, &word))
		return 0;
	if (rd->includes->n_patterns == NET_MAX_INCLUDES)
		return p2v_err_set(
			rd->err, P2V_EFORMAT, "more than %zu files are included", NET_MAX_INCLUDES);
	if (word.p[0] != '/')
		p2v_buf_add_str(&pattern, "/etc/network/");
	p2v_buf_add(&pattern, word.p, word.n);
	if (directory)
		p2v_buf_add_str(&pattern, "/*");
	if (pattern.failed)
		return p2v_buf_check(&pattern, rd->err);
	return p2v_json_add_str(&rd->includes->patterns, &rd->includes->n_patterns,
		(const char *)pattern.data, rd->err);
}

static int add_word(struct reader *rd, char ***items, size_t *n_items, struct p2v_span word)
{
	char *copy;
	int r;

	if (*n_items == NET_MAX_NICS)
		return 0;
	copy = p2v_span_dup(word);
	r = copy ? p2v_json_add_str(items, n_items, copy, rd->err)
		 : p2v_err_set(rd->err, P2V_ENOMEM, "no memory");
	free(copy);
	return r;
}

static int add_started(struct reader *rd, struct p2v_span names)
{
	struct net_includes *inc = rd->includes;
	struct p2v_span name;
	int r = 0;

	while (r == 0 && p2v_word_next(&names, &name))
		r = add_word(rd, &inc->started, &inc->n_started, p2v_span_until(name, ':', NULL));
	return r;
}

/* mapping(s): "map HINT LOGICAL" in the stanza of a card: its configuration is LOGICAL's. */
static int add_map(struct reader *rd, struct p2v_span rest)
{
	struct net_includes *inc = rd->includes;
	struct p2v_span word, logical = {0};
	int r;

	while (p2v_word_next(&rest, &word))
		logical = word;
	if (!logical.n || net_is_pattern(rd->mapped))
		return 0;
	r = add_word(rd, &inc->maps, &inc->n_maps, rd->mapped);
	return r == 0 ? add_word(rd, &inc->maps, &inc->n_maps, logical) : r;
}

static bool starts_stanza(struct p2v_span word)
{
	return p2v_span_eq(word, "iface") || p2v_span_eq(word, "auto") ||
	       p2v_span_eq(word, "mapping") || p2v_span_starts(word, "allow-") ||
	       p2v_span_starts(word, "source") || p2v_span_starts(word, "no-") ||
	       p2v_span_eq(word, "rename") || p2v_span_eq(word, "template");
}

static int read_line(struct reader *rd, struct p2v_span line)
{
	struct p2v_span rest = line, word;
	int r;

	if (!p2v_word_next(&rest, &word) || word.p[0] == '#')
		return 0;
	if (!starts_stanza(word) && rd->mapped.n)
		return p2v_span_eq(word, "map") ? add_map(rd, rest) : 0;
	if (!starts_stanza(word))
		return rd->now.open ? read_option(rd, word, rest) : 0;
	rd->mapped = (struct p2v_span){0};
	r = end_stanza(rd);
	if (r == 0 && p2v_span_eq(word, "iface"))
		r = begin_iface(rd, rest);
	else if (r == 0 && p2v_span_starts(word, "source"))
		r = add_include(rd, rest, p2v_span_eq(word, "source-directory"));
	else if (r == 0 && p2v_span_eq(word, "mapping"))
		p2v_word_next(&rest, &rd->mapped);
	else if (r == 0 && (p2v_span_eq(word, "auto") || p2v_span_starts(word, "allow-")))
		r = add_started(rd, rest);
	return r;
}

/* Takes '\' and the LF behind it out, so that lines are whole. */
static void join_lines(struct p2v_span text, struct p2v_buf *out)
{
	struct p2v_span line;

	while (p2v_line_next(&text, &line)) {
		bool joined = p2v_span_ends(line, "\\");

		p2v_buf_add(out, line.p, line.n - joined);
		p2v_buf_add_str(out, joined ? " " : "\n");
	}
}

int net_ifupdown_parse(struct p2v_span text, const char *path, struct facts_os *os,
	struct net_includes *includes, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf joined = {0};
	struct reader rd = {.path = path, .os = os, .includes = includes, .err = err};
	struct p2v_span rest, line;
	int r;

	join_lines(text, &joined);
	r = p2v_buf_check(&joined, err);
	rest = inspect_span(&joined);
	while (r == 0 && p2v_line_next(&rest, &line))
		r = read_line(&rd, line);
	return r == 0 ? end_stanza(&rd) : r;
}

static bool is_started(const struct net_includes *i, const char *name)
{
	for (size_t k = 0; k < i->n_started; k++) {
		struct p2v_span s = p2v_span_str(i->started[k]);

		/* "auto /en*": what a pattern brings up is not worked out. */
		if (p2v_span_eq(s, name) || p2v_span_has(s, '*') || p2v_span_starts(s, "/"))
			return true;
	}
	return false;
}

static struct facts_nic *find(struct facts_os *os, const char *name)
{
	for (size_t i = 0; i < os->n_nics; i++)
		if (strcmp(os->nics[i].dialect, "ifupdown") == 0 &&
			strcmp(os->nics[i].name, name) == 0)
			return &os->nics[i];
	return NULL;
}

/* The card gets what its logical name is configured with; the first of several. */
static int apply_map(
	struct facts_os *os, const char *card, const char *logical, struct p2v_err *err)
{
	struct facts_nic *from = find(os, logical), *to;
	struct facts_address *addresses;
	size_t n;

	if (!from || strcmp(card, logical) == 0)
		return 0;
	addresses = from->addresses;
	n = from->n_addresses;
	from->addresses = NULL;
	from->n_addresses = 0;
	if (net_kind(from, "other", err) < 0)
		to = NULL;
	else
		to = net_nic(os, p2v_span_str(card), "ifupdown", from->path, err);
	if (to && to->n_addresses == 0) {
		to->addresses = addresses;
		to->n_addresses = n;
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		free(addresses[i].method);
		free(addresses[i].address);
		free(addresses[i].gateway);
	}
	free(addresses);
	return to ? 0 : P2V_ENOMEM;
}

int net_ifupdown_end(const struct net_includes *includes, struct facts_os *os, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i + 1 < includes->n_maps; i += 2)
		r = apply_map(os, includes->maps[i], includes->maps[i + 1], err);
	for (size_t i = 0; i < os->n_nics; i++)
		if (strcmp(os->nics[i].dialect, "ifupdown") == 0)
			os->nics[i].manual = !is_started(includes, os->nics[i].name);
	return r;
}

/* ifup gives up where a command of its stanza fails, and these talk to the old card. */
static int note_commands(struct inspection *in, struct p2v_span text, const char *path)
{
	static const char *const tools[] = {"ethtool", "mii-tool"};
	struct p2v_span line, word, rest;
	uint32_t number = 0;
	int r = 0;

	while (r == 0 && p2v_line_next(&text, &line)) {
		number++;
		rest = line = p2v_span_trim(line);
		if (!p2v_word_next(&rest, &word) || !p2v_span_ends(word, "up") ||
			memmem(rest.p, rest.n, "||", 2) || p2v_span_ends(rest, "\\"))
			continue;
		for (size_t i = 0; i < P2V_N(tools); i++)
			if (memmem(rest.p, rest.n, tools[i], strlen(tools[i]))) {
				r = inspect_net_ref(in, "nic-ethtool", path, number, line);
				break;
			}
	}
	return r;
}

static int read_file(
	struct inspection *in, const char *path, struct p2v_span text, struct net_includes *more)
{
	int r = net_ifupdown_parse(text, path, in->os, more, in->err);

	return r == 0 ? note_commands(in, text, path) : r;
}

/* A pattern's directory must be named in full: "/etc/network/interfaces.d/x". */
static int read_included(struct inspection *in, const char *pattern, struct net_includes *more)
{
	const char *slash = strrchr(pattern, '/');
	p2v_autofree char *dir = strndup(pattern, (size_t)(slash - pattern));
	struct guest_dir d = {0};
	int r = dir ? inspect_list(in, *dir ? dir : "/", slash + 1, &d) : P2V_ENOMEM;

	for (size_t i = 0; r == 0 && i < d.n_entries && i < NET_MAX_FILES; i++) {
		p2v_autobuf struct p2v_buf text = {0};
		p2v_autofree char *path = NULL;

		if (d.entries[i].st.type != GUEST_FILE && d.entries[i].st.type != GUEST_LINK)
			continue;
		if (asprintf(&path, "%s/%s", dir, d.entries[i].name) < 0)
			path = NULL;
		r = path ? inspect_text(in, path, INSPECT_OPTIONAL, &text) : P2V_ENOMEM;
		if (r > 0)
			r = read_file(in, path, inspect_span(&text), more);
	}
	guest_dir_finish(&d);
	return r;
}

int inspect_ifupdown(struct inspection *in)
{
	static const char path[] = "/etc/network/interfaces";
	p2v_autobuf struct p2v_buf text = {0};
	struct net_includes includes = {0};
	int r = inspect_text(in, path, INSPECT_NEEDED, &text);

	if (r > 0)
		r = read_file(in, path, inspect_span(&text), &includes);
	/* The list grows where an included file includes; its bound ends a circle. */
	for (size_t i = 0; r == 0 && i < includes.n_patterns; i++)
		r = read_included(in, includes.patterns[i], &includes);
	if (r == 0)
		r = net_ifupdown_end(&includes, in->os, in->err);
	net_includes_finish(&includes);
	return r < 0 ? p2v_err_wrap(in->err, r, "%s", path) : 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "converters/inspect/net.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

/* One file, where it is one: /etc/sysconfig/network is a directory of SUSE's and a file of Red
 * Hat's. */
static int one_file(struct inspection *in, const char *path,
	int (*read)(struct inspection *in, const char *path, struct p2v_span text))
{
	p2v_autobuf struct p2v_buf text = {0};
	int r;

	if (!inspect_may_exist(in, path) || !guest_is_file(in->g, path))
		return 0;
	r = inspect_text(in, path, INSPECT_OPTIONAL, &text);
	return r > 0 ? read(in, path, inspect_span(&text)) : r;
}

/* left: what editors and package tools leave behind. */
int inspect_each_file(struct inspection *in, const char *dir, const char *pattern,
	int (*read)(struct inspection *in, const char *path, struct p2v_span text))
{
	static const char *const left[] = {"~", ".bak", ".orig", ".old", ".rpmnew", ".rpmsave",
		".rpmorig", ".dpkg-old", ".dpkg-dist", ".swp", ".template"};
	struct guest_dir d = {0};
	int r;

	if (!strchr(pattern, '*')) {
		p2v_autofree char *path = p2v_path_join(dir, pattern);

		return path ? one_file(in, path, read)
			    : p2v_err_set(in->err, P2V_ENOMEM, "no memory");
	}
	if (!inspect_may_exist(in, dir) || !guest_is_dir(in->g, dir))
		return 0;
	r = inspect_list(in, dir, pattern, &d);
	if (r == 0 && d.n_entries > NET_MAX_FILES)
		r = inspect_note(in, "%s: of its %zu files only %zu are read", dir, d.n_entries,
			NET_MAX_FILES);
	for (size_t k = 0; r == 0 && k < d.n_entries && k < NET_MAX_FILES; k++) {
		p2v_autofree char *path = p2v_path_join(dir, d.entries[k].name);
		p2v_autobuf struct p2v_buf text = {0};
		bool skip = d.entries[k].st.type == GUEST_DIR || d.entries[k].name[0] == '.';

		for (size_t i = 0; i < P2V_N(left); i++)
			skip |= p2v_span_ends(p2v_span_str(d.entries[k].name), left[i]);
		if (skip)
			continue;
		r = path ? inspect_text(in, path, INSPECT_OPTIONAL, &text) : P2V_ENOMEM;
		if (r > 0)
			r = read(in, path, inspect_span(&text));
	}
	guest_dir_finish(&d);
	return r;
}

static int read_netdev(struct inspection *in, const char *path, struct p2v_span text)
{
	return net_netdev_parse(text, path, in->os, in->err);
}

static int read_ifcfg_rh(struct inspection *in, const char *path, struct p2v_span text)
{
	return net_ifcfg_parse(text, path, "ifcfg-rh", in->ids, in->os, in->err);
}

static int read_ifcfg_suse(struct inspection *in, const char *path, struct p2v_span text)
{
	return net_ifcfg_parse(text, path, "ifcfg-suse", NULL, in->os, in->err);
}

static int read_routes(struct inspection *in, const char *path, struct p2v_span text)
{
	(void)path;
	return net_routes_parse(text, in->os, in->err);
}

static int read_dhcpcd(struct inspection *in, const char *path, struct p2v_span text)
{
	return net_dhcpcd_parse(text, path, in->os, in->err);
}

static int read_netctl(struct inspection *in, const char *path, struct p2v_span text)
{
	return net_netctl_parse(text, path, in->os, in->err);
}

static int read_netifrc(struct inspection *in, const char *path, struct p2v_span text)
{
	return net_netifrc_parse(text, path, in->os, in->err);
}

static int read_rc_inet1(struct inspection *in, const char *path, struct p2v_span text)
{
	return net_rc_inet1_parse(text, path, in->os, in->err);
}

static int read_iftab(struct inspection *in, const char *path, struct p2v_span text)
{
	return net_iftab_parse(text, path, in->os, in->err);
}

static int read_link(struct inspection *in, const char *path, struct p2v_span text)
{
	return net_link_parse(text, path, in->os, in->err);
}

/* What cannot be read is noted. */
static int judge(struct inspection *in, int r, const struct p2v_err *why)
{
	return r == P2V_EFORMAT ? inspect_note(in, "%s; passed over", why->text)
	       : r < 0		? p2v_err_set(in->err, r, "%s", why->text)
				: 0;
}

static int read_netplan(struct inspection *in, const char *path, struct p2v_span text)
{
	struct p2v_err why = {0};

	return judge(in, net_netplan_parse(text, path, in->ids, in->os, &why), &why);
}

/* One that is no YAML is told when it is read. */
static int note_netplan(struct inspection *in, const char *path, struct p2v_span text)
{
	struct p2v_err why = {0};
	int r = net_netplan_ids(text, path, in->ids, &why);

	return r == P2V_ENOMEM ? p2v_err_set(in->err, r, "%s", why.text) : 0;
}

static int note_ifcfg(struct inspection *in, const char *path, struct p2v_span text)
{
	(void)path;
	return net_ifcfg_ids(text, in->ids, in->err);
}

#define KEYFILES	"/etc/NetworkManager/system-connections"
#define KEYFILES_VENDOR "/usr/lib/NetworkManager/system-connections"

/* The administrator's file takes the place of one that came with the system. */
static bool is_replaced(struct inspection *in, const char *path)
{
	p2v_autofree char *own = p2v_path_join(KEYFILES, strrchr(path, '/') + 1);

	return strncmp(path, KEYFILES_VENDOR, strlen(KEYFILES_VENDOR)) == 0 && own &&
	       guest_is_file(in->g, own);
}

static int note_times(struct inspection *in, const char *path, struct p2v_span text)
{
	(void)path;
	return net_keyfile_times(text, in->times, in->err);
}

static int note_keyfile(struct inspection *in, const char *path, struct p2v_span text)
{
	int r;

	if (is_replaced(in, path))
		return 0;
	r = net_keyfile_ids(text, in->ids, in->err);
	return r < 0 ? r : net_keyfile_used(text, path, in->times, in->used, in->err);
}

static int read_keyfile(struct inspection *in, const char *path, struct p2v_span text)
{
	struct p2v_span other = net_keyfile_instead(text, in->times, in->used);

	if (is_replaced(in, path))
		return 0;
	if (other.n)
		return inspect_note(in, "%s is not in use: %.*s is for the same interface", path,
			(int)other.n, other.p);
	return net_keyfile_parse(text, path, in->ids, in->os, in->err);
}

static int read_wicked(struct inspection *in, const char *path, struct p2v_span text)
{
	struct p2v_err why = {0};
	int r = net_wicked_parse(text, path, in->os, &why);

	return judge(in, r < 0 ? p2v_err_wrap(&why, r, "%s", path) : 0, &why);
}

/* A drop-in directory's files follow its file: x.network, then x.network.d/ *.conf by name. */
static int read_drop_ins(struct inspection *in, const char *path, struct net_file *files,
	struct p2v_buf *texts, struct inspect_paths *paths, size_t *n_files)
{
	p2v_autofree char *pattern = p2v_strf("%s.d/*.conf", path);
	int r = pattern ? inspect_glob(in, pattern, paths)
			: p2v_err_set(in->err, P2V_ENOMEM, "no memory");

	for (size_t i = 0; r >= 0 && i < paths->n_items && *n_files < NET_MAX_ADDRESSES; i++) {
		r = inspect_text(in, paths->items[i], INSPECT_OPTIONAL, &texts[*n_files]);
		if (r <= 0)
			continue;
		files[*n_files].path = paths->items[i];
		files[*n_files].text = inspect_span(&texts[*n_files]);
		++*n_files;
	}
	return r < 0 ? r : 0;
}

static int read_networkd(struct inspection *in, const char *path, struct p2v_span text)
{
	struct net_file files[NET_MAX_ADDRESSES] = {{path, text}};
	struct p2v_buf texts[NET_MAX_ADDRESSES] = {{0}};
	struct inspect_paths paths = {0};
	size_t n_files = 1;
	int r = read_drop_ins(in, path, files, texts, &paths, &n_files);

	if (r == 0)
		r = net_networkd_parse(files, n_files, in->os, in->err);
	for (size_t i = 0; i < NET_MAX_ADDRESSES; i++)
		p2v_buf_finish(&texts[i]);
	inspect_paths_finish(&paths);
	return r;
}

struct dialect {
	const char *dir, *pattern;
	int (*read)(struct inspection *in, const char *path, struct p2v_span text);
};

/* Dialects whose files are all of a directory, each for itself. What makes an interface comes
 * before what uses it. */
static const struct dialect dialects[] = {
	{"/etc/netplan", "*.yaml", read_netplan},
	{"/etc/systemd/network", "*.netdev", read_netdev},
	{"/etc/systemd/network", "*.network", read_networkd},
	{"/etc/sysconfig/network-scripts", "ifcfg-*", read_ifcfg_rh},
	{"/etc/sysconfig/network", "ifcfg-*", read_ifcfg_suse},
	{"/etc/sysconfig/network", "routes", read_routes},
	{"/etc/sysconfig", "network", read_routes},
	{"/etc/sysconfig/network", "ifroute-*", read_routes},
	{"/etc/sysconfig/network-scripts", "route-*", read_routes},
	{"/etc", "dhcpcd.conf", read_dhcpcd},
	{"/etc/netctl", "*", read_netctl},
	{"/etc/wicked/ifconfig", "*.xml", read_wicked},
	{"/etc/conf.d", "net", read_netifrc},
	{"/etc/rc.d", "rc.inet1.conf", read_rc_inet1},
	{"/etc/systemd/network", "*.link", read_link},
	{"/etc", "iftab", read_iftab},
	{"/etc", "mactab", read_iftab},
	{KEYFILES_VENDOR, "*", read_keyfile},
	{KEYFILES, "*", read_keyfile},
};

/* Before the dialects: what their files call interfaces that others describe. */
static const struct dialect naming[] = {
	{"/etc/netplan", "*.yaml", note_netplan},
	{"/etc/sysconfig/network-scripts", "ifcfg-*", note_ifcfg},
	{"/var/lib/NetworkManager", "timestamps", note_times},
	{KEYFILES_VENDOR, "*", note_keyfile},
	{KEYFILES, "*", note_keyfile},
};

static int read_dialects(struct inspection *in, const struct dialect *rows, size_t n_rows)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n_rows; i++)
		r = inspect_each_file(in, rows[i].dir, rows[i].pattern, rows[i].read);
	return r;
}

int inspect_network(struct inspection *in)
{
	struct net_ids ids = {0}, times = {0}, used = {0};
	int r;

	in->ids = &ids;
	in->times = &times;
	in->used = &used;
	r = inspect_ifupdown(in);
	if (r == 0)
		r = read_dialects(in, naming, P2V_N(naming));
	if (r == 0)
		r = read_dialects(in, dialects, P2V_N(dialects));
	in->ids = in->times = in->used = NULL;
	net_ids_finish(&ids);
	net_ids_finish(&times);
	net_ids_finish(&used);
	return r == 0 ? inspect_net_naming(in) : r;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "converters/inspect/net.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

static int read_networkd(struct inspection *in, const char *path, struct p2v_span text)
{
	return net_networkd_parse(text, path, in->os, in->err);
}

static int read_keyfile(struct inspection *in, const char *path, struct p2v_span text)
{
	return net_keyfile_parse(text, path, in->os, in->err);
}

static int read_ifcfg_rh(struct inspection *in, const char *path, struct p2v_span text)
{
	return net_ifcfg_parse(text, path, "ifcfg-rh", in->os, in->err);
}

static int read_ifcfg_suse(struct inspection *in, const char *path, struct p2v_span text)
{
	return net_ifcfg_parse(text, path, "ifcfg-suse", in->os, in->err);
}

static int read_link(struct inspection *in, const char *path, struct p2v_span text)
{
	return net_link_parse(text, path, in->os, in->err);
}

static int read_rules(struct inspection *in, const char *path, struct p2v_span text)
{
	return net_rules_parse(text, path, in->os, in->err);
}

static int note_netplan(struct inspection *in, const char *path, struct p2v_span text)
{
	(void)text;
	return inspect_note(
		in, "%s: netplan is not read yet; check the network after conversion", path);
}

/* Dialects whose files are all of a directory, each for itself. */
static const struct {
	const char *dir, *pattern;
	int (*read)(struct inspection *in, const char *path, struct p2v_span text);
} dialects[] = {
	{"/etc/systemd/network", "*.network", read_networkd},
	{"/etc/NetworkManager/system-connections", "*", read_keyfile},
	{"/etc/sysconfig/network-scripts", "ifcfg-*", read_ifcfg_rh},
	{"/etc/sysconfig/network", "ifcfg-*", read_ifcfg_suse},
	{"/etc/netplan", "*.yaml", note_netplan},
	{"/etc/systemd/network", "*.link", read_link},
	{"/etc/udev/rules.d", "*net*.rules", read_rules},
};

int inspect_network(struct inspection *in)
{
	int r = inspect_ifupdown(in);

	for (size_t i = 0; r == 0 && i < P2V_N(dialects); i++) {
		struct guest_dir d = {0};

		r = inspect_list(in, dialects[i].dir, dialects[i].pattern, &d);
		for (size_t k = 0; r == 0 && k < d.n_entries && k < NET_MAX_FILES; k++) {
			p2v_autofree char *path = p2v_path_join(dialects[i].dir, d.entries[k].name);
			p2v_autobuf struct p2v_buf text = {0};

			if (d.entries[k].st.type == GUEST_DIR)
				continue;
			r = path ? inspect_text(in, path, INSPECT_OPTIONAL, &text) : P2V_ENOMEM;
			if (r > 0)
				r = dialects[i].read(in, path, inspect_span(&text));
		}
		guest_dir_finish(&d);
	}
	return r;
}

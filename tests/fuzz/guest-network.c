/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A guest's network configuration. The first byte chooses the dialect. */
#include "fuzz.h"

#include <stdlib.h>

#include "converters/inspect/net.h"

static void parse(uint8_t dialect, struct p2v_span text, struct facts_os *os)
{
	struct net_includes includes = {0};
	const struct net_file network = {"/etc/systemd/network/x.network", text};
	struct net_ids ids = {0}, times = {0}, used = {0};
	struct p2v_err err = {0};

	switch (dialect % 16) {
	case 0:
		net_ifupdown_parse(text, "/etc/network/interfaces", os, &includes, &err);
		net_ifupdown_end(&includes, os, &err);
		break;
	case 1:
		net_networkd_parse(&network, 1, os, &err);
		break;
	case 2:
		net_keyfile_times(text, &times, &err);
		net_keyfile_ids(text, &ids, &err);
		net_keyfile_used(text, "/x.nmconnection", &times, &used, &err);
		net_keyfile_instead(text, &times, &used);
		net_keyfile_parse(text, "/x.nmconnection", &ids, os, &err);
		break;
	case 3:
		net_link_parse(text, "/etc/systemd/network/x.link", os, &err);
		break;
	case 4:
		net_rules_parse(text, "/etc/udev/rules.d/70-persistent-net.rules", os, &err);
		break;
	case 5:
		net_ifcfg_ids(text, &ids, &err);
		net_ifcfg_parse(text, "/ifcfg-x", "ifcfg-rh", &ids, os, &err);
		break;
	case 6:
		net_ifcfg_parse(text, "/ifcfg-bus-pci-0000:02:01.0", "ifcfg-suse", NULL, os, &err);
		net_routes_parse(text, os, &err);
		break;
	case 7:
		net_netplan_ids(text, "/etc/netplan/x.yaml", &ids, &err);
		net_netplan_parse(text, "/etc/netplan/x.yaml", &ids, os, &err);
		break;
	case 8:
		net_netdev_parse(text, "/etc/systemd/network/x.netdev", os, &err);
		break;
	case 9:
		net_dhcpcd_parse(text, "/etc/dhcpcd.conf", os, &err);
		break;
	case 10:
		net_netctl_parse(text, "/etc/netctl/x", os, &err);
		break;
	case 11:
		net_iftab_parse(text, "/etc/iftab", os, &err);
		break;
	case 13:
		net_netifrc_parse(text, "/etc/conf.d/net", os, &err);
		break;
	case 15:
		net_wicked_parse(text, "/etc/wicked/ifconfig/x.xml", os, &err);
		break;
	case 14:
		net_rc_inet1_parse(text, "/etc/rc.d/rc.inet1.conf", os, &err);
		break;
	default: {
		char *cmdline = p2v_span_dup(text);

		if (cmdline)
			net_cmdline_parse(cmdline, os, &err);
		free(cmdline);
	}
	}
	net_includes_finish(&includes);
	net_ids_finish(&ids);
	net_ids_finish(&times);
	net_ids_finish(&used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct facts facts = {.version = 1};
	struct facts_os *os = p2v_json_grow((void **)&facts.systems, &facts.n_systems, sizeof(*os));

	if (!os)
		abort();
	if (n)
		parse(data[0], p2v_span_of(data + 1, n - 1), os);
	for (size_t i = 0; i < os->n_nics; i++)
		if (!os->nics[i].name || !os->nics[i].kind || !os->nics[i].dialect)
			abort();
	model_facts_finish(&facts);
	return 0;
}

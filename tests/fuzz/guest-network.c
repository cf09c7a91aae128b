/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A guest's network configuration. The first byte chooses the dialect. */
#include "fuzz.h"

#include <stdlib.h>

#include "converters/inspect/net.h"

static void parse(uint8_t dialect, struct p2v_span text, struct facts_os *os)
{
	struct net_includes includes = {0};
	struct p2v_err err = {0};

	switch (dialect % 6) {
	case 0:
		net_ifupdown_parse(text, "/etc/network/interfaces", os, &includes, &err);
		break;
	case 1:
		net_networkd_parse(text, "/etc/systemd/network/x.network", os, &err);
		break;
	case 2:
		net_keyfile_parse(text, "/x.nmconnection", os, &err);
		break;
	case 3:
		net_link_parse(text, "/etc/systemd/network/x.link", os, &err);
		break;
	case 4:
		net_rules_parse(text, "/etc/udev/rules.d/70-persistent-net.rules", os, &err);
		break;
	default:
		net_ifcfg_parse(text, "/ifcfg-x", "ifcfg-rh", os, &err);
	}
	net_includes_finish(&includes);
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

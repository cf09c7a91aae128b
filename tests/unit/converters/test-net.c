/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Traps of the guest's network that golden cases do not show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "converters/apply/editors.h"
#include "converters/inspect/net.h"
#include "converters/plan/plan-net.h"
#include "p2v/core/cleanup.h"

#define S(text) ((char *)(uintptr_t)(text))

struct system {
	struct facts facts;
	struct facts_os *os;
};

static int setup(void **state)
{
	struct system *s = calloc(1, sizeof(*s));

	s->os = p2v_json_grow((void **)&s->facts.systems, &s->facts.n_systems, sizeof(*s->os));
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct system *s = *state;

	model_facts_finish(&s->facts);
	free(s);
	return 0;
}

static const struct facts_nic *nic(const struct system *s, const char *name)
{
	for (size_t i = 0; i < s->os->n_nics; i++)
		if (strcmp(s->os->nics[i].name, name) == 0 &&
			strcmp(s->os->nics[i].kind, "name") != 0)
			return &s->os->nics[i];
	fail_msg("no interface %s", name);
	return NULL;
}

static int netplan(struct system *s, const char *text, struct p2v_err *err)
{
	return net_netplan_parse(p2v_span_str(text), "/n.yaml", NULL, s->os, err);
}

/* An alias may point at what it stands in. */
static void test_yaml_rings(void **state)
{
	struct p2v_err err = {0};

	assert_int_equal(netplan(*state, "&a [*a, {network: *a}]", &err), 0);
	assert_int_equal(
		netplan(*state, "network: &n {ethernets: &e {x: *e, y: *n, network: *n}}", &err),
		0);
	assert_int_equal(netplan(*state, "network: {ethernets: [1, 2], bonds: x}", &err), 0);
	assert_int_equal(netplan(*state, "", &err), 0);
	assert_int_equal(netplan(*state, "network:\n\t- x", &err), P2V_EFORMAT);
	assert_non_null(strstr(err.text, "/n.yaml: line 2"));
}

/* What a change is made of must be on one line, and bytes must be counted as bytes. */
static void test_yaml_written(void **state)
{
	static const char text[] = "network:\n  ethernets:\n"
				   "    a: {match: {driver: [igb,\n      ixgbe]}}\n"
				   "    b: {match: {driver: igb}} # \303\274\n"
				   "    \"\303\274\": {match: {driver: igb}}\n"
				   "    c: {match: {  driver :   'igb'  }}\n";
	struct system *s = *state;
	const struct facts_nic *n;

	assert_int_equal(netplan(s, text, NULL), 0);
	n = s->os->nics;
	assert_int_equal(s->os->n_nics, 4);
	assert_int_equal(n[0].n_matches, 2);
	assert_string_equal(n[0].matches[0].text, "");
	assert_string_equal(n[0].matches[1].value, "ixgbe");
	assert_string_equal(n[1].matches[0].text, "driver: igb");
	assert_int_equal(n[1].matches[0].line, 5);
	assert_string_equal(n[2].matches[0].text, "");
	assert_string_equal(n[3].matches[0].text, "driver :   'igb'");
}

static void test_keyfile(void **state)
{
	static const char old[] = "[connection]\ntype=802-3-ethernet\ninterface-name=eth0\n"
				  "[ipv4]\nmethod=manual\n"
				  "addresses1=192.0.2.10;24;192.0.2.1;\naddress2=192.0.2.11/25\n"
				  "[ipv6]\naddress1=2001:db8::1/64,2001:db8::ff\n";
	static char *items[] = {S("u-0"), S("nobody"), S("u-1"), S("bond7")};
	static const struct net_ids ids = {.items = items, .n_items = 4};
	static const char port[] = "[connection]\ntype=ethernet\ninterface-name=eth1\nmaster=u-1\n"
				   "slave-type=bond\n";
	struct system *s = *state;

	assert_int_equal(net_keyfile_parse(p2v_span_str(old), "/a", &ids, s->os, NULL), 0);
	assert_string_equal(nic(s, "eth0")->kind, "ethernet");
	assert_int_equal(nic(s, "eth0")->n_addresses, 3);
	assert_string_equal(nic(s, "eth0")->addresses[0].address, "192.0.2.10/24");
	assert_string_equal(nic(s, "eth0")->addresses[0].gateway, "192.0.2.1");
	assert_string_equal(nic(s, "eth0")->addresses[2].gateway, "2001:db8::ff");
	assert_int_equal(net_keyfile_parse(p2v_span_str(port), "/b", &ids, s->os, NULL), 0);
	assert_string_equal(nic(s, "bond7")->kind, "bond");
	assert_string_equal(nic(s, "bond7")->members[0], "eth1");
}

/* Addresses and masks belong together by their numbers, in whatever order they stand. */
static void test_ifcfg_numbers(void **state)
{
	static const char rh[] = "NETMASK1=255.255.0.0\nIPADDR0=192.0.2.1\nIPADDR1='198.51.100.1'\n"
				 "PREFIX0=\"25\" # of the first\nIPADDR_START=10.0.0.1\n"
				 "GATEWAYDEV=eth9\nGATEWAY1=198.51.100.254\nONBOOT=\"yes\"\n"
				 "HWADDR=00:11:22:33:44:5\n";
	static const char suse[] = "IPADDR_b='192.0.2.2'\nPREFIXLEN_b='26'\nIPADDR='192.0.2.3/27'\n"
				   "export STARTMODE='manual'\n";
	struct system *s = *state;

	assert_int_equal(
		net_ifcfg_parse(p2v_span_str(rh), "/ifcfg-eth0:1", "ifcfg-rh", NULL, s->os, NULL),
		0);
	assert_int_equal(nic(s, "eth0")->n_addresses, 2);
	assert_string_equal(nic(s, "eth0")->addresses[0].address, "198.51.100.1/16");
	assert_string_equal(nic(s, "eth0")->addresses[1].address, "192.0.2.1/25");
	assert_string_equal(nic(s, "eth0")->addresses[0].gateway, "198.51.100.254");
	assert_null(nic(s, "eth0")->mac);
	assert_false(nic(s, "eth0")->manual);
	assert_int_equal(
		net_ifcfg_parse(p2v_span_str(suse), "/ifcfg-eth1", "ifcfg-suse", NULL, s->os, NULL),
		0);
	assert_string_equal(nic(s, "eth1")->addresses[0].address, "192.0.2.2/26");
	assert_string_equal(nic(s, "eth1")->addresses[1].address, "192.0.2.3/27");
	assert_true(nic(s, "eth1")->manual);
}

/* A route elsewhere is no default route, and no part of the next one. */
static void test_networkd_routes(void **state)
{
	static const char text[] = "[Match]\nName=a\n[Route]\nDestination=10.0.0.0/8\n"
				   "Gateway=192.0.2.200\n[Route]\nGateway=192.0.2.1\n"
				   "[Network]\nAddress=192.0.2.10/24\n";
	const struct net_file file = {"/a.network", p2v_span_str(text)};
	struct system *s = *state;

	assert_int_equal(net_networkd_parse(&file, 1, s->os, NULL), 0);
	assert_string_equal(nic(s, "a")->addresses[0].gateway, "192.0.2.1");
}

static void test_glob(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool fits;
	} cases[] = {
		{"en*", "eno1", true},
		{"en*", "eth0", false},
		{"e??1", "eno1", true},
		{"eth[0-2]", "eth2", true},
		{"eth[0-2]", "eth3", false},
		{"eth[", "eth[", false},
		{"a b;eth0", "eth0", true},
		{"!eth0", "eth0", false},
		{"!eth0", "eth1", true},
		{"", "eth0", false},
		{"*", "", true},
		{"*0*0*", "eth010", true},
	};
	char stars[128], long_text[200];

	(void)state;
	for (size_t i = 0; i < P2V_N(cases); i++)
		if (plan_net_any_glob(cases[i].pattern, cases[i].text) != cases[i].fits)
			fail_msg("%s and %s", cases[i].pattern, cases[i].text);
	/* As many stars as fit: at once all the same. */
	for (size_t i = 0; i < sizeof(stars) - 1; i++)
		stars[i] = i % 2 ? '*' : 'a';
	stars[sizeof(stars) - 1] = '\0';
	memset(long_text, 'a', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	assert_true(plan_net_any_glob(stars, long_text));
	long_text[sizeof(long_text) - 2] = 'b';
	assert_false(plan_net_any_glob(stars, long_text));
}

/* Runs an editor over a text. */
static void edit(const char *op, const char *text, struct plan_arg *args, size_t n_args,
	const char *expected)
{
	const struct plan_step step = {
		.op = S(op), .path = S("/x"), .args = args, .n_args = n_args};
	p2v_autobuf struct p2v_buf out = {0};
	struct p2v_err err = {0};

	if (apply_editor_find(op)->edit(p2v_span_str(text), &step, &out, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(out.data ? (char *)out.data : "", expected);
}

/* Only that line, only once, and nothing where it is another text by now. */
static void test_line_edit(void **state)
{
	struct plan_arg to[] = {{S("line"), S("2")}, {S("from"), S("driver: igb")},
		{S("to"), S("macaddress: \"x\"")}};
	struct plan_arg drop[] = {{S("line"), S("1")}, {S("from"), S("Driver=igb")}};

	(void)state;
	edit("nic-line", "driver: igb\n {driver: igb} # driver: igb\r\ndriver: igb", to, 3,
		"driver: igb\n {macaddress: \"x\"} # driver: igb\r\ndriver: igb");
	edit("nic-line", "a\nb\n", to, 3, "a\nb\n");
	edit("nic-line", "a", to, 3, "a");
	edit("nic-line", "\tDriver=igb\n", drop, 2, "# p2v: \tDriver=igb\n");
}

static void test_rule_edit(void **state)
{
	struct plan_arg old[] = {{S("name"), S("eth0")}, {S("mac"), S("00:11:22:33:44:55")},
		{S("driver"), S("e1000")}, {S("key"), S("SYSFS{address}")}};
	static const char rule[] = "# x\nSUBSYSTEM==\"net\", ACTION==\"add\", "
				   "SYSFS{address}==\"00:11:22:33:44:55\", NAME=\"eth0\"\n";
	struct plan_arg link[] = {{S("name"), S("eth0")}, {S("mac"), S("00:11:22:33:44:55")},
		{S("driver"), S("virtio_net")}, {S("setting"), S("MTUBytes=9000")}};

	(void)state;
	edit("nic-rule", "# x", old, 4, rule);
	edit("nic-rule", rule, old, 4, rule);
	edit("nic-link", "", link, 4,
		"# Written by p2v: the card keeps the name that it had in the physical machine.\n"
		"[Match]\nMACAddress=00:11:22:33:44:55\nDriver=virtio_net\n\n"
		"[Link]\nName=eth0\nMTUBytes=9000\n");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_yaml_rings),
		T(test_yaml_written),
		T(test_keyfile),
		T(test_ifcfg_numbers),
		T(test_networkd_routes),
		T(test_glob),
		T(test_line_edit),
		T(test_rule_edit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

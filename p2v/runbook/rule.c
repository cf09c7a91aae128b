/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/runbook/rule.h"

#include <string.h>

#define NAME	"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
#define NAME_IS "1 to 64 letters, digits, dots and dashes, a letter or digit first"
#define BYTES	"^[0-9]+([.][0-9]+)?[KMGT]?(i?B)?$"

/* In the order of the tables. */
const struct runbook_rule runbook_rules[] = {
	{&runbook_type, "version", NULL, NULL, "1, the version of this format", 1},
	{&runbook_type, "name", NAME, NAME_IS, "The campaign's name", 0},
	{&runbook_type, "defaults", NULL, NULL, "What a server does not say itself", 0},
	{&runbook_type, "waves", NULL, NULL,
		"One after the other: a wave begins when all of the one before are done", 0},
	{&runbook_wave_type, "name", NAME, NAME_IS, "The wave's name", 0},
	{&runbook_wave_type, "go_on", NULL, NULL,
		"The next wave begins although a server of this one has failed", 0},
	{&runbook_wave_type, "servers", NULL, NULL, "They go at the same time", 0},
	{&runbook_server_type, "name", NAME, NAME_IS,
		"The server's name here; where match says nothing, its machine is called so", 0},
	{&runbook_server_type, "match", NULL, NULL, "Which machine is meant", 0},
	{&runbook_server_type, "target", "^[a-z0-9-]+$", "a target of p2v convert, such as kvm",
		"Where it is to run", 0},
	{&runbook_server_type, "format", "^(qcow2|raw|vmdk|vhdx|vdi)$",
		"qcow2, raw, vmdk, vhdx or vdi", "Of its disks", 0},
	{&runbook_server_type, "root", "^/dev/[A-Za-z0-9/._+-]+$", "a device such as /dev/vg0/root",
		"The root file system of the system to convert, where there are several", 0},
	{&runbook_server_type, "virtio_win", "^(/|https?://).+$",
		"an absolute path or an address (http, https)",
		"Drivers for a Windows: virtio-win's ISO, a directory with the same in it, on the "
		"conversion server, or an address of the ISO; else what p2vd.conf says",
		0},
	{&runbook_server_type, "virtio_win_digest", "^sha256:[0-9A-Fa-f]{64}$", "sha256:HEX",
		"What lies at the address in virtio_win", 0},
	{&runbook_server_type, "memory", BYTES, "a size such as 8G",
		"Of the virtual machine; else as the physical one has", 0},
	{&runbook_server_type, "bandwidth", BYTES, "a size such as 20M",
		"What its agent may send in a second; looked at while it sends, too", 0},
	{&runbook_server_type, "cpus", NULL, NULL,
		"Processors of the virtual machine; else as the physical one has", 1024},
	{&runbook_server_type, "priority", NULL, NULL, "The highest is taken first", 1000},
	{&runbook_server_type, "leave_out", "^disk[0-9]{1,3}$", "disk0, disk1, ...",
		"Disks that the virtual machine does not get", 0},
	{&runbook_server_type, "keys", "^[^:]+:(file:/.+|command:[A-Za-z0-9][A-Za-z0-9._-]*)$",
		"SELECTOR:file:PATH or SELECTOR:command:NAME",
		"Of encrypted volumes: files on the conversion server that its user can read, or "
		"programs that its administrator has put into /etc/p2v/keys.d",
		0},
	{&runbook_server_type, "window",
		"^((sun|mon|tue|wed|thu|fri|sat)([,-](sun|mon|tue|wed|thu|fri|sat))* "
		")?[0-9]{1,2}:[0-9]{2}-[0-9]{1,2}:[0-9]{2}$",
		"a time such as 'sat,sun 20:00-06:00' (days in small letters), or a list of such: "
		"from Saturday evening to Monday morning is ['sat 20:00-24:00', 'sun 00:00-24:00', "
		"'mon 00:00-06:00']",
		"When its last pass or its conversion may begin, by the clock of the host where "
		"the runbook is run",
		0},
	{&runbook_server_type, "approve", "^(final|conversion|emission)$",
		"final, conversion or emission",
		"Before these it waits for a person: p2v run --approve before its last pass, p2v "
		"job approve before the others",
		0},
	{&runbook_server_type, "networks", NULL, NULL, "Where its network cards lead", 0},
	{&runbook_server_type, "checks", NULL, NULL,
		"What has to answer on the isolated wire before it counts as proven", 0},
	{&runbook_server_type, "size", BYTES, "a size such as 200G",
		"What is used on its disks, for the estimate, until it has been copied once", 0},
	{&runbook_server_type, "rate", BYTES, "a size such as 100M",
		"What its link gives in a second, for the estimate; 100M where nothing is said", 0},
	{&runbook_server_type, "hooks", NULL, NULL, "Programs of yours at certain moments", 0},
	{&runbook_server_type, "cutover", NULL, NULL,
		"Copy while the server runs, and once more at the end", 0},
	{&runbook_match_type, "serial", "^.+$", "1 to 128 characters", "As its firmware says", 128},
	{&runbook_match_type, "uuid", "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
		"a UUID", "As its firmware says", 0},
	{&runbook_match_type, "mac", "^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$",
		"a MAC address (aa:bb:cc:dd:ee:ff)", "Of one of its network cards", 0},
	{&runbook_match_type, "name", NAME, NAME_IS, "As its agent calls it", 0},
	{&runbook_hook_type, "run", "^.+$", "a program and its arguments",
		"A program and its arguments; no shell", 4096},
	{&runbook_hook_type, "timeout_s", NULL, NULL, "It is ended after so long; else after 600",
		86400},
	{&runbook_cutover_type, "refresh_min", NULL, NULL,
		"How often refresh is run until the last pass", 100000},
	{&runbook_cutover_type, "refresh", NULL, NULL, "Sends what changed while the server runs",
		0},
	{&runbook_cutover_type, "final", NULL, NULL,
		"Stops the server and has its last pass sent. The outage begins here", 0},
	{&runbook_cutover_type, "handover", NULL, NULL,
		"Starts the virtual machine where it belongs; not before nobody answers with the "
		"physical one's addresses on the interface",
		0},
	{&runbook_cutover_type, "rollback", NULL, NULL,
		"Stops the virtual machine that was handed over; for p2v run --rollback", 0},
	{&runbook_cutover_type, "interface", "^[A-Za-z0-9._@-]{1,15}$",
		"a network interface of this host", "Where the physical machine would answer", 0},
	{&model_orders_network_type, "mac", "^([0-9a-f]{2}:){5}[0-9a-f]{2}$",
		"a MAC address in lower case (aa:bb:cc:dd:ee:ff)", "Of the card", 0},
	{&model_orders_network_type, "bridge", NAME, NAME_IS, "A bridge of the host", 0},
	{&model_orders_network_type, "network", NAME, NAME_IS, "A network of libvirt", 0},
	{&model_orders_check_type, "tcp", NULL, NULL, "A port that has to answer", 65535},
	{&model_orders_check_type, "http", "^/[!-~]*$", "a path such as /health",
		"What is asked for by HTTP; on the port, or 80", 0},
	{&model_orders_check_type, "status", NULL, NULL, "That has to be answered; else 200", 599},
	{NULL, NULL, NULL, NULL, NULL, 0},
};

const struct runbook_rule *runbook_rule_find(const struct p2v_json_type *type, const char *key)
{
	for (const struct runbook_rule *rule = runbook_rules; rule->type; rule++)
		if (rule->type == type && strcmp(rule->key, key) == 0)
			return rule;
	return NULL;
}

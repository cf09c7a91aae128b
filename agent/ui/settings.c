/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ui/settings.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/publish.h"

#define DELAY_S	  10
#define RETRY_S	  60

#define O(member) offsetof(struct ui_settings, member)
#define STR(name, arg, member, help)                                                               \
	{                                                                                          \
		name, 0, arg, P2V_OPT_STR, O(member), 0, help                                      \
	}
#define U64(name, arg, member, help)                                                               \
	{                                                                                          \
		name, 0, arg, P2V_OPT_U64, O(member), 0, help                                      \
	}

static const struct p2v_opt rows[] = {
	STR("server", "[USER@]HOST[:PORT]", server,
		"The conversion server: its SSH address, and the user whose forced command is "
		"p2v-recv."),
	STR("identity", "FILE", identity,
		"Private key that the server accepts. Default: the one that was put on the "
		"medium; without one a key is made in memory, and the server gives a code for it, "
		"which the screens show until somebody there says 'p2v enroll CODE'."),
	STR("host-key", "SHA256:...", host_key, "Fingerprint of the server's host key."),
	STR("known-hosts", "FILE", known_hosts,
		"known_hosts file with the server's host key. Default: the one that was put on the "
		"medium, unless host-key is told."),
	STR("name", "NAME", name,
		"What the machine is called on the server. Default: what DHCP calls it, else its "
		"serial number, else the address of its first network card."),
	{"assign", 0, NULL, P2V_OPT_FLAG, O(assign), 0,
		"Register with the server and wait until somebody there has said what the machine "
		"is called ('p2v agent assign'), where no name was told. Default: no; but yes "
		"where a file speaks to single machines, and to none like this one."},
	{"disk", 0, "DEV", P2V_OPT_STRS, O(disks), O(n_disks),
		"A disk to send; may be told several times. Default: all that are not removable."},
	{"refresh", 0, NULL, P2V_OPT_FLAG, O(refresh), 0,
		"Second pass over a machine that was copied while it ran: only what has changed is "
		"sent."},
	{"rescue", 0, NULL, P2V_OPT_FLAG, O(rescue), 0,
		"Go on where a disk cannot be read; such sectors become zeros and are listed."},
	{"limit", 0, "RATE", P2V_OPT_BYTES, O(limit_bytes), 0,
		"Send at most so many bytes a second, such as 20M."},
	STR("compress", "HOW", compress, "none, fast, a level from 1 to 19, or auto (default)."),
	STR("link", "HOW", link, "How to speak SSH: libssh2, openssh or auto (default)."),
	STR("interface", "NAME|MAC", interface,
		"The network card to use. Default: the first one with a link that gets an "
		"address."),
	STR("address", "ADDRESS/LENGTH", address,
		"A fixed address of this machine, IPv4 or IPv6. Default: DHCP; where nobody "
		"answers that, what an IPv6 router gives, with which no name server is known: the "
		"server is then told by its address. DHCPv6 is not asked."),
	STR("gateway", "ADDRESS", gateway, "With a fixed address: the way to other networks."),
	STR("dns", "ADDRESS", dns, "With a fixed address: the name server."),
	U64("vlan", "ID", vlan, "Use this VLAN (1 to 4094) on the card or the bond."),
	STR("bond", "MODE:NAME,NAME...", bond,
		"Use these cards together, such as active-backup:eth0,eth1 or 802.3ad:eth0,eth1."),
	STR("config", "URL", config,
		"Fetch a file with more settings from there, by http or https. It is taken only "
		"with "
		"config-digest or config-key. What the kernel command line says goes before it."),
	STR("config-digest", "sha256:HEX", config_digest, "The file's digest."),
	STR("config-key", "sha256//BASE64", config_key,
		"The public key of the https server's certificate, in the form that curl's "
		"--pinnedpubkey takes."),
	STR("start", "now|ask", start,
		"Whether to begin by itself once a server and its host key are known (now), or to "
		"wait for somebody at a screen. Default: now."),
	U64("delay", "SECONDS", delay_s,
		"How long somebody at a screen can hold a start that comes by itself: Tab does, "
		"and "
		"so does each button but Start. Default: 10."),
	STR("until", "proven|copied", until,
		"What this machine waits for: that the server has converted it and proved that it "
		"boots, which the screens show (proven), or only that all disks were sent and "
		"verified (copied). Where no p2vd runs on the server, proven is copied and half a "
		"minute. Default: proven."),
	STR("after", "poweroff|reboot|wait", after,
		"What to do then. A conversion that failed on the server is no reason to do "
		"otherwise: the copy is complete. Default: wait."),
	STR("on-failure", "retry|wait|poweroff|reboot", on_failure,
		"What to do when sending ended without success; before it leaves, the screens show "
		"why for as long as 'delay' says. Default: retry."),
	U64("retry", "SECONDS", retry_s, "With retry: the pause before it. Default: 60."),
	P2V_OPT_END,
};

const struct p2v_cmd ui_settings_cmd = {
	.name = "p2v-boot",
	.operands = "run|screen|settings [DIR] | check FILE",
	.min_operands = 1,
	.max_operands = 2,
	.summary = "what runs on a machine that was booted from the p2v medium",
	.text = "'run' does the work: it brings the network up, gathers the settings, starts "
		"p2v-agent(1) and does with the machine what it was told to do afterwards. "
		"'screen' "
		"is one screen; there is one on each console, all of them show the same and take "
		"the same answers. 'settings' prints the settings as they hold. They meet in DIR "
		"(/run/p2v). 'check' says whether FILE holds settings that can be, for whichever "
		"machine; 'p2v media build' does so with what it is given.\n\n"
		"The options below are the settings. They are told in four places; a later one in "
		"this list replaces what an earlier one says: the file /p2v/config, which 'p2v "
		"media "
		"build --config' puts on the medium; the file that config names; the kernel "
		"command "
		"line, where each name has the prefix 'p2v.'; the screens.\n\n"
		"  linux /boot/vmlinuz p2v.server=p2v@10.0.0.5 p2v.host-key=SHA256:... "
		"p2v.after=poweroff\n\n"
		"A file holds the same words, one a line or more; '#' begins a comment. It may "
		"speak "
		"to some machines only, told apart by the address of a network card, the serial "
		"number or the UUID of the machine; [all] ends that:\n\n"
		"  server=p2v@10.0.0.5\n"
		"  [mac 00:1b:21:aa:bb:01]\n"
		"  name=web01 after=poweroff\n"
		"  [serial 7B5TM12]\n"
		"  name=db01 disk=/dev/sda\n\n"
		"An empty value takes back what an earlier place says; so does '=no' for one that "
		"takes no value. A name that is not in the list, or a value that cannot be, is "
		"shown on the screens and waits for somebody there: a machine is not copied by "
		"settings that were meant otherwise. The kernel keeps no more than 2047 bytes of "
		"its command line; longer settings belong into a file.\n\n"
		"A serial console talks at 115200 baud, or as the kernel was told to: "
		"console=ttyS1,57600n8.",
	.opts = rows,
	.operands_offset = O(operands),
	.n_operands_offset = O(n_operands),
	.see_also = "p2v-agent(1), p2v-media(1)",
};

/* ---- what holds in the end ---- */

static bool overruled(const struct ui_said *said, const struct ui_saying *one)
{
	for (size_t i = 0; i < said->n_items; i++)
		if (said->items[i].layer > one->layer &&
			strcmp(said->items[i].name, one->name) == 0)
			return true;
	return false;
}

/* "--name=value" of `word` names `name`. */
static bool word_names(const char *word, const char *name)
{
	size_t n = strlen(name);

	return strncmp(word, "--", 2) == 0 && strncmp(word + 2, name, n) == 0 &&
	       (word[2 + n] == '=' || !word[2 + n]);
}

static bool told_in_argv(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (word_names(argv[i], name))
			return true;
	return false;
}

/* Said twice in one layer, the last one counts; but a disk is one more disk. */
static bool said_again(const struct ui_said *said, size_t at)
{
	const struct ui_saying *one = &said->items[at];

	if (strcmp(one->name, "disk") == 0)
		return false;
	for (size_t i = at + 1; i < said->n_items; i++)
		if (said->items[i].layer == one->layer &&
			strcmp(said->items[i].name, one->name) == 0)
			return true;
	return false;
}

static int words_add(struct ui_settings *s, char *word, struct p2v_err *err)
{
	char **slot = word ? p2v_json_grow((void **)&s->words, &s->n_words, sizeof(*slot)) : NULL;

	if (!slot) {
		free(word);
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	*slot = word;
	return 0;
}

static int words_gather(const struct ui_said *said, int argc, char **argv, struct ui_settings *s,
	struct p2v_err *err)
{
	int r = words_add(s, strdup(argc > 0 ? argv[0] : "p2v-boot"), err);

	for (size_t i = 0; r == 0 && i < said->n_items; i++) {
		const struct ui_saying *one = &said->items[i];

		if (!one->value || overruled(said, one) || said_again(said, i) ||
			told_in_argv(argc, argv, one->name))
			continue;
		r = words_add(s,
			one->value[0] ? p2v_strf("--%s=%s", one->name, one->value)
				      : p2v_strf("--%s", one->name),
			err);
	}
	for (int i = 1; r == 0 && i < argc; i++)
		r = words_add(s, strdup(argv[i]), err);
	/* The parser wants a NULL behind the last one, as main has it. */
	if (r == 0 && !p2v_json_grow((void **)&s->words, &s->n_words, sizeof(*s->words)))
		r = p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (r == 0)
		s->n_words--;
	return r;
}

/* Others were told something, and this one was not: it is not to be copied without a word. */
static bool assign_default(const struct ui_said *said, int argc, char **argv)
{
	for (size_t i = 0; i < said->n_items; i++)
		if (strcmp(said->items[i].name, "assign") == 0)
			return false;
	return said->tells_apart && !said->told && !told_in_argv(argc, argv, "assign");
}

/* What the program's own options say was not looked at before; the others were, and numbers are by
 * the parser. */
static int values_check(const struct ui_settings *s, struct p2v_err *err)
{
	int r = 0;

	for (const struct p2v_opt *o = rows; r == 0 && o->name; o++) {
		const char *value;

		if (o->kind != P2V_OPT_STR)
			continue;
		memcpy(&value, (const char *)s + o->offset, sizeof(value));
		r = value ? ui_setting_check(o->name, value, err) : 0;
	}
	if (r == 0 && s->config && !s->config_digest && !s->config_key)
		r = p2v_err_set(err, P2V_EINVAL,
			"config is taken only with config-digest or config-key: who sent it could "
			"not be known");
	return r;
}

int ui_settings_resolve(const struct ui_said *said, int argc, char **argv, struct ui_settings *ret,
	struct p2v_err *err)
{
	struct ui_settings s = {.start = "now",
		.until = "proven",
		.after = "wait",
		.on_failure = "retry",
		.delay_s = DELAY_S,
		.retry_s = RETRY_S};
	int r = words_gather(said, argc, argv, &s, err);

	if (r == 0)
		r = p2v_opt_parse(&ui_settings_cmd, (int)s.n_words, s.words, &s, err);
	if (r == 0)
		r = values_check(&s, err);
	s.assign = s.assign || assign_default(said, argc, argv);
	if (r != 0) {
		ui_settings_finish(&s);
		return r;
	}
	*ret = s;
	return 0;
}

void ui_settings_finish(struct ui_settings *s)
{
	p2v_opt_free(&ui_settings_cmd, s);
	for (size_t i = 0; i < s->n_words; i++)
		free(s->words[i]);
	free(s->words);
	memset(s, 0, sizeof(*s));
}

const char *ui_settings_missing(const struct ui_settings *s)
{
	if (!s->server)
		return "p2v.server";
	if (!s->identity)
		return "p2v.identity";
	if (!s->known_hosts && !s->host_key)
		return "p2v.host-key";
	return NULL;
}

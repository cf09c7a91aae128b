/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The dialogs. newt takes its texts as writable ones, and does not write to them. */
#include <newt.h>
#include <stdlib.h>
#include <string.h>

#include "agent/source/source.h"
#include "agent/ui/screen-parts.h"
#include "agent/ui/text.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/core/text.h"
#include "p2v/link/ssh.h"

#define FIELDS_MAX     10
#define ENTRY_WIDTH    44
#define TEXT_WIDTH     60
#define PING_MS	       15000
#define CONNECT_MS     20000
#define BLINK_MS       20000
#define MENU_HEIGHT    6
#define DISKS_HEIGHT   8
#define DISKS_WIDTH    70

#define DETAILS_WIDTH  72
#define DETAILS_HEIGHT 16

static char ok_word[] = "OK", cancel_word[] = "Cancel", yes_word[] = "Yes, the same",
	    no_word[] = "No";

void ui_screen_tell(const char *title, const char *text)
{
	p2v_autofree char *t = strdup(title), *words = strdup(text);
	char format[] = "%s";

	if (t && words)
		newtWinMessage(t, ok_word, format, words);
}

void ui_screen_wait(const char *text)
{
	newtCenteredWindow((unsigned)strlen(text) + 4, 1, NULL);
	newtComponent form = newtForm(NULL, NULL, 0);

	newtFormAddComponent(form, newtLabel(1, 0, text));
	newtDrawForm(form);
	newtRefresh();
	newtFormDestroy(form);
}

void ui_screen_waited(void)
{
	newtPopWindow();
}

static bool fields_ask(const char *title, const char *text, const struct ui_field *fields, size_t n,
	struct ui_answers *a)
{
	struct newtWinEntry entries[FIELDS_MAX + 1] = {0};
	char *values[FIELDS_MAX] = {0}, *labels[FIELDS_MAX] = {0};
	p2v_autofree char *t = strdup(title), *words = strdup(text);
	int pressed;

	for (size_t i = 0; i < n && i < FIELDS_MAX; i++) {
		values[i] = strdup(ui_answers_get(a, fields[i].setting));
		labels[i] = strdup(fields[i].label);
		entries[i] = (struct newtWinEntry){labels[i], &values[i], NEWT_FLAG_SCROLL};
	}
	pressed = newtWinEntries(
		t, words, TEXT_WIDTH, 4, 8, ENTRY_WIDTH, entries, ok_word, cancel_word, NULL);
	/* newt gives each value back as a new text of its own. */
	for (size_t i = 0; i < n && i < FIELDS_MAX; i++) {
		p2v_autofree char *value = p2v_span_dup(p2v_span_trim(p2v_span_str(values[i])));

		if (pressed == 1 && value &&
			strcmp(value, ui_answers_get(a, fields[i].setting)) != 0)
			ui_answers_set(a, fields[i].setting, value, NULL);
		free(values[i]);
		free(labels[i]);
	}
	return pressed == 1;
}

bool ui_screen_fields(const char *title, const char *text, const struct ui_field *fields, size_t n,
	struct ui_answers *a)
{
	while (fields_ask(title, text, fields, n, a)) {
		struct p2v_err err = {0};

		if (ui_answers_check(a, &err) == 0)
			return true;
		ui_screen_tell("This cannot be", err.text);
	}
	return false;
}

bool ui_screen_settings(struct ui_screen *s, struct ui_answers *a)
{
	static const struct ui_field fields[] = {
		{"server", "Server (user@host:port)"},
		{"host-key", "Its host key (SHA256:...)"},
		{"identity", "Key file"},
		{"name", "Name of this machine"},
		{"limit", "At most so fast (20M)"},
		{"refresh", "Second pass (yes or no)"},
		{"rescue", "Skip bad sectors (yes or no)"},
		{"after", "Then (wait, poweroff, reboot)"},
	};
	const char *text = "What is left empty has a default: the key on the medium, the serial "
			   "number as the name. Without a host key you are asked to compare it.";

	(void)s;
	return ui_screen_fields("Settings", text, fields, P2V_N(fields), a);
}

/* ---- network ---- */

static char *card_line(const struct machine_nic *nic)
{
	bool link = source_attr_u64(&source_host_this, 0, "/sys/class/net/%s/carrier", nic->name);

	return p2v_strf("%-12s %s  %-9s %s", nic->name, nic->mac ? nic->mac : "",
		nic->driver ? nic->driver : "", link ? "link" : "no link");
}

static void card_blink(const struct machine_nic *nic)
{
	const char *const argv[] = {"ethtool", "--identify", nic->name, "10", NULL};
	struct p2v_err err = {0};

	ui_screen_wait("The card's light blinks for ten seconds.");
	if (p2v_proc_run(argv, NULL, 0, BLINK_MS, NULL, &err) == 0)
		err.text[0] = '\0';
	ui_screen_waited();
	if (err.text[0])
		ui_screen_tell("Blink", "This card's driver cannot make its light blink.");
}

static bool network_fields(struct ui_answers *a)
{
	static const struct ui_field fields[] = {
		{"interface", "Card (empty: any with a link)"},
		{"address", "Address/length (empty: DHCP)"},
		{"gateway", "Gateway"},
		{"dns", "Name server"},
		{"vlan", "VLAN"},
		{"bond", "Bond (mode:card,card)"},
	};

	return ui_screen_fields("Network", "IPv4 or IPv6, such as 10.0.0.7/24 or 2001:db8::7/64.",
		fields, P2V_N(fields), a);
}

static void server_ping(const struct ui_answers *a)
{
	struct link_ssh_target target;
	struct p2v_err err = {0};
	int r = link_ssh_target_parse(ui_answers_get(a, "server"), &target, &err);

	if (r == 0) {
		const char *const argv[] = {"ping", "-c", "3", "-W", "2", target.host, NULL};

		ui_screen_wait("Asking the server for an echo...");
		r = p2v_proc_run(argv, NULL, 0, PING_MS, NULL, &err);
		ui_screen_waited();
		link_ssh_target_finish(&target);
	}
	ui_screen_tell("Ping", r == 0 ? "The server answers." : err.text);
}

bool ui_screen_network(struct ui_screen *s, struct ui_answers *a)
{
	const struct machine *m = &s->machine;
	static char title[] = "Network cards", text[] = "Choose a card, or go on to the addresses.",
		    use[] = "Use", blink[] = "Blink", ping[] = "Ping", more[] = "Addresses";
	p2v_autofree char **lines = calloc(m->n_nics + 1, sizeof(*lines));
	int pressed = 0, at = 0;

	for (size_t i = 0; lines && i < m->n_nics; i++)
		lines[i] = card_line(&m->nics[i]);
	while (lines && pressed != 1 && pressed != 4) {
		pressed = newtWinMenu(title, text, TEXT_WIDTH, 4, 8, MENU_HEIGHT, lines, &at, use,
			blink, ping, more, cancel_word, NULL);
		if (pressed == 2 && m->n_nics)
			card_blink(&m->nics[at]);
		else if (pressed == 3)
			server_ping(a);
		else if (pressed == 0 || pressed == 5)
			break;
	}
	for (size_t i = 0; lines && i < m->n_nics; i++)
		free(lines[i]);
	if (pressed == 1 && m->n_nics)
		ui_answers_set(a, "interface", m->nics[at].name, NULL);
	return pressed == 1 || (pressed == 4 && network_fields(a));
}

/* ---- disks ---- */

/* What stands before a disk: it is left out, it is sent. */
static char marks[] = " *";

static bool disk_chosen(const struct ui_answers *a, const struct machine_disk *d)
{
	bool any = false;

	for (size_t i = 0; i < a->n_items; i++) {
		if (strcmp(a->items[i].name, "disk") != 0 || !a->items[i].value[0])
			continue;
		any = true;
		if (strcmp(a->items[i].value, d->path) == 0)
			return true;
	}
	return !any && !d->removable;
}

/* The list of all disks, which scrolls; with what is chosen marked. */
static newtComponent disks_list(
	const struct ui_screen *s, const struct ui_answers *a, const struct machine *m)
{
	newtComponent list = newtCheckboxTreeMulti(1, 0, DISKS_HEIGHT, marks, NEWT_FLAG_SCROLL);

	newtCheckboxTreeSetWidth(list, DISKS_WIDTH - 2);
	for (size_t i = 0; i < m->n_disks; i++) {
		p2v_autobuf struct p2v_buf line = {0};

		ui_text_disk(&m->disks[i], &s->contents, &line);
		newtCheckboxTreeAddItem(list, line.data ? (char *)line.data : "", &m->disks[i], 0,
			NEWT_ARG_APPEND, NEWT_ARG_LAST);
		newtCheckboxTreeSetEntryValue(
			list, &m->disks[i], marks[disk_chosen(a, &m->disks[i])]);
	}
	return list;
}

/* How many are chosen. */
static size_t disks_take(struct ui_answers *a, const struct machine *m, newtComponent list)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_items; i++)
		if (strcmp(a->items[i].name, "disk") == 0)
			a->items[i].value[0] = '\0';
	for (size_t i = 0; i < m->n_disks; i++)
		if (newtCheckboxTreeGetEntryValue(list, &m->disks[i]) == marks[true]) {
			ui_answers_set(a, "disk", m->disks[i].path, NULL);
			n++;
		}
	return n;
}

bool ui_screen_disks(struct ui_screen *s, struct ui_answers *a)
{
	newtComponent form = newtForm(NULL, NULL, 0), list, yes, no;
	struct newtExitStruct end;
	size_t n = 0;
	bool ok;

	newtCenteredWindow(DISKS_WIDTH, DISKS_HEIGHT + 5, "Disks to send");
	list = disks_list(s, a, &s->machine);
	yes = newtButton(20, DISKS_HEIGHT + 1, ok_word);
	no = newtButton(40, DISKS_HEIGHT + 1, cancel_word);
	newtFormAddComponents(form, list, yes, no, NULL);
	newtFormAddHotKey(form, NEWT_KEY_ESCAPE);
	newtFormRun(form, &end);
	ok = end.reason == NEWT_EXIT_COMPONENT
		     ? end.u.co == yes
		     : end.reason == NEWT_EXIT_HOTKEY && end.u.key == NEWT_KEY_F12;
	if (ok)
		n = disks_take(a, &s->machine, list);
	newtFormDestroy(form);
	newtPopWindow();
	if (ok && !n)
		ui_screen_tell("Disks to send", "No disk is chosen: there is nothing to send.");
	return n > 0;
}

/* ---- details ---- */

static void details_text(const struct ui_screen *s, struct p2v_buf *out)
{
	if (s->contents.n_disks)
		ui_contents_text(&s->contents, &s->machine, out);
	else
		p2v_buf_add_str(out, "What is on the disks is not known yet.\n");
	p2v_buf_add_str(out, s->state.n_plan ? "\nThe server's plan:\n"
					     : "\nWhat will be changed the server says when it has "
					       "the disks. This machine itself is only read.\n");
	for (size_t i = 0; i < s->state.n_plan; i++) {
		p2v_buf_add_str(out, "  ");
		p2v_text_add_printable(out, s->state.plan[i]);
		p2v_buf_add_str(out, "\n");
	}
}

void ui_screen_details(const struct ui_screen *s)
{
	newtComponent form = newtForm(NULL, NULL, 0), box, ok;
	p2v_autobuf struct p2v_buf text = {0};

	details_text(s, &text);
	newtCenteredWindow(DETAILS_WIDTH, DETAILS_HEIGHT + 2, "Details");
	box = newtTextbox(
		1, 0, DETAILS_WIDTH - 4, DETAILS_HEIGHT, NEWT_FLAG_WRAP | NEWT_FLAG_SCROLL);
	newtTextboxSetText(box, text.data ? (char *)text.data : "");
	ok = newtCompactButton(DETAILS_WIDTH / 2 - 3, DETAILS_HEIGHT + 1, ok_word);
	newtFormAddComponents(form, box, ok, NULL);
	newtFormAddHotKey(form, NEWT_KEY_ESCAPE);
	newtRunForm(form);
	newtFormDestroy(form);
	newtPopWindow();
}

/* ---- the server's key ---- */

static bool fingerprint_get(const char *server, char **ret)
{
	struct link_ssh_target target;
	struct p2v_err err = {0};
	int r = link_ssh_target_parse(server, &target, &err);

	if (r == 0) {
		ui_screen_wait("Asking the server for its host key...");
		r = link_ssh_fingerprint(&target, CONNECT_MS, ret, &err);
		ui_screen_waited();
		link_ssh_target_finish(&target);
	}
	if (r < 0)
		ui_screen_tell("Server", err.text);
	return r == 0;
}

bool ui_screen_trust(struct ui_screen *s, struct ui_answers *a)
{
	static char title[] = "Is this the server?",
		    text[] = "%s shows this host key:\n\n%s\n\nOn the server, this prints it: "
			     "ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub";
	p2v_autofree char *shown = NULL, *server = strdup(ui_answers_get(a, "server"));

	(void)s;
	if (!server || !*server)
		return ui_screen_settings(s, a) && *ui_answers_get(a, "server");
	if (*ui_answers_get(a, "host-key") || *ui_answers_get(a, "known-hosts") ||
		p2v_file_exists("/p2v/known_hosts"))
		return true;
	if (!fingerprint_get(server, &shown) ||
		newtWinChoice(title, no_word, yes_word, text, server, shown) != 2)
		return false;
	return ui_answers_set(a, "host-key", shown, NULL) == 0;
}

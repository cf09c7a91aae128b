/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/prove/console.h"

#include <string.h>

#include "converters/emit/hw.h"
#include "p2v/core/cleanup.h"

enum sight { SIGHT_KERNEL, SIGHT_LOGIN, SIGHT_UNIT, SIGHT_FAILURE };

static const struct pattern {
	const char *text;
	bool at_start; /* of a line: a prompt, not a mention */
	enum sight sight;
	const char *reason;
} patterns[] = {
	{"Linux version ", false, SIGHT_KERNEL, NULL},
	{"Command line: ", false, SIGHT_KERNEL, NULL},
	{"systemd[1]: ", false, SIGHT_KERNEL, NULL},
	{" login: ", false, SIGHT_LOGIN, NULL},
	{"[FAILED] Failed to start ", true, SIGHT_UNIT, NULL},
	{"[FAILED] Failed to mount ", true, SIGHT_UNIT, NULL},
	{"[FAILED] Failed to activate ", true, SIGHT_UNIT, NULL},
	{"[DEPEND] Dependency failed for ", true, SIGHT_UNIT, NULL},
	{"[ TIME ] Timed out waiting for device ", true, SIGHT_UNIT, NULL},
	/* The cause before the shell that it ends in: the first match is the evidence. */
	{"Kernel panic - not syncing", false, SIGHT_FAILURE, "kernel panic"},
	{"Gave up waiting for root", false, SIGHT_FAILURE,
		"initramfs shell: the root device did not appear"},
	{"ALERT!  ", false, SIGHT_FAILURE, "initramfs shell: the root device did not appear"},
	{"(initramfs)", true, SIGHT_FAILURE,
		"initramfs shell: the root file system was not mounted"},
	{"Warning: Could not boot.", false, SIGHT_FAILURE,
		"dracut shell: the root was not mounted"},
	{"dracut:/#", true, SIGHT_FAILURE, "dracut shell: the root was not mounted"},
	{"You are in emergency mode", false, SIGHT_FAILURE, "emergency mode"},
	{"Welcome to emergency mode", false, SIGHT_FAILURE, "emergency mode"},
	{"Give root password for maintenance", false, SIGHT_FAILURE, "emergency mode"},
	{"Cannot open access to console, the root account is locked", false, SIGHT_FAILURE,
		"emergency mode"},
	{"grub rescue>", true, SIGHT_FAILURE, "GRUB rescue prompt: GRUB did not find its files"},
	{"grub>", true, SIGHT_FAILURE, "GRUB prompt: GRUB did not find its configuration"},
	{"No bootable device", false, SIGHT_FAILURE, "the firmware found no bootable device"},
	{"UEFI Interactive Shell", false, SIGHT_FAILURE, "the firmware found no boot entry"},
	{"BOOTMGR is missing", false, SIGHT_FAILURE,
		"Windows' boot sector does not find bootmgr: another partition is active, or it "
		"is gone"},
	{"BOOTMGR is compressed", false, SIGHT_FAILURE,
		"Windows' boot sector cannot read bootmgr: it is compressed"},
	{"NTLDR is missing", false, SIGHT_FAILURE, "Windows' boot sector does not find ntldr"},
	{"NTLDR is compressed", false, SIGHT_FAILURE,
		"Windows' boot sector cannot read ntldr: it is compressed"},
	{"A disk read error occurred", false, SIGHT_FAILURE,
		"Windows' boot sector cannot read its disk: its heads or its start are not those "
		"of this disk"},
	{"Invalid partition table", true, SIGHT_FAILURE,
		"the boot code finds no partition to start"},
	{"Error loading operating system", true, SIGHT_FAILURE,
		"the boot code cannot read the partition to start"},
	{"Missing operating system", true, SIGHT_FAILURE,
		"the boot code finds no boot sector in the partition to start"},
	{"INACCESSIBLE_BOOT_DEVICE", false, SIGHT_FAILURE,
		"Windows stop INACCESSIBLE_BOOT_DEVICE: no driver for the disk"},
};

/* Lines that name a file system as it is mounted, or as it is checked to be: device in between. */
static const struct {
	const char *before, *after;
} mounts[] = {
	{"EXT4-fs (", "): mounted filesystem"},
	{"EXT3-fs (", "): mounted filesystem"},
	{"EXT4-fs (", "): re-mounted"},
	{"XFS (", "): Mounting"},
	{"XFS (", "): Ending clean mount"},
	{"BTRFS info (device ", "): "},
	{"/dev/", ": clean, "},
	{"/dev/", ": recovering journal"},
};

/* Layers over disks: which disk is below they do not say. */
static const char *const layers[] = {"dm-", "md", "mapper/"};

static bool is_ours(const struct output *output, const char *device)
{
	for (size_t i = 0; i < P2V_N(layers); i++)
		if (strncmp(device, layers[i], strlen(layers[i])) == 0)
			return true;
	for (size_t i = 0; output && i < output->n_disks; i++) {
		const struct emit_bus *bus = emit_bus_find(output->disks[i].bus);

		/* guest_names: two letters each, one blank between. */
		for (const char *name = bus ? bus->guest_names : ""; *name; name += name[2] ? 3 : 2)
			if (strncmp(device, name, 2) == 0)
				return true;
	}
	return false;
}

/* How the passphrase is asked for by cryptsetup-initramfs, systemd, and cryptsetup itself (dracut's
 * shell, mkinitcpio); the volume's name and a colon follow. */
static const char *const prompts[] = {
	"Please unlock disk ",
	"Please enter passphrase for disk ",
	"Enter passphrase for ",
};

static bool is_prompt(const char *line)
{
	for (size_t i = 0; i < P2V_N(prompts); i++) {
		const char *at = strstr(line, prompts[i]);

		if (at && strchr(at, ':'))
			return true;
	}
	return false;
}

static bool is_mount(const struct output *output, const char *line)
{
	for (size_t i = 0; i < P2V_N(mounts); i++) {
		const char *device = strstr(line, mounts[i].before);

		if (!device)
			continue;
		device += strlen(mounts[i].before);
		if (strstr(device, mounts[i].after) && is_ours(output, device))
			return true;
	}
	return false;
}

static void note(char evidence[PROVE_EVIDENCE], const char *line)
{
	size_t n = strlen(line);

	if (*evidence)
		return;
	/* A row of the text screen is padded. */
	while (n && line[n - 1] == ' ')
		n--;
	memcpy(evidence, line, n);
	evidence[n] = '\0';
}

/* A line that is not complete is looked at for prompts only: what it says is not all there. */
static void look(struct prove_console *c, bool complete)
{
	c->line[c->len] = '\0';
	for (size_t i = 0; i < P2V_N(patterns); i++) {
		const struct pattern *p = &patterns[i];
		const char *at = strstr(c->line, p->text);

		if (!at || (p->at_start && at != c->line))
			continue;
		if (!complete && p->sight != SIGHT_LOGIN &&
			(!p->at_start || p->sight == SIGHT_UNIT))
			continue;
		if (p->sight == SIGHT_KERNEL) {
			note(c->kernel, c->line);
		} else if (p->sight == SIGHT_LOGIN) {
			note(c->login, c->line);
		} else if (p->sight == SIGHT_UNIT) {
			note(c->unit, c->line);
			c->n_units++;
		} else if (!c->failure_reason) {
			note(c->failure, c->line);
			c->failure_reason = p->reason;
		}
	}
	if (!complete && !c->prompted && is_prompt(c->line)) {
		*c->prompt = '\0';
		note(c->prompt, c->line);
		c->n_prompts++;
		c->prompted = true;
	}
	if (complete && !*c->root && is_mount(c->output, c->line))
		note(c->root, c->line);
}

/* ECMA-48: ESC [ parameters final, ESC ] text BEL, or ESC and one more. True: byte is swallowed. */
static bool in_escape(struct prove_console *c, unsigned char byte)
{
	enum { NONE, ESC, CSI, OSC };

	if (byte == 0x1b) {
		c->escape = ESC;
		return true;
	}
	switch (c->escape) {
	case ESC:
		c->escape = byte == '[' ? CSI : byte == ']' ? OSC : NONE;
		return true;
	case CSI:
		if (byte >= 0x40 && byte <= 0x7e)
			c->escape = NONE;
		return true;
	case OSC:
		if (byte == 0x07 || byte == '\n')
			c->escape = NONE;
		return byte != '\n';
	default:
		return false;
	}
}

void prove_console_feed(struct prove_console *c, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++) {
		if (in_escape(c, p[i]))
			continue;
		if (p[i] == '\n' || p[i] == '\r') {
			if (c->len)
				look(c, true);
			c->len = 0;
			c->prompted = false;
		} else if (p[i] >= 0x20 && p[i] < 0x7f && c->len < sizeof(c->line) - 1) {
			c->line[c->len++] = (char)p[i];
		}
	}
	/* A prompt has no end of line. */
	if (c->len)
		look(c, false);
}

void prove_console_feed_screen(struct prove_console *c, const void *cells, size_t n)
{
	const unsigned char *p = cells;
	char row[81];

	for (size_t at = 0; n >= 160 && at <= n - 160; at += 160) {
		for (size_t x = 0; x < 80; x++)
			row[x] = (char)(p[at + 2 * x] ? p[at + 2 * x] : ' ');
		row[80] = '\n';
		prove_console_feed(c, row, sizeof(row));
	}
}

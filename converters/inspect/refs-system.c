/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * References to hardware that is no disk: modules that are loaded by name, drivers of graphics
 * cards, serial lines that a virtual machine does not have, and what RHEL 5 knows of its cards.
 */

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

#include "converters/inspect/refs.h"
#include "p2v/core/cleanup.h"

/* Modules that find no hardware: one that cannot be loaded makes systemd-modules-load fail. */
static const char *const hardware_modules[] = {"ipmi_*", "ipmi-*", "hpwdt", "hpilo", "hpsa",
	"iTCO_*", "iTCO-*", "i6300esb", "coretemp", "k8temp", "k10temp", "fam15h_power", "it87",
	"w83*", "nct6*", "f718*", "lm[0-9]*", "adm1*", "adt74*", "jc42", "smsc47*", "dme1737",
	"asb100", "vt12*", "pc87*", "sis5595", "via686a", "acpi_power_meter", "dcdbas", "dell_*",
	"dell-*", "sp5100_tco", "nv_tco", "ibmasm", "cpqphp", "i2c[-_]i801", "i2c[-_]piix4", "mei*",
	"edac*", "*_edac", "acpi[-_]cpufreq", "speedstep*", "powernow*", "p4[-_]clockmod",
	"intel_rapl*", "kvm[-_]intel", "kvm[-_]amd", "nvidia*", "fglrx", "vmw_*", "vmxnet*",
	"vmmemctl", "vmhgfs", "vmci", "vsock_vmci*", "vboxdrv", "vboxnet*", "vboxguest", "vboxsf",
	"vboxvideo", "hv_*", "xen[-_]*front", "aacraid", "megaraid*", "mptsas", "mptbase",
	"mpt[23]sas", "3w[-_]*", "arcmsr", "cciss"};

static bool is_hardware_module(struct p2v_span name)
{
	p2v_autofree char *text = name.n < 100 ? p2v_span_dup(name) : NULL;

	for (size_t i = 0; text && i < P2V_N(hardware_modules); i++)
		if (fnmatch(hardware_modules[i], text, 0) == 0)
			return true;
	return false;
}

/* modules(5), modules-load.d(5): a module a line, perhaps with parameters. */
static int read_modules(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line, rest, word;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		rest = line;
		if (p2v_word_next(&rest, &word) && is_hardware_module(word))
			r = refs_add_line(in, p, n, p2v_span_trim(line));
	}
	return r;
}

/* modprobe.d(5): what a hardened server keeps from being loaded, as no machine of its kind has it.
 */
int refs_read_blocks(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line, rest, verb, module;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		rest = line;
		if (p2v_word_next(&rest, &verb) && p2v_word_next(&rest, &module) &&
			(p2v_span_eq(verb, "blacklist") || p2v_span_eq(verb, "install")) &&
			p2v_span_starts(module, "virtio"))
			r = refs_add_line(in, p, n, p2v_span_trim(line));
	}
	return r;
}

/* Graphics drivers that need their card. */
static bool is_card_driver(struct p2v_span name)
{
	static const char *const drivers[] = {"nvidia", "nv", "nouveau", "fglrx", "radeon", "ati",
		"amdgpu", "intel", "i810", "mga", "ast", "matrox", "r128", "savage", "sis", "tdfx",
		"trident", "via", "openchrome", "vmware", "vboxvideo", "hyperv_fb"};

	for (size_t i = 0; i < P2V_N(drivers); i++)
		if (p2v_span_eq(name, drivers[i]))
			return true;
	return false;
}

/* xorg.conf(5): Driver "nvidia" in a Device section (keyword in any case); or a BusID. */
static int read_xorg(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line, rest, word;

	for (uint32_t n = 1; p2v_line_next(&text, &line); n++) {
		rest = line;
		if (!p2v_word_next(&rest, &word))
			continue;
		rest = p2v_span_unquote(p2v_span_trim(rest));
		if ((word.n == 6 && !strncasecmp(word.p, "Driver", 6) && is_card_driver(rest)) ||
			(word.n == 5 && !strncasecmp(word.p, "BusID", 5)))
			return refs_add_line(in, p, n, p2v_span_trim(line));
	}
	return 0;
}

/* inittab(5): a getty on a line that is not there starts again and again. */
static int read_inittab(struct inspection *in, const struct place *p, struct p2v_span text)
{
	static const char *const lines[] = {"ttyS1", "ttyS2", "ttyS3", "ttyUSB", "hvc0", "xvc0"};
	struct p2v_span line;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		line = p2v_span_trim(line);
		for (size_t i = 0; r == 0 && line.n && line.p[0] != '#' && i < P2V_N(lines); i++)
			if (memmem(line.p, line.n, lines[i], strlen(lines[i]))) {
				r = refs_add_line(in, p, n, line);
				break;
			}
	}
	return r;
}

/* modprobe.conf of RHEL 5: which driver the disks' controller and each card has. */
static int read_aliases(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line, rest, word;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		struct place q = *p;

		rest = line;
		if (!p2v_word_next(&rest, &word) || !p2v_span_eq(word, "alias") ||
			!p2v_word_next(&rest, &word))
			continue;
		if (p2v_span_starts(word, "eth"))
			q.what = "card-alias";
		else if (!p2v_span_starts(word, "scsi_hostadapter"))
			continue;
		r = refs_add_line(in, &q, n, p2v_span_trim(line));
	}
	return r;
}

/* udev(7): a rule that tells one disk by the kernel's name for it, or by what its controller said.
 * udev's own rules, which are for all disks, have patterns there. */
static bool is_disk_rule(struct p2v_span line)
{
	static const char *const marks[] = {"KERNEL==\"sd", "KERNEL==\"hd", "KERNEL==\"nvme",
		"KERNEL==\"cciss", "ENV{ID_SERIAL}==\"", "ENV{ID_SERIAL_SHORT}==\"",
		"ENV{ID_WWN}==\"", "ENV{DM_UUID}==\"mpath-", "RESULT==\"3"};

	for (size_t i = 0; !p2v_span_starts(line, "#") && i < P2V_N(marks); i++) {
		const char *at = memmem(line.p, line.n, marks[i], strlen(marks[i]));
		const char *value = at ? at + strlen(marks[i]) : NULL;

		if (value && value < line.p + line.n && isalnum((unsigned char)*value))
			return true;
	}
	return false;
}

static int read_disk_rules(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		line = p2v_span_trim(line);
		if (is_disk_rule(line))
			r = refs_add_line(in, p, n, line);
	}
	return r;
}

/* clevis is installed: what it is bound to (the TPM, a server) stands in the volume's header. */
static int read_clevis(struct inspection *in, const struct place *p, struct p2v_span text)
{
	(void)text;
	for (size_t i = 0; i < in->facts->n_filesystems; i++)
		if (in->facts->filesystems[i].kind &&
			!strcmp(in->facts->filesystems[i].kind, "crypto_LUKS"))
			return refs_add_line(in, p, 1, p2v_span_str("clevis"));
	return 0;
}

/* Who may log in while the initramfs waits for a passphrase. An empty list lets nobody in. */
static int read_early_login(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line;

	for (uint32_t n = 1; p2v_line_next(&text, &line); n++) {
		line = p2v_span_trim(line);
		if (line.n && line.p[0] != '#')
			return refs_add_line(in, p, n, p2v_span_str("early login"));
	}
	return 0;
}

const struct place refs_system_places[] = {
	{"/etc/dropbear/initramfs/authorized_keys", "early-login", read_early_login, NULL},
	{"/etc/dropbear-initramfs/authorized_keys", "early-login", read_early_login, NULL},
	{"/etc/initramfs-tools/root/.ssh/authorized_keys", "early-login", read_early_login, NULL},
	{"/etc/dropbear/root_key", "early-login", read_early_login, NULL},
	{"/etc/tinyssh/root_key", "early-login", read_early_login, NULL},
	{"/usr/lib/dracut/modules.d/46sshd/module-setup.sh", "early-login", read_early_login, NULL},
	{"/usr/bin/clevis-luks-unlock", "crypt-clevis", read_clevis, NULL},
	{"/etc/udev/rules.d/*.rules", "disk-rule", read_disk_rules, NULL},
	{"/etc/modules", "modules-load", read_modules, NULL},
	{"/etc/modprobe.d/*.conf", "module-block", refs_read_blocks, NULL},
	{"/etc/modules-load.d/*.conf", "modules-load", read_modules, NULL},
	{"/etc/X11/xorg.conf", "graphics", read_xorg, NULL},
	{"/etc/X11/XF86Config*", "graphics", read_xorg, NULL},
	{"/etc/X11/xorg.conf.d/*.conf", "graphics", read_xorg, NULL},
	{"/etc/inittab", "serial-getty", read_inittab, NULL},
	{"/etc/modprobe.conf", "disk-alias", read_aliases, NULL},
	{NULL, NULL, NULL, NULL},
};

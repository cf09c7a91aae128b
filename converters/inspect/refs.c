/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * References to hardware: each place in a guest file that names a disk by what the kernel or the
 * controller called it, or names one that is not here. One row a file.
 */

#include <string.h>

#include "converters/boot/boot.h"
#include "converters/inspect/device-name.h"
#include "converters/inspect/refs.h"
#include "converters/inspect/storage.h"
#include "p2v/core/cleanup.h"

#define MAX_REFS ((size_t)1024)

/* One more, with nothing said yet of what it means. */
static int add_ref(struct inspection *in, const struct place *p, uint32_t line,
	struct p2v_span text, struct p2v_span stable)
{
	struct facts_ref *ref;
	int r;

	/* Each becomes a step that reads and writes the whole file. */
	if (in->os->n_refs == MAX_REFS)
		return p2v_err_set(in->err, P2V_EFORMAT,
			"%s: line %u: more than %zu names of hardware in this system", p->path,
			line, MAX_REFS);
	ref = inspect_grow(in, (void **)&in->os->refs, &in->os->n_refs, sizeof(*ref));
	r = ref ? inspect_set(in, &ref->path, p->path) : P2V_ENOMEM;
	if (r == 0 && p->inside)
		r = inspect_set(in, &ref->inside, p->inside);
	if (r == 0)
		r = inspect_set(in, &ref->what, p->what);
	if (r == 0)
		r = inspect_set_span(in, &ref->text, text);
	if (r == 0)
		r = inspect_set_span(in, &ref->stable, stable);
	if (r == 0)
		r = inspect_set(in, &ref->device, "");
	if (ref)
		ref->line = line;
	return r;
}

/* Of a device of the door's, with nothing to say instead. */
static int add_on(struct inspection *in, const struct place *p, uint32_t line, struct p2v_span text,
	const char *device)
{
	int r = add_ref(in, p, line, text, p2v_span_str(""));

	return r == 0 ? inspect_set(in, &in->os->refs[in->os->n_refs - 1].device, device) : r;
}

int refs_add(struct inspection *in, const struct place *p, uint32_t line, const char *key,
	struct p2v_span spec, const struct facts_fs *f)
{
	p2v_autobuf struct p2v_buf text = {0}, stable = {0};
	int r;

	p2v_buf_addf(&text, "%s", key);
	p2v_buf_add(&text, spec.p, spec.n);
	if (f && f->uuid && *f->uuid)
		p2v_buf_addf(&stable, "%sUUID=%s", key, f->uuid);
	else if (f && f->label && *f->label && !strpbrk(f->label, " \t\"'\\"))
		p2v_buf_addf(&stable, "%sLABEL=%s", key, f->label);
	else if (f && f->partuuid && *f->partuuid)
		p2v_buf_addf(&stable, "%sPARTUUID=%s", key, f->partuuid);
	r = add_ref(in, p, line, inspect_span(&text), inspect_span(&stable));
	return r == 0 && f ? inspect_set(in, &in->os->refs[in->os->n_refs - 1].device, f->device)
			   : r;
}

static bool known(const struct facts_os *os, const struct place *p, struct p2v_span arg)
{
	for (size_t i = 0; i < os->n_refs; i++)
		if (!strcmp(os->refs[i].path, p->path) && p2v_span_eq(arg, os->refs[i].text) &&
			p2v_span_eq(p2v_span_str(p->inside),
				os->refs[i].inside ? os->refs[i].inside : ""))
			return true;
	return false;
}

int refs_add_as(struct inspection *in, const struct place *p, uint32_t line, struct p2v_span text,
	struct p2v_span stable)
{
	return known(in->os, p, text) ? 0 : add_ref(in, p, line, text, stable);
}

/* A line that stands there twice is dealt with once. */
int refs_add_line(struct inspection *in, const struct place *p, uint32_t line, struct p2v_span text)
{
	return refs_add_as(in, p, line, text, p2v_span_str(""));
}

/* The link by which a device is found whatever it is called. All disks of a btrfs have one UUID. */
static void add_path(const struct facts_fs *f, struct p2v_buf *out)
{
	const bool shared = f->kind && !strcmp(f->kind, "btrfs");

	if (f->partuuid && *f->partuuid && (shared || !f->uuid || !*f->uuid))
		p2v_buf_addf(out, "/dev/disk/by-partuuid/%s", f->partuuid);
	else if (f->uuid && *f->uuid)
		p2v_buf_addf(out, "/dev/disk/by-uuid/%s", f->uuid);
}

/* Options of a mount and of what is like one, separated by commas, that name further devices: a
 * btrfs's other disks, a log of its own. What they name goes to out by path, the rest as it is;
 * false: there is none, or it is not on these disks. */
static bool free_options(struct inspection *in, struct p2v_span options, struct p2v_buf *out)
{
	static const char *const keys[] = {"device=", "logdev=", "rtdev=", "journal_path=",
		"x-systemd.requires=", "x-systemd.after=", "x-systemd.before=", "source="};
	bool freed = false;

	while (options.n) {
		struct p2v_span one = p2v_span_until(options, ',', &options), value;
		const struct facts_fs *f = NULL;

		for (size_t i = 0; !f && i < P2V_N(keys); i++) {
			value = p2v_span_skip(one, strlen(keys[i]));
			if (p2v_span_starts(one, keys[i]) && inspect_is_old_name(in->facts, value))
				f = inspect_find_fs(in->facts, value);
		}
		if (out->len)
			p2v_buf_add_str(out, ",");
		p2v_buf_add(out, one.p, f ? (size_t)(value.p - one.p) : one.n);
		if (f)
			add_path(f, out);
		freed |= f != NULL;
	}
	return freed;
}

/* key: what stands before the options, such as "rootflags=". */
static int read_options(struct inspection *in, const struct place *p, uint32_t line,
	const char *key, struct p2v_span options)
{
	p2v_autobuf struct p2v_buf freed = {0}, text = {0}, stable = {0};
	int r;

	if (!free_options(in, options, &freed))
		return 0;
	p2v_buf_addf(&text, "%s%.*s", key, (int)options.n, options.p);
	p2v_buf_addf(&stable, "%s%.*s", key, (int)freed.len, (const char *)freed.data);
	r = p2v_buf_check(&stable, in->err);
	return r < 0 ? r : refs_add_as(in, p, line, inspect_span(&text), inspect_span(&stable));
}

/* Options first: who looks for a name as a word finds it in them, too. */
static int read_fstab(struct inspection *in, const struct place *p, struct p2v_span text)
{
	const struct place options = {p->path, "options", NULL, NULL};
	int r = 0;

	(void)text;
	for (size_t i = 0; r == 0 && i < in->os->n_mounts; i++)
		r = read_options(in, &options, in->os->mounts[i].line, "",
			p2v_span_str(in->os->mounts[i].options));
	for (size_t i = 0; r == 0 && i < in->os->n_mounts; i++) {
		const struct facts_mount *m = &in->os->mounts[i];
		struct p2v_span spec = p2v_span_str(m->spec);

		if (inspect_is_old_name(in->facts, spec))
			r = refs_add(in, p, m->line, "", spec, inspect_find_mount(in->facts, m));
	}
	return r;
}

/* By a name that is the content's own, but nothing here has it. */
static bool is_gone(struct inspection *in, struct p2v_span spec)
{
	static const char *const prefixes[] = {"UUID=", "LABEL=", "PARTUUID=", "PARTLABEL=",
		"/dev/disk/by-uuid/", "/dev/disk/by-label/", "/dev/disk/by-part"};

	for (size_t i = 0; i < P2V_N(prefixes); i++)
		if (p2v_span_starts(spec, prefixes[i]))
			return !inspect_find_fs(in->facts, spec);
	return false;
}

/* A key that stays with the old machine: in its TPM, on a token or a card, on another disk. */
static int read_crypt_key(
	struct inspection *in, const struct place *p, uint32_t n, struct p2v_span fields)
{
	static const char *const sealed[] = {"tpm2-device=", "fido2-device=", "pkcs11-uri="};
	const struct place q = {p->path, "crypt-key", NULL, p->inside};
	struct p2v_span key = {0}, options = {0}, option;
	int r = 0;

	p2v_word_next(&fields, &key);
	p2v_word_next(&fields, &options);
	if (p2v_span_starts(key, "/dev/") &&
		!inspect_find_fs(in->facts, p2v_span_until(key, ':', NULL)) &&
		(p2v_span_starts(key, "/dev/disk/") || inspect_is_old_name(in->facts, key)))
		r = refs_add_line(in, &q, n, key);
	while (r == 0 && options.n) {
		option = p2v_span_until(options, ',', &options);
		for (size_t i = 0; r == 0 && i < P2V_N(sealed); i++)
			if (p2v_span_starts(option, sealed[i]))
				r = refs_add_line(in, &q, n, option);
	}
	return r;
}

/* crypttab(5): name, device, key, options. */
static int read_crypttab(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line, name, spec;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		if (!p2v_word_next(&line, &name) || name.p[0] == '#' ||
			!p2v_word_next(&line, &spec))
			continue;
		if (inspect_is_old_name(in->facts, spec) || (!p->inside && is_gone(in, spec)))
			r = refs_add(in, p, n, "", spec, inspect_find_fs(in->facts, spec));
		if (r == 0 && !p->inside)
			r = read_crypt_key(in, p, n, line);
	}
	return r;
}

/* Arguments that name a device: of the kernel, of dracut (FIPS has boot=), genkernel, mkinitcpio
 * and Alpine. */
static const char *const device_keys[] = {"root=", "resume=", "cryptdevice=", "real_root=",
	"real_resume=", "crypt_root=", "cryptroot=", "boot=", "mount.usr="};

/* Arguments that are options, some of which may name a device. */
static const char *const option_keys[] = {"rootflags=", "usrflags=", "cryptopts="};

/* cryptdevice=/dev/sda2:root: the whole argument is exchanged. */
static int read_cryptdevice(
	struct inspection *in, const struct place *p, uint32_t line, struct p2v_span spec)
{
	struct p2v_span bare = p2v_span_unquote(spec), device = p2v_span_until(bare, ':', NULL);
	const struct facts_fs *f = inspect_find_fs(in->facts, device);
	p2v_autobuf struct p2v_buf stable = {0};
	int r;

	if (!inspect_is_old_name(in->facts, device))
		return 0;
	r = refs_add(in, p, line, "cryptdevice=", spec, f);
	if (r < 0 || !f || !f->uuid || !*f->uuid)
		return r;
	p2v_buf_addf(&stable, "cryptdevice=UUID=%s", f->uuid);
	p2v_buf_add(&stable, bare.p + device.n, bare.n - device.n);
	return inspect_set_span(
		in, &in->os->refs[in->os->n_refs - 1].stable, inspect_span(&stable));
}

/* Arguments that must not stay: what they name is not there. */
static bool is_stale(struct p2v_span arg)
{
	static const char *const prefixes[] = {"console=ttyS1", "console=ttyS2", "console=ttyS3",
		"console=ttyUSB", "rd.driver.blacklist=virtio", "modprobe.blacklist=virtio",
		"rd.md.uuid=ddf1_", "rd.dm.uuid=ddf1_", "rd.dm.uuid=isw_", "rd_DM_UUID=ddf1_",
		"rd_DM_UUID=isw_"};

	for (size_t i = 0; i < P2V_N(prefixes); i++)
		if (p2v_span_starts(arg, prefixes[i]))
			return true;
	return false;
}

static bool is_argument(struct p2v_span word)
{
	for (size_t i = 0; i < P2V_N(device_keys); i++)
		if (p2v_span_starts(word, device_keys[i]))
			return true;
	for (size_t i = 0; i < P2V_N(option_keys); i++)
		if (p2v_span_starts(word, option_keys[i]))
			return true;
	return is_stale(word);
}

/* One argument of a kernel: root=/dev/sda1; resume= also where it names what is gone. */
static int read_argument(
	struct inspection *in, const struct place *p, uint32_t line, struct p2v_span arg)
{
	struct p2v_span spec, bare;
	const struct facts_fs *f;

	/* The first one of a variable without quotes: Cmdline=root=/dev/sda1 */
	p2v_span_until(arg, '=', &spec);
	if (!is_argument(arg) && is_argument(spec))
		arg = spec;
	if (known(in->os, p, arg))
		return 0;
	if (is_stale(arg))
		return refs_add_line(in, p, line, arg);
	for (size_t i = 0; i < P2V_N(option_keys); i++)
		if (p2v_span_starts(arg, option_keys[i]))
			return read_options(in, p, line, option_keys[i],
				p2v_span_skip(arg, strlen(option_keys[i])));
	for (size_t i = 0; i < P2V_N(device_keys); i++) {
		if (!p2v_span_starts(arg, device_keys[i]))
			continue;
		spec = p2v_span_skip(arg, strlen(device_keys[i]));
		bare = p2v_span_unquote(spec);
		/* A variable's value, which stands elsewhere. */
		if (p2v_span_has(spec, '$'))
			return 0;
		/* cryptdevice=DEVICE:NAME */
		if (i == 2 && p2v_span_has(spec, ':'))
			return read_cryptdevice(in, p, line, spec);
		f = inspect_find_fs(in->facts, bare);
		if (inspect_is_old_name(in->facts, bare) || (i == 1 && !f))
			return refs_add(in, p, line, device_keys[i], spec, f);
	}
	return 0;
}

/* The next word of a line; quotes begin and end words as blanks do, but for those right behind a
 * device's key: root="/dev/sda1". */
static struct p2v_span take_argument(struct p2v_span *line)
{
	struct p2v_span word = *line;
	const char *close = NULL;
	size_t n = 0;

	while (n < line->n && !strchr(" \t\"'", line->p[n]))
		n++;
	word.n = n;
	for (size_t i = 0; n < line->n && i < P2V_N(device_keys); i++)
		if (p2v_span_eq(word, device_keys[i]) && strchr("\"'", line->p[n]))
			close = memchr(line->p + n + 1, line->p[n], line->n - n - 1);
	if (close)
		word.n = (size_t)(close - line->p) + 1;
	*line = p2v_span_skip(*line, word.n + !close);
	return word;
}

/* Any text with kernel arguments in it, quoted or not. */
static int read_arguments(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		line = p2v_span_trim(line);
		if (p2v_span_starts(line, "#"))
			continue;
		/* It goes on in the next one. */
		if (p2v_span_ends(line, "\\"))
			line.n--;
		while (r == 0 && line.n)
			r = read_argument(in, p, n, take_argument(&line));
	}
	return r;
}

/* initramfs-tools: RESUME=device, or none, or auto. */
static int read_resume(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line, value, spec, bare;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		const struct facts_fs *f;

		line = p2v_span_trim(line);
		if (!p2v_span_eq(p2v_span_until(line, '=', &spec), "RESUME"))
			continue;
		value = spec;
		if (!p2v_word_next(&value, &spec))
			continue;
		bare = p2v_span_unquote(spec);
		if (!bare.n || p2v_span_eq(bare, "none") || p2v_span_eq(bare, "auto"))
			continue;
		f = inspect_find_fs(in->facts, bare);
		if (!f || inspect_is_old_name(in->facts, bare))
			r = refs_add(in, p, n, "RESUME=", spec, f);
	}
	return r;
}

/* The file as such: what it says is of the old machine, and it is made anew where it is needed. */
static int read_present(struct inspection *in, const struct place *p, struct p2v_span text)
{
	return refs_add_line(in, p, 1, p2v_span_trim(p2v_span_until(text, '\n', NULL)));
}

/* systemd's own tables: What=/dev/sda5. */
static int read_unit(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line, spec;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		if (!p2v_span_eq(p2v_span_trim(p2v_span_until(line, '=', &spec)), "What"))
			continue;
		spec = p2v_span_trim(spec);
		if (inspect_is_old_name(in->facts, spec) || is_gone(in, spec))
			r = refs_add(in, p, n, "", spec, inspect_find_fs(in->facts, spec));
	}
	return r;
}

/* A table whose lines begin with the device: fstab(5), where an initramfs has one. */
static int read_first_words(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line, spec;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++)
		if (p2v_word_next(&line, &spec) && inspect_is_old_name(in->facts, spec))
			r = refs_add(in, p, n, "", spec, inspect_find_fs(in->facts, spec));
	return r;
}

/* Words among which may be a device, by its path: kdump.conf(5), uswsusp.conf(8). */
static int read_paths(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line, word, after;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		if (p2v_span_starts(p2v_span_trim(line), "#"))
			continue;
		while (r == 0 && p2v_word_next(&line, &word)) {
			p2v_span_until(word, '=', &after);
			word = after.n ? after : word;
			if (inspect_is_old_name(in->facts, word))
				r = refs_add(in, p, n, "", word, inspect_find_fs(in->facts, word));
		}
	}
	return r;
}

/* initramfs-tools of old: target=sda5_crypt,source=/dev/sda5,key=none */
static int read_cryptroot(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line, part;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++)
		while (r == 0 && line.n) {
			part = p2v_span_trim(p2v_span_until(line, ',', &line));
			if (!p2v_span_starts(part, "source="))
				continue;
			part = p2v_span_skip(part, strlen("source="));
			if (inspect_is_old_name(in->facts, part))
				r = refs_add(in, p, n, "", part, inspect_find_fs(in->facts, part));
		}
	return r;
}

/* Where a boot loader is written to: a whole disk, or a partition, which has a link that stays. */
static int read_install_device(
	struct inspection *in, const struct place *p, uint32_t n, struct p2v_span spec)
{
	const struct place part = {p->path, "path", NULL, NULL};
	const struct facts_disk *disk;
	struct device_name d;

	if (!device_name_read(spec, &d) || known(in->os, p, spec))
		return 0;
	if (d.part)
		return refs_add(in, &part, n, "", spec, inspect_find_fs(in->facts, spec));
	disk = inspect_find_disk(in->facts, spec);
	return add_on(in, p, n, spec, disk ? disk->device : "");
}

/* SUSE: a line each. */
static int read_devices(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++)
		r = read_install_device(in, p, n, p2v_span_trim(line));
	return r;
}

/* Debian's answers to its packages' questions: an update of GRUB writes to these devices, and fails
 * where they are not there. */
static int read_answers(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line, value;
	bool ours = false;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		if (p2v_span_starts(line, "Name: "))
			ours = p2v_span_eq(line, "Name: grub-pc/install_devices") ||
			       p2v_span_eq(line, "Name: grub-efi/install_devices");
		if (!ours || !p2v_span_starts(line, "Value: "))
			continue;
		value = p2v_span_skip(line, strlen("Value: "));
		while (r == 0 && value.n)
			r = read_install_device(
				in, p, n, p2v_span_trim(p2v_span_until(value, ',', &value)));
	}
	return r;
}

static const struct place places[] = {
	{"/etc/fstab", "fstab", read_fstab, NULL},
	{"/etc/crypttab", "crypttab", read_crypttab, NULL},
	{"/etc/crypttab.initramfs", "crypttab", read_crypttab, NULL},
	{"/etc/initramfs-tools/initramfs.conf", "resume", read_resume, NULL},
	{"/etc/initramfs-tools/conf.d/*", "resume", read_resume, NULL},
	{"/boot/grub/device.map", "device-map", read_present, NULL},
	{"/boot/grub2/device.map", "device-map", read_present, NULL},
	{"/etc/default/grub_installdevice", "install-device", read_devices, NULL},
	{"/var/cache/debconf/config.dat", "install-device", read_answers, NULL},
	{"/etc/mdadm/mdadm.conf", "mdadm", refs_read_mdadm, NULL},
	{"/etc/mdadm.conf", "mdadm", refs_read_mdadm, NULL},
	{"/etc/lvm/lvm.conf", "lvm-filter", refs_read_lvm, NULL},
	{"/etc/lvm/lvmlocal.conf", "lvm-filter", refs_read_lvm, NULL},
	{"/etc/lvm/devices/system.devices", "lvm-devices", read_present, NULL},
	{"/etc/lvm/cache/.cache", "device-cache", read_present, NULL},
	{"/etc/lvm/.cache", "device-cache", read_present, NULL},
	{"/etc/blkid.tab", "device-cache", read_present, NULL},
	{"/etc/blkid/blkid.tab", "device-cache", read_present, NULL},
	{"/etc/systemd/system/*.mount", "unit", read_unit, NULL},
	{"/etc/systemd/system/*.mount.d/*.conf", "unit", read_unit, NULL},
	{"/etc/systemd/system/*.swap", "swap-unit", read_unit, NULL},
	{"/etc/cmdline", "arguments", read_arguments, NULL},
	{"/etc/cmdline.d/*.conf", "arguments", read_arguments, NULL},
	{"/etc/dracut.conf", "arguments", read_arguments, NULL},
	{"/etc/dracut.conf.d/*.conf", "arguments", read_arguments, NULL},
	{"/boot/refind_linux.conf", "arguments", read_arguments, NULL},
	{"/boot/EFI/*/refind.conf", "arguments", read_arguments, NULL},
	{"/efi/EFI/*/refind.conf", "arguments", read_arguments, NULL},
	{"/boot/efi/EFI/*/refind.conf", "arguments", read_arguments, NULL},
	{"/etc/update-extlinux.conf", "arguments", read_arguments, NULL},
	{"/etc/default/extlinux", "arguments", read_arguments, NULL},
	{"/etc/sysconfig/bootloader", "arguments", read_arguments, NULL},
	{"/etc/kernel/uki.conf", "arguments", read_arguments, NULL},
	{"/etc/default/kexec", "arguments", read_arguments, NULL},
	{"/etc/default/kdump-tools", "arguments", read_arguments, NULL},
	{"/etc/sysconfig/kdump", "arguments", read_arguments, NULL},
	{"/etc/default/grub.d/*.cfg", "arguments", read_arguments, NULL},
	{"/etc/kdump.conf", "path", read_paths, NULL},
	{"/etc/uswsusp.conf", "path", read_paths, NULL},
	{NULL, NULL, NULL, NULL},
};

/* The copies that an initramfs holds; a path that ends in '/' is all below it. */
static const struct {
	const char *inside, *what;
	int (*read)(struct inspection *in, const struct place *place, struct p2v_span text);
} copies[] = {
	{"conf/conf.d/resume", "resume", read_resume},
	{"conf/param.conf", "arguments", read_arguments},
	{"conf/conf.d/cryptroot", "crypttab", read_cryptroot},
	{"cryptroot/crypttab", "crypttab", read_crypttab},
	{"etc/crypttab", "crypttab", read_crypttab},
	{"etc/fstab", "table", read_first_words},
	{"etc/fstab.sys", "table", read_first_words},
	{"etc/uswsusp.conf", "path", read_paths},
	{"etc/cmdline", "arguments", read_arguments},
	{"etc/cmdline.d/", "arguments", read_arguments},
	{"etc/mdadm.conf", "mdadm", refs_read_mdadm},
	{"etc/mdadm/mdadm.conf", "mdadm", refs_read_mdadm},
	{"etc/lvm/lvm.conf", "lvm-filter", refs_read_lvm},
	{"etc/lvm/lvmlocal.conf", "lvm-filter", refs_read_lvm},
	{"etc/lvm/devices/system.devices", "lvm-devices", read_present},
	{"etc/modprobe.d/", "module-block", refs_read_blocks},
};

int inspect_refs_inside(
	struct inspection *in, const char *image, const char *inside, struct p2v_span text)
{
	for (size_t i = 0; i < P2V_N(copies); i++) {
		struct place p = {image, copies[i].what, copies[i].read, inside};
		size_t n = strlen(copies[i].inside);

		if (copies[i].inside[n - 1] == '/' ? strncmp(inside, copies[i].inside, n) == 0
						   : strcmp(inside, copies[i].inside) == 0)
			return p.read(in, &p, text);
	}
	return 0;
}

int inspect_refs_entry(
	struct inspection *in, const char *what, const char *path, const char *cmdline)
{
	const struct place p = {path, what, read_arguments, NULL};

	return read_arguments(in, &p, p2v_span_str(cmdline));
}

static int read_file(struct inspection *in, const struct place *row, const char *path)
{
	struct place p = {path, row->what, row->read, NULL};
	p2v_autobuf struct p2v_buf text = {0};
	int r = inspect_text(in, path, INSPECT_OPTIONAL, &text);

	return r > 0 ? p.read(in, &p, inspect_span(&text)) : r;
}

/* Debian's modules-load.d has a link to /etc/modules: that file has a row of its own. */
static bool has_other_row(struct inspection *in, const struct place *row, const char *path)
{
	p2v_autofree char *target = NULL;
	p2v_autofree char *real = NULL;

	if (guest_read_link(in->g, path, &target, NULL) < 0 ||
		guest_real_path(in->g, path, &real, NULL) < 0)
		return false;
	for (const struct place *p = refs_system_places; p->path; p++)
		if (p != row && strcmp(p->what, row->what) == 0 && strcmp(p->path, real) == 0)
			return true;
	return false;
}

static int read_place(struct inspection *in, const struct place *p)
{
	struct inspect_paths paths = {0};
	int r = 0;

	if (!strchr(p->path, '*'))
		return read_file(in, p, p->path);
	if (inspect_may_exist(in, p->path))
		r = inspect_glob(in, p->path, &paths);
	for (size_t i = 0; r == 0 && i < paths.n_items; i++)
		r = has_other_row(in, p, paths.items[i]) ? 0 : read_file(in, p, paths.items[i]);
	inspect_paths_finish(&paths);
	return r;
}

int inspect_refs(struct inspection *in)
{
	const struct facts_bootloader *b = &in->os->bootloader;
	int r = 0;

	for (const struct place *p = places; r == 0 && p->path; p++)
		r = read_place(in, p);
	for (const struct place *p = refs_system_places; r == 0 && p->path; p++)
		r = read_place(in, p);
	for (size_t i = 0; r == 0 && i < b->n_configs; i++)
		r = read_file(in, &(struct place){NULL, "boot-config", read_arguments, NULL},
			b->configs[i]);
	for (size_t i = 0; r == 0 && i < b->n_sources; i++)
		r = read_file(in, &(struct place){NULL, "boot-source", read_arguments, NULL},
			b->sources[i]);
	return r;
}

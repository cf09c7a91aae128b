/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * References to hardware: each place in a guest file that names a disk by what the kernel or the
 * controller called it, or names one that is not here. One row a file.
 */

#include <string.h>

#include "converters/boot/boot.h"
#include "converters/inspect/inspection.h"
#include "converters/inspect/storage.h"
#include "p2v/core/cleanup.h"

struct place {
	const char *path, *what;
	int (*read)(struct inspection *in, const struct place *place, struct p2v_span text);
};

/* key: "root=" before the device, or "". */
static int add(struct inspection *in, const struct place *p, uint32_t line, const char *key,
	struct p2v_span spec, const struct facts_fs *f)
{
	p2v_autobuf struct p2v_buf text = {0}, stable = {0};
	struct facts_ref *ref =
		inspect_grow(in, (void **)&in->os->refs, &in->os->n_refs, sizeof(*ref));
	int r = ref ? 0 : P2V_ENOMEM;

	p2v_buf_addf(&text, "%s", key);
	p2v_buf_add(&text, spec.p, spec.n);
	if (f && f->uuid && *f->uuid)
		p2v_buf_addf(&stable, "%sUUID=%s", key, f->uuid);
	if (r == 0)
		r = inspect_set(in, &ref->path, p->path);
	if (r == 0)
		r = inspect_set(in, &ref->what, p->what);
	if (r == 0)
		r = inspect_set_span(in, &ref->text, inspect_span(&text));
	if (r == 0)
		r = inspect_set_span(in, &ref->stable, inspect_span(&stable));
	if (r == 0)
		r = inspect_set(in, &ref->device, f ? f->device : "");
	if (ref)
		ref->line = line;
	return r;
}

static bool known(const struct facts_os *os, const char *path, struct p2v_span arg)
{
	for (size_t i = 0; i < os->n_refs; i++)
		if (!strcmp(os->refs[i].path, path) && p2v_span_eq(arg, os->refs[i].text))
			return true;
	return false;
}

static int read_fstab(struct inspection *in, const struct place *p, struct p2v_span text)
{
	int r = 0;

	(void)text;
	for (size_t i = 0; r == 0 && i < in->os->n_mounts; i++) {
		const struct facts_mount *m = &in->os->mounts[i];
		struct p2v_span spec = p2v_span_str(m->spec);

		if (inspect_is_hardware_name(spec))
			r = add(in, p, m->line, "", spec, inspect_find_fs(in->facts, spec));
	}
	return r;
}

/* crypttab(5): name, device, key, options. */
static int read_crypttab(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line, name, spec;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++)
		if (p2v_word_next(&line, &name) && name.p[0] != '#' &&
			p2v_word_next(&line, &spec) && inspect_is_hardware_name(spec))
			r = add(in, p, n, "", spec, inspect_find_fs(in->facts, spec));
	return r;
}

/* One argument of a kernel: root=/dev/sda1; resume= also where it names what is gone. */
static int read_argument(
	struct inspection *in, const struct place *p, uint32_t line, struct p2v_span arg)
{
	static const char *const keys[] = {"root=", "resume="};
	int r = 0;

	for (size_t i = 0; r == 0 && i < P2V_N(keys); i++) {
		struct p2v_span spec = p2v_span_skip(arg, strlen(keys[i]));
		const struct facts_fs *f;

		if (!p2v_span_starts(arg, keys[i]) || known(in->os, p->path, arg))
			continue;
		f = inspect_find_fs(in->facts, spec);
		if (inspect_is_hardware_name(spec) || (i == 1 && !f))
			r = add(in, p, line, keys[i], spec, f);
	}
	return r;
}

/* Any text with kernel arguments in it, quoted or not. */
static int read_arguments(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line, word;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		line = p2v_span_trim(line);
		if (p2v_span_starts(line, "#"))
			continue;
		while (r == 0 && line.n) {
			/* Quotes begin and end words as blanks do. */
			size_t k = 0;

			while (k < line.n && !strchr(" \t\"'", line.p[k]))
				k++;
			word = p2v_span_of(line.p, k);
			line = p2v_span_skip(line, k + 1);
			r = read_argument(in, p, n, word);
		}
	}
	return r;
}

/* initramfs-tools: RESUME=device, or none, or auto. */
static int read_resume(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line, spec;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		const struct facts_fs *f;

		line = p2v_span_trim(line);
		if (!p2v_span_eq(p2v_span_until(line, '=', &spec), "RESUME"))
			continue;
		spec = p2v_span_unquote(spec);
		if (spec.n == 0 || p2v_span_eq(spec, "none") || p2v_span_eq(spec, "auto"))
			continue;
		f = inspect_find_fs(in->facts, spec);
		if (!f || inspect_is_hardware_name(spec))
			r = add(in, p, n, "RESUME=", spec, f);
	}
	return r;
}

/* The file as such: only grub-install reads it, and what it says is of the old machine. */
static int read_present(struct inspection *in, const struct place *p, struct p2v_span text)
{
	return add(in, p, 1, "", p2v_span_trim(p2v_span_until(text, '\n', NULL)), NULL);
}

/* mdadm.conf: DEVICE /dev/sda1 /dev/sdb1 hides the array's members under their new names. */
static int read_mdadm(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line, rest, word;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		bool hardware = false;

		rest = line;
		if (!p2v_word_next(&rest, &word) || !p2v_span_starts(word, "DEV"))
			continue;
		while (p2v_word_next(&rest, &word))
			hardware |= p2v_span_starts(word, "/dev/");
		if (hardware)
			r = add(in, p, n, "", p2v_span_trim(line), NULL);
	}
	return r;
}

/* lvm.conf: a filter that accepts disks by name. */
static int read_lvm(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line, key;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		line = p2v_span_trim(line);
		key = p2v_span_trim(p2v_span_until(line, '=', NULL));
		if (!p2v_span_eq(key, "filter") && !p2v_span_eq(key, "global_filter"))
			continue;
		if (memmem(line.p, line.n, "/dev/", 5) || memmem(line.p, line.n, "r|.*|", 5) ||
			memmem(line.p, line.n, "r/.*/", 5))
			r = add(in, p, n, "", line, NULL);
	}
	return r;
}

static const struct place places[] = {
	{"/etc/fstab", "fstab", read_fstab},
	{"/etc/crypttab", "crypttab", read_crypttab},
	{"/etc/initramfs-tools/conf.d/resume", "resume", read_resume},
	{"/boot/grub/device.map", "device-map", read_present},
	{"/boot/grub2/device.map", "device-map", read_present},
	{"/etc/mdadm/mdadm.conf", "mdadm", read_mdadm},
	{"/etc/mdadm.conf", "mdadm", read_mdadm},
	{"/etc/lvm/lvm.conf", "lvm-filter", read_lvm},
	{"/etc/lvm/devices/system.devices", "lvm-devices", read_present},
};

static int read_place(struct inspection *in, const struct place *p)
{
	p2v_autobuf struct p2v_buf text = {0};
	int r = inspect_text(in, p->path, INSPECT_OPTIONAL, &text);

	return r > 0 ? p->read(in, p, inspect_span(&text)) : r;
}

int inspect_refs(struct inspection *in)
{
	const struct facts_bootloader *b = &in->os->bootloader;
	int r = 0;

	for (size_t i = 0; r == 0 && i < P2V_N(places); i++)
		r = read_place(in, &places[i]);
	for (size_t i = 0; r == 0 && i < b->n_configs; i++)
		r = read_place(in, &(struct place){b->configs[i], "boot-config", read_arguments});
	for (size_t i = 0; r == 0 && i < b->n_sources; i++)
		r = read_place(in, &(struct place){b->sources[i], "boot-source", read_arguments});
	return r;
}

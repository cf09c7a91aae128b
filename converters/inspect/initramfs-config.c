/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Files that steer the guest's next initramfs, and the modules that they have it hold. */

#include <string.h>

#include "converters/inspect/inspection.h"
#include "p2v/core/cleanup.h"

static int add_words(struct inspection *in, struct p2v_span words)
{
	struct p2v_span word;
	int r = 0;

	while (r == 0 && p2v_word_next(&words, &word)) {
		p2v_autofree char *copy = p2v_span_dup(word);

		if (in->os->n_initramfs_modules == INSPECT_LIST_MAX)
			return 0;
		r = copy ? inspect_add_str(in, &in->os->initramfs_modules,
				   &in->os->n_initramfs_modules, copy)
			 : p2v_err_set(in->err, P2V_ENOMEM, "no memory");
	}
	return r;
}

/* initramfs-tools: a module a line, perhaps with options. */
static int read_list(struct inspection *in, struct p2v_span line)
{
	struct p2v_span word;

	return p2v_word_next(&line, &word) ? add_words(in, word) : 0;
}

/* NAME="a b", NAME+=" a b ", NAME=(a b), NAME+=(a b), on one line. */
static int read_assignment(struct inspection *in, struct p2v_span line, const char *name)
{
	struct p2v_span value, key = p2v_span_until(line, '=', &value);

	if (p2v_span_ends(key, "+"))
		key.n--;
	if (!p2v_span_eq(key, name))
		return 0;
	if (p2v_span_starts(value, "("))
		return add_words(in, p2v_span_until(p2v_span_skip(value, 1), ')', NULL));
	if (p2v_span_starts(value, "\"") || p2v_span_starts(value, "'"))
		return add_words(in, p2v_span_until(p2v_span_skip(value, 1), value.p[0], NULL));
	return add_words(in, value);
}

static int read_dracut(struct inspection *in, struct p2v_span line)
{
	int r = read_assignment(in, line, "add_drivers");

	return r == 0 ? read_assignment(in, line, "force_drivers") : r;
}

static int read_mkinitcpio(struct inspection *in, struct p2v_span line)
{
	return read_assignment(in, line, "MODULES");
}

static int read_sysconfig(struct inspection *in, struct p2v_span line)
{
	return read_assignment(in, line, "INITRD_MODULES");
}

/* mkinitfs: features, each a set of modules; of those these have what a virtual machine's disks
 * need. */
static int read_features(struct inspection *in, struct p2v_span line)
{
	static const struct {
		const char *feature, *modules;
	} sets[] = {
		{"virtio", "virtio_pci virtio_blk"},
		{"scsi", "virtio_scsi"},
		{"ata", "ahci ata_piix"},
		{"nvme", "nvme"},
	};
	struct p2v_span value, word;
	int r = 0;

	if (!p2v_span_eq(p2v_span_until(line, '=', &value), "features"))
		return 0;
	value = p2v_span_unquote(p2v_span_trim(value));
	while (r == 0 && p2v_word_next(&value, &word))
		for (size_t i = 0; r == 0 && i < P2V_N(sets); i++)
			if (p2v_span_eq(word, sets[i].feature))
				r = add_words(in, p2v_span_str(sets[i].modules));
	return r;
}

/* Red Hat's mkinitrd takes each driver that is called scsi_hostadapter. */
static int read_modprobe(struct inspection *in, struct p2v_span line)
{
	struct p2v_span word;

	if (!p2v_word_next(&line, &word) || !p2v_span_eq(word, "alias") ||
		!p2v_word_next(&line, &word) || !p2v_span_starts(word, "scsi_hostadapter"))
		return 0;
	return add_words(in, line);
}

static const struct {
	const char *pattern;
	int (*read)(struct inspection *in, struct p2v_span line);
} places[] = {
	{"/etc/initramfs-tools/modules", read_list},
	{"/etc/dracut.conf", read_dracut},
	{"/etc/dracut.conf.d/*.conf", read_dracut},
	{"/etc/mkinitcpio.conf", read_mkinitcpio},
	{"/etc/mkinitcpio.conf.d/*.conf", read_mkinitcpio},
	{"/etc/sysconfig/kernel", read_sysconfig},
	{"/etc/modprobe.conf", read_modprobe},
	{"/etc/mkinitfs/mkinitfs.conf", read_features},
};

static int read_file(struct inspection *in, size_t place, const char *path)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, line;
	int r = inspect_text(in, path, INSPECT_OPTIONAL, &text);

	if (r <= 0)
		return r;
	r = inspect_add_str(in, &in->os->initramfs_config, &in->os->n_initramfs_config, path);
	rest = inspect_span(&text);
	while (r == 0 && p2v_line_next(&rest, &line)) {
		line = p2v_span_trim(line);
		if (line.n && line.p[0] != '#')
			r = places[place].read(in, line);
	}
	return r;
}

int inspect_initramfs_config(struct inspection *in)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < P2V_N(places); i++) {
		struct inspect_paths paths = {0};

		if (inspect_may_exist(in, places[i].pattern))
			r = inspect_glob(in, places[i].pattern, &paths);
		for (size_t k = 0; r == 0 && k < paths.n_items; k++)
			r = read_file(in, i, paths.items[k]);
		inspect_paths_finish(&paths);
	}
	return r;
}

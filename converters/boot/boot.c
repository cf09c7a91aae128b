/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/boot/boot.h"

#include <fnmatch.h>
#include <string.h>

#include "converters/boot/loaders.h"

/* In the order in which inspection looks for them: where two are there, the one that needs a
 * configuration made for it is the one in use; entry files alone may be another's. */
const struct boot_loader *const boot_loaders[] = {
	&boot_grub2,
	&boot_systemd_boot,
	&boot_syslinux,
	&boot_grub_legacy,
	&boot_lilo,
	&boot_elilo,
	NULL,
};

const struct boot_loader *boot_loader_find(const char *kind)
{
	for (size_t i = 0; kind && boot_loaders[i]; i++)
		if (strcmp(boot_loaders[i]->kind, kind) == 0)
			return boot_loaders[i];
	return NULL;
}

static const struct boot_format *format_of(const struct boot_loader *loader, const char *path)
{
	for (const struct boot_file *f = loader->files; f->pattern; f++)
		if (fnmatch(f->pattern, path, FNM_PATHNAME) == 0)
			return f->format;
	return NULL;
}

const struct boot_format *boot_loader_format(const struct boot_loader *loader, const char *path)
{
	const struct boot_format *format = format_of(loader, path);

	for (size_t i = 0; !format && boot_loaders[i]; i++)
		if (boot_loaders[i]->beside)
			format = format_of(boot_loaders[i], path);
	return format;
}

bool boot_format_would_change(
	const struct boot_format *format, struct p2v_span text, const struct boot_edit *edit)
{
	p2v_autobuf struct p2v_buf out = {0};

	if (!format->edit || format->edit(text, edit, &out, NULL) < 0)
		return false;
	return !p2v_span_same(text, p2v_span_of(out.data, out.len));
}

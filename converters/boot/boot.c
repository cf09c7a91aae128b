/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/boot/boot.h"

#include <stdlib.h>
#include <string.h>

#include "converters/boot/loaders.h"

/* In the order in which inspection looks for them. */
const struct boot_loader *const boot_loaders[] = {
	&boot_grub2,
	NULL,
};

const struct boot_loader *boot_loader_find(const char *kind)
{
	for (size_t i = 0; kind && boot_loaders[i]; i++)
		if (strcmp(boot_loaders[i]->kind, kind) == 0)
			return boot_loaders[i];
	return NULL;
}

void boot_menu_finish(struct boot_menu *menu)
{
	for (size_t i = 0; i < menu->n_entries; i++) {
		struct boot_entry *e = &menu->entries[i];

		for (size_t k = 0; k < e->n_initrds; k++)
			free(e->initrds[k]);
		free(e->initrds);
		free(e->title);
		free(e->kernel);
		free(e->cmdline);
	}
	free(menu->entries);
	memset(menu, 0, sizeof(*menu));
}

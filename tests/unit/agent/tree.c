/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

char *tree_new(void)
{
	char *root;

	if (p2v_dir_temp("agent-test", &root, NULL) < 0)
		abort();
	return root;
}

void tree_free(char *root)
{
	p2v_dir_remove(root);
	free(root);
}

/* root + path, with the directories above it. */
static char *place(const char *root, const char *path)
{
	char *full = p2v_strf("%s%s", root, path), *slash = strrchr(full, '/');

	*slash = '\0';
	if (p2v_dir_make(full, 0755, NULL) < 0)
		abort();
	*slash = '/';
	return full;
}

void tree_bytes(const char *root, const char *path, const void *bytes, size_t n)
{
	p2v_autofree char *full = place(root, path);
	FILE *f = fopen(full, "w");

	if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0)
		abort();
}

void tree_file(const char *root, const char *path, const char *text)
{
	tree_bytes(root, path, text, strlen(text));
}

void tree_dir(const char *root, const char *path)
{
	p2v_autofree char *full = place(root, path);

	if (p2v_dir_make(full, 0755, NULL) < 0)
		abort();
}

void tree_link(const char *root, const char *path, const char *target)
{
	p2v_autofree char *full = place(root, path);

	if (symlink(target, full) < 0)
		abort();
}

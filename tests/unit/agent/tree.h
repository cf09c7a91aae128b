/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TESTS_UNIT_AGENT_TREE_H
#define TESTS_UNIT_AGENT_TREE_H

/* A directory that poses as the root of a machine: files and links are made with their parents. */

#include <stddef.h>

char *tree_new(void); /* its path */
void tree_free(char *root);
void tree_file(const char *root, const char *path, const char *text);
void tree_bytes(const char *root, const char *path, const void *bytes, size_t n);
void tree_dir(const char *root, const char *path);
void tree_link(const char *root, const char *path, const char *target);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TESTS_UNIT_GUEST_SCENE_H
#define TESTS_UNIT_GUEST_SCENE_H

/* A throw-away directory with a guest's root inside: cmocka setup and teardown, and its makers. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/guest/guest.h"
#include "p2v/guest/read.h"
#include "p2v/guest/write.h"

struct scene {
	char *top; /* holds "root" and, outside of the guest, "secret" */
	char *root;
	struct guest *g;
	struct p2v_err err;
};

/* The host's view of a guest path. */
static inline char *on_host(struct scene *s, const char *path)
{
	char *p = p2v_strf("%s%s", s->root, path);

	assert_non_null(p);
	return p;
}

static inline void make_dir_at(struct scene *s, const char *path)
{
	p2v_autofree char *p = on_host(s, path);

	assert_int_equal(p2v_dir_make(p, 0755, NULL), 0);
}

static inline void make_file_at(struct scene *s, const char *path, const char *text)
{
	p2v_autofree char *p = on_host(s, path);
	FILE *f = fopen(p, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static inline void make_link_at(struct scene *s, const char *target, const char *path)
{
	p2v_autofree char *p = on_host(s, path);

	assert_int_equal(symlink(target, p), 0);
}

static inline int scene_setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	p2v_autofree char *secret = NULL;

	assert_non_null(s);
	assert_int_equal(p2v_dir_temp("guest-test", &s->top, &s->err), 0);
	s->root = p2v_path_join(s->top, "root");
	make_dir_at(s, "/etc");
	assert_int_equal(p2v_publish_bytes(s->top, "secret", "outside\n", 8, 0644, &s->err), 0);
	assert_int_equal(guest_open_dir(s->root, true, &s->g, &s->err), 0);
	*state = s;
	return 0;
}

static inline int scene_teardown(void **state)
{
	struct scene *s = *state;

	guest_free(s->g);
	p2v_dir_remove(s->top);
	free(s->top);
	free(s->root);
	free(s);
	return 0;
}

#define scene_test(f) cmocka_unit_test_setup_teardown(f, scene_setup, scene_teardown)

#endif

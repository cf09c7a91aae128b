/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Paths with patterns in them: "/boot/efi/EFI/x/grub.cfg" for any x. */

#include <stdlib.h>
#include <string.h>

#include "converters/inspect/inspection.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

#define MAX_PATHS ((size_t)512)

void inspect_paths_finish(struct inspect_paths *paths)
{
	for (size_t i = 0; i < paths->n_items; i++)
		free(paths->items[i]);
	free(paths->items);
	memset(paths, 0, sizeof(*paths));
}

/* dir + the next part of the pattern + the rest, where the next part is "grub.cfg" or "x*". */
static int expand(struct inspection *in, const char *dir, const char *pattern, bool last,
	struct inspect_paths *ret)
{
	struct guest_dir d = {0};
	int r = inspect_list(in, *dir ? dir : "/", pattern, &d);

	for (size_t i = 0; r == 0 && i < d.n_entries && ret->n_items < MAX_PATHS; i++) {
		p2v_autofree char *path = NULL;

		if ((d.entries[i].st.type == GUEST_DIR) == last)
			continue;
		path = p2v_path_join(*dir ? dir : "/", d.entries[i].name);
		r = path ? inspect_add_str(in, &ret->items, &ret->n_items, path)
			 : p2v_err_set(in->err, P2V_ENOMEM, "no memory");
	}
	guest_dir_finish(&d);
	return r;
}

static int glob_in(struct inspection *in, const char *dir, const char *pattern,
	struct inspect_paths *ret, int depth);

/* A part with a pattern that is not the last one. */
static int glob_dirs(struct inspection *in, const char *dir, const char *part, const char *rest,
	struct inspect_paths *ret, int depth)
{
	struct inspect_paths dirs = {0};
	int r = expand(in, dir, part, false, &dirs);

	for (size_t i = 0; r == 0 && i < dirs.n_items; i++)
		r = glob_in(in, dirs.items[i], rest, ret, depth + 1);
	inspect_paths_finish(&dirs);
	return r;
}

static int glob_in(struct inspection *in, const char *dir, const char *pattern,
	struct inspect_paths *ret, int depth)
{
	const char *star = strchr(pattern, '*'), *slash, *end;
	p2v_autofree char *base = NULL, *part = NULL;

	if (!star || depth > 4) {
		base = p2v_strf("%s%s", dir, pattern);
		if (!base)
			return p2v_err_set(in->err, P2V_ENOMEM, "no memory");
		if (!inspect_may_exist(in, base) || !guest_is_file(in->g, base))
			return 0;
		return inspect_add_str(in, &ret->items, &ret->n_items, base);
	}
	slash = memrchr(pattern, '/', (size_t)(star - pattern));
	end = strchrnul(star, '/');
	base = p2v_strf("%s%.*s", dir, (int)(slash - pattern), pattern);
	part = strndup(slash + 1, (size_t)(end - slash - 1));
	if (!base || !part)
		return p2v_err_set(in->err, P2V_ENOMEM, "no memory");
	if (!*end)
		return expand(in, base, part, true, ret);
	return glob_dirs(in, base, part, end, ret, depth);
}

int inspect_glob(struct inspection *in, const char *pattern, struct inspect_paths *ret)
{
	return glob_in(in, "", pattern, ret, 0);
}

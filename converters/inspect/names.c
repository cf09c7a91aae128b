/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names that a guest's own tables give to its volumes: mdadm.conf(5) those of md arrays,
 * crypttab(5) those of opened encrypted volumes. fstab and the boot loader then speak of them.
 */
#include <string.h>
#include <strings.h>

#include "converters/inspect/inspection.h"
#include "converters/inspect/storage.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

#define MAX_LINES 4096

static struct facts_fs *find_array(struct facts *facts, struct p2v_span uuid)
{
	for (size_t i = 0; i < facts->n_filesystems; i++) {
		const char *have = facts->filesystems[i].array_uuid;

		if (have && strlen(have) == uuid.n && strncasecmp(have, uuid.p, uuid.n) == 0)
			return &facts->filesystems[i];
	}
	return NULL;
}

static struct facts_fs *find_inside(struct facts *facts, const char *parent)
{
	for (size_t i = 0; i < facts->n_filesystems; i++)
		if (facts->filesystems[i].parent &&
			strcmp(facts->filesystems[i].parent, parent) == 0)
			return &facts->filesystems[i];
	return NULL;
}

/* ARRAY /dev/md1 metadata=1.2 name=web01:1 UUID=0123...: the device may also be a bare name. */
static int read_array(struct inspection *in, struct p2v_span line)
{
	struct p2v_span word, device;

	if (!p2v_word_next(&line, &word) || word.n < 3 || word.n > 5 ||
		strncasecmp(word.p, "ARRAY", word.n) != 0 || !p2v_word_next(&line, &device))
		return 0;
	while (p2v_word_next(&line, &word)) {
		struct facts_fs *f;

		if (word.n < 5 || strncasecmp(word.p, "UUID=", 5) != 0)
			continue;
		f = find_array(in->facts, p2v_span_skip(word, 5));
		return f ? inspect_storage_call_array(f, device, in->err) : 0;
	}
	return 0;
}

/* name  source  key  options */
static int read_crypt(struct inspection *in, struct p2v_span line)
{
	const struct facts_fs *volume;
	p2v_autofree char *alias = NULL;
	struct p2v_span name, source;
	struct facts_fs *f;

	if (!p2v_word_next(&line, &name) || name.p[0] == '#' || name.n > 128 ||
		!p2v_word_next(&line, &source))
		return 0;
	volume = inspect_find_fs(in->facts, source);
	f = volume ? find_inside(in->facts, volume->device) : NULL;
	if (!f || f->n_aliases >= INSPECT_MAX_ALIASES)
		return 0;
	alias = p2v_strf("/dev/mapper/%.*s", (int)name.n, name.p);
	if (!alias)
		return p2v_err_set(in->err, P2V_ENOMEM, "no memory");
	return inspect_add_str(in, &f->aliases, &f->n_aliases, alias);
}

int inspect_names(struct inspection *in)
{
	static const struct {
		const char *path;
		int (*read)(struct inspection *in, struct p2v_span line);
	} tables[] = {
		{"/etc/mdadm/mdadm.conf", read_array},
		{"/etc/mdadm.conf", read_array},
		{"/etc/crypttab", read_crypt},
		{"/etc/crypttab.initramfs", read_crypt},
	};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < P2V_N(tables); i++) {
		p2v_autobuf struct p2v_buf text = {0};
		struct p2v_span rest, line;

		if (!inspect_may_exist(in, tables[i].path))
			continue;
		r = inspect_text(in, tables[i].path, INSPECT_OPTIONAL, &text);
		rest = inspect_span(&text);
		for (size_t n = 0; r >= 0 && n < MAX_LINES && p2v_line_next(&rest, &line); n++)
			r = tables[i].read(in, line);
	}
	return r < 0 ? r : 0;
}

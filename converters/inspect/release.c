/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/inspect/inspection.h"

/* os-release(5): KEY=value lines, the value perhaps quoted. */
static struct p2v_span value_of(struct p2v_span text, const char *key)
{
	struct p2v_span line, value;

	while (p2v_line_next(&text, &line)) {
		line = p2v_span_trim(line);
		if (p2v_span_eq(p2v_span_until(line, '=', &value), key))
			return p2v_span_unquote(p2v_span_trim(value));
	}
	return p2v_span_str("");
}

/* Before os-release there was one file a family; its first line is the name for people. */
static const struct {
	const char *path, *id, *id_like;
} old_releases[] = {
	{"/etc/redhat-release", "rhel", "fedora"},
	{"/etc/SuSE-release", "suse", "suse"},
	{"/etc/debian_version", "debian", ""},
	{"/etc/slackware-version", "slackware", ""},
	{"/etc/gentoo-release", "gentoo", ""},
	{"/etc/alpine-release", "alpine", ""},
	{"/etc/arch-release", "arch", ""},
};

static int old_release(struct inspection *in)
{
	for (size_t i = 0; i < sizeof(old_releases) / sizeof(old_releases[0]); i++) {
		p2v_autobuf struct p2v_buf text = {0};
		int r = inspect_text(in, old_releases[i].path, INSPECT_OPTIONAL, &text);

		if (r == 0)
			continue;
		if (r > 0)
			r = inspect_set(in, &in->os->id, old_releases[i].id);
		if (r == 0)
			r = inspect_set(in, &in->os->id_like, old_releases[i].id_like);
		if (r == 0)
			r = inspect_set_span(in, &in->os->pretty,
				p2v_span_trim(p2v_span_until(inspect_span(&text), '\n', NULL)));
		return r;
	}
	return 0;
}

static int read_release(struct inspection *in, struct p2v_span text)
{
	const struct {
		const char *key;
		char **to;
	} keys[] = {
		{"ID", &in->os->id},
		{"ID_LIKE", &in->os->id_like},
		{"VERSION_ID", &in->os->version_id},
		{"PRETTY_NAME", &in->os->pretty},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(keys) / sizeof(keys[0]); i++)
		r = inspect_set_span(in, keys[i].to, value_of(text, keys[i].key));
	return r;
}

int inspect_release(struct inspection *in)
{
	p2v_autobuf struct p2v_buf text = {0};
	int r = inspect_text(in, "/etc/os-release", INSPECT_NEEDED, &text);

	if (r == 0)
		r = inspect_text(in, "/usr/lib/os-release", INSPECT_OPTIONAL, &text);
	if (r < 0)
		return r;
	return r > 0 ? read_release(in, inspect_span(&text)) : old_release(in);
}

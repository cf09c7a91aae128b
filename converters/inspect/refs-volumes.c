/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * References to disks in the tables of what is made of several: md arrays and LVM. There a disk is
 * accepted or refused by what it is called.
 */

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "converters/inspect/refs.h"
#include "converters/inspect/storage.h"
#include "p2v/core/cleanup.h"

/* A line of mdadm.conf with those that go on with it: they begin with a blank. */
static bool take_joined(struct p2v_span *rest, struct p2v_span *ret, uint32_t *n_lines)
{
	struct p2v_span line;

	if (!p2v_line_next(rest, ret))
		return false;
	for (*n_lines = 1; rest->n && (rest->p[0] == ' ' || rest->p[0] == '\t'); ++*n_lines) {
		p2v_line_next(rest, &line);
		ret->n = (size_t)(line.p + line.n - ret->p);
	}
	return true;
}

/* "DEVICE" and "ARRAY" may be cut to three letters. */
static bool is_keyword(struct p2v_span word, const char *keyword)
{
	return word.n >= 3 && word.n <= strlen(keyword) &&
	       strncasecmp(word.p, keyword, word.n) == 0;
}

/* DEVICE /dev/sda1 /dev/sdb1 hides the arrays' members under their new names. */
static int read_device(
	struct inspection *in, const struct place *p, uint32_t n, struct p2v_span line)
{
	struct p2v_span rest = line, word, first = p2v_span_until(line, '\n', NULL);
	bool hardware = false, all = false;

	while (p2v_word_next(&rest, &word)) {
		hardware |= p2v_span_starts(word, "/dev/");
		all |= p2v_span_eq(word, "partitions");
	}
	return hardware && !all ? refs_add_line(in, p, n, p2v_span_trim(first)) : 0;
}

/* The array that one of these devices is a member of, as mdadm writes it: the UUID that blkid gives
 * a member, in four groups. */
static void add_array_uuid(const struct facts *facts, struct p2v_span devices, struct p2v_buf *out)
{
	while (devices.n) {
		const struct facts_fs *f =
			inspect_find_fs(facts, p2v_span_until(devices, ',', &devices));
		size_t n = 0;

		if (!f || !f->kind || strcmp(f->kind, "linux_raid_member") != 0 || !f->uuid)
			continue;
		p2v_buf_add_str(out, "UUID=");
		for (const char *c = f->uuid; *c; c++) {
			if (!isxdigit((unsigned char)*c))
				continue;
			p2v_buf_addf(out, "%s%c", n && n % 8 == 0 ? ":" : "", *c);
			n++;
		}
		return;
	}
}

/* ARRAY /dev/md0 devices=/dev/sda1,/dev/sdb1: only those are looked at. With the array's UUID all
 * may be. */
static int read_array(
	struct inspection *in, const struct place *p, uint32_t n, struct p2v_span line)
{
	p2v_autobuf struct p2v_buf stable = {0};
	struct p2v_span word, devices = {0};
	bool identified = false;
	int r;

	while (p2v_word_next(&line, &word)) {
		identified |= word.n > 5 && strncasecmp(word.p, "UUID=", 5) == 0;
		if (word.n > 8 && strncasecmp(word.p, "devices=", 8) == 0)
			devices = word;
	}
	if (!devices.n || !memmem(devices.p, devices.n, "=/dev/", 6) ||
		p2v_span_eq(devices, "devices=/dev/*"))
		return 0;
	if (identified)
		p2v_buf_add_str(&stable, "devices=/dev/*");
	else
		add_array_uuid(in->facts, p2v_span_skip(devices, strlen("devices=")), &stable);
	r = p2v_buf_check(&stable, in->err);
	return r < 0 ? r : refs_add_as(in, p, n, devices, inspect_span(&stable));
}

int refs_read_mdadm(struct inspection *in, const struct place *p, struct p2v_span text)
{
	const struct place array = {p->path, "mdadm-array", NULL, p->inside};
	struct p2v_span line, rest, word;
	int r = 0;

	for (uint32_t n = 1, more; r == 0 && take_joined(&text, &line, &more); n += more) {
		rest = line;
		if (!p2v_word_next(&rest, &word))
			continue;
		if (is_keyword(word, "DEVICES"))
			r = read_device(in, p, n, line);
		else if (is_keyword(word, "ARRAY"))
			r = read_array(in, &array, n, rest);
	}
	return r;
}

/* From the key's line to the end of the one that closes its list: a bracket within quotes is a part
 * of a pattern, one behind '#' is nothing. */
static struct p2v_span whole_list(struct p2v_span line, struct p2v_span rest)
{
	const char *p = memchr(line.p, '[', line.n), *end = rest.p + rest.n;
	char quote = '\0';

	for (; p && p < end; p++) {
		if (quote)
			quote = *p == quote ? '\0' : quote;
		else if (*p == '"' || *p == '\'')
			quote = *p;
		else if (*p == '#')
			p = memchr(p, '\n', (size_t)(end - p));
		else if (*p == ']')
			break;
		if (!p)
			break;
	}
	if (!p || p >= end || p < line.p + line.n)
		return line;
	p2v_span_until(p2v_span_of(p, (size_t)(end - p)), '\n', &rest);
	return p2v_span_trim(p2v_span_of(line.p, (size_t)(rest.p - line.p)));
}

/* "r|^/dev/drbd|": what is refused is called so on any hardware, or is no disk. */
static bool refuses_no_disk(struct p2v_span pattern)
{
	static const char *const disks[] = {"sd", "vd", "hd", "xvd", "nvme", "disk", "block"};
	struct p2v_span name;
	size_t n = 0;

	if (p2v_span_starts(pattern, "^"))
		pattern = p2v_span_skip(pattern, 1);
	if (!p2v_span_starts(pattern, "/dev/"))
		return false;
	name = p2v_span_skip(pattern, strlen("/dev/"));
	while (n < name.n && islower((unsigned char)name.p[n]))
		n++;
	/* "/dev/s*" goes on in any way. */
	name.n = n < name.n && strchr("*?{|", name.p[n]) && n ? n - 1 : n;
	for (size_t i = 0; i < P2V_N(disks); i++)
		if (strncmp(name.p, disks[i], name.n) == 0 || p2v_span_starts(name, disks[i]))
			return false;
	return true;
}

/* lvm.conf(5): [ "a|^/dev/sda|", "r/.*\/" ], the first that fits counts, and what none of them
 * refuses is accepted. */
static bool hides_disks(struct p2v_span list)
{
	while (list.n) {
		struct p2v_span pattern;
		const char *close;

		if (list.p[0] == '#') {
			p2v_span_until(list, '\n', &list);
			continue;
		}
		if (list.p[0] != '"' && list.p[0] != '\'') {
			list = p2v_span_skip(list, 1);
			continue;
		}
		pattern = p2v_span_until(p2v_span_skip(list, 1), list.p[0], NULL);
		close = pattern.p + pattern.n;
		list = p2v_span_skip(list, (size_t)(close - list.p) + 1);
		if (pattern.n > 2 && pattern.p[0] == 'r' &&
			!refuses_no_disk(p2v_span_skip(pattern, 2)))
			return true;
	}
	return false;
}

/* lvm.conf: a filter that refuses disks under their new names. */
int refs_read_lvm(struct inspection *in, const struct place *p, struct p2v_span text)
{
	struct p2v_span line, key;
	int r = 0;

	for (uint32_t n = 1; r == 0 && p2v_line_next(&text, &line); n++) {
		line = p2v_span_trim(line);
		key = p2v_span_trim(p2v_span_until(line, '=', NULL));
		if (p2v_span_starts(key, "devices/"))
			key = p2v_span_skip(key, strlen("devices/"));
		if (!p2v_span_eq(key, "filter") && !p2v_span_eq(key, "global_filter"))
			continue;
		line = whole_list(line, text);
		if (hides_disks(line))
			r = refs_add_line(in, p, n, line);
	}
	return r;
}

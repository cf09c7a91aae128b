/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The words of a kernel command line or of a settings file. Whoever wrote them could have broken
 * them: they are read in place, bounded.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/ui/settings.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"

#define PREFIX "p2v."
/* COMMAND_LINE_SIZE of x86 without its zero: what is longer was cut by the kernel without a word.
 */
#define CMDLINE_MAX 2047

static const struct p2v_opt *row_find(struct p2v_span name)
{
	for (const struct p2v_opt *o = ui_settings_cmd.opts; o->name; o++)
		if (p2v_span_eq(name, o->name))
			return o;
	return NULL;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next word without its quotes: malloc'd, NULL at the end of the text. A quote that does not
 * end is P2V_EINVAL, as the kernel takes the rest of the line for the value then. */
static int word_next(struct p2v_span *rest, char **ret, struct p2v_err *err)
{
	bool quoted = false;
	size_t n = 0, taken = 0;
	char *word;

	while (rest->n && blank(*rest->p))
		*rest = p2v_span_skip(*rest, 1);
	*ret = NULL;
	if (!rest->n)
		return 0;
	word = malloc(rest->n + 1);
	if (!word)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	for (; taken < rest->n && (quoted || !blank(rest->p[taken])); taken++) {
		if (rest->p[taken] == '"')
			quoted = !quoted;
		else
			word[n++] = rest->p[taken];
	}
	word[n] = '\0';
	*rest = p2v_span_skip(*rest, taken);
	if (quoted || strlen(word) != n) {
		free(word);
		return p2v_err_set(
			err, P2V_EINVAL, quoted ? "a quote is not closed" : "it holds a zero byte");
	}
	*ret = word;
	return 0;
}

/* NULL: taken back. "" for a flag. */
static const char *value_of(const struct p2v_opt *row, const char *text, struct p2v_err *err)
{
	if (row->kind != P2V_OPT_FLAG)
		return text && *text ? text : NULL;
	if (!text || strcmp(text, "yes") == 0 || strcmp(text, "1") == 0)
		return "";
	if (*text && strcmp(text, "no") != 0 && strcmp(text, "0") != 0)
		p2v_err_set(err, P2V_EINVAL, PREFIX "%s '%.40s' is neither yes nor no", row->name,
			text);
	return NULL;
}

static int saying_add(
	struct ui_said *said, const struct p2v_opt *row, const char *value, struct p2v_err *err)
{
	struct ui_saying one = {strdup(row->name), value ? strdup(value) : NULL, said->layer};
	struct ui_saying *slot = NULL;

	if (one.name && (one.value || !value))
		slot = p2v_json_grow((void **)&said->items, &said->n_items, sizeof(*slot));
	if (slot) {
		*slot = one;
		return 0;
	}
	free(one.name);
	free(one.value);
	return p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

int ui_said_add_word(struct ui_said *said, const char *word, struct p2v_err *err)
{
	const char *equals = strchr(word, '=');
	struct p2v_span name = p2v_span_of(word, equals ? (size_t)(equals - word) : strlen(word));
	const struct p2v_opt *row = row_find(name);
	struct p2v_err wrong = {0};
	const char *value;

	if (!row)
		return p2v_err_set(err, P2V_EINVAL, "there is no setting " PREFIX "%.*s",
			(int)(name.n < 40 ? name.n : 40), name.p);
	if (!equals && row->kind != P2V_OPT_FLAG)
		return p2v_err_set(err, P2V_EINVAL, PREFIX "%s needs a value", row->name);
	value = value_of(row, equals ? equals + 1 : NULL, &wrong);
	if (!wrong.kind && value && row->kind != P2V_OPT_FLAG)
		ui_setting_check(row->name, value, &wrong);
	if (wrong.kind)
		return p2v_err_set(err, wrong.kind, "%s", wrong.text);
	return saying_add(said, row, value, err);
}

/* All words of a text: those with the prefix, or (any) all. */
static int words_add(struct ui_said *said, struct p2v_span text, bool any, struct p2v_err *err)
{
	for (;;) {
		p2v_autofree char *word = NULL;
		int r = word_next(&text, &word, err);
		bool ours;

		if (r < 0 || !word)
			return r;
		if (any && word[0] == '#')
			return 0;
		ours = strncmp(word, PREFIX, strlen(PREFIX)) == 0;
		if (ours || any)
			r = ui_said_add_word(said, word + (ours ? strlen(PREFIX) : 0), err);
		if (r < 0)
			return r;
	}
}

/* Takes back what was added since there were n. */
static int layer_drop(struct ui_said *said, size_t n, const char *what, struct p2v_err *err, int r)
{
	while (said->n_items > n) {
		struct ui_saying *one = &said->items[--said->n_items];

		free(one->name);
		free(one->value);
	}
	said->layer--;
	return p2v_err_wrap(err, r, "%s", what);
}

int ui_said_add_cmdline(
	struct ui_said *said, const char *what, struct p2v_span text, struct p2v_err *err)
{
	size_t n = said->n_items;
	int r;

	said->layer++;
	r = p2v_span_trim(text).n < CMDLINE_MAX
		    ? words_add(said, text, false, err)
		    : p2v_err_set(err, P2V_EINVAL,
			      "it has %d bytes or more, and the kernel keeps no more: put settings "
			      "into a file (p2v.config)",
			      CMDLINE_MAX);
	return r < 0 ? layer_drop(said, n, what, err, r) : 0;
}

/* ---- files ---- */

static bool same_text(struct p2v_span want, const char *have)
{
	return have && strlen(have) == want.n && strncasecmp(want.p, have, want.n) == 0;
}

static bool is_all(const struct machine *m, struct p2v_span want)
{
	(void)m;
	return want.n == 0;
}

static bool is_mac(const struct machine *m, struct p2v_span want)
{
	for (size_t i = 0; m && i < m->n_nics; i++)
		if (same_text(want, m->nics[i].mac))
			return true;
	return false;
}

static bool is_serial(const struct machine *m, struct p2v_span want)
{
	return m && same_text(want, m->serial);
}

static bool is_uuid(const struct machine *m, struct p2v_span want)
{
	return m && same_text(want, m->uuid);
}

/* Of the shape of `like`, in which '0' stands for a hexadecimal digit; NULL: of any. */
static bool is_like(struct p2v_span text, const char *like)
{
	if (like && text.n != strlen(like))
		return false;
	for (size_t i = 0; like && i < text.n; i++)
		if (like[i] == '0' ? !isxdigit((unsigned char)text.p[i]) : text.p[i] != like[i])
			return false;
	return true;
}

/* What is not like that is no machine's, and would be passed over by all of them. */
static const struct {
	const char *word;
	bool (*matches)(const struct machine *m, struct p2v_span want);
	const char *like;
} kinds[] = {{"all", is_all, NULL}, {"mac", is_mac, "00:00:00:00:00:00"},
	{"serial", is_serial, NULL}, {"uuid", is_uuid, "00000000-0000-0000-0000-000000000000"}};

/* line: "[mac 00:11:22:33:44:55]" */
struct section {
	bool ours, single, told; /* single, told: as ui_said's tells_apart and told */
};

static int section_read(
	struct p2v_span line, const struct machine *m, struct section *s, struct p2v_err *err)
{
	struct p2v_span want, inside = p2v_span_until(p2v_span_skip(line, 1), ']', &want);
	struct p2v_span kind = p2v_span_until(p2v_span_trim(inside), ' ', &want);

	want = p2v_span_trim(want);
	for (size_t i = 0; p2v_span_ends(line, "]") && i < P2V_N(kinds); i++) {
		if (!p2v_span_eq(kind, kinds[i].word) || (want.n == 0) != (i == 0))
			continue;
		if (!is_like(want, kinds[i].like))
			return p2v_err_set(err, P2V_EINVAL, "'%.*s' is not like [%s %s]",
				(int)(line.n < 60 ? line.n : 60), line.p, kinds[i].word,
				kinds[i].like);
		s->ours = kinds[i].matches(m, want);
		s->single = s->single || i > 0;
		s->told = s->told || (i > 0 && s->ours);
		return 0;
	}
	return p2v_err_set(err, P2V_EINVAL,
		"'%.*s' is none of [mac ...], [serial ...], [uuid ...], [all]",
		(int)(line.n < 60 ? line.n : 60), line.p);
}

/* The lines that are for m. What others are told must be right as well. */
static int lines_add(
	struct ui_said *said, struct p2v_span text, const struct machine *m, struct p2v_err *err)
{
	struct section section = {.ours = true};
	struct p2v_span line;
	int r = 0;

	for (size_t number = 1; r == 0 && p2v_line_next(&text, &line); number++) {
		line = p2v_span_trim(line);
		if (p2v_span_starts(line, "["))
			r = section_read(line, m, &section, err);
		else if (section.ours)
			r = words_add(said, line, true, err);
		else {
			ui_autosaid struct ui_said theirs = {0};

			r = words_add(&theirs, line, true, err);
		}
		if (r < 0)
			p2v_err_wrap(err, r, "line %zu", number);
	}
	if (r == 0) {
		said->tells_apart = said->tells_apart || section.single;
		said->told = said->told || section.told;
	}
	return r;
}

int ui_said_add_file(struct ui_said *said, const char *what, struct p2v_span text,
	const struct machine *m, struct p2v_err *err)
{
	size_t n = said->n_items;
	int r;

	said->layer++;
	r = lines_add(said, text, m, err);
	return r < 0 ? layer_drop(said, n, what, err, r) : 0;
}

void ui_said_finish(struct ui_said *said)
{
	for (size_t i = 0; i < said->n_items; i++) {
		free(said->items[i].name);
		free(said->items[i].value);
	}
	free(said->items);
	memset(said, 0, sizeof(*said));
}

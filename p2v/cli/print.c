/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/cli/print.h"

#include <stdio.h>
#include <stdlib.h>

#include "p2v/core/text.h"

/* Of well-formed UTF-8 of at most three bytes. */
static unsigned code_point(const unsigned char *p, size_t n)
{
	if (n == 1)
		return p[0];
	if (n == 2)
		return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
	return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
}

/* The encoder escapes what JSON must have escaped; the other control characters stand in strings
 * only, and are escaped here. */
int cli_print_json(const struct p2v_json_type *type, const void *noun, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf out = {0};
	int r = p2v_json_encode(type, noun, true, &out, err);

	for (size_t i = 0; r == 0 && i < out.len;) {
		const char *at = (const char *)out.data + i;
		size_t control = p2v_text_control_len(at, out.len - i);

		if (control && *at != '\n')
			printf("\\u%04x", code_point(out.data + i, control));
		else
			putchar(*at);
		i += control ? control : 1;
	}
	if (r < 0)
		return r;
	return fflush(stdout) == 0 ? 0 : p2v_err_set(err, P2V_EIO, "standard output: write failed");
}

static int string_make_printable(char **text, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf safe = {0};
	char *copy;

	if (!*text)
		return 0;
	p2v_text_add_escaped(&safe, *text);
	copy = p2v_buf_take_str(&safe);
	if (!copy)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	free(*text);
	*text = copy;
	return 0;
}

static int member_make_printable(const struct p2v_json_field *f, void *noun, struct p2v_err *err)
{
	char *at = (char *)noun + f->offset;
	size_t n = f->n_offset ? *(size_t *)(void *)((char *)noun + f->n_offset) : 0;
	int r = 0;

	if (f->kind == P2V_JSON_KIND_STR)
		return string_make_printable((char **)(void *)at, err);
	if (f->kind == P2V_JSON_KIND_OBJ)
		return cli_make_printable(f->type, at, err);
	for (size_t i = 0; r == 0 && f->kind == P2V_JSON_KIND_STRS && i < n; i++)
		r = string_make_printable(&(*(char ***)(void *)at)[i], err);
	for (size_t i = 0; r == 0 && f->kind == P2V_JSON_KIND_OBJS && i < n; i++)
		r = cli_make_printable(f->type, *(char **)(void *)at + i * f->type->size, err);
	return r;
}

int cli_make_printable(const struct p2v_json_type *type, void *noun, struct p2v_err *err)
{
	int r = 0;

	for (const struct p2v_json_field *f = type->fields; r == 0 && f->key; f++)
		r = member_make_printable(f, noun, err);
	return r;
}

void cli_print_text(const void *bytes, size_t n)
{
	const char *text = bytes;

	while (n > 0) {
		size_t good = p2v_text_utf8_len(text, n);
		size_t control = p2v_text_control_len(text, n);
		size_t len = control ? control : good ? good : 1;

		if ((good && !control) || *text == '\n' || *text == '\t')
			fwrite(text, 1, len, stdout);
		else
			for (size_t i = 0; i < len; i++)
				printf("\\x%02x", (unsigned char)text[i]);
		text += len;
		n -= len;
	}
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/cli/print.h"

#include <stdio.h>

int cli_print_json(const struct p2v_json_type *type, const void *noun, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf out = {0};
	int r = p2v_json_encode(type, noun, true, &out, err);

	if (r < 0)
		return r;
	fwrite(out.data, 1, out.len, stdout);
	return fflush(stdout) == 0 ? 0 : p2v_err_set(err, P2V_EIO, "standard output: write failed");
}

void cli_print_text(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++) {
		if ((p[i] < ' ' && p[i] != '\n' && p[i] != '\t') || p[i] == 0x7f)
			printf("\\x%02x", p[i]);
		else
			putchar(p[i]);
	}
}

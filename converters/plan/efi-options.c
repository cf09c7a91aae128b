/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What the firmware's own entries say to the kernels that they start. UEFI 2.10, 3.1.3: a load
 * option has attributes (4 bytes), the length of its device paths (2 bytes), a description in
 * UCS-2 that ends in 0, the paths, and then what the program is given: a kernel takes it as UCS-2.
 */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/plan/planning.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

#define MAX_OPTION_BYTES ((size_t)4096)

static bool is_entry(const char *name)
{
	return strlen(name) == 8 && strncmp(name, "Boot", 4) == 0 &&
	       isxdigit((unsigned char)name[4]) && isxdigit((unsigned char)name[7]);
}

/* Its arguments; what is no plain letter becomes a blank. */
static void read_arguments(const struct machine_efi_var *var, struct p2v_buf *out)
{
	const char *hex = plan_text(var->data_hex);
	uint8_t bytes[MAX_OPTION_BYTES];
	size_t n = strlen(hex) / 2;
	struct p2v_rd rd;

	if (n > sizeof(bytes) || p2v_unhex(hex, bytes, n, NULL) < 0)
		return;
	rd = p2v_rd_init(bytes, n);
	p2v_rd_le32(&rd);
	n = p2v_rd_le16(&rd);
	while (!rd.failed && p2v_rd_le16(&rd) != 0)
		;
	p2v_rd_bytes(&rd, n);
	while (!rd.failed && rd.left >= 2) {
		uint16_t c = p2v_rd_le16(&rd);

		p2v_buf_add_u8(out, c > ' ' && c < 0x7f ? (uint8_t)c : ' ');
	}
}

static bool is_hardware(struct p2v_span device)
{
	static const char *const prefixes[] = {"/dev/sd", "/dev/hd", "/dev/vd", "/dev/xvd",
		"/dev/nvme", "/dev/mmcblk", "/dev/cciss/", "/dev/disk/by-id/",
		"/dev/disk/by-path/"};

	for (size_t i = 0; i < P2V_N(prefixes); i++)
		if (p2v_span_starts(device, prefixes[i]))
			return true;
	return false;
}

bool plan_efi_root(const struct machine *m, char text[200])
{
	for (size_t i = 0; i < m->n_efi_vars; i++) {
		p2v_autobuf struct p2v_buf arguments = {0};
		struct p2v_span rest, word;

		if (is_entry(plan_text(m->efi_vars[i].name)))
			read_arguments(&m->efi_vars[i], &arguments);
		rest = p2v_span_of(arguments.data, arguments.len);
		while (p2v_word_next(&rest, &word))
			if (p2v_span_starts(word, "root=") && word.n < 200 &&
				is_hardware(p2v_span_skip(word, strlen("root=")))) {
				snprintf(text, 200, "%.*s", (int)word.n, word.p);
				return true;
			}
	}
	return false;
}

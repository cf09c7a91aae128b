/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A hive's header and the texts of its values: all that comes out is well-formed UTF-8. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/text.h"
#include "p2v/core/utf16.h"
#include "p2v/guest/hive.h"

static void check_utf8(const char *text)
{
	struct p2v_buf again = {0};

	p2v_text_add_utf8(&again, text);
	if (!again.failed && strcmp(again.data ? (char *)again.data : "", text) != 0)
		abort();
	p2v_buf_finish(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct guest_hive_names names = {0};
	struct p2v_buf text = {0}, back = {0};
	bool dirty;

	guest_hive_header(data, n, &dirty, NULL);
	p2v_utf16_to_utf8(data, n, n & 1, &text);
	p2v_buf_add(&text, "", 0);
	if (!text.failed) {
		check_utf8((char *)text.data);
		p2v_utf8_to_utf16le((char *)text.data, &back);
		/* Back again: as long as it was, up to its end. */
		if (!back.failed && back.len > n)
			abort();
	}
	if (guest_multi_sz_read(data, n, &names, NULL) == 0)
		for (size_t i = 0; i < names.n_items; i++)
			check_utf8(names.items[i]);
	guest_hive_names_finish(&names);
	p2v_buf_finish(&text);
	p2v_buf_finish(&back);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A guest's grub.cfg and /etc/default/grub: an edit done twice is an edit done once, and one that
 * finds nothing to do changes not a byte. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "converters/boot/boot.h"

static const char *const consoles[] = {"console=tty0", "console=ttyS0,115200n8"};
static const struct boot_edit add = {.add = consoles, .n_add = 2};
static const struct boot_edit nothing = {.from = "root=/dev/nothing\n", .to = "x"};

static struct p2v_span run(boot_edit_function *edit, struct p2v_span text,
	const struct boot_edit *e, struct p2v_buf *out)
{
	if (edit(text, e, out, NULL) < 0)
		abort();
	return p2v_span_of(out->data, out->len);
}

static void check(boot_edit_function *edit, struct p2v_span text)
{
	p2v_autobuf struct p2v_buf same = {0}, once = {0}, twice = {0};
	struct p2v_span edited;

	if (!p2v_span_same(run(edit, text, &nothing, &same), text))
		abort();
	edited = run(edit, text, &add, &once);
	if (!p2v_span_same(run(edit, edited, &add, &twice), edited))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct boot_loader *grub2 = boot_loader_find("grub2");
	struct p2v_span text = p2v_span_of(data, n);
	struct boot_menu menu = {0};

	if (grub2->parse(text, "1>2", &menu, NULL) == 0) {
		if (menu.default_entry > menu.n_entries)
			abort();
		boot_menu_finish(&menu);
	}
	check(grub2->edit_config, text);
	check(grub2->edit_source, text);
	return 0;
}

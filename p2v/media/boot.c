/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/media/parts.h"

/*
 * Both consoles at once; disks are looked for before the first program runs; nothing is assembled.
 * The second one is /dev/console.
 */
const char *media_kernel_words(void)
{
	return "console=ttyS0,115200n8 console=tty0 quiet loglevel=3 scsi_mod.scan=sync "
	       "raid=noautodetect";
}

static int packed_write(
	const struct media_build *b, struct media_list *l, const char *name, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(b->boot, name);
	p2v_autobuf struct p2v_buf bytes = {0};
	int r = path ? media_list_pack(l, &bytes, err)
		     : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	return r < 0 ? r : media_file_write(b, path, bytes.data, bytes.len, err);
}

/* zstd: the medium boots on machines whose processor would unpack xz for a minute. */
static int compress(
	const struct media_build *b, const char *from, const char *to, struct p2v_err *err)
{
	const char *const argv[] = {"zstd", "-q", "-10", "-T0", "-f", "--rm", from, "-o", to, NULL};

	return media_tool_run(b, argv, err);
}

static int system_make(struct media_build *b, struct p2v_err *err)
{
	media_autolist struct media_list l = {0};
	p2v_autofree char *plain = p2v_path_join(b->boot, "system.cpio");
	p2v_autofree char *packed = p2v_path_join(b->boot, "initrd.img");
	int r = plain && packed ? media_system_add(b, &l, err)
				: p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r == 0)
		r = media_modules_add(b, &l, err);
	if (r == 0)
		r = packed_write(b, &l, "system.cpio", err);
	p2v_progress_start(b->progress, "compressing the system", "steps", 0);
	return r < 0 ? r : compress(b, plain, packed, err);
}

static int config_make(const struct media_build *b, struct p2v_err *err)
{
	media_autolist struct media_list l = {0};
	int r = media_config_add(b->spec, &l, err);

	return r < 0 ? r : packed_write(b, &l, "config.img", err);
}

int media_boot_files_make(struct media_build *b, struct p2v_err *err)
{
	p2v_autofree char *to = p2v_path_join(b->boot, "vmlinuz");
	p2v_autofree char *from = NULL;
	/* What somebody gave is checked before the long part. */
	int r = config_make(b, err);

	if (r == 0)
		r = media_tree_fetch(b, err);
	if (r < 0)
		return r;
	p2v_progress_start(b->progress, "gathering the system", "steps", 0);
	from = p2v_strf("%s/boot/vmlinuz-%s", b->tree, b->kernel);
	r = from && to ? media_file_copy(b, from, to, err)
		       : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	return r < 0 ? r : system_make(b, err);
}

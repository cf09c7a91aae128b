/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files that name hardware, as an initramfs holds copies of them. The first byte chooses which. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "converters/inspect/inspection.h"
#include "p2v/core/cleanup.h"

static const char *const files[] = {"conf/conf.d/resume", "conf/param.conf",
	"conf/conf.d/cryptroot", "etc/crypttab", "etc/cmdline", "etc/mdadm.conf",
	"etc/lvm/lvm.conf", "etc/lvm/devices/system.devices", "etc/modprobe.d/x.conf",
	"etc/uswsusp.conf"};

/* One partition that may be meant. */
static int add_disk(struct facts *facts)
{
	struct facts_disk *d = p2v_json_grow((void **)&facts->disks, &facts->n_disks, sizeof(*d));
	struct facts_fs *f =
		p2v_json_grow((void **)&facts->filesystems, &facts->n_filesystems, sizeof(*f));

	if (!d || !f)
		return -1;
	d->id = strdup("disk0");
	*f = (struct facts_fs){.device = strdup("/dev/sda1"),
		.disk = strdup("disk0"),
		.part = 1,
		.kind = strdup("linux_raid_member"),
		.uuid = strdup("3aaa0122-2982-7cfa-5331-ad66ca767371")};
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct facts facts = {.version = 1};
	struct facts_os *os = p2v_json_grow((void **)&facts.systems, &facts.n_systems, sizeof(*os));
	struct p2v_err err = {0};
	struct inspection in = {.facts = &facts, .os = os, .err = &err};

	if (!os || add_disk(&facts) < 0)
		abort();
	if (n)
		inspect_refs_inside(&in, "/boot/initrd.img", files[data[0] % P2V_N(files)],
			p2v_span_of(data + 1, n - 1));
	for (size_t i = 0; i < os->n_refs; i++)
		if (!os->refs[i].path || !os->refs[i].what || !os->refs[i].text ||
			!os->refs[i].stable || !os->refs[i].line)
			abort();
	model_facts_finish(&facts);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "converters/plan/planning.h"
#include "p2v/core/num.h"
#include "p2v/model/check.h"

/* FNV-1a: only to spread names over addresses; nobody is kept from choosing one. */
static uint64_t spread(const char *text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (const char *p = text; *p; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	return h;
}

static void add_nic(struct planning *p, struct machine *m, const char *seed)
{
	struct machine_nic *n = plan_grow(p, (void **)&m->nics, &m->n_nics, sizeof(*n));
	uint64_t h = spread(seed);
	char mac[18];

	if (!n)
		return;
	/* 52:54:00 is QEMU's own part of the locally administered addresses. */
	snprintf(mac, sizeof(mac), "52:54:00:%02x:%02x:%02x", (unsigned)(h >> 16 & 0xff),
		(unsigned)(h >> 8 & 0xff), (unsigned)(h & 0xff));
	plan_set(p, &n->mac, mac);
	plan_set(p, &n->name, "");
}

static void add_disk(struct planning *p, struct machine *m, const struct image_disk *from)
{
	struct machine_disk *d = plan_grow(p, (void **)&m->disks, &m->n_disks, sizeof(*d));

	if (!d)
		return;
	plan_set(p, &d->id, from->id);
	plan_set(p, &d->path, from->path);
	plan_set(p, &d->bus, "file");
	d->size_bytes = from->size_bytes;
	d->logical_sector_bytes = from->logical_sector_bytes ? from->logical_sector_bytes : 512;
	d->physical_sector_bytes = d->logical_sector_bytes;
}

int plan_machine_default(const struct facts *facts, const struct image *image, struct machine *ret,
	struct p2v_err *err)
{
	static const struct facts_os none;
	const struct facts_os *os = facts->n_systems ? &facts->systems[0] : &none;
	struct machine m = {.version = 1,
		.memory_bytes = 2 * P2V_GIB,
		.cpus = 2,
		.sockets = 1,
		.cores_per_socket = 2};
	struct planning p = {.facts = facts, .err = err};
	const char *firmware = plan_is(os->bootloader.firmware, "uefi") ? "uefi" : "bios";
	const char *name = model_name_ok(os->hostname)	? os->hostname
			   : model_name_ok(image->name) ? image->name
							: "machine";

	plan_set(&p, &m.name, name);
	plan_set(&p, &m.arch, "x86_64");
	plan_set(&p, &m.firmware, firmware);
	plan_set(&p, &m.rtc, *plan_text(os->rtc) ? os->rtc : "utc");
	for (size_t i = 0; i < image->n_disks; i++)
		add_disk(&p, &m, &image->disks[i]);
	add_nic(&p, &m, *plan_text(os->machine_id) ? os->machine_id : name);
	if (p.r < 0) {
		model_machine_finish(&m);
		return p.r;
	}
	*ret = m;
	return 0;
}

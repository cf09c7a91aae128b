/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Something was not found: what on these disks nobody could look into, and what to do about it. */

#include <ctype.h>

#include "converters/plan/planning.h"
#include "p2v/core/cleanup.h"

/* Something of it is among the file systems. */
static bool is_open(const struct facts *facts, const struct facts_fs *f)
{
	for (size_t i = 0; i < facts->n_filesystems; i++)
		if (plan_is(facts->filesystems[i].parent, f->device))
			return true;
	return false;
}

/* The digits of two UUIDs, whatever stands between them. */
static bool same_digits(const char *a, const char *b)
{
	for (; *a || *b; a++, b++) {
		while (*a && !isxdigit((unsigned char)*a))
			a++;
		while (*b && !isxdigit((unsigned char)*b))
			b++;
		/* 'A' and 'a' differ by that bit, and digits have it. */
		if ((*a | 0x20) != (*b | 0x20) || !*a || !*b)
			return *a == *b;
	}
	return true;
}

static bool is_started(const struct facts *facts, const struct facts_fs *f)
{
	for (size_t i = 0; i < facts->n_filesystems; i++)
		if (facts->filesystems[i].array_uuid &&
			same_digits(facts->filesystems[i].array_uuid, plan_text(f->uuid)))
			return true;
	return false;
}

static bool has_volumes(const struct facts *facts, const struct facts_fs *f)
{
	(void)f;
	for (size_t i = 0; i < facts->n_filesystems; i++) {
		const struct facts_fs *v = &facts->filesystems[i];

		if (!*plan_text(v->disk) && !v->part && !v->array_uuid && !v->parent)
			return true;
	}
	return false;
}

static bool never(const struct facts *facts, const struct facts_fs *f)
{
	(void)facts;
	(void)f;
	return false;
}

static const struct {
	const char *kind;
	bool (*seen)(const struct facts *facts, const struct facts_fs *f);
	const char *words;
	bool key; /* one would open it */
} unseen[] = {
	{"BitLocker", is_open,
		"is encrypted by BitLocker: switch it off in Windows first, or give its recovery "
		"key",
		true},
	{"crypto_LUKS", is_open, "is encrypted (LUKS): give its passphrase", true},
	{"linux_raid_member", is_started,
		"is a part of an md array that does not start: give all of its disks", false},
	{"LVM2_member", has_volumes,
		"is a part of an LVM volume group of which nothing was found: give all of its "
		"disks",
		false},
	{"zfs_member", never, "holds ZFS, which cannot be read here", false},
	{"bcache", never, "is a bcache device: detach the cache on the old system first", false},
};

void plan_unseen(struct planning *p)
{
	for (size_t i = 0; i < p->facts->n_filesystems; i++) {
		const struct facts_fs *f = &p->facts->filesystems[i];

		for (size_t k = 0; k < P2V_N(unseen); k++)
			if (!plan_is(f->kind, unseen[k].kind) || unseen[k].seen(p->facts, f))
				continue;
			else if (unseen[k].key)
				plan_block(p, "%s: %s (--key %s:file:PATH)", f->device,
					unseen[k].words, *plan_text(f->uuid) ? f->uuid : f->device);
			else
				plan_block(p, "%s: %s", f->device, unseen[k].words);
	}
}

/* SPDX-License-Identifier: GPL-3.0-or-later */

/* What keeps a Windows from being converted, and what somebody should know before it is. */

#include <string.h>

#include "converters/plan/windows.h"
#include "p2v/core/cleanup.h"

/* What this room can do nothing for: 2000 and older, and what calls itself newer than it knows. */
static void check_version(struct planning *p)
{
	if (plan_windows_version(p) == 0)
		plan_block(p,
			"%s: which Windows it is cannot be read from its registry (SOFTWARE): it "
			"is "
			"damaged, or not whole. Restore it from a backup, or repair Windows first",
			p->os->root);
	else if (plan_windows_version(p) < 501)
		plan_block(p, "%s: %s (NT %u.%u) is too old: XP and later can be converted",
			p->os->root, p->os->pretty, plan_windows(p)->major, plan_windows(p)->minor);
}

static const struct facts_fs *find_fs(const struct planning *p, const char *device)
{
	for (size_t i = 0; i < p->facts->n_filesystems; i++)
		if (plan_is(p->facts->filesystems[i].device, device))
			return &p->facts->filesystems[i];
	return NULL;
}

/* What somebody can do whose Windows was caught in the middle of something. */
#define AGAIN                                                                                      \
	"Start Windows, shut it down with 'shutdown /s /t 0', and copy it again with p2v-agent "   \
	"--refresh, which sends only what has changed"

static void check_written_back(struct planning *p)
{
	const struct facts_windows *w = plan_windows(p);
	const struct facts_fs *root = find_fs(p, p->os->root);

	if (w->hibernated)
		plan_block(p,
			"%s: Windows is hibernated, as it is after each shutdown with Fast "
			"Startup: what is changed on the disk would be lost. " AGAIN,
			p->os->root);
	else if (root && root->unclean)
		plan_block(p,
			"%s: its file system was not unmounted, as after a power cut or while "
			"Windows runs: what stands in its log alone would be lost. " AGAIN,
			p->os->root);
	for (size_t i = 0; i < w->n_dirty; i++)
		plan_block(p,
			"%s: its registry (%s) was not written back in full, as after a power "
			"cut or while Windows runs. " AGAIN,
			p->os->root, w->dirty[i]);
	for (size_t i = 0; i < w->n_damaged; i++)
		plan_block(p,
			"%s: %s. Start Windows, which mends what it can, and shut it down with "
			"'shutdown /s /t 0'; if it does not start either, restore this file from a "
			"backup",
			p->os->root, w->damaged[i]);
}

/* Windows itself finds what lies on them; but its system is started from a plain partition only. */
static void check_volumes(struct planning *p)
{
	const struct facts_fs *root = find_fs(p, p->os->root);

	for (size_t i = 0; i < p->facts->n_filesystems; i++) {
		const struct facts_fs *f = &p->facts->filesystems[i];

		/* One sentence a disk. */
		if (!f->windows_volume ||
			(i && f[-1].windows_volume && plan_is(f[-1].disk, f->disk)))
			continue;
		if (root && plan_is(f->disk, root->disk))
			plan_block(p,
				"%s: Windows starts from a disk with %s (%s), which cannot be "
				"converted: move it to a basic disk first",
				p->os->root, f->windows_volume, f->device);
		else
			plan_warn(p, "%s: %s: Windows itself has to put it together again",
				f->device, f->windows_volume);
	}
}

static void warn_list(struct planning *p, const char *fmt, char *const *items, size_t n_items)
{
	for (size_t i = 0; i < n_items; i++)
		plan_warn(p, "%s: %s", fmt, items[i]);
}

static void warn_role(struct planning *p)
{
	const struct facts_windows *w = plan_windows(p);

	if (plan_is(w->role, "domain-controller"))
		plan_warn(p, "it is a domain controller: never let both the old one and the new "
			     "one run, and never go back to the old one once the new one ran");
	if (w->cluster)
		plan_warn(p, "it is a node of a failover cluster, whose shared disks and witness "
			     "a virtual machine does not have by itself");
	if (w->hyperv)
		plan_warn(p,
			"virtual machines run on it (Hyper-V): its virtual switches were bound "
			"to the old cards and have to be made anew, with the addresses that "
			"they have, and the new host has to let it run machines of its own");
	if (w->bitlocker)
		plan_warn(p, "its volume is encrypted by BitLocker: it will ask for the recovery "
			     "key once, since the old machine's TPM stays behind");
	if (plan_is(w->role, "client") && p->machine->vendor && w->major >= 6)
		plan_warn(p, "a licence that came with the machine (OEM) is bound to it: Windows "
			     "may ask to be activated again");
}

/* What the drivers of the medium want of the guest. */
static void warn_drivers(struct planning *p)
{
	static const char *const names[] = {"viostor", "vioscsi", "netkvm"};

	for (size_t i = 0; i < P2V_N(names); i++) {
		const struct target_driver *d = plan_windows_offer(p, names[i]);

		if (d && d->doubtful)
			plan_warn(p, "%s", plan_text(d->about));
	}
	if (plan_windows(p)->install_restricted && p->target->n_drivers)
		plan_warn(p, "a policy keeps new devices from being installed; it is taken away, "
			     "but one of a domain comes back: let the domain allow it");
}

void plan_windows_check(struct planning *p)
{
	const struct facts_windows *w = plan_windows(p);

	check_version(p);
	check_written_back(p);
	check_volumes(p);
	warn_role(p);
	warn_list(p, "Windows has something to finish at its next start", w->pending, w->n_pending);
	warn_list(p, "anti-virus software may keep new drivers from loading", w->antivirus,
		w->n_antivirus);
	warn_list(p, "a policy may keep drivers from loading or being installed", w->signing,
		w->n_signing);
	warn_drivers(p);
	if (w->staged)
		plan_warn(p, "an earlier conversion left work for its first start, which is "
			     "kept as it is");
}

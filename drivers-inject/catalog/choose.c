/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "drivers-inject/catalog/os.h"
#include "drivers-inject/catalog/windows.h"
#include "p2v/core/cleanup.h"

const char *const catalog_signing_words[] = {"unsigned", "self-issued", "sha1", "sha2"};

static const char *const doubt_texts[] = {
	[CATALOG_FITS] = "fits",
	[CATALOG_WANTS_SHA2_UPDATE] =
		"is signed with SHA-256: this Windows loads it only with KB3033929 or KB4474419",
	[CATALOG_WANTS_TEST_MODE] = "is signed by a certificate that vouches for itself: 64-bit "
				    "Windows loads it only in test mode",
	[CATALOG_WANTS_ROOT] = "is signed by a certificate that vouches for itself: Windows "
			       "installs it only where that is among its trusted roots, or "
			       "somebody agrees to it at the screen",
	[CATALOG_NOT_SIGNED] = "is not signed: 64-bit Windows does not load it",
	[CATALOG_FILE_MISSING] = "has no driver file beside it",
	[CATALOG_OTHER_MACHINE] = "has a driver file for another processor",
};

static bool is_said(const struct catalog_os *os)
{
	return os->major != 0;
}

/* What a variant is for; where the .inf does not say it, what its place says. */
static struct catalog_os meant_for(const struct catalog_driver *d, const struct catalog_variant *v)
{
	struct catalog_os os = v->os;

	if (is_said(&os) || !is_said(&d->dir))
		return os;
	os = d->dir;
	os.arch = v->os.arch;
	os.product = 0; /* the same files lie in the directories of clients and servers */
	return os;
}

/* A place for a later Windows, or for another processor, is not for this one. */
static bool place_fits(const struct catalog_os *dir, const struct catalog_guest *guest)
{
	struct catalog_os os = *dir;

	if (os.arch < 0)
		os.arch = guest->arch;
	os.product = 0;
	return catalog_os_fits(&os, guest);
}

static const struct catalog_service *function_of(const struct catalog_variant *v)
{
	for (size_t i = 0; i < v->n_devices; i++)
		for (size_t k = 0; k < v->n_services; k++)
			if (strcasecmp(v->services[k].name, v->devices[i].service) == 0)
				return &v->services[k];
	return NULL;
}

static const struct catalog_file *binary_of(
	const struct catalog_variant *v, const struct catalog_service *s)
{
	const char *base = s ? strrchr(s->binary, '\\') : NULL;

	for (size_t i = 0; base && i < v->n_files; i++)
		if (strcasecmp(v->files[i].name, base + 1) == 0)
			return &v->files[i];
	return NULL;
}

static int doubt_of(const struct catalog_pick *p, const struct catalog_guest *guest)
{
	/* 64-bit Windows checks since Vista; 32-bit ones and test mode let everything pass. */
	bool checks = guest->arch != CATALOG_X86 && guest->major >= 6 && !guest->test_signing;

	if (!p->service)
		return CATALOG_FITS;
	if (!p->binary || !p->binary->path)
		return CATALOG_FILE_MISSING;
	if (p->driver->machine != guest->arch)
		return CATALOG_OTHER_MACHINE;
	if (checks && p->driver->signing == CATALOG_UNSIGNED)
		return CATALOG_NOT_SIGNED;
	if (checks && p->driver->signing == CATALOG_SELF_ISSUED)
		return CATALOG_WANTS_TEST_MODE;
	if (checks && p->driver->signing == CATALOG_SHA2 && guest->major == 6 && guest->minor <= 1)
		return CATALOG_WANTS_SHA2_UPDATE;
	if (p->driver->signing == CATALOG_SELF_ISSUED && guest->major >= 6)
		return CATALOG_WANTS_ROOT;
	return CATALOG_FITS;
}

bool catalog_pick_usable(const struct catalog_pick *p)
{
	return p->doubt == CATALOG_FITS || p->doubt == CATALOG_WANTS_SHA2_UPDATE ||
	       p->doubt == CATALOG_WANTS_ROOT;
}

/* 0 where the place does not name a Windows; more the better it names the guest. */
static int place_rank(const struct catalog_os *dir, const struct catalog_guest *guest)
{
	struct catalog_os it = {.major = guest->major, .minor = guest->minor};

	if (!is_said(dir))
		return 0;
	if (catalog_os_compare(dir, &it) != 0)
		return 1;
	if (dir->product && (dir->product == CATALOG_CLIENT) == guest->server)
		return 2;
	return 3;
}

static int compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_versions(const struct catalog_driver *a, const struct catalog_driver *b)
{
	int order = 0;

	for (size_t i = 0; order == 0 && i < P2V_N(a->date); i++)
		order = compare_u64(a->date[i], b->date[i]);
	for (size_t i = 0; order == 0 && i < P2V_N(a->version); i++)
		order = compare_u64(a->version[i], b->version[i]);
	return order;
}

/* Above 0: a is the better one. The header tells the order. */
static int compare_picks(const struct catalog_pick *a, const struct catalog_pick *b,
	const struct catalog_guest *guest)
{
	struct catalog_os for_a = meant_for(a->driver, a->variant);
	struct catalog_os for_b = meant_for(b->driver, b->variant);
	int order = catalog_os_compare(&for_a, &for_b);

	if (order == 0)
		order = place_rank(&a->driver->dir, guest) - place_rank(&b->driver->dir, guest);
	if (order == 0)
		order = compare_u64(a->driver->dir.build, b->driver->dir.build);
	if (order == 0)
		order = compare_u64(for_a.product != 0, for_b.product != 0);
	if (order == 0)
		order = compare_u64(for_a.build, for_b.build);
	if (order == 0)
		order = catalog_pick_usable(a) - catalog_pick_usable(b);
	return order ? order : compare_versions(a->driver, b->driver);
}

static struct catalog_pick make_pick(const struct catalog_driver *d,
	const struct catalog_variant *v, const struct catalog_guest *guest)
{
	struct catalog_pick p = {.driver = d, .variant = v};

	p.service = function_of(v);
	p.binary = binary_of(v, p.service);
	p.by_directory = !is_said(&v->os) && is_said(&d->dir);
	p.doubt = doubt_of(&p, guest);
	return p;
}

static void consider(const struct catalog_driver *d, const struct catalog_guest *guest,
	struct catalog_pick *best)
{
	if (!place_fits(&d->dir, guest))
		return;
	for (size_t i = 0; i < d->n_variants; i++) {
		const struct catalog_variant *v = &d->variants[i];
		const struct catalog_os os = meant_for(d, v);
		struct catalog_pick p;

		if (v->n_devices == 0 || !catalog_os_fits(&os, guest))
			continue;
		p = make_pick(d, v, guest);
		if (!best->driver || compare_picks(&p, best, guest) > 0)
			*best = p;
	}
}

int catalog_choose(const struct catalog_media *m, const char *name,
	const struct catalog_guest *guest, struct catalog_pick *ret, struct p2v_err *err)
{
	struct catalog_pick best = {0};
	bool any = false;

	for (size_t i = 0; i < m->n_drivers; i++)
		if (strcasecmp(m->drivers[i].name, name) == 0) {
			any = true;
			consider(&m->drivers[i], guest, &best);
		}
	if (!best.driver)
		return p2v_err_set(err, P2V_ENOTFOUND, "%s: %s: %s %s Windows %u.%u.%u, %s",
			m->path, name, any ? "none of its drivers is for" : "no driver for",
			guest->server ? "a server's" : "a client's", guest->major, guest->minor,
			guest->build, catalog_arch_words[guest->arch]);
	*ret = best;
	return 0;
}

void catalog_pick_describe(
	const struct catalog_pick *p, const struct catalog_guest *guest, struct p2v_buf *out)
{
	p2v_buf_addf(out, "%s (%u.%u.%u.%u) for Windows %u.%u.%u %s %s", p->driver->inf,
		p->driver->version[0], p->driver->version[1], p->driver->version[2],
		p->driver->version[3], guest->major, guest->minor, guest->build,
		catalog_arch_words[guest->arch], doubt_texts[p->doubt]);
	if (p->by_directory)
		p2v_buf_add_str(
			out, "; that it is for this Windows, its directory says, not the .inf");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **catalog_names(const struct catalog_media *m)
{
	const char **names = calloc(m->n_drivers + 1, sizeof(*names));
	size_t n = 0;

	if (!names)
		return NULL;
	for (size_t i = 0; i < m->n_drivers; i++)
		names[i] = m->drivers[i].name;
	if (m->n_drivers)
		qsort(names, m->n_drivers, sizeof(*names), by_name);
	for (size_t i = 0; i < m->n_drivers; i++)
		if (n == 0 || strcmp(names[n - 1], names[i]) != 0)
			names[n++] = names[i];
	names[n] = NULL;
	return names;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/cli/windows-media.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/publish.h"
#include "p2v/link/http.h"

#define FETCH_MS     (60 * 60 * 1000)
#define FETCH_BYTES  ((size_t)4 << 30)
#define DIGEST_START "sha256:"

/* The packages of Fedora and RHEL. */
static const char *const places[] = {
	"/usr/share/virtio-win/virtio-win.iso", "/usr/share/virtio-win"};

/* ---- where it is ---- */

static bool is_url(const char *where)
{
	return strncasecmp(where, "http://", 7) == 0 || strncasecmp(where, "https://", 8) == 0;
}

static char *cache_dir(void)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (xdg && *xdg == '/')
		return p2v_strf("%s/p2v", xdg);
	if (geteuid() == 0 || !home || *home != '/')
		return strdup("/var/cache/p2v");
	return p2v_strf("%s/.cache/p2v", home);
}

static int check_digest(const char *digest, struct p2v_err *err)
{
	uint8_t bytes[32];

	if (!digest)
		return p2v_err_set(err, P2V_EINVAL,
			"--virtio-win: what is fetched from an address has to be known: say "
			"--virtio-win-digest " CLI_MEDIA_DIGEST_ARG);
	if (strncmp(digest, DIGEST_START, strlen(DIGEST_START)) != 0 ||
		p2v_unhex(digest + strlen(DIGEST_START), bytes, sizeof(bytes), NULL) < 0)
		return p2v_err_set(err, P2V_EINVAL,
			"--virtio-win-digest: '%s' is not " CLI_MEDIA_DIGEST_ARG, digest);
	return 0;
}

static int fetch_to(
	const char *dir, const char *name, const struct link_http_spec *spec, struct p2v_err *err)
{
	p2v_autofree char *temporary = p2v_strf("%s/.%s.%ld", dir, name, (long)getpid());
	p2v_autofree char *path = p2v_path_join(dir, name);
	p2v_autoclose int fd = -1;
	int r;

	if (!temporary || !path)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return p2v_err_errno(err, errno, "%s", temporary);
	r = link_http_fetch(spec, fd, err);
	if (r == 0 && (fsync(fd) < 0 || rename(temporary, path) < 0))
		r = p2v_err_errno(err, errno, "%s", path);
	if (r < 0)
		unlink(temporary);
	return r;
}

/* By its digest: what is there under that name is what was meant. */
static int fetch(const char *url, const char *digest, char **ret, struct p2v_err *err)
{
	struct link_http_spec spec = {
		.url = url, .digest = digest, .max_bytes = FETCH_BYTES, .timeout_ms = FETCH_MS};
	p2v_autofree char *dir = cache_dir(), *name = NULL, *path = NULL;
	int r = check_digest(digest, err);

	if (r < 0)
		return r;
	name = p2v_strf("virtio-win-%s.iso", digest + strlen(DIGEST_START));
	path = dir && name ? p2v_path_join(dir, name) : NULL;
	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (!p2v_file_exists(path)) {
		r = p2v_dir_make(dir, 0755, err);
		if (r == 0)
			r = fetch_to(dir, name, &spec, err);
	}
	if (r == 0)
		*ret = p2v_steal(path);
	return r < 0 ? p2v_err_wrap(err, r, "--virtio-win") : 0;
}

static int open_default(struct catalog_media **ret)
{
	*ret = NULL;
	for (size_t i = 0; i < P2V_N(places); i++)
		if (p2v_file_exists(places[i]) && catalog_media_open(places[i], ret, NULL) == 0)
			return 0;
	return 0;
}

int cli_media_open(
	const char *where, const char *digest, struct catalog_media **ret, struct p2v_err *err)
{
	p2v_autofree char *fetched = NULL;
	int r = 0;

	if (!where)
		return open_default(ret);
	if (is_url(where))
		r = fetch(where, digest, &fetched, err);
	if (r < 0)
		return r;
	r = catalog_media_open(fetched ? fetched : where, ret, err);
	return r < 0 ? p2v_err_wrap(err, r, "--virtio-win") : 0;
}

/* ---- what it offers ---- */

static int catalog_arch_of(const char *arch)
{
	static const struct {
		const char *name;
		int arch;
	} rows[] = {{"x86_64", CATALOG_AMD64}, {"i686", CATALOG_X86}, {"aarch64", CATALOG_ARM64}};

	for (size_t i = 0; arch && i < P2V_N(rows); i++)
		if (strcmp(rows[i].name, arch) == 0)
			return rows[i].arch;
	return -1;
}

static const struct facts_os *find_windows(const struct facts *facts, const char *root)
{
	for (size_t i = 0; i < facts->n_systems; i++) {
		const struct facts_os *os = &facts->systems[i];

		if (os->n_windows && (!root || strcmp(os->root, root) == 0) &&
			catalog_arch_of(os->arch) >= 0)
			return os;
	}
	return NULL;
}

static char *copy(const char *text)
{
	return strdup(text ? text : "");
}

static bool add_texts(char *const *from, size_t n, char ***items, size_t *n_items)
{
	for (size_t i = 0; i < n; i++)
		if (p2v_json_add_str(items, n_items, from[i], NULL) < 0)
			return false;
	return true;
}

static bool fill(const struct catalog_pick *pick, const struct catalog_guest *guest,
	struct target_driver *to)
{
	const struct catalog_driver *d = pick->driver;
	p2v_autobuf struct p2v_buf about = {0};
	bool ok = true;

	catalog_pick_describe(pick, guest, &about);
	to->name = copy(d->name);
	to->inf = copy(d->inf);
	to->binary = copy(pick->binary ? pick->binary->path : NULL);
	to->service = copy(pick->service ? pick->service->name : NULL);
	to->class_guid = copy(d->class_guid);
	to->date = p2v_strf("%04u-%02u-%02u", d->date[0], d->date[1], d->date[2]);
	to->version =
		p2v_strf("%u.%u.%u.%u", d->version[0], d->version[1], d->version[2], d->version[3]);
	to->catalog = copy(d->catalog);
	to->publisher = copy(d->publisher.name);
	to->publisher_serial = copy(d->publisher.serial);
	to->about = p2v_buf_take_str(&about);
	to->usable = catalog_pick_usable(pick);
	to->doubtful = pick->doubt != CATALOG_FITS;
	for (size_t i = 0; ok && i < pick->variant->n_devices; i++)
		ok = add_texts(pick->variant->devices[i].ids, pick->variant->devices[i].n_ids,
			&to->ids, &to->n_ids);
	return ok && add_texts(d->package, d->n_package, &to->package, &to->n_package) &&
	       to->name && to->inf && to->binary && to->service && to->class_guid && to->date &&
	       to->version && to->catalog && to->publisher && to->publisher_serial && to->about;
}

static int offer(const struct catalog_media *m, const char *name, const struct catalog_guest *guest,
	struct target *target, struct p2v_err *err)
{
	struct catalog_pick pick;
	struct target_driver *d;
	int r = catalog_choose(m, name, guest, &pick, NULL);

	if (r == P2V_ENOTFOUND)
		return 0;
	d = r < 0 ? NULL : p2v_json_grow((void **)&target->drivers, &target->n_drivers, sizeof(*d));
	return d && fill(&pick, guest, d) ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

int cli_media_offer(const struct catalog_media *m, const struct facts *facts, struct target *target,
	struct p2v_err *err)
{
	const struct facts_os *os = m ? find_windows(facts, target->root) : NULL;
	p2v_autofree const char **names = os ? catalog_names(m) : NULL;
	struct catalog_guest guest;
	int r = 0;

	if (!os)
		return 0;
	guest = (struct catalog_guest){.arch = catalog_arch_of(os->arch),
		.major = os->windows->major,
		.minor = os->windows->minor,
		.build = os->windows->build,
		.server = os->windows->role && strcmp(os->windows->role, "client") != 0,
		.test_signing = os->windows->test_signing};
	target->media =
		m->label && *m->label ? p2v_strf("%s (%s)", m->path, m->label) : strdup(m->path);
	if (m->guest_agent[guest.arch])
		target->guest_agent = strdup(m->guest_agent[guest.arch]);
	if (!names || !target->media || (m->guest_agent[guest.arch] && !target->guest_agent))
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	for (size_t i = 0; r == 0 && names[i]; i++)
		r = offer(m, names[i], &guest, target, err);
	return r;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "drivers-inject/catalog/driver.h"
#include "drivers-inject/catalog/inf.h"
#include "drivers-inject/catalog/source.h"
#include "drivers-inject/catalog/windows.h"
#include "p2v/core/json.h"
#include "p2v/core/publish.h"

P2V_DEFINE_CLEANUP(struct catalog_media *, catalog_media_free);

/* Names that the guest agent's installer has had. */
static const struct {
	const char *name;
	int arch;
} agents[] = {
	{"qemu-ga-x86_64.msi", CATALOG_AMD64},
	{"qemu-ga-i386.msi", CATALOG_X86},
	{"qemu-ga-x64.msi", CATALOG_AMD64},
	{"qemu-ga-x86.msi", CATALOG_X86},
	{"rhev-qga64.msi", CATALOG_AMD64},
	{"rhev-qga.msi", CATALOG_X86},
};

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_inf(const char *path)
{
	size_t n = strlen(base_of(path));

	return n > 4 && strcasecmp(base_of(path) + n - 4, ".inf") == 0;
}

/* "sriov" has the driver of a card within the card, which stands in netkvm's way. */
static bool is_left_out(const char *path)
{
	return strcasestr(path, "sriov/") || strcasecmp(base_of(path), "vioprot.inf") == 0;
}

static int add_note(struct catalog_media *m, const char *path, const char *why, struct p2v_err *err)
{
	p2v_autofree char *note = p2v_strf("%s: %s", path, why);

	if (!note)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	return p2v_json_add_str(&m->notes, &m->n_notes, note, err);
}

static int read_inf(const struct catalog_media *m, const struct source_member *member,
	struct catalog_driver *ret, struct p2v_err *err)
{
	const struct source_member *body = source_body(m->source, member);
	struct inf inf = {0};
	int rc;

	if (!body || body->size_bytes > CATALOG_MAX_INF_BYTES)
		return p2v_err_set(
			err, P2V_EFORMAT, "larger than %zu bytes", CATALOG_MAX_INF_BYTES);
	rc = inf_parse(body->text.data, body->text.len, &inf, err);
	if (rc < 0)
		return rc;
	rc = driver_read(&inf, m->source, member->path, ret, err);
	inf_finish(&inf);
	return rc;
}

static int add_driver(
	struct catalog_media *m, const struct source_member *member, struct p2v_err *err)
{
	struct p2v_err why = {0};
	struct catalog_driver d = {0}, *row;
	int rc;

	if (m->n_drivers == CATALOG_MAX_DRIVERS)
		return p2v_err_set(
			err, P2V_EFORMAT, "more than %zu .inf files", CATALOG_MAX_DRIVERS);
	rc = read_inf(m, member, &d, &why);
	if (rc == P2V_ENOMEM)
		return p2v_err_set(err, rc, "%s", why.text);
	if (rc < 0)
		return add_note(m, member->path, why.text, err);
	row = p2v_json_grow((void **)&m->drivers, &m->n_drivers, sizeof(*row));
	if (!row) {
		driver_finish(&d);
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	}
	*row = d;
	return 0;
}

/* The first of each architecture. */
static int note_agent(
	struct catalog_media *m, const struct source_member *member, struct p2v_err *err)
{
	for (size_t i = 0; i < P2V_N(agents); i++) {
		char **slot = &m->guest_agent[agents[i].arch];

		if (*slot || strcasecmp(base_of(member->path), agents[i].name) != 0)
			continue;
		*slot = strdup(member->path);
		if (!*slot)
			return p2v_err_set(err, P2V_ENOMEM, "no memory");
	}
	return 0;
}

static int read_rows(struct catalog_media *m, struct p2v_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->source->n_members; i++) {
		const struct source_member *member = &m->source->members[i];

		if (is_inf(member->path) && !is_left_out(member->path))
			rc = add_driver(m, member, err);
		else
			rc = note_agent(m, member, err);
	}
	if (rc == 0 && m->n_drivers == 0)
		rc = p2v_err_set(err, P2V_EREFUSED, "no Windows drivers in it%s%s",
			m->n_notes ? "; " : "", m->n_notes ? m->notes[0] : "");
	return rc;
}

int catalog_media_open(const char *path, struct catalog_media **ret, struct p2v_err *err)
{
	p2v_auto(catalog_media_free) struct catalog_media *m = calloc(1, sizeof(*m));
	int rc;

	if (!m || !(m->path = strdup(path)))
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	rc = source_open(path, &m->source, &m->label, err);
	if (rc == 0)
		rc = read_rows(m, err);
	if (rc < 0)
		return p2v_err_wrap(err, rc, "%s", path);
	*ret = p2v_steal(m);
	return 0;
}

void catalog_media_free(struct catalog_media *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_drivers; i++)
		driver_finish(&m->drivers[i]);
	free(m->drivers);
	for (size_t i = 0; i < CATALOG_ARCHES; i++)
		free(m->guest_agent[i]);
	for (size_t i = 0; i < m->n_notes; i++)
		free(m->notes[i]);
	free(m->notes);
	free(m->path);
	free(m->label);
	source_free(m->source);
	free(m);
}

int catalog_media_read(const struct catalog_media *m, const char *path, size_t max_bytes,
	struct p2v_buf *ret, struct p2v_err *err)
{
	int rc = source_read(m->source, path, max_bytes, ret, err);

	return rc < 0 ? p2v_err_wrap(err, rc, "%s", m->path) : 0;
}

int catalog_certificate_read(
	const struct catalog_media *m, const char *path, struct p2v_buf *ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf bytes = {0};
	struct catalog_publisher who;
	struct p2v_span certificate;
	int rc = catalog_media_read(m, path, CATALOG_MAX_FILE_BYTES, &bytes, err);

	if (rc < 0)
		return rc;
	if (!pe_publisher_of(bytes.data, bytes.len, &who, &certificate))
		return p2v_err_set(err, P2V_EFORMAT, "%s: %s: has no signature that could be read",
			m->path, path);
	p2v_buf_add(ret, certificate.p, certificate.n);
	return p2v_buf_check(ret, err);
}

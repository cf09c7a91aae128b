/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "drivers-inject/catalog/driver.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers-inject/catalog/os.h"
#include "p2v/core/json.h"
#include "p2v/core/publish.h"

int driver_dup(const char *text, bool upper, char **ret, struct p2v_err *err)
{
	char *copy = strdup(text ? text : "");

	if (!copy)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	for (char *p = copy; upper && *p; p++)
		*p = (char)toupper((unsigned char)*p);
	*ret = copy;
	return 0;
}

/* DriverVer = 07/21/2023,63.93.104.24000; what is not written so stays zero. */
static void read_driver_ver(const struct inf_section *version, struct catalog_driver *d)
{
	struct p2v_span rest = p2v_span_str(inf_value(version, "DriverVer", 1));
	struct p2v_span year = p2v_span_str(inf_value(version, "DriverVer", 0));
	struct p2v_span month = p2v_span_until(year, '/', &year);
	struct p2v_span day = p2v_span_until(year, '/', &year);
	uint64_t y, m, n;

	if (p2v_span_u64(p2v_span_trim(year), 9999, &y) &&
		p2v_span_u64(p2v_span_trim(month), 12, &m) &&
		p2v_span_u64(p2v_span_trim(day), 31, &n)) {
		d->date[0] = (uint32_t)y;
		d->date[1] = (uint32_t)m;
		d->date[2] = (uint32_t)n;
	}
	for (size_t i = 0; i < P2V_N(d->version) && rest.n > 0; i++) {
		uint64_t v = 0;

		p2v_span_u64(p2v_span_trim(p2v_span_until(rest, '.', &rest)), UINT16_MAX, &v);
		d->version[i] = (uint16_t)v;
	}
}

/* CatalogFile, or the first that is decorated: CatalogFile.NTamd64 */
static const char *catalog_name(const struct inf_section *version)
{
	const char *plain = inf_value(version, "CatalogFile", 0);

	for (size_t i = 0; !plain && i < version->n_lines; i++) {
		const struct inf_line *line = &version->lines[i];

		if (line->key && strncasecmp(line->key, "CatalogFile.", 12) == 0)
			plain = inf_field(line, 0);
	}
	return plain;
}

static int read_head(const struct install_source *from, const char *path, struct catalog_driver *d,
	struct p2v_err *err)
{
	const struct inf_section *version = inf_section_find(from->inf, "Version");
	const char *base = strrchr(path, '/');
	const struct source_member *cat;
	int rc;

	base = base ? base + 1 : path;
	if (!version || !inf_value(version, "ClassGuid", 0))
		return p2v_err_set(err, P2V_EUNSUPPORTED, "not a driver: no class in [Version]");
	d->name = strndup(base, strlen(base) - strlen(".inf"));
	if (!d->name)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	for (char *p = d->name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	rc = driver_dup(path, false, &d->inf, err);
	if (rc == 0)
		rc = driver_dup(inf_value(version, "Class", 0), false, &d->class_name, err);
	if (rc == 0)
		rc = driver_dup(inf_value(version, "ClassGuid", 0), true, &d->class_guid, err);
	if (rc == 0)
		rc = driver_dup(inf_value(version, "Provider", 0), false, &d->provider, err);
	cat = catalog_name(version) ? install_file(from, catalog_name(version)) : NULL;
	if (rc == 0 && cat) {
		const struct source_member *body = source_body(from->source, cat);

		rc = driver_dup(cat->path, false, &d->catalog, err);
		if (body)
			d->publisher = body->publisher;
	}
	read_driver_ver(version, d);
	d->dir = catalog_os_of_path(path);
	return rc;
}

/* The Models section with that decoration, where it is there and for one of our processors. */
static int add_variant(const struct install_source *from, const char *models,
	const char *decoration, struct catalog_driver *d, struct p2v_err *err)
{
	p2v_autofree char *name = p2v_strf("%s%s%s", models, *decoration ? "." : "", decoration);
	const struct inf_section *section;
	struct catalog_variant *v;
	struct catalog_os os;
	int rc;

	if (!name)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	section = inf_section_find(from->inf, name);
	if (!section || !catalog_os_parse(p2v_span_str(decoration), &os))
		return 0;
	if (d->n_variants == DRIVER_MAX_VARIANTS)
		return p2v_err_set(
			err, P2V_EFORMAT, "more than %zu kinds of Windows", DRIVER_MAX_VARIANTS);
	v = p2v_json_grow((void **)&d->variants, &d->n_variants, sizeof(*v));
	if (!v)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	v->os = os;
	rc = driver_dup(decoration, false, &v->decoration, err);
	return rc < 0 ? rc : install_read(from, section, v, err);
}

/* %VENDOR% = VirtIO, NTamd64.6.1, NTamd64.10.0: [VirtIO] and one section for each decoration. */
static int read_variants(
	const struct install_source *from, struct catalog_driver *d, struct p2v_err *err)
{
	const struct inf_section *makers = inf_section_find(from->inf, "Manufacturer");
	int rc = 0;

	for (size_t i = 0; rc == 0 && makers && i < makers->n_lines; i++) {
		const struct inf_line *line = &makers->lines[i];
		const char *models = inf_field(line, 0);

		if (!*models)
			models = line->key ? line->key : "";
		rc = add_variant(from, models, "", d, err);
		for (size_t k = 1; rc == 0 && k < line->n_fields; k++)
			if (*line->fields[k])
				rc = add_variant(from, models, line->fields[k], d, err);
	}
	if (rc == 0 && d->n_variants == 0)
		rc = p2v_err_set(err, P2V_EUNSUPPORTED, "no devices for x86, amd64 or arm64");
	return rc;
}

static int add_package(struct catalog_driver *d, const char *path, struct p2v_err *err)
{
	for (size_t i = 0; i < d->n_package; i++)
		if (strcasecmp(d->package[i], path) == 0)
			return 0;
	if (d->n_package == DRIVER_MAX_FILES)
		return p2v_err_set(err, P2V_EFORMAT, "more than %zu files", DRIVER_MAX_FILES);
	return p2v_json_add_str(&d->package, &d->n_package, path, err);
}

static bool is_symbols(const char *path)
{
	size_t n = strlen(path);

	return n > 4 && strcasecmp(path + n - 4, ".pdb") == 0;
}

/* The .inf, its catalogue, and whatever a [SourceDisksFiles...] section names. */
static int read_package(
	const struct install_source *from, struct catalog_driver *d, struct p2v_err *err)
{
	int rc = add_package(d, d->inf, err);

	if (rc == 0 && d->catalog)
		rc = add_package(d, d->catalog, err);
	for (size_t i = 0; i < from->inf->n_sections; i++) {
		const struct inf_section *s = &from->inf->sections[i];

		if (strncasecmp(s->name, "SourceDisksFiles", 16) != 0)
			continue;
		for (size_t k = 0; rc == 0 && k < s->n_lines; k++) {
			const char *name = s->lines[k].key;
			const struct source_member *m = name ? install_file(from, name) : NULL;

			if (m && !is_symbols(m->path))
				rc = add_package(d, m->path, err);
		}
	}
	return rc;
}

/* Of the first driver file that is there. */
static void read_signing(const struct catalog_source *source, struct catalog_driver *d)
{
	d->machine = -1;
	for (size_t i = 0; i < d->n_variants; i++)
		for (size_t k = 0; k < d->variants[i].n_files; k++) {
			const char *path = d->variants[i].files[k].path;
			const struct source_member *m =
				path ? source_find(source, (struct p2v_span){0}, path) : NULL;

			m = m ? source_body(source, m) : NULL;
			if (!m || !m->is_pe)
				continue;
			d->machine = m->pe.machine;
			d->signing = m->pe.signing;
			return;
		}
}

int driver_read(const struct inf *inf, const struct catalog_source *source, const char *path,
	struct catalog_driver *ret, struct p2v_err *err)
{
	const char *slash = strrchr(path, '/');
	const struct install_source from = {
		.inf = inf,
		.source = source,
		.dir = p2v_span_of(path, slash ? (size_t)(slash - path) : 0),
	};
	struct catalog_driver d = {0};
	int rc = read_head(&from, path, &d, err);

	if (rc == 0)
		rc = read_variants(&from, &d, err);
	if (rc == 0)
		rc = read_package(&from, &d, err);
	if (rc < 0) {
		driver_finish(&d);
		return rc;
	}
	read_signing(source, &d);
	*ret = d;
	return 0;
}

static void free_strings(char **items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(items[i]);
	free(items);
}

static void variant_finish(struct catalog_variant *v)
{
	for (size_t i = 0; i < v->n_devices; i++) {
		free(v->devices[i].description);
		free(v->devices[i].section);
		free(v->devices[i].service);
		free_strings(v->devices[i].ids, v->devices[i].n_ids);
	}
	for (size_t i = 0; i < v->n_services; i++) {
		free(v->services[i].name);
		free(v->services[i].group);
		free(v->services[i].binary);
		free(v->services[i].display);
	}
	for (size_t i = 0; i < v->n_files; i++) {
		free(v->files[i].name);
		free(v->files[i].target);
		free(v->files[i].path);
	}
	free(v->devices);
	free(v->services);
	free(v->files);
	free(v->decoration);
}

void driver_finish(struct catalog_driver *d)
{
	free(d->name);
	free(d->inf);
	free(d->class_name);
	free(d->class_guid);
	free(d->provider);
	free(d->catalog);
	for (size_t i = 0; i < d->n_variants; i++)
		variant_finish(&d->variants[i]);
	free(d->variants);
	free_strings(d->package, d->n_package);
	*d = (struct catalog_driver){0};
}

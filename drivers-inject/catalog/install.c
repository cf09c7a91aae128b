/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "drivers-inject/catalog/driver.h"
#include "drivers-inject/catalog/os.h"
#include "p2v/core/json.h"
#include "p2v/core/publish.h"

#define ASSOCIATED_SERVICE 2 /* SPSVCINST_ASSOCSERVICE */

/* Directory numbers of an .inf that lie below %SystemRoot%. 13 is the driver store: what boots the
 * system lies with the other drivers. */
static const struct {
	const char *id, *path;
} places[] = {
	{"10", ""},
	{"11", "system32"},
	{"12", "system32\\drivers"},
	{"13", "system32\\drivers"},
	{"17", "inf"},
	{"50", "system"},
};

static int no_memory(struct p2v_err *err)
{
	return p2v_err_set(err, P2V_ENOMEM, "no memory");
}

static const char *place_find(struct p2v_span id)
{
	for (size_t i = 0; i < P2V_N(places); i++)
		if (p2v_span_eq(id, places[i].id))
			return places[i].path;
	return NULL;
}

/* It becomes a name on the medium and one in the guest. */
static bool is_plain_name(const char *name)
{
	return *name && strlen(name) < 256 && !strpbrk(name, "/\\:*?\"<>|%") &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool is_plain_path(const char *path)
{
	return strlen(path) < 256 && !strstr(path, "..") && !strpbrk(path, "/:*?\"<>|%");
}

/* The directory below the .inf's where the file is, "" for none. */
static char *source_dir(const struct install_source *from, const char *name)
{
	const char *sub = NULL;

	for (size_t i = 0; !sub && i < from->inf->n_sections; i++) {
		const struct inf_section *s = &from->inf->sections[i];

		if (strncasecmp(s->name, "SourceDisksFiles", 16) == 0)
			sub = inf_value(s, name, 1);
	}
	while (sub && (*sub == '\\' || *sub == '.'))
		sub++;
	if (!sub || !*sub || !is_plain_path(sub))
		return p2v_strf("%.*s", (int)from->dir.n, from->dir.p);
	return p2v_strf("%.*s%s%s", (int)from->dir.n, from->dir.p, from->dir.n ? "/" : "", sub);
}

const struct source_member *install_file(const struct install_source *from, const char *name)
{
	p2v_autofree char *dir = is_plain_name(name) ? source_dir(from, name) : NULL;
	const struct source_member *m;

	if (!dir)
		return NULL;
	for (char *p = dir; *p; p++)
		if (*p == '\\')
			*p = '/';
	m = source_find(from->source, p2v_span_str(dir), name);
	return m ? m : source_find(from->source, from->dir, name);
}

/* How well a section's decoration suits what the variant is for; below 0: not at all. */
static int suits(struct p2v_span decoration, const struct catalog_os *os, struct catalog_os *ret)
{
	struct catalog_guest like = {
		.arch = os->arch < 0 ? CATALOG_X86 : os->arch,
		.major = os->major,
		.minor = os->minor,
		.build = os->build,
		.server = os->product > CATALOG_CLIENT,
	};
	struct catalog_os it;
	bool said;

	if (!catalog_os_parse(decoration, &it))
		return -1;
	said = it.arch >= 0;
	if (!said)
		it.arch = like.arch;
	if (!catalog_os_fits(&it, &like))
		return -1;
	*ret = it;
	return said ? 2 : decoration.n > 0 ? 1 : 0;
}

/* Of [base], [base.NT], [base.NTamd64], ... the one that suits best, with the suffix behind. */
static const struct inf_section *find_install(
	const struct inf *inf, const char *base, const char *suffix, const struct catalog_os *os)
{
	const struct inf_section *best = NULL;
	struct catalog_os best_os = {0};
	size_t n_base = strlen(base), n_suffix = strlen(suffix);
	int best_rank = -1;

	for (size_t i = 0; i < inf->n_sections; i++) {
		const char *name = inf->sections[i].name;
		size_t n = strlen(name);
		struct p2v_span middle;
		struct catalog_os it = {0};
		int rank, order;

		if (n < n_base + n_suffix || strncasecmp(name, base, n_base) != 0 ||
			strcasecmp(name + n - n_suffix, suffix) != 0)
			continue;
		middle = p2v_span_of(name + n_base, n - n_base - n_suffix);
		if (middle.n > 0 && middle.p[0] != '.')
			continue;
		rank = suits(p2v_span_skip(middle, 1), os, &it);
		order = catalog_os_compare(&it, &best_os);
		if (rank < 0 || rank < best_rank || (rank == best_rank && order <= 0))
			continue;
		best = &inf->sections[i];
		best_os = it;
		best_rank = rank;
	}
	return best;
}

/* Where files of a CopyFiles section go: [DestinationDirs], "section = 12, subdirectory". */
static char *target_dir(const struct inf *inf, const char *section)
{
	const struct inf_section *dirs = inf_section_find(inf, "DestinationDirs");
	const char *id = inf_value(dirs, section, 0), *sub = inf_value(dirs, section, 1);
	const char *place;

	if (!id) {
		id = inf_value(dirs, "DefaultDestDir", 0);
		sub = inf_value(dirs, "DefaultDestDir", 1);
	}
	place = id && strcmp(id, "13") != 0 ? place_find(p2v_span_str(id)) : NULL;
	if (!place || (sub && !is_plain_path(sub)))
		return strdup("");
	return p2v_strf("%s%s%s\\", place, sub && *sub && *place ? "\\" : "", sub ? sub : "");
}

static int add_file(const struct install_source *from, const char *name, const char *source_name,
	const char *dir, struct catalog_variant *v, struct p2v_err *err)
{
	const struct source_member *m;
	struct catalog_file *f;

	if (!is_plain_name(name))
		return p2v_err_set(err, P2V_EFORMAT, "copies to a name that is none");
	for (size_t i = 0; i < v->n_files; i++)
		if (strcasecmp(v->files[i].name, name) == 0)
			return 0;
	if (v->n_files == DRIVER_MAX_FILES)
		return p2v_err_set(err, P2V_EFORMAT, "more than %zu files", DRIVER_MAX_FILES);
	f = p2v_json_grow((void **)&v->files, &v->n_files, sizeof(*f));
	if (!f)
		return no_memory(err);
	f->name = strdup(name);
	f->target = *dir ? p2v_strf("%s%s", *dir == '\\' ? dir + 1 : dir, name) : strdup("");
	if (!f->name || !f->target)
		return no_memory(err);
	m = install_file(from, *source_name ? source_name : name);
	if (!m)
		return 0;
	f->path = strdup(m->path);
	m = source_body(from->source, m);
	f->size_bytes = m ? m->size_bytes : 0;
	return f->path ? 0 : no_memory(err);
}

/* "@file", or a section of "file[, name on the medium]". */
static int copy_files(const struct install_source *from, const char *what,
	struct catalog_variant *v, struct p2v_err *err)
{
	bool one = what[0] == '@';
	const struct inf_section *list = one ? NULL : inf_section_find(from->inf, what);
	p2v_autofree char *dir = target_dir(from->inf, one ? "DefaultDestDir" : what);
	int rc = 0;

	if (!dir)
		return no_memory(err);
	if (one)
		return add_file(from, what + 1, "", dir, v, err);
	for (size_t i = 0; rc == 0 && list && i < list->n_lines; i++) {
		const struct inf_line *line = &list->lines[i];

		if (!line->key && *inf_field(line, 0))
			rc = add_file(from, inf_field(line, 0), inf_field(line, 1), dir, v, err);
	}
	return rc;
}

static int read_copies(const struct install_source *from, const struct inf_section *install,
	struct catalog_variant *v, struct p2v_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && install && i < install->n_lines; i++) {
		const struct inf_line *line = &install->lines[i];

		if (!line->key || strcasecmp(line->key, "CopyFiles") != 0)
			continue;
		for (size_t k = 0; rc == 0 && k < line->n_fields; k++)
			rc = copy_files(from, line->fields[k], v, err);
	}
	return rc;
}

/* "%12%\viostor.sys" -> "system32\drivers\viostor.sys"; "" for what is elsewhere. */
static char *binary_path(const char *text)
{
	struct p2v_span rest = p2v_span_str(text), id;
	p2v_autofree char *tail = NULL;
	const char *place;

	if (!p2v_span_starts(rest, "%"))
		return strdup("");
	id = p2v_span_until(p2v_span_skip(rest, 1), '%', &rest);
	place = place_find(id);
	while (p2v_span_starts(rest, "\\"))
		rest = p2v_span_skip(rest, 1);
	tail = p2v_span_dup(rest);
	if (!tail)
		return NULL;
	if (!place || !*tail || !is_plain_path(tail))
		return strdup("");
	return p2v_strf("%s%s%s", place, *place ? "\\" : "", tail);
}

static uint32_t number_of(const struct inf_section *s, const char *key)
{
	const char *text = inf_value(s, key, 0);

	return text ? inf_number(text) : 0;
}

/* AddService = viostor, 2, viostor_Service_Inst */
static int add_service(const struct inf *inf, const struct inf_line *line,
	struct catalog_variant *v, struct p2v_err *err)
{
	const struct inf_section *s = inf_section_find(inf, inf_field(line, 2));
	const char *binary = inf_value(s, "ServiceBinary", 0);
	struct catalog_service *service;
	int rc;

	for (size_t i = 0; i < v->n_services; i++)
		if (strcasecmp(v->services[i].name, inf_field(line, 0)) == 0)
			return 0;
	if (!is_plain_name(inf_field(line, 0)))
		return p2v_err_set(err, P2V_EFORMAT, "adds a service whose name is none");
	if (v->n_services == DRIVER_MAX_SERVICES)
		return p2v_err_set(err, P2V_EFORMAT, "more than %zu services", DRIVER_MAX_SERVICES);
	service = p2v_json_grow((void **)&v->services, &v->n_services, sizeof(*service));
	if (!service)
		return no_memory(err);
	service->type = number_of(s, "ServiceType");
	service->start = number_of(s, "StartType");
	service->error_control = number_of(s, "ErrorControl");
	service->function = inf_number(inf_field(line, 1)) & ASSOCIATED_SERVICE;
	service->binary = binary_path(binary ? binary : "");
	if (!service->binary)
		return no_memory(err);
	rc = driver_dup(inf_field(line, 0), false, &service->name, err);
	if (rc == 0)
		rc = driver_dup(inf_value(s, "LoadOrderGroup", 0), false, &service->group, err);
	if (rc == 0)
		rc = driver_dup(inf_value(s, "DisplayName", 0), false, &service->display, err);
	return rc;
}

/* The services of a section; the name of the one that drives the device. */
static int read_services(const struct inf *inf, const struct inf_section *services,
	struct catalog_variant *v, const char **ret_function, struct p2v_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && services && i < services->n_lines; i++) {
		const struct inf_line *line = &services->lines[i];

		/* ", 2": a device that needs no driver at all. */
		if (!line->key || strcasecmp(line->key, "AddService") != 0 || !*inf_field(line, 0))
			continue;
		rc = add_service(inf, line, v, err);
		if (rc == 0 && inf_number(inf_field(line, 1)) & ASSOCIATED_SERVICE)
			*ret_function = inf_field(line, 0);
	}
	return rc;
}

static int add_ids(const struct inf_line *line, struct catalog_device *device, struct p2v_err *err)
{
	int rc = 0;

	for (size_t i = 1; rc == 0 && i < line->n_fields; i++) {
		p2v_autofree char *id = NULL;

		if (!*line->fields[i])
			continue;
		if (device->n_ids == DRIVER_MAX_IDS)
			return p2v_err_set(err, P2V_EFORMAT,
				"more than %zu identifiers of a device", DRIVER_MAX_IDS);
		rc = driver_dup(line->fields[i], true, &id, err);
		if (rc == 0)
			rc = p2v_json_add_str(&device->ids, &device->n_ids, id, err);
	}
	return rc;
}

/* %description% = install section, hardware id, compatible id, ... */
static int add_device(const struct install_source *from, const struct inf_line *line,
	struct catalog_variant *v, struct p2v_err *err)
{
	const char *section = inf_field(line, 0), *function = "";
	struct catalog_device *device;
	int rc;

	if (v->n_devices == DRIVER_MAX_DEVICES)
		return p2v_err_set(err, P2V_EFORMAT, "more than %zu devices", DRIVER_MAX_DEVICES);
	device = p2v_json_grow((void **)&v->devices, &v->n_devices, sizeof(*device));
	if (!device)
		return no_memory(err);
	rc = driver_dup(line->key, false, &device->description, err);
	if (rc == 0)
		rc = driver_dup(section, false, &device->section, err);
	if (rc == 0)
		rc = add_ids(line, device, err);
	if (rc == 0)
		rc = read_copies(from, find_install(from->inf, section, "", &v->os), v, err);
	if (rc == 0)
		rc = read_services(from->inf, find_install(from->inf, section, ".Services", &v->os),
			v, &function, err);
	return rc < 0 ? rc : driver_dup(function, false, &device->service, err);
}

int install_read(const struct install_source *from, const struct inf_section *models,
	struct catalog_variant *v, struct p2v_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < models->n_lines; i++)
		if (models->lines[i].key && *inf_field(&models->lines[i], 0))
			rc = add_device(from, &models->lines[i], v, err);
	return rc;
}

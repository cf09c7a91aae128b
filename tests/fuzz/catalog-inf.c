/* SPDX-License-Identifier: GPL-3.0-or-later */

/* An .inf: what is understood stays within the bounds of its header, and the row of a driver that
 * comes of it is complete. */

#include <stdlib.h>
#include <string.h>

#include "drivers-inject/catalog/driver.h"
#include "p2v/core/cleanup.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const struct inf *inf)
{
	size_t lines = 0, fields = 0;

	for (size_t i = 0; i < inf->n_sections; i++) {
		if (!inf->sections[i].name)
			abort();
		lines += inf->sections[i].n_lines;
		for (size_t k = 0; k < inf->sections[i].n_lines; k++)
			fields += inf->sections[i].lines[k].n_fields;
	}
	if (lines > INF_MAX_LINES || fields > INF_MAX_FIELDS)
		abort();
}

static bool leads_up(const char *path)
{
	while (path) {
		size_t n = strcspn(path, "\\/");

		if (n == 2 && path[0] == '.' && path[1] == '.')
			return true;
		path = path[n] ? path + n + 1 : NULL;
	}
	return false;
}

/* A name becomes a file in the guest, a path one of the medium: none leads elsewhere. */
static void check_variant(const struct catalog_variant *v)
{
	if (v->n_files > DRIVER_MAX_FILES || v->n_services > DRIVER_MAX_SERVICES ||
		v->n_devices > DRIVER_MAX_DEVICES)
		abort();
	for (size_t i = 0; i < v->n_files; i++)
		if (strpbrk(v->files[i].name, "/\\:") || leads_up(v->files[i].target))
			abort();
	for (size_t i = 0; i < v->n_services; i++)
		if (!v->services[i].name || !v->services[i].binary ||
			leads_up(v->services[i].binary))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct catalog_source nothing = {.fd = -1};
	struct catalog_driver driver = {0};
	struct inf inf = {0};

	if (inf_parse(data, n, &inf, NULL) < 0)
		return 0;
	check_text(&inf);
	if (driver_read(&inf, &nothing, "viostor/w10/amd64/viostor.inf", &driver, NULL) == 0) {
		if (!driver.name || !driver.class_guid || !driver.n_variants ||
			driver.n_variants > DRIVER_MAX_VARIANTS)
			abort();
		for (size_t i = 0; i < driver.n_variants; i++)
			check_variant(&driver.variants[i]);
		driver_finish(&driver);
	}
	inf_finish(&inf);
	return 0;
}

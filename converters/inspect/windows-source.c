/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Drivers for a disk on IDE that the setup of XP and 2003 did not install, on a machine that had no
 * such disk: copies of them lie in the file system.
 *
 *	System32\dllcache, ServicePackFiles\i386      files
 *	Driver Cache\i386\sp3.cab ... driver.cab      cabinets, the newest first
 */

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "converters/inspect/windows.h"
#include "p2v/archive/iso.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

#define CAB_BYTES    ((uint64_t)512 << 20)
#define DRIVER_BYTES ((size_t)16 << 20)

static const char *const wanted[] = {"atapi", "intelide", "pciide"};
static const char *const folders[] = {"System32/dllcache", "ServicePackFiles/%s"};
static const char *const cabinets[] = {"Driver Cache/%s/sp4.cab", "Driver Cache/%s/sp3.cab",
	"Driver Cache/%s/sp2.cab", "Driver Cache/%s/sp1.cab", "Driver Cache/%s/driver.cab"};

static bool is_wanted(const struct windows *win, const char *driver)
{
	for (size_t i = 0; win->w->major == 5 && i < P2V_N(wanted); i++)
		if (strcmp(driver, wanted[i]) == 0)
			return true;
	return false;
}

/* As its directories spell it, where there is such a file; `shape` may have the processor's name in
 * it. */
static char *find(struct windows *win, const char *shape, const char *name)
{
	const char *arch = strcmp(win->in->os->arch, "x86_64") == 0 ? "amd64" : "i386";
	const char *at = strstr(shape, "%s");
	p2v_autofree char *folder =
		at ? p2v_strf("%.*s%s%s", (int)(at - shape), shape, arch, at + 2) : strdup(shape);
	p2v_autofree char *rest = folder && *name ? p2v_strf("%s/%s", folder, name) : NULL;
	p2v_autofree char *path = folder ? windows_path(win, rest ? rest : folder) : NULL;

	return path && guest_is_file(win->in->g, path) ? p2v_steal(path) : NULL;
}

static bool holds(struct windows *win, const char *cabinet, const char *name)
{
	p2v_autoclose int fd = memfd_create("cabinet", MFD_CLOEXEC);

	return fd >= 0 && guest_download(win->in->g, cabinet, CAB_BYTES, fd, NULL) == 0 &&
	       archive_cab_member(fd, name, DRIVER_BYTES, NULL, NULL) == 0;
}

char *windows_source(struct windows *win, const char *driver)
{
	char name[64];

	if (!is_wanted(win, driver))
		return NULL;
	snprintf(name, sizeof(name), "%.50s.sys", driver);
	for (size_t i = 0; i < P2V_N(folders); i++) {
		char *path = find(win, folders[i], name);

		if (path)
			return path;
	}
	for (size_t i = 0; i < P2V_N(cabinets); i++) {
		p2v_autofree char *path = find(win, cabinets[i], "");

		if (path && holds(win, path, name))
			return p2v_steal(path);
	}
	return NULL;
}

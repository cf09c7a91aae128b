/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * How it starts: by BIOS from \Boot\BCD of its own or another partition, by UEFI from
 * \EFI\Microsoft\Boot on an EFI system partition. Only one file system is mounted at a time; the
 * root is mounted again afterwards. A directory that poses as a guest has the EFI system
 * partition's files where the conversion would mount it.
 */

#include <stdlib.h>
#include <string.h>

#include "converters/inspect/windows.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/guest/sector.h"

#define LOADER_MAX ((uint64_t)16 << 20)
/* BCD: objects by GUID, elements by number; 16000049 is testsigning, 16000046
 * graphicsmodedisabled. */
#define OBJECTS	    "Objects"
#define TESTSIGNING "Elements\\16000049"
#define BLIND	    "Elements\\16000046"

static const struct {
	const char *arch, *name;
} removables[] = {{"x86_64", "bootx64.efi"}, {"i686", "bootia32.efi"}, {"aarch64", "bootaa64.efi"}};

/* Directories that every Windows has and in which nothing is looked for meanwhile: the EFI system
 * partition is mounted over one of them. */
static const char *const places[] = {"Boot", "Fonts", "inf", "Temp", "System32"};

static int find_place(struct windows *win)
{
	for (size_t i = 0; i < P2V_N(places); i++) {
		p2v_autofree char *path = windows_path(win, places[i]);

		if (path && guest_is_dir(win->in->g, path))
			return inspect_set(win->in, &win->w->esp_at, path);
	}
	return inspect_set(win->in, &win->w->esp_at, "");
}

static char *find(struct windows *win, const char *path)
{
	char *real = NULL;

	if (guest_path_nocase(win->in->g, path, &real, NULL) < 0 ||
		!guest_is_file(win->in->g, real)) {
		free(real);
		return NULL;
	}
	return real;
}

/* A firmware's screen is a graphical one, and stays black then. */
static int add_blind(struct windows *win, struct guest_hive *h, const char *object)
{
	p2v_autofree char *key = p2v_strf(OBJECTS "\\%s\\" BLIND, object);

	if (!key)
		return p2v_err_set(win->in->err, P2V_ENOMEM, "no memory");
	if (!win->w->esp || !guest_hive_has_key(h, key))
		return 0;
	return inspect_add_str(win->in, &win->w->bcd_blind, &win->w->n_bcd_blind, key);
}

static int read_bcd(struct windows *win, const char *path)
{
	p2v_autofree char *real = find(win, path);
	guest_auto_hive struct guest_hive *h = NULL;
	guest_auto_names struct guest_hive_names objects = {0};
	struct p2v_err why = {0};
	int r;

	if (!real)
		return 0;
	r = guest_hive_open(win->in->g, real, false, &h, &why);
	if (r == 0)
		r = guest_hive_keys(h, OBJECTS, &objects, &why);
	if (r == P2V_EFORMAT)
		return inspect_note(win->in, "%s; passed over", why.text);
	if (r < 0)
		return p2v_err_set(win->in->err, r, "%s", why.text);
	for (size_t i = 0; i < objects.n_items; i++) {
		p2v_autofree char *key = p2v_strf(OBJECTS "\\%s\\" TESTSIGNING, objects.items[i]);
		p2v_autobuf struct p2v_buf on = {0};
		uint32_t type;

		if (key && guest_hive_get(h, key, "Element", &type, &on, NULL) == 0 && on.len)
			win->w->test_signing |= on.data[0] != 0;
		if (!guest_hive_is_dirty(h) && add_blind(win, h, objects.items[i]) < 0)
			return P2V_ENOMEM;
	}
	return inspect_add_str(win->in, &win->in->os->bootloader.configs,
		&win->in->os->bootloader.n_configs, real);
}

/* "same", "foreign" or "absent": what the firmware starts where it has no entry. */
static int compare_removable(struct windows *win, const char *top, const char *loader)
{
	p2v_autobuf struct p2v_buf a = {0}, b = {0};
	p2v_autofree char *path = NULL, *there = NULL;
	const char *name = removables[0].name, *word = "absent";

	for (size_t i = 0; i < P2V_N(removables); i++)
		if (strcmp(win->in->os->arch, removables[i].arch) == 0)
			name = removables[i].name;
	path = p2v_strf("%s/EFI/Boot/%s", top, name);
	if (!path || guest_path_nocase(win->in->g, path, &there, NULL) < 0)
		return p2v_err_set(win->in->err, P2V_ENOMEM, "no memory");
	if (guest_is_file(win->in->g, there)) {
		word = "foreign";
		if (guest_read_file(win->in->g, loader, LOADER_MAX, &a, NULL) == 0 &&
			guest_read_file(win->in->g, there, LOADER_MAX, &b, NULL) == 0 &&
			a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0))
			word = "same";
	}
	if (inspect_set(win->in, &win->w->removable_path, there + strlen(top)) < 0)
		return P2V_ENOMEM;
	return inspect_set(win->in, &win->w->removable, word);
}

static int name_bcd(struct windows *win, const char *path, size_t top)
{
	p2v_autofree char *real = find(win, path);

	return real ? inspect_set(win->in, &win->w->bcd, real + top) : 0;
}

/* top: where the partition is mounted, "" for the root. */
static int read_esp(struct windows *win, const char *device, const char *top)
{
	p2v_autofree char *path = p2v_strf("%s/EFI/Microsoft/Boot/bootmgfw.efi", top);
	p2v_autofree char *bcd = p2v_strf("%s/EFI/Microsoft/Boot/BCD", top);
	p2v_autofree char *loader = path ? find(win, path) : NULL;
	struct facts_bootloader *b = &win->in->os->bootloader;
	int r;

	if (!loader || !bcd)
		return 0;
	r = inspect_set(win->in, &win->w->esp, device);
	if (r == 0)
		r = inspect_set(win->in, &win->w->boot_loader, loader + strlen(top));
	if (r == 0)
		r = inspect_add_str(
			win->in, &b->efi_programs, &b->n_efi_programs, loader + strlen(top));
	if (r == 0)
		r = compare_removable(win, top, loader);
	if (r == 0)
		r = name_bcd(win, bcd, strlen(top));
	return r == 0 ? read_bcd(win, bcd) : r;
}

static bool may_hold_boot(const struct facts_fs *f)
{
	return f->esp || (f->kind && strcmp(f->kind, "ntfs") == 0);
}

static int look_at(struct windows *win, const struct facts_fs *f)
{
	int r = guest_umount_all(win->in->g, win->in->err), u;

	if (r < 0)
		return r;
	r = guest_mount(win->in->g, f->device, "/", NULL, true, NULL);
	if (r == P2V_EUNSUPPORTED && f->esp)
		return read_esp(win, f->device, win->w->esp_at);
	/* What cannot be mounted holds no boot files for anybody. */
	if (r < 0)
		return 0;
	r = f->esp ? read_esp(win, f->device, "") : read_bcd(win, "/Boot/BCD");
	u = guest_umount_all(win->in->g, r < 0 ? NULL : win->in->err);
	return r < 0 ? r : u;
}

static int look_elsewhere(struct windows *win)
{
	const struct facts *facts = win->in->facts;
	struct p2v_err why = {0};
	int r = 0, m;

	for (size_t i = 0; r == 0 && i < facts->n_filesystems; i++) {
		const struct facts_fs *f = &facts->filesystems[i];

		if (may_hold_boot(f) && !win->w->esp && strcmp(f->device, win->in->os->root) != 0)
			r = look_at(win, f);
	}
	if (r < 0 || !facts->n_filesystems)
		return r;
	r = guest_umount_all(win->in->g, win->in->err);
	m = r < 0 ? r : guest_mount(win->in->g, win->in->os->root, "/", NULL, true, &why);
	/* A directory is mounted from the start. */
	return m == P2V_EUNSUPPORTED || m == 0 ? r : p2v_err_set(win->in->err, m, "%s", why.text);
}

/* The boot code of XP and 2003 asks the BIOS by cylinder, head and sector, and counts with the
 * heads that its own sector names. */
static void read_heads(struct windows *win)
{
	uint8_t sector[GUEST_SECTOR_BYTES];

	if (win->w->major >= 6 ||
		guest_sector_read(win->in->g, win->in->os->root, sector, NULL) < 0)
		return;
	if (memcmp(sector + 3, "NTFS    ", 8) == 0)
		win->w->heads = (uint32_t)(sector[0x1a] | sector[0x1b] << 8);
}

int windows_boot(struct windows *win)
{
	struct facts_bootloader *b = &win->in->os->bootloader;
	int r = find_place(win);

	read_heads(win);
	if (r == 0)
		r = read_bcd(win, "/Boot/BCD");
	if (r == 0)
		r = look_elsewhere(win);
	if (r == 0)
		r = inspect_set(win->in, &b->kind, win->w->major < 6 ? "ntldr" : "bootmgr");
	return r == 0 ? inspect_set(win->in, &b->firmware, win->w->esp ? "uefi" : "bios") : r;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/inspect/inspect.h"

#include <string.h>

#include "converters/inspect/inspection.h"
#include "converters/inspect/storage.h"
#include "converters/inspect/windows.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/stop.h"

#define MAX_TRIES ((size_t)32)

/* File systems that may hold a root, and where on them it may be. */
static const struct {
	const char *kind, *subvolume;
} root_places[] = {
	{"ext4", NULL},
	{"ext3", NULL},
	{"ext2", NULL},
	{"xfs", NULL},
	{"btrfs", NULL},
	{"btrfs", "@"},
	{"btrfs", "root"},
	{"btrfs", "@rootfs"},
	{"jfs", NULL},
	{"reiserfs", NULL},
	{"f2fs", NULL},
	{"ntfs", NULL},
};

static bool has(const struct guest_dir *d, const char *name)
{
	return inspect_dir_find(d, name);
}

/* What deployments are checked out from, and where they lie. */
static bool is_ostree(struct guest *g)
{
	return guest_is_dir(g, "/ostree/repo") && guest_is_dir(g, "/ostree/deploy");
}

/* "linux", "windows", "ostree", or "" for a file system that holds no system. */
static const char *system_kind(struct guest *g)
{
	struct guest_dir top = {0};
	p2v_autofree char *windows = NULL;
	const char *kind = "";

	if (guest_list_dir(g, "/", NULL, INSPECT_LIST_MAX, &top, NULL) < 0)
		return "";
	if (is_ostree(g))
		kind = "ostree";
	else if (has(&top, "etc") && (has(&top, "bin") || has(&top, "sbin") || has(&top, "usr")) &&
		 (has(&top, "dev") || has(&top, "proc")))
		kind = "linux";
	else if (inspect_windows_dir(g, &windows, NULL) == 0 && windows)
		kind = "windows";
	guest_dir_finish(&top);
	return kind;
}

static int set(char **to, const char *text, struct p2v_err *err)
{
	*to = strdup(text);
	return *to ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");
}

/* No more than what it is: a directory of deployments is called as the system is. */
static int inspect_ostree(struct guest *g, struct facts_os *os, struct p2v_err *err)
{
	struct guest_dir names = {0};
	int r = guest_list_dir(g, "/ostree/deploy", NULL, INSPECT_LIST_MAX, &names, err);

	if (r == 0 && names.n_entries)
		r = set(&os->id, names.entries[0].name, err);
	if (r == 0)
		r = set(&os->kind, "ostree", err);
	guest_dir_finish(&names);
	return r;
}

static int inspect_root(struct guest *g, const char *device, const char *subvolume,
	const char *kind, struct facts *facts, struct p2v_err *err)
{
	struct facts_os *os =
		p2v_json_grow((void **)&facts->systems, &facts->n_systems, sizeof(*os));
	int r;

	if (!os)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	r = set(&os->root, device, err);
	if (r == 0)
		r = set(&os->root_subvolume, subvolume ? subvolume : "", err);
	if (r == 0 && strcmp(kind, "ostree") == 0)
		r = inspect_ostree(g, os, err);
	else if (r == 0 && strcmp(kind, "linux") == 0)
		r = inspect_system(g, facts, os, err);
	else if (r == 0)
		r = inspect_windows(g, facts, os, err);
	return r < 0 && *device ? p2v_err_wrap(err, r, "%s", device) : r;
}

/* 1: a system was found; 0: none there. */
static int try_root(struct guest *g, const struct facts_fs *f, const char *subvolume,
	struct facts *facts, struct p2v_err *err)
{
	struct p2v_err why = {0};
	const char *kind;
	int r = guest_mount(g, f->device, "/", subvolume, true, &why), u;

	if (r == P2V_ECANCELED || r == P2V_ENOMEM || r == P2V_ELINK)
		return p2v_err_set(err, r, "%s", why.text);
	if (r < 0 && subvolume)
		return 0;
	if (r < 0) {
		p2v_autobuf struct p2v_buf note = {0};

		p2v_buf_addf(&note, "%s could not be mounted: %s", f->device, why.text);
		r = p2v_buf_check(&note, err);
		return r < 0 ? r
			     : p2v_json_add_str(&facts->notes, &facts->n_notes,
				       (const char *)note.data, err);
	}
	kind = system_kind(g);
	r = *kind ? inspect_root(g, f->device, subvolume, kind, facts, err) : 0;
	u = guest_umount_all(g, r < 0 ? NULL : err);
	return r < 0 ? r : u < 0 ? u : *kind != '\0';
}

/* A name goes into the options of a mount. */
static bool is_plain(const char *name)
{
	return name[strspn(name,
		       "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@_-.")] ==
	       '\0';
}

/* Whoever made the file system named its subvolumes: one of those at its top may be the root. */
static int try_subvolumes(
	struct guest *g, const struct facts_fs *f, struct facts *facts, struct p2v_err *err)
{
	struct guest_dir top = {0};
	size_t n_tries = 0;
	int r = 0, u;

	if (guest_mount(g, f->device, "/", "/", true, NULL) < 0)
		return 0;
	guest_list_dir(g, "/", NULL, INSPECT_LIST_MAX, &top, NULL);
	u = guest_umount_all(g, err);
	for (size_t i = 0; u == 0 && r == 0 && i < top.n_entries && n_tries < MAX_TRIES; i++) {
		if (top.entries[i].st.type != GUEST_DIR || !is_plain(top.entries[i].name))
			continue;
		n_tries++;
		r = try_root(g, f, top.entries[i].name, facts, err);
	}
	guest_dir_finish(&top);
	return u < 0 ? u : r;
}

/* One of several disks of a file system that an earlier one has shown whole. */
static bool is_further_part(const struct facts *facts, size_t at)
{
	const struct facts_fs *f = &facts->filesystems[at];

	for (size_t i = 0; i < at && f->kind && strcmp(f->kind, "btrfs") == 0; i++) {
		const struct facts_fs *other = &facts->filesystems[i];

		if (other->kind && strcmp(other->kind, "btrfs") == 0 && *f->uuid &&
			strcmp(other->uuid, f->uuid) == 0)
			return true;
	}
	return false;
}

static int find_roots(struct guest *g, struct facts *facts, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < facts->n_filesystems; i++) {
		const struct facts_fs *f = &facts->filesystems[i];

		r = 0;
		if (is_further_part(facts, i))
			continue;
		for (size_t k = 0; r == 0 && k < P2V_N(root_places); k++)
			if (f->kind && strcmp(f->kind, root_places[k].kind) == 0 && !f->esp)
				r = try_root(g, f, root_places[k].subvolume, facts, err);
		if (r == 0 && f->kind && strcmp(f->kind, "btrfs") == 0)
			r = try_subvolumes(g, f, facts, err);
	}
	return r < 0 ? r : 0;
}

int inspect_run(struct guest *g, const struct image *image, const struct machine *machine,
	struct facts *ret, struct p2v_err *err)
{
	struct guest_storage storage = {0};
	struct facts facts = {.version = 1};
	int r = guest_storage_list(g, &storage, err);

	if (r == 0)
		r = inspect_storage(&storage, image, &facts, err);
	if (r == 0 && machine)
		r = inspect_storage_identify(&facts, machine, err);
	if (r == 0)
		r = inspect_boot_code(g, &facts, err);
	if (r == 0)
		r = find_roots(g, &facts, err);
	guest_storage_finish(&storage);
	/* What could not be looked at for it counts as absent. */
	if (r == 0)
		r = p2v_stop_check(err);
	if (r < 0) {
		model_facts_finish(&facts);
		return r;
	}
	*ret = facts;
	return 0;
}

int inspect_tree(struct guest *g, const struct guest_storage *storage, const char *root,
	struct facts *ret, struct p2v_err *err)
{
	struct facts facts = {.version = 1};
	int r = inspect_storage(storage, NULL, &facts, err);

	if (r == 0)
		r = inspect_root(g, root, NULL, is_ostree(g) ? "ostree" : "linux", &facts, err);
	if (r < 0) {
		model_facts_finish(&facts);
		return r;
	}
	*ret = facts;
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The system on the medium: programs out of the packages and of ours, the libraries that they name,
 * and the few files around them.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/media/parts.h"

/* Where it is in the tree and on the medium: the same place. */
static const char *const programs[] = {"bin/busybox", "bin/kmod", "bin/udevadm", "bin/ip",
	"sbin/ethtool", "usr/bin/ssh", "usr/bin/ssh-keygen", "lib/udev/ata_id", "lib/udev/scsi_id",
	"lib/udev/cdrom_id", "lib/udev/v4l_id"};

static const char *const ours[] = {"p2v-agent", "p2v-boot"};

/* Loaded while a program runs, so that none of them names it. */
static const char *const extra_libraries[] = {"libgcc_s.so.1"};

static const struct {
	const char *path, *target;
} links[] = {
	{"bin/sh", "busybox"},
	{"bin/mount", "busybox"},
	{"bin/mkdir", "busybox"},
	{"bin/hostname", "busybox"},
	{"bin/cat", "busybox"},
	{"sbin/modprobe", "../bin/kmod"},
	{"sbin/insmod", "../bin/kmod"},
	{"sbin/rmmod", "../bin/kmod"},
	{"sbin/depmod", "../bin/kmod"},
	{"bin/lsmod", "kmod"},
	{"sbin/init", "../bin/busybox"},
	{"sbin/poweroff", "../bin/busybox"},
	{"sbin/reboot", "../bin/busybox"},
	{"sbin/ip", "../bin/ip"},
	{"lib/systemd/systemd-udevd", "../../bin/udevadm"},
	{"etc/mtab", "/proc/self/mounts"},
};

static const struct {
	const char *path, *text;
} texts[] = {
	{"etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"},
	/* udev's rules name these. */
	{"etc/group",
		"root:x:0:\ntty:x:5:\ndisk:x:6:\nlp:x:7:\nkmem:x:15:\ndialout:x:20:\n"
		"cdrom:x:24:\ntape:x:26:\naudio:x:29:\nvideo:x:44:\ninput:x:101:\nkvm:x:102:\n"
		"render:x:103:\nsgx:x:104:\n"},
	{"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
	{"etc/hosts", "127.0.0.1 localhost p2v\n::1 localhost\n"},
	{"etc/hostname", "p2v\n"},
	{"etc/initrd-release", "NAME=p2v\nID=p2v\n"},
};

/* The files of agent/media. */
static const struct {
	const char *from, *path;
	uint32_t mode;
} own_files[] = {
	{"init", "init", 0755},
	{"worker", "lib/p2v/worker", 0755},
	{"console", "lib/p2v/console", 0755},
	{"dhcp", "lib/p2v/dhcp", 0755},
	{"readonly.rules", "lib/udev/rules.d/00-p2v-readonly.rules", 0644},
};

/* Whole directories of the tree. */
static const char *const directories[] = {"lib/udev/rules.d", "lib/firmware", "usr/lib/firmware",
	"lib/terminfo", "usr/share/terminfo/l", "etc/modprobe.d", "lib/modprobe.d"};

static const char *const empty_directories[] = {
	"dev", "proc", "sys", "run", "tmp", "root", "usr/local/bin", "mnt", "var/run"};

static char *in_tree(const struct media_build *b, const char *path)
{
	return p2v_path_join(b->tree, path);
}

/* ---- libraries ---- */

/* The directories that the loader looks into by itself. */
static char *library_find(const struct media_build *b, const char *name, char **ret_path)
{
	for (int i = 0; i < 2; i++) {
		p2v_autofree char *path =
			p2v_strf("%slib/%s/%s", i ? "usr/" : "", b->arch->triplet, name);
		p2v_autofree char *full = path ? in_tree(b, path) : NULL;

		if (full && access(full, R_OK) == 0) {
			*ret_path = p2v_steal(path);
			return p2v_steal(full);
		}
	}
	return NULL;
}

static int libraries_add(const struct media_build *b, struct media_list *l, const char *program,
	struct p2v_err *err);

static int library_add(
	const struct media_build *b, struct media_list *l, const char *name, struct p2v_err *err)
{
	p2v_autofree char *path = NULL, *from = library_find(b, name, &path);
	int r;

	if (!from)
		return p2v_err_set(err, P2V_ENOTFOUND,
			"no package brought the library %s; programs made for another release of "
			"Debian do not fit",
			name);
	if (media_list_has(l, path))
		return 0;
	r = media_list_add_file(l, path, from, 0755, err);
	return r < 0 ? r : libraries_add(b, l, from, err);
}

/* readelf: " 0x0000000000000001 (NEEDED)  Shared library: [libc.so.6]" */
static int libraries_add(
	const struct media_build *b, struct media_list *l, const char *program, struct p2v_err *err)
{
	const char *const argv[] = {"readelf", "--dynamic", "--wide", program, NULL};
	p2v_autobuf struct p2v_buf out = {0};
	struct p2v_span rest, line;
	int r = p2v_proc_run(argv, NULL, 0, MEDIA_TOOL_MS, &out, err);

	rest = p2v_span_of(out.data, out.len);
	while (r == 0 && p2v_line_next(&rest, &line)) {
		struct p2v_span after, name;
		p2v_autofree char *text = NULL;

		p2v_span_until(line, '(', &after);
		if (!p2v_span_starts(after, "NEEDED)"))
			continue;
		p2v_span_until(line, '[', &after);
		name = p2v_span_until(after, ']', NULL);
		text = p2v_span_dup(name);
		r = text ? library_add(b, l, text, err)
			 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	return r;
}

static int program_add(const struct media_build *b, struct media_list *l, const char *path,
	const char *from, struct p2v_err *err)
{
	int r = media_list_add_file(l, path, from, 0755, err);

	return r < 0 ? r : libraries_add(b, l, from, err);
}

static int programs_add(const struct media_build *b, struct media_list *l, struct p2v_err *err)
{
	p2v_autofree char *loader = in_tree(b, b->arch->loader);
	int r = loader ? media_list_add_file(l, b->arch->loader, loader, 0755, err)
		       : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	for (size_t i = 0; r == 0 && i < P2V_N(programs); i++) {
		p2v_autofree char *from = in_tree(b, programs[i]);

		r = from ? program_add(b, l, programs[i], from, err) : P2V_ENOMEM;
	}
	for (size_t i = 0; r == 0 && i < P2V_N(ours); i++) {
		p2v_autofree char *from = p2v_path_join(b->spec->programs, ours[i]);
		p2v_autofree char *path = p2v_strf("usr/bin/%s", ours[i]);

		r = from && path ? program_add(b, l, path, from, err) : P2V_ENOMEM;
	}
	for (size_t i = 0; r == 0 && i < P2V_N(extra_libraries); i++)
		r = library_add(b, l, extra_libraries[i], err);
	return r;
}

/* ---- the rest ---- */

static int directory_add(
	const struct media_build *b, struct media_list *l, const char *path, struct p2v_err *err);

static int directory_entry_add(
	const struct media_build *b, struct media_list *l, const char *path, struct p2v_err *err)
{
	p2v_autofree char *from = in_tree(b, path);
	struct stat st;

	if (!from || lstat(from, &st) < 0)
		return 0;
	if (S_ISDIR(st.st_mode))
		return directory_add(b, l, path, err);
	if (S_ISLNK(st.st_mode)) {
		char target[4096];
		ssize_t n = readlink(from, target, sizeof(target) - 1);

		if (n < 0)
			return 0;
		target[n] = '\0';
		return media_list_add_link(l, path, target, err);
	}
	return S_ISREG(st.st_mode) ? media_list_add_file(l, path, from, 0644, err) : 0;
}

/* A directory that no package brought is no failure: firmware may be lacking. */
static int directory_add(
	const struct media_build *b, struct media_list *l, const char *path, struct p2v_err *err)
{
	p2v_autofree char *from = in_tree(b, path);
	DIR *dir = from ? opendir(from) : NULL;
	struct dirent *entry;
	int r = 0;

	while (r == 0 && dir && (entry = readdir(dir)) != NULL) {
		p2v_autofree char *below = p2v_path_join(path, entry->d_name);

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = below ? directory_entry_add(b, l, below, err)
			  : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	if (dir)
		closedir(dir);
	return r;
}

static int own_files_add(const struct media_build *b, struct media_list *l, struct p2v_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < P2V_N(own_files); i++) {
		p2v_autofree char *from = p2v_path_join(b->spec->files, own_files[i].from);

		r = from ? media_list_add_file(l, own_files[i].path, from, own_files[i].mode, err)
			 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	return r;
}

int media_system_add(struct media_build *b, struct media_list *l, struct p2v_err *err)
{
	int r = programs_add(b, l, err);

	for (size_t i = 0; r == 0 && i < P2V_N(links); i++)
		r = media_list_add_link(l, links[i].path, links[i].target, err);
	for (size_t i = 0; r == 0 && i < P2V_N(texts); i++)
		r = media_list_add_bytes(
			l, texts[i].path, texts[i].text, strlen(texts[i].text), 0644, err);
	for (size_t i = 0; r == 0 && i < P2V_N(directories); i++)
		r = directory_add(b, l, directories[i], err);
	for (size_t i = 0; r == 0 && i < P2V_N(empty_directories); i++)
		r = media_list_add_directory(l, empty_directories[i], err);
	return r < 0 ? r : own_files_add(b, l, err);
}

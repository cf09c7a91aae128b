/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Hostile guests: each file that is read of a guest is replaced by each of a list of things that it
 * should not be, and whole guests are made to do harm. Each is inspected, planned and changed in a
 * process of its own, in which (as root) all but the test's directory is mounted read-only.
 *
 *	hostile GUEST [WORDS]     TAP; only tests whose name holds the words
 *
 * Each ends within its time and memory, either converted or refused with a sentence; nothing
 * outside the guest is touched; and a guest that was converted needs no further step.
 */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "converters/apply/apply.h"
#include "converters/inspect/inspection.h"
#include "converters/plan/plan.h"
#include "golden.h"
#include "p2v/archive/cpio.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"

#define LIMIT_S	     400 /* of a loaded machine; an idle one takes seconds */
#define LIMIT_MIB    300
#define MAX_FILES    512
#define MAX_PATH_LEN 4096

static char root[256], top[256]; /* top holds root/, changes/, canary and nothing else */

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(2);
}

static char *host_path(const char *path)
{
	char *p = p2v_strf("%s%s", root, path);

	need(p, "memory");
	return p;
}

static void put(const char *path, const void *bytes, size_t n)
{
	golden_put(root, path, bytes, n);
}

static void put_text(const char *path, const char *text)
{
	put(path, text, strlen(text));
}

static void put_link(const char *target, const char *path)
{
	p2v_autofree char *p = host_path(path);

	need(symlink(target, p) == 0, p);
}

static void drop(const char *path)
{
	p2v_autofree char *p = host_path(path);
	struct stat st;

	if (lstat(p, &st) == 0 && S_ISDIR(st.st_mode))
		p2v_dir_remove(p);
	else
		unlink(p);
}

/* ---- what a file is replaced by ---- */

static void be_fifo(const char *path, const struct p2v_buf *was)
{
	p2v_autofree char *p = host_path(path);

	(void)was;
	need(mkfifo(p, 0644) == 0, p);
}

static void be_directory(const char *path, const struct p2v_buf *was)
{
	p2v_autofree char *p = host_path(path);

	(void)was;
	need(mkdir(p, 0755) == 0, p);
}

static void be_loop(const char *path, const struct p2v_buf *was)
{
	(void)was;
	put_link(path, path);
}

/* A device that never ends; without root, a link that leads nowhere. */
static void be_zero(const char *path, const struct p2v_buf *was)
{
	p2v_autofree char *p = host_path("/dev/zero");

	(void)was;
	if (mknod(p, S_IFCHR | 0666, makedev(1, 5)) < 0 && errno != EPERM && errno != EEXIST)
		need(false, p);
	put_link("/dev/zero", path);
}

static void be_outside(const char *path, const struct p2v_buf *was)
{
	(void)was;
	put_link("../../../../../../../../../../../../canary", path);
}

/* By its name on the host: inside of the guest there is no such path. */
static void be_outside_absolute(const char *path, const struct p2v_buf *was)
{
	p2v_autofree char *canary = p2v_path_join(top, "canary");

	(void)was;
	put_link(canary, path);
}

static void be_gigabyte(const char *path, const struct p2v_buf *was)
{
	p2v_autofree char *p = host_path(path);

	put(path, was->data, was->len);
	need(truncate(p, (off_t)1 << 30) == 0, p);
}

static void be_empty(const char *path, const struct p2v_buf *was)
{
	(void)was;
	put(path, "", 0);
}

static void be_half(const char *path, const struct p2v_buf *was)
{
	put(path, was->data, was->len / 2);
}

static void be_noise(const char *path, const struct p2v_buf *was)
{
	static uint8_t bytes[65536];
	uint32_t x = 1;

	(void)was;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		x = x * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(x >> 24);
	}
	put(path, bytes, sizeof(bytes));
}

/* As many as fit into what is read of a text. */
static void be_repeated(const char *path, const struct p2v_buf *was)
{
	p2v_autobuf struct p2v_buf text = {0};

	while (was->len && text.len + was->len < INSPECT_TEXT_MAX)
		p2v_buf_add(&text, was->data, was->len);
	put(path, text.data, text.len);
}

static void be_one_line(const char *path, const struct p2v_buf *was)
{
	p2v_autobuf struct p2v_buf text = {0};

	for (size_t i = 0; i < was->len; i++)
		p2v_buf_add(&text, was->data[i] == '\n' ? " " : (const char *)was->data + i, 1);
	while (text.len < INSPECT_TEXT_MAX - 1)
		p2v_buf_add_str(&text, "A");
	put(path, text.data, text.len);
}

/* Words that would do something in a shell, a terminal, XML, JSON or a format string. */
#define WORDS "';reboot;$(reboot)`reboot`\"<x>&amp;\\u0000%n%s../../..\033[2J\302\233\r"

static void be_words(const char *path, const struct p2v_buf *was)
{
	p2v_autobuf struct p2v_buf text = {0};

	for (size_t i = 0; i < was->len; i++) {
		p2v_buf_add(&text, was->data + i, 1);
		if (was->data[i] == '=' || was->data[i] == '/' || was->data[i] == ' ')
			p2v_buf_add_str(&text, WORDS);
	}
	put(path, text.data ? text.data : (const uint8_t *)"", text.len);
}

static const struct {
	const char *name;
	void (*make)(const char *path, const struct p2v_buf *was);
} kinds[] = {
	{"fifo", be_fifo},
	{"directory", be_directory},
	{"loop", be_loop},
	{"zero", be_zero},
	{"outside", be_outside},
	{"outside-absolute", be_outside_absolute},
	{"gigabyte", be_gigabyte},
	{"empty", be_empty},
	{"half", be_half},
	{"noise", be_noise},
	{"repeated", be_repeated},
	{"one-line", be_one_line},
	{"words", be_words},
};

/* ---- whole guests ---- */

static void kernels_with_words(void)
{
	static const char *const names[] = {";reboot", "$(reboot)", "`reboot`", "a\nb", "..", "-rf",
		"%s%n", "<x>&'\"", "\033[2J", "\xff\xfe"};
	static const char dep[] = "kernel/virtio_blk.ko:\n../../../../canary.ko:\n";

	for (size_t i = 0; i < P2V_N(names); i++) {
		p2v_autofree char *image = p2v_strf("/boot/vmlinuz-%s", names[i]);
		p2v_autofree char *initrd = p2v_strf("/boot/initrd.img-%s", names[i]);
		p2v_autofree char *modules = p2v_strf("/lib/modules/%s/modules.dep", names[i]);

		put(image, "x", 1);
		put(initrd, "x", 1);
		if (strcmp(names[i], "..") != 0)
			put(modules, dep, strlen(dep));
	}
}

static void files_with_words(void)
{
	static const char *const dirs[] = {"/etc/network/interfaces.d",
		"/etc/NetworkManager/system-connections", "/etc/sysconfig/network-scripts",
		"/etc/netplan", "/etc/systemd/network", "/boot/loader/entries", "/boot/grub",
		"/etc/modprobe.d", "/boot/efi/EFI/<x>&'",
		"/etc/systemd/system/multi-user.target.wants"};
	static const char *const names[] = {"ifcfg-;reboot", "a\nb.conf", "$(x).yaml", "<x>&.efi",
		"\033[2J.network", "\xff.service"};

	for (size_t i = 0; i < P2V_N(dirs); i++)
		for (size_t k = 0; k < P2V_N(names); k++) {
			p2v_autofree char *path = p2v_strf("%s/%s", dirs[i], names[k]);

			put_text(
				path, "auto eth0\niface eth0 inet static\naddress 192.0.2.10/24\n");
		}
}

static void tops_are_links(void)
{
	drop("/boot");
	drop("/etc/network");
	drop("/usr/lib/modules");
	put_link("/", "/boot");
	put_link("../etc", "/etc/network");
	put_link("/usr/lib/modules", "/usr/lib/modules");
}

static void tops_lead_outside(void)
{
	p2v_autofree char *outside = p2v_path_join(top, "outside");

	drop("/boot");
	drop("/etc/systemd");
	drop("/etc/initramfs-tools");
	put_link("../../../../../../../../outside", "/boot");
	put_link(outside, "/etc/systemd");
	put_link("../../outside", "/etc/initramfs-tools");
}

static void many_names(void)
{
	static const char *const dirs[] = {"/etc/network/interfaces.d", "/boot", "/usr/lib/modules",
		"/etc", "/boot/loader/entries"};
	p2v_autofree char *from = host_path("/etc/fstab");

	for (size_t i = 0; i < P2V_N(dirs); i++)
		for (size_t k = 0; k < 30000; k++) {
			p2v_autofree char *p = p2v_strf("%s%s/x%zu", root, dirs[i], k);

			need(link(from, p) == 0, p);
		}
}

static void many_kernels(void)
{
	for (size_t i = 0; i < 3000; i++) {
		p2v_autofree char *image = p2v_strf("/boot/vmlinuz-%zu", i);
		p2v_autofree char *modules = p2v_strf("/usr/lib/modules/%zu/modules.dep", i);

		put(image, "x", 1);
		put_text(modules, "kernel/virtio_blk.ko:\n");
	}
}

static void deep_directories(void)
{
	p2v_autobuf struct p2v_buf text = {0};
	char dir[] = "d/";
	int fd = open(root, O_RDONLY | O_DIRECTORY);

	p2v_buf_add_str(&text, "source /boot/");
	for (int i = 0; i < 1500; i++)
		p2v_buf_add_str(&text, dir);
	p2v_buf_add_str(&text, "x\n");
	put("/etc/network/interfaces", text.data, text.len);
	for (int i = 0; i < 1500; i++) {
		int next;

		need(mkdirat(fd, "d", 0755) == 0, "mkdir");
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
		need(next >= 0, "open");
		close(fd);
		fd = next;
	}
	close(fd);
	drop("/boot/grub");
	put_link("/d/d/d/d/d/d/d/d/d/d/../../../../../../../../../../../boot/x", "/boot/grub");
}

/* Each names the next, more than anybody follows. */
static void chain_of_links(void)
{
	drop("/etc/fstab");
	for (int i = 0; i < 100; i++) {
		p2v_autofree char *from = p2v_strf("/etc/chain%d", i);
		p2v_autofree char *to = p2v_strf("chain%d", i + 1);

		put_link(to, from);
	}
	put_text("/etc/chain100", "/dev/sda1 / ext4 defaults 0 1\n");
	put_link("chain0", "/etc/fstab");
}

/* A few megabytes that unpack to a hundred gigabytes: gzip members one after the other. */
static void bomb(void)
{
	static uint8_t zeros[32 << 20];
	struct archive_file file = {"zeros", S_IFREG | 0644, zeros, sizeof(zeros)};
	p2v_autobuf struct p2v_buf one = {0}, all = {0};
	p2v_autofree char *p = host_path("/boot");
	struct guest_dir d = {0};
	struct guest *g;

	golden_need(archive_cpio_pack(&file, 1, ARCHIVE_GZIP, &one, &golden_err), "cpio");
	for (int i = 0; i < 3000; i++)
		p2v_buf_add(&all, one.data, one.len);
	golden_need(guest_open_dir(p, false, &g, &golden_err), p);
	golden_need(guest_list_dir(g, "/", "init*", 100, &d, &golden_err), p);
	for (size_t i = 0; i < d.n_entries; i++) {
		p2v_autofree char *path = p2v_strf("/boot/%s", d.entries[i].name);

		put(path, all.data, all.len);
	}
	guest_dir_finish(&d);
	guest_free(g);
}

static void names_of_the_machine(void)
{
	put_text("/etc/hostname", "<x>&'\";$(reboot)\033[2J\n");
	put_text("/etc/os-release",
		"ID=';reboot'\nPRETTY_NAME=\"</description><devices>\033]0;x\007\"\n");
	put_text("/etc/machine-id", "../../../../x\n");
	put_text("/etc/fstab",
		"/dev/sda1 / ext4 defaults 0 1\n/dev/;reboot /;reboot ext4 $(x) 0 0\n"
		"UUID=<x> /usr/../../.. ext4 defaults 0 0\n/dev/sda1 /boot/../../../.. ext4 x 0 0\n"
		"LABEL=\\012READY /var\\012x ext4 defaults 0 0\n/dev/sda6 /proc/self/root/etc ext4 "
		"a 0 0\n");
}

static const struct {
	const char *name;
	void (*make)(void);
} guests[] = {
	{"kernels-with-words", kernels_with_words},
	{"files-with-words", files_with_words},
	{"tops-are-links", tops_are_links},
	{"tops-lead-outside", tops_lead_outside},
	{"many-names", many_names},
	{"many-kernels", many_kernels},
	{"deep-directories", deep_directories},
	{"chain-of-links", chain_of_links},
	{"bomb", bomb},
	{"names-of-the-machine", names_of_the_machine},
};

/* ---- the walk, in a process of its own ---- */

/* A write to anything but the test's directory fails from now on, and the sentence says so. */
static void seal(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		return;
	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private mounts");
	need(mount(top, top, NULL, MS_BIND, NULL) == 0, "bind");
	need(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0, "read-only root");
	/* /proc and /dev stay as they are: programs want them. */
	for (size_t i = 0; i < 3; i++)
		mount(NULL, ((const char *[]){"/tmp", "/var/tmp", "/dev/shm"})[i], NULL,
			MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
}

/* Beyond it there is no memory, and the sentence says so. Mapped files do not count. */
static void limit_memory(void)
{
#ifndef __SANITIZE_ADDRESS__
	struct rlimit limit = {(rlim_t)LIMIT_MIB << 20, (rlim_t)LIMIT_MIB << 20};

	need(setrlimit(RLIMIT_DATA, &limit) == 0, "RLIMIT_DATA");
#endif
}

/* 0: converted, and n_changes says how much; else refused, by error or blocker. */
static int convert(const struct golden_scene *scene, size_t *ret_n_changes)
{
	p2v_autofree char *changes_dir = p2v_path_join(top, "changes");
	p2v_auto_target struct target target = {0};
	p2v_auto_facts struct facts facts = {0};
	p2v_auto_plan struct plan plan = {0};
	p2v_auto_changes struct changes changes = {0};
	p2v_autobuf struct p2v_buf text = {0};
	struct guest *g = NULL;
	int r;

	golden_need(plan_target_find("kvm", &target, &golden_err), "target");
	golden_need(guest_open_dir(root, true, &g, &golden_err), root);
	r = golden_inspect(g, scene, &facts);
	if (r == 0)
		r = plan_make(&facts, golden_machine(scene), &target, &plan, &golden_err);
	if (r == 0)
		r = model_plan_validate(&plan, &golden_err);
	if (r == 0)
		r = p2v_json_encode(&model_plan_type, &plan, true, &text, &golden_err);
	if (r == 0)
		r = plan_print(&plan, &text, &golden_err);
	if (r == 0)
		r = apply_run(g, &plan, NULL, changes_dir, NULL, &changes, &golden_err);
	guest_free(g);
	*ret_n_changes = changes.n_changes;
	return r;
}

static int walk(const struct golden_scene *scene)
{
	size_t n_changes = 0;
	int r = convert(scene, &n_changes);

	if (r == 0) {
		r = convert(scene, &n_changes);
		if (r < 0)
			fprintf(stderr, "converted, then refused: ");
		else if (n_changes)
			fprintf(stderr, "converted twice, and %zu files change again\n", n_changes);
		if (r < 0 || n_changes)
			fprintf(stderr, "%s\n", golden_err.text);
		return r < 0 || n_changes;
	}
	if (!golden_err.text[0] || strstr(golden_err.text, "Read-only file system") ||
		r == P2V_ENOMEM) {
		fprintf(stderr, "ends with %d: '%s'\n", r, golden_err.text);
		return 1;
	}
	if (getenv("HOSTILE_VERBOSE"))
		printf("# refused: %s\n", golden_err.text);
	return 0;
}

/* ---- one test ---- */

/* The names in a directory of the host. */
static size_t count_names(const char *path)
{
	struct guest_dir d = {0};
	struct guest *g;
	size_t n;

	golden_need(guest_open_dir(path, false, &g, &golden_err), path);
	golden_need(guest_list_dir(g, "/", NULL, 1000, &d, &golden_err), path);
	n = d.n_entries;
	guest_dir_finish(&d);
	guest_free(g);
	return n;
}

/* Whether all that lies beside the guest is as it was made. */
static bool is_untouched(void)
{
	p2v_autofree char *canary = p2v_path_join(top, "canary");
	p2v_autofree char *outside = p2v_path_join(top, "outside");
	p2v_autobuf struct p2v_buf text = {0};

	/* root, changes, canary, outside */
	return count_names(top) == 4 && count_names(outside) == 0 &&
	       p2v_file_read(canary, 64, &text, NULL) == 0 && text.len == 7 &&
	       memcmp(text.data, "canary\n", 7) == 0;
}

static void make_top(const struct golden_scene *scene)
{
	p2v_autofree char *changes = p2v_path_join(top, "changes");
	p2v_autofree char *outside = p2v_path_join(top, "outside");

	golden_make(scene, root);
	golden_need(p2v_publish_bytes(top, "canary", "canary\n", 7, 0600, &golden_err), "canary");
	golden_need(p2v_dir_make(changes, 0755, &golden_err), changes);
	golden_need(p2v_dir_make(outside, 0755, &golden_err), outside);
}

struct hostile {
	const char *name, *path;
	void (*make_file)(const char *path, const struct p2v_buf *was);
	void (*make_guest)(void);
};

static void spoil(const struct hostile *h)
{
	p2v_autobuf struct p2v_buf was = {0};
	p2v_autofree char *p = NULL;

	if (h->make_guest) {
		h->make_guest();
		return;
	}
	p = host_path(h->path);
	golden_need(p2v_file_read(p, 16 << 20, &was, &golden_err), p);
	drop(h->path);
	h->make_file(h->path, &was);
}

static bool run(const struct golden_scene *scene, const struct hostile *h, char why[200])
{
	p2v_autofree char *dir = NULL;
	struct rusage usage = {0};
	struct timespec start, end;
	int status = 0;
	bool ok;
	pid_t pid;

	golden_need(p2v_dir_temp("hostile", &dir, &golden_err), "temp");
	snprintf(top, sizeof(top), "%s", dir);
	snprintf(root, sizeof(root), "%s/root", dir);
	make_top(scene);
	spoil(h);
	clock_gettime(CLOCK_MONOTONIC, &start);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		alarm(LIMIT_S);
		limit_memory();
		seal();
		setenv("TMPDIR", top, 1);
		exit(walk(scene));
	}
	need(pid > 0 && wait4(pid, &status, 0, &usage) == pid, "wait");
	clock_gettime(CLOCK_MONOTONIC, &end);
	snprintf(why, 200, "%.1f s, %ld MiB",
		(double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9,
		usage.ru_maxrss / 1024);
	ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (WIFSIGNALED(status))
		snprintf(why, 200, "ends by signal %d", WTERMSIG(status));
	if (!is_untouched()) {
		ok = false;
		snprintf(why, 200, "something outside the guest was touched");
	}
	p2v_dir_remove(dir);
	return ok;
}

/* ---- all of them ---- */

static char *files[MAX_FILES];
static size_t n_files;

/* Of a kernel's modules one will do. */
static int add_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)at;
	if (type != FTW_F || n_files == MAX_FILES)
		return 0;
	if (strstr(path, ".ko") && n_files && strstr(files[n_files - 1], ".ko"))
		return 0;
	files[n_files++] = strdup(path + strlen(root));
	return 0;
}

static void list_files(const struct golden_scene *scene)
{
	p2v_autofree char *dir = NULL;

	golden_need(p2v_dir_temp("hostile", &dir, &golden_err), "temp");
	snprintf(root, sizeof(root), "%s", dir);
	golden_make(scene, root);
	nftw(root, add_file, 16, FTW_PHYS);
	p2v_dir_remove(dir);
}

static int number, failed;

static void test(const struct golden_scene *scene, const struct hostile *h, const char *words)
{
	char why[200];
	bool ok;

	if (!strstr(h->name, words))
		return;
	ok = run(scene, h, why);
	failed += !ok;
	printf("%s %d - %s # %s\n", ok ? "ok" : "not ok", ++number, h->name, why);
}

int main(int argc, char **argv)
{
	const char *words = argc > 2 ? argv[2] : "";
	struct golden_scene scene;

	if (argc < 2)
		return 2;
	golden_begin();
	golden_scene_load(argv[1], &scene);
	list_files(&scene);
	for (size_t i = 0; i < P2V_N(guests); i++)
		test(&scene, &(struct hostile){guests[i].name, NULL, NULL, guests[i].make}, words);
	for (size_t i = 0; i < n_files; i++)
		for (size_t k = 0; k < P2V_N(kinds); k++) {
			p2v_autofree char *name = p2v_strf("%s:%s", files[i], kinds[k].name);

			test(&scene, &(struct hostile){name, files[i], kinds[k].make, NULL}, words);
		}
	for (size_t i = 0; i < n_files; i++)
		free(files[i]);
	golden_scene_finish(&scene);
	printf("1..%d\n", number);
	return failed || !number;
}

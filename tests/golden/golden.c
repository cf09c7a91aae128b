/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One golden case: a directory that poses as a guest is inspected, planned and changed, and what
 * comes out is compared with the files in the case's expected/.
 *
 *	golden CASE            compare
 *	golden CASE --update   write expected/ anew (read the difference before committing it)
 *
 * A case holds tree/ (the guest's text files), storage.json (the disks and file systems that a
 * directory does not have), machine.json, and case.json: its kernels and EFI programs. What is no
 * text is made here from that: an ELF program, kernel images, kernel modules (copies of this
 * program: depmod reads any ELF file's .modinfo), initramfs images without them. The digests and
 * sizes of such files depend on the host's depmod and are left out.
 *
 * Beside the comparison: planning twice gives the same bytes, and the plan that follows from the
 * changed guest has no step.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "converters/apply/apply.h"
#include "converters/inspect/inspection.h"
#include "converters/plan/plan.h"
#include "p2v/archive/cpio.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"

struct made_kernel {
	char *release, *path, *initramfs;
	char *tool; /* whose marks the initramfs bears */
};

struct made {
	struct made_kernel *kernels;
	size_t n_kernels;
	char **programs; /* paths of EFI programs */
	size_t n_programs;
	bool split; /* /lib is a directory of its own, not a link to /usr/lib */
};

static const struct p2v_json_field made_kernel_fields[] = {
	P2V_JSON_STR(struct made_kernel, release, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct made_kernel, path, 0),
	P2V_JSON_STR(struct made_kernel, initramfs, 0),
	P2V_JSON_STR(struct made_kernel, tool, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type made_kernel_type = {
	"kernel", sizeof(struct made_kernel), made_kernel_fields};
static const struct p2v_json_field made_fields[] = {
	P2V_JSON_OBJS(struct made, kernels, 0, &made_kernel_type),
	P2V_JSON_STRS(struct made, programs, 0),
	P2V_JSON_BOOL(struct made, split, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type made_type = {"case", sizeof(struct made), made_fields};

__attribute__((section(".modinfo"), used)) static const char modinfo[] =
	"alias=virtio:d00000002v*\0name=x";

static struct p2v_err err;
static bool update;
static int failures;

static void need(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, err.text);
	exit(1);
}

static void put(const char *root, const char *path, const void *bytes, size_t n)
{
	p2v_autofree char *p = p2v_strf("%s%s", root, path);
	char *slash = strrchr(p, '/');

	*slash = '\0';
	need(p2v_dir_make(p, 0755, &err), p);
	need(p2v_publish_bytes(p, slash + 1, bytes, n, 0644, &err), path);
}

static void link_top(const char *root, const char *name)
{
	p2v_autofree char *target = p2v_strf("usr/%s", name);
	p2v_autofree char *path = p2v_path_join(root, name);
	p2v_autofree char *real = p2v_path_join(root, target);

	need(p2v_dir_make(real, 0755, &err), real);
	if (symlink(target, path) < 0)
		need(p2v_err_errno(&err, errno, "%s", path), "symlink");
}

static void make_modules(const char *root, const char *release)
{
	static const char dep[] = "kernel/virtio_pci.ko:\n"
				  "kernel/virtio_blk.ko:\n"
				  "kernel/virtio_scsi.ko:\n"
				  "kernel/virtio_net.ko:\n"
				  "kernel/ahci.ko:\n"
				  "kernel/e1000.ko:\n";
	static const char *const names[] = {
		"virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "ahci", "e1000"};
	p2v_autofree char *top = p2v_strf("/lib/modules/%s", release);
	p2v_autofree char *index = p2v_strf("%s/modules.dep", top);
	p2v_autofree char *builtin = p2v_strf("%s/modules.builtin", top);
	p2v_autobuf struct p2v_buf self = {0};

	need(p2v_file_read("/proc/self/exe", 60 << 20, &self, &err), "exe");
	put(root, "/bin/sh", self.data, 64);
	for (size_t i = 0; i < P2V_N(names); i++) {
		p2v_autofree char *path = p2v_strf("%s/kernel/%s.ko", top, names[i]);

		put(root, path, self.data, self.len);
	}
	put(root, index, dep, strlen(dep));
	put(root, builtin, "kernel/sd_mod.ko\n", 17);
}

/* The head of a bzImage: where its version text stands, and the text. */
static void make_kernel(const char *root, const struct made_kernel *k)
{
	uint8_t image[1024] = {0};

	memcpy(image + 0x202, "HdrS", 4);
	image[0x20e] = 0x40;
	snprintf((char *)image + 0x240, 200, "%s (build@host) #1 SMP", k->release);
	put(root, k->path, image, sizeof(image));
}

/* Files by which an image is known to be of a tool. */
static const struct {
	const char *tool;
	struct archive_file file;
} marks[] = {
	{"initramfs-tools", {"conf/initramfs.conf", S_IFREG | 0644, "MODULES=dep\n", 12}},
	{"dracut", {"usr/lib/dracut/build-parameter.txt", S_IFREG | 0644, "-H\n", 3}},
	{"mkinitcpio", {"init_functions", S_IFREG | 0644, "#\n", 2}},
};

static void make_initramfs(const char *root, const struct made_kernel *k)
{
	struct archive_file files[] = {
		{"usr", S_IFDIR | 0755, NULL, 0}, {"usr/lib", S_IFDIR | 0755, NULL, 0},
		{"lib", S_IFLNK | 0777, "usr/lib", 7}, {"init", S_IFREG | 0755, "#!/bin/sh\n", 10},
		{"", 0, NULL, 0}, /* the mark */
	};
	p2v_autobuf struct p2v_buf image = {0};

	for (size_t i = 0; i < P2V_N(marks); i++)
		if (strcmp(k->tool, marks[i].tool) == 0)
			files[P2V_N(files) - 1] = marks[i].file;
	need(archive_cpio_pack(files, P2V_N(files), ARCHIVE_GZIP, &image, &err), "cpio");
	put(root, k->initramfs, image.data, image.len);
}

static void make_binaries(const char *dir, const char *root)
{
	p2v_autofree char *path = p2v_path_join(dir, "case.json");
	struct made made = {0};

	need(p2v_json_load(&made_type, path, &made, &err), path);
	link_top(root, "bin");
	if (!made.split)
		link_top(root, "lib");
	for (size_t i = 0; i < made.n_kernels; i++) {
		make_modules(root, made.kernels[i].release);
		make_kernel(root, &made.kernels[i]);
		if (made.kernels[i].initramfs)
			make_initramfs(root, &made.kernels[i]);
	}
	for (size_t i = 0; i < made.n_programs; i++)
		put(root, made.programs[i], made.programs[i], strlen(made.programs[i]));
	p2v_json_free(&made_type, &made);
}

static char *make_guest(const char *dir, const char *top)
{
	p2v_autofree char *tree = p2v_strf("%s/tree/.", dir);
	char *root = p2v_path_join(top, "root");
	p2v_autofree char *dev = p2v_path_join(root, "dev");
	const char *const argv[] = {"cp", "-R", tree, root, NULL};

	need(p2v_dir_make(root, 0755, &err), root);
	need(p2v_proc_run(argv, NULL, 0, 60000, NULL, &err), "cp");
	need(p2v_dir_make(dev, 0755, &err), dev);
	make_binaries(dir, root);
	return root;
}

static void inspect_dir(struct guest *g, const char *dir, struct facts *facts)
{
	p2v_autofree char *path = p2v_path_join(dir, "storage.json");
	struct facts_os *os;

	need(model_facts_load(path, facts, &err), path);
	os = p2v_json_grow((void **)&facts->systems, &facts->n_systems, sizeof(*os));
	os->root = strdup("/dev/sda1");
	need(inspect_system(g, facts, os, &err), "inspect");
	/* It depends on this program's size. */
	for (size_t i = 0; i < os->n_kernels; i++)
		os->kernels[i].initramfs.size_bytes = 0;
}

static void expect(const char *dir, const char *name, const struct p2v_buf *got)
{
	p2v_autofree char *expected = p2v_path_join(dir, "expected");
	p2v_autofree char *path = p2v_path_join(expected, name);
	p2v_autobuf struct p2v_buf want = {0};

	if (update) {
		need(p2v_dir_make(expected, 0755, &err), expected);
		need(p2v_publish_bytes(expected, name, got->data, got->len, 0644, &err), name);
		return;
	}
	need(p2v_file_read(path, 16 << 20, &want, &err), path);
	if (want.len == got->len && memcmp(want.data, got->data, got->len) == 0)
		return;
	fprintf(stderr, "%s differs; it is now:\n%s\n", path, (char *)got->data);
	failures++;
}

static void encode(const struct p2v_json_type *type, const void *noun, struct p2v_buf *out)
{
	need(p2v_json_encode(type, noun, true, out, &err), type->name);
}

static void make_plan(const char *dir, const struct facts *facts, struct plan *ret)
{
	static char *buses[] = {(char *)(uintptr_t) "virtio-blk", (char *)(uintptr_t) "sata"};
	static char *nics[] = {(char *)(uintptr_t) "virtio-net", (char *)(uintptr_t) "e1000"};
	struct target target = {.buses = buses, .n_buses = 2, .nics = nics, .n_nics = 2};
	p2v_autofree char *path = p2v_path_join(dir, "machine.json");
	p2v_autobuf struct p2v_buf first = {0}, second = {0};
	struct machine machine = {0};
	struct plan again = {0};

	target.name = strdup("kvm");
	target.format = strdup("qcow2");
	need(model_machine_load(path, &machine, &err), path);
	need(plan_make(facts, &machine, &target, ret, &err), "plan");
	need(plan_make(facts, &machine, &target, &again, &err), "plan");
	encode(&model_plan_type, ret, &first);
	encode(&model_plan_type, &again, &second);
	if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0) {
		fprintf(stderr, "planning twice gives two plans\n");
		failures++;
	}
	model_plan_finish(&again);
	model_machine_finish(&machine);
	free(target.name);
	free(target.format);
}

static void expect_text(const char *dir, const struct plan *plan)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, line;

	need(plan_print(plan, &text, &err), "print");
	rest = p2v_span_of(text.data, text.len);
	while (p2v_line_next(&rest, &line))
		if (line.n > 80) {
			fprintf(stderr, "plan.txt: more than 80 columns: %.*s\n", (int)line.n,
				line.p);
			failures++;
		}
	expect(dir, "plan.txt", &text);
}

static void expect_changes(const char *dir, const char *top, struct changes *changes)
{
	p2v_autobuf struct p2v_buf text = {0}, diffs = {0};

	changes->duration_ms = 0;
	for (size_t i = 0; i < changes->n_changes; i++) {
		struct change *c = &changes->changes[i];

		if (c->diff) {
			p2v_autofree char *path = p2v_path_join(top, c->diff);

			need(p2v_file_read(path, 1 << 20, &diffs, &err), path);
		}
		if (strcmp(c->kind, "binary") != 0)
			continue;
		free(c->before_digest);
		free(c->after_digest);
		free(c->detail);
		c->before_digest = c->after_digest = c->detail = NULL;
		c->before_bytes = c->after_bytes = 0;
	}
	encode(&model_changes_type, changes, &text);
	expect(dir, "changes.json", &text);
	expect(dir, "changes.diff", &diffs);
}

/* The walk: facts, plan, changes. compare: false on the second time, when nothing must change. */
static void walk(const char *dir, const char *top, const char *root, bool first)
{
	p2v_autofree char *changes_dir = p2v_path_join(top, "changes");
	p2v_auto_facts struct facts facts = {0};
	p2v_auto_plan struct plan plan = {0};
	p2v_auto_changes struct changes changes = {0};
	p2v_autobuf struct p2v_buf facts_text = {0}, plan_text = {0};
	struct guest *g;

	need(p2v_dir_make(changes_dir, 0755, &err), changes_dir);
	need(guest_open_dir(root, true, &g, &err), root);
	inspect_dir(g, dir, &facts);
	make_plan(dir, &facts, &plan);
	need(apply_run(g, &plan, &facts, changes_dir, NULL, &changes, &err), "apply");
	need(guest_close(g, &err), "close");
	if (!first) {
		for (size_t i = 0; i < plan.n_steps; i++) {
			fprintf(stderr, "converted, and planned again: %s %s\n", plan.steps[i].op,
				plan.steps[i].path);
			failures++;
		}
		for (size_t i = 0; i < changes.n_changes; i++) {
			fprintf(stderr, "converted twice, %s changes again\n",
				changes.changes[i].path);
			failures++;
		}
		return;
	}
	encode(&model_facts_type, &facts, &facts_text);
	encode(&model_plan_type, &plan, &plan_text);
	expect(dir, "facts.json", &facts_text);
	expect(dir, "plan.json", &plan_text);
	expect_text(dir, &plan);
	expect_changes(dir, top, &changes);
}

int main(int argc, char **argv)
{
	p2v_autofree char *top = NULL;
	p2v_autofree char *root = NULL;

	if (argc < 2)
		return 2;
	update = argc > 2 && strcmp(argv[2], "--update") == 0;
	need(p2v_dir_temp("golden", &top, &err), "temp");
	root = make_guest(argv[1], top);
	walk(argv[1], top, root, true);
	walk(argv[1], top, root, false);
	p2v_dir_remove(top);
	return failures ? 1 : 0;
}

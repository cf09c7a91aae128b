/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Kernels: what is no text in a guest, made small. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "golden.h"
#include "p2v/archive/cpio.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"

#define MAX_FILES 64

static const char *const usual_modules[] = {
	"virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "ahci", "e1000"};
static const char *const usual_builtin[] = {"sd_mod"};

static void put_le(uint8_t *at, uint64_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

/*
 * The least ELF file that depmod takes for a module: a header, three sections (none, .modinfo,
 * their names), no symbols.
 */
static size_t make_module(const char *name, uint8_t out[512])
{
	static const char names[] = "\0.modinfo\0.shstrtab";
	const size_t info = 64, text = 192, table = 256;
	uint8_t *section = out + table;
	size_t n;

	memset(out, 0, 512);
	memcpy(out, "\177ELF\2\1\1", 7);
	put_le(out + 16, 1, 2);
	put_le(out + 18, 62, 2);
	put_le(out + 20, 1, 4);
	put_le(out + 40, table, 8);
	put_le(out + 52, 64, 2);
	put_le(out + 58, 64, 2);
	put_le(out + 60, 3, 2);
	put_le(out + 62, 2, 2);
	n = (size_t)snprintf((char *)out + info, 100, "alias=virtio:%.40s", name) + 1;
	n += (size_t)snprintf((char *)out + info + n, 60, "name=%.40s", name) + 1;
	memcpy(out + text, names, sizeof(names));
	put_le(section + 64, 1, 4);
	put_le(section + 68, 1, 4);
	put_le(section + 64 + 24, info, 8);
	put_le(section + 64 + 32, n, 8);
	put_le(section + 64 + 48, 1, 8);
	put_le(section + 128, 10, 4);
	put_le(section + 132, 3, 4);
	put_le(section + 128 + 24, text, 8);
	put_le(section + 128 + 32, sizeof(names), 8);
	put_le(section + 128 + 48, 1, 8);
	return table + 3 * 64;
}

static char *first_word(const char *text)
{
	struct p2v_span rest = p2v_span_str(text), word = {0};

	p2v_word_next(&rest, &word);
	return p2v_span_dup(word);
}

/* "a b c" -> "kernel/a.ko: kernel/b.ko kernel/c.ko". */
static void add_dep_line(const char *words, struct p2v_buf *out)
{
	struct p2v_span rest = p2v_span_str(words), word;
	bool first = true;

	while (p2v_word_next(&rest, &word)) {
		p2v_buf_addf(out, "%skernel/%.*s.ko%s", first ? "" : " ", (int)word.n, word.p,
			first ? ":" : "");
		first = false;
	}
	p2v_buf_add_str(out, "\n");
}

static void put_tree(const char *root, const char *release, const char *const *modules,
	size_t n_modules, const char *const *builtin, size_t n_builtin)
{
	p2v_autofree char *top = p2v_strf("/lib/modules/%s", release);
	p2v_autofree char *dep_path = p2v_strf("%s/modules.dep", top);
	p2v_autofree char *builtin_path = p2v_strf("%s/modules.builtin", top);
	p2v_autobuf struct p2v_buf dep = {0}, list = {0};

	for (size_t i = 0; i < n_modules; i++) {
		p2v_autofree char *name = first_word(modules[i]);
		p2v_autofree char *path = p2v_strf("%s/kernel/%s.ko", top, name);
		uint8_t bytes[512];

		golden_put(root, path, bytes, make_module(name, bytes));
		add_dep_line(modules[i], &dep);
	}
	for (size_t i = 0; i < n_builtin; i++)
		p2v_buf_addf(&list, "kernel/%s.ko\n", builtin[i]);
	golden_put(root, dep_path, dep.data ? dep.data : (const uint8_t *)"", dep.len);
	golden_put(root, builtin_path, list.data ? list.data : (const uint8_t *)"", list.len);
}

static void make_tree(const char *root, const struct golden_kernel *k)
{
	bool usual = !k->n_modules && !k->n_builtin;

	put_tree(root, k->release, usual ? usual_modules : (const char *const *)k->modules,
		usual ? P2V_N(usual_modules) : k->n_modules,
		usual ? usual_builtin : (const char *const *)k->builtin,
		usual ? P2V_N(usual_builtin) : k->n_builtin);
}

/* The head of a bzImage: where its version text stands, and the text. */
static void make_image(const char *root, const struct golden_kernel *k)
{
	uint8_t image[1024] = {0};

	memcpy(image + 0x202, "HdrS", 4);
	image[0x20e] = 0x40;
	snprintf((char *)image + 0x240, 200, "%.150s (build@host) #1 SMP", k->release);
	golden_put(root, k->path, image, sizeof(image));
}

/* Files by which an image is known to be of a tool. */
static const struct {
	const char *tool;
	struct archive_file file;
} marks[] = {
	{"initramfs-tools", {"conf/initramfs.conf", S_IFREG | 0644, "MODULES=dep\n", 12}},
	{"dracut", {"usr/lib/dracut/build-parameter.txt", S_IFREG | 0644, "-H\n", 3}},
	{"dracut-004", {"lib/dracut-lib.sh", S_IFREG | 0644, "#\n", 2}},
	{"mkinitcpio", {"init_functions", S_IFREG | 0644, "#\n", 2}},
	{"booster", {"etc/booster.init.yaml", S_IFREG | 0644, "kernel: x\n", 10}},
	{"mkinitfs", {"sbin/nlplug-findfs", S_IFREG | 0755, "#\n", 2}},
};

/* The image's files while they are gathered. */
struct pile {
	struct archive_file files[MAX_FILES];
	char *paths[MAX_FILES];
	struct p2v_buf bytes[MAX_FILES];
	size_t n;
};

static struct p2v_buf *pile_add(struct pile *p, const char *path, uint32_t mode)
{
	size_t at = p->n++;

	if (at == MAX_FILES)
		golden_need(p2v_err_set(&golden_err, P2V_EFORMAT, "too many files"), path);
	p->paths[at] = strdup(path);
	p->files[at] = (struct archive_file){.path = p->paths[at], .mode = mode};
	return &p->bytes[at];
}

static bool pile_has(const struct pile *p, const char *path)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->paths[i], path) == 0)
			return true;
	return false;
}

static void pile_add_file(struct pile *p, const char *path, const void *bytes, size_t n)
{
	for (const char *s = strchr(path, '/'); s; s = strchr(s + 1, '/')) {
		p2v_autofree char *dir = strndup(path, (size_t)(s - path));

		if (!pile_has(p, dir) && strcmp(dir, "lib") != 0)
			pile_add(p, dir, S_IFDIR | 0755);
	}
	p2v_buf_add(pile_add(p, path, S_IFREG | 0644), bytes, n);
}

static void pile_finish(struct pile *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->paths[i]);
		p2v_buf_finish(&p->bytes[i]);
	}
}

/* The modules that the image holds, with the indexes that its kmod reads. */
static void add_modules(struct pile *p, const struct golden_kernel *k)
{
	static const char *const indexes[] = {
		"modules.dep", "modules.dep.bin", "modules.alias.bin"};
	p2v_autofree char *top = NULL;
	const char *argv[] = {"depmod", "-b", NULL, k->release, NULL};

	if (!k->n_holds)
		return;
	golden_need(p2v_dir_temp("golden-modules", &top, &golden_err), "temp");
	put_tree(top, k->release, (const char *const *)k->holds, k->n_holds, NULL, 0);
	argv[2] = top;
	golden_need(p2v_proc_run(argv, NULL, 0, 60000, NULL, &golden_err), "depmod");
	for (size_t i = 0; i < k->n_holds + P2V_N(indexes); i++) {
		p2v_autofree char *name = i < k->n_holds ? p2v_strf("kernel/%s.ko", k->holds[i])
							 : p2v_strf("%s", indexes[i - k->n_holds]);
		p2v_autofree char *path =
			p2v_strf("%slib/modules/%s/%s", k->flat ? "" : "usr/", k->release, name);
		p2v_autofree char *host = p2v_strf("%s/lib/modules/%s/%s", top, k->release, name);
		p2v_autobuf struct p2v_buf bytes = {0};

		golden_need(p2v_file_read(host, 1 << 20, &bytes, &golden_err), host);
		pile_add_file(p, path, bytes.data, bytes.len);
	}
	p2v_dir_remove(top);
}

static bool has_init(const struct golden_kernel *k)
{
	for (size_t i = 0; i < k->n_image; i++)
		if (strcmp(k->image[i].path, "init") == 0)
			return true;
	return false;
}

static void fill(struct pile *p, const struct golden_kernel *k)
{
	if (k->flat) {
		pile_add(p, "lib", S_IFDIR | 0755);
	} else {
		pile_add(p, "usr", S_IFDIR | 0755);
		pile_add(p, "usr/lib", S_IFDIR | 0755);
		p2v_buf_add_str(pile_add(p, "lib", S_IFLNK | 0777), "usr/lib");
	}
	if (!has_init(k))
		p2v_buf_add_str(pile_add(p, "init", S_IFREG | 0755), "#!/bin/sh\n");
	for (size_t i = 0; k->tool && i < P2V_N(marks); i++)
		if (strcmp(k->tool, marks[i].tool) == 0)
			pile_add_file(p, marks[i].file.path, marks[i].file.bytes, marks[i].file.n);
	add_modules(p, k);
	for (size_t i = 0; i < k->n_image; i++) {
		p2v_autobuf struct p2v_buf text = {0};

		golden_lines(&k->image[i], &text);
		pile_add_file(p, k->image[i].path, text.data, text.len);
	}
	for (size_t i = 0; i < p->n; i++) {
		p->files[i].bytes = p->bytes[i].data;
		p->files[i].n = p->bytes[i].len;
	}
}

static const struct {
	const char *word, *argv[5];
} packers[] = {
	{"xz", {"xz", "--check=crc32", "-c"}},
	{"lzma", {"xz", "--format=lzma", "-c"}},
	{"zstd", {"zstd", "-q", "-c"}},
	{"bzip2", {"bzip2", "-c"}},
	{"lzop", {"lzop", "-c"}},
};

static void pack(const struct pile *p, const char *compression, struct p2v_buf *out)
{
	enum archive_packing packing = !strcmp(compression, "gzip")  ? ARCHIVE_GZIP
				       : !strcmp(compression, "lz4") ? ARCHIVE_LZ4_LEGACY
								     : ARCHIVE_PLAIN;
	p2v_autobuf struct p2v_buf cpio = {0}, packed = {0};

	golden_need(archive_cpio_pack(p->files, p->n, packing, &cpio, &golden_err), "cpio");
	for (size_t i = 0; i < P2V_N(packers); i++) {
		if (strcmp(compression, packers[i].word) != 0)
			continue;
		golden_need(p2v_proc_run(packers[i].argv, cpio.data, cpio.len, 60000, &packed,
				    &golden_err),
			packers[i].word);
		p2v_buf_add(out, packed.data, packed.len);
		return;
	}
	p2v_buf_add(out, cpio.data, cpio.len);
}

static void make_initramfs(const struct golden_kernel *k, struct p2v_buf *out)
{
	static const struct archive_file early[] = {
		{"kernel", S_IFDIR | 0755, NULL, 0},
		{"kernel/x86", S_IFDIR | 0755, NULL, 0},
		{"kernel/x86/microcode.bin", S_IFREG | 0644, "microcode", 9},
	};
	struct pile p = {0};

	if (k->early)
		golden_need(archive_cpio_pack(early, P2V_N(early), ARCHIVE_PLAIN, out, &golden_err),
			"cpio");
	fill(&p, k);
	pack(&p, k->compression ? k->compression : "gzip", out);
	pile_finish(&p);
}

/* A PE file of three sections, each of them with memory of its own: a whole optional header, so
 * that the table of sections ends with the headers' 512 bytes. */
static void make_unified(const char *root, const struct golden_kernel *k)
{
	p2v_autobuf struct p2v_buf image = {0}, out = {0};
	const char *cmdline = k->cmdline ? k->cmdline : "";
	uint8_t head[1024] = {'M', 'Z'}, *optional = head + 0x98;
	const char *const names[] = {".uname", ".cmdline", ".initrd", ".linux"};
	const void *bytes[] = {k->release, cmdline, NULL, "kernel"};
	size_t sizes[] = {strlen(k->release), strlen(cmdline), 0, 6}, address = 0x1000;

	make_initramfs(k, &image);
	bytes[2] = image.data;
	sizes[2] = image.len;
	put_le(head + 0x3c, 0x80, 4);
	memcpy(head + 0x80, "PE\0\0", 4);
	put_le(head + 0x86, P2V_N(names), 2);
	put_le(head + 0x94, 240, 2);
	put_le(optional, 0x20b, 2);
	put_le(optional + 32, 0x1000, 4);
	put_le(optional + 36, 512, 4);
	put_le(optional + 60, sizeof(head), 4);
	p2v_buf_add_zeros(&out, sizeof(head));
	for (size_t i = 0; i < P2V_N(names); i++) {
		uint8_t *s = optional + 240 + 40 * i;

		memcpy(s, names[i], strlen(names[i]));
		put_le(s + 8, sizes[i], 4);
		put_le(s + 12, address, 4);
		put_le(s + 16, (sizes[i] + 511) / 512 * 512, 4);
		put_le(s + 20, out.len, 4);
		p2v_buf_add(&out, bytes[i], sizes[i]);
		p2v_buf_add_zeros(&out, (512 - sizes[i] % 512) % 512);
		address += (sizes[i] + 0x1000) / 0x1000 * 0x1000;
	}
	put_le(optional + 56, address, 4);
	memcpy(out.data, head, sizeof(head));
	golden_put(root, k->path, out.data, out.len);
}

void golden_make_kernel(const char *root, const struct golden_kernel *k)
{
	p2v_autobuf struct p2v_buf image = {0};

	make_tree(root, k);
	if (k->unified) {
		make_unified(root, k);
		return;
	}
	if (k->path)
		make_image(root, k);
	if (!k->initramfs)
		return;
	make_initramfs(k, &image);
	golden_put(root, k->initramfs, image.data, image.len);
}

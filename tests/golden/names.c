/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Each way of the old hardware to call a disk, in each place of a guest that may name one:
 *
 *	names tests/golden     TAP, one test for each pair
 *
 * A guest in which all places speak that way is converted. Each file then has to be what it was
 * with the stable name in the place of the old one, byte for byte; so has the copy in an initramfs.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drivers-inject/linux/initramfs.h"
#include "drivers-inject/linux/unified.h"
#include "golden.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"

/* Partition n of the disk is called DISK BETWEEN n. */
static const struct spelling {
	const char *name, *disk, *between;
} spellings[] = {
	{"sd", "/dev/sda", ""},
	{"hd", "/dev/hda", ""},
	{"xvd", "/dev/xvda", ""},
	{"nvme", "/dev/nvme0n1", "p"},
	{"mmcblk", "/dev/mmcblk0", "p"},
	{"cciss", "/dev/cciss/c0d0", "p"},
	{"ida", "/dev/ida/c0d0", "p"},
	{"rd", "/dev/rd/c0d0", "p"},
	{"pmem", "/dev/pmem0", "p"},
	{"mpath, letters", "/dev/mapper/mpatha", ""},
	{"mpath, letters and p", "/dev/mapper/mpatha", "p"},
	{"mpath, number", "/dev/mapper/mpath0", "p"},
	{"mpath, -part", "/dev/mapper/mpathb", "-part"},
	{"mpath, _part", "/dev/mapper/mpathb", "_part"},
	{"mpath of Red Hat 5", "/dev/mpath/mpath0", "p"},
	{"mpath of Red Hat 5, by its identifier", "/dev/mpath/3600508b1001c0123456789abcdef0123",
		"p"},
	{"mpath by its identifier", "/dev/mapper/3600508b1001c0123456789abcdef0123", "p"},
	{"mpath by its identifier, -part", "/dev/mapper/3600508b1001c0123456789abcdef0123",
		"-part"},
	{"firmware RAID", "/dev/mapper/isw_bacdefgh_Volume0", "p"},
	{"by-id", "/dev/disk/by-id/ata-WDC_WD10EZEX-08WN4A0_WD-WCC6Y0000001", "-part"},
	{"by-id, wwn", "/dev/disk/by-id/wwn-0x50014ee2b0000001", "-part"},
	{"by-id, scsi", "/dev/disk/by-id/scsi-3600508b1001c0123456789abcdef0123", "-part"},
	{"by-id, cciss", "/dev/disk/by-id/cciss-3600508b1001c0123456789abcdef0123", "-part"},
	{"by-path", "/dev/disk/by-path/pci-0000:00:1f.2-ata-1", "-part"},
	{"by-path, SAS", "/dev/disk/by-path/pci-0000:02:00.0-sas-0x4433221103000000-lun-0",
		"-part"},
};

/*
 * A file before and after. In `was`, <1> is what partition 1 is called, <disk> the disk. In `is`,
 * <1> is UUID=..., <1/> the path of udev's link by UUID, <old1> the old name still. NULL: there is
 * no such file. inside: path is an initramfs, and this the file in it.
 */
struct place {
	const char *name, *path, *was, *is, *inside;
};

/* systemd's name for a swap by the link by its UUID. */
#define SWAP_UNIT "dev-disk-by\\x2duuid-0b2f8c5e\\x2d0000\\x2d4c5c\\x2d9f5a\\x2d000000000002.swap"

#define SERIAL	  "console=tty0 console=ttyS0,115200n8"

static const struct place everywhere[] = {
	{"fstab", "/etc/fstab",
		"# <1> was / during installation\n"
		"<1> / ext4 errors=remount-ro 0 1\n\t<2>  none swap sw 0 0\n"
		"<3>\t/srv ext4 noatime,x-systemd.requires=<2> 0 2",
		"# <old1> was / during installation\n"
		"<1> / ext4 errors=remount-ro 0 1\n\t<2>  none swap sw 0 0\n"
		"<3>\t/srv ext4 noatime,x-systemd.requires=<2/> 0 2",
		NULL},
	{"crypttab", "/etc/crypttab",
		"# name device key\nvault <3> none luks,discard\nswap <2> /dev/urandom swap\n",
		"# name device key\nvault <3> none luks,discard\nswap <2> /dev/urandom swap\n",
		NULL},
	{"crypttab of the initramfs", "/etc/crypttab.initramfs", "vault <3> - luks\n",
		"vault <3> - luks\n", NULL},
	{"mdadm.conf", "/etc/mdadm/mdadm.conf",
		"# mdadm.conf\nDEVICE <3>\nHOMEHOST <system>\n"
		"ARRAY /dev/md0 level=raid1 num-devices=2 "
		"UUID=3aaa0122:29827cfa:5331ad66:ca767371\n   devices=<3>,<2>\n"
		"ARRAY /dev/md1 devices=<1> UUID=3aaa0122:29827cfa:5331ad66:ca767372\n",
		"# mdadm.conf\nDEVICE partitions containers\nHOMEHOST <system>\n"
		"ARRAY /dev/md0 level=raid1 num-devices=2 "
		"UUID=3aaa0122:29827cfa:5331ad66:ca767371\n   devices=/dev/*\n"
		"ARRAY /dev/md1 devices=/dev/* UUID=3aaa0122:29827cfa:5331ad66:ca767372\n",
		NULL},
	{"lvm.conf filter", "/etc/lvm/lvm.conf",
		"devices {\n\tdir = \"/dev\"\n\tfilter = [ \"a|^<3>$|\", \"r|.*|\" ]\n"
		"\tscan = [ \"/dev\" ]\n}\n",
		"devices {\n\tdir = \"/dev\"\n# p2v: \tfilter = [ \"a|^<old3>$|\", \"r|.*|\" ]\n"
		"\tscan = [ \"/dev\" ]\n}\n",
		NULL},
	{"lvm devices file", "/etc/lvm/devices/system.devices",
		"VERSION=1.1.2\nIDTYPE=devname IDNAME=<3> DEVNAME=<3> PVID=x PART=3\n", NULL, NULL},
	{"device.map", "/boot/grub/device.map", "(hd0)\t<disk>\n", NULL, NULL},
	{"resume", "/etc/initramfs-tools/conf.d/resume", "RESUME=<2>\n", "RESUME=<2>\n", NULL},
	{"dracut cmdline.d", "/etc/cmdline.d/90-root.conf", "root=<1> resume=<2>\n",
		"root=<1> resume=<2>\n", NULL},
	{"dracut.conf.d", "/etc/dracut.conf.d/host.conf",
		"kernel_cmdline=\"root=<1> resume=<2>\"\n",
		"kernel_cmdline=\"root=<1> resume=<2>\"\n", NULL},
	{"swap unit", "/etc/systemd/system/dev-swap.swap",
		"[Swap]\nWhat=<2>\n[Install]\nWantedBy=swap.target\n", NULL, NULL},
	{"swap unit by its new name", "/etc/systemd/system/" SWAP_UNIT, NULL,
		"[Swap]\nWhat=<2/>\n[Install]\nWantedBy=swap.target\n", NULL},
	{"mount unit", "/etc/systemd/system/srv.mount", "[Mount]\nWhat=<3>\nWhere=/srv\n",
		"[Mount]\nWhat=<3/>\nWhere=/srv\n", NULL},
	{"drop-in of a mount unit", "/etc/systemd/system/var.mount.d/disk.conf",
		"[Mount]\nWhat=<3>\n", "[Mount]\nWhat=<3/>\n", NULL},
	{"kdump.conf", "/etc/kdump.conf", "# ext4 <1>\next4 <3>\npath /var/crash\n",
		"# ext4 <old1>\next4 <3/>\npath /var/crash\n", NULL},
	{"initramfs: resume", "/boot/initrd.img-6.1.0", "RESUME=<2>\n", "RESUME=<2>\n",
		"conf/conf.d/resume"},
	{"initramfs: cmdline.d", "/boot/initrd.img-6.1.0", "root=<1> resume=<2>\n",
		"root=<1> resume=<2>\n", "etc/cmdline.d/95root-dev.conf"},
	{"initramfs: crypttab", "/boot/initrd.img-6.1.0", "vault <3> none luks\n",
		"vault <3> none luks\n", "cryptroot/crypttab"},
	{"initramfs: fstab", "/boot/initrd.img-6.1.0", "<3> /sysroot/srv ext4 defaults 0 0\n",
		"<3> /sysroot/srv ext4 defaults 0 0\n", "etc/fstab"},
	{"initramfs: mdadm.conf", "/boot/initrd.img-6.1.0",
		"DEVICE <3>\nARRAY /dev/md0 devices=<3> UUID=1:2:3:4\n",
		"DEVICE partitions containers\nARRAY /dev/md0 devices=/dev/* UUID=1:2:3:4\n",
		"etc/mdadm/mdadm.conf"},
	{"initramfs: lvm.conf", "/boot/initrd.img-6.1.0",
		"devices {\n filter = [ \"a|^<3>$|\", \"r|.*|\" ]\n}\n",
		"devices {\n# p2v:  filter = [ \"a|^<old3>$|\", \"r|.*|\" ]\n}\n",
		"etc/lvm/lvm.conf"},
	{NULL, NULL, NULL, NULL, NULL},
};

static const struct place grub2[] = {
	{"grub.cfg", "/boot/grub/grub.cfg",
		"set prefix=(hd0,msdos1)/boot/grub\nset root='hd0,msdos1'\nset default=\"0\"\n"
		"menuentry 'Linux on <1>' {\n"
		"\tsearch --no-floppy --fs-uuid --set=root --hint-bios=hd0,msdos1 x\n"
		"\tlinux\t/boot/vmlinuz-6.1.0 root=<1> ro  resume=<2> " SERIAL "\n"
		"\tinitrd\t/boot/initrd.img-6.1.0\n}\n",
		"set prefix=(hd0,msdos1)/boot/grub\nset root='hd0,msdos1'\nset default=\"0\"\n"
		"menuentry 'Linux on <old1>' {\n"
		"\tsearch --no-floppy --fs-uuid --set=root --hint-bios=hd0,msdos1 x\n"
		"\tlinux\t/boot/vmlinuz-6.1.0 root=<1> ro  resume=<2> " SERIAL "\n"
		"\tinitrd\t/boot/initrd.img-6.1.0\n}\n",
		NULL},
	{"/etc/default/grub", "/etc/default/grub",
		"GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX=\"root=<1> resume=<2> " SERIAL "\"\n",
		"GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX=\"root=<1> resume=<2> " SERIAL "\"\n", NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static const struct place legacy[] = {
	{"fstab", "/etc/fstab", "<1> / ext3 defaults 0 1\n<2> none swap sw 0 0\n",
		"<1> / ext3 defaults 0 1\n<2> none swap sw 0 0\n", NULL},
	{"menu.lst", "/boot/grub/menu.lst",
		"default 0\n# kopt=root=<1> ro " SERIAL
		"\n# groot=(hd0,0)\ntitle Linux\nroot (hd0,0)\n"
		"kernel /boot/vmlinuz-2.6.32-5 root=<1> ro resume=<2> " SERIAL "\n"
		"initrd (hd0,0)/boot/initrd.img-2.6.32-5\n",
		"default 0\n# kopt=root=<1> ro " SERIAL
		"\n# groot=(hd0,0)\ntitle Linux\nroot (hd0,0)\n"
		"kernel /boot/vmlinuz-2.6.32-5 root=<1> ro resume=<2> " SERIAL "\n"
		"initrd (hd0,0)/boot/initrd.img-2.6.32-5\n",
		NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static const struct place extlinux[] = {
	{"extlinux.conf", "/boot/extlinux/extlinux.conf",
		"DEFAULT lin\nLABEL lin\n  LINUX /boot/vmlinuz-6.1.0\n"
		"  APPEND initrd=/boot/initrd.img-6.1.0 root=<1> ro resume=<2> " SERIAL "\n",
		"DEFAULT lin\nLABEL lin\n  LINUX /boot/vmlinuz-6.1.0\n"
		"  APPEND initrd=/boot/initrd.img-6.1.0 root=<1> ro resume=<2> " SERIAL "\n",
		NULL},
	{"update-extlinux.conf", "/etc/update-extlinux.conf",
		"default_kernel_opts=\"quiet resume=<2>\"\nroot=<1>\n",
		"default_kernel_opts=\"quiet resume=<2>\"\nroot=<1>\n", NULL},
	{"/etc/default/extlinux", "/etc/default/extlinux", "EXTLINUX_ROOT=\"root=<1>\"\n",
		"EXTLINUX_ROOT=\"root=<1>\"\n", NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static const struct place systemd_boot[] = {
	{"entry file", "/boot/loader/entries/arch.conf",
		"title Arch on <1>\nlinux /vmlinuz-linux\ninitrd /initramfs-linux.img\n"
		"options root=<1> rw " SERIAL "\n",
		"title Arch on <old1>\nlinux /vmlinuz-linux\ninitrd /initramfs-linux.img\n"
		"options root=<1> rw " SERIAL "\n",
		NULL},
	{"/etc/kernel/cmdline", "/etc/kernel/cmdline", "root=<1> rw " SERIAL "\n",
		"root=<1> rw " SERIAL "\n", NULL},
	{"refind_linux.conf", "/boot/refind_linux.conf", "\"Boot\"  \"root=<1> rw\"\n",
		"\"Boot\"  \"root=<1> rw\"\n", NULL},
	{"refind.conf", "/boot/EFI/refind/refind.conf",
		"menuentry \"Arch\" {\n\tloader /vmlinuz-linux\n\toptions \"root=<1> rw\"\n}\n",
		"menuentry \"Arch\" {\n\tloader /vmlinuz-linux\n\toptions \"root=<1> rw\"\n}\n",
		NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

/* Entry files whose arguments stand in GRUB's environment block, which is 1024 bytes long. */
static const struct place entry_files[] = {
	{"fstab", "/etc/fstab", "<1> / ext4 defaults 0 1\n", "<1> / ext4 defaults 0 1\n", NULL},
	{"grubenv", "/boot/grub/grubenv",
		"# GRUB Environment Block\nsaved_entry=a\n"
		"kernelopts=root=<1> ro resume=<2> " SERIAL "\n<pad>",
		"# GRUB Environment Block\nsaved_entry=a\n"
		"kernelopts=root=<1> ro resume=<2> " SERIAL "\n<pad>",
		NULL},
	{"grub.cfg with entry files", "/boot/grub/grub.cfg", "insmod blscfg\nblscfg\n",
		"insmod blscfg\nblscfg\n", NULL},
	{"entry file with kernelopts", "/boot/loader/entries/a.conf",
		"title a\nversion 6.1.0\nlinux /boot/vmlinuz-6.1.0\n"
		"initrd /boot/initrd.img-6.1.0\noptions $kernelopts quiet\n",
		"title a\nversion 6.1.0\nlinux /boot/vmlinuz-6.1.0\n"
		"initrd /boot/initrd.img-6.1.0\noptions $kernelopts quiet\n",
		NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

#define UNIFIED "/boot/EFI/Linux/linux-6.6.1.efi"

static const struct place unified[] = {
	{"unified kernel", UNIFIED, "root=<1> rw " SERIAL, "root=<1> rw " SERIAL,
		LINUX_UNIFIED_CMDLINE},
	{"initramfs of a unified kernel", UNIFIED, "root=<1>\n", "root=<1>\n",
		"etc/cmdline.d/95root-dev.conf"},
	{NULL, NULL, NULL, NULL, NULL},
};

/* The guests, each a case of this directory, and what is put into it. */
static const struct {
	const char *base;
	const struct place *places;
} guests[] = {
	{"base-debian", everywhere},
	{"base-debian", grub2},
	{"boot-grub-legacy", legacy},
	{"boot-extlinux", extlinux},
	{"boot-systemd-boot", systemd_boot},
	{"base-debian", entry_files},
	{"unified-nvme", unified},
};

/* The file systems of base-debian are called so, but for the last digit. */
#define UUID "0b2f8c5e-0000-4c5c-9f5a-00000000000"

static void add_old(const struct spelling *s, char part, struct p2v_buf *out)
{
	p2v_buf_addf(out, "%s%s%c", s->disk, s->between, part);
}

/* "<1>", "<1/>", "<old1>", "<disk>" of a place's text; "<pad>" at the end of an environment block.
 */
static void fill(const char *text, const struct spelling *s, bool after, struct p2v_buf *out)
{
	while (*text) {
		if (strncmp(text, "<disk>", 6) == 0) {
			p2v_buf_add_str(out, s->disk);
			text += 6;
		} else if (strcmp(text, "<pad>") == 0) {
			while (out->len < 1024)
				p2v_buf_add_str(out, "#");
			text += 5;
		} else if (strncmp(text, "<old", 4) == 0) {
			add_old(s, text[4], out);
			text += 6;
		} else if (*text == '<' && text[1] >= '1' && text[1] <= '3') {
			const bool path = text[2] == '/';

			if (!after)
				add_old(s, text[1], out);
			else
				p2v_buf_addf(out, "%s" UUID "%c",
					path ? "/dev/disk/by-uuid/" : "UUID=", text[1]);
			text += path ? 4 : 3;
		} else {
			p2v_buf_add(out, text++, 1);
		}
	}
	golden_need(p2v_buf_check(out, &golden_err), "text");
}

static char *filled(const char *text, const struct spelling *s, bool after)
{
	p2v_autobuf struct p2v_buf out = {0};

	fill(text, s, after, &out);
	return p2v_span_dup(p2v_span_of(out.data, out.len));
}

/* The files that are to be in the guest's initramfs. */
static void fill_image(
	struct golden_kernel *k, const struct place *places, const struct spelling *s)
{
	for (const struct place *p = places; p->name; p++) {
		struct golden_file *f;

		if (!p->inside)
			continue;
		if (strcmp(p->inside, LINUX_UNIFIED_CMDLINE) == 0) {
			free(k->cmdline);
			k->cmdline = filled(p->was, s, false);
			continue;
		}
		f = p2v_json_grow((void **)&k->image, &k->n_image, sizeof(*f));
		f->path = strdup(p->inside);
		f->lines = calloc(1, sizeof(*f->lines));
		f->lines[0] = filled(p->was, s, false);
		f->lines[0][strlen(f->lines[0]) - 1] = '\0';
		f->n_lines = 1;
	}
}

static void put_places(const char *root, const struct place *places, const struct spelling *s)
{
	for (const struct place *p = places; p->name; p++) {
		p2v_autofree char *text = p->was && !p->inside ? filled(p->was, s, false) : NULL;

		if (text)
			golden_put(root, p->path, text, strlen(text));
	}
}

/* What is there now; false: nothing. */
static bool read_file(const char *root, const struct place *p, struct p2v_buf *out)
{
	p2v_autofree char *path = p2v_strf("%s%s", root, p->path);

	return p2v_file_read(path, 1 << 20, out, NULL) == 0;
}

static bool read_inside(const char *root, const struct place *p, struct p2v_buf *out)
{
	const struct linux_initramfs_request rq = {.image = p->path, .kernel = "6.1.0"};
	struct linux_initramfs_info info = {0};
	struct guest *g;

	golden_need(guest_open_dir(root, false, &g, &golden_err), root);
	golden_need(linux_initramfs_inspect(g, &rq, &info, &golden_err), p->path);
	for (size_t i = 0; i < info.n_files; i++)
		if (strcmp(info.files[i].path, p->inside) == 0)
			p2v_buf_add(out, info.files[i].text.data, info.files[i].text.len);
	linux_initramfs_info_finish(&info);
	guest_free(g);
	return out->len > 0;
}

/* The arguments that a unified kernel holds; the section is filled up with zeros. */
static bool read_unified(const char *root, const struct place *p, struct p2v_buf *out)
{
	p2v_autobuf struct p2v_buf program = {0};
	p2v_autofree char *path = p2v_strf("%s%s", root, p->path);
	p2v_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t offset, n;

	golden_need(p2v_file_read(path, 1 << 20, &program, &golden_err), path);
	golden_need(linux_unified_find(fd, p->inside, &offset, &n, &golden_err), path);
	p2v_buf_add(out, program.data + offset, strnlen((char *)program.data + offset, n));
	return out->len > 0;
}

static bool read_place(const char *root, const struct place *p, struct p2v_buf *out)
{
	if (!p->inside)
		return read_file(root, p, out);
	return strcmp(p->inside, LINUX_UNIFIED_CMDLINE) == 0 ? read_unified(root, p, out)
							     : read_inside(root, p, out);
}

static int number, failed;

static void judge(const char *root, const struct place *p, const struct spelling *s)
{
	p2v_autofree char *want = p->is ? filled(p->is, s, true) : NULL;
	p2v_autobuf struct p2v_buf got = {0};
	const bool there = read_place(root, p, &got);
	const struct p2v_span text = p2v_span_of(got.data ? (const char *)got.data : "", got.len);
	const bool ok = want ? there && p2v_span_eq(text, want) : !there;

	printf("%s %d - %s: %s\n", ok ? "ok" : "not ok", ++number, p->name, s->name);
	failed += !ok;
	if (!ok)
		fprintf(stderr, "%s is to be\n%s\nand is\n%.*s\n", p->path,
			want ? want : "(nothing)", (int)text.n, there ? text.p : "");
}

static void run(
	const char *dir, const char *base, const struct place *places, const struct spelling *s)
{
	p2v_autofree char *case_dir = p2v_path_join(dir, base);
	p2v_autofree char *top = NULL;
	p2v_autofree char *root = NULL;
	struct golden_scene scene;

	golden_scene_load(case_dir, &scene);
	if (scene.cases[0].n_kernels)
		fill_image(&scene.cases[0].kernels[0], places, s);
	golden_need(p2v_dir_temp("names", &top, &golden_err), "temp");
	root = p2v_path_join(top, "root");
	golden_make(&scene, root);
	put_places(root, places, s);
	golden_convert(&scene, top, root);
	for (const struct place *p = places; p->name; p++)
		judge(root, p, s);
	golden_scene_finish(&scene);
	p2v_dir_remove(top);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	golden_begin();
	for (size_t i = 0; i < P2V_N(guests); i++)
		for (size_t k = 0; k < P2V_N(spellings); k++)
			run(argv[1], guests[i].base, guests[i].places, &spellings[k]);
	printf("1..%d\n", number);
	return failed || !number;
}

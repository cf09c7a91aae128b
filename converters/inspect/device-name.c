/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/inspect/device-name.h"

#include <string.h>

#include "p2v/core/cleanup.h"

#define MAX_NUMBER 100000
#define MAX_DISKS  (26 * 27) /* sda to sdzz */

/* Kernel names: a prefix, the disk as letters or as a number, and how the partition follows. */
static const struct kernel_name {
	const char *prefix;
	enum device_class class;
	bool letters;
	const char *fixed;   /* a number that is counted after this one: "n" of nvme0n1 */
	const char *between; /* between disk and partition number */
} kernel_names[] = {
	{"/dev/sd", DEVICE_SCSI, true, NULL, ""},
	{"/dev/hd", DEVICE_SCSI, true, NULL, ""},
	{"/dev/vd", DEVICE_SCSI, true, NULL, ""},
	{"/dev/xvd", DEVICE_SCSI, true, NULL, ""},
	{"/dev/i2o/hd", DEVICE_SCSI, true, NULL, ""},
	{"/dev/fio", DEVICE_SCSI, true, NULL, ""},
	{"/dev/nvme", DEVICE_NVME, false, "n", "p"},
	{"/dev/mmcblk", DEVICE_MMC, false, NULL, "p"},
	{"/dev/pmem", DEVICE_PMEM, false, NULL, "p"},
	{"/dev/cciss/c", DEVICE_SCSI, false, "d", "p"},
	{"/dev/ida/c", DEVICE_SCSI, false, "d", "p"},
	{"/dev/rd/c", DEVICE_SCSI, false, "d", "p"},
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits from the front. */
static bool take_number(struct p2v_span *s, uint64_t *ret)
{
	size_t n = 0;

	while (n < s->n && is_digit(s->p[n]))
		n++;
	if (!p2v_span_u64(p2v_span_of(s->p, n), MAX_NUMBER, ret))
		return false;
	*s = p2v_span_skip(*s, n);
	return true;
}

/* a..z, aa..zz */
static bool take_letters(struct p2v_span *s, uint64_t *ret)
{
	uint64_t number = 0;
	size_t n = 0;

	for (; n < s->n && s->p[n] >= 'a' && s->p[n] <= 'z'; n++) {
		if (number > MAX_DISKS)
			return false;
		number = number * 26 + (uint64_t)(s->p[n] - 'a') + 1;
	}
	*s = p2v_span_skip(*s, n);
	*ret = number - 1;
	return n > 0;
}

/* The first controller's (or drive's) disks come first. Several controllers with several disks each
 * are in no order that is known here. */
static bool take_counted(const struct kernel_name *k, struct p2v_span *s, uint64_t *ret)
{
	uint64_t outer, inner;

	if (!take_number(s, &outer))
		return false;
	*ret = outer;
	if (!k->fixed)
		return true;
	if (!p2v_span_starts(*s, k->fixed))
		return false;
	*s = p2v_span_skip(*s, strlen(k->fixed));
	if (!take_number(s, &inner))
		return false;
	/* nvme1n1 is the second drive, c0d1 the second one of a controller. */
	*ret = k->class == DEVICE_NVME ? outer + (inner ? inner - 1 : 0) : outer + inner;
	return true;
}

static bool read_kernel_name(
	const struct kernel_name *k, struct p2v_span spec, struct device_name *ret)
{
	struct p2v_span s = p2v_span_skip(spec, strlen(k->prefix));

	*ret = (struct device_name){.class = k->class};
	if (!(k->letters ? take_letters(&s, &ret->number) : take_counted(k, &s, &ret->number)))
		return false;
	ret->disk = p2v_span_of(spec.p, spec.n - s.n);
	if (s.n == 0)
		return true;
	if (!p2v_span_starts(s, k->between))
		return false;
	s = p2v_span_skip(s, strlen(k->between));
	return take_number(&s, &ret->part) && s.n == 0;
}

/* The digits at the end, and what stands before them is to be one of the marks. */
static bool cut_part(struct p2v_span *name, const char *const *marks, size_t n, uint64_t *ret)
{
	size_t digits = 0;

	while (digits < name->n && is_digit(name->p[name->n - digits - 1]))
		digits++;
	for (size_t i = 0; digits && i < n; i++) {
		struct p2v_span before = p2v_span_of(name->p, name->n - digits);

		if (!p2v_span_ends(before, marks[i]) ||
			!p2v_span_u64(p2v_span_of(name->p + before.n, digits), 256, ret))
			continue;
		before.n -= strlen(marks[i]);
		*name = before;
		return true;
	}
	return false;
}

static const char *const link_marks[] = {"-part"};
static const char *const mapped_marks[] = {"-part", "_part", "p"};

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

/* A SCSI identifier: a type digit and 16 or 32 hexadecimal ones. */
static bool is_wwid(struct p2v_span name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!is_hex(name.p[i]))
			return false;
	return name.n == 17 || name.n == 33;
}

static bool is_firmware_raid(struct p2v_span name)
{
	static const char *const prefixes[] = {"isw_", "ddf1_", "pdc_", "nvidia_", "sil_",
		"jmicron_", "via_", "hpt37x_", "hpt45x_", "asr_", "lsi_"};

	for (size_t i = 0; i < P2V_N(prefixes); i++)
		if (p2v_span_starts(name, prefixes[i]))
			return true;
	return false;
}

/* "mpatha", "mpath0"; behind letters a partition may follow without a mark: "mpatha1". */
static bool read_friendly(struct p2v_span name, struct device_name *ret)
{
	struct p2v_span rest = p2v_span_skip(name, strlen("mpath"));
	size_t n = 0;

	cut_part(&name, mapped_marks, 2, &ret->part);
	if (!ret->part && rest.n > 1 && !is_digit(rest.p[0])) {
		while (n < rest.n && !is_digit(rest.p[n]))
			n++;
		if (n < rest.n && !p2v_span_u64(p2v_span_skip(rest, n), 256, &ret->part))
			return false;
		/* The 'p' of "mpathap1"; "mpathp1" is disk p. */
		name.n = strlen("mpath") + n - (n < rest.n && n > 1 && rest.p[n - 1] == 'p');
	} else if (!ret->part && rest.n && is_digit(rest.p[0])) {
		cut_part(&name, mapped_marks + 2, 1, &ret->part);
	}
	ret->disk = name;
	return rest.n > 0;
}

/* Where Red Hat's releases up to 5 have multipath disks, and nothing else. */
#define MPATH_DIR "/dev/mpath/"

static bool read_mapped(struct p2v_span spec, struct device_name *ret)
{
	const bool multipath = p2v_span_starts(spec, MPATH_DIR);
	struct p2v_span name = p2v_span_skip(spec, strlen(multipath ? MPATH_DIR : "/dev/mapper/")),
			disk = name;
	bool found;

	*ret = (struct device_name){.class = DEVICE_MAPPED};
	if (p2v_span_starts(name, "mpath")) {
		found = read_friendly(name, ret);
	} else {
		if (!is_wwid(name))
			cut_part(&disk, mapped_marks, P2V_N(mapped_marks), &ret->part);
		found = (multipath && disk.n) || is_wwid(disk) || is_firmware_raid(disk);
		ret->disk = disk;
	}
	ret->disk = p2v_span_of(spec.p, (size_t)(ret->disk.p - spec.p) + ret->disk.n);
	return found;
}

/* udev's links for volumes that the disks' content makes: they are the same on any hardware. What
 * the device mapper makes of multipath and firmware RAID is not among them. */
static bool is_of_content(struct p2v_span spec)
{
	static const char *const prefixes[] = {
		"dm-uuid-LVM-", "dm-uuid-CRYPT-", "md-uuid-", "md-name-", "lvm-pv-uuid-"};
	struct p2v_span link = p2v_span_skip(spec, strlen("/dev/disk/by-id/"));
	struct device_name d;
	char mapped[300] = "/dev/mapper/";

	if (!p2v_span_starts(spec, "/dev/disk/by-id/"))
		return false;
	for (size_t i = 0; i < P2V_N(prefixes); i++)
		if (p2v_span_starts(link, prefixes[i]))
			return true;
	if (!p2v_span_starts(link, "dm-name-") || link.n > 250)
		return false;
	link = p2v_span_skip(link, strlen("dm-name-"));
	memcpy(mapped + strlen(mapped), link.p, link.n);
	return !read_mapped(p2v_span_str(mapped), &d);
}

bool device_name_read(struct p2v_span spec, struct device_name *ret)
{
	struct device_name d = {0};

	if (is_of_content(spec))
		return false;

	if (p2v_span_starts(spec, "/dev/disk/by-id/") ||
		p2v_span_starts(spec, "/dev/disk/by-path/")) {
		d = (struct device_name){.class = DEVICE_LINK, .disk = spec};
		cut_part(&d.disk, link_marks, 1, &d.part);
		*ret = d;
		return true;
	}
	if (p2v_span_starts(spec, "/dev/mapper/") || p2v_span_starts(spec, MPATH_DIR)) {
		if (!read_mapped(spec, &d))
			return false;
		*ret = d;
		return true;
	}
	for (size_t i = 0; i < P2V_N(kernel_names); i++)
		if (p2v_span_starts(spec, kernel_names[i].prefix) &&
			read_kernel_name(&kernel_names[i], spec, &d)) {
			*ret = d;
			return true;
		}
	return false;
}

bool device_name_alias(struct p2v_span spec, uint64_t part, struct device_name *ret)
{
	static const char *const marks[] = {"-part", "_part", "p", ""};
	struct device_name d = {.class = DEVICE_MAPPED, .disk = spec};

	if (!p2v_span_starts(spec, "/dev/mapper/") ||
		!cut_part(&d.disk, marks, P2V_N(marks), &d.part) || d.part != part)
		return false;
	*ret = d;
	return true;
}

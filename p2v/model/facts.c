/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/model/facts.h"

#include "p2v/model/check.h"
#include "p2v/model/noun.h"

const char *const model_driver_state_words[] = {"absent", "module", "builtin", NULL};

static const struct p2v_json_field facts_disk_fields[] = {
	P2V_JSON_STR(struct facts_disk, id, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct facts_disk, device, 0),
	P2V_JSON_U64(struct facts_disk, size_bytes, 0),
	P2V_JSON_STR(struct facts_disk, table, 0),
	P2V_JSON_BOOL(struct facts_disk, bios_boot, 0),
	P2V_JSON_STR(struct facts_disk, boot_code, 0),
	P2V_JSON_STR(struct facts_disk, serial, P2V_JSON_OMIT),
	P2V_JSON_STR(struct facts_disk, wwn, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct facts_disk, names, P2V_JSON_OMIT),
	P2V_JSON_END,
};
static const struct p2v_json_type facts_disk_type = {
	"facts_disk", sizeof(struct facts_disk), facts_disk_fields};

static const struct p2v_json_field facts_fs_fields[] = {
	P2V_JSON_STR(struct facts_fs, device, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct facts_fs, disk, 0),
	P2V_JSON_U32(struct facts_fs, part, 0),
	P2V_JSON_STR(struct facts_fs, kind, 0),
	P2V_JSON_STR(struct facts_fs, uuid, 0),
	P2V_JSON_STR(struct facts_fs, label, 0),
	P2V_JSON_STR(struct facts_fs, partuuid, 0),
	P2V_JSON_STR(struct facts_fs, partlabel, P2V_JSON_OMIT),
	P2V_JSON_U64(struct facts_fs, offset_bytes, 0),
	P2V_JSON_U64(struct facts_fs, size_bytes, 0),
	P2V_JSON_U64(struct facts_fs, free_bytes, 0),
	P2V_JSON_BOOL(struct facts_fs, esp, 0),
	P2V_JSON_BOOL(struct facts_fs, xbootldr, P2V_JSON_OMIT),
	P2V_JSON_STR(struct facts_fs, windows_volume, 0),
	P2V_JSON_BOOL(struct facts_fs, unclean, P2V_JSON_OMIT),
	P2V_JSON_STR(struct facts_fs, parent, 0),
	P2V_JSON_STR(struct facts_fs, array_uuid, 0),
	P2V_JSON_STR(struct facts_fs, mounted_at, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct facts_fs, aliases, P2V_JSON_OMIT),
	P2V_JSON_END,
};
static const struct p2v_json_type facts_fs_type = {
	"facts_fs", sizeof(struct facts_fs), facts_fs_fields};

static const struct p2v_json_field facts_mount_fields[] = {
	P2V_JSON_STR(struct facts_mount, spec, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct facts_mount, mountpoint, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct facts_mount, kind, 0),
	P2V_JSON_STR(struct facts_mount, options, 0),
	P2V_JSON_U32(struct facts_mount, line, 0),
	P2V_JSON_STR(struct facts_mount, device, 0),
	P2V_JSON_STR(struct facts_mount, subvolume, 0),
	P2V_JSON_BOOL(struct facts_mount, guess, P2V_JSON_OMIT),
	P2V_JSON_END,
};
static const struct p2v_json_type facts_mount_type = {
	"facts_mount", sizeof(struct facts_mount), facts_mount_fields};

static const struct p2v_json_field facts_initramfs_fields[] = {
	P2V_JSON_STR(struct facts_initramfs, path, 0),
	P2V_JSON_STR(struct facts_initramfs, kind, 0),
	P2V_JSON_STR(struct facts_initramfs, compression, 0),
	P2V_JSON_U64(struct facts_initramfs, size_bytes, 0),
	P2V_JSON_STRS(struct facts_initramfs, modules, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct facts_initramfs, tail_ok, 0),
	P2V_JSON_BOOL(struct facts_initramfs, injected, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type facts_initramfs_type = {
	"facts_initramfs", sizeof(struct facts_initramfs), facts_initramfs_fields};

static const struct p2v_json_field facts_driver_fields[] = {
	P2V_JSON_STR(struct facts_driver, name, P2V_JSON_REQUIRED),
	P2V_JSON_ENUM(struct facts_driver, state, 0, model_driver_state_words),
	P2V_JSON_END,
};
static const struct p2v_json_type facts_driver_type = {
	"facts_driver", sizeof(struct facts_driver), facts_driver_fields};

static const struct p2v_json_field facts_kernel_fields[] = {
	P2V_JSON_STR(struct facts_kernel, release, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct facts_kernel, path, 0),
	P2V_JSON_STR(struct facts_kernel, modules_dir, 0),
	P2V_JSON_STR(struct facts_kernel, arch, 0),
	P2V_JSON_BOOL(struct facts_kernel, rescue, 0),
	P2V_JSON_BOOL(struct facts_kernel, default_entry, 0),
	P2V_JSON_BOOL(struct facts_kernel, unified, 0),
	P2V_JSON_OBJ(struct facts_kernel, initramfs, 0, &facts_initramfs_type),
	P2V_JSON_OBJS(struct facts_kernel, crash, P2V_JSON_OMIT, &facts_initramfs_type),
	P2V_JSON_OBJS(struct facts_kernel, drivers, 0, &facts_driver_type),
	P2V_JSON_END,
};
static const struct p2v_json_type facts_kernel_type = {
	"facts_kernel", sizeof(struct facts_kernel), facts_kernel_fields};

static const struct p2v_json_field facts_ref_fields[] = {
	P2V_JSON_STR(struct facts_ref, path, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct facts_ref, inside, 0),
	P2V_JSON_U32(struct facts_ref, line, 0),
	P2V_JSON_STR(struct facts_ref, what, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct facts_ref, text, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct facts_ref, device, 0),
	P2V_JSON_STR(struct facts_ref, stable, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type facts_ref_type = {
	"facts_ref", sizeof(struct facts_ref), facts_ref_fields};

static const struct p2v_json_field facts_address_fields[] = {
	P2V_JSON_STR(struct facts_address, method, 0),
	P2V_JSON_STR(struct facts_address, address, 0),
	P2V_JSON_STR(struct facts_address, gateway, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type facts_address_type = {
	"facts_address", sizeof(struct facts_address), facts_address_fields};

static const struct p2v_json_field facts_nic_match_fields[] = {
	P2V_JSON_STR(struct facts_nic_match, key, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct facts_nic_match, value, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct facts_nic_match, path, 0),
	P2V_JSON_U32(struct facts_nic_match, line, 0),
	P2V_JSON_STR(struct facts_nic_match, text, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type facts_nic_match_type = {
	"facts_nic_match", sizeof(struct facts_nic_match), facts_nic_match_fields};

static const struct p2v_json_field facts_nic_fields[] = {
	P2V_JSON_STR(struct facts_nic, name, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct facts_nic, kind, 0),
	P2V_JSON_STR(struct facts_nic, mac, 0),
	P2V_JSON_STR(struct facts_nic, dialect, 0),
	P2V_JSON_STR(struct facts_nic, path, 0),
	P2V_JSON_STR(struct facts_nic, clone_mac, 0),
	P2V_JSON_STR(struct facts_nic, primary, 0),
	P2V_JSON_STR(struct facts_nic, mode, 0),
	P2V_JSON_BOOL(struct facts_nic, manual, P2V_JSON_OMIT),
	P2V_JSON_OBJS(struct facts_nic, matches, P2V_JSON_OMIT, &facts_nic_match_type),
	P2V_JSON_STRS(struct facts_nic, settings, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct facts_nic, members, P2V_JSON_OMIT),
	P2V_JSON_U32(struct facts_nic, vlan_id, P2V_JSON_OMIT),
	P2V_JSON_U32(struct facts_nic, mtu, P2V_JSON_OMIT),
	P2V_JSON_OBJS(struct facts_nic, addresses, 0, &facts_address_type),
	P2V_JSON_STRS(struct facts_nic, dns, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct facts_nic, wins, P2V_JSON_OMIT),
	P2V_JSON_U32(struct facts_nic, netbios, P2V_JSON_OMIT),
	P2V_JSON_STR(struct facts_nic, suffix, 0),
	P2V_JSON_STRS(struct facts_nic, nsi, P2V_JSON_OMIT),
	P2V_JSON_END,
};
static const struct p2v_json_type facts_nic_type = {
	"facts_nic", sizeof(struct facts_nic), facts_nic_fields};

static const struct p2v_json_field facts_bootloader_fields[] = {
	P2V_JSON_STR(struct facts_bootloader, kind, 0),
	P2V_JSON_STR(struct facts_bootloader, firmware, 0),
	P2V_JSON_STRS(struct facts_bootloader, configs, 0),
	P2V_JSON_STRS(struct facts_bootloader, sources, 0),
	P2V_JSON_STRS(struct facts_bootloader, programs, P2V_JSON_OMIT),
	P2V_JSON_STR(struct facts_bootloader, cmdline, 0),
	P2V_JSON_BOOL(struct facts_bootloader, serial_console, 0),
	P2V_JSON_STRS(struct facts_bootloader, efi_programs, P2V_JSON_OMIT),
	P2V_JSON_END,
};
static const struct p2v_json_type facts_bootloader_type = {
	"facts_bootloader", sizeof(struct facts_bootloader), facts_bootloader_fields};

static const struct p2v_json_field facts_service_fields[] = {
	P2V_JSON_STR(struct facts_service, name, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct facts_service, reason, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type facts_service_type = {
	"facts_service", sizeof(struct facts_service), facts_service_fields};

static const struct p2v_json_field facts_windows_driver_fields[] = {
	P2V_JSON_STR(struct facts_windows_driver, name, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct facts_windows_driver, set, 0),
	P2V_JSON_U32(struct facts_windows_driver, start, 0),
	P2V_JSON_BOOL(struct facts_windows_driver, overridden, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct facts_windows_driver, present, 0),
	P2V_JSON_STR(struct facts_windows_driver, source, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type facts_windows_driver_type = {
	"facts_windows_driver", sizeof(struct facts_windows_driver), facts_windows_driver_fields};

static const struct p2v_json_field facts_windows_filter_fields[] = {
	P2V_JSON_STR(struct facts_windows_filter, key, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct facts_windows_filter, value, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct facts_windows_filter, name, P2V_JSON_REQUIRED),
	P2V_JSON_END,
};
static const struct p2v_json_type facts_windows_filter_type = {
	"facts_windows_filter", sizeof(struct facts_windows_filter), facts_windows_filter_fields};

static const struct p2v_json_field facts_windows_fields[] = {
	P2V_JSON_STR(struct facts_windows, dir, 0),
	P2V_JSON_STR(struct facts_windows, role, 0),
	P2V_JSON_STR(struct facts_windows, edition, 0),
	P2V_JSON_U32(struct facts_windows, major, 0),
	P2V_JSON_U32(struct facts_windows, minor, 0),
	P2V_JSON_U32(struct facts_windows, build, 0),
	P2V_JSON_U32(struct facts_windows, revision, 0),
	P2V_JSON_STR(struct facts_windows, service_pack, 0),
	P2V_JSON_STR(struct facts_windows, release, 0),
	P2V_JSON_STRS(struct facts_windows, sets, 0),
	P2V_JSON_BOOL(struct facts_windows, ide_listed, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct facts_windows, driver_database, 0),
	P2V_JSON_BOOL(struct facts_windows, hibernated, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct facts_windows, fast_startup, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct facts_windows, cluster, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct facts_windows, hyperv, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct facts_windows, test_signing, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct facts_windows, bitlocker, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct facts_windows, staged, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct facts_windows, install_restricted, P2V_JSON_OMIT),
	P2V_JSON_U32(struct facts_windows, san_policy, P2V_JSON_OMIT),
	P2V_JSON_U32(struct facts_windows, auto_reboot, P2V_JSON_OMIT),
	P2V_JSON_U32(struct facts_windows, heads, P2V_JSON_OMIT),
	P2V_JSON_STR(struct facts_windows, hal, 0),
	P2V_JSON_STRS(struct facts_windows, dirty, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct facts_windows, signing, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct facts_windows, damaged, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct facts_windows, pending, P2V_JSON_OMIT),
	P2V_JSON_STRS(struct facts_windows, antivirus, P2V_JSON_OMIT),
	P2V_JSON_OBJS(struct facts_windows, drivers, 0, &facts_windows_driver_type),
	P2V_JSON_OBJS(struct facts_windows, filters, P2V_JSON_OMIT, &facts_windows_filter_type),
	P2V_JSON_STR(struct facts_windows, esp, 0),
	P2V_JSON_STR(struct facts_windows, esp_at, 0),
	P2V_JSON_STR(struct facts_windows, bcd, 0),
	P2V_JSON_STRS(struct facts_windows, bcd_blind, P2V_JSON_OMIT),
	P2V_JSON_STR(struct facts_windows, boot_loader, 0),
	P2V_JSON_STR(struct facts_windows, removable, 0),
	P2V_JSON_STR(struct facts_windows, removable_path, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type facts_windows_type = {
	"facts_windows", sizeof(struct facts_windows), facts_windows_fields};

static const struct p2v_json_field facts_os_fields[] = {
	P2V_JSON_STR(struct facts_os, root, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct facts_os, root_subvolume, 0),
	P2V_JSON_STR(struct facts_os, kind, P2V_JSON_REQUIRED),
	P2V_JSON_STR(struct facts_os, id, 0),
	P2V_JSON_STR(struct facts_os, id_like, 0),
	P2V_JSON_STR(struct facts_os, version_id, 0),
	P2V_JSON_STR(struct facts_os, pretty, 0),
	P2V_JSON_STR(struct facts_os, arch, 0),
	P2V_JSON_STR(struct facts_os, hostname, 0),
	P2V_JSON_STR(struct facts_os, init, 0),
	P2V_JSON_BOOL(struct facts_os, udev_links, 0),
	P2V_JSON_BOOL(struct facts_os, udev_rules, 0),
	P2V_JSON_BOOL(struct facts_os, no_udev, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct facts_os, udev_sysfs, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct facts_os, udev_once, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct facts_os, kernel_names, P2V_JSON_OMIT),
	P2V_JSON_BOOL(struct facts_os, selinux, 0),
	P2V_JSON_BOOL(struct facts_os, static_etc, P2V_JSON_OMIT),
	P2V_JSON_STR(struct facts_os, rtc, 0),
	P2V_JSON_STR(struct facts_os, machine_id, 0),
	P2V_JSON_BOOL(struct facts_os, console_getty, 0),
	P2V_JSON_STR(struct facts_os, getty, 0),
	P2V_JSON_BOOL(struct facts_os, console_root, P2V_JSON_OMIT),
	P2V_JSON_STR(struct facts_os, guest_agent, 0),
	P2V_JSON_OBJS(struct facts_os, mounts, 0, &facts_mount_type),
	P2V_JSON_OBJS(struct facts_os, kernels, 0, &facts_kernel_type),
	P2V_JSON_OBJ(struct facts_os, bootloader, 0, &facts_bootloader_type),
	P2V_JSON_OBJS(struct facts_os, refs, 0, &facts_ref_type),
	P2V_JSON_OBJS(struct facts_os, nics, 0, &facts_nic_type),
	P2V_JSON_OBJS(struct facts_os, services, P2V_JSON_OMIT, &facts_service_type),
	P2V_JSON_STRS(struct facts_os, initramfs_config, 0),
	P2V_JSON_STRS(struct facts_os, initramfs_modules, P2V_JSON_OMIT),
	P2V_JSON_OBJS(struct facts_os, windows, P2V_JSON_OMIT, &facts_windows_type),
	P2V_JSON_END,
};
static const struct p2v_json_type facts_os_type = {
	"facts_os", sizeof(struct facts_os), facts_os_fields};

static const struct p2v_json_field facts_fields[] = {
	P2V_JSON_U32(struct facts, version, P2V_JSON_REQUIRED),
	P2V_JSON_OBJS(struct facts, disks, 0, &facts_disk_type),
	P2V_JSON_OBJS(struct facts, filesystems, 0, &facts_fs_type),
	P2V_JSON_OBJS(struct facts, systems, 0, &facts_os_type),
	P2V_JSON_STRS(struct facts, notes, P2V_JSON_OMIT),
	P2V_JSON_END,
};
const struct p2v_json_type model_facts_type = {"facts", sizeof(struct facts), facts_fields};

int model_facts_validate(const struct facts *facts, struct p2v_err *err)
{
	int r;

	if (facts->version != 1)
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"facts: version %u is not one that this program knows (1)", facts->version);
	for (size_t i = 0; i < facts->n_disks; i++) {
		r = model_check_disk_id(facts->disks[i].id, i, "facts", err);
		if (r < 0)
			return r;
	}
	return 0;
}

MODEL_NOUN(facts);

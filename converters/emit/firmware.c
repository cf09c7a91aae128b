/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/emit/firmware.h"

#include <stdbool.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

/* The newest layout of each distribution first. */
static const struct row {
	bool secure_boot;
	struct emit_firmware files;
} rows[] = {
	/* Debian, Ubuntu */
	{false, {"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"}},
	{true, {"/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"}},
	{false, {"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"}},
	{true, {"/usr/share/OVMF/OVMF_CODE.ms.fd", "/usr/share/OVMF/OVMF_VARS.ms.fd"}},
	/* Fedora, RHEL */
	{false, {"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"}},
	{true, {"/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd",
		       "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd"}},
};

int emit_firmware_find(const struct output *output, struct emit_firmware *ret, struct p2v_err *err)
{
	if (strcmp(output->firmware, "uefi") != 0) {
		*ret = (struct emit_firmware){0};
		return 0;
	}
	for (size_t i = 0; i < P2V_N(rows); i++)
		if (rows[i].secure_boot == output->secure_boot &&
			p2v_file_exists(rows[i].files.code) &&
			p2v_file_exists(rows[i].files.vars)) {
			*ret = rows[i].files;
			return 0;
		}
	return p2v_err_set(err, P2V_ENOTFOUND,
		"%s: needs UEFI firmware%s, which is not installed here (package ovmf)",
		output->name, output->secure_boot ? " with Secure Boot" : "");
}

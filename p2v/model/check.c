/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/model/check.h"

#include <stdio.h>
#include <string.h>

static const char alnum[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

bool model_name_ok(const char *name)
{
	size_t len = name ? strlen(name) : 0;

	if (len < 1 || len > 64 || strspn(name, alnum) < 1)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!strchr(alnum, name[i]) && !strchr(".-_", name[i]))
			return false;
	return true;
}

int model_check_name(const char *name, const char *noun, struct p2v_err *err)
{
	if (model_name_ok(name))
		return 0;
	return p2v_err_set(err, P2V_EFORMAT,
		"%s: name '%.80s' is not made of 1 to 64 letters, digits, dots and dashes", noun,
		name ? name : "");
}

int model_check_disk_id(const char *id, size_t i, const char *noun, struct p2v_err *err)
{
	char want[32];

	snprintf(want, sizeof(want), "disk%zu", i);
	if (id && strcmp(id, want) == 0)
		return 0;
	return p2v_err_set(err, P2V_EFORMAT, "%s: disk '%.40s' stands where %s should", noun,
		id ? id : "", want);
}

bool model_mac_ok(const char *mac)
{
	if (!mac || strlen(mac) != 17)
		return false;
	for (size_t i = 0; i < 17; i++)
		if (i % 3 == 2 ? mac[i] != ':' : !strchr("0123456789abcdef", mac[i]))
			return false;
	return true;
}

int model_check_mac(const char *mac, const char *noun, struct p2v_err *err)
{
	if (model_mac_ok(mac))
		return 0;
	return p2v_err_set(err, P2V_EFORMAT, "%s: '%.40s' is not a MAC address (aa:bb:cc:dd:ee:ff)",
		noun, mac ? mac : "");
}

int model_check_firmware(const char *firmware, const char *noun, struct p2v_err *err)
{
	if (firmware && (strcmp(firmware, "bios") == 0 || strcmp(firmware, "uefi") == 0))
		return 0;
	return p2v_err_set(err, P2V_EFORMAT, "%s: firmware '%.40s' is neither bios nor uefi", noun,
		firmware ? firmware : "");
}

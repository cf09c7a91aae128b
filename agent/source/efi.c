/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <string.h>

#include "agent/source/source.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/publish.h"

/*
 * efivarfs: one file "<Name>-<GUID>" a variable: u32 attributes (little-endian), then its data.
 * UEFI 2.10 section 3.3 names the global variables.
 */
#define EFIVARS	      "/sys/firmware/efi/efivars"
#define GLOBAL_GUID   "8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define VAR_MAX_BYTES 65536
#define VARS_MAX      256

static bool is_boot_entry(const char *name, size_t n)
{
	if (n != 8 || strncmp(name, "Boot", 4) != 0)
		return false;
	for (size_t i = 4; i < 8; i++)
		if (!isxdigit((unsigned char)name[i]))
			return false;
	return true;
}

/* Length of the variable's own name in a file name that we want, else 0. */
static size_t wanted(const char *file)
{
	const char *dash = strchr(file, '-');
	size_t n = dash ? (size_t)(dash - file) : 0;

	if (!dash || strcmp(dash + 1, GLOBAL_GUID) != 0)
		return 0;
	if (is_boot_entry(file, n) || (n == 9 && strncmp(file, "BootOrder", n) == 0) ||
		(n == 11 && strncmp(file, "BootCurrent", n) == 0))
		return n;
	return 0;
}

static int var_add(const struct source_host *host, const char *file, size_t name_len,
	struct machine *m, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_strf(EFIVARS "/%s", file);
	p2v_autobuf struct p2v_buf raw = {0};
	struct machine_efi_var *var;
	struct p2v_rd rd;
	uint32_t attributes;

	/* One that cannot be read is missed by nobody but the firmware; the machine still boots. */
	if (!path || !source_bytes(host, path, VAR_MAX_BYTES, &raw))
		return 0;
	rd = p2v_rd_init(raw.data, raw.len);
	attributes = p2v_rd_le32(&rd);
	if (rd.failed)
		return 0;
	var = p2v_json_grow((void **)&m->efi_vars, &m->n_efi_vars, sizeof(*var));
	if (!var)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	var->attributes = attributes;
	var->name = strndup(file, name_len);
	var->guid = strdup(GLOBAL_GUID);
	var->data_hex = malloc(2 * rd.left + 1);
	if (!var->name || !var->guid || !var->data_hex)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	p2v_hex(rd.p, rd.left, var->data_hex);
	return 0;
}

static bool secure_boot(const struct source_host *host)
{
	p2v_autobuf struct p2v_buf raw = {0};

	return source_bytes(host, EFIVARS "/SecureBoot-" GLOBAL_GUID, VAR_MAX_BYTES, &raw) &&
	       raw.len == 5 && raw.data[4] == 1;
}

int source_efi_read(const struct source_host *host, struct machine *m, struct p2v_err *err)
{
	source_autonames struct source_names names = {0};
	bool uefi = source_exists(host, "/sys/firmware/efi");
	int r = 0;

	m->firmware = strdup(uefi ? "uefi" : "bios");
	if (!m->firmware)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	m->secure_boot = uefi && secure_boot(host);
	source_names_read(host, EFIVARS, &names);
	for (size_t i = 0; i < names.n_items && r == 0 && m->n_efi_vars < VARS_MAX; i++) {
		size_t n = wanted(names.items[i]);

		if (n)
			r = var_add(host, names.items[i], n, m, err);
	}
	return r;
}

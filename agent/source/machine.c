/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "agent/source/smbios.h"
#include "agent/source/source.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/opt.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"

#define SMBIOS_MAX_BYTES (1u << 20)
#define MEMORY_STEP_MIN	 (64 * P2V_MIB)

void source_name_clean(const char *text, char out[65])
{
	size_t n = 0;

	for (; text && *text && n < 64; text++) {
		bool plain = (unsigned char)*text < 0x80 && isalnum((unsigned char)*text);

		if (plain || (n && strchr(".-_", *text)))
			out[n++] = *text;
		else if (n)
			out[n++] = '-';
	}
	while (n && !isalnum((unsigned char)out[n - 1]))
		n--;
	out[n] = '\0';
}

/* Firmware that was never filled in says such things; they identify nothing. */
static bool is_placeholder(const char *text)
{
	static const char *const words[] = {"To be filled by O.E.M.", "To Be Filled By O.E.M.",
		"Default string", "System Product Name", "System Serial Number", "Not Specified",
		"None", "0123456789"};

	for (size_t i = 0; i < P2V_N(words); i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return false;
}

static char *dmi(const struct source_host *host, const char *key)
{
	p2v_autofree char *text = source_attr(host, "/sys/class/dmi/id/%s", key);

	return text && !is_placeholder(text) ? p2v_steal(text) : NULL;
}

/* A UUID of all 0 or all F means "not set" (DSP0134 7.2.1). */
static char *uuid_read(const struct source_host *host)
{
	p2v_autofree char *uuid = dmi(host, "product_uuid");

	if (!uuid || strlen(uuid) != 36 || strspn(uuid, "0-") == 36 || strspn(uuid, "fF-") == 36)
		return NULL;
	for (char *p = uuid; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return p2v_steal(uuid);
}

void source_identity_read(const struct source_host *host, struct machine *m)
{
	p2v_autofree char *adjtime = p2v_strf("%s/etc/adjtime", host->root);
	p2v_autobuf struct p2v_buf clock = {0};

	m->uuid = uuid_read(host);
	m->vendor = dmi(host, "sys_vendor");
	m->product = dmi(host, "product_name");
	m->serial = dmi(host, "product_serial");
	/* The third line of adjtime(5) is LOCAL or UTC. */
	if (adjtime && p2v_file_read(adjtime, 4096, &clock, NULL) == 0 && clock.len &&
		strstr((const char *)clock.data, "\nLOCAL"))
		m->rtc = strdup("localtime");
	else
		m->rtc = strdup("utc");
}

uint64_t source_memory_round(uint64_t bytes)
{
	uint64_t step = MEMORY_STEP_MIN;

	while (step <= bytes / 16)
		step *= 2;
	return p2v_align_up(bytes, step);
}

static uint64_t memory_from_smbios(const struct source_host *host)
{
	p2v_autobuf struct p2v_buf table = {0};

	if (!source_bytes(host, "/sys/firmware/dmi/tables/DMI", SMBIOS_MAX_BYTES, &table))
		return 0;
	return source_smbios_memory_bytes(table.data, table.len);
}

static uint64_t memory_from_blocks(const struct source_host *host)
{
	const char *dir = "/sys/devices/system/memory";
	p2v_autofree char *size = source_attr(host, "%s/block_size_bytes", dir);
	source_autonames struct source_names names = {0};
	uint64_t n = 0, bytes;

	source_names_read(host, dir, &names);
	for (size_t i = 0; i < names.n_items; i++) {
		p2v_autofree char *state = source_attr(host, "%s/%s/state", dir, names.items[i]);

		n += state && strcmp(state, "online") == 0;
	}
	if (!size || !p2v_mul_u64(n, strtoull(size, NULL, 16), &bytes))
		return 0;
	return bytes;
}

/* "MemTotal:       16262012 kB" */
static uint64_t memory_from_meminfo(const struct source_host *host)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, line, word;
	uint64_t kib = 0;

	if (!source_bytes(host, "/proc/meminfo", 65536, &text))
		return 0;
	rest = p2v_span_of(text.data, text.len);
	while (p2v_line_next(&rest, &line)) {
		if (!p2v_word_next(&line, &word) || !p2v_span_eq(word, "MemTotal:"))
			continue;
		if (p2v_word_next(&line, &word) && p2v_span_u64(word, UINT64_MAX / P2V_MIB, &kib))
			return kib * P2V_KIB;
	}
	return 0;
}

void source_memory_read(const struct source_host *host, struct machine *m)
{
	uint64_t kernel = memory_from_meminfo(host);
	uint64_t found = memory_from_smbios(host);

	/* A total below what the kernel uses is a firmware that tells nonsense. */
	if (found < kernel)
		found = memory_from_blocks(host);
	m->memory_bytes = found < kernel ? source_memory_round(kernel) : found;
}

static int name_read(
	const struct source_host *host, const char *name, struct machine *m, struct p2v_err *err)
{
	p2v_autofree char *hostname = source_attr(host, "/proc/sys/kernel/hostname");
	char clean[65];

	source_name_clean(name ? name : hostname, clean);
	if (name && strcmp(name, clean) != 0)
		return p2v_err_set(err, P2V_EINVAL,
			"name '%.80s': not made of 1 to 64 letters, digits, dots and dashes", name);
	m->name = strdup(clean[0] ? clean : "machine");
	m->agent_version = strdup(P2V_VERSION);
	return m->name && m->agent_version ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

int source_machine_read(
	const struct source_host *host, const char *name, struct machine *ret, struct p2v_err *err)
{
	struct machine m = {.version = 1};
	int r = name_read(host, name, &m, err);

	if (r == 0) {
		source_identity_read(host, &m);
		source_memory_read(host, &m);
		source_cpu_read(host, &m);
		r = source_efi_read(host, &m, err);
	}
	if (r == 0)
		r = source_disks_read(host, &m, err);
	if (r == 0)
		r = source_nics_read(host, &m, err);
	if (r == 0)
		r = source_devices_read(host, &m, err);
	if (r == 0)
		r = model_machine_validate(&m, err);
	if (r < 0) {
		model_machine_finish(&m);
		return r;
	}
	*ret = m;
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "drivers-inject/catalog/os.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"

const char *const catalog_arch_words[] = {"x86", "amd64", "arm64"};

static const struct {
	const char *name;
	int arch;
} arch_names[] = {
	{"x86", CATALOG_X86},
	{"i386", CATALOG_X86},
	{"amd64", CATALOG_AMD64},
	{"x64", CATALOG_AMD64},
	{"arm64", CATALOG_ARM64},
};

/* Names of virtio-win's directories, today's and those of the floppies and RHEV. A server's build
 * tells 2016 from 2019; a client's 10 from 11. There never was one for Vista: it has 2008's. */
static const struct {
	const char *name;
	struct catalog_os os;
} os_names[] = {
	{"xp", {.major = 5, .minor = 1}},
	{"winxp", {.major = 5, .minor = 1}},
	{"wxp", {.major = 5, .minor = 1}},
	{"2k3", {.major = 5, .minor = 2}},
	{"win2003", {.major = 5, .minor = 2}},
	{"wnet", {.major = 5, .minor = 2}},
	{"vista", {.major = 6, .minor = 0}},
	{"2k8", {.major = 6, .minor = 0}},
	{"win2008", {.major = 6, .minor = 0}},
	{"wlh", {.major = 6, .minor = 0}},
	{"w7", {.major = 6, .minor = 1, .product = CATALOG_CLIENT}},
	{"win7", {.major = 6, .minor = 1, .product = CATALOG_CLIENT}},
	{"2k8r2", {.major = 6, .minor = 1, .product = CATALOG_SERVER}},
	{"win2008r2", {.major = 6, .minor = 1, .product = CATALOG_SERVER}},
	{"w8", {.major = 6, .minor = 2, .product = CATALOG_CLIENT}},
	{"win8", {.major = 6, .minor = 2, .product = CATALOG_CLIENT}},
	{"2k12", {.major = 6, .minor = 2, .product = CATALOG_SERVER}},
	{"win2012", {.major = 6, .minor = 2, .product = CATALOG_SERVER}},
	{"w8.1", {.major = 6, .minor = 3, .product = CATALOG_CLIENT}},
	{"win8.1", {.major = 6, .minor = 3, .product = CATALOG_CLIENT}},
	{"2k12r2", {.major = 6, .minor = 3, .product = CATALOG_SERVER}},
	{"win2012r2", {.major = 6, .minor = 3, .product = CATALOG_SERVER}},
	{"w10", {.major = 10, .build = 10240, .product = CATALOG_CLIENT}},
	{"win10", {.major = 10, .build = 10240, .product = CATALOG_CLIENT}},
	{"w11", {.major = 10, .build = 22000, .product = CATALOG_CLIENT}},
	{"2k16", {.major = 10, .build = 14393, .product = CATALOG_SERVER}},
	{"2k19", {.major = 10, .build = 17763, .product = CATALOG_SERVER}},
	{"2k22", {.major = 10, .build = 20348, .product = CATALOG_SERVER}},
	{"2k25", {.major = 10, .build = 26100, .product = CATALOG_SERVER}},
};

static bool same_word(struct p2v_span s, const char *word)
{
	return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

static int arch_find(struct p2v_span name)
{
	for (size_t i = 0; i < P2V_N(arch_names); i++)
		if (same_word(name, arch_names[i].name))
			return arch_names[i].arch;
	return -1;
}

/* A field of a decoration: empty is 0, else decimal or 0x and hexadecimal. */
static bool parse_field(struct p2v_span s, uint32_t *ret)
{
	uint64_t v = 0;

	if (s.n > 2 && s.p[0] == '0' && (s.p[1] == 'x' || s.p[1] == 'X')) {
		char digits[9] = "";
		char *end;

		s = p2v_span_skip(s, 2);
		if (s.n >= sizeof(digits))
			return false;
		memcpy(digits, s.p, s.n);
		v = strtoul(digits, &end, 16);
		if (*end || digits[0] == '-' || digits[0] == '+')
			return false;
	} else if (s.n > 0 && !p2v_span_u64(s, UINT32_MAX, &v)) {
		return false;
	}
	*ret = (uint32_t)v;
	return true;
}

bool catalog_os_parse(struct p2v_span decoration, struct catalog_os *ret)
{
	struct catalog_os os = {.arch = -1};
	uint32_t suite = 0;
	uint32_t *const fields[] = {&os.major, &os.minor, &os.product, &suite, &os.build};
	struct p2v_span rest = decoration, head;

	if (decoration.n == 0) {
		*ret = os;
		return true;
	}
	head = p2v_span_until(rest, '.', &rest);
	if (head.n < 2 || strncasecmp(head.p, "nt", 2) != 0)
		return false;
	head = p2v_span_skip(head, 2);
	if (head.n > 0) {
		os.arch = arch_find(head);
		if (os.arch < 0)
			return false;
	}
	for (size_t i = 0; i < P2V_N(fields); i++)
		if (!parse_field(p2v_span_until(rest, '.', &rest), fields[i]))
			return false;
	*ret = os;
	return rest.n == 0;
}

struct catalog_os catalog_os_of_path(const char *path)
{
	struct catalog_os os = {.arch = -1};
	struct p2v_span rest = p2v_span_str(path);
	int arch = -1;

	while (p2v_span_has(rest, '/')) {
		struct p2v_span part = p2v_span_until(rest, '/', &rest);

		for (size_t i = 0; i < P2V_N(os_names); i++)
			if (same_word(part, os_names[i].name))
				os = os_names[i].os;
		if (arch_find(part) >= 0)
			arch = arch_find(part);
	}
	os.arch = arch;
	return os;
}

int catalog_os_compare(const struct catalog_os *a, const struct catalog_os *b)
{
	if (a->major != b->major)
		return a->major < b->major ? -1 : 1;
	if (a->minor != b->minor)
		return a->minor < b->minor ? -1 : 1;
	return 0;
}

bool catalog_os_fits(const struct catalog_os *os, const struct catalog_guest *guest)
{
	const struct catalog_os have = {.major = guest->major, .minor = guest->minor};
	int order = catalog_os_compare(os, &have);

	if ((os->arch < 0 ? CATALOG_X86 : os->arch) != guest->arch)
		return false;
	if (os->product && (os->product == CATALOG_CLIENT) == guest->server)
		return false;
	return order < 0 || (order == 0 && os->build <= guest->build);
}

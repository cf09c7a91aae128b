/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The arguments of the step hive-edit, and values that are made for a hive. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "converters/plan/windows.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

#define KEY_MAX		((size_t)768)
#define EPOCH_1601_DAYS 584388 /* from 0001-01-01 to 1601-01-01, by the calendar of today */
#define DAY_100NS	(UINT64_C(86400) * 10000000)

void plan_hive_step(struct planning *p, const char *name, const char *reason, ...)
{
	char path[512], text[1024];
	va_list ap;

	va_start(ap, reason);
	vsnprintf(text, sizeof(text), reason, ap);
	va_end(ap);
	snprintf(path, sizeof(path), "%s/System32/config/%s", plan_windows(p)->dir, name);
	plan_step(p, "hive-edit", path, "%s", text);
}

static void __attribute__((format(printf, 4, 0)))
add_key(struct planning *p, const char *verb, const char *set, const char *fmt, va_list ap)
{
	char rest[KEY_MAX], text[KEY_MAX + 64];

	vsnprintf(rest, sizeof(rest), fmt, ap);
	snprintf(text, sizeof(text), "%.40s%s%s", set, *set ? "\\" : "", rest);
	plan_arg(p, verb, text);
}

void plan_hive_key(struct planning *p, const char *set, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_key(p, "key", set, fmt, ap);
	va_end(ap);
}

void plan_hive_key_if_there(struct planning *p, const char *set, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_key(p, "key-if-there", set, fmt, ap);
	va_end(ap);
}

void plan_hive_delete_key(struct planning *p, const char *set, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_key(p, "delete-key", set, fmt, ap);
	va_end(ap);
}

void plan_hive_value(struct planning *p, const char *verb, const char *name, const char *value)
{
	char key[256];

	snprintf(key, sizeof(key), "%s %s", verb, name);
	plan_arg(p, key, value);
}

void plan_hive_u32(struct planning *p, const char *name, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	plan_hive_value(p, "u32", name, text);
}

const char *plan_base_name(const char *path)
{
	const char *slash = strrchr(plan_text(path), '/');

	return slash ? slash + 1 : plan_text(path);
}

bool plan_is_plain(const char *name)
{
	static const char ok[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				 "_-. ";

	return *plan_text(name) && *name != '.' && name[strspn(name, ok)] == '\0' &&
	       strlen(name) < 100;
}

bool plan_is_dns_name(const char *text)
{
	static const char ok[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				 "-_.";
	size_t n = strlen(plan_text(text));

	return n && n < 254 && *text != '-' && strspn(text, ok) == n;
}

/* ---- the version of a driver's package ---- */

static uint64_t days_since_1601(uint64_t year, uint64_t month, uint64_t day)
{
	static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	uint64_t past = year - 1;
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return past * 365 + past / 4 - past / 100 + past / 400 + before[month - 1] +
	       (leap && month > 2) + day - 1 - EPOCH_1601_DAYS;
}

/* Up to n numbers with `sep` between them. */
static void numbers(const char *text, char sep, uint64_t max, uint64_t *ret, size_t n)
{
	struct p2v_span rest = p2v_span_str(plan_text(text)), one;

	for (size_t i = 0; i < n; i++) {
		one = p2v_span_until(rest, sep, &rest);
		if (!p2v_span_u64(one, max, &ret[i]))
			ret[i] = 0;
	}
}

static void add_le64(struct p2v_buf *out, uint64_t v)
{
	p2v_buf_add_le32(out, (uint32_t)v);
	p2v_buf_add_le32(out, (uint32_t)(v >> 32));
}

/* "{4D36E97B-E325-11CE-BFC1-08002BE10318}": the first three parts are numbers, low byte first. */
static bool add_guid(const char *text, struct p2v_buf *out)
{
	static const uint8_t order[] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
	uint8_t bytes[16];
	char digits[33];
	size_t n = 0;

	for (const char *t = plan_text(text); *t; t++)
		if (!strchr("{}-", *t)) {
			if (n == 32)
				return false;
			digits[n++] = *t;
		}
	digits[n] = '\0';
	if (p2v_unhex(digits, bytes, sizeof(bytes), NULL) < 0)
		return false;
	for (size_t i = 0; i < sizeof(order); i++)
		p2v_buf_add_u8(out, bytes[order[i]]);
	return true;
}

/*
 * 0: 00 ff, what other than Windows' own packages have; 2: the processor's number; 4: zero;
 * 8: class; 24: the date, in 100 ns from 1601; 32: version, last part first; 40: zero.
 * Decoded by others from what pnputil shows; Windows 10 and later want it.
 */
bool plan_windows_package_version(const char *arch, const char *class_guid, const char *date,
	const char *version, char ret[2 * WINDOWS_VERSION_BYTES + 1])
{
	p2v_autobuf struct p2v_buf out = {0};
	uint64_t d[3], v[4], time = 0;

	numbers(date, '-', 9999, d, P2V_N(d));
	numbers(version, '.', UINT16_MAX, v, P2V_N(v));
	if (d[0] >= 1601 && d[1] >= 1 && d[1] <= 12 && d[2] >= 1 && d[2] <= 31)
		time = days_since_1601(d[0], d[1], d[2]) * DAY_100NS;
	p2v_buf_add_le16(&out, 0xff00);
	p2v_buf_add_le16(&out, plan_is(arch, "x86_64") ? 9 : 0);
	p2v_buf_add_le32(&out, 0);
	if (!add_guid(class_guid, &out))
		return false;
	add_le64(&out, time);
	for (size_t i = P2V_N(v); i-- > 0;)
		p2v_buf_add_le16(&out, (uint16_t)v[i]);
	add_le64(&out, 0);
	if (out.failed || out.len != WINDOWS_VERSION_BYTES)
		return false;
	p2v_hex(out.data, out.len, ret);
	return true;
}

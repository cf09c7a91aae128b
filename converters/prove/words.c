/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/prove/words.h"

#include <stdio.h>
#include <string.h>

#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/span.h"
#include "p2v/core/stop.h"

#define READ_MS 60000
#define STOPPED "Windows stopped" /* and nobody knows why */

/* Stops that a move to other hardware brings, by number and by the name that 8 and later show.
 * Numbers and names: Microsoft's "Bug Check Code Reference". */
static const struct stop {
	uint32_t code;
	const char *name, *reason;
} stops[] = {
	{0x7b, "INACCESSIBLE_BOOT_DEVICE",
		"Windows stop INACCESSIBLE_BOOT_DEVICE (0x7B): no driver for the disk started"},
	{0xed, "UNMOUNTABLE_BOOT_VOLUME",
		"Windows stop UNMOUNTABLE_BOOT_VOLUME (0xED): its file system cannot be mounted"},
	{0x24, "NTFS_FILE_SYSTEM",
		"Windows stop NTFS_FILE_SYSTEM (0x24): its file system is damaged"},
	{0x74, "BAD_SYSTEM_CONFIG_INFO",
		"Windows stop BAD_SYSTEM_CONFIG_INFO (0x74): its registry cannot be used"},
	{0x51, "REGISTRY_ERROR", "Windows stop REGISTRY_ERROR (0x51): its registry is damaged"},
	{0xc0000218, "STATUS_CANNOT_LOAD_REGISTRY_FILE",
		"Windows stop 0xC0000218: a hive of its registry cannot be read"},
	{0xc000021a, "STATUS_SYSTEM_PROCESS_TERMINATED",
		"Windows stop 0xC000021A: a part of the system ended that it cannot do without"},
	{0x79, "MISMATCHED_HAL",
		"Windows stop MISMATCHED_HAL (0x79): its HAL is for another machine"},
	{0xa5, "ACPI_BIOS_ERROR",
		"Windows stop ACPI_BIOS_ERROR (0xA5): it cannot use the machine's ACPI"},
	{0x5d, "UNSUPPORTED_PROCESSOR",
		"Windows stop UNSUPPORTED_PROCESSOR (0x5D): give it the host's processor"},
	{0x101, "CLOCK_WATCHDOG_TIMEOUT",
		"Windows stop CLOCK_WATCHDOG_TIMEOUT (0x101): a processor did not answer in time"},
	{0x7e, "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED",
		"Windows stop SYSTEM_THREAD_EXCEPTION_NOT_HANDLED (0x7E): a driver failed"},
	{0x1e, "KMODE_EXCEPTION_NOT_HANDLED",
		"Windows stop KMODE_EXCEPTION_NOT_HANDLED (0x1E): a driver failed"},
	{0x50, "PAGE_FAULT_IN_NONPAGED_AREA",
		"Windows stop PAGE_FAULT_IN_NONPAGED_AREA (0x50): a driver failed"},
	{0xd1, "DRIVER_IRQL_NOT_LESS_OR_EQUAL",
		"Windows stop DRIVER_IRQL_NOT_LESS_OR_EQUAL (0xD1): a driver failed"},
	{0x0a, "IRQL_NOT_LESS_OR_EQUAL",
		"Windows stop IRQL_NOT_LESS_OR_EQUAL (0xA): a driver failed"},
	{0x3b, "SYSTEM_SERVICE_EXCEPTION",
		"Windows stop SYSTEM_SERVICE_EXCEPTION (0x3B): a driver failed"},
	{0x139, "KERNEL_SECURITY_CHECK_FAILURE",
		"Windows stop KERNEL_SECURITY_CHECK_FAILURE (0x139): a driver failed"},
	{0x133, "DPC_WATCHDOG_VIOLATION",
		"Windows stop DPC_WATCHDOG_VIOLATION (0x133): a driver took too long"},
	{0xef, "CRITICAL_PROCESS_DIED",
		"Windows stop CRITICAL_PROCESS_DIED (0xEF): a part of the system ended"},
	{0xf4, "CRITICAL_OBJECT_TERMINATION",
		"Windows stop CRITICAL_OBJECT_TERMINATION (0xF4): a part of the system ended"},
	{0x6b, "PROCESS1_INITIALIZATION_FAILED",
		"Windows stop PROCESS1_INITIALIZATION_FAILED (0x6B): files of the system are "
		"missing"},
	{0x67, "CONFIG_INITIALIZATION_FAILED",
		"Windows stop CONFIG_INITIALIZATION_FAILED (0x67): its registry cannot be used"},
	{0x124, "WHEA_UNCORRECTABLE_ERROR",
		"Windows stop WHEA_UNCORRECTABLE_ERROR (0x124): it holds the hardware for broken"},
	{0xc2, "BAD_POOL_CALLER", "Windows stop BAD_POOL_CALLER (0xC2): a driver failed"},
	{0x109, "CRITICAL_STRUCTURE_CORRUPTION",
		"Windows stop CRITICAL_STRUCTURE_CORRUPTION (0x109): a driver changed the kernel"},
};

/* What the loader says: its status. */
static const struct {
	const char *text, *reason;
} statuses[] = {
	{"0xc0000428", "Windows' loader refuses a file for its signature (0xC0000428): a driver is "
		       "not signed as this Windows wants it"},
	{"0xc0000225", "Windows' loader does not find what its boot configuration names "
		       "(0xC0000225)"},
	{"0xc00000e9", "Windows' loader cannot read its disk (0xC00000E9)"},
	{"0xc000000e", "Windows' loader does not find its disk (0xC000000E): the boot "
		       "configuration names another one"},
	{"0xc000000f", "Windows' loader does not find its boot configuration (0xC000000F)"},
	{"0xc0000034", "Windows' loader does not find its boot configuration (0xC0000034)"},
	{"0xc0000098", "Windows' boot configuration has no entry that can be used (0xC0000098)"},
	{"0xc000000d", "Windows' boot configuration is not complete (0xC000000D)"},
	{"0xc000014c", "Windows' registry cannot be read by its loader (0xC000014C)"},
	{"0xc0000221", "a file of Windows is damaged (0xC0000221)"},
	{"0xc0000359", "a file of Windows is for another processor (0xC0000359)"},
	{"0xc000035a", "this Windows wants a 64-bit processor (0xC000035A)"},
	{"0xc0000185", "Windows' loader cannot read its disk (0xC0000185)"},
};

/* Pages that nothing but a person gets it out of. */
static const struct {
	const char *text, *reason;
} pages[] = {
	{"enter the recovery key for this drive", "BitLocker asks for its recovery key"},
	{"enter the recovery key to get going again", "BitLocker asks for its recovery key"},
	{"bitlocker drive encryption recovery key entry", "BitLocker asks for its recovery key"},
	{"automatic repair couldn't repair your pc", "Windows ended in its automatic repair"},
	{"startup repair couldn't repair your pc", "Windows ended in its automatic repair"},
	{"your pc did not start correctly", "Windows ended in its automatic repair"},
	{"it looks like windows didn't load correctly", "Windows ended in its recovery"},
	{"your pc/device needs to be repaired", "Windows' loader did not start the system"},
	{"your pc needs to be repaired", "Windows' loader did not start the system"},
	{"your device needs to be repaired", "Windows' loader did not start the system"},
	{"choose your keyboard layout", "Windows ended in its recovery"},
	{"continue exit and continue to windows", "Windows ended in its recovery"},
	{"system recovery options", "Windows ended in its recovery"},
	{"startup repair cannot repair this computer", "Windows ended in its startup repair"},
	{"windows failed to start", "Windows' loader did not start the system"},
	{"windows could not start because", "Windows' loader did not start the system"},
	{"your pc ran into a problem", STOPPED},
	{"your device ran into a problem", STOPPED},
	{"a problem has been detected and windows has been shut down", STOPPED},
};

static const char *const logins[] = {
	"press ctrl+alt+delete to unlock",
	"press ctrl+alt+del to unlock",
	"press ctrl+alt+delete to sign in",
	"press ctrl+alt+delete to log on",
	"press ctrl + alt + delete to log on",
	"press ctrl-alt-delete to begin",
	"press ctrl+alt+delete to begin",
	"to begin, click your user name",
	"log on to windows",
	"welcome to windows press ctrl",
	"strg+alt+entf",
	"strg+alt+entfernen",
	"ctrl+alt+suppr",
	"ctrl+alt+supr",
	"ctrl+alt+canc",
	"sign-in options",
	"sign in to:",
	"forgot my pin",
	"recycle bin",
	"server manager dashboard",
};

/* Letters that look alike are one; what is neither letter nor digit is nothing. */
static char plain(unsigned char c)
{
	static const char from[] = "o0il1!|s5b8z2gq9", to[] = "ooiiiiissbbzzggg";
	const char *at;

	if (c >= 'A' && c <= 'Z')
		c = (unsigned char)(c - 'A' + 'a');
	at = c ? strchr(from, c) : NULL;
	if (at)
		return to[at - from];
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? (char)c : '\0';
}

/* "0x", "0xc": how many zeros follow is misread. */
static bool begins_number(const struct p2v_buf *out)
{
	const uint8_t *end = out->data + out->len;

	return (out->len >= 2 && memcmp(end - 2, "ox", 2) == 0) ||
	       (out->len >= 3 && memcmp(end - 3, "oxc", 3) == 0);
}

/* Zeros that have a stroke are taken for letters that no number has. */
static bool is_zero(unsigned char c)
{
	return c && strchr("0oOqQgG", c);
}

static void add_plain(const char *text, size_t n, struct p2v_buf *out)
{
	for (size_t i = 0; i < n; i++) {
		char c = plain((unsigned char)text[i]);

		if (c && !(is_zero((unsigned char)text[i]) && begins_number(out)))
			p2v_buf_add(out, &c, 1);
	}
}

static bool has(const struct p2v_buf *plain_text, const char *words)
{
	p2v_autobuf struct p2v_buf want = {0};

	add_plain(words, strlen(words), &want);
	return !plain_text->failed && !want.failed && want.len && plain_text->len >= want.len &&
	       memmem(plain_text->data, plain_text->len, want.data, want.len);
}

/* By which of its words: the name, or the number as XP to 7 show it, in eight digits, or as later
 * ones do. NULL: by none. */
static const char *shows_stop(const struct p2v_buf *text, const struct stop *s, char number[32])
{
	if (has(text, s->name))
		return s->name;
	snprintf(number, 32, "stop: 0x%08x (0x", s->code);
	if (has(text, number))
		return number;
	snprintf(number, 32, "stop code: 0x%x", s->code);
	return has(text, number) ? number : NULL;
}

/* The line of the text that shows it, or what was looked for. */
static void note(const char *text, size_t n, const char *words, char evidence[PROVE_EVIDENCE])
{
	struct p2v_span rest = p2v_span_of(text, n), line;
	size_t len = 0;

	while (p2v_line_next(&rest, &line)) {
		p2v_autobuf struct p2v_buf one = {0};

		add_plain(line.p, line.n, &one);
		if (!has(&one, words))
			continue;
		for (size_t i = 0; i < line.n && len < PROVE_EVIDENCE - 1; i++)
			if (line.p[i] >= 0x20 && line.p[i] < 0x7f)
				evidence[len++] = line.p[i];
		evidence[len] = '\0';
		return;
	}
	snprintf(evidence, PROVE_EVIDENCE, "%s", words);
}

static bool fail(const char *text, size_t n, const char *words, const char *reason,
	struct prove_console *ret)
{
	note(text, n, words, ret->failure);
	ret->failure_reason = reason;
	return true;
}

static bool read_failure(
	const char *text, size_t n, const struct p2v_buf *plain_text, struct prove_console *ret)
{
	char number[32];

	for (size_t i = 0; i < P2V_N(stops); i++) {
		const char *words = shows_stop(plain_text, &stops[i], number);

		if (words)
			return fail(text, n, words, stops[i].reason, ret);
	}
	for (size_t i = 0; i < P2V_N(statuses); i++)
		for (size_t k = 0; k < 2; k++) {
			snprintf(number, sizeof(number), "%s: %s", k ? "error code" : "status",
				statuses[i].text);
			if (has(plain_text, number))
				return fail(text, n, number, statuses[i].reason, ret);
		}
	for (size_t i = 0; i < P2V_N(pages); i++)
		if (has(plain_text, pages[i].text))
			return fail(text, n, pages[i].text, pages[i].reason, ret);
	return false;
}

void prove_words_read(const char *text, size_t n, struct prove_console *ret)
{
	p2v_autobuf struct p2v_buf plain_text = {0};

	add_plain(text, n, &plain_text);
	if (read_failure(text, n, &plain_text, ret))
		return;
	for (size_t i = 0; i < P2V_N(logins); i++)
		if (has(&plain_text, logins[i])) {
			note(text, n, logins[i], ret->login);
			return;
		}
}

static int read_at(const struct prove_picture *picture, int more, struct prove_console *ret,
	struct p2v_err *err)
{
	/* 11: words wherever they stand. */
	static const char *const argv[] = {
		PROVE_READER, "stdin", "stdout", "--psm", "11", "-l", "eng", NULL};
	p2v_autobuf struct p2v_buf page = {0}, text = {0};
	int r = prove_picture_for_reading(picture, more, &page, err);

	if (r == 0 && p2v_proc_run(argv, page.data, page.len, READ_MS, &text, NULL) == 0)
		prove_words_read((const char *)text.data, text.len, ret);
	return r < 0 ? r : p2v_stop_check(err);
}

/* A number that is misread in one size may be read in another. */
int prove_words_of_picture(
	const struct prove_picture *picture, struct prove_console *ret, struct p2v_err *err)
{
	static const int sizes[] = {0, -1, 1};
	int r = 0;

	if (!p2v_proc_exists(PROVE_READER))
		return 0;
	for (size_t i = 0; r == 0 && i < P2V_N(sizes); i++) {
		r = read_at(picture, sizes[i], ret, err);
		if (!ret->failure_reason || strcmp(ret->failure_reason, STOPPED) != 0)
			break;
	}
	return r;
}

static const struct stop *find_stop(uint64_t code)
{
	for (size_t i = 0; i < P2V_N(stops); i++)
		if (stops[i].code == code)
			return &stops[i];
	return NULL;
}

const char *prove_stop_reason(uint64_t code)
{
	const struct stop *s = find_stop(code);

	return s ? s->reason : STOPPED;
}

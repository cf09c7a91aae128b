/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Foreign text on the operator's terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/cli/print.h"
#include "p2v/core/cleanup.h"
#include "p2v/model/facts.h"

/* Escape sequences, a C1 CSI, DEL, a right-to-left override, bytes that are no UTF-8, line ends. */
#define HOSTILE "a\033[2Jb\302\233c\177d\342\200\256e\xff\xfe\nREADY\r"
#define SHOWN	"a\\x1b[2Jb\\xc2\\x9bc\\x7fd\\xe2\\x80\\xaee\\xff\\xfe"

/* What a function prints on stdout. */
static char *captured(void (*print)(void))
{
	static char text[4096];
	FILE *f = tmpfile();
	int was = dup(STDOUT_FILENO);
	size_t n;

	assert_non_null(f);
	fflush(stdout);
	dup2(fileno(f), STDOUT_FILENO);
	print();
	fflush(stdout);
	dup2(was, STDOUT_FILENO);
	close(was);
	rewind(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void print_text(void)
{
	cli_print_text(HOSTILE, strlen(HOSTILE));
}

static void test_text(void **state)
{
	(void)state;
	assert_string_equal(captured(print_text), SHOWN "\nREADY\\x0d");
}

static struct facts facts;

static void print_json(void)
{
	assert_int_equal(cli_print_json(&model_facts_type, &facts, NULL), 0);
}

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (((unsigned char)*text < ' ' && *text != '\n') || *text == 0x7f ||
			memcmp(text, "\302\233", 2) == 0 || memcmp(text, "\342\200\256", 3) == 0)
			return false;
	return true;
}

/* JSON says the same string with nothing raw in it, and reads back as it was. */
static void test_json(void **state)
{
	p2v_auto_facts struct facts again = {0};
	char *text;

	(void)state;
	facts.version = 1;
	assert_int_equal(p2v_json_add_str(&facts.notes, &facts.n_notes,
				 "a\033[2Jb\302\233c\177d\342\200\256e\"\\\n\303\244", NULL),
		0);
	text = captured(print_json);
	assert_true(is_plain(text));
	assert_non_null(strstr(text, "\\u001B[2Jb\\u009bc\\u007fd\\u202ee"));
	assert_int_equal(model_facts_decode(text, strlen(text), &again, NULL), 0);
	assert_string_equal(again.notes[0], facts.notes[0]);
	model_facts_finish(&facts);
}

/* A line end in a name cannot begin a line of its own. */
static void test_make_printable(void **state)
{
	struct facts_os *os;

	(void)state;
	facts.version = 1;
	os = p2v_json_grow((void **)&facts.systems, &facts.n_systems, sizeof(*os));
	os->hostname = strdup(HOSTILE);
	os->bootloader.cmdline = strdup("root=/dev/sda1\ngrade A");
	assert_int_equal(
		p2v_json_add_str(&os->bootloader.configs, &os->bootloader.n_configs, "\n", NULL),
		0);
	assert_int_equal(cli_make_printable(&model_facts_type, &facts, NULL), 0);
	assert_string_equal(os->hostname, SHOWN "\\x0aREADY\\x0d");
	assert_string_equal(os->bootloader.cmdline, "root=/dev/sda1\\x0agrade A");
	assert_string_equal(os->bootloader.configs[0], "\\x0a");
	assert_null(os->init);
	model_facts_finish(&facts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_make_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/core/core-test.h"

#include "p2v/core/opt.h"

struct values {
	bool yes, verbose;
	const char *output;
	const char **keys;
	size_t n_keys;
	uint64_t streams, limit_bytes;
	const char **disks;
	size_t n_disks;
};

static const struct p2v_opt opts[] = {
	{"output", 'o', "DIR", P2V_OPT_STR, offsetof(struct values, output), 0,
		"where to put it; a sentence that is long enough to be broken over more than one "
		"line of a terminal"},
	{"yes", 'y', NULL, P2V_OPT_FLAG, offsetof(struct values, yes), 0, "do not ask"},
	{"verbose", 'v', NULL, P2V_OPT_FLAG, offsetof(struct values, verbose), 0, "say more"},
	{"key", 'k', "KEY", P2V_OPT_STRS, offsetof(struct values, keys),
		offsetof(struct values, n_keys), "may repeat"},
	{"streams", 0, "N", P2V_OPT_U64, offsetof(struct values, streams), 0, "how many"},
	{"limit", 0, "RATE", P2V_OPT_BYTES, offsetof(struct values, limit_bytes), 0,
		".bytes a second"},
	P2V_OPT_END,
};

static const struct p2v_cmd cmd = {"p2v test", "DISK...", 1, 2, "tests the parser",
	"First words.\nSecond line.\n\n  an example \\ --kept\n    as it is\n\n'Last.", opts,
	offsetof(struct values, disks), offsetof(struct values, n_disks), "p2v(1)"};

/* line: words separated by blanks, after the program's name. */
static int parse(const char *line, struct values *values, struct p2v_err *err)
{
	static char copy[256], *argv[32];
	int argc = 0;

	memset(values, 0, sizeof(*values));
	snprintf(copy, sizeof(copy), "prog %s", line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	return p2v_opt_parse(&cmd, argc, argv, values, err);
}

static void every_spelling_means_the_same(void **state)
{
	static const char *const lines[] = {
		"-y -v -o out -k a -k b sda sdb --streams 4 --limit 1M",
		"--yes --verbose --output=out --key=a --key b --streams=4 --limit=1M sda sdb",
		"-yvoout sda -ka -kb --limit 1024K --streams 4 -- sdb",
		"sda sdb -vyo out -k a --key=b --streams=4 --limit=1MiB",
	};

	(void)state;
	for (size_t i = 0; i < P2V_N(lines); i++) {
		struct p2v_err err = {0};
		struct values v;

		assert_int_equal(parse(lines[i], &v, &err), 0);
		assert_true(v.yes && v.verbose);
		assert_string_equal(v.output, "out");
		assert_int_equal(v.n_keys, 2);
		assert_string_equal(v.keys[0], "a");
		assert_string_equal(v.keys[1], "b");
		assert_int_equal(v.streams, 4);
		assert_int_equal(v.limit_bytes, 1 << 20);
		assert_int_equal(v.n_disks, 2);
		assert_string_equal(v.disks[0], "sda");
		assert_string_equal(v.disks[1], "sdb");
		p2v_opt_free(&cmd, &v);
		assert_null(v.disks);
		p2v_opt_free(&cmd, &v);
	}
}

static void dash_words_after_double_dash_are_operands(void **state)
{
	struct values v;

	(void)state;
	assert_int_equal(parse("- -- --yes", &v, NULL), 0);
	assert_false(v.yes);
	assert_string_equal(v.disks[0], "-");
	assert_string_equal(v.disks[1], "--yes");
	p2v_opt_free(&cmd, &v);
}

static void misuse_is_named(void **state)
{
	static const struct {
		const char *line, *sentence;
	} rows[] = {
		{"", "DISK... is missing"},
		{"a b c", "'c' is one word too many"},
		{"a --nope", "unknown option --nope"},
		{"a --outpu=x", "unknown option --outpu"},
		{"a -z", "unknown option -z"},
		{"a -yz", "unknown option -z"},
		{"a --yes=1", "--yes takes no value"},
		{"a --output", "--output needs a DIR"},
		{"a -o", "-o needs a DIR"},
		{"a -o x --output=y", "--output is given twice"},
		{"a --streams 1 --streams 1", "--streams is given twice"},
		{"a --streams=x", "--streams: 'x' is not a whole number"},
		{"a --limit=10Q", "--limit: '10Q'"},
		{"a --help=html", "--help=html is unknown"},
		{"a --version=1", "--version takes no value"},
		{"a -k b --nope", "unknown option --nope"},
	};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		struct p2v_err err = {0};
		struct values v;

		assert_int_equal(parse(rows[i].line, &v, &err), P2V_EINVAL);
		assert_has(err.text, rows[i].sentence);
		assert_has(err.text, "; see 'p2v test --help'");
		assert_null(v.disks);
		assert_null(v.keys);
	}
}

/* What a line prints to stdout, malloc'd. */
static char *printed(const char *line)
{
	struct capture c = capture_begin(stdout);
	struct values v;
	int rc = parse(line, &v, NULL);
	char *text = capture_end(&c);

	assert_int_equal(rc, 1);
	assert_null(v.disks);
	return text;
}

static void help_names_everything_within_the_width(void **state)
{
	static const char *const parts[] = {"Usage: p2v test [OPTION]... DISK...\n",
		"First words. Second line.\n", "  an example \\ --kept\n    as it is\n", "'Last.\n",
		"  -o, --output=DIR", "      --streams=N", "--help", "--version",
		"0 done, 1 failed, 2 misuse, 3 refused"};
	p2v_autofree char *text = NULL, *same = NULL;

	(void)state;
	setenv("COLUMNS", "60", 1);
	text = printed("a --help");
	same = printed("-yh");
	unsetenv("COLUMNS");
	assert_string_equal(text, same);
	for (size_t i = 0; i < P2V_N(parts); i++)
		assert_has(text, parts[i]);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 60);
}

static void version_is_printed(void **state)
{
	p2v_autofree char *text = printed("--version");

	(void)state;
	assert_string_equal(text, "p2v test " P2V_VERSION "\n");
}

static void manual_is_groff(void **state)
{
	static const char *const parts[] = {".TH \"P2V-TEST\" 1", ".SH NAME\np2v\\-test \\- tests",
		".PP\n.nf\n  an example \\e \\-\\-kept\n    as it is\n.fi\n", ".PP\n\\&'Last.",
		"\\fB\\-o\\fR, \\fB\\-\\-output\\fR=\\fIDIR\\fR\n", "\n\\&.bytes a second\n",
		".SH SEE ALSO\np2v(1)\n", ".SH EXIT STATUS\n"};
	p2v_autofree char *text = printed("--help=man");

	(void)state;
	for (size_t i = 0; i < P2V_N(parts); i++)
		assert_has(text, parts[i]);
}

static void command_without_operands_or_options(void **state)
{
	static const struct p2v_cmd bare = {"bare", "", 0, 0, "nothing", "", NULL, 0, 0, NULL};
	char prog[] = "bare", word[] = "x", *argv[] = {prog, NULL, NULL};
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(p2v_opt_parse(&bare, 1, argv, NULL, &err), 0);
	argv[1] = word;
	assert_int_equal(p2v_opt_parse(&bare, 2, argv, NULL, &err), P2V_EINVAL);
	assert_has(err.text, "'x' is one word too many; see 'bare --help'");
}

static void failure_is_printed_safely(void **state)
{
	struct capture c = capture_begin(stderr);
	struct p2v_err err = {0};
	p2v_autofree char *text = NULL;
	int code;

	(void)state;
	p2v_err_set(&err, P2V_EREFUSED, "web01\x1b[2J: no");
	code = p2v_opt_fail("p2v-agent", &err);
	text = capture_end(&c);
	assert_int_equal(code, 3);
	assert_string_equal(text, "p2v-agent: web01?[2J: no\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_spelling_means_the_same),
		cmocka_unit_test(dash_words_after_double_dash_are_operands),
		cmocka_unit_test(misuse_is_named),
		cmocka_unit_test(help_names_everything_within_the_width),
		cmocka_unit_test(version_is_printed),
		cmocka_unit_test(manual_is_groff),
		cmocka_unit_test(command_without_operands_or_options),
		cmocka_unit_test(failure_is_printed_safely),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/core/core-test.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include "p2v/core/num.h"
#include "p2v/core/progress.h"

static void modes(void **state)
{
	enum p2v_progress_mode mode = P2V_PROGRESS_NONE;
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(p2v_progress_mode_parse(NULL, &mode, &err), 0);
	assert_int_equal(mode, P2V_PROGRESS_AUTO);
	assert_int_equal(p2v_progress_mode_parse("json", &mode, &err), 0);
	assert_int_equal(mode, P2V_PROGRESS_JSON);
	assert_int_equal(p2v_progress_mode_parse("xml", &mode, &err), P2V_EINVAL);
	assert_has(err.text, "'xml'");
	assert_int_equal(mode, P2V_PROGRESS_JSON);
}

/* One disk: half of it, a word, the other half. */
static void walk(enum p2v_progress_mode mode, unsigned pause_ms)
{
	struct p2v_progress *p = p2v_progress_new(mode);

	p2v_progress_start(p, "web\x1b[2J:\"a\"", "bytes", 4 * P2V_MIB);
	usleep(pause_ms * 1000);
	p2v_progress_set(p, 2 * P2V_MIB);
	p2v_progress_say(p, "read error at %d\x1b[2J", 512);
	p2v_progress_set(p, 4 * P2V_MIB);
	p2v_progress_end(p);
	p2v_progress_set(p, 1); /* after the end: nothing */
	p2v_progress_free(p);
}

static char *walk_printed(enum p2v_progress_mode mode, unsigned pause_ms)
{
	struct capture c = capture_begin(stderr);

	walk(mode, pause_ms);
	return capture_end(&c);
}

static void flow_is_shown(void **state)
{
	struct capture c = capture_begin(stderr);
	struct p2v_progress *p = p2v_progress_new(P2V_PROGRESS_JSON);
	p2v_autofree char *text = NULL;

	(void)state;
	p2v_progress_flow(NULL, 1, 1, "link");
	p2v_progress_start(p, "a", "bytes", 4);
	p2v_progress_flow(p, 200, 50, "link");
	p2v_progress_start(p, "b", "bytes", 4);
	p2v_progress_end(p);
	p2v_progress_free(p);
	text = capture_end(&c);
	/* a's end has it, b's two lines have not. */
	assert_has(text, ",\"ratio\":0.250,\"bottleneck\":\"link\"}\n");
	assert_null(strstr(strstr(text, "\"b\""), "ratio"));
}

static void pipe_gets_a_line_a_label(void **state)
{
	p2v_autofree char *text = walk_printed(P2V_PROGRESS_AUTO, 20);

	(void)state;
	assert_ptr_equal(
		strstr(text, "web?[2J:\"a\"\nread error at 512?[2J\nweb?[2J:\"a\"  "), text);
	assert_has(text, "  4.00 MiB of 4.00 MiB (100 %)  ");
	assert_has(text, "/s  in ");
	assert_null(strchr(text, '\r'));
	assert_null(strchr(text, '\033'));
}

static void json_is_one_object_a_line(void **state)
{
	p2v_autofree char *text = walk_printed(P2V_PROGRESS_JSON, 1100);

	(void)state;
	assert_has(text,
		"{\"version\":1,\"event\":\"progress\",\"label\":\"web\\u001B[2J:\\\"a\\\"\","
		"\"done\":0,\"total\":4194304,\"unit\":\"bytes\",\"rate\":0}\n");
	assert_has(text, "\"done\":2097152,\"total\":4194304,\"unit\":\"bytes\",\"rate\":1");
	assert_has(text, "\"eta_ms\":1");
	assert_has(
		text, "{\"version\":1,\"event\":\"message\",\"text\":\"read error at 512?[2J\"}\n");
	assert_has(text, "\"done\":4194304,");
}

static void none_is_silent(void **state)
{
	p2v_autofree char *text = walk_printed(P2V_PROGRESS_NONE, 0);

	(void)state;
	assert_string_equal(text, "");
	p2v_progress_set(NULL, 1);
	p2v_progress_start(NULL, "x", "bytes", 1);
	p2v_progress_say(NULL, "x");
	p2v_progress_end(NULL);
	p2v_progress_free(NULL);
}

/* What a terminal of the given width is sent; malloc'd. */
static char *terminal_printed(unsigned short columns)
{
	struct winsize size = {.ws_col = columns, .ws_row = 24};
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), slave;
	int saved = dup(STDERR_FILENO);
	struct p2v_buf text = {0};
	char chunk[4096];
	ssize_t n;

	assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	ioctl(slave, TIOCSWINSZ, &size);
	unsetenv("COLUMNS");
	setenv("TERM", "vt100", 1);
	dup2(slave, STDERR_FILENO);
	walk(P2V_PROGRESS_AUTO, 300);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	while ((n = read(master, chunk, sizeof(chunk))) > 0)
		p2v_buf_add(&text, chunk, (size_t)n);
	close(slave);
	close(master);
	return p2v_buf_take_str(&text);
}

static void terminal_redraws_one_line(void **state)
{
	p2v_autofree char *text = terminal_printed(100), *narrow = terminal_printed(24);

	(void)state;
	assert_has(text, "\rweb?[2J:\"a\"  2.00 MiB of 4.00 MiB (50 %)  ");
	assert_has(text, "/s  ");
	assert_has(text, " left\033[K");
	assert_has(text, "\r\033[Kread error at 512?[2J\r\n");
	assert_has(narrow, "\rweb?[2J:\"a\"  2.00 MiB o\033[K");
}

static void unknown_total_and_steps(void **state)
{
	struct capture c = capture_begin(stderr);
	struct p2v_progress *p = p2v_progress_new(P2V_PROGRESS_AUTO);
	p2v_autofree char *text = NULL;

	(void)state;
	p2v_progress_start(p, "pack", "steps", 0);
	p2v_progress_set(p, 3);
	p2v_progress_start(p, "next", "bytes", 0); /* ends the first */
	p2v_progress_free(p);
	text = capture_end(&c);
	assert_has(text, "pack\npack  3 steps  in ");
	assert_has(text, "next\nnext  0 B  in ");
	assert_null(strchr(text, '%'));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes),
		cmocka_unit_test(flow_is_shown),
		cmocka_unit_test(pipe_gets_a_line_a_label),
		cmocka_unit_test(json_is_one_object_a_line),
		cmocka_unit_test(none_is_silent),
		cmocka_unit_test(terminal_redraws_one_line),
		cmocka_unit_test(unknown_total_and_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

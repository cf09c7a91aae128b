/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "p2v/control/config.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/store/ledger.h"

static struct p2v_err err;

static int load(const char *text, struct server_config *ret)
{
	p2v_autofree char *dir = NULL, *path = NULL;
	int r;

	assert_int_equal(p2v_dir_temp("config-test", &dir, &err), 0);
	path = p2v_path_join(dir, "p2vd.conf");
	assert_int_equal(p2v_publish_bytes(dir, "p2vd.conf", text, strlen(text), 0600, &err), 0);
	r = control_config_load(path, true, ret, &err);
	p2v_dir_remove(dir);
	return r;
}

static void every_setting_is_in_the_manual(void **state)
{
	size_t n_fields = 0, n_rows = 0;

	(void)state;
	for (const struct p2v_json_field *f = control_config_type.fields; f->key; f++, n_fields++) {
		bool found = false;

		for (const struct p2v_opt *o = control_config_page.opts; o->name; o++)
			found = found || strcmp(o->name, f->key) == 0;
		if (!found)
			fail_msg("%s is not in the manual", f->key);
	}
	for (const struct p2v_opt *o = control_config_page.opts; o->name; o++)
		n_rows++;
	assert_int_equal(n_fields, n_rows);
}

static void defaults(void **state)
{
	p2v_auto_config struct server_config c = {0};

	(void)state;
	assert_int_equal(control_config_load("/nowhere/p2vd.conf", false, &c, &err), 0);
	assert_string_equal(c.base, "/srv/p2v");
	assert_int_equal(c.workers, 1);
	assert_int_equal(c.gates, 0);
	assert_int_equal(c.keep_free_bytes, UINT64_C(5) << 30);
	assert_int_equal(c.n_windows, 0);
	control_config_finish(&c);
	assert_int_equal(control_config_load("/nowhere/p2vd.conf", true, &c, &err), P2V_ENOTFOUND);
}

static void what_is_said_counts(void **state)
{
	p2v_auto_config struct server_config c = {0};

	(void)state;
	assert_int_equal(load("base: /data\nworkers: 3\nhold: [conversion, emission]\n"
			      "windows: 22:00-06:00\nkeep_free: 1.5G\nhost: a\n",
				 &c),
		0);
	assert_string_equal(c.base, "/data");
	assert_int_equal(c.workers, 3);
	assert_int_equal(c.gates, LEDGER_GATE_CONVERSION | LEDGER_GATE_EMISSION);
	assert_int_equal(c.keep_free_bytes, UINT64_C(3) << 29);
	assert_int_equal(c.open[0].from_min, 22 * 60);
}

/* Nobody knows what lies at an address; nor from where a path would count. */
static void drivers_are_known(void **state)
{
	static const char digest[] = "virtio_win_digest: "
				     "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123"
				     "456789abcdef\n";
	p2v_auto_config struct server_config c = {0}, path = {0}, bad = {0};
	p2v_autofree char *text = p2v_strf("virtio_win: https://example.org/v.iso\n%s", digest);

	(void)state;
	assert_int_equal(load(text, &c), 0);
	assert_string_equal(c.virtio_win, "https://example.org/v.iso");
	assert_int_equal(load("virtio_win: /srv/virtio-win.iso\n", &path), 0);
	assert_int_equal(load("virtio_win: https://example.org/v.iso\n", &bad), P2V_EINVAL);
	assert_non_null(strstr(err.text, "virtio_win_digest"));
	assert_int_equal(load("virtio_win: v.iso\n", &bad), P2V_EINVAL);
	assert_non_null(strstr(err.text, "absolute path"));
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *text, *said;
	} rows[] = {{"wrokers: 2\n", "wrokers"}, {"workers: 1000\n", "workers"},
		{"hold: lunch\n", "hold: 'lunch'"}, {"windows: [\"25:00-26:00\"]\n", "25:00"},
		{"keep_free: much\n", "keep_free"}, {"pool: ../x\n", "pool"},
		{"host: \"a b\"\n", "host"},
		{"retention: [\"cancelled soon\"]\n", "cancelled soon"},
		{"retention: [\"lost 3d\"]\n", "lost 3d"}, {"job_quota: x\n", "job_quota"},
		{"- a\n", "line 1"}};
	struct server_config c;

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		assert_true(load(rows[i].text, &c) < 0);
		if (!strstr(err.text, rows[i].said) || !strstr(err.text, "p2vd.conf"))
			fail_msg("%s", err.text);
	}
}

static bool is_open(const char *text, int day, int hour, int minute)
{
	struct tm now = {.tm_wday = day, .tm_hour = hour, .tm_min = minute};
	struct window w;

	assert_int_equal(control_window_parse(text, &w, &err), 0);
	return control_window_open(&w, &now);
}

static void windows_open_and_close(void **state)
{
	(void)state;
	assert_true(is_open("08:00-17:00", 1, 8, 0));
	assert_false(is_open("08:00-17:00", 1, 7, 59));
	assert_false(is_open("08:00-17:00", 1, 17, 0));
	assert_true(is_open("00:00-24:00", 3, 23, 59));
	assert_true(is_open("22:00-06:00", 3, 5, 59));
	assert_false(is_open("22:00-06:00", 3, 6, 0));
	/* Friday's night ends on Saturday; Saturday's own does not begin. */
	assert_true(is_open("mon-fri 22:00-06:00", 6, 3, 0));
	assert_false(is_open("mon-fri 22:00-06:00", 6, 22, 0));
	assert_false(is_open("mon-fri 22:00-06:00", 1, 3, 0));
	assert_true(is_open("fri-mon 10:00-11:00", 0, 10, 30));
	assert_false(is_open("fri-mon 10:00-11:00", 2, 10, 30));
	assert_true(is_open("tue,sat 10:00-11:00", 2, 10, 30));
}

static void bad_windows(void **state)
{
	static const char *const rows[] = {"", "8-17", "08:00", "08:00-08:00", "24:00-25:00",
		"08:00-24:30", "xxx 08:00-09:00", "mon 08:00-09:00 x", "08:00-09:000",
		"mon- 1:00-2:00"};
	struct window w;

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++)
		if (control_window_parse(rows[i], &w, &err) != P2V_EINVAL)
			fail_msg("'%s' is a window", rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_setting_is_in_the_manual),
		cmocka_unit_test(defaults),
		cmocka_unit_test(what_is_said_counts),
		cmocka_unit_test(drivers_are_known),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(windows_open_and_close),
		cmocka_unit_test(bad_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

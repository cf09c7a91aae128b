/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a runbook says, what is wrong with one, how far it is, and the programs that it starts. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/runbook/guard.h"
#include "p2v/runbook/hook.h"
#include "p2v/runbook/match.h"
#include "p2v/runbook/rule.h"
#include "p2v/runbook/state.h"

static const char weekend[] = "name: weekend\n"
			      "defaults:\n"
			      "  window: sat,sun 20:00-06:00\n"
			      "  memory: 4G\n"
			      "  approve: emission\n"
			      "waves:\n"
			      "- name: web\n"
			      "  servers:\n"
			      "  - name: web01\n"
			      "    match: {serial: CZ1234}\n"
			      "    memory: 8G\n"
			      "    leave_out: [disk2]\n"
			      "    networks: [{mac: '00:1b:21:aa:bb:01', bridge: br0}]\n"
			      "    checks: [{tcp: 443}]\n"
			      "  - name: web02\n"
			      "- name: db\n"
			      "  servers:\n"
			      "  - name: db01\n"
			      "    format: raw\n"
			      "    virtio_win: /srv/virtio-win.iso\n"
			      "    cutover:\n"
			      "      refresh_min: 30\n"
			      "      refresh: {run: [/bin/true, a b]}\n"
			      "      final: {run: /bin/true, timeout_s: 60}\n";

static void decode(const char *text, struct runbook *ret)
{
	struct p2v_err err = {0};

	if (runbook_decode(text, strlen(text), ret, &err) < 0)
		fail_msg("%s", err.text);
}

static void says_what_each_becomes(void **state)
{
	p2v_auto_runbook struct runbook book = {0};
	p2v_auto_orders struct orders orders = {0}, other = {0};
	struct p2v_err err = {0};
	const struct runbook_server *web01, *db01;

	(void)state;
	decode(weekend, &book);
	web01 = &book.waves[0].servers[0];
	db01 = &book.waves[1].servers[0];
	assert_int_equal(book.n_waves, 2);
	assert_string_equal(web01->window[0], "sat,sun 20:00-06:00");
	assert_false(runbook_cuts_over(web01));
	assert_true(runbook_cuts_over(db01));
	assert_string_equal(db01->cutover.refresh.run[1], "a b");
	assert_string_equal(db01->cutover.final.run[0], "/bin/true");
	assert_int_equal(runbook_orders(web01, &orders, &err), 0);
	assert_int_equal(orders.memory_bytes, 8 * P2V_GIB);
	assert_string_equal(orders.leave_out[0], "disk2");
	assert_string_equal(orders.networks[0].bridge, "br0");
	assert_int_equal(orders.checks[0].tcp, 443);
	assert_int_equal(orders.n_hold, 2);
	assert_int_equal(runbook_orders(db01, &other, &err), 0);
	assert_int_equal(other.memory_bytes, 4 * P2V_GIB);
	assert_string_equal(other.format, "raw");
	assert_string_equal(other.virtio_win, "/srv/virtio-win.iso");
}

#define HEAD   "name: x\nwaves:\n- name: w\n  servers:\n"
#define SERVER HEAD "  - name: a\n"

static void what_is_wrong_has_its_line(void **state)
{
	static const struct {
		const char *text, *line, *words;
	} bad[] = {
		{"name: x\nwaves: []\n", "line 1", "waves: there are none"},
		{"name: x\nwaves: [{name: w, servers: []}]\n", "line 2", "without servers"},
		{HEAD "  - memory: 1G\n", "line 5", "without a name"},
		{SERVER "    memory: much\n", "line 6", "'much' is not a size"},
		{SERVER "    memory: 1M\n", "line 6", "too little"},
		{SERVER "    window: sat 25:00-06:00\n", "line 6", "window"},
		{SERVER "    format: floppy\n", "line 6", "qcow2, raw, vmdk"},
		{SERVER "    cpus: 4096\n", "line 6", "more than 1024"},
		{SERVER "    virtio_win: virtio-win.iso\n", "line 6", "an absolute path"},
		{SERVER "    virtio_win: https://example.org/v.iso\n", "line 6",
			"virtio_win_digest"},
		{SERVER "    virtio_win_digest: md5:1\n", "line 6", "sha256:HEX"},
		{SERVER "    memry: 1G\n", "", "memry"},
		{SERVER "    cutover: {handover: {run: x}}\n", "line 6", "interface"},
		{SERVER "    networks: [{mac: '00:1b:21:aa:bb:01'}]\n", "line 6", "one of them"},
		{SERVER "  - name: A\n", "line 6", "another server is called so"},
		{SERVER "    match: {uuid: 1}\n", "line 6", "a UUID"},
		{SERVER "    keys: 'all:command:/bin/cat'\n", "line 6", "SELECTOR:command:NAME"},
		{"name: x\ndefaults: {name: a}\n" HEAD, "line", ""},
	};

	(void)state;
	for (size_t i = 0; i < P2V_N(bad); i++) {
		p2v_auto_runbook struct runbook book = {0};
		struct p2v_err err = {0};

		assert_int_equal(
			runbook_decode(bad[i].text, strlen(bad[i].text), &book, &err), P2V_EFORMAT);
		if (!strstr(err.text, bad[i].line) || !strstr(err.text, bad[i].words))
			fail_msg("%s", err.text);
		assert_null(book.name);
	}
}

/* Of a whole weekend; each text is held against a rule. */
static void a_long_one_is_read_at_once(void **state)
{
	p2v_autobuf struct p2v_buf text = {0};
	p2v_auto_runbook struct runbook book = {0};
	p2v_autofree char *much = NULL;
	struct p2v_err err = {0};

	(void)state;
	p2v_buf_add_str(&text, HEAD);
	for (unsigned i = 0; i < 200; i++)
		p2v_buf_addf(&text,
			"  - name: s%u\n    match: {serial: CZ%u}\n    hooks: {before: {run: [a, "
			"b]}, "
			"after: {run: c}}\n",
			i, i);
	assert_int_equal(runbook_decode((const char *)text.data, text.len, &book, &err), 0);
	assert_int_equal(book.waves[0].n_servers, 200);
	p2v_buf_reset(&text);
	much = calloc(1, 5000);
	memset(much, 'x', 4999);
	p2v_buf_addf(&text, SERVER "    hooks: {before: {run: %s}}\n", much);
	runbook_finish(&book);
	assert_int_equal(
		runbook_decode((const char *)text.data, text.len, &book, &err), P2V_EFORMAT);
	assert_non_null(strstr(err.text, "a program and its arguments"));
}

/* They come over the API: which programs give keys is the administrator's to say. */
static void orders_name_only_the_servers_programs(void **state)
{
	static const char *const bad[] = {"all:command:/bin/cat", "all:command:..",
		"all:command:../../bin/cat", "x:file:/k:command:/bin/cat"};
	p2v_auto_orders struct orders good = {0};
	static const char text[] = "{\"version\":1,\"keys\":[\"all:command:db01\"]}";

	(void)state;
	assert_int_equal(model_orders_decode(text, strlen(text), &good, NULL), 0);
	for (size_t i = 0; i < P2V_N(bad); i++) {
		p2v_autofree char *wrong = p2v_strf("{\"version\":1,\"keys\":[\"%s\"]}", bad[i]);
		struct orders orders = {0};

		assert_int_equal(
			model_orders_decode(wrong, strlen(wrong), &orders, NULL), P2V_EFORMAT);
	}
}

/* Each member of each table has a rule, and each rule a member: what is not explained is not there.
 */
static void everything_has_a_rule(void **state)
{
	static const struct p2v_json_type *const types[] = {&runbook_type, &runbook_wave_type,
		&runbook_server_type, &runbook_match_type, &runbook_hook_type,
		&runbook_cutover_type};
	p2v_autobuf struct p2v_buf schema = {0};
	size_t members = 0, rules = 0;

	(void)state;
	for (size_t i = 0; i < P2V_N(types); i++)
		for (const struct p2v_json_field *f = types[i]->fields; f->key; f++, members++)
			if (!runbook_rule_find(types[i], f->key))
				fail_msg("%s of %s has no rule", f->key, types[i]->name);
	for (const struct runbook_rule *rule = runbook_rules; rule->type; rule++)
		for (size_t i = 0; i < P2V_N(types); i++)
			rules += rule->type == types[i];
	assert_int_equal(members, rules);
	assert_int_equal(runbook_schema(&schema, NULL), 0);
	assert_non_null(strstr((char *)schema.data, "\"additionalProperties\":false"));
	assert_non_null(strstr((char *)schema.data, "Programs of yours at certain moments"));
}

static void matches_a_machine(void **state)
{
	struct machine_nic nics[] = {{.mac = (char[]){"00:1b:21:aa:bb:01"}}};
	struct machine machine = {.name = (char[]){"web01"},
		.serial = (char[]){"CZ1234"},
		.uuid = (char[]){"11111111-2222-3333-4444-555555555555"},
		.nics = nics,
		.n_nics = 1};
	struct runbook_server server = {.name = (char[]){"WEB01"}};

	(void)state;
	assert_true(runbook_matches(&server, &machine));
	server.match.serial = (char[]){"cz1234"};
	assert_true(runbook_matches(&server, &machine));
	server.match.mac = (char[]){"00:1B:21:AA:BB:01"};
	assert_true(runbook_matches(&server, &machine));
	server.match.uuid = (char[]){"11111111-2222-3333-4444-555555555556"};
	assert_false(runbook_matches(&server, &machine));
	server.match.uuid = NULL;
	server.match.mac = (char[]){"00:1b:21:aa:bb:02"};
	assert_false(runbook_matches(&server, &machine));
}

/* By its card, by its address whatever the card, and by nobody else. */
static void guard_hears_the_machine(void **state)
{
	char mac[] = "52:54:00:12:34:56", v4[] = "192.0.2.10/24";
	char *macs[] = {mac}, *addresses[] = {v4};
	const struct guard_question q = {macs, 1, addresses, 1};
	uint8_t reply[42] = {2, [6] = 2, 0, 0, 0, 0, 9, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0,
		9, 192, 0, 2, 10};
	p2v_autofree char *address = guard_hear(&q, reply, sizeof(reply));
	p2v_autofree char *card = NULL, *nobody = NULL, *part = NULL;

	(void)state;
	assert_string_equal(address, "192.0.2.10 is at 02:00:00:00:00:09");
	reply[31] = 11;
	nobody = guard_hear(&q, reply, sizeof(reply));
	assert_null(nobody);
	memcpy(reply + 6, (const uint8_t[]){0x52, 0x54, 0, 0x12, 0x34, 0x56}, 6);
	card = guard_hear(&q, reply, sizeof(reply));
	assert_string_equal(card, "52:54:00:12:34:56 sends");
	part = guard_hear(&q, reply, 13);
	assert_null(part);
}

static void state_is_kept(void **state)
{
	p2v_autofree char *dir = NULL, *path = NULL;
	struct campaign_state made = {0}, got = {0};
	struct campaign_server *server;
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(p2v_dir_temp("test-runbook", &dir, NULL), 0);
	path = p2v_path_join(dir, "weekend.yaml");
	assert_int_equal(campaign_state_load(path, "weekend", &made, &err), 0);
	assert_int_equal(made.n_servers, 0);
	server = campaign_server_of(&made, "web01");
	server->step = CAMPAIGN_HOT;
	server->copied_s = 1234;
	campaign_note(server, "waits");
	assert_int_equal(campaign_state_save(&made, path, &err), 0);
	assert_int_equal(campaign_state_load(path, "weekend", &got, &err), 0);
	server = campaign_server_of(&got, "web01");
	assert_int_equal(got.n_servers, 1);
	assert_int_equal(server->step, CAMPAIGN_HOT);
	assert_int_equal(server->copied_s, 1234);
	assert_string_equal(server->note, "waits");
	campaign_state_finish(&got);
	assert_int_equal(campaign_state_load(path, "other", &got, &err), P2V_EREFUSED);
	campaign_state_finish(&made);
	p2v_dir_remove(dir);
}

static int hook(
	const char *const *words, size_t n, uint32_t timeout_s, int log, struct p2v_err *err)
{
	struct runbook_hook program = {(char **)(uintptr_t)words, n, timeout_s};
	struct campaign_hook_news news = {.version = 1, .hook = "before", .server = "web01"};
	struct campaign_hook_run run = {.which = CAMPAIGN_HOOK_BEFORE};
	int r = campaign_hook_start(&program, &news, log, &run, err);

	while (r == 0) {
		r = campaign_hook_poll(&run, err);
		usleep(10000);
	}
	return r;
}

static void hooks_are_programs(void **state)
{
	static const char *const cat[] = {"cat"}, *const no[] = {"false"},
				 *const slow[] = {"sleep", "60"};
	p2v_autofree char *dir = NULL, *path = NULL;
	p2v_autobuf struct p2v_buf log = {0};
	struct p2v_err err = {0};
	int fd;

	(void)state;
	assert_int_equal(p2v_dir_temp("test-runbook", &dir, NULL), 0);
	path = p2v_path_join(dir, "log");
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(hook(cat, 1, 0, fd, &err), 1);
	assert_int_equal(hook(no, 1, 0, fd, &err), P2V_EIO);
	assert_non_null(strstr(err.text, "hook before: its program ended: exit code 1"));
	assert_int_equal(hook(slow, 2, 1, fd, &err), P2V_EIO);
	assert_non_null(strstr(err.text, "took longer than 1 s"));
	close(fd);
	assert_int_equal(p2v_file_read(path, 4096, &log, NULL), 0);
	p2v_buf_add(&log, "", 1);
	assert_non_null(strstr((char *)log.data, "\"server\":\"web01\""));
	p2v_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_each_becomes),
		cmocka_unit_test(what_is_wrong_has_its_line),
		cmocka_unit_test(a_long_one_is_read_at_once),
		cmocka_unit_test(orders_name_only_the_servers_programs),
		cmocka_unit_test(everything_has_a_rule),
		cmocka_unit_test(matches_a_machine),
		cmocka_unit_test(guard_hears_the_machine),
		cmocka_unit_test(state_is_kept),
		cmocka_unit_test(hooks_are_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

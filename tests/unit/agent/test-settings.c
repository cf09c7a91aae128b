/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The settings of the boot medium: what the kernel command line, files and screens come to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ui/answers.h"
#include "agent/ui/layers.h"
#include "agent/ui/net.h"
#include "agent/ui/send.h"
#include "agent/ui/settings.h"
#include "agent/ui/text.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"

static char program[] = "p2v-boot", run_word[] = "run";
static char *no_words[] = {program, run_word, NULL};

static int cmdline(struct ui_said *said, const char *text, struct p2v_err *err)
{
	return ui_said_add_cmdline(said, "kernel command line", p2v_span_str(text), err);
}

static int file(
	struct ui_said *said, const char *text, const struct machine *m, struct p2v_err *err)
{
	return ui_said_add_file(said, "a file", p2v_span_str(text), m, err);
}

static struct ui_settings resolved(const struct ui_said *said)
{
	struct ui_settings s;
	struct p2v_err err = {0};

	assert_int_equal(ui_settings_resolve(said, 2, no_words, &s, &err), 0);
	return s;
}

static void test_cmdline(void **state)
{
	ui_autosaid struct ui_said said = {0};
	ui_auto_settings struct ui_settings s = {0};

	(void)state;
	assert_int_equal(
		cmdline(&said,
			"BOOT_IMAGE=/boot/vmlinuz quiet p2v.server=p2v@10.0.0.5:2222 "
			"p2v.identity=\"/p2v/a key\" \"p2v.key=no\" p2v.refresh p2v.disk=/dev/sda "
			"p2v.disk=/dev/sdb p2v.limit=20M ro\n",
			NULL),
		P2V_EINVAL); /* p2v.key is no setting, also within quotes */
	assert_int_equal(said.n_items, 0);
	assert_int_equal(
		cmdline(&said,
			"quiet p2v.server=p2v@10.0.0.5:2222 p2v.identity=\"/p2v/a key\" "
			"p2v.refresh "
			"p2v.disk=/dev/sda p2v.disk=/dev/sdb p2v.limit=20M name=other ro\n",
			NULL),
		0);
	s = resolved(&said);
	assert_string_equal(s.server, "p2v@10.0.0.5:2222");
	assert_string_equal(s.identity, "/p2v/a key");
	assert_true(s.refresh);
	assert_false(s.rescue);
	assert_int_equal(s.n_disks, 2);
	assert_string_equal(s.disks[1], "/dev/sdb");
	assert_int_equal(s.limit_bytes, 20 << 20);
	assert_string_equal(s.after, "wait");
	assert_string_equal(s.on_failure, "retry");
	assert_int_equal(s.delay_s, 10);
}

static void test_wrong_words(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"p2v.srever=x", "there is no setting p2v.srever"},
		{"p2v.server", "p2v.server needs a value"},
		{"p2v.refresh=perhaps", "neither yes nor no"},
		{"p2v.name=\"web", "a quote is not closed"},
		{"p2v.help", "there is no setting p2v.help"},
	};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		ui_autosaid struct ui_said said = {0};
		struct p2v_err err = {0};

		assert_int_equal(cmdline(&said, rows[i].text, &err), P2V_EINVAL);
		assert_non_null(strstr(err.text, rows[i].says));
		assert_non_null(strstr(err.text, "kernel command line"));
		assert_int_equal(said.n_items, 0);
	}
}

/* The layer that says it is left out, so that the others hold. */
static void test_wrong_values(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"p2v.after=explode", "after: 'explode' is none of poweroff, reboot, wait"},
		{"p2v.on-failure=cry", "none of retry, wait, poweroff, reboot"},
		{"p2v.start=perhaps", "none of now, ask"},
		{"p2v.until=copy", "none of proven, copied"},
		{"p2v.vlan=5000", "4094"},
		{"p2v.vlan=x", "vlan: "},
		{"p2v.limit=fast", "limit: "},
		{"p2v.delay=-1", "delay: "},
		{"p2v.retry=soon", "retry: "},
		{"p2v.server=p2v@", "is not a server"},
		{"p2v.server=p2v@x:0", "port"},
		{"p2v.host-key=SHA256:abc", "host-key: 'SHA256:abc' is not like"},
		{"p2v.name=\"web 01\"", "letters, digits, dots and dashes"},
		{"p2v.disk=sda", "disk: 'sda' is not like /dev/sda"},
		{"p2v.compress=20", "a level from 1 to 19"},
		{"p2v.link=telnet", "libssh2 or openssh"},
		{"p2v.address=10.0.0.7", "address: '10.0.0.7' is not like 10.0.0.7/24"},
		{"p2v.address=10.0.0.7/33", "10.0.0.7/24"},
		{"p2v.address=10.0.0.300/24", "10.0.0.7/24"},
		{"p2v.address=2001:db8::7/129", "2001:db8::7/64"},
		{"p2v.gateway=router", "gateway: "},
		{"p2v.dns=10.0.0", "dns: "},
		{"p2v.bond=eth0,eth1", "bond: "},
		{"p2v.bond=fast:eth0,eth1", "active-backup"},
		{"p2v.config=campaign", "https://"},
		{"p2v.config-digest=sha256:12", "64 hexadecimal digits"},
		{"p2v.config-key=sha256//AAAA", "--pinnedpubkey"},
	};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		ui_autosaid struct ui_said said = {0};
		struct p2v_err err = {0};

		assert_int_equal(cmdline(&said, rows[i].text, &err), P2V_EINVAL);
		if (!strstr(err.text, rows[i].says))
			fail_msg("%s: %s", rows[i].text, err.text);
		assert_int_equal(said.n_items, 0);
	}
}

/* What the manual shows is right. */
static void test_right_values(void **state)
{
	static const char *const rows[] = {"p2v.server=p2v@10.0.0.5",
		"p2v.server=[2001:db8::5]:2222", "p2v.server=server", "p2v.limit=20M",
		"p2v.compress=none", "p2v.compress=19", "p2v.link=auto", "p2v.address=10.0.0.7/24",
		"p2v.address=2001:db8::7/64", "p2v.gateway=fe80::1", "p2v.dns=10.0.0.1",
		"p2v.vlan=4094", "p2v.vlan=", "p2v.bond=active-backup:eth0,eth1",
		"p2v.bond=802.3ad:00:1b:21:aa:bb:01,eth1",
		"p2v.host-key=SHA256:0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
		"p2v.config=http://10.0.0.5/x p2v.config-digest=sha256:"
		"0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef",
		"p2v.config=https://10.0.0.5/x "
		"p2v.config-key=sha256//0123456789abcdefghijklmnopqrstuvwxyzABCDEF+=",
		"p2v.disk=/dev/disk/by-path/x", "p2v.start=ask", "p2v.until=copied",
		"p2v.after=reboot", "p2v.on-failure=poweroff", "p2v.delay=0", "p2v.retry=5",
		"p2v.name=web-01.example"};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		ui_autosaid struct ui_said said = {0};
		ui_auto_settings struct ui_settings s = {0};
		struct p2v_err err = {0};

		if (cmdline(&said, rows[i], &err) < 0 ||
			ui_settings_resolve(&said, 2, no_words, &s, &err) < 0)
			fail_msg("%s: %s", rows[i], err.text);
	}
}

/* What is not seen word by word: one value wants another; the kernel keeps no longer line. */
static void test_wrong_wholes(void **state)
{
	static char argument[] = "--after=explode";
	char *words[] = {program, run_word, argument, NULL};
	ui_autosaid struct ui_said said = {0};
	struct ui_settings s;
	struct p2v_err err = {0};
	char line[2049];

	(void)state;
	assert_int_equal(cmdline(&said, "p2v.config=https://x/y", NULL), 0);
	assert_int_equal(ui_settings_resolve(&said, 2, no_words, &s, &err), P2V_EINVAL);
	assert_non_null(strstr(err.text, "config-digest or config-key"));
	ui_said_finish(&said);
	assert_int_equal(ui_settings_resolve(&said, 3, words, &s, &err), P2V_EINVAL);
	snprintf(line, sizeof(line), "p2v.name=web01 %2031s\n", "x");
	assert_int_equal(cmdline(&said, line, NULL), 0);
	ui_said_finish(&said);
	snprintf(line, sizeof(line), "p2v.name=web01 %2032s\n", "x");
	assert_int_equal(cmdline(&said, line, &err), P2V_EINVAL);
	assert_non_null(strstr(err.text, "2047 bytes"));
	assert_int_equal(said.n_items, 0);
}

static void test_layers(void **state)
{
	static char argument[] = "--after=reboot";
	char *words[] = {program, run_word, argument, NULL};
	ui_autosaid struct ui_said said = {0};
	ui_auto_settings struct ui_settings s = {0};

	(void)state;
	assert_int_equal(file(&said,
				 "# the campaign\nserver=p2v@low after=poweroff # and off\n"
				 "disk=/dev/sda disk=/dev/sdb limit=1M refresh\np2v.rescue\n",
				 NULL, NULL),
		0);
	assert_int_equal(cmdline(&said,
				 "p2v.server=p2v@high p2v.disk=/dev/sdc p2v.limit= p2v.rescue=no "
				 "p2v.server=p2v@last",
				 NULL),
		0);
	assert_int_equal(ui_settings_resolve(&said, 3, words, &s, NULL), 0);
	assert_string_equal(s.server, "p2v@last");
	assert_int_equal(s.n_disks, 1);
	assert_string_equal(s.disks[0], "/dev/sdc");
	assert_int_equal(s.limit_bytes, 0);
	assert_true(s.refresh);
	assert_false(s.rescue);
	assert_string_equal(s.after, "reboot");
}

static const char sections[] = "after=poweroff\n"
			       "[mac 00:1B:21:AA:BB:01]\nname=web01\n"
			       "[serial 7B5TM12]\nname=db01\n"
			       "  [ uuid 4c4c4544-0042-3510-8054-b7c04f4d3132 ]\r\nname=app01\r\n"
			       "[all]\nretry=5\n";

static void test_machines(void **state)
{
	static char mac[] = "00:1b:21:aa:bb:01", other_mac[] = "00:1b:21:aa:bb:02",
		    serial[] = "7B5TM12", uuid[] = "4C4C4544-0042-3510-8054-B7C04F4D3132";
	struct machine_nic nics[] = {{.mac = other_mac}, {.mac = mac}};
	const struct {
		struct machine m;
		const char *name;
	} rows[] = {
		{{.nics = nics, .n_nics = 2}, "web01"},
		{{.nics = nics, .n_nics = 1}, NULL},
		{{.serial = serial}, "db01"},
		{{.uuid = uuid}, "app01"},
		{{0}, NULL},
	};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		ui_autosaid struct ui_said said = {0};
		ui_auto_settings struct ui_settings s = {0};

		assert_int_equal(file(&said, sections, &rows[i].m, NULL), 0);
		s = resolved(&said);
		assert_string_equal(s.after, "poweroff");
		assert_int_equal(s.retry_s, 5);
		if (rows[i].name)
			assert_string_equal(s.name, rows[i].name);
		else
			assert_null(s.name);
		/* Others were told something: this one has to be given a name. */
		assert_int_equal(s.assign, rows[i].name == NULL);
	}
}

static void test_assign(void **state)
{
	static const struct {
		const char *text;
		bool assign;
	} rows[] = {{"after=poweroff\n", false}, {"assign\n", true},
		{"assign=no\n[serial 1]\nname=x\n", false}, {"[serial 1]\nname=x\n", true},
		{"[serial 7B5TM12]\nafter=wait\n", false}};
	static char serial[] = "7B5TM12";
	const struct machine m = {.serial = serial};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		ui_autosaid struct ui_said said = {0};
		ui_auto_settings struct ui_settings s = {0};

		assert_int_equal(file(&said, rows[i].text, &m, NULL), 0);
		s = resolved(&said);
		assert_int_equal(s.assign, rows[i].assign);
	}
}

static void test_wrong_files(void **state)
{
	static const char *const rows[] = {"[host x]\n", "[mac]\n", "[all 1]\n", "[mac 1\n",
		"[mac 00:1b:21:aa:bb]\n", "[mac 00-1b-21-aa-bb-01]\n", "[mac 00:1b:21:aa:bb:0g]\n",
		"[uuid 4c4c4544]\n", "[mac 00:00:00:00:00:01]\nsrever=x\n", "server\n"};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		ui_autosaid struct ui_said said = {0};
		struct p2v_err err = {0};

		assert_int_equal(file(&said, rows[i], NULL, &err), P2V_EINVAL);
		assert_non_null(strstr(err.text, "a file: line "));
		assert_int_equal(said.n_items, 0);
	}
}

static void test_missing(void **state)
{
	struct ui_settings s = {0};

	(void)state;
	assert_string_equal(ui_settings_missing(&s), "p2v.server");
	s.server = "x";
	assert_string_equal(ui_settings_missing(&s), "p2v.identity");
	s.identity = "x";
	assert_string_equal(ui_settings_missing(&s), "p2v.host-key");
	s.known_hosts = "x";
	assert_null(ui_settings_missing(&s));
}

/* What a screen writes is read as it was meant, whatever somebody typed. */
static void test_answers(void **state)
{
	ui_autoanswers struct ui_answers a = {0};
	ui_autosaid struct ui_said said = {0};
	ui_auto_settings struct ui_settings s = {0};
	p2v_autobuf struct p2v_buf text = {0};

	(void)state;
	assert_int_equal(cmdline(&said, "p2v.limit=5M p2v.disk=/dev/sda p2v.rescue", NULL), 0);
	assert_int_equal(ui_answers_set(&a, "server", "p2v@x", NULL), 0);
	assert_int_equal(ui_answers_set(&a, "identity", "a \"b\"\nserver=evil # c", NULL), 0);
	assert_int_equal(ui_answers_set(&a, "limit", "", NULL), 0);
	assert_int_equal(ui_answers_set(&a, "rescue", "no", NULL), 0);
	assert_int_equal(ui_answers_set(&a, "disk", "/dev/sdb", NULL), 0);
	assert_int_equal(ui_answers_set(&a, "disk", "/dev/sdc", NULL), 0);
	assert_int_equal(ui_answers_set(&a, "server", "p2v@y", NULL), 0);
	assert_string_equal(ui_answers_get(&a, "server"), "p2v@y");
	assert_string_equal(ui_answers_get(&a, "vlan"), "");
	assert_int_equal(ui_answers_check(&a, NULL), 0);
	assert_int_equal(ui_answers_text(&a, &text, NULL), 0);
	assert_int_equal(file(&said, (char *)text.data, NULL, NULL), 0);
	s = resolved(&said);
	assert_string_equal(s.server, "p2v@y");
	assert_string_equal(s.identity, "a  b  server=evil # c");
	assert_int_equal(s.limit_bytes, 0);
	assert_false(s.rescue);
	assert_int_equal(s.n_disks, 2);
	assert_string_equal(s.disks[0], "/dev/sdb");
}

static void test_answers_check(void **state)
{
	static const struct {
		const char *setting, *value, *says;
	} rows[] = {{"vlan", "5000", "4094"}, {"refresh", "perhaps", "neither yes nor no"},
		{"address", "10.0.0.7", "10.0.0.7/24"}, {"config", "https://x/y", "config-digest"}};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		ui_autoanswers struct ui_answers a = {0};
		struct p2v_err err = {0};

		assert_int_equal(ui_answers_set(&a, "server", "p2v@x", NULL), 0);
		assert_int_equal(ui_answers_check(&a, &err), 0);
		assert_int_equal(ui_answers_set(&a, rows[i].setting, rows[i].value, NULL), 0);
		assert_int_equal(ui_answers_check(&a, &err), P2V_EINVAL);
		assert_non_null(strstr(err.text, rows[i].says));
		assert_int_equal(ui_answers_set(&a, rows[i].setting, "", NULL), 0);
		assert_int_equal(ui_answers_check(&a, &err), 0);
	}
}

static void test_bond(void **state)
{
	struct ui_bond bond;

	(void)state;
	assert_int_equal(ui_bond_parse("802.3ad:eth0,eth1", &bond, NULL), 0);
	assert_string_equal(bond.mode, "802.3ad");
	assert_int_equal(bond.n_cards, 2);
	assert_string_equal(bond.cards[1], "eth1");
	ui_bond_finish(&bond);
	assert_int_equal(ui_bond_parse("eth0,eth1", &bond, NULL), P2V_EINVAL);
	assert_int_equal(ui_bond_parse(":eth0", &bond, NULL), P2V_EINVAL);
	assert_int_equal(ui_bond_parse("802.3ad:", &bond, NULL), P2V_EINVAL);
}

static void test_progress(void **unused)
{
	ui_autostate struct ui_state state = {.phase = UI_SENDING};
	p2v_autobuf struct p2v_buf text = {0};

	(void)unused;
	assert_true(ui_send_line(&state,
		p2v_span_str("{\"version\":1,\"event\":\"progress\",\"label\":\"web01:/dev/sda\","
			     "\"done\":536870912,\"total\":1073741824,\"unit\":\"bytes\","
			     "\"rate\":104857600,\"eta_ms\":5000}")));
	assert_true(ui_send_line(
		&state, p2v_span_str("{\"version\":1,\"event\":\"message\",\"text\":\"lost\"}")));
	assert_false(ui_send_line(&state, p2v_span_str("p2v-agent: no")));
	assert_false(ui_send_line(&state, p2v_span_str("{\"event\":7}")));
	assert_int_equal(ui_text_percent(&state), 50);
	assert_int_equal(state.n_messages, 1);
	ui_text_status(&state, NULL, &text);
	assert_non_null(strstr((char *)text.data,
		"web01:/dev/sda  512 MiB of 1.00 GiB (50 %)  100 MiB/s  5.0 s left"));
	for (int i = 0; i < 20; i++)
		ui_message_add(&state, "x");
	assert_true(state.n_messages < 20);
}

/* A medium without a key makes one, once, and only where there is a server to knock at. */
static void test_own_key(void **state)
{
	char dir[] = "/tmp/p2v-test-key-XXXXXX";
	struct ui_settings s = {0};
	struct ui_layers l = {0};
	struct p2v_err err = {0};
	p2v_autofree char *path = NULL;
	p2v_autobuf struct p2v_buf first = {0}, again = {0};

	(void)state;
	if (!p2v_proc_exists("ssh-keygen"))
		skip();
	assert_non_null(mkdtemp(dir));
	path = p2v_path_join(dir, "identity");
	assert_int_equal(ui_layers_key(&l, &s, dir, &err), 0);
	assert_false(p2v_file_exists(path));
	s.server = "p2v@10.0.0.5";
	assert_int_equal(ui_layers_key(&l, &s, dir, &err), 1);
	assert_string_equal(l.own_identity, path);
	assert_int_equal(p2v_file_read(path, 4096, &first, &err), 0);
	assert_int_equal(ui_layers_key(&l, &s, dir, &err), 1);
	assert_int_equal(p2v_file_read(path, 4096, &again, &err), 0);
	assert_memory_equal(first.data, again.data, first.len);
	s.identity = "/p2v/identity";
	assert_int_equal(ui_layers_key(&l, &s, dir, &err), 0);
	ui_layers_finish(&l);
	p2v_dir_remove(dir);
}

/* What p2v-agent says becomes what stands on the screen. */
static void test_server_lines(void **state)
{
	static const char wait[] = "{\"version\":1,\"event\":\"progress\",\"label\":\"the server: "
				   "say p2v enroll AB12\",\"unit\":\"steps\",\"done\":0}";
	static const char plan[] = "{\"version\":1,\"event\":\"message\",\"text\":\"the server: "
				   "plan: attention: eth0\"}";
	static const char goes[] = "{\"version\":1,\"event\":\"progress\",\"label\":\"the server: "
				   "planned\",\"unit\":\"permille\",\"done\":7,\"total\":1000}";
	ui_autostate struct ui_state s = {.phase = UI_SENDING};

	(void)state;
	assert_true(ui_send_line(&s, p2v_span_str(wait)));
	assert_string_equal(s.text, "waiting for the server");
	assert_string_equal(s.label, "the server: say p2v enroll AB12");
	assert_true(ui_send_line(&s, p2v_span_str(goes)));
	assert_string_equal(s.text, "every disk was sent and verified");
	assert_true(ui_send_line(&s, p2v_span_str(plan)));
	assert_int_equal(s.n_messages, 0);
	assert_int_equal(s.n_plan, 1);
	assert_string_equal(s.plan[0], "attention: eth0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_key),
		cmocka_unit_test(test_server_lines),
		cmocka_unit_test(test_cmdline),
		cmocka_unit_test(test_wrong_words),
		cmocka_unit_test(test_wrong_values),
		cmocka_unit_test(test_right_values),
		cmocka_unit_test(test_wrong_wholes),
		cmocka_unit_test(test_layers),
		cmocka_unit_test(test_machines),
		cmocka_unit_test(test_assign),
		cmocka_unit_test(test_wrong_files),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_answers_check),
		cmocka_unit_test(test_bond),
		cmocka_unit_test(test_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

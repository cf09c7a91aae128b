/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One row of the SSH link against a real sshd on the loopback. usage: test-ssh SSHD.PY ROW */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "p2v/core/num.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/core/stop.h"
#include "tests/unit/link/flow.h"
#include "tests/unit/link/server.h"

#define ECHO_BYTES (200 * P2V_MIB)

/* libssh2 1.10 forgets the old host key at each new key exchange: 51 bytes each time. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libssh2.so\n";
}

static const char *script;
static enum link_ssh_row row;
static struct server echo; /* forced command: cat; new keys every 32 MiB */

static void start_server(struct server *s, const char *command, const char *config)
{
	server_start(s, script, command, config);
	s->spec.row = row;
}

static struct link *link_open(const struct link_ssh_spec *spec)
{
	struct link *l = NULL;
	struct p2v_err err = {0};

	if (link_ssh_open(spec, &l, &err) < 0)
		fail_msg("%s", err.text);
	return l;
}

static void open_fails(const struct link_ssh_spec *spec, int kind, struct p2v_err *err)
{
	struct link *l = NULL;

	assert_int_equal(link_ssh_open(spec, &l, err), kind);
	assert_null(l);
}

static void assert_has(const struct p2v_err *err, const char *part)
{
	if (!strstr(err->text, part))
		fail_msg("'%s' does not say '%s'", err->text, part);
}

/* Both directions at once, through several re-keyings, in pieces of all sizes. */
static void test_echo(void **state)
{
	struct flow up = {.total = ECHO_BYTES, .then_end = true};
	struct link *l = link_open(&echo.spec);
	struct p2v_err err = {0};
	uint64_t got;
	int r;

	(void)state;
	up.link = l;
	flow_send_start(&up);
	got = flow_receive(l, &r, &err);
	if (flow_send_join(&up) < 0 || r < 0)
		fail_msg("sent: %s; received: %s", up.err.text, err.text);
	assert_int_equal(got, ECHO_BYTES);
	link_free(l);
}

/* The reader of this program reads only after all of a batch was written, as a simple one would:
 * what fits into the windows on the way may not block. */
static void test_one_thread(void **state)
{
	struct link *l = link_open(&echo.spec);
	uint8_t out[60000], in[60000];
	size_t n;

	(void)state;
	assert_int_equal(link_wait(l, 100, NULL), P2V_ETIMEDOUT);
	for (uint64_t at = 0; at < 100 * sizeof(out); at += sizeof(out)) {
		flow_fill(out, at, sizeof(out));
		assert_int_equal(link_write(l, out, sizeof(out), NULL), 0);
		assert_int_equal(link_wait(l, 10000, NULL), 0);
		assert_int_equal(link_read_all(l, in, sizeof(in), NULL), 0);
		assert_true(flow_is(in, at, sizeof(in)));
	}
	assert_int_equal(link_shutdown_write(l, NULL), 0);
	assert_int_equal(link_read(l, in, 1, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(link_write(l, in, 1, NULL), P2V_EINVAL);
	link_free(l);
}

/* How often sshd was called. */
static unsigned n_connections(void)
{
	p2v_autofree char *path = p2v_path_join(echo.dir, "sshd.log");
	p2v_autobuf struct p2v_buf text = {0};
	unsigned n = 0;

	assert_int_equal(p2v_file_read(path, 16 << 20, &text, NULL), 0);
	p2v_buf_add_u8(&text, 0);
	for (const char *at = (char *)text.data; (at = strstr(at, "Connection from ")); at++)
		n++;
	return n;
}

static void test_pinned_fingerprint(void **state)
{
	struct link_ssh_spec spec = echo.spec;
	struct p2v_err err = {0};
	p2v_autofree char *shown = NULL;
	unsigned before;

	(void)state;
	spec.known_hosts_file = NULL;
	open_fails(&spec, P2V_EINVAL, &err);
	assert_int_equal(link_ssh_fingerprint(&echo.parsed, 10000, &shown, NULL), 0);
	assert_string_equal(shown, echo.fingerprint);
	spec.fingerprint = echo.fingerprint;
	link_free(link_open(&spec));
	/* Whatever it took to find the key: the next link is one connection. */
	before = n_connections();
	link_free(link_open(&spec));
	assert_int_equal(n_connections(), before + 1);
	spec.fingerprint = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	open_fails(&spec, P2V_EREFUSED, &err);
	assert_has(&err, echo.target);
	assert_has(&err, "expected SHA256:AAAAAAAAAAAA");
	assert_has(&err, echo.fingerprint);
}

/* Writes known_hosts of its own: `prefix` before the right line, or another host's key in it. */
static char *known_hosts_make(const char *name, const char *prefix, const struct server *key_of)
{
	struct p2v_buf text = {0}, line = {0};
	const char *key;

	assert_int_equal(p2v_file_read(key_of->known_hosts, 65536, &text, NULL), 0);
	key = strchr((char *)text.data, ' ');
	p2v_buf_addf(&line, "# a comment\n\n%s[127.0.0.1]:%u%s", prefix, echo.parsed.port, key);
	assert_int_equal(p2v_publish_bytes(echo.dir, name, line.data, line.len, 0600, NULL), 0);
	p2v_buf_finish(&text);
	p2v_buf_finish(&line);
	return p2v_path_join(echo.dir, name);
}

/* Every line as people and programs write it. KEY: "ssh-ed25519 AAAA..." of the server, OTHER: of
 * another one; HOST: as known_hosts names the server; HASHED: that name as `ssh-keygen -H` has it.
 */
static const struct known_row {
	const char *text;
	const char *words; /* NULL: trusted; else what the refusal says */
	bool openssh_trusts;
} known_rows[] = {
	{"HOST KEY\n", NULL}, /* ssh-keyscan writes no comment */
	{"HOST KEY", NULL},
	{"HOST KEY a comment", NULL},
	{"HOST KEY\r\n", NULL},
	{"HOST KEY a comment\r\nother.example OTHER\r\n", NULL},
	{"\tHOST   KEY\n", NULL},
	{"HASHED KEY\n", NULL},
	{"HASHED KEY", NULL},
	{"name.example,HOST,10.0.0.1 KEY\n", NULL},
	{"HOST OTHER\nHOST KEY\n", NULL}, /* two of a kind: an old and a new one */
	{"HOST KEY\nHOST OTHER\n", NULL},
	{"HOST sk-ssh-ed25519@openssh.com AAAA\nHOST KEY\n", NULL},
	{"HOST OTHER\n", "expected OTHER-PRINT"},
	{"HOST OTHER", "expected OTHER-PRINT"},
	{"HASHED OTHER\r\n", "expected OTHER-PRINT"},
	{"", "is not known"},
	{"\n\n# HOST KEY\n", "is not known"},
	{"127.0.0.1 KEY\n", "is not known", true}, /* port 22's */
	{"!HOST,HOST KEY\n", "is not known"},
	{"@cert-authority HOST KEY\n", "is not known"},
	{"@revoked HOST KEY\n", "@revoked"},
	{"@revoked HASHED KEY\nHOST KEY\n", "@revoked"},
	{"HOST KEY\n@revoked HOST KEY", "@revoked"},
	{"HOST KEY\n@revoked * KEY\n", "@revoked"},
	{"HOST KEY\n@revoked * OTHER\n", NULL},
};

/* "ssh-ed25519 AAAA..." of a server. */
static char *key_text(const struct server *s)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, host, kind, key;

	assert_int_equal(p2v_file_read(s->known_hosts, 65536, &text, NULL), 0);
	rest = p2v_span_of(text.data, text.len);
	assert_true(p2v_word_next(&rest, &host) && p2v_word_next(&rest, &kind) &&
		    p2v_word_next(&rest, &key));
	return p2v_strf("%.*s %.*s", (int)kind.n, kind.p, (int)key.n, key.p);
}

/* What ssh-keygen makes of the name. */
static char *hashed_name(const char *host, const char *key)
{
	p2v_autofree char *line = p2v_strf("%s %s\n", host, key);
	p2v_autofree char *path = p2v_path_join(echo.dir, "to-hash");
	const char *const argv[] = {"ssh-keygen", "-q", "-H", "-f", path, NULL};
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, name;

	assert_int_equal(p2v_publish_bytes(echo.dir, "to-hash", line, strlen(line), 0600, NULL), 0);
	assert_int_equal(p2v_proc_run(argv, NULL, 0, 10000, NULL, NULL), 0);
	assert_int_equal(p2v_file_read(path, 65536, &text, NULL), 0);
	rest = p2v_span_of(text.data, text.len);
	assert_true(p2v_word_next(&rest, &name) && name.p[0] == '|');
	return p2v_strf("%.*s", (int)name.n, name.p);
}

struct word {
	const char *word, *value;
};

/* A row's text with its words replaced. */
static char *words_replace(const char *text, const struct word *words, size_t n)
{
	struct p2v_buf out = {0};

	while (*text) {
		size_t i = 0;

		while (i < n && strncmp(text, words[i].word, strlen(words[i].word)) != 0)
			i++;
		if (i < n)
			p2v_buf_add_str(&out, words[i].value);
		else
			p2v_buf_add(&out, text, 1);
		text += i < n ? strlen(words[i].word) : 1;
	}
	p2v_buf_add(&out, "", 1);
	return (char *)out.data;
}

static char *known_words(const struct known_row *known, const struct word *words, size_t n)
{
	if (!known->words || (known->openssh_trusts && row == LINK_SSH_OPENSSH))
		return NULL;
	return words_replace(known->words, words, n);
}

static void known_row_try(const struct known_row *known, const struct word *words, size_t n)
{
	struct link_ssh_spec spec = echo.spec;
	p2v_autofree char *text = words_replace(known->text, words, n);
	p2v_autofree char *says = known_words(known, words, n);
	p2v_autofree char *path = p2v_path_join(echo.dir, "known-row");
	struct p2v_err err = {0};
	struct link *l = NULL;
	int r;

	assert_int_equal(
		p2v_publish_bytes(echo.dir, "known-row", text, strlen(text), 0600, NULL), 0);
	spec.known_hosts_file = path;
	r = link_ssh_open(&spec, &l, &err);
	link_free(l);
	if (r != (says ? P2V_EREFUSED : 0))
		fail_msg("'%s': %d %s", known->text, r, err.text);
	if (says && (!strstr(err.text, says) || !strstr(err.text, echo.fingerprint)))
		fail_msg("'%s': %s", known->text, err.text);
}

static void test_known_hosts_lines(void **state)
{
	struct server other;

	(void)state;
	start_server(&other, "cat", "LogLevel ERROR");
	p2v_autofree char *host = p2v_strf("[127.0.0.1]:%u", echo.parsed.port);
	p2v_autofree char *key = key_text(&echo), *other_key = key_text(&other);
	p2v_autofree char *hashed = hashed_name(host, key);
	const struct word words[] = {{"HOST", host}, {"HASHED", hashed}, {"KEY", key},
		{"OTHER-PRINT", other.fingerprint}, {"OTHER", other_key}};

	for (size_t i = 0; i < P2V_N(known_rows); i++)
		known_row_try(&known_rows[i], words, P2V_N(words));
	server_stop(&other);
}

static void test_host_keys(void **state)
{
	struct link_ssh_spec spec = echo.spec;
	struct p2v_err err = {0};
	struct server other;
	p2v_autofree char *changed = NULL, *revoked = NULL, *authority = NULL, *right = NULL;

	(void)state;
	start_server(&other, "cat", "LogLevel ERROR");
	right = known_hosts_make("right", "", &echo);
	spec.known_hosts_file = right;
	link_free(link_open(&spec));

	changed = known_hosts_make("changed", "", &other);
	spec.known_hosts_file = changed;
	open_fails(&spec, P2V_EREFUSED, &err);
	assert_has(&err, echo.target);
	assert_has(&err, other.fingerprint);
	assert_has(&err, echo.fingerprint);

	/* A key for another port of the host is no key for this one. */
	spec.known_hosts_file = other.known_hosts;
	open_fails(&spec, P2V_EREFUSED, &err);
	assert_has(&err, "is not known");
	assert_has(&err, echo.fingerprint);
	assert_has(&err, other.known_hosts);

	revoked = known_hosts_make("revoked", "@revoked ", &echo);
	spec.known_hosts_file = revoked;
	open_fails(&spec, P2V_EREFUSED, &err);
	assert_has(&err, "@revoked");
	authority = known_hosts_make("authority", "@cert-authority ", &echo);
	spec.known_hosts_file = authority;
	open_fails(&spec, P2V_EREFUSED, &err);
	spec.known_hosts_file = "/nowhere/known_hosts";
	open_fails(&spec, P2V_ENOTFOUND, &err);
	server_stop(&other);
}

/* The kind of key that known_hosts has is asked for, though a better one is on offer. */
static void test_second_kind_of_host_key(void **state)
{
	struct link_ssh_spec spec = echo.spec;
	p2v_autofree char *path = p2v_path_join(echo.dir, "ecdsa");
	p2v_autofree char *extra = p2v_strf("HostKey %s", path), *known = NULL, *pub = NULL;
	const char *const keygen[] = {
		"ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", path, NULL};
	struct p2v_buf text = {0};
	struct server two;

	(void)state;
	assert_int_equal(p2v_proc_run(keygen, NULL, 0, 10000, NULL, NULL), 0);
	start_server(&two, "cat", extra);
	pub = p2v_strf("%s.pub", path);
	assert_int_equal(p2v_file_read(pub, 4096, &text, NULL), 0);
	known = p2v_strf("[127.0.0.1]:%u %s", two.parsed.port, (char *)text.data);
	assert_int_equal(p2v_publish_bytes(two.dir, "known2", known, strlen(known), 0600, NULL), 0);
	spec = two.spec;
	p2v_autofree char *known2 = p2v_path_join(two.dir, "known2");

	spec.known_hosts_file = known2;
	link_free(link_open(&spec));
	p2v_buf_finish(&text);
	server_stop(&two);
}

static void test_wrong_key(void **state)
{
	p2v_autofree char *path = p2v_path_join(echo.dir, "stranger");
	p2v_autofree char *locked_path = p2v_path_join(echo.dir, "locked");
	p2v_autobuf struct p2v_buf text = {0};
	const char *const keygen[] = {
		"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path, NULL};
	const char *const locked[] = {
		"ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", locked_path, NULL};
	struct link_ssh_spec spec = echo.spec;
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(p2v_proc_run(keygen, NULL, 0, 10000, NULL, NULL), 0);
	spec.identity_file = path;
	open_fails(&spec, P2V_EREFUSED, &err);
	assert_has(&err, echo.target);
	assert_has(&err, path);
	assert_has(&err, "for user '");
	/* The right one, with a passphrase. */
	assert_int_equal(p2v_file_read(echo.identity, 65536, &text, NULL), 0);
	assert_int_equal(p2v_publish_bytes(echo.dir, "locked", text.data, text.len, 0600, NULL), 0);
	assert_int_equal(p2v_proc_run(locked, NULL, 0, 10000, NULL, NULL), 0);
	spec.identity_file = locked_path;
	open_fails(&spec, P2V_EINVAL, &err);
	assert_has(&err, locked_path);
	assert_has(&err, "passphrase");
	spec.identity_file = "/nowhere/key";
	open_fails(&spec, P2V_EINVAL, &err);
	assert_has(&err, "/nowhere/key: No such file");
	spec.identity_file = echo.known_hosts;
	open_fails(&spec, P2V_EINVAL, &err);
	assert_has(&err, "is no private key");
}

/* A key as it lies on a boot medium: everybody may read it. */
static void test_readable_key(void **state)
{
	p2v_autofree char *path = p2v_path_join(echo.dir, "readable");
	p2v_autobuf struct p2v_buf text = {0};
	struct link_ssh_spec spec = echo.spec;

	(void)state;
	assert_int_equal(p2v_file_read(echo.identity, 65536, &text, NULL), 0);
	assert_int_equal(
		p2v_publish_bytes(echo.dir, "readable", text.data, text.len, 0644, NULL), 0);
	spec.identity_file = path;
	link_free(link_open(&spec));
}

static void test_no_client(void **state)
{
	p2v_autofree char *before = strdup(getenv("PATH"));
	struct link_ssh_spec spec = echo.spec;
	struct p2v_err err = {0};

	(void)state;
	setenv("PATH", echo.dir, 1);
	if (row == LINK_SSH_OPENSSH) {
		open_fails(&spec, P2V_ENOTFOUND, &err);
		assert_has(&err, "ssh");
	}
	spec.row = LINK_SSH_AUTO;
	link_free(link_open(&spec));
	setenv("PATH", before, 1);
}

static void test_nobody_there(void **state)
{
	char refused_user[] = "p2v", refused_host[] = "127.0.0.1";
	struct link_ssh_target refused = {refused_user, refused_host, 1};
	char nowhere_user[] = "p2v", nowhere_host[] = "host.invalid";
	struct link_ssh_target nowhere = {nowhere_user, nowhere_host, 22};
	struct link_ssh_spec spec = echo.spec;
	struct p2v_err err = {0};

	(void)state;
	spec.target = &refused;
	open_fails(&spec, P2V_ELINK, &err);
	assert_string_equal(err.text, "p2v@127.0.0.1:1: cannot connect: Connection refused");
	spec.target = &nowhere;
	open_fails(&spec, P2V_ELINK, &err);
	assert_has(&err, "p2v@host.invalid:22: cannot find the host");
}

/* A port that takes connections and says nothing. */
static void test_silent_port(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char silent_user[] = "p2v", silent_host[] = "127.0.0.1";
	struct link_ssh_target silent = {silent_user, silent_host, 0};
	struct link_ssh_spec spec = echo.spec;
	uint8_t addr[64];
	socklen_t n = sizeof(addr);
	struct p2v_err err = {0};
	uint64_t start;

	(void)state;
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)addr, &n), 0);
	silent.port = (uint16_t)(addr[2] << 8 | addr[3]);
	spec.target = &silent;
	spec.connect_timeout_ms = 1500;
	start = p2v_now_ms();
	open_fails(&spec, P2V_ELINK, &err);
	assert_true(p2v_now_ms() - start < 5000);
	assert_has(&err, "does not answer in time");
	close(fd);
}

/* What --help and results call it. */
static void test_methods(void **state)
{
	struct link *l = link_open(&echo.spec);
	const char *methods = link_ssh_methods(l);

	(void)state;
	assert_non_null(strstr(methods, row == LINK_SSH_OPENSSH ? "openssh " : "libssh2 "));
	assert_true(strstr(methods, " aes") || strstr(methods, " chacha"));
	link_free(l);
}

/* The server dies while data flows both ways: both threads learn of it, soon. */
static void test_killed_in_the_middle(void **state)
{
	struct flow up = {.total = UINT64_MAX};
	struct p2v_err err = {0};
	struct server s;
	struct link *l;
	uint8_t buf[65536];
	uint64_t start, at = 0;
	size_t n;
	int r = 0;

	(void)state;
	start_server(&s, "cat", "LogLevel ERROR");
	l = link_open(&s.spec);
	up.link = l;
	flow_send_start(&up);
	for (; at < 5 * P2V_MIB; at += n)
		assert_int_equal(link_read(l, buf, sizeof(buf), &n, NULL), 0);
	server_kill(&s);
	start = p2v_now_ms();
	while (r == 0)
		r = link_read(l, buf, sizeof(buf), &n, &err);
	assert_int_equal(r, P2V_ELINK);
	assert_has(&err, s.target);
	assert_int_equal(flow_send_join(&up), P2V_ELINK);
	assert_true(p2v_now_ms() - start < 5000);
	link_free(l);
	server_stop(&s);
}

/* What the far program says last, cleaned of what could play with a terminal. */
static void test_last_words(void **state)
{
	static const struct {
		const char *command, *words;
		int kind;
	} rows[] = {
		{"sh -c 'echo first >&2; printf \"p2v-recv: \\033[2Jno space\\n\" >&2; exit 1'",
			"echo failed there (exit status 1): p2v-recv: ?[2Jno space", P2V_ELINK},
		{"no-such-program-here", "exit status 127", P2V_ENOTFOUND},
		{"sh -c 'echo not yours >&2; exit 3'", "(exit status 3): not yours", P2V_EREFUSED},
		{"sh -c 'kill -9 $$'", "echo was killed there", P2V_ELINK},
	};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		struct p2v_err err = {0};
		char words[LINK_WORDS_MAX];
		struct server s;
		struct link *l;
		uint8_t byte;
		size_t n;

		start_server(&s, rows[i].command, "LogLevel ERROR");
		l = link_open(&s.spec);
		assert_int_equal(link_read(l, &byte, 1, &n, &err), rows[i].kind);
		assert_has(&err, rows[i].words);
		if (i == 0)
			assert_string_equal(link_words(l, words), "p2v-recv: ?[2Jno space");
		link_free(l);
		server_stop(&s);
	}
}

static void *cancel_soon(void *link)
{
	usleep(200000);
	link_cancel(link);
	return NULL;
}

static void test_cancel_wakes(void **state)
{
	struct flow up = {.total = UINT64_MAX};
	struct server s;
	struct link *l;
	pthread_t thread;
	uint8_t byte;
	size_t n;

	(void)state;
	start_server(&s, "sleep 1000", "LogLevel ERROR");
	l = link_open(&s.spec);
	up.link = l;
	flow_send_start(&up); /* blocks: nobody reads there */
	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, l), 0);
	assert_int_equal(link_read(l, &byte, 1, &n, NULL), P2V_ECANCELED);
	assert_int_equal(flow_send_join(&up), P2V_ECANCELED);
	pthread_join(thread, NULL);
	link_free(l);
	server_stop(&s);
}

static int group_setup(void **state)
{
	(void)state;
	start_server(&echo, "cat", "RekeyLimit 32M");
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	server_stop(&echo);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_thread),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_pinned_fingerprint),
		cmocka_unit_test(test_host_keys),
		cmocka_unit_test(test_known_hosts_lines),
		cmocka_unit_test(test_second_kind_of_host_key),
		cmocka_unit_test(test_wrong_key),
		cmocka_unit_test(test_readable_key),
		cmocka_unit_test(test_no_client),
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_silent_port),
		cmocka_unit_test(test_killed_in_the_middle),
		cmocka_unit_test(test_last_words),
		cmocka_unit_test(test_cancel_wakes),
	};

	signal(SIGPIPE, SIG_IGN);
	if (argc != 3 || link_ssh_row_parse(argv[2], &row, NULL) < 0 ||
		!p2v_proc_exists("/usr/sbin/sshd")) {
		print_message("usage: test-ssh SSHD.PY ROW (and sshd has to be installed)\n");
		return 77;
	}
	script = argv[1];
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}

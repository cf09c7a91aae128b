/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Small files by http and https, which are believed by digest or key only. The server is openssl's.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/link/http.h"

#define BODY	"server=p2v@10.0.0.5\n"
#define WAIT_MS 60000

static char *dir, *pin, *digest;
static unsigned port;
static pid_t server;

static unsigned free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static void tool(const char *const *argv, struct p2v_buf *out)
{
	struct p2v_err err = {0};

	if (p2v_proc_run(argv, NULL, 0, WAIT_MS, out, &err) < 0)
		fail_msg("%s", err.text);
}

static void await_listening(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};

	for (int i = 0; i < WAIT_MS / 50; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int r = connect(fd, (struct sockaddr *)&a, sizeof(a));

		close(fd);
		if (r == 0)
			return;
		p2v_sleep_ms(50);
	}
	fail_msg("openssl s_server does not listen");
}

/* The digest of the certificate's public key, as curl wants it. */
static char *pin_of(const char *cert)
{
	const char *const key[] = {"openssl", "x509", "-in", cert, "-pubkey", "-noout", NULL};
	const char *const der[] = {"openssl", "pkey", "-pubin", "-outform", "DER", NULL};
	const char *const hash[] = {"openssl", "dgst", "-sha256", "-binary", NULL};
	const char *const base64[] = {"openssl", "base64", NULL};
	const char *const *steps[] = {der, hash, base64};
	p2v_autobuf struct p2v_buf in = {0};

	tool(key, &in);
	for (size_t i = 0; i < P2V_N(steps); i++) {
		p2v_autobuf struct p2v_buf out = {0};

		assert_int_equal(p2v_proc_run(steps[i], in.data, in.len, WAIT_MS, &out, NULL), 0);
		p2v_buf_reset(&in);
		p2v_buf_add(&in, out.data, out.len);
	}
	((char *)in.data)[strcspn((char *)in.data, "\n")] = '\0';
	return p2v_strf("sha256//%s", (char *)in.data);
}

static int start(void **state)
{
	p2v_autofree char *cert = NULL, *key = NULL, *port_text = NULL, *file = NULL;
	p2v_autobuf struct p2v_buf sum = {0};

	(void)state;
	if (p2v_dir_temp("http", &dir, NULL) < 0)
		return -1;
	port = free_port();
	port_text = p2v_strf("%u", port);
	cert = p2v_path_join(dir, "cert.pem");
	key = p2v_path_join(dir, "key.pem");
	file = p2v_path_join(dir, "config");
	p2v_publish_bytes(dir, "config", BODY, strlen(BODY), 0644, NULL);
	tool((const char *const[]){"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
		     "-subj", "/CN=elsewhere", "-days", "1", "-keyout", key, "-out", cert, NULL},
		NULL);
	tool((const char *const[]){"sha256sum", file, NULL}, &sum);
	digest = p2v_strf("sha256:%.64s", (char *)sum.data);
	pin = pin_of(cert);
	const char *const argv[] = {"openssl", "s_server", "-accept", port_text, "-cert", cert,
		"-key", key, "-WWW", "-quiet", NULL};
	const struct p2v_proc_spec spec = {
		.argv = argv, .cwd = dir, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1};

	if (p2v_proc_start(&spec, &server, NULL) < 0)
		return -1;
	await_listening();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	p2v_proc_stop(server, 1000);
	p2v_dir_remove(dir);
	free(dir);
	free(pin);
	free(digest);
	return 0;
}

static int get(const char *name, const char *sum, const char *key, size_t max, struct p2v_buf *ret,
	struct p2v_err *err)
{
	p2v_autofree char *url = p2v_strf("https://127.0.0.1:%u/%s", port, name);
	const struct link_http_spec spec = {url, sum, key, max, WAIT_MS};

	return link_http_get(&spec, ret, err);
}

static void test_believed(void **state)
{
	const struct {
		const char *sum, *key;
	} rows[] = {{digest, NULL}, {NULL, pin}, {digest, pin}};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		p2v_autobuf struct p2v_buf got = {0};
		struct p2v_err err = {0};

		if (get("config", rows[i].sum, rows[i].key, 4096, &got, &err) < 0)
			fail_msg("%s", err.text);
		assert_string_equal((char *)got.data, BODY);
	}
}

static void test_not_believed(void **state)
{
	static const char other[] =
		"sha256:"
		"0000000000000000000000000000000000000000000000000000000000000000",
			  other_key[] = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	const struct {
		const char *name, *sum, *key;
		size_t max;
		int kind;
	} rows[] = {
		{"config", other, NULL, 4096, P2V_EREFUSED},
		{"config", other, pin, 4096, P2V_EREFUSED},
		{"config", NULL, other_key, 4096, P2V_EREFUSED},
		{"config", digest, other_key, 4096, P2V_EREFUSED},
		{"config", NULL, NULL, 4096, P2V_EINVAL},
		{"config", "md5:00", NULL, 4096, P2V_EINVAL},
		{"config", NULL, "sha1//x", 4096, P2V_EINVAL},
		{"config", digest, NULL, 5, P2V_EFORMAT},
	};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++) {
		p2v_autobuf struct p2v_buf got = {0};
		struct p2v_err err = {0};

		assert_int_equal(
			get(rows[i].name, rows[i].sum, rows[i].key, rows[i].max, &got, &err),
			rows[i].kind);
		assert_int_equal(got.len, 0);
		assert_non_null(strstr(err.text, "https://127.0.0.1"));
	}
}

static void test_into_a_file(void **state)
{
	p2v_autofree char *url = p2v_strf("https://127.0.0.1:%u/config", port);
	struct link_http_spec spec = {url, digest, NULL, 4096, WAIT_MS};
	char got[256] = "what was there before, and is longer";
	struct p2v_err err = {0};
	int fd = memfd_create("fetched", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(write(fd, got, sizeof(got)), sizeof(got));
	if (link_http_fetch(&spec, fd, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(pread(fd, got, sizeof(got), 0), strlen(BODY));
	assert_memory_equal(got, BODY, strlen(BODY));
	spec.digest = "sha256:"
		      "0000000000000000000000000000000000000000000000000000000000000000";
	assert_int_equal(link_http_fetch(&spec, fd, &err), P2V_EREFUSED);
	spec.digest = NULL;
	assert_int_equal(link_http_fetch(&spec, fd, &err), P2V_EINVAL);
	close(fd);
}

static void test_not_reached(void **state)
{
	p2v_autofree char *closed = p2v_strf("http://127.0.0.1:%u/config", free_port());
	const struct link_http_spec nobody = {closed, digest, NULL, 4096, WAIT_MS},
				    file = {"file:///etc/hostname", digest, NULL, 4096, WAIT_MS};
	p2v_autobuf struct p2v_buf got = {0};

	(void)state;
	assert_int_equal(link_http_get(&nobody, &got, NULL), P2V_ELINK);
	assert_int_equal(link_http_get(&file, &got, NULL), P2V_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_believed),
		cmocka_unit_test(test_not_believed),
		cmocka_unit_test(test_into_a_file),
		cmocka_unit_test(test_not_reached),
	};

	return cmocka_run_group_tests(tests, start, stop);
}

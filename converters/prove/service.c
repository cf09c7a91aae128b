/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/prove/service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"

#define HTTP_PORT    80
#define HTTP_STATUS  200
#define CURL	     "curl"
#define CURL_SECONDS "8"
#define CURL_MS	     12000

int prove_port_find(uint16_t *ret, struct p2v_err *err)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	p2v_autoclose int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(in);

	if (fd < 0 || bind(fd, (struct sockaddr *)&in, n) < 0 ||
		getsockname(fd, (struct sockaddr *)&in, &n) < 0)
		return p2v_err_errno(err, errno, "a port on loopback");
	*ret = ntohs(in.sin_port);
	return 0;
}

int prove_services_new(const struct orders_check *wanted, size_t n, struct prove_service **ret,
	struct p2v_err *err)
{
	struct prove_service *made = calloc(n + 1, sizeof(*made));
	int r = made ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	for (size_t i = 0; r == 0 && i < n; i++) {
		made[i] = (struct prove_service){.wanted = &wanted[i],
			.port = (uint16_t)(wanted[i].tcp ? wanted[i].tcp : HTTP_PORT),
			.fd = -1,
			.seen = "no connection"};
		r = prove_port_find(&made[i].near, err);
	}
	if (r < 0)
		prove_services_free(made, n);
	else
		*ret = made;
	return r;
}

void prove_services_free(struct prove_service *services, size_t n)
{
	for (size_t i = 0; services && i < n; i++)
		p2v_cleanup_close(&services[i].fd);
	free(services);
}

void prove_services_forward(
	const struct prove_service *services, size_t n, const char *address, struct p2v_buf *out)
{
	for (size_t i = 0; i < n; i++)
		p2v_buf_addf(out, ",hostfwd=tcp:127.0.0.1:%u-%s:%u", services[i].near, address,
			services[i].port);
}

/* Its frames show whether it was let in. */
static void knock(struct prove_service *s)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(s->near)};

	p2v_cleanup_close(&s->fd);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd >= 0)
		(void)!connect(s->fd, (struct sockaddr *)&in, sizeof(in));
}

/* By curl(1), which follows nothing and talks to nobody else. */
static void http_ask(struct prove_service *s)
{
	p2v_autofree char *url = p2v_strf("http://127.0.0.1:%u%s", s->near, s->wanted->http);
	const char *const argv[] = {CURL, "-q", "--silent", "--globoff", "--path-as-is", "--proto",
		"=http", "--noproxy", "*", "--max-time", CURL_SECONDS, "--output", "/dev/null",
		"--write-out", "%{http_code}", "--", url, NULL};
	unsigned want = s->wanted->status ? s->wanted->status : HTTP_STATUS;
	p2v_autobuf struct p2v_buf out = {0};
	struct p2v_err err = {0};
	int r = url ? p2v_proc_run(argv, NULL, 0, CURL_MS, &out, &err) : P2V_ENOMEM;

	if (r == P2V_ENOTFOUND) {
		snprintf(s->seen, sizeof(s->seen), "cannot be asked: curl is not installed here");
	} else if (r < 0 || out.len != 3) {
		snprintf(s->seen, sizeof(s->seen), "no answer by HTTP");
	} else {
		s->ok = (unsigned)strtoul((const char *)out.data, NULL, 10) == want;
		if (s->ok)
			snprintf(s->seen, sizeof(s->seen), "HTTP %u", want);
		else
			snprintf(s->seen, sizeof(s->seen), "HTTP %.3s, and not %u",
				(const char *)out.data, want);
	}
}

void prove_service_ask(struct prove_service *s, bool open)
{
	if (s->ok)
		return;
	if (!open) {
		knock(s);
	} else if (s->wanted->http) {
		p2v_cleanup_close(&s->fd);
		s->fd = -1;
		http_ask(s);
	} else {
		s->ok = true;
		snprintf(s->seen, sizeof(s->seen), "TCP SYN/ACK");
	}
}

bool prove_services_missing(const struct prove_service *services, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!services[i].ok)
			return true;
	return false;
}

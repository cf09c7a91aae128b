/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/control/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "p2v/control/dashboard.h"
#include "p2v/control/token.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"

#define CONNECTIONS_MOST 256
/* Of one address, so that it leaves some to others. */
#define ADDRESS_MOST (CONNECTIONS_MOST / 2)
/* Who listens keeps his connection: so many that each address has some left to ask by. */
#define STREAMS_MOST   (ADDRESS_MOST / 2)
#define BODY_MOST      ((size_t)64 << 10)
#define TIMEOUT_S      60
#define STREAM_LOOK_MS 300
/* So that whoever listens, and whatever stands in between, knows that it lives. */
#define STREAM_BEAT_MS 15000

struct http {
	struct api *api;
	struct MHD_Daemon *daemon;
	char *path;  /* of a Unix socket */
	bool remote; /* who asks has to show a token */
	atomic_bool ends;
	atomic_uint streams;
};

/* One request while it comes in. */
struct incoming {
	struct p2v_buf body;
	bool too_large;
};

/* ---- answers ---- */

static enum MHD_Result answer_queue(struct MHD_Connection *connection, struct api_answer *answer)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		answer->body.len, answer->body.data, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", answer->type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	result = MHD_queue_response(connection, answer->status, response);
	MHD_destroy_response(response);
	return result;
}

/* "uid 1000 (ann)": by the kernel, not by what the other end says. */
static void who_is(struct MHD_Connection *connection, char *ret, size_t n)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct passwd user, *found = NULL;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	char text[4096];

	snprintf(ret, n, "operator");
	if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return;
	if (getpwuid_r(peer.uid, &user, text, sizeof(text), &found) == 0 && found)
		snprintf(ret, n, "operator %s", user.pw_name);
	else
		snprintf(ret, n, "operator uid %u", (unsigned)peer.uid);
}

static uint64_t number_of(struct MHD_Connection *c, enum MHD_ValueKind kind, const char *name)
{
	const char *text = MHD_lookup_connection_value(c, kind, name);
	uint64_t number = 0;

	if (text)
		p2v_num_parse(text, name, 0, INT64_MAX, &number, NULL);
	return number;
}

/* Who asks, and what he may. */
struct asker {
	char who[128];
	enum api_role role;
	const char *token; /* while the request lives; NULL: none is wanted */
};

/* A guess costs time, in this connection's own thread. */
#define WRONG_TOKEN_MS 300

static int asker_find(struct http *http, struct MHD_Connection *connection, struct asker *ret,
	struct p2v_err *err)
{
	const char *text = MHD_lookup_connection_value(
		connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
	p2v_autofree char *name = NULL;
	int r;

	ret->role = API_ADMIN;
	if (!http->remote) {
		who_is(connection, ret->who, sizeof(ret->who));
		return 0;
	}
	if (!text || strncasecmp(text, "Bearer ", 7) != 0)
		return p2v_err_set(err, P2V_EREFUSED, "no token was shown");
	ret->token = text + 7;
	r = control_token_check(http->api->config->tokens, ret->token, &ret->role, &name, err);
	if (r == 0)
		snprintf(ret->who, sizeof(ret->who), "token %s", name);
	else
		p2v_sleep_ms(WRONG_TOKEN_MS);
	return r;
}

static enum MHD_Result refuse(
	struct MHD_Connection *connection, unsigned status, const struct p2v_err *err)
{
	struct api_error error = {
		1, (char *)(uintptr_t)p2v_err_word(err->kind), (char *)(uintptr_t)err->text};
	struct api_answer answer = {.status = status, .type = "application/json"};
	enum MHD_Result result = MHD_NO;

	if (p2v_json_encode(&control_error_type, &error, false, &answer.body, NULL) == 0)
		result = answer_queue(connection, &answer);
	p2v_buf_finish(&answer.body);
	return result;
}

static enum MHD_Result request_answer(struct http *http, struct MHD_Connection *connection,
	const char *path, const char *method, const struct asker *asker, struct incoming *incoming)
{
	struct api_request request = {.method = method,
		.path = path,
		.who = asker->who,
		.role = asker->role,
		.after = number_of(connection, MHD_GET_ARGUMENT_KIND, "after"),
		.body = incoming->body.data,
		.n = incoming->body.len};
	struct api_answer answer = {.status = 413, .type = "text/plain"};
	enum MHD_Result result;

	if (incoming->too_large || incoming->body.failed)
		p2v_buf_add_str(&answer.body, "too large\n");
	else
		control_api_answer(http->api, &request, &answer);
	result = answer_queue(connection, &answer);
	p2v_buf_finish(&answer.body);
	return result;
}

/* ---- the dashboard ---- */

/* Nothing from elsewhere, no markup that somebody slipped in, in nobody's frame. */
#define PAGE_POLICY                                                                                \
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "            \
	"img-src blob:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

static enum MHD_Result page_answer(
	struct MHD_Connection *connection, const struct dashboard_file *file)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		file->n, (void *)(uintptr_t)file->bytes, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", file->type);
	MHD_add_response_header(response, "Content-Security-Policy", PAGE_POLICY);
	MHD_add_response_header(response, "Cache-Control", "no-cache");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

/* ---- the stream of events ---- */

struct stream {
	struct http *http;
	char *token; /* or NULL */
	uint64_t after, said_ms;
	struct p2v_buf out;
	size_t given;
};

/* A token that is revoked is so for those who listen already, too. */
static bool stream_allowed(const struct stream *s)
{
	p2v_autofree char *name = NULL;
	enum api_role role;

	return !s->token ||
	       control_token_check(s->http->api->config->tokens, s->token, &role, &name, NULL) == 0;
}

/* Each connection has a thread of its own, so this one may wait. */
static ssize_t stream_read(void *ctx, uint64_t pos, char *to, size_t most)
{
	struct stream *s = ctx;
	size_t n;

	(void)pos;
	while (s->given == s->out.len) {
		p2v_buf_reset(&s->out);
		s->given = 0;
		if (atomic_load(&s->http->ends) || p2v_stop_requested())
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (control_api_events(s->http->api, &s->after, &s->out, NULL) < 0)
			return MHD_CONTENT_READER_END_WITH_ERROR;
		if (s->out.len == 0 && p2v_now_ms() - s->said_ms > STREAM_BEAT_MS)
			p2v_buf_add_str(&s->out, ": still here\n\n");
		if (s->out.len == 0)
			p2v_sleep_ms(STREAM_LOOK_MS);
	}
	if (s->given == 0 && !stream_allowed(s))
		return MHD_CONTENT_READER_END_OF_STREAM;
	s->said_ms = p2v_now_ms();
	n = s->out.len - s->given < most ? s->out.len - s->given : most;
	memcpy(to, s->out.data + s->given, n);
	s->given += n;
	return (ssize_t)n;
}

static void stream_free(void *ctx)
{
	struct stream *s = ctx;

	atomic_fetch_sub(&s->http->streams, 1);
	if (s->token)
		explicit_bzero(s->token, strlen(s->token));
	free(s->token);
	p2v_buf_finish(&s->out);
	free(s);
}

static struct stream *stream_new(struct http *http, const struct asker *asker)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	atomic_fetch_add(&http->streams, 1);
	s->http = http;
	s->token = asker->token ? strdup(asker->token) : NULL;
	if (!s->token == !asker->token)
		return s;
	stream_free(s);
	return NULL;
}

static enum MHD_Result stream_answer(
	struct http *http, struct MHD_Connection *connection, const struct asker *asker)
{
	struct MHD_Response *response;
	enum MHD_Result result;
	struct p2v_err err = {0};
	struct stream *s;

	if (atomic_load(&http->streams) >= STREAMS_MOST) {
		p2v_err_set(&err, P2V_ENOSPC,
			"%d listen already: ask /v1/events?after=ID from time to time instead",
			STREAMS_MOST);
		return refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, &err);
	}
	s = stream_new(http, asker);
	if (!s)
		return MHD_NO;
	s->after = number_of(connection, MHD_HEADER_KIND, "Last-Event-ID");
	s->said_ms = p2v_now_ms();
	/* At once, so that the listener knows that he is connected. */
	p2v_buf_add_str(&s->out, ": p2vd\n\n");
	response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, 4096, stream_read, s, stream_free);
	if (!response) {
		stream_free(s);
		return MHD_NO;
	}
	MHD_add_response_header(response, "Content-Type", "text/event-stream");
	MHD_add_response_header(response, "Cache-Control", "no-store");
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

/* ---- requests ---- */

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *bytes, size_t *n, void **state)
{
	const struct dashboard_file *page;
	struct incoming *incoming = *state;
	struct asker asker = {0};
	struct p2v_err err = {0};

	(void)version;
	if (!incoming) {
		*state = calloc(1, sizeof(struct incoming));
		return *state ? MHD_YES : MHD_NO;
	}
	if (*n) {
		incoming->too_large = incoming->too_large || *n > BODY_MOST - incoming->body.len;
		if (!incoming->too_large)
			p2v_buf_add(&incoming->body, bytes, *n);
		*n = 0;
		return MHD_YES;
	}
	page = strcmp(method, "GET") == 0 ? control_dashboard_file(url) : NULL;
	if (page)
		return page_answer(connection, page);
	if (asker_find(ctx, connection, &asker, &err) < 0)
		return refuse(connection, MHD_HTTP_UNAUTHORIZED, &err);
	if (strcmp(url, "/v1/stream") == 0 && strcmp(method, "GET") == 0)
		return stream_answer(ctx, connection, &asker);
	return request_answer(ctx, connection, url, method, &asker, incoming);
}

static void on_end(void *ctx, struct MHD_Connection *connection, void **state,
	enum MHD_RequestTerminationCode why)
{
	struct incoming *incoming = *state;

	(void)ctx;
	(void)connection;
	(void)why;
	if (incoming)
		p2v_buf_finish(&incoming->body);
	free(incoming);
	*state = NULL;
}

/* ---- the socket ---- */

/* A name that nobody answers at is of a server that died. */
static int stale_remove(const struct sockaddr_un *name, struct p2v_err *err)
{
	p2v_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	if (lstat(name->sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return p2v_err_set(err, P2V_EREFUSED, "is there, and no socket");
	if (fd < 0 || connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0)
		return p2v_err_set(err, P2V_EREFUSED, "another server listens there");
	return unlink(name->sun_path) == 0 ? 0 : p2v_err_errno(err, errno, "remove");
}

static int socket_open(const char *path, int *ret, struct p2v_err *err)
{
	p2v_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int r;

	if (strlen(path) >= sizeof(name.sun_path))
		return p2v_err_set(err, P2V_EINVAL, "longer than %zu bytes", sizeof(name.sun_path));
	memcpy(name.sun_path, path, strlen(path));
	r = stale_remove(&name, err);
	if (r < 0)
		return r;
	/* The mode before anybody can connect: between bind and listen. */
	if (fd < 0 || bind(fd, (const struct sockaddr *)&name, sizeof(name)) < 0 ||
		chmod(path, 0660) < 0 || listen(fd, CONNECTIONS_MOST) < 0)
		return p2v_err_errno(err, errno, "socket");
	*ret = p2v_steal_fd(&fd);
	return 0;
}

int control_http_start(struct api *api, const char *path, struct http **ret, struct p2v_err *err)
{
	struct http *http = calloc(1, sizeof(*http));
	int fd = -1, r;

	if (!http)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	http->api = api;
	r = socket_open(path, &fd, err);
	if (r < 0) {
		control_http_stop(http);
		return p2v_err_wrap(err, r, "%s", path);
	}
	http->path = strdup(path);
	http->daemon = MHD_start_daemon(
		MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0,
		NULL, NULL, on_request, http, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MOST,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_NOTIFY_COMPLETED,
		on_end, NULL, MHD_OPTION_END);
	if (!http->daemon) {
		close(fd);
		control_http_stop(http);
		return p2v_err_set(err, P2V_EIO, "%s: no HTTP server can be started", path);
	}
	*ret = http;
	return 0;
}

/* ---- the network ---- */

/* "ADDRESS:PORT", "[ADDRESS]:PORT": numbers only, so that nobody else's name server has a say. */
static int address_parse(const char *text, struct addrinfo **ret, struct p2v_err *err)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM};
	const char *colon = strrchr(text, ':');
	p2v_autofree char *host = colon ? strndup(text, (size_t)(colon - text)) : NULL;
	size_t n = host ? strlen(host) : 0;
	char *name = host;

	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		name = host + 1;
	}
	if (!name || !*name || getaddrinfo(name, colon + 1, &hints, ret) != 0)
		return p2v_err_set(err, P2V_EINVAL,
			"listen: '%.80s' is not like 0.0.0.0:8443 or [::]:8443", text);
	return 0;
}

static struct MHD_Daemon *tls_start(
	struct http *http, const struct addrinfo *address, const char *cert, const char *key)
{
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
			 MHD_USE_POLL | MHD_USE_TLS;

	if (address->ai_family == AF_INET6)
		flags |= MHD_USE_DUAL_STACK;
	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, http, MHD_OPTION_SOCK_ADDR,
		address->ai_addr, MHD_OPTION_HTTPS_MEM_CERT, cert, MHD_OPTION_HTTPS_MEM_KEY, key,
		MHD_OPTION_HTTPS_PRIORITIES, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2",
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MOST,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)ADDRESS_MOST,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_NOTIFY_COMPLETED,
		on_end, NULL, MHD_OPTION_END);
}

static int text_read(const char *path, struct p2v_buf *ret, struct p2v_err *err)
{
	int r = p2v_file_read(path, BODY_MOST, ret, err);

	p2v_buf_add_str(ret, "");
	return r < 0 ? r : p2v_buf_check(ret, err);
}

int control_https_start(struct api *api, struct http **ret, struct p2v_err *err)
{
	const struct server_config *config = api->config;
	p2v_autobuf struct p2v_buf cert = {0}, key = {0};
	struct addrinfo *address = NULL;
	struct http *http;
	int r;

	*ret = NULL;
	if (!config->listen)
		return 0;
	r = text_read(config->tls_cert, &cert, err);
	if (r == 0)
		r = text_read(config->tls_key, &key, err);
	if (r == 0)
		r = address_parse(config->listen, &address, err);
	if (r < 0)
		return r;
	http = calloc(1, sizeof(*http));
	if (http) {
		http->api = api;
		http->remote = true;
		http->daemon =
			tls_start(http, address, (const char *)cert.data, (const char *)key.data);
	}
	explicit_bzero(key.data, key.len);
	freeaddrinfo(address);
	if (!http || !http->daemon) {
		control_http_stop(http);
		return p2v_err_set(err, P2V_EIO,
			"%s: cannot listen: the port is taken, or the certificate and its key are "
			"not good",
			config->listen);
	}
	*ret = http;
	return 0;
}

void control_http_stop(struct http *http)
{
	if (!http)
		return;
	atomic_store(&http->ends, true);
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	if (http->path)
		unlink(http->path);
	free(http->path);
	free(http);
}

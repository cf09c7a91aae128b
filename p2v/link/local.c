/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/link/local.h"

#include <curl/curl.h>
#include <errno.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"

struct local_body {
	struct p2v_buf *buf;
	size_t max_bytes;
	bool too_large;
};

static size_t on_bytes(char *bytes, size_t size, size_t n, void *ctx)
{
	struct local_body *body = ctx;

	n *= size;
	body->too_large = n > body->max_bytes - body->buf->len;
	if (body->too_large)
		return 0;
	p2v_buf_add(body->buf, bytes, n);
	return body->buf->failed ? 0 : n;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	(void)ctx, (void)a, (void)b, (void)c, (void)d;
	return p2v_stop_requested();
}

static int failure(const struct link_local_spec *spec, CURLcode code, const struct local_body *body,
	const char *why, struct p2v_err *err)
{
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return p2v_err_set(err, P2V_ECANCELED, "interrupted");
	if (body->too_large)
		return p2v_err_set(
			err, P2V_EFORMAT, "%s: more than %zu bytes", spec->path, body->max_bytes);
	if (code == CURLE_COULDNT_CONNECT && access(spec->socket, F_OK) < 0)
		return p2v_err_set(err, P2V_ENOTFOUND,
			"%s: nothing listens there: is p2vd running?", spec->socket);
	if (code == CURLE_COULDNT_CONNECT && access(spec->socket, W_OK) < 0)
		return p2v_err_set(err, P2V_EREFUSED,
			"%s: this user may not ask p2vd: be root, or in the group p2v",
			spec->socket);
	/* What a p2vd that was killed leaves; curl would speak of a port. */
	if (code == CURLE_COULDNT_CONNECT)
		return p2v_err_set(
			err, P2V_ELINK, "%s: nobody answers there: is p2vd running?", spec->socket);
	return p2v_err_set(
		err, P2V_ELINK, "%s: %s", spec->socket, *why ? why : curl_easy_strerror(code));
}

static struct curl_slist *options_set(CURL *curl, const struct link_local_spec *spec,
	const char *url, struct local_body *body, char *why)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, spec->socket);
	/* Not through a proxy, whatever the environment says. */
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, spec->method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	if (spec->json)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, spec->json);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)spec->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	return headers;
}

int link_local_call(const struct link_local_spec *spec, unsigned *ret_status, struct p2v_buf *ret,
	struct p2v_err *err)
{
	p2v_autofree char *url = p2v_strf("http://localhost%s", spec->path);
	p2v_autobuf struct p2v_buf bytes = {0};
	struct local_body body = {&bytes, spec->max_bytes, false};
	char why[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers;
	CURL *curl = url ? curl_easy_init() : NULL;
	long status = 0;
	CURLcode code;
	int r = 0;

	if (!curl)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	headers = options_set(curl, spec, url, &body, why);
	code = curl_easy_perform(curl);
	if (code != CURLE_OK)
		r = failure(spec, code, &body, why, err);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	if (r < 0)
		return r;
	*ret_status = (unsigned)status;
	p2v_buf_add(ret, bytes.data, bytes.len);
	return p2v_buf_check(ret, err);
}

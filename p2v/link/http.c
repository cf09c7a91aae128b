/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/link/http.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#define DIGEST_PREFIX "sha256:"
#define DIGEST_BYTES  32
#define REDIRECTS_MAX 5L

struct body {
	struct p2v_buf *buf;
	size_t max_bytes;
	bool too_large;
};

static size_t body_take(char *bytes, size_t size, size_t n, void *ctx)
{
	struct body *body = ctx;

	n *= size;
	if (n > body->max_bytes - body->buf->len) {
		body->too_large = true;
		return 0;
	}
	p2v_buf_add(body->buf, bytes, n);
	return body->buf->failed ? 0 : n;
}

static int spec_check(const struct link_http_spec *spec, uint8_t *ret_digest, struct p2v_err *err)
{
	const char *digest = spec->digest;

	if (!digest && !spec->public_key)
		return p2v_err_set(err, P2V_EINVAL, "neither a digest nor a public key is known");
	if (spec->public_key && strncmp(spec->public_key, "sha256//", 8) != 0)
		return p2v_err_set(err, P2V_EINVAL, "the public key is not sha256//BASE64");
	if (spec->public_key && strncasecmp(spec->url, "https:", 6) != 0)
		return p2v_err_set(err, P2V_EINVAL, "only https has a public key");
	if (!digest)
		return 0;
	if (strncmp(digest, DIGEST_PREFIX, strlen(DIGEST_PREFIX)) != 0 ||
		p2v_unhex(digest + strlen(DIGEST_PREFIX), ret_digest, DIGEST_BYTES, NULL) < 0)
		return p2v_err_set(err, P2V_EINVAL, "the digest is not " DIGEST_PREFIX "HEX");
	return 0;
}

static int digest_check(const struct p2v_buf *body, const uint8_t *want, struct p2v_err *err)
{
	uint8_t got[EVP_MAX_MD_SIZE];
	char hex[2 * DIGEST_BYTES + 1];
	unsigned n = 0;

	if (!EVP_Digest(body->data ? body->data : (const uint8_t *)"", body->len, got, &n,
		    EVP_sha256(), NULL))
		return p2v_err_set(err, P2V_EUNSUPPORTED, "SHA-256 is not to be had");
	if (memcmp(got, want, DIGEST_BYTES) == 0)
		return 0;
	p2v_hex(got, DIGEST_BYTES, hex);
	return p2v_err_set(err, P2V_EREFUSED,
		"it is not the file that was meant: its digest is " DIGEST_PREFIX "%s", hex);
}

static void options_set(CURL *curl, const struct link_http_spec *spec, struct body *body, char *why)
{
	curl_easy_setopt(curl, CURLOPT_URL, spec->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR,
		strncasecmp(spec->url, "https:", 6) == 0 ? "https" : "http");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)spec->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, body_take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	/* The pinned key, or the digest, says who it is; a chain of certificates would add a clock
	 * that a machine out of the cellar does not have. */
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	if (spec->public_key)
		curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, spec->public_key);
}

static int fetch(CURL *curl, const struct body *body, const char *why, struct p2v_err *err)
{
	CURLcode code = curl_easy_perform(curl);

	if (code == CURLE_OK)
		return 0;
	if (body->too_large)
		return p2v_err_set(err, P2V_EFORMAT, "it has more than %zu bytes", body->max_bytes);
	if (code == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
		return p2v_err_set(
			err, P2V_EREFUSED, "the server's certificate has another public key");
	if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
		return p2v_err_set(err, P2V_EINVAL, "it is no http or https address");
	return p2v_err_set(err, code == CURLE_OUT_OF_MEMORY ? P2V_ENOMEM : P2V_ELINK, "%s",
		*why ? why : curl_easy_strerror(code));
}

int link_http_get(const struct link_http_spec *spec, struct p2v_buf *ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf bytes = {0};
	struct body body = {&bytes, spec->max_bytes, false};
	char why[CURL_ERROR_SIZE] = "";
	uint8_t want[DIGEST_BYTES];
	int r = spec_check(spec, want, err);
	CURL *curl;

	if (r < 0)
		return p2v_err_wrap(err, r, "%s", spec->url);
	curl = curl_easy_init();
	if (!curl)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	options_set(curl, spec, &body, why);
	r = fetch(curl, &body, why, err);
	curl_easy_cleanup(curl);
	if (r == 0 && spec->digest)
		r = digest_check(&bytes, want, err);
	if (r < 0)
		return p2v_err_wrap(err, r, "%s", spec->url);
	p2v_buf_add(ret, bytes.data, bytes.len);
	return p2v_buf_check(ret, err);
}

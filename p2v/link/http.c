/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/link/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "p2v/core/stop.h"

#define DIGEST_PREFIX "sha256:"
#define DIGEST_BYTES  32
#define REDIRECTS_MAX 5L

/* Where the bytes go: into buf, or where that is NULL into fd. */
struct body {
	struct p2v_buf *buf;
	int fd, write_errno;
	EVP_MD_CTX *sum;
	size_t bytes, max_bytes;
	bool too_large;
};

static bool write_all(struct body *body, const char *bytes, size_t n)
{
	while (n) {
		ssize_t done = write(body->fd, bytes, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0) {
			body->write_errno = errno;
			return false;
		}
		bytes += done;
		n -= (size_t)done;
	}
	return true;
}

static size_t body_take(char *bytes, size_t size, size_t n, void *ctx)
{
	struct body *body = ctx;

	n *= size;
	if (n > body->max_bytes - body->bytes) {
		body->too_large = true;
		return 0;
	}
	body->bytes += n;
	if (!EVP_DigestUpdate(body->sum, bytes, n))
		return 0;
	if (!body->buf)
		return write_all(body, bytes, n) ? n : 0;
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

static int digest_check(struct body *body, const uint8_t *want, struct p2v_err *err)
{
	uint8_t got[EVP_MAX_MD_SIZE];
	char hex[2 * DIGEST_BYTES + 1];
	unsigned n = 0;

	if (!EVP_DigestFinal_ex(body->sum, got, &n) || n != DIGEST_BYTES)
		return p2v_err_set(err, P2V_EUNSUPPORTED, "SHA-256 is not to be had");
	if (memcmp(got, want, DIGEST_BYTES) == 0)
		return 0;
	p2v_hex(got, DIGEST_BYTES, hex);
	return p2v_err_set(err, P2V_EREFUSED,
		"it is not the file that was meant: its digest is " DIGEST_PREFIX "%s", hex);
}

/* Ctrl-C ends it. */
static int go_on(void *ctx, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
	(void)ctx;
	(void)total;
	(void)now;
	(void)up_total;
	(void)up;
	return p2v_stop_check(NULL) < 0;
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
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, go_on);
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
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return p2v_stop_check(err);
	if (body->write_errno)
		return p2v_err_errno(err, body->write_errno, "write");
	if (code == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
		return p2v_err_set(
			err, P2V_EREFUSED, "the server's certificate has another public key");
	if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
		return p2v_err_set(err, P2V_EINVAL, "it is no http or https address");
	return p2v_err_set(err, code == CURLE_OUT_OF_MEMORY ? P2V_ENOMEM : P2V_ELINK, "%s",
		*why ? why : curl_easy_strerror(code));
}

static int get(const struct link_http_spec *spec, struct body *body, struct p2v_err *err)
{
	char why[CURL_ERROR_SIZE] = "";
	uint8_t want[DIGEST_BYTES];
	int r = spec_check(spec, want, err);
	CURL *curl;

	if (r < 0)
		return p2v_err_wrap(err, r, "%s", spec->url);
	body->max_bytes = spec->max_bytes;
	body->sum = EVP_MD_CTX_new();
	curl = curl_easy_init();
	if (!curl || !body->sum || !EVP_DigestInit_ex(body->sum, EVP_sha256(), NULL))
		r = p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (r == 0) {
		options_set(curl, spec, body, why);
		r = fetch(curl, body, why, err);
	}
	curl_easy_cleanup(curl);
	if (r == 0 && spec->digest)
		r = digest_check(body, want, err);
	EVP_MD_CTX_free(body->sum);
	return r < 0 ? p2v_err_wrap(err, r, "%s", spec->url) : 0;
}

int link_http_get(const struct link_http_spec *spec, struct p2v_buf *ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf bytes = {0};
	struct body body = {.buf = &bytes, .fd = -1};
	int r = get(spec, &body, err);

	if (r < 0)
		return r;
	p2v_buf_add(ret, bytes.data, bytes.len);
	return p2v_buf_check(ret, err);
}

int link_http_fetch(const struct link_http_spec *spec, int fd, struct p2v_err *err)
{
	struct body body = {.fd = fd};

	if (!spec->digest)
		return p2v_err_set(err, P2V_EINVAL, "%s: no digest is known", spec->url);
	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return p2v_err_errno(err, errno, "%s", spec->url);
	return get(spec, &body, err);
}

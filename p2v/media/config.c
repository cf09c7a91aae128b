/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is different from campaign to campaign: an initramfs segment of its own, behind the system,
 * so that the system's bytes are the same for all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/link/ssh-target.h"
#include "p2v/media/parts.h"

#define SMALL_MAX ((size_t)1 << 20)

static bool is_fingerprint(const char *text)
{
	return strncmp(text, "SHA256:", 7) == 0;
}

/* A public key file holds "ssh-ed25519 AAAA... comment"; known_hosts names hosts before that. */
static bool is_public_key(struct p2v_span line)
{
	return p2v_span_starts(line, "ssh-") || p2v_span_starts(line, "ecdsa-") ||
	       p2v_span_starts(line, "sk-");
}

/* "HOST[,HOST...] ssh-ed25519 AAAA...", where a marker ("@cert-authority") may stand first. */
static bool is_known_host(struct p2v_span line)
{
	struct p2v_span word;

	if (!p2v_word_next(&line, &word))
		return false;
	if (p2v_span_starts(word, "@"))
		p2v_word_next(&line, &word);
	return is_public_key(p2v_span_trim(line));
}

/* As known_hosts calls the server. */
static char *known_name(const struct link_ssh_target *t)
{
	return t->port == LINK_SSH_PORT ? strdup(t->host) : p2v_strf("[%s]:%u", t->host, t->port);
}

/* Whatever else is in that file does not get on the medium, a private key least of all. */
static int known_line_add(const char *path, const char *host, struct p2v_span line,
	struct p2v_buf *out, struct p2v_err *err)
{
	if (p2v_span_starts(line, "-----BEGIN"))
		return p2v_err_set(err, P2V_EINVAL,
			"--host-key: %s is a private key; the server's public one belongs on the "
			"medium (%s.pub)",
			path, path);
	if (!is_public_key(line) && !is_known_host(line))
		return p2v_err_set(err, P2V_EINVAL,
			"--host-key: %s: '%.*s' is neither a public key nor a line of known_hosts",
			path, (int)(line.n < 40 ? line.n : 40), line.p);
	if (is_public_key(line))
		p2v_buf_addf(out, "%s ", host);
	p2v_buf_add(out, line.p, line.n);
	p2v_buf_add_str(out, "\n");
	return 0;
}

static int known_lines_add(const char *path, const char *host, const struct p2v_buf *text,
	struct p2v_buf *out, struct p2v_err *err)
{
	struct p2v_span rest = p2v_span_of(text->data, text->len), line;
	int r = 0;

	while (r == 0 && p2v_line_next(&rest, &line)) {
		line = p2v_span_trim(line);
		if (line.n && *line.p != '#')
			r = known_line_add(path, host, line, out, err);
	}
	return r < 0 ? r : p2v_buf_check(out, err);
}

/* A list of many hosts may have all but this one. */
static int known_host_check(
	const char *path, const char *host, const struct p2v_buf *lines, struct p2v_err *err)
{
	const char *const argv[] = {"ssh-keygen", "-F", host, "-f", "/dev/stdin", NULL};
	int r = p2v_proc_run(argv, lines->data, lines->len, MEDIA_TOOL_MS, NULL, NULL);

	return r == 0 ? 0
		      : p2v_err_set(err, P2V_EINVAL, "--host-key: %s has no key of %s", path, host);
}

static int known_hosts_add(const struct media_spec *spec, struct media_list *l, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0}, out = {0};
	struct link_ssh_target target = {0};
	p2v_autofree char *host = NULL;
	int r = link_ssh_target_parse(spec->server, &target, err);

	if (r < 0)
		return p2v_err_wrap(err, r, "--server");
	host = known_name(&target);
	link_ssh_target_finish(&target);
	r = host ? p2v_file_read(spec->host_key, SMALL_MAX, &text, err)
		 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (r < 0)
		return p2v_err_wrap(err, r, "--host-key");
	r = known_lines_add(spec->host_key, host, &text, &out, err);
	if (r == 0)
		r = known_host_check(spec->host_key, host, &out, err);
	return r < 0 ? r : media_list_add_bytes(l, "p2v/known_hosts", out.data, out.len, 0644, err);
}

/* A key with a passphrase would wait for somebody to type it. */
static int identity_add(const struct media_spec *spec, struct media_list *l, struct p2v_err *err)
{
	const char *const argv[] = {"ssh-keygen", "-y", "-P", "", "-f", spec->identity, NULL};
	struct p2v_err why = {0};

	if (access(spec->identity, R_OK) < 0)
		return p2v_err_errno(err, errno, "--identity: %s", spec->identity);
	if (p2v_proc_run(argv, NULL, 0, MEDIA_TOOL_MS, NULL, &why) < 0)
		return p2v_err_set(err, P2V_EINVAL,
			"--identity: %s is no private key that can be used without a passphrase "
			"(%s)",
			spec->identity, why.text);
	return media_list_add_file(l, "p2v/identity", spec->identity, 0600, err);
}

/* Settings that are wrong would be found out by the machine, with nobody there. path: of a file, or
 * /dev/stdin for text. */
static int settings_check(const struct media_spec *spec, const char *path,
	const struct p2v_buf *text, struct p2v_err *err)
{
	static const char before[] = ": p2v-boot: ";
	const char *const argv[] = {spec->checker, "check", "--", path, NULL};
	struct p2v_err why = {0};
	const char *sentence;
	int r;

	if (!spec->checker)
		return 0;
	r = p2v_proc_run(argv, text->data, text->len, MEDIA_TOOL_MS, NULL, &why);
	if (r == 0)
		return 0;
	sentence = strstr(why.text, before);
	return p2v_err_set(err, sentence ? P2V_EINVAL : r, "%s",
		sentence ? sentence + strlen(before) : why.text);
}

static int config_take(const struct media_spec *spec, struct p2v_buf *text, struct p2v_err *err)
{
	const struct p2v_buf none = {0};
	/* By itself, so that the sentence has the line as its writer sees it. */
	int r = settings_check(spec, spec->config, &none, err);

	return r < 0 ? r : p2v_file_read(spec->config, SMALL_MAX, text, err);
}

int media_config_add(const struct media_spec *spec, struct media_list *l, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	int r = 0;

	if (spec->server)
		p2v_buf_addf(&text, "server=\"%s\"\n", spec->server);
	if (spec->host_key && is_fingerprint(spec->host_key))
		p2v_buf_addf(&text, "host-key=\"%s\"\n", spec->host_key);
	else if (spec->host_key && !spec->server)
		r = p2v_err_set(err, P2V_EINVAL, "--host-key with a file needs --server");
	else if (spec->host_key)
		r = known_hosts_add(spec, l, err);
	if (r == 0 && spec->config)
		r = config_take(spec, &text, err);
	if (r == 0 && spec->identity)
		r = identity_add(spec, l, err);
	if (r == 0)
		r = p2v_buf_check(&text, err);
	if (r == 0)
		r = settings_check(spec, "/dev/stdin", &text, err);
	return r < 0 ? r : media_list_add_bytes(l, "p2v/config", text.data, text.len, 0644, err);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is different from campaign to campaign: an initramfs segment of its own, behind the system,
 * so that the system's bytes are the same for all.
 */
#include <stdlib.h>
#include <string.h>

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

static int known_line_add(
	const struct link_ssh_target *t, struct p2v_span line, struct p2v_buf *out)
{
	if (is_public_key(line)) {
		if (t->port == LINK_SSH_PORT)
			p2v_buf_addf(out, "%s ", t->host);
		else
			p2v_buf_addf(out, "[%s]:%u ", t->host, t->port);
	}
	p2v_buf_add(out, line.p, line.n);
	p2v_buf_add_str(out, "\n");
	return 0;
}

static int known_hosts_add(const struct media_spec *spec, struct media_list *l, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0}, out = {0};
	struct link_ssh_target target = {0};
	struct p2v_span rest, line;
	int r = p2v_file_read(spec->host_key, SMALL_MAX, &text, err);

	if (r == 0)
		r = link_ssh_target_parse(spec->server, &target, err);
	if (r < 0)
		return p2v_err_wrap(err, r, "host key");
	rest = p2v_span_of(text.data, text.len);
	while (p2v_line_next(&rest, &line))
		if (p2v_span_trim(line).n)
			known_line_add(&target, p2v_span_trim(line), &out);
	link_ssh_target_finish(&target);
	r = p2v_buf_check(&out, err);
	return r < 0 ? r : media_list_add_bytes(l, "p2v/known_hosts", out.data, out.len, 0644, err);
}

/* A key with a passphrase would wait for somebody to type it. */
static int identity_add(const struct media_spec *spec, struct media_list *l, struct p2v_err *err)
{
	const char *const argv[] = {"ssh-keygen", "-y", "-P", "", "-f", spec->identity, NULL};
	int r = p2v_proc_run(argv, NULL, 0, MEDIA_TOOL_MS, NULL, err);

	if (r < 0)
		return p2v_err_set(err, P2V_EINVAL,
			"%s is no private key that can be used without a passphrase",
			spec->identity);
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

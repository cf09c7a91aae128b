/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The key of a medium, on the server's side: the line of authorized_keys that lets it do one thing,
 * and its end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "p2v/cli/media.h"
#include "p2v/cli/print.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"

#define TOOL_MS	 20000
#define KEYS_MAX ((size_t)4 << 20)

struct key_opts {
	const char *dir, *from, *until, *authorized_keys;
	const char **keys;
	size_t n_keys;
};

#define O(member) offsetof(struct key_opts, member)

static const struct p2v_opt key_opts[] = {
	{"dir", 'd', "DIR", P2V_OPT_STR, O(dir), 0,
		"Where p2v-recv keeps its jobs. Default: /var/lib/p2v/jobs."},
	{"from", 0, "NETWORK", P2V_OPT_STR, O(from), 0,
		"Take the key only from there, such as 10.0.0.0/24; several with commas."},
	{"until", 0, "YYYYMMDD", P2V_OPT_STR, O(until), 0,
		"Take the key only until that day begins."},
	P2V_OPT_END,
};

const struct p2v_cmd cli_media_key_cmd = {
	.name = "p2v media key",
	.operands = "KEY",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "print the authorized_keys line for a medium's key",
	.text = "KEY is the private or public key file that goes on the medium. The line that is "
		"printed lets it start p2v-recv and nothing else: no shell, no forwarding, no "
		"terminal. Put it into the authorized_keys of the migration user:\n\n"
		"  p2v media key campaign --from 10.0.0.0/24 --until 20271231 >> "
		"/home/p2v/.ssh/authorized_keys",
	.opts = key_opts,
	.operands_offset = O(keys),
	.n_operands_offset = O(n_keys),
	.see_also = "p2v-media-build(1), p2v-media-revoke(1), p2v-recv(1), sshd(8)",
};

static const struct p2v_opt revoke_opts[] = {
	{"authorized-keys", 'f', "FILE", P2V_OPT_STR, O(authorized_keys), 0,
		"The migration user's file. Default: /home/p2v/.ssh/authorized_keys."},
	P2V_OPT_END,
};

const struct p2v_cmd cli_media_revoke_cmd = {
	.name = "p2v media revoke",
	.operands = "KEY|SHA256:...",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "take a medium's key out of authorized_keys",
	.text = "KEY is the private or public key file that is on the medium; its fingerprint will "
		"do. From then on no medium with it can connect. A connection that is open stays "
		"open until it ends: end it with the job.",
	.opts = revoke_opts,
	.operands_offset = O(keys),
	.n_operands_offset = O(n_keys),
	.see_also = "p2v-media-key(1), p2v-media-build(1)",
};

/* "256 SHA256:abc comment (ED25519)": of a file, or (path "-") of the text. */
static int fingerprint(const char *path, struct p2v_span text, char **ret, struct p2v_err *err)
{
	const char *const argv[] = {"ssh-keygen", "-l", "-E", "sha256", "-f", path, NULL};
	p2v_autobuf struct p2v_buf out = {0};
	struct p2v_span rest, word;
	int r = p2v_proc_run(argv, text.p, text.n, TOOL_MS, &out, err);

	if (r < 0)
		return r;
	rest = p2v_span_of(out.data, out.len);
	if (!p2v_word_next(&rest, &word) || !p2v_word_next(&rest, &word) ||
		!p2v_span_starts(word, "SHA256:"))
		return p2v_err_set(err, P2V_EFORMAT, "%s: no key", path);
	*ret = p2v_span_dup(word);
	return *ret ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static int file_fingerprint(const char *path, char **ret, struct p2v_err *err)
{
	if (access(path, R_OK) < 0)
		return p2v_err_errno(err, errno, "%s", path);
	return fingerprint(path, (struct p2v_span){0}, ret, NULL) == 0
		       ? 0
		       : p2v_err_set(err, P2V_EINVAL, "%s is no key", path);
}

/* The public key of either file. */
static int public_key(const char *path, struct p2v_buf *ret, struct p2v_err *err)
{
	const char *const argv[] = {"ssh-keygen", "-y", "-P", "", "-f", path, NULL};
	struct p2v_err why = {0};
	struct p2v_span text;
	int r = p2v_file_read(path, KEYS_MAX, ret, err);

	text = p2v_span_of(ret->data, ret->len);
	if (r < 0 || !p2v_span_starts(text, "-----"))
		return r;
	if (p2v_proc_run(argv, NULL, 0, TOOL_MS, ret, &why) < 0)
		return p2v_err_set(err, P2V_EINVAL,
			"%s is no private key that can be used without a passphrase (%s); for this "
			"its public key would do (%s.pub)",
			path, why.text, path);
	return 0;
}

/* What is put between quotes there. */
static int quotable(const char *what, const char *text, struct p2v_err *err)
{
	for (const char *c = text; c && *c; c++)
		if (*c == '"' || *c == '\\' || (unsigned char)*c <= ' ')
			return p2v_err_set(err, P2V_EINVAL,
				"%s '%.60s' holds a blank, a quote or a backslash", what, text);
	return 0;
}

static int day_check(const char *text, struct p2v_err *err)
{
	struct tm day = {.tm_isdst = -1}, real;
	const char *end = strlen(text) == 8 && strspn(text, "0123456789") == 8
				  ? strptime(text, "%Y%m%d", &day)
				  : NULL;
	time_t begins;

	real = day;
	begins = end && !*end ? mktime(&real) : 0;
	if (!end || *end || real.tm_mday != day.tm_mday)
		return p2v_err_set(err, P2V_EINVAL, "--until '%.40s' is no day (YYYYMMDD)", text);
	return begins > time(NULL)
		       ? 0
		       : p2v_err_set(err, P2V_EINVAL,
				 "--until %s: has begun; the key would open nothing", text);
}

static int line_print(const struct key_opts *o, struct p2v_err *err)
{
	const char *dir = o->dir ? o->dir : "/var/lib/p2v/jobs";
	p2v_autobuf struct p2v_buf key = {0}, line = {0};
	p2v_autofree char *shown = NULL;
	struct p2v_span rest, first = {0};
	int r = quotable("--dir", dir, err);

	if (r == 0)
		r = quotable("--from", o->from, err);
	if (r == 0 && o->until)
		r = day_check(o->until, err);
	if (r == 0)
		r = file_fingerprint(o->keys[0], &shown, err);
	if (r == 0)
		r = public_key(o->keys[0], &key, err);
	if (r < 0)
		return r;
	rest = p2v_span_of(key.data, key.len);
	while (p2v_line_next(&rest, &first) && (!first.n || *first.p == '#'))
		continue;
	p2v_buf_addf(&line, "restrict,command=\"p2v-recv --dir %s\"", dir);
	if (o->from)
		p2v_buf_addf(&line, ",from=\"%s\"", o->from);
	if (o->until)
		p2v_buf_addf(&line, ",expiry-time=\"%s\"", o->until);
	p2v_buf_add_str(&line, " ");
	p2v_buf_add(&line, p2v_span_trim(first).p, p2v_span_trim(first).n);
	p2v_buf_add_str(&line, "\n");
	r = p2v_buf_check(&line, err);
	if (r == 0)
		cli_print_text(line.data, line.len);
	return r;
}

/* ---- revoke ---- */

/* Copies all lines but those of the key. */
static int lines_keep(const struct p2v_buf *text, const char *revoked, struct p2v_buf *out,
	size_t *ret_dropped, struct p2v_err *err)
{
	struct p2v_span rest = p2v_span_of(text->data, text->len), line;
	size_t dropped = 0;

	while (p2v_line_next(&rest, &line)) {
		p2v_autofree char *shown = NULL;
		struct p2v_span inner = p2v_span_trim(line);

		if (inner.n && *inner.p != '#')
			fingerprint("-", inner, &shown, NULL);
		if (shown && strcmp(shown, revoked) == 0) {
			dropped++;
			continue;
		}
		p2v_buf_add(out, line.p, line.n);
		p2v_buf_add_str(out, "\n");
	}
	*ret_dropped = dropped;
	return p2v_buf_check(out, err);
}

/* In place of the file, as its owner has it. */
static int file_replace(const char *path, const struct p2v_buf *text, struct p2v_err *err)
{
	p2v_autofree char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;
	const char *name = slash ? slash + 1 : path;
	p2v_autopublish struct p2v_publish pub = {0};
	struct stat st;
	int r;

	if (slash)
		*slash = '\0';
	if (stat(path, &st) < 0)
		return p2v_err_errno(err, errno, "%s", path);
	r = p2v_publish_begin(&pub, slash ? dir : ".", name, st.st_mode & 0777, err);
	if (r < 0)
		return r;
	if ((text->len && write(pub.fd, text->data, text->len) != (ssize_t)text->len) ||
		fchown(pub.fd, st.st_uid, st.st_gid) < 0 || fchmod(pub.fd, st.st_mode & 0777) < 0)
		return p2v_err_errno(err, errno, "%s", path);
	return p2v_publish_commit(&pub, err);
}

static int key_revoke(const struct key_opts *o, struct p2v_err *err)
{
	const char *path =
		o->authorized_keys ? o->authorized_keys : "/home/p2v/.ssh/authorized_keys";
	p2v_autofree char *revoked = NULL;
	p2v_autobuf struct p2v_buf text = {0}, kept = {0};
	size_t dropped = 0;
	int r = 0;

	if (strncmp(o->keys[0], "SHA256:", 7) == 0)
		revoked = strdup(o->keys[0]);
	else
		r = file_fingerprint(o->keys[0], &revoked, err);
	if (r == 0)
		r = p2v_file_read(path, KEYS_MAX, &text, err);
	if (r == 0)
		r = lines_keep(&text, revoked ? revoked : "", &kept, &dropped, err);
	if (r == 0 && !dropped)
		r = p2v_err_set(err, P2V_ENOTFOUND, "%s: the key %s is not in it", path,
			revoked ? revoked : "");
	if (r == 0)
		r = file_replace(path, &kept, err);
	if (r == 0)
		printf("%s: the key %s is taken out\n", path, revoked ? revoked : "");
	return r;
}

static int run(const struct p2v_cmd *cmd, int (*act)(const struct key_opts *o, struct p2v_err *err),
	int argc, char **argv, struct p2v_err *err)
{
	struct key_opts o = {0};
	int r = p2v_opt_parse(cmd, argc, argv, &o, err);

	if (r == 0)
		r = act(&o, err);
	p2v_opt_free(cmd, &o);
	return r;
}

int cli_media_key(int argc, char **argv, struct p2v_err *err)
{
	return run(&cli_media_key_cmd, line_print, argc, argv, err);
}

int cli_media_revoke(int argc, char **argv, struct p2v_err *err)
{
	return run(&cli_media_revoke_cmd, key_revoke, argc, argv, err);
}

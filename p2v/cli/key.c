/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * p2v key: the SSH keys that agents come with. The private half is made where p2v runs and stays
 * there; p2vd gets the public one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/cli/print.h"
#include "p2v/cli/server-door.h"
#include "p2v/cli/verb.h"
#include "p2v/control/key.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/model/check.h"

#define TOOL_MS	 60000
#define KEY_MOST ((size_t)65536)

struct key_opts {
	bool json;
	const char *socket, *host, *output, *public_key, *from, *until;
	const char **words;
	size_t n_words;
};

static int pair_make(const char *name, const char *path, struct p2v_err *err)
{
	const char *const argv[] = {
		"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path, NULL};

	if (p2v_file_exists(path))
		return p2v_err_set(err, P2V_EEXIST,
			"%s: is there already: name another file with --output", path);
	return p2v_proc_run(argv, NULL, 0, TOOL_MS, NULL, err);
}

/* The public key that is to be let in: a given one, or that of a new pair. */
static int public_find(
	const struct key_opts *o, const char *path, struct p2v_buf *ret, struct p2v_err *err)
{
	p2v_autofree char *public = p2v_strf("%s.pub", path);
	int r = o->public_key ? 0 : pair_make(o->words[1], path, err);

	if (!public)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (r == 0)
		r = p2v_file_read(o->public_key ? o->public_key : public, KEY_MOST, ret, err);
	p2v_buf_add_str(ret, "");
	return r < 0 ? r : p2v_buf_check(ret, err);
}

static int key_send(const struct key_opts *o, const struct cli_server *server,
	struct p2v_buf *public, struct key *ret, struct p2v_err *err)
{
	const struct key_request request = {.name = (char *)(uintptr_t)o->words[1],
		.public_key = (char *)public->data,
		.from = (char *)(uintptr_t)o->from,
		.until = (char *)(uintptr_t)o->until};
	p2v_autobuf struct p2v_buf body = {0}, answer = {0};
	int r = p2v_json_encode(&control_key_request_type, &request, false, &body, err);

	p2v_buf_add_u8(&body, 0);
	if (r == 0)
		r = p2v_buf_check(&body, err);
	if (r == 0)
		r = cli_server_call(
			server, "POST", "/v1/keys", (const char *)body.data, &answer, err);
	return r < 0 ? r : p2v_json_decode(&control_key_type, answer.data, answer.len, ret, err);
}

/* A pair that nobody lets in is of no use. */
static void pair_remove(const char *path)
{
	p2v_autofree char *public = p2v_strf("%s.pub", path);

	unlink(path);
	if (public)
		unlink(public);
}

static int run_new(const struct key_opts *o, const struct cli_server *server, struct p2v_err *err)
{
	const char *path = o->output ? o->output : o->words[1];
	p2v_autobuf struct p2v_buf public = {0};
	struct key key = {0};
	int r;

	if (!model_name_ok(o->words[1]))
		return p2v_err_set(err, P2V_EINVAL, "'%.80s' is not a name", o->words[1]);
	r = public_find(o, path, &public, err);
	if (r == 0) {
		r = key_send(o, server, &public, &key, err);
		if (r < 0 && !o->public_key)
			pair_remove(path);
	}
	if (r < 0)
		return r;
	if (o->json)
		r = cli_print_json(&control_key_type, &key, err);
	else if (o->public_key)
		printf("%s  %s\n", key.name, key.fingerprint);
	else
		printf("%s  %s\nprivate key: %s (put it on the medium: p2v media build "
		       "--identity)\n",
			key.name, key.fingerprint, path);
	p2v_json_free(&control_key_type, &key);
	return r;
}

static int keys_print(const struct key_opts *o, struct keys *keys, struct p2v_err *err)
{
	int r;

	if (o->json)
		return cli_print_json(&control_keys_type, keys, err);
	r = cli_make_printable(&control_keys_type, keys, err);
	for (size_t i = 0; r == 0 && i < keys->n_keys; i++) {
		const struct key *k = &keys->keys[i];

		printf("%-20s %s%s%s%s%s\n", k->name, k->fingerprint, k->until ? "  until " : "",
			k->until ? k->until : "", k->from ? "  from " : "", k->from ? k->from : "");
	}
	return r;
}

static int run_list(const struct key_opts *o, const struct cli_server *server, struct p2v_err *err)
{
	p2v_auto_keys struct keys keys = {0};
	int r = cli_server_get(server, "/v1/keys", &control_keys_type, &keys, err);

	return r < 0 ? r : keys_print(o, &keys, err);
}

static int run_revoke(
	const struct key_opts *o, const struct cli_server *server, struct p2v_err *err)
{
	const struct key_revoke revoke = {(char *)(uintptr_t)o->words[1]};
	p2v_autobuf struct p2v_buf body = {0}, answer = {0};
	int r = p2v_json_encode(&control_key_revoke_type, &revoke, false, &body, err);

	p2v_buf_add_u8(&body, 0);
	if (r == 0)
		r = p2v_buf_check(&body, err);
	if (r == 0)
		r = cli_server_call(
			server, "POST", "/v1/keys/revoke", (const char *)body.data, &answer, err);
	if (r == 0)
		printf("%s is revoked; a connection that is open stays so until it ends\n",
			o->words[1]);
	return r;
}

static const struct key_verb {
	const char *word;
	size_t words;
	int (*run)(const struct key_opts *o, const struct cli_server *server, struct p2v_err *err);
} key_verbs[] = {{"new", 2, run_new}, {"list", 1, run_list}, {"revoke", 2, run_revoke}};

#define OPT(name, arg, kind, member, help)                                                         \
	{                                                                                          \
		name, 0, arg, kind, offsetof(struct key_opts, member), 0, help                     \
	}

static const struct p2v_opt key_opts[] = {
	OPT("output", "FILE", P2V_OPT_STR, output,
		"new: where the private key goes (default: a file called NAME here)."),
	OPT("public", "FILE", P2V_OPT_STR, public_key,
		"new: let in the key whose public half this is, and make none."),
	OPT("from", "NETWORK", P2V_OPT_STR, from,
		"new: good from there alone, such as 10.0.0.0/24; several with commas."),
	OPT("until", "YYYYMMDD", P2V_OPT_STR, until, "new: good until that day."),
	OPT("json", NULL, P2V_OPT_FLAG, json,
		"Print what p2vd answers: a key, or keys (version 1)."),
	OPT("host", "[USER@]HOST", P2V_OPT_STR, host,
		"On another host, by ssh(1) with your keys or agent."),
	OPT("socket", "PATH", P2V_OPT_STR, socket,
		"Where p2vd listens, if not where p2vd.conf says."),
	P2V_OPT_END,
};

static const char *const key_words[] = {"new", "list", "revoke", NULL};

static const struct p2v_cmd key_cmd = {
	.name = "p2v key",
	.operands = "new NAME | list | revoke NAME|SHA256:...",
	.min_operands = 1,
	.max_operands = 2,
	.summary = "say which keys agents and boot media may come with",
	.text = "A key starts p2v-recv on the conversion server and nothing else: no shell, no "
		"forwarding, no terminal. One for each campaign, or for each machine, can be taken "
		"away again by itself.\n\n"
		"new makes a pair without a passphrase, tells p2vd the public half under NAME and "
		"keeps the private one here. revoke takes a key out: from then on nobody comes in "
		"with it. Who did which is in the audit log.\n\n"
		"Keys that root has written into /etc/p2v/authorized_keys by hand are not among "
		"these.\n\n"
		"Exit codes: 0 done, 1 failed, 2 misuse.",
	.opts = key_opts,
	.words = key_words,
	.operands_offset = offsetof(struct key_opts, words),
	.n_operands_offset = offsetof(struct key_opts, n_words),
	.see_also = "p2v(1), p2v-media-build(1), p2v-agent(1), p2v-server(1), p2vd.conf(5)",
};

static int dispatch(const struct key_opts *o, struct p2v_err *err)
{
	p2v_auto_server struct cli_server server = {0};

	for (size_t i = 0; i < P2V_N(key_verbs); i++) {
		const struct key_verb *verb = &key_verbs[i];
		int r;

		if (strcmp(verb->word, o->words[0]) != 0)
			continue;
		if (o->n_words != verb->words)
			return p2v_err_set(err, P2V_EINVAL, "%s takes %s", verb->word,
				verb->words == 1 ? "nothing more" : "one name");
		r = cli_server_open(o->socket, o->host, &server, err);
		return r < 0 ? r : verb->run(o, &server, err);
	}
	return p2v_err_set(err, P2V_EINVAL,
		"'%s' is nothing that p2v key does; see 'p2v key --help'", o->words[0]);
}

static int run(int argc, char **argv, struct p2v_err *err)
{
	struct key_opts o = {0};
	int r = p2v_opt_parse(&key_cmd, argc, argv, &o, err);

	if (r != 0)
		return r;
	r = dispatch(&o, err);
	p2v_opt_free(&key_cmd, &o);
	return r;
}

const struct verb cli_key = {"key", &key_cmd, run};

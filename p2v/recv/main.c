/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/opt.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/model/check.h"
#include "p2v/recv/enroll.h"
#include "p2v/recv/recv.h"

#define PROGRAM	     "p2v-recv"

#define O(member)    offsetof(struct recv_opts, member)
#define SPEC(member) offsetof(struct recv_opts, spec.member)

struct recv_opts {
	struct recv_spec spec;
	const char **words; /* lines TYPE KEY */
	size_t n_words;
};

static const struct p2v_opt opts[] = {
	{"dir", 'd', "BASE", P2V_OPT_STR, SPEC(base), 0,
		"Existing directory below which each machine gets a job directory of its name."},
	{"format", 'f', "FORMAT", P2V_OPT_STR, SPEC(format), 0,
		"Format of the images: qcow2 (default), raw, vmdk or vdi. A qcow2 "
		"alone can be converted where it lies; of another the conversion makes a copy."},
	{"name", 'n', "NAME", P2V_OPT_STR, SPEC(name), 0,
		"Name of the job directory, whatever the machine calls itself."},
	{"keys", 'k', "FILE[:FILE]...", P2V_OPT_STR, SPEC(keys), 0,
		"The authorized_keys files whose keys may send. Who was let in by sshd with "
		"another "
		"key may only ask, until 'p2v enroll' has let it in. sshd has to say which key it "
		"was: ExposeAuthInfo yes."},
	P2V_OPT_END,
};

static const struct p2v_cmd cmd = {
	.name = PROGRAM,
	.operands = "[lines TYPE KEY]",
	.max_operands = 3,
	.summary = "receive a physical machine's disks over one SSH connection",
	.text = "Speaks the p2v protocol on standard input and output with one p2v-agent, writes "
		"its disks as images below the base directory, reads them back, and publishes a "
		"receipt and image.json when all of them have the digests that the agent named. A "
		"job that was cut off is continued by the next connection of the same machine.\n\n"
		"It is meant to be the forced command of a migration user's only key, in that "
		"user's authorized_keys:\n\n"
		"restrict,command=\"p2v-recv --dir /srv/p2v\" ssh-ed25519 AAAA...\n\n"
		"'lines TYPE KEY' is for sshd's AuthorizedKeysCommand, as 'p2v server init' sets "
		"it up: prints the line of authorized_keys that lets a key of that type ask, where "
		"p2v-enroll(1) has opened the door or has let the key in; nothing for a key that "
		"stands in the file of --keys, or else.",
	.opts = opts,
	.operands_offset = O(words),
	.n_operands_offset = O(n_words),
	.see_also = "p2v-agent(1), p2v(1), p2v-enroll(1), sshd(8), sshd_config(5)",
};

static int spec_check(struct recv_spec *spec, struct p2v_err *err)
{
	if (!spec->base)
		return p2v_err_set(err, P2V_EINVAL, "--dir is missing; see '" PROGRAM " --help'");
	if (!p2v_file_exists(spec->base))
		return p2v_err_set(err, P2V_ENOTFOUND, "%s: no such directory", spec->base);
	if (!spec->format)
		spec->format = "qcow2";
	if (!recv_format_known(spec->format))
		return p2v_err_set(
			err, P2V_EINVAL, "--format '%s' is not " RECV_FORMATS, spec->format);
	return spec->name && !model_name_ok(spec->name)
		       ? p2v_err_set(err, P2V_EINVAL,
				 "--name '%s' is not made of 1 to 64 letters, digits, dots and "
				 "dashes",
				 spec->name)
		       : 0;
}

static int serve(const struct recv_spec *spec, struct p2v_err *err)
{
	p2v_auto(link_free) struct link *link = NULL;
	int r = link_fd_new("stdin/stdout", STDIN_FILENO, STDOUT_FILENO, &link, err);

	return r < 0 ? r : recv_run(spec, link, err);
}

static int run(const struct recv_opts *o, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf line = {0};
	int r;

	if (!o->n_words)
		return serve(&o->spec, err);
	if (o->n_words != 3 || strcmp(o->words[0], "lines") != 0 || !o->spec.keys)
		return p2v_err_set(err, P2V_EINVAL,
			"only 'lines TYPE KEY' with --keys can stand there; see '" PROGRAM
			" --help'");
	r = recv_key_line(o->spec.base, o->spec.keys, o->words[1], o->words[2], &line, err);
	if (r == 0 && line.len && fwrite(line.data, 1, line.len, stdout) != line.len)
		r = p2v_err_set(err, P2V_EIO, "standard output cannot be written");
	return r;
}

int main(int argc, char **argv)
{
	struct recv_opts o = {0};
	struct p2v_err err = {0};
	int r = p2v_opt_parse(&cmd, argc, argv, &o, &err);

	if (r == 1)
		return 0;
	p2v_stop_install();
	if (r == 0)
		r = spec_check(&o.spec, &err);
	if (r == 0)
		r = run(&o, &err);
	p2v_opt_free(&cmd, &o);
	return r < 0 ? p2v_opt_fail(PROGRAM, &err) : 0;
}

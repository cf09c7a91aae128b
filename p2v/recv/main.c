/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "p2v/core/opt.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/model/check.h"
#include "p2v/recv/recv.h"

#define PROGRAM "p2v-recv"

static const struct p2v_opt opts[] = {
	{"dir", 'd', "BASE", P2V_OPT_STR, offsetof(struct recv_spec, base), 0,
		"Existing directory below which each machine gets a job directory of its name."},
	{"format", 'f', "FORMAT", P2V_OPT_STR, offsetof(struct recv_spec, format), 0,
		"Format of the images: qcow2 (default) or raw."},
	{"name", 'n', "NAME", P2V_OPT_STR, offsetof(struct recv_spec, name), 0,
		"Name of the job directory, whatever the machine calls itself."},
	P2V_OPT_END,
};

static const struct p2v_cmd cmd = {
	.name = PROGRAM,
	.operands = "",
	.summary = "receive a physical machine's disks over one SSH connection",
	.text = "Speaks the p2v protocol on standard input and output with one p2v-agent, writes "
		"its disks as images below the base directory, reads them back, and publishes a "
		"receipt and image.json when all of them have the digests that the agent named. A "
		"job that was cut off is continued by the next connection of the same machine.\n\n"
		"It is meant to be the forced command of a migration user's only key, in that "
		"user's authorized_keys:\n\n"
		"restrict,command=\"p2v-recv --dir /srv/p2v\" ssh-ed25519 AAAA...",
	.opts = opts,
	.see_also = "p2v-agent(1), p2v(1), sshd(8)",
};

static int spec_check(struct recv_spec *spec, struct p2v_err *err)
{
	if (!spec->base)
		return p2v_err_set(err, P2V_EINVAL, "--dir is missing; see '" PROGRAM " --help'");
	if (!p2v_file_exists(spec->base))
		return p2v_err_set(err, P2V_ENOTFOUND, "%s: no such directory", spec->base);
	if (!spec->format)
		spec->format = "qcow2";
	if (strcmp(spec->format, "qcow2") != 0 && strcmp(spec->format, "raw") != 0)
		return p2v_err_set(
			err, P2V_EINVAL, "--format '%s' is neither qcow2 nor raw", spec->format);
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

int main(int argc, char **argv)
{
	struct recv_spec spec = {0};
	struct p2v_err err = {0};
	int r = p2v_opt_parse(&cmd, argc, argv, &spec, &err);

	if (r == 1)
		return 0;
	p2v_stop_install();
	if (r == 0)
		r = spec_check(&spec, &err);
	if (r == 0)
		r = serve(&spec, &err);
	p2v_opt_free(&cmd, &spec);
	return r < 0 ? p2v_opt_fail(PROGRAM, &err) : 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which row, and what all rows say in the same words. */
#include "p2v/link/ssh.h"

#include <libssh2.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/link/ssh-cost.h"
#include "p2v/link/ssh-method.h"
#include "p2v/link/ssh-row.h"

/* A gain below this, in nanoseconds a byte, is not worth a second process. */
#define GAIN_NS 0.2

static const struct row {
	const char *name;
	int (*open)(const struct link_ssh_spec *spec, const char *name, struct link **ret,
		struct p2v_err *err);
} rows[] = {
	[LINK_SSH_AUTO] = {"auto", NULL},
	[LINK_SSH_LIBSSH2] = {"libssh2", ssh_libssh2_open},
	[LINK_SSH_OPENSSH] = {"openssh", ssh_openssh_open},
};

int link_ssh_row_parse(const char *text, enum link_ssh_row *ret, struct p2v_err *err)
{
	for (size_t i = 0; i < P2V_N(rows); i++)
		if (strcmp(text ? text : "auto", rows[i].name) == 0) {
			*ret = (enum link_ssh_row)i;
			return 0;
		}
	return p2v_err_set(
		err, P2V_EINVAL, "'%.100s' is no way to link: want auto, libssh2 or openssh", text);
}

/*
 * By the price of the best cipher of each row on this processor, measured in 20 ms. OpenSSH has
 * them all; libssh2 has AES-GCM from 1.11 on, and no ChaCha20, which is several times cheaper than
 * AES where the processor does not know AES. The pipes of the second process cost less than
 * libssh2's own work on the bytes (tests/bench/link-bench.py), so they do not count.
 */
static enum link_ssh_row row_choose(const struct link_ssh_spec *spec)
{
	const struct ssh_cost *c;
	double libssh2, openssh;

	if (!spec->identity_file)
		return LINK_SSH_OPENSSH;
	if (!p2v_proc_exists("ssh"))
		return LINK_SSH_LIBSSH2;
	c = ssh_cost_measure();
	libssh2 = ssh_method_known(LIBSSH2_METHOD_CRYPT_CS, "aes128-gcm@openssh.com")
			  ? c->aes_gcm
			  : c->aes_ctr_hmac;
	openssh = c->aes_gcm < c->chacha ? c->aes_gcm : c->chacha;
	return openssh + GAIN_NS < libssh2 ? LINK_SSH_OPENSSH : LINK_SSH_LIBSSH2;
}

int link_ssh_open(const struct link_ssh_spec *spec, struct link **ret, struct p2v_err *err)
{
	p2v_autofree char *name = link_ssh_target_text(spec->target);
	enum link_ssh_row row = spec->row == LINK_SSH_AUTO ? row_choose(spec) : spec->row;
	int r;

	if (!name)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (!spec->known_hosts_file && !spec->fingerprint)
		r = p2v_err_set(err, P2V_EINVAL,
			"neither a known_hosts file nor a host key fingerprint is given");
	else
		r = rows[row].open(spec, name, ret, err);
	return r < 0 ? p2v_err_wrap(err, r, "%s", name) : 0;
}

const char *link_ssh_methods(struct link *l)
{
	return l->ops->methods(l);
}

/* ---- for all rows ---- */

int ssh_identity_check(const char *path, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	int r = p2v_file_read(path, SSH_IDENTITY_MAX, &text, err);

	if (r < 0)
		return p2v_err_wrap(err, P2V_EINVAL, "identity");
	if (!memmem(text.data, text.len, "PRIVATE KEY", strlen("PRIVATE KEY")))
		return p2v_err_set(err, P2V_EINVAL, "identity: %s: is no private key", path);
	return 0;
}

int ssh_identity_unusable(const char *path, struct p2v_err *err)
{
	return p2v_err_set(err, P2V_EINVAL,
		"identity: %s: cannot be used (damaged, or it has a passphrase)", path);
}

int ssh_identity_refused(const char *path, const char *user, struct p2v_err *err)
{
	return p2v_err_set(err, P2V_EREFUSED,
		"the server does not accept the key %s for user '%s' (where the key is new there: "
		"'p2v enroll --open HOURS' on the server lets such machines ask)",
		path, user);
}

int ssh_too_late(struct p2v_err *err)
{
	return p2v_err_set(err, P2V_ELINK, "the server does not answer in time");
}

int ssh_command_refused(const char *command, struct p2v_err *err)
{
	return p2v_err_set(err, P2V_EREFUSED, "the server refuses to run %s", command);
}

int ssh_user(const struct link_ssh_spec *spec, const char **ret_user, struct p2v_err *err)
{
	const struct passwd *me;

	if (spec->target->user) {
		*ret_user = spec->target->user;
		return 0;
	}
	me = getpwuid(geteuid());
	if (!me)
		return p2v_err_set(err, P2V_EINVAL, "no user is given");
	*ret_user = me->pw_name;
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * connect -> handshake -> host key -> our key -> channel -> command. One step a function, in this
 * order; libssh2 blocks here, each time for at most what is left of the whole.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/core/publish.h"
#include "p2v/link/ssh-hostkey.h"
#include "p2v/link/ssh-link.h"
#include "p2v/link/ssh-method.h"
#include "p2v/link/ssh-row.h"
#include "p2v/link/ssh-socket.h"
#include "p2v/link/wake.h"

#define WINDOW_BYTES (4u << 20)
#define PACKET_BYTES 32768u

/* Fastest first, as measured by tests/bench/link-bench.c on a processor with AES and SHA
 * instructions. GCM and -etm come with libssh2 1.11. */
#define CIPHERS "aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"
#define MACS                                                                                       \
	"hmac-sha2-256-etm@openssh.com,hmac-sha2-256,hmac-sha2-512-etm@openssh.com,hmac-sha2-512"

/* What one opening needs beside the link. */
struct opening {
	const struct link_ssh_spec *spec;
	struct ssh_link *s;
	struct ssh_known known;
	uint64_t deadline;
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static int library_failed;

static void library_init(void)
{
	library_failed = libssh2_init(0);
}

/* Sets what libssh2 may still take; P2V_ELINK where nothing is left. */
static int time_left(const struct opening *o, struct p2v_err *err)
{
	int left = link_deadline_left(o->deadline, 3600 * 1000);

	if (left == 0)
		return ssh_too_late(err);
	libssh2_session_set_timeout(o->s->session, left);
	return 0;
}

static int step_failed(const struct opening *o, const char *what, int rc, struct p2v_err *err)
{
	if (rc == LIBSSH2_ERROR_TIMEOUT)
		return p2v_err_wrap(err, ssh_too_late(err), "%s", what);
	return ssh_link_failed(o->s, what, rc, err);
}

static int prefer(
	LIBSSH2_SESSION *session, const char *ciphers, const char *macs, struct p2v_err *err)
{
	const struct {
		int method;
		const char *names;
	} rows[] = {
		{LIBSSH2_METHOD_CRYPT_CS, ciphers ? ciphers : CIPHERS},
		{LIBSSH2_METHOD_CRYPT_SC, ciphers ? ciphers : CIPHERS},
		{LIBSSH2_METHOD_MAC_CS, macs ? macs : MACS},
		{LIBSSH2_METHOD_MAC_SC, macs ? macs : MACS},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < P2V_N(rows); i++)
		r = ssh_method_prefer(session, rows[i].method, rows[i].names, err);
	return r;
}

/* A server that has no host key of the kind asked for ends here: *ret_no_kind. */
static int handshake(struct opening *o, unsigned round, bool *ret_no_kind, struct p2v_err *err)
{
	const struct link_ssh_spec *spec = o->spec;
	struct ssh_link *s = o->s;
	int r, rc;

	*ret_no_kind = false;
	s->session = libssh2_session_init_ex(NULL, NULL, NULL, s);
	if (!s->session)
		return p2v_err_set(err, P2V_ENOMEM, "no memory for an SSH session");
	r = ssh_known_load(&o->known, s->session, spec, err);
	if (r == 0)
		r = prefer(s->session, spec->ciphers, spec->macs, err);
	if (r == 0)
		r = ssh_hostkey_prefer(&o->known, s->session, spec, round, err);
	if (r == 0)
		r = time_left(o, err);
	if (r < 0)
		return r;
	rc = libssh2_session_handshake(s->session, s->fd);
	if (rc == 0)
		return 0;
	*ret_no_kind = rc == LIBSSH2_ERROR_KEX_FAILURE || rc == LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE;
	return step_failed(o, "handshake", rc, err);
}

static int authenticate(struct opening *o, const char *user, struct p2v_err *err)
{
	const char *identity = o->spec->identity_file;
	int r = ssh_identity_check(identity, err), rc;

	if (r == 0)
		r = time_left(o, err);
	if (r < 0)
		return r;
	rc = libssh2_userauth_publickey_fromfile_ex(
		o->s->session, user, (unsigned)strlen(user), NULL, identity, NULL);
	switch (rc) {
	case 0:
		return 0;
	case LIBSSH2_ERROR_AUTHENTICATION_FAILED:
	case LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED:
		return ssh_identity_refused(identity, user, err);
	case LIBSSH2_ERROR_FILE:
	case LIBSSH2_ERROR_KEYFILE_AUTH_FAILED:
		return ssh_identity_unusable(identity, err);
	default:
		return step_failed(o, "authentication", rc, err);
	}
}

static int command_run(struct opening *o, struct p2v_err *err)
{
	struct ssh_link *s = o->s;
	int r = time_left(o, err), rc;

	if (r < 0)
		return r;
	s->channel = libssh2_channel_open_ex(
		s->session, "session", strlen("session"), WINDOW_BYTES, PACKET_BYTES, NULL, 0);
	if (!s->channel)
		return step_failed(o, "channel", libssh2_session_last_errno(s->session), err);
	r = time_left(o, err);
	if (r < 0)
		return r;
	rc = libssh2_channel_process_startup(s->channel, "exec", strlen("exec"), o->spec->command,
		(unsigned)strlen(o->spec->command));
	if (rc == LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED)
		return ssh_command_refused(o->spec->command, err);
	return rc < 0 ? step_failed(o, "command", rc, err) : 0;
}

/* ---- the link ---- */

static void ssh_link_free(struct ssh_link *s)
{
	link_free(&s->link);
}
P2V_DEFINE_CLEANUP(struct ssh_link *, ssh_link_free);

static int ssh_link_new(
	const char *name, const char *command, struct ssh_link **ret, struct p2v_err *err)
{
	p2v_auto(ssh_link_free) struct ssh_link *s = NULL;
	struct ssh_link *raw = calloc(1, sizeof(*raw));
	int r = raw ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");

	if (r == 0)
		r = link_setup(&raw->link, &ssh_link_ops, name, err);
	if (r < 0) {
		free(raw);
		return r;
	}
	s = raw;
	pthread_mutex_init(&s->lock, NULL);
	s->fd = s->write_wake_fd = -1;
	s->read_wake_fd = link_wake_new(err);
	if (s->read_wake_fd < 0)
		return s->read_wake_fd;
	s->write_wake_fd = link_wake_new(err);
	if (s->write_wake_fd < 0)
		return s->write_wake_fd;
	s->command = strdup(command);
	if (!s->command)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	*ret = p2v_steal(s);
	return 0;
}

/* Connects and checks the host key, asking for its kind `round`. */
static int open_round(
	struct opening *o, const char *name, unsigned round, bool *ret_no_kind, struct p2v_err *err)
{
	int r = ssh_link_new(name, o->spec->command ? o->spec->command : "", &o->s, err);

	*ret_no_kind = false;
	if (r == 0)
		r = ssh_socket_connect(o->spec->target, o->deadline, &o->s->fd, err);
	if (r == 0)
		r = handshake(o, round, ret_no_kind, err);
	return r;
}

static void opening_drop(struct opening *o)
{
	ssh_known_finish(&o->known);
	if (o->s)
		ssh_link_free(o->s);
	o->s = NULL;
}

/* A pinned key of unknown kind takes up to one connection per kind; the first refusal is told. */
static int open_trusted(struct opening *o, const char *name, struct p2v_err *err)
{
	unsigned rounds = o->spec->fingerprint ? SSH_HOSTKEY_ROUNDS : 1;
	struct p2v_err first = {0};
	bool no_kind;
	int r = 0;

	for (unsigned round = 0; round < rounds; round++) {
		struct p2v_err now = {0};

		opening_drop(o);
		r = open_round(o, name, round, &no_kind, &now);
		if (r == 0)
			r = ssh_hostkey_check(&o->known, o->s->session, o->spec, &now);
		if (r == 0)
			return 0;
		if (!first.kind || (first.kind != P2V_EREFUSED && r == P2V_EREFUSED))
			first = now;
		if (r != P2V_EREFUSED && !no_kind)
			break;
	}
	if (err)
		*err = first;
	return first.kind;
}

static int open_all(struct opening *o, const char *name, const char *user, struct p2v_err *err)
{
	struct ssh_link *s;
	int r = open_trusted(o, name, err);

	if (r == 0)
		r = authenticate(o, user, err);
	if (r == 0)
		r = command_run(o, err);
	if (r < 0)
		return r;
	s = o->s;
	s->methods = p2v_strf("libssh2 %s %s",
		libssh2_session_methods(s->session, LIBSSH2_METHOD_CRYPT_CS),
		libssh2_session_methods(s->session, LIBSSH2_METHOD_MAC_CS));
	if (!s->methods)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	ssh_link_take_over(s);
	return 0;
}

static struct opening opening_of(const struct link_ssh_spec *spec)
{
	return (struct opening){
		.spec = spec,
		.deadline = link_deadline(
			spec->connect_timeout_ms ? spec->connect_timeout_ms : SSH_OPEN_MS),
	};
}

static int library_start(struct p2v_err *err)
{
	pthread_once(&library_once, library_init);
	return library_failed ? p2v_err_set(err, P2V_EUNSUPPORTED, "libssh2 does not start") : 0;
}

int ssh_libssh2_open(
	const struct link_ssh_spec *spec, const char *name, struct link **ret, struct p2v_err *err)
{
	struct opening o = opening_of(spec);
	const char *user = NULL;
	int r = library_start(err);

	if (r == 0 && !spec->identity_file)
		r = p2v_err_set(err, P2V_EINVAL, "no identity (private key file) is given");
	if (r == 0)
		r = ssh_user(spec, &user, err);
	if (r == 0)
		r = open_all(&o, name, user, err);
	if (r == 0)
		*ret = &p2v_steal(o.s)->link;
	opening_drop(&o);
	return r;
}

int ssh_libssh2_hostkey(
	const struct link_ssh_spec *spec, const char *host, char **ret_line, struct p2v_err *err)
{
	struct opening o = opening_of(spec);
	char *line = NULL;
	int r = library_start(err);

	if (r == 0)
		r = open_trusted(&o, host, err);
	if (r == 0) {
		line = ssh_hostkey_line(o.s->session, host);
		r = line ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");
	}
	opening_drop(&o);
	if (r == 0)
		*ret_line = line;
	return r;
}

int link_ssh_fingerprint(
	const struct link_ssh_target *target, int timeout_ms, char **ret, struct p2v_err *err)
{
	struct link_ssh_spec spec = {.target = target, .connect_timeout_ms = timeout_ms};
	p2v_autofree char *name = link_ssh_target_text(target);
	struct opening o = opening_of(&spec);
	char text[SSH_FINGERPRINT_MAX];
	bool no_kind;
	int r = library_start(err);

	if (r == 0 && !name)
		r = p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (r < 0)
		return r;
	r = open_round(&o, name, 0, &no_kind, err);
	if (r == 0)
		r = ssh_hostkey_fingerprint(o.s->session, text, err);
	opening_drop(&o);
	if (r < 0)
		return p2v_err_wrap(err, r, "%s", name);
	*ret = p2v_strf("%s", text);
	return *ret ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");
}

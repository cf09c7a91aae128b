/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/link/ssh-link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "p2v/core/stop.h"
#include "p2v/link/ssh-row.h"
#include "p2v/link/ssh-socket.h"
#include "p2v/link/wake.h"

/* More than this in `out` and the writer waits for the socket before it makes another packet. */
#define OUT_HIGH_BYTES ((size_t)1 << 20)

static struct ssh_link *ssh_of(struct link *l)
{
	return (struct ssh_link *)l;
}

/* ---- under libssh2: the socket ---- */

static size_t out_pending(const struct ssh_link *s)
{
	return s->out.len - s->out_at;
}

/* Sends what it can; an errno that is not "later" stays in s->errnum. */
static void out_flush(struct ssh_link *s)
{
	while (out_pending(s)) {
		ssize_t put = send(s->fd, s->out.data + s->out_at, out_pending(s),
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0) {
			if (errno != EAGAIN)
				s->errnum = errno;
			return;
		}
		s->out_at += (size_t)put;
	}
	p2v_buf_reset(&s->out);
	s->out_at = 0;
}

static ssize_t on_send(libssh2_socket_t fd, const void *bytes, size_t n, int flags, void **abstract)
{
	struct ssh_link *s = *abstract;
	ssize_t put = 0;

	(void)fd;
	(void)flags;
	if (out_pending(s) == 0)
		put = send(s->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (put < 0 && errno != EAGAIN && errno != EINTR) {
		s->errnum = errno;
		return -s->errnum;
	}
	if (put < 0)
		put = 0;
	p2v_buf_add(&s->out, (const uint8_t *)bytes + put, n - (size_t)put);
	return s->out.failed ? -ENOMEM : (ssize_t)n;
}

static ssize_t on_recv(libssh2_socket_t fd, void *bytes, size_t n, int flags, void **abstract)
{
	struct ssh_link *s = *abstract;
	ssize_t got = recv(s->fd, bytes, n, MSG_DONTWAIT);

	(void)fd;
	(void)flags;
	if (got >= 0)
		return got;
	if (errno == EINTR)
		return -EAGAIN;
	if (errno != EAGAIN)
		s->errnum = errno;
	return -errno;
}

/* libssh2 takes callbacks of every shape through one void pointer. */
static void callback_set(LIBSSH2_SESSION *session, int which, void (*function)(void))
{
	void *pointer;

	memcpy(&pointer, &function, sizeof(pointer));
	libssh2_session_callback_set(session, which, pointer);
}

void ssh_link_take_over(struct ssh_link *s)
{
	libssh2_session_set_blocking(s->session, 0);
	callback_set(s->session, LIBSSH2_CALLBACK_SEND, (void (*)(void))on_send);
	callback_set(s->session, LIBSSH2_CALLBACK_RECV, (void (*)(void))on_recv);
	libssh2_keepalive_config(s->session, 0, SSH_KEEPALIVE_MS / 1000);
}

/* ---- what went wrong ---- */

int ssh_link_failed(struct ssh_link *s, const char *what, int rc, struct p2v_err *err)
{
	char *text = NULL;

	libssh2_session_last_error(s->session, &text, NULL, 0);
	if (s->errnum == ETIMEDOUT)
		p2v_err_set(err, P2V_ELINK, "%s: no sign of life from the far end for %d s", what,
			SSH_SILENCE_MS / 1000);
	else if (s->errnum)
		p2v_err_set(err, P2V_ELINK, "%s: %s", what, strerror(s->errnum));
	else if (rc == LIBSSH2_ERROR_SOCKET_DISCONNECT || rc == LIBSSH2_ERROR_SOCKET_RECV)
		p2v_err_set(err, P2V_ELINK, "%s: the far end closed the connection", what);
	else
		p2v_err_set(
			err, P2V_ELINK, "%s: %s (libssh2 %d)", what, text ? text : "failed", rc);
	return ssh_words_tell(s->words.text, P2V_ELINK, err);
}

static int ssh_broken(struct ssh_link *s, const char *what, int rc, struct p2v_err *err)
{
	s->broken = true;
	return ssh_link_failed(s, what, rc, err);
}

static int ssh_check(struct ssh_link *s, const char *what, struct p2v_err *err)
{
	if (atomic_load(&s->canceled))
		return p2v_err_set(err, P2V_ECANCELED, "canceled");
	if (s->broken || s->errnum)
		return ssh_broken(s, what, LIBSSH2_ERROR_SOCKET_DISCONNECT, err);
	return 0;
}

/* ---- the far program's end ---- */

static void stderr_drain(struct ssh_link *s)
{
	char bytes[1024];
	ssize_t n;

	while ((n = libssh2_channel_read_stderr(s->channel, bytes, sizeof(bytes))) > 0)
		ssh_words_add(&s->words, bytes, (size_t)n);
}

/* How the program ended, as a reader is told: 0 for well. */
static int exit_explain(struct ssh_link *s, struct p2v_err *err)
{
	char *sig = NULL;

	libssh2_channel_get_exit_signal(s->channel, &sig, NULL, NULL, NULL, NULL, NULL);
	if (sig) {
		p2v_err_set(err, P2V_ELINK, "%s was killed there (signal %.16s)", s->command, sig);
		libssh2_free(s->session, sig);
		return ssh_words_tell(s->words.text, P2V_ELINK, err);
	}
	return ssh_exit_explain(
		s->command, libssh2_channel_get_exit_status(s->channel), s->words.text, err);
}

/* ---- both directions ---- */

/* The two kicks: state that the other thread may be waiting for was perhaps read by this one. */
static void kick_reader(struct ssh_link *s)
{
	unsigned long available = 0;

	if (!s->reader_waits)
		return;
	libssh2_channel_window_read_ex(s->channel, &available, NULL);
	if (available || libssh2_channel_eof(s->channel))
		link_wake_kick(s->read_wake_fd);
}

static void kick_writer(struct ssh_link *s)
{
	if (s->writer_waits && libssh2_channel_window_write(s->channel) > 0)
		link_wake_kick(s->write_wake_fd);
}

/* Called with the lock held; gives it up for the wait. */
static void ssh_wait(struct ssh_link *s, bool *waits, int wake_fd, int timeout_ms)
{
	short events = POLLIN | (out_pending(s) ? POLLOUT : 0);

	*waits = true;
	pthread_mutex_unlock(&s->lock);
	link_wake_wait(s->fd, events, wake_fd, timeout_ms);
	pthread_mutex_lock(&s->lock);
	*waits = false;
}

static void keep_alive(struct ssh_link *s)
{
	int next_s;

	libssh2_keepalive_send(s->session, &next_s);
	out_flush(s);
}

/*
 * The end of the far program's stdout was seen. Its exit status comes a little later, and decides
 * what sort of end this is. 1: ret_n is 0, an orderly end. 0: ask again.
 */
static int end_try(struct ssh_link *s, size_t *ret_n, struct p2v_err *err)
{
	int r;

	if (!s->eof_at_ms)
		s->eof_at_ms = p2v_now_ms();
	if (libssh2_channel_wait_closed(s->channel) == LIBSSH2_ERROR_EAGAIN &&
		p2v_now_ms() - s->eof_at_ms < SSH_EXIT_MS)
		return 0;
	stderr_drain(s);
	r = exit_explain(s, err);
	if (r < 0)
		return r;
	*ret_n = 0;
	return 1;
}

/* One try, lock held: 1 bytes or the end, 0 nothing yet, or an error. */
static int read_try(struct ssh_link *s, void *buf, size_t n, size_t *ret_n, struct p2v_err *err)
{
	ssize_t got = libssh2_channel_read(s->channel, buf, n);
	int r = 0;

	out_flush(s);
	if (got > 0) {
		*ret_n = (size_t)got;
		r = 1;
	} else if (got < 0 && got != LIBSSH2_ERROR_EAGAIN && !s->eof_at_ms) {
		r = ssh_broken(s, "read", (int)got, err);
	} else {
		stderr_drain(s);
		if (s->eof_at_ms || libssh2_channel_eof(s->channel))
			r = end_try(s, ret_n, err);
	}
	kick_writer(s);
	return r;
}

/* Reads at least one byte or the end before the deadline (else P2V_ETIMEDOUT). */
static int read_until(struct ssh_link *s, void *buf, size_t n, uint64_t deadline, size_t *ret_n,
	struct p2v_err *err)
{
	int r;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		int left;

		r = ssh_check(s, "read", err);
		if (r == 0)
			r = read_try(s, buf, n, ret_n, err);
		if (r != 0)
			break;
		left = link_deadline_left(deadline, s->eof_at_ms ? 100 : SSH_KEEPALIVE_MS / 2);
		if (left == 0) {
			r = p2v_err_set(err, P2V_ETIMEDOUT, "nothing came in time");
			break;
		}
		ssh_wait(s, &s->reader_waits, s->read_wake_fd, left);
		keep_alive(s);
	}
	pthread_mutex_unlock(&s->lock);
	return r < 0 ? r : 0;
}

static int ssh_read(struct link *l, void *buf, size_t n, size_t *ret_n, struct p2v_err *err)
{
	struct ssh_link *s = ssh_of(l);
	size_t part = s->peek_n - s->peek_at;

	if (part == 0)
		return read_until(s, buf, n, LINK_NEVER, ret_n, err);
	part = part < n ? part : n;
	memcpy(buf, s->peek + s->peek_at, part);
	s->peek_at += part;
	*ret_n = part;
	return 0;
}

/* An end or an error is there to be read, too: the next read finds it again. */
static int ssh_wait_readable(struct link *l, int timeout_ms, struct p2v_err *err)
{
	struct ssh_link *s = ssh_of(l);
	size_t n = 0;
	int r;

	if (s->peek_at < s->peek_n)
		return 0;
	r = read_until(s, s->peek, sizeof(s->peek), link_deadline(timeout_ms), &n, err);
	s->peek_at = 0;
	s->peek_n = n;
	return r == P2V_ETIMEDOUT || r == P2V_ECANCELED ? r : 0;
}

/* Lock held. All that libssh2 has taken is on its way when this returns 0. */
static int write_locked(struct ssh_link *s, const char *buf, size_t n, struct p2v_err *err)
{
	size_t done = 0;

	while (done < n || out_pending(s)) {
		bool full = out_pending(s) > OUT_HIGH_BYTES;
		ssize_t put = 0;
		int r = ssh_check(s, "write", err);

		if (r < 0)
			return r;
		if (done < n && !full) {
			put = libssh2_channel_write(s->channel, buf + done, n - done);
			kick_reader(s);
		}
		if (put < 0 && put != LIBSSH2_ERROR_EAGAIN)
			return ssh_broken(s, "write", (int)put, err);
		done += put > 0 ? (size_t)put : 0;
		out_flush(s);
		if ((put <= 0 && done < n) || (done == n && out_pending(s)))
			ssh_wait(s, &s->writer_waits, s->write_wake_fd, SSH_KEEPALIVE_MS / 2);
	}
	return 0;
}

static uint64_t thread_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t ssh_cpu_ns(struct link *l)
{
	return atomic_load(&ssh_of(l)->write_cpu_ns);
}

static int ssh_write(struct link *l, const void *buf, size_t n, struct p2v_err *err)
{
	struct ssh_link *s = ssh_of(l);
	uint64_t since_ns = thread_cpu_ns();
	int r;

	pthread_mutex_lock(&s->lock);
	if (s->eof_sent)
		r = p2v_err_set(err, P2V_EINVAL, "write after the end was sent");
	else
		r = write_locked(s, buf, n, err);
	pthread_mutex_unlock(&s->lock);
	atomic_fetch_add(&s->write_cpu_ns, thread_cpu_ns() - since_ns);
	return r;
}

/* Repeats a call of libssh2 until it is through, with the lock held. */
static int step_until(
	struct ssh_link *s, int (*step)(struct ssh_link *), uint64_t deadline, struct p2v_err *err)
{
	for (;;) {
		int r = ssh_check(s, "close", err), rc, left;

		if (r < 0)
			return r;
		rc = step(s);
		out_flush(s);
		if (rc < 0 && rc != LIBSSH2_ERROR_EAGAIN)
			return ssh_broken(s, "close", rc, err);
		if (rc >= 0 && out_pending(s) == 0)
			return 0;
		left = link_deadline_left(deadline, SSH_KEEPALIVE_MS / 2);
		if (left == 0)
			return p2v_err_set(err, P2V_ELINK, "close: it takes too long");
		ssh_wait(s, &s->writer_waits, s->write_wake_fd, left);
	}
}

static int step_eof(struct ssh_link *s)
{
	return libssh2_channel_send_eof(s->channel);
}

static int step_close(struct ssh_link *s)
{
	return libssh2_channel_close(s->channel);
}

static int step_disconnect(struct ssh_link *s)
{
	return libssh2_session_disconnect(s->session, "done");
}

static int ssh_shutdown_write(struct link *l, struct p2v_err *err)
{
	struct ssh_link *s = ssh_of(l);
	int r = 0;

	pthread_mutex_lock(&s->lock);
	if (!s->eof_sent)
		r = step_until(s, step_eof, LINK_NEVER, err);
	s->eof_sent = true;
	pthread_mutex_unlock(&s->lock);
	return r;
}

static void ssh_cancel(struct link *l)
{
	struct ssh_link *s = ssh_of(l);

	atomic_store(&s->canceled, true);
	link_wake_kick(s->read_wake_fd);
	link_wake_kick(s->write_wake_fd);
}

static void ssh_words(struct link *l, char *buf, size_t n)
{
	struct ssh_link *s = ssh_of(l);

	pthread_mutex_lock(&s->lock);
	if (!s->broken)
		stderr_drain(s);
	snprintf(buf, n, "%s", s->words.text);
	pthread_mutex_unlock(&s->lock);
}

/* Says goodbye where somebody listens. The socket is made dumb before the session goes, so that its
 * last tries to send fail at once; only then is its number given back. */
static void ssh_close(struct link *l)
{
	struct ssh_link *s = ssh_of(l);
	uint64_t deadline = link_deadline(SSH_CLOSE_MS);

	if (s->channel) {
		pthread_mutex_lock(&s->lock);
		if (step_until(s, step_close, deadline, NULL) == 0)
			step_until(s, step_disconnect, deadline, NULL);
		pthread_mutex_unlock(&s->lock);
	}
	if (s->fd >= 0)
		shutdown(s->fd, SHUT_RDWR);
	if (s->channel)
		libssh2_channel_free(s->channel);
	if (s->session)
		libssh2_session_free(s->session);
	if (s->fd >= 0)
		close(s->fd);
	if (s->read_wake_fd >= 0)
		close(s->read_wake_fd);
	if (s->write_wake_fd >= 0)
		close(s->write_wake_fd);
	p2v_buf_finish(&s->out);
	pthread_mutex_destroy(&s->lock);
	free(s->command);
	free(s->methods);
	free(s);
}

static const char *ssh_methods(struct link *l)
{
	return ssh_of(l)->methods;
}

const struct link_ops ssh_link_ops = {
	.read = ssh_read,
	.write = ssh_write,
	.wait = ssh_wait_readable,
	.shutdown_write = ssh_shutdown_write,
	.cancel = ssh_cancel,
	.cpu_ns = ssh_cpu_ns,
	.words = ssh_words,
	.methods = ssh_methods,
	.close = ssh_close,
};

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/recv/streams.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "p2v/core/num.h"
#include "p2v/core/stop.h"

#define TICK_MS	    200
#define KNOCK_MAX   8192 /* a HELLO; a longer one is none of ours */
#define KNOCK_WAIT  1	 /* seconds that a relay may take to say it */
#define SOURCES_MAX (RECV_STREAMS_MAX + 2)

void recv_socket_name(const struct digest *token, char ret[64])
{
	char hex[BLOCK_DIGEST_HEX];

	snprintf(ret, 64, RECV_SOCKET_PREFIX "%s", block_digest_text(token, hex));
}

void recv_streams_init(struct recv_streams *s)
{
	*s = (struct recv_streams){.listen_fd = -1, .dir_fd = -1};
}

static void leftovers_remove(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;

	while (dir && (e = readdir(dir)))
		if (strncmp(e->d_name, RECV_SOCKET_PREFIX, strlen(RECV_SOCKET_PREFIX)) == 0 &&
			fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISSOCK(st.st_mode))
			unlinkat(dir_fd, e->d_name, 0);
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
}

/* By way of /proc, as a socket's path has 107 bytes at most and a directory's has not. */
static int socket_listen(int fd, int dir_fd, const char *name)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/%s", dir_fd, name);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -1;
	return listen(fd, RECV_STREAMS_MAX);
}

int recv_streams_open(struct recv_streams *s, const char *dir, struct p2v_err *err)
{
	char name[64];

	s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0)
		return p2v_err_errno(err, errno, "%s", dir);
	leftovers_remove(s->dir_fd);
	if (getrandom(s->token.bytes, sizeof(s->token.bytes), 0) != sizeof(s->token.bytes))
		return p2v_err_errno(err, errno, "getrandom");
	recv_socket_name(&s->token, name);
	s->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listen_fd >= 0 && socket_listen(s->listen_fd, s->dir_fd, name) == 0)
		return 0;
	p2v_err_errno(err, errno, "%s/%s", dir, name);
	recv_streams_finish(s);
	return P2V_EIO;
}

void recv_stream_drop(struct recv_stream *stream)
{
	if (atomic_load(&stream->state) == RECV_STREAM_FREE)
		return;
	recv_peer_finish(&stream->peer);
	link_free(stream->link);
	close(stream->relay_fd);
	stream->link = NULL;
	atomic_store(&stream->state, RECV_STREAM_FREE);
}

void recv_streams_close(struct recv_streams *s)
{
	for (unsigned i = 0; i < RECV_STREAMS_MAX; i++)
		recv_stream_drop(&s->items[i]);
}

void recv_streams_finish(struct recv_streams *s)
{
	char name[64];

	recv_streams_close(s);
	recv_socket_name(&s->token, name);
	if (s->dir_fd >= 0) {
		unlinkat(s->dir_fd, name, 0);
		close(s->dir_fd);
	}
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	recv_streams_init(s);
}

/* ---- one that knocks ---- */

struct knock {
	uint8_t bytes[KNOCK_MAX]; /* the HELLO's frame */
	size_t n;
	int fds[2]; /* -1 where they did not come */
};

static bool is_own_user(int fd)
{
	struct ucred who;
	socklen_t n = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 && who.uid == geteuid();
}

static bool knock_receive(int fd, struct knock *k)
{
	const struct timeval patience = {.tv_sec = KNOCK_WAIT};
	union {
		char room[CMSG_SPACE(sizeof(k->fds))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {k->bytes, sizeof(k->bytes)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room)};
	struct cmsghdr *head;
	ssize_t got;

	k->fds[0] = k->fds[1] = -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	got = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	head = got > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
		head->cmsg_len == CMSG_LEN(sizeof(k->fds)))
		memcpy(k->fds, CMSG_DATA(head), sizeof(k->fds));
	k->n = got > 0 ? (size_t)got : 0;
	return k->fds[0] >= 0 && !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
}

static struct recv_stream *free_item(struct recv_streams *s)
{
	for (unsigned i = 0; i < RECV_STREAMS_MAX; i++)
		if (atomic_load(&s->items[i].state) == RECV_STREAM_FREE)
			return &s->items[i];
	return NULL;
}

/* HELLO as the relay read it, and the token in it. */
static int hello_take(
	struct recv_streams *s, struct peer *peer, const struct knock *k, struct p2v_err *err)
{
	struct wire_msg msg, welcome = {.type = WIRE_WELCOME};
	struct wire_frame frame;
	struct wire_terms terms;
	size_t room;
	uint8_t *to = wire_feed_space(&peer->feed, &room);
	int r;

	/* The relay has seen the preface, and said ours. */
	peer->feed.opened = true;
	if (k->n > room)
		return p2v_err_set(err, P2V_EFORMAT, "HELLO is too long");
	memcpy(to, k->bytes, k->n);
	wire_feed_added(&peer->feed, k->n);
	r = wire_feed_next(&peer->feed, &frame, err);
	if (r == 1)
		r = wire_msg_decode(&frame, &msg, err);
	if (r == 1)
		r = wire_session_received(&peer->session, &msg, err);
	else
		r = p2v_err_set(err, P2V_EFORMAT, "no HELLO");
	if (r == 0 && (msg.hello.role != WIRE_ROLE_DATA ||
			      !block_digest_equal(&msg.hello.token, &s->token)))
		r = p2v_err_set(err, P2V_ENOTFOUND, "the token is another job's");
	if (r == 0)
		r = wire_welcome_make(&msg.hello, s->program, s->features, s->window, &terms,
			&welcome.welcome, err);
	if (r == 0)
		r = recv_peer_send(peer, &welcome, err);
	if (r < 0)
		return r;
	peer->terms = terms;
	peer->feed.max_frame = terms.max_frame;
	return 0;
}

static unsigned n_open(const struct recv_streams *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < RECV_STREAMS_MAX; i++)
		n += atomic_load(&s->items[i].state) != RECV_STREAM_FREE;
	return n;
}

/* One that is no good is let go: the agent that is behind it learns so by the end of its link. */
static void knock_take(struct recv_streams *s)
{
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	struct recv_stream *item = free_item(s);
	struct knock k = {.fds = {-1, -1}};
	struct link *link = NULL;
	int r = -1;

	if (fd < 0)
		return;
	if (!is_own_user(fd) || !knock_receive(fd, &k) || !item) {
		for (unsigned i = 0; i < 2; i++)
			if (k.fds[i] >= 0)
				close(k.fds[i]);
		close(fd);
		return;
	}
	if (link_fd_new("data connection", k.fds[0], k.fds[1], &link, NULL) == 0)
		r = recv_peer_init(&item->peer, link, NULL);
	if (r == 0) {
		r = hello_take(s, &item->peer, &k, NULL);
		if (r < 0)
			recv_peer_finish(&item->peer);
	}
	if (r < 0) {
		link_free(link);
		close(fd);
		return;
	}
	item->link = link;
	item->relay_fd = fd;
	item->asked_seq = item->durable_seq = 0;
	atomic_store(&item->state, RECV_STREAM_OPEN);
	s->n_max = n_open(s) > s->n_max ? n_open(s) : s->n_max;
}

/* ---- frames of all ---- */

/* Peer i of all: the control connection, then the streams. NULL: not there. */
static struct peer *peer_at(struct recv_streams *s, struct peer *control, unsigned i)
{
	if (i == 0)
		return control;
	return atomic_load(&s->items[i - 1].state) == RECV_STREAM_OPEN ? &s->items[i - 1].peer
								       : NULL;
}

/* What a peer came to: a control connection that fails is an error, a stream that does has left. */
static int came(struct recv_streams *s, unsigned i, int r, struct recv_came *ret)
{
	ret->stream = i ? &s->items[i - 1] : NULL;
	ret->gone = i && (r == 0 || r == P2V_ELINK);
	if (!ret->gone)
		return r;
	atomic_store(&ret->stream->state, RECV_STREAM_LEAVING);
	return 1;
}

/* A whole frame that was read already, each peer in its turn: 1 there is one, 0 none. */
static int frame_next(
	struct recv_streams *s, struct peer *control, struct recv_came *ret, struct p2v_err *err)
{
	for (unsigned k = 0; k <= RECV_STREAMS_MAX; k++) {
		unsigned i = (s->turn + k) % (RECV_STREAMS_MAX + 1);
		struct peer *peer = peer_at(s, control, i);
		int r = peer ? wire_feed_next(&peer->feed, &ret->frame, err) : 0;

		if (r == 0)
			continue;
		s->turn = i + 1;
		return came(s, i, r, ret);
	}
	return 0;
}

static void wait_for(struct recv_streams *s, struct peer *control, struct pollfd fds[SOURCES_MAX])
{
	int out;

	for (unsigned i = 0; i <= RECV_STREAMS_MAX; i++) {
		struct peer *peer = peer_at(s, control, i);

		fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
		if (peer)
			link_fds(peer->link, &fds[i].fd, &out, NULL);
	}
	fds[SOURCES_MAX - 1] = (struct pollfd){.fd = s->listen_fd, .events = POLLIN};
	if (poll(fds, SOURCES_MAX, TICK_MS) < 0)
		for (unsigned i = 0; i < SOURCES_MAX; i++)
			fds[i].revents = 0;
}

/* Reads once from each that has something. 2: go on; else what `came` says. */
static int read_ready(struct recv_streams *s, struct peer *control,
	const struct pollfd fds[SOURCES_MAX], struct recv_came *ret, struct p2v_err *err)
{
	for (unsigned i = 0; i <= RECV_STREAMS_MAX; i++) {
		struct peer *peer = peer_at(s, control, i);
		int r;

		if (!peer)
			continue;
		r = fds[i].fd >= 0 && fds[i].revents ? recv_peer_fill(peer, err)
						     : recv_peer_silence(peer, err);
		if (r == 0 && !(fds[i].fd >= 0 && fds[i].revents))
			continue;
		if (r <= 0)
			return came(s, i, r, ret);
	}
	return 2;
}

int recv_streams_next(
	struct recv_streams *s, struct peer *control, struct recv_came *ret, struct p2v_err *err)
{
	struct pollfd fds[SOURCES_MAX];

	for (;;) {
		int r = frame_next(s, control, ret, err);

		if (r == 0)
			r = p2v_stop_check(err);
		else
			return r;
		if (r == 0 && atomic_load(&control->stop))
			r = p2v_err_set(err, P2V_ECANCELED, "no more is read");
		if (r < 0)
			return r;
		wait_for(s, control, fds);
		if (fds[SOURCES_MAX - 1].revents)
			knock_take(s);
		r = read_ready(s, control, fds, ret, err);
		if (r != 2)
			return r;
	}
}

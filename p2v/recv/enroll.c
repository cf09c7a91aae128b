/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/recv/enroll.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/core/stop.h"
#include "p2v/store/agents.h"

#define AUTH_MAX  ((size_t)64 << 10)
#define KEYS_MAX  ((size_t)4 << 20)
#define LINE	  "restrict,command=\"exit 1\""
#define KEY_TYPE  "ssh-ed25519" /* the one that a medium makes */
#define KEY_BLOB  68		/* characters of base64 */
#define BASE64	  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="

#define LOOK_MS	  500
#define TOUCH_MS  5000
#define REMIND_MS 10000 /* WAIT is said again */

/* ---- keys ---- */

bool recv_keys_have(struct p2v_span text, const char *key)
{
	const char *blob = strchr(key, ' ');
	struct p2v_span line, word;

	while (blob && p2v_line_next(&text, &line)) {
		line = p2v_span_trim(line);
		if (p2v_span_starts(line, "#"))
			continue;
		/* Options may hold anything between quotes, but no base64 of a whole key. */
		while (p2v_word_next(&line, &word))
			if (p2v_span_eq(word, blob + 1))
				return true;
	}
	return false;
}

static int file_has(const char *path, const char *key, bool *ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	int r = p2v_file_read(path, KEYS_MAX, &text, err);

	if (r == 0)
		*ret = recv_keys_have(p2v_span_of(text.data, text.len), key);
	return r;
}

/* In one of the files. The first has to be there; a further one need not have been made yet. */
static int keys_have(const char *keys, const char *key, bool *ret, struct p2v_err *err)
{
	struct p2v_span rest = p2v_span_str(keys);
	bool found = false;
	int r = 0;

	for (bool first = true; r == 0 && !found && rest.n; first = false) {
		p2v_autofree char *path = p2v_span_dup(p2v_span_until(rest, ':', &rest));

		if (!path)
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
		if (first || p2v_file_exists(path))
			r = file_has(path, key, &found, err);
	}
	if (r == 0)
		*ret = found;
	return r;
}

/* A line of the file behind SSH_USER_AUTH: "publickey ssh-ed25519 AAAA...". */
static int key_of_session(char **ret, struct p2v_err *err)
{
	const char *path = getenv("SSH_USER_AUTH");
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, line;
	int r = path ? p2v_file_read(path, AUTH_MAX, &text, err) : 0;

	rest = p2v_span_of(text.data, text.len);
	while (r == 0 && p2v_line_next(&rest, &line)) {
		if (!p2v_span_starts(line, "publickey "))
			continue;
		*ret = p2v_span_dup(p2v_span_trim(p2v_span_skip(line, strlen("publickey "))));
		return *ret ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	/* Not knowing is no reason to let anybody in. */
	return r < 0 ? r
		     : p2v_err_set(err, P2V_EREFUSED,
			       "the server's sshd does not say which key this is: it needs "
			       "'ExposeAuthInfo yes'");
}

int recv_caller_read(const char *keys, struct recv_caller *ret, struct p2v_err *err)
{
	const char *connection = getenv("SSH_CONNECTION");
	p2v_autofree char *key = NULL;
	struct p2v_span rest = p2v_span_str(connection), word;
	bool known = true;
	int r = keys ? key_of_session(&key, err) : 0;

	if (r == 0 && keys)
		r = keys_have(keys, key, &known, err);
	if (r < 0)
		return r;
	if (!known)
		ret->key = p2v_steal(key);
	if (p2v_word_next(&rest, &word))
		ret->address = p2v_span_dup(word);
	return 0;
}

void recv_caller_finish(struct recv_caller *caller)
{
	free(caller->key);
	free(caller->address);
	*caller = (struct recv_caller){0};
}

int recv_key_line(const char *base, const char *keys, const char *type, const char *blob,
	struct p2v_buf *out, struct p2v_err *err)
{
	p2v_autofree char *key = p2v_strf("%s %s", type, blob);
	p2v_auto_agent struct store_agent agent = {0};
	struct store_door door = {0};
	bool known = true;
	int r;

	/* It becomes a line of authorized_keys: nothing else may be in it. sshd's ForceCommand
	 * stands above the line's; where that is missing, the key opens nothing. */
	if (strcmp(type, KEY_TYPE) != 0 || strlen(blob) != KEY_BLOB ||
		strspn(blob, BASE64) != KEY_BLOB)
		return 0;
	if (!key)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	/* One that stands in the file is let in by that alone: with its network and its last day.
	 */
	r = keys_have(keys, key, &known, err);
	if (r < 0 || known)
		return r;
	if (store_agents_of_key(base, key, &agent, NULL) == 0) {
		p2v_buf_addf(out, LINE " %s\n", key);
		return p2v_buf_check(out, err);
	}
	r = store_agents_door(base, &door, err);
	if (r == 0 && store_agents_door_open(&door)) {
		if (door.from)
			p2v_buf_addf(out, LINE ",from=\"%s\" %s\n", door.from, key);
		else
			p2v_buf_addf(out, LINE " %s\n", key);
		r = p2v_buf_check(out, err);
	}
	p2v_json_free(&store_door_type, &door);
	return r;
}

/* ---- waiting ---- */

static void words_make(const struct store_agent *a, struct p2v_buf *out)
{
	if (a->code)
		p2v_buf_addf(out,
			"this machine is not known here; on the server, say: p2v enroll %s",
			a->code);
	else
		p2v_buf_addf(out,
			"this machine waits for a name; on the server, say: p2v agent assign %s "
			"NAME",
			a->id);
}

static int wait_say(struct peer *peer, const struct store_agent *a, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf words = {0};
	struct wire_msg msg = {.type = WIRE_WAIT};
	int r;

	words_make(a, &words);
	r = p2v_buf_check(&words, err);
	msg.wait.position = 1;
	msg.wait.retry_ms = REMIND_MS;
	msg.wait.text = wire_text((char *)words.data);
	return r < 0 ? r : recv_peer_send(peer, &msg, err);
}

/* Some of the time between two looks at the file. */
static int breathe(struct peer *peer, struct p2v_err *err)
{
	uint64_t until_ms = p2v_now_ms() + LOOK_MS;
	int r = 0;

	while (r == 0 && p2v_now_ms() < until_ms) {
		p2v_sleep_ms(100);
		r = recv_peer_poll(peer, err);
		if (r == 0)
			r = recv_peer_silence(peer, err);
	}
	return r;
}

static int not_enrolled(struct peer *peer, struct p2v_err *err)
{
	peer->refuse = WIRE_REFUSE_NOT_ENROLLED;
	return p2v_err_set(err, P2V_EREFUSED,
		"nobody at the server has let this machine in ('p2v enroll'), or somebody has sent "
		"it away: it may ask again");
}

static int decision_wait(
	struct peer *peer, const char *base, struct store_agent *a, struct p2v_err *err)
{
	uint64_t said_ms = 0, touched_ms = 0;
	int r = 0;

	while (r == 0 && !a->name) {
		uint64_t now_ms = p2v_now_ms();
		struct store_agent now = {0};

		if (!said_ms || now_ms - said_ms >= REMIND_MS) {
			r = wait_say(peer, a, err);
			said_ms = now_ms;
		}
		if (now_ms - touched_ms >= TOUCH_MS) {
			store_agents_touch(base, a->id);
			touched_ms = now_ms;
		}
		if (r == 0)
			r = breathe(peer, err);
		if (r == 0 && store_agents_look(base, a->id, &now, NULL) < 0)
			return not_enrolled(peer, err);
		if (r == 0) {
			store_agent_finish(a);
			*a = now;
		}
	}
	return r;
}

int recv_enroll(struct peer *peer, const char *base, const struct recv_caller *caller,
	const struct machine *m, char **ret_name, struct p2v_err *err)
{
	p2v_auto_agent struct store_agent a = {0};
	int r = store_agents_ask(base, m, caller->key, caller->address, &a, err);

	if (r == P2V_EREFUSED)
		peer->refuse = WIRE_REFUSE_NOT_ENROLLED;
	if (r == 0)
		r = decision_wait(peer, base, &a, err);
	if (r < 0)
		return r;
	*ret_name = strdup(a.name);
	return *ret_name ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

int recv_enrolled_name(struct peer *peer, const char *base, const struct recv_caller *caller,
	char **ret_name, struct p2v_err *err)
{
	p2v_auto_agent struct store_agent a = {0};

	if (store_agents_of_key(base, caller->key, &a, NULL) < 0)
		return not_enrolled(peer, err);
	*ret_name = strdup(a.name);
	return *ret_name ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/recv/follow.h"

#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/model/plan.h"
#include "p2v/model/proof.h"
#include "p2v/store/jobdir.h"
#include "p2v/store/status.h"

#define LOOK_MS 500
/* p2vd looks at its directories every ten seconds, unless told otherwise. */
#define COMES_MS  30000
#define SILENCE_S 600
#define TEXT_MAX  400

/* Of syslog(3). */
#define LEVEL_ERROR   3u
#define LEVEL_WARNING 4u
#define LEVEL_INFO    6u

/* What was said last: only changes are. */
struct said {
	char stage[16], text[TEXT_MAX];
	unsigned permille;
};

static int say(struct peer *peer, struct said *said, const struct said *now, struct p2v_err *err)
{
	struct wire_msg msg = {.type = WIRE_STATUS};

	if (strcmp(said->stage, now->stage) == 0 && strcmp(said->text, now->text) == 0 &&
		said->permille == now->permille)
		return 0;
	*said = *now;
	msg.status.stage = wire_text(said->stage);
	msg.status.text = wire_text(said->text);
	msg.status.permille = (uint16_t)said->permille;
	return recv_peer_send(peer, &msg, err);
}

/* Cut where it is too long, but not within a letter. */
static void words_set(char *ret, const char *text)
{
	size_t n = strlen(text);

	if (n >= TEXT_MAX)
		for (n = TEXT_MAX - 1; n > 0 && (text[n] & 0xc0) == 0x80; n--)
			;
	memcpy(ret, text, n);
	ret[n] = '\0';
}

static unsigned permille(uint64_t done, uint64_t total)
{
	if (!total)
		return 0;
	return done >= total ? 1000 : (unsigned)((double)done * 1000 / (double)total);
}

static void proof_words(const char *dir, char *ret)
{
	p2v_autofree char *path = p2v_path_join(dir, STORE_PROOF);
	p2v_auto_proof struct proof proof = {0};

	if (path && model_proof_load(path, &proof, NULL) == 0)
		words_set(ret, proof.reason && *proof.reason ? proof.reason
							     : model_verdict_words[proof.verdict]);
}

/* ---- the plan ---- */

#define PLAN_LINES_MAX 150

static int plan_line(struct peer *peer, unsigned level, const char *what, const char *text,
	unsigned *n, struct p2v_err *err)
{
	p2v_autofree char *whole = p2v_strf("plan: %s%s", what, text ? text : "");
	struct wire_msg msg = {.type = WIRE_LOG, .log = {.level = (uint8_t)level}};
	char line[TEXT_MAX];

	if (!whole || (*n)++ >= PLAN_LINES_MAX)
		return 0;
	words_set(line, whole);
	msg.log.text = wire_text(line);
	return recv_peer_send(peer, &msg, err);
}

/* What will be changed, and what needs attention: as LOG, a line each. */
static int plan_say(struct peer *peer, const char *path, struct p2v_err *err)
{
	p2v_auto_plan struct plan plan = {0};
	const char *before = "";
	unsigned n = 0;
	int r = 0;

	if (model_plan_load(path, &plan, NULL) < 0)
		return 0;
	for (size_t i = 0; r == 0 && i < plan.n_blockers; i++)
		r = plan_line(peer, LEVEL_ERROR, "in the way: ", plan.blockers[i], &n, err);
	for (size_t i = 0; r == 0 && i < plan.n_warnings; i++)
		r = plan_line(peer, LEVEL_WARNING, "attention: ", plan.warnings[i], &n, err);
	for (size_t i = 0; r == 0 && i < plan.n_steps; i++) {
		const char *reason = plan.steps[i].reason ? plan.steps[i].reason : "";

		if (strcmp(reason, before) != 0)
			r = plan_line(peer, LEVEL_INFO, "", reason, &n, err);
		before = reason;
	}
	return r;
}

/* Once, as soon as there is one. */
static int plan_look(struct peer *peer, const char *dir, bool *said, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(dir, STORE_PLAN);

	if (*said || !path || !p2v_file_exists(path))
		return 0;
	*said = true;
	return plan_say(peer, path, err);
}

/* ---- how far it is ---- */

/* True where nothing more will come. */
static bool look(const char *dir, uint64_t since_ms, struct said *ret)
{
	static const char *const last[] = {"proven", "failed", "cancelled"};
	p2v_auto_status struct store_status s = {0};

	memset(ret, 0, sizeof(*ret));
	if (store_status_load(dir, &s, NULL) < 0) {
		snprintf(ret->stage, sizeof(ret->stage), "received");
		snprintf(ret->text, sizeof(ret->text), "waits for the conversion server's p2vd");
		if (p2v_now_ms() - since_ms < COMES_MS)
			return false;
		snprintf(ret->stage, sizeof(ret->stage), "none");
		snprintf(ret->text, sizeof(ret->text),
			"no p2vd runs there: the conversion is started by hand");
		return true;
	}
	snprintf(ret->stage, sizeof(ret->stage), "%s", s.state);
	words_set(ret->text, s.step ? s.step : s.reason ? s.reason : "waits for its turn");
	ret->permille = s.running ? permille(s.done, s.total) : 0;
	if (strcmp(s.state, "proven") == 0)
		proof_words(dir, ret->text);
	for (size_t i = 0; i < P2V_N(last); i++)
		if (strcmp(s.state, last[i]) == 0 && !s.running)
			return true;
	if (store_status_age_s(dir) < SILENCE_S)
		return false;
	snprintf(ret->stage, sizeof(ret->stage), "none");
	snprintf(ret->text, sizeof(ret->text), "p2vd does not run there any more");
	return true;
}

int recv_follow_run(struct peer *peer, const char *dir, struct p2v_err *err)
{
	uint64_t since_ms = p2v_now_ms();
	struct said said = {0}, now;
	bool over = false, planned = false;
	int r = 0;

	while (r == 0 && !over) {
		over = look(dir, since_ms, &now);
		r = plan_look(peer, dir, &planned, err);
		if (r == 0)
			r = say(peer, &said, &now, err);
		for (uint64_t until = p2v_now_ms() + LOOK_MS;
			r == 0 && !over && p2v_now_ms() < until;) {
			r = recv_peer_poll(peer, err);
			if (r == 0)
				r = recv_peer_silence(peer, err);
			p2v_sleep_ms(100);
		}
	}
	return r;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/recv/recv.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/opt.h"
#include "p2v/core/stop.h"
#include "p2v/recv/enroll.h"
#include "p2v/recv/follow.h"
#include "p2v/recv/intake.h"
#include "p2v/recv/job.h"
#include "p2v/recv/log.h"
#include "p2v/recv/turn.h"

#define PROGRAM "p2v-recv " P2V_VERSION
#define FEATURES                                                                                   \
	(WIRE_FEATURE_ZSTD | WIRE_FEATURE_RESUME | WIRE_FEATURE_REFRESH | WIRE_FEATURE_DATA |      \
		WIRE_FEATURE_STATUS | WIRE_FEATURE_REPEAT | WIRE_FEATURE_ASSIGN)
#define LOCK_TRIES   45 /* a dead link is found out after 30 s */
#define LOCK_WAIT_MS 1000
#define LOCK_DRAINED 6 /* tries after which nothing of a dead link is on its way any more */
#define PROGRESS_MS  500

struct conversation {
	const struct recv_spec *spec;
	struct recv_caller caller;
	struct peer peer;
	struct recv_streams streams;
	struct recv_job job;
	struct store_queue *turn;   /* its ticket, or NULL */
	struct recv_disk disk;	    /* the one that is open; io NULL: none */
	bool refresh;		    /* its pass is a second one */
	bool fresh[WIRE_DISKS_MAX]; /* verified on this connection */
};

static int welcome(struct conversation *c, const struct wire_hello *hello, struct p2v_err *err)
{
	struct wire_msg welcome = {.type = WIRE_WELCOME};
	struct wire_terms terms;
	int r = wire_welcome_make(
		hello, PROGRAM, FEATURES, RECV_WINDOW_BYTES, &terms, &welcome.welcome, err);

	if (r == 0)
		r = recv_peer_send(&c->peer, &welcome, err);
	if (r < 0)
		return r;
	c->peer.terms = terms;
	c->peer.feed.max_frame = terms.max_frame;
	return 0;
}

/* A connection that died a moment ago may still hold the job: the agent waits with us. One whose
 * agent goes on talking while we wait is alive, and then there are two agents. */
static int job_lock(struct conversation *c, struct p2v_err *err)
{
	const struct wire_msg wait = {WIRE_WAIT,
		.wait = {1, LOCK_WAIT_MS, wire_text("an older connection still has this job")}};
	uint64_t alive_ns = 0;

	for (unsigned i = 0;; i++) {
		uint64_t until_ms = p2v_now_ms() + LOCK_WAIT_MS;
		int r = recv_job_lock(&c->job, err);

		if (r != P2V_EEXIST || i == LOCK_TRIES)
			return r;
		if (i > LOCK_DRAINED && recv_job_alive_ns(&c->job) != alive_ns)
			return p2v_err_set(err, P2V_EREFUSED,
				"job %s: another agent is sending it at this moment: end that one "
				"first, or give this machine another --name",
				c->job.name);
		if (i == LOCK_DRAINED)
			alive_ns = recv_job_alive_ns(&c->job);
		r = recv_peer_send(&c->peer, &wait, err);
		while (r == 0 && p2v_now_ms() < until_ms) {
			p2v_sleep_ms(100);
			r = recv_peer_poll(&c->peer, err);
		}
		if (r < 0)
			return r;
	}
}

/* ADMIT: which disks are wanted; those that were verified before are not. */
static int admit_send(struct conversation *c, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf wanted = {0};
	struct wire_msg admit = {
		WIRE_ADMIT, .admit = {.job = wire_text(c->job.name),
				    .token = c->streams.token,
				    .how = c->job.continued ? WIRE_HOW_CONTINUED : WIRE_HOW_NEW,
				    .n = (uint16_t)c->job.machine.n_disks}};
	bool refresh = c->job.finished;

	for (uint16_t i = 0; i < admit.admit.n; i++) {
		p2v_auto(recv_journal_free) struct journal *journal = NULL;
		struct journal_verified verified;
		int r = recv_disk_journal(c->job.image_dir, i, c->job.machine.disks[i].size_bytes,
			c->spec->format, &journal, err);

		if (r < 0)
			return r;
		refresh = refresh || (journal && recv_journal_refreshing(journal));
		wire_admit_add(&wanted, i,
			c->job.finished || !journal || !recv_journal_verified(journal, &verified));
	}
	if (refresh)
		admit.admit.how = WIRE_HOW_REFRESH;
	admit.admit.raw = wanted.data;
	if (wanted.failed)
		return p2v_buf_check(&wanted, err);
	return recv_peer_send(&c->peer, &admit, err);
}

/* Where there can be no socket, there are no data connections: ADMIT's token says so. */
static void streams_open(struct conversation *c)
{
	int in_fd, out_fd;

	c->streams.program = PROGRAM;
	c->streams.features = FEATURES;
	c->streams.window = RECV_WINDOW_BYTES;
	if (c->peer.terms.features & WIRE_FEATURE_DATA &&
		link_fds(c->peer.link, &in_fd, &out_fd, NULL) == 0)
		recv_streams_open(&c->streams, c->job.dir, NULL);
}

/* What the job is called, where neither we nor the machine are to say it: malloc'd. */
static int name_wait(
	struct conversation *c, const struct p2v_buf *inventory, char **ret, struct p2v_err *err)
{
	p2v_auto_machine struct machine machine = {0};
	bool asks = c->peer.terms.features & WIRE_FEATURE_ASSIGN && !c->spec->name;
	int r;

	*ret = c->spec->name ? strdup(c->spec->name) : NULL;
	if (!c->caller.key && !asks)
		return 0;
	r = model_machine_decode(inventory->data, inventory->len, &machine, err);
	free(*ret);
	*ret = NULL;
	return r < 0 ? r : recv_enroll(&c->peer, c->spec->base, &c->caller, &machine, ret, err);
}

static int admit(struct conversation *c, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf inventory = {0};
	p2v_autofree char *name = NULL;
	struct wire_msg msg;
	int r = recv_peer_next(&c->peer, &msg, err);

	if (r < 0)
		return r;
	/* The message is gone with the next one, and waiting for the lock may read some. */
	p2v_buf_add(&inventory, msg.inventory.json, msg.inventory.n);
	r = p2v_buf_check(&inventory, err);
	if (r == 0)
		r = name_wait(c, &inventory, &name, err);
	if (r == 0)
		r = recv_job_init(&c->job, c->spec->base, name, inventory.data, inventory.len, err);
	if (r == 0)
		r = job_lock(c, err);
	if (r == 0)
		r = recv_job_admit(&c->job, inventory.data, inventory.len,
			c->peer.terms.features & WIRE_FEATURE_REFRESH, err);
	if (r == 0) {
		c->peer.alive_fd = c->job.lock_fd;
		c->peer.log_fd = recv_log_open(c->job.dir);
		r = recv_turn_wait(&c->peer, c->spec->base, &c->job, &c->turn, err);
	}
	if (r < 0)
		return r;
	streams_open(c);
	return admit_send(c, err);
}

static int open_check(
	const struct conversation *c, const struct wire_open *open, struct p2v_err *err)
{
	if (open->disk >= c->job.machine.n_disks ||
		open->size != c->job.machine.disks[open->disk].size_bytes)
		return p2v_err_set(err, P2V_EFORMAT,
			"OPEN: disk %u of %llu bytes is not in the inventory", open->disk,
			(unsigned long long)open->size);
	if (open->grain != BLOCK_GRAIN_BYTES || open->digest_kind != WIRE_DIGEST_XXH3_128)
		return p2v_err_set(err, P2V_EUNSUPPORTED,
			"OPEN: a grain of %u bytes with digest kind %u is not supported here",
			open->grain, open->digest_kind);
	if (open->pass != WIRE_PASS_COPY && !(c->peer.terms.features & WIRE_FEATURE_REFRESH))
		return p2v_err_set(err, P2V_EUNSUPPORTED, "OPEN: a second pass is not offered");
	return 0;
}

/* A first pass keeps what is durable: it must be of the same pass. */
static int pass_check(
	const struct wire_open *open, const struct journal *journal, struct p2v_err *err)
{
	struct journal_verified verified;

	if (!journal || open->pass == WIRE_PASS_REFRESH)
		return 0;
	if (recv_journal_refreshing(journal))
		return p2v_err_set(err, P2V_EREFUSED,
			"a second pass over disk %u was begun: only --refresh can complete it",
			open->disk);
	if (recv_journal_verified(journal, &verified))
		return p2v_err_set(err, P2V_EFORMAT, "OPEN: disk %u is not wanted", open->disk);
	return 0;
}

/* Before anything is made: the disk is still wanted, and there is room. The estimate counts used
 * bytes of the source; what is durable already needs no more. */
static int open_admit(
	const struct conversation *c, const struct wire_open *open, struct p2v_err *err)
{
	p2v_auto(recv_journal_free) struct journal *journal = NULL;
	uint64_t have = 0;
	int r = recv_disk_journal(
		c->job.image_dir, open->disk, open->size, c->spec->format, &journal, err);

	if (r < 0)
		return r;
	if (!journal && c->job.finished)
		return p2v_err_set(err, P2V_ENOTFOUND,
			"the image of disk %u is gone from %s: remove the job, or give this copy "
			"another --name",
			open->disk, c->job.image_dir);
	r = pass_check(open, journal, err);
	if (r < 0)
		return r;
	if (journal)
		have = recv_journal_durable(journal) * BLOCK_GRAIN_BYTES;
	return open->used > have ? recv_job_space(&c->job, open->used - have, err) : 0;
}

static int disk_open(struct conversation *c, const struct wire_open *open, struct p2v_err *err)
{
	struct wire_msg ready = {WIRE_READY, .ready = {open->disk, 0}};
	int r = open_check(c, open, err);

	recv_disk_finish(&c->disk);
	if (r == 0)
		r = open_admit(c, open, err);
	if (r == 0)
		r = recv_disk_open(&c->disk, c->spec->images ? c->spec->images : &recv_images_qemu,
			c->job.image_dir, open->disk, c->spec->format, open->size, err);
	if (r < 0)
		return r;
	c->refresh = open->pass == WIRE_PASS_REFRESH;
	ready.ready.durable_grains = recv_journal_durable(c->disk.journal);
	return recv_peer_send(&c->peer, &ready, err);
}

struct verify_progress {
	struct conversation *c;
	uint64_t said_ms;
};

static int verify_progress(void *ctx, uint64_t done_bytes, struct p2v_err *err)
{
	struct verify_progress *p = ctx;
	const struct recv_disk *disk = &p->c->disk;
	const struct wire_msg msg = {
		WIRE_PROGRESS, .progress = {disk->index, done_bytes, disk->size_bytes}};
	uint64_t now_ms = p2v_now_ms();
	int r;

	if (now_ms - p->said_ms < PROGRESS_MS)
		return 0;
	p->said_ms = now_ms;
	r = recv_peer_send(&p->c->peer, &msg, err);
	return r < 0 ? r : recv_peer_poll(&p->c->peer, err);
}

/* Each leaf was checked when it came and again just now: what A sent is what we hold, and still it
 * names another root. Nobody knows which chunk went to a wrong place, so none of it is kept: else A
 * would take our leaves for its own the next time. */
static int root_differs(struct conversation *c, struct p2v_err *err)
{
	struct journal *journal = c->disk.journal;
	int r = recv_journal_add(
		journal, JOURNAL_MISSING, 0, recv_journal_grains(journal), NULL, err);

	if (r == 0)
		r = recv_journal_commit(journal, recv_journal_mark(journal), err);
	if (r < 0)
		return r;
	return p2v_err_set(err, P2V_EFORMAT,
		"%s: the agent's digest of the whole disk is not that of the chunks it sent: all "
		"of it has to be sent again",
		c->disk.path);
}

static int verified_say(struct conversation *c, const struct intake_done *done,
	const struct digest *root, struct p2v_err *err)
{
	const struct wire_msg msg = {WIRE_VERIFIED, .verified = {c->disk.index, *root}};
	const struct journal_verified verified = {
		*root, done->read_bytes, done->sent_bytes, done->zero_bytes, done->free_bytes};
	int r;

	if (!block_digest_equal(root, &done->root))
		return root_differs(c, err);
	c->fresh[c->disk.index] = true;
	r = recv_journal_add_verified(c->disk.journal, &verified, err);
	if (r == 0)
		r = recv_journal_commit(c->disk.journal, recv_journal_mark(c->disk.journal), err);
	return r < 0 ? r : recv_peer_send(&c->peer, &msg, err);
}

static int refresh_mark(struct journal *journal, struct p2v_err *err)
{
	int r = recv_journal_add(journal, JOURNAL_REFRESH, 0, 0, NULL, err);

	return r < 0 ? r : recv_journal_commit(journal, recv_journal_mark(journal), err);
}

/* A finished job is about to change: each of its disks has to be gone over again, but for those
 * that this connection did already. */
static int refresh_begin(void *ctx, struct p2v_err *err)
{
	struct conversation *c = ctx;
	int r = refresh_mark(c->disk.journal, err);

	for (uint16_t i = 0; r == 0 && c->job.finished && i < c->job.machine.n_disks; i++) {
		p2v_auto(recv_journal_free) struct journal *journal = NULL;

		if (i == c->disk.index || c->fresh[i])
			continue;
		r = recv_disk_journal(c->job.image_dir, i, c->job.machine.disks[i].size_bytes,
			c->spec->format, &journal, err);
		if (r == 0 && journal)
			r = refresh_mark(journal, err);
	}
	if (r == 0 && c->job.finished)
		r = recv_job_reopen(&c->job, err);
	if (r == 0)
		c->job.finished = false;
	return r;
}

/* From READY to VERIFIED, as many rounds as it takes. */
static int disk_receive(struct conversation *c, struct p2v_err *err)
{
	const struct intake_begin begin = {refresh_begin, c};

	for (;;) {
		struct verify_progress progress = {c, p2v_now_ms()};
		struct wire_msg mismatch = {WIRE_MISMATCH, .mismatch = {.disk = c->disk.index}};
		struct recv_verdict verdict;
		struct intake_done done;
		int r = recv_intake_run(
			&c->peer, &c->streams, &c->disk, c->refresh ? &begin : NULL, &done, err);

		if (r == 0)
			r = recv_disk_verify(&c->disk, verify_progress, &progress, &verdict, err);
		if (r < 0)
			return r;
		if (verdict.n_ranges == 0) {
			p2v_buf_finish(&verdict.ranges);
			return verified_say(c, &done, &verdict.root, err);
		}
		mismatch.mismatch.ranges.n = verdict.n_ranges;
		mismatch.mismatch.ranges.raw = verdict.ranges.data;
		r = recv_peer_send(&c->peer, &mismatch, err);
		p2v_buf_finish(&verdict.ranges);
		if (r < 0)
			return r;
	}
}

/* The copy is done, whatever becomes of the link now. The directory is let go of: others go on in
 * it. */
static void follow(struct conversation *c)
{
	p2v_autofree char *dir = strdup(c->job.dir);

	recv_streams_finish(&c->streams);
	recv_streams_init(&c->streams);
	c->peer.alive_fd = -1;
	recv_job_finish(&c->job);
	if (dir)
		recv_follow_run(&c->peer, dir, NULL);
}

static int finish(struct conversation *c, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf receipt = {0};
	struct wire_msg finished = {.type = WIRE_FINISHED};
	int r = recv_job_complete(
		&c->job, c->spec->format, 1 + c->streams.n_max, &c->peer.unreadable, &receipt, err);

	if (r < 0)
		return r;
	finished.finished = (struct wire_finished){receipt.data, (uint32_t)receipt.len};
	store_queue_leave(p2v_steal(c->turn), true);
	r = recv_peer_send(&c->peer, &finished, err);
	if (r == 0 && c->peer.terms.features & WIRE_FEATURE_STATUS)
		follow(c);
	if (r == 0)
		recv_peer_close(&c->peer);
	return r;
}

/* A data connection: who may only ask has none, and who was let in has those of his own job. */
static int relay(struct conversation *c, const struct wire_hello *hello, struct p2v_err *err)
{
	p2v_autofree char *name = NULL;
	int r = 0;

	if (c->caller.key)
		r = recv_enrolled_name(&c->peer, c->spec->base, &c->caller, &name, err);
	return r < 0 ? r
		     : recv_relay_run(
			       c->spec->base, name ? name : c->spec->name, &c->peer, hello, err);
}

static int converse(struct conversation *c, struct p2v_err *err)
{
	struct wire_msg msg;
	int r = recv_peer_open(&c->peer, err);

	if (r == 0)
		r = recv_caller_read(c->spec->keys, &c->caller, err);
	if (r == 0)
		r = recv_peer_next(&c->peer, &msg, err);
	if (r < 0)
		return r;
	if (msg.hello.role == WIRE_ROLE_DATA)
		return relay(c, &msg.hello, err);
	r = welcome(c, &msg.hello, err);
	if (r == 0)
		r = admit(c, err);
	while (r == 0) {
		r = recv_peer_next(&c->peer, &msg, err);
		if (r < 0)
			return r;
		/* The session's table lets nothing but these two come here. */
		if (msg.type == WIRE_FINISH) {
			recv_disk_finish(&c->disk);
			return finish(c, err);
		}
		r = disk_open(c, &msg.open, err);
		if (r == 0)
			r = disk_receive(c, err);
	}
	return r;
}

int recv_run(const struct recv_spec *spec, struct link *link, struct p2v_err *err)
{
	struct conversation c = {.spec = spec, .job = {.lock_fd = -1}};
	struct p2v_err why = {0};
	int r = recv_peer_init(&c.peer, link, err);

	recv_streams_init(&c.streams);
	if (r < 0)
		return r;
	r = converse(&c, &why);
	if (r < 0) {
		/* What was taken is worth keeping, whatever went wrong; if this fails too, the
		 * journal does not speak of it. */
		if (c.disk.io && c.disk.journal)
			recv_disk_sync(&c.disk, NULL);
		if (c.job.name && why.kind != P2V_EREFUSED)
			p2v_err_wrap(&why, r, "job %s", c.job.name);
		recv_peer_fail(&c.peer, &why);
		if (err)
			*err = why;
	}
	recv_disk_finish(&c.disk);
	recv_streams_finish(&c.streams);
	/* Before the job is let go of: who has it may take the ticket. */
	store_queue_leave(c.turn, false);
	recv_job_finish(&c.job);
	recv_caller_finish(&c.caller);
	recv_peer_finish(&c.peer);
	return r;
}

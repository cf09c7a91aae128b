/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/send/lanes.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/send/pipeline.h"
#include "p2v/core/num.h"
#include "p2v/core/stop.h"

#define LANES_MAX      (SEND_STREAMS_MAX - 1)
#define QUEUE_EACH     2 /* chunks that wait, for each lane */
#define PAUSE_FIRST_MS 500u
#define PAUSE_MAX_MS   30000u

/* One chunk's frame on its way. */
struct frame {
	struct p2v_buf bytes;
	uint32_t data_bytes;
	uint64_t seq; /* on its lane's connection */
	struct frame *next;
};

struct frames {
	struct frame *first, *last;
	size_t n;
};

enum lane_state { LANE_NONE, LANE_CONNECTING, LANE_SERVING, LANE_OVER };

struct lane {
	struct lanes *all;
	pthread_t thread;
	enum lane_state state; /* NONE: there is no thread */
	bool stop;	       /* no new chunks; ends when all of its own are TAKEN */
	struct conn *conn;
	bool sending;
	struct frames held; /* sent, not TAKEN */
	uint64_t seq;
};

/* What the choice of a number has come to. */
enum tune { TUNE_OFF, TUNE_WATCH, TUNE_OPEN, TUNE_SETTLE, TUNE_TRIAL };

struct lanes {
	struct lanes_spec spec;
	pthread_mutex_t lock; /* taken before a connection's; all below */
	pthread_cond_t moved;
	struct frames queue, spare;
	size_t n_frames;
	struct lane items[LANES_MAX];
	unsigned n;	     /* items that were started */
	bool abort;	     /* ends all at once */
	struct p2v_err told; /* why a lane is over or connects anew; to be shown once */
	/* the putting thread's */
	enum tune tune;
	uint64_t tune_ms, tune_bytes, tune_busy_ns, tune_cpu_ns, began_ms, put_bytes;
	uint64_t base_rate;
};

static void frames_add(struct frames *list, struct frame *f)
{
	f->next = NULL;
	if (list->last)
		list->last->next = f;
	else
		list->first = f;
	list->last = f;
	list->n++;
}

static struct frame *frames_take(struct frames *list)
{
	struct frame *f = list->first;

	if (!f)
		return NULL;
	list->first = f->next;
	if (!list->first)
		list->last = NULL;
	list->n--;
	return f;
}

static void frames_free(struct frames *list)
{
	struct frame *f;

	while ((f = frames_take(list))) {
		p2v_buf_finish(&f->bytes);
		free(f);
	}
}

static void on_moved(void *ctx)
{
	struct lanes *all = ctx;

	pthread_mutex_lock(&all->lock);
	pthread_cond_broadcast(&all->moved);
	pthread_mutex_unlock(&all->lock);
}

/* Needs the lock. */
static void wait_moved(struct lanes *all, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&all->moved, &all->lock, &until);
}

/* ---- one lane ---- */

/* What the server did not take goes the way of all such ranges. Needs the lock. */
static void again_move(struct lane *l)
{
	struct send_ranges *from = &l->conn->again;
	struct p2v_err err = {0};

	pthread_mutex_lock(&l->conn->lock);
	for (; from->n; from->n--) {
		const struct wire_range *range = &from->items[from->n - 1];

		/* It was in bounds there; only too many of them can fail. */
		if (conn_again_add(l->all->spec.control, range->offset, range->length, &err) < 0) {
			pthread_mutex_lock(&l->all->spec.control->lock);
			conn_end_locked(l->all->spec.control, &err);
			pthread_mutex_unlock(&l->all->spec.control->lock);
			break;
		}
	}
	pthread_mutex_unlock(&l->conn->lock);
}

/* Lets go of what is TAKEN. Needs the lock. */
static void lane_reap(struct lane *l)
{
	uint64_t taken;

	pthread_mutex_lock(&l->conn->lock);
	taken = l->conn->window.taken_seq;
	pthread_mutex_unlock(&l->conn->lock);
	while (l->held.first && l->held.first->seq <= taken)
		frames_add(&l->all->spare, frames_take(&l->held));
	again_move(l);
	pthread_cond_broadcast(&l->all->moved);
}

/* Sends until it is to stop (0) or the connection ends. Needs the lock, gives it up in between. */
static int lane_serve(struct lane *l, struct p2v_err *err)
{
	struct lanes *all = l->all;
	int r = 0;

	while (r == 0 && !all->abort) {
		struct frame *f;

		lane_reap(l);
		if (l->stop && !l->held.first)
			return 0;
		f = l->stop ? NULL : frames_take(&all->queue);
		l->sending = f != NULL;
		if (!f)
			wait_moved(all, SEND_TICK_MS);
		pthread_mutex_unlock(&all->lock);
		r = f ? conn_send_chunk(l->conn, f->bytes.data, f->bytes.len, f->data_bytes, err)
		      : conn_tick(l->conn, err);
		pthread_mutex_lock(&all->lock);
		l->sending = false;
		if (f) {
			f->seq = ++l->seq;
			frames_add(&l->held, f);
		}
	}
	return r;
}

static int lane_greet(struct conn *c, struct p2v_err *err)
{
	struct wire_msg msg;
	int r = conn_answer(c, NULL, NULL, &msg, err);

	if (r == 0)
		conn_answer_done(c);
	return r;
}

static int lane_connect(struct lane *l, struct conn **ret, struct p2v_err *err)
{
	const struct lanes_spec *spec = &l->all->spec;
	const struct conn_offer offer = {.program = SEND_PROGRAM,
		.features = SEND_FEATURES,
		.token = spec->token,
		.pace = spec->control,
		.disk = spec->disk,
		.disk_bytes = spec->disk_bytes,
		.moved = on_moved,
		.moved_ctx = l->all,
		.load = spec->load};
	p2v_auto(conn_free) struct conn *c = NULL;
	struct link *link;
	int r = spec->send->connect(spec->send->connect_ctx, &link, err);

	if (r == 0)
		r = conn_open(link, &offer, &c, err);
	if (r == 0)
		r = lane_greet(c, err);
	if (r == 0)
		*ret = p2v_steal(c);
	return r;
}

/* One connection of a lane, from its making to its end. Needs the lock. */
static int lane_once(struct lane *l, bool *ret_served, struct p2v_err *err)
{
	struct lanes *all = l->all;
	struct conn *c = NULL;
	struct frame *f;
	int r;

	pthread_mutex_unlock(&all->lock);
	r = lane_connect(l, &c, err);
	pthread_mutex_lock(&all->lock);
	if (r < 0)
		return r;
	*ret_served = true;
	l->conn = c;
	l->seq = 0;
	l->state = LANE_SERVING;
	r = lane_serve(l, err);
	again_move(l);
	l->conn = NULL;
	l->state = LANE_CONNECTING;
	while ((f = frames_take(&l->held)))
		frames_add(&all->queue, f);
	pthread_cond_broadcast(&all->moved);
	pthread_mutex_unlock(&all->lock);
	conn_free(c);
	pthread_mutex_lock(&all->lock);
	return r;
}

/* Needs the lock. */
static void lane_pause(struct lane *l, unsigned *ms)
{
	uint64_t until = p2v_now_ms() + *ms;

	while (!l->stop && !l->all->abort && p2v_now_ms() < until && !p2v_stop_requested())
		wait_moved(l->all, SEND_TICK_MS);
	*ms = *ms * 2 < PAUSE_MAX_MS ? *ms * 2 : PAUSE_MAX_MS;
}

static void *lane_run(void *arg)
{
	struct lane *l = arg;
	struct lanes *all = l->all;
	unsigned pause_ms = PAUSE_FIRST_MS;
	uint64_t since_ms = p2v_now_ms();

	pthread_mutex_lock(&all->lock);
	while (!l->stop && !all->abort) {
		struct p2v_err err = {0};
		bool served = false;
		int r = lane_once(l, &served, &err);

		if (served) {
			since_ms = p2v_now_ms();
			pause_ms = PAUSE_FIRST_MS;
		}
		if (r == 0 || all->abort || p2v_stop_requested())
			break;
		all->told = err;
		if (r != P2V_ELINK || p2v_now_ms() - since_ms > all->spec.send->retry_for_ms)
			break;
		lane_pause(l, &pause_ms);
	}
	l->state = LANE_OVER;
	pthread_cond_broadcast(&all->moved);
	pthread_mutex_unlock(&all->lock);
	return NULL;
}

/* ---- all of them ---- */

/* Needs the lock. */
static unsigned lanes_in(const struct lanes *all, enum lane_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < all->n; i++)
		n += all->items[i].state == state && !all->items[i].stop;
	return n;
}

unsigned lanes_count(struct lanes *all)
{
	unsigned n;

	pthread_mutex_lock(&all->lock);
	n = 1 + lanes_in(all, LANE_SERVING);
	pthread_mutex_unlock(&all->lock);
	return n;
}

bool lanes_alone(const struct lanes *all)
{
	return all->n == 0;
}

static void lane_start(struct lanes *all)
{
	struct lane *l = &all->items[all->n];

	if (all->n == LANES_MAX)
		return;
	*l = (struct lane){.all = all, .state = LANE_CONNECTING};
	pthread_mutex_lock(&all->lock);
	if (pthread_create(&l->thread, NULL, lane_run, l) == 0)
		all->n++;
	pthread_mutex_unlock(&all->lock);
}

static void lane_stop(struct lanes *all, struct lane *l)
{
	pthread_mutex_lock(&all->lock);
	l->stop = true;
	pthread_cond_broadcast(&all->moved);
	pthread_mutex_unlock(&all->lock);
}

int lanes_new(const struct lanes_spec *spec, struct lanes **ret, struct p2v_err *err)
{
	struct lanes *all = calloc(1, sizeof(*all));
	pthread_condattr_t monotonic;

	if (!all)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	all->spec = *spec;
	pthread_mutex_init(&all->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&all->moved, &monotonic);
	pthread_condattr_destroy(&monotonic);
	all->began_ms = all->tune_ms = p2v_now_ms();
	all->tune = spec->streams->chosen ? TUNE_OFF : TUNE_WATCH;
	for (unsigned i = 1; i < spec->streams->n; i++)
		lane_start(all);
	*ret = all;
	return 0;
}

void lanes_free(struct lanes *all)
{
	if (!all)
		return;
	pthread_mutex_lock(&all->lock);
	all->abort = true;
	for (unsigned i = 0; i < all->n; i++)
		if (all->items[i].conn)
			link_cancel(all->items[i].conn->link);
	pthread_cond_broadcast(&all->moved);
	pthread_mutex_unlock(&all->lock);
	for (unsigned i = 0; i < all->n; i++) {
		pthread_join(all->items[i].thread, NULL);
		frames_free(&all->items[i].held);
	}
	frames_free(&all->queue);
	frames_free(&all->spare);
	pthread_cond_destroy(&all->moved);
	pthread_mutex_destroy(&all->lock);
	free(all);
}

/* A frame to fill, where the lanes can use another one. Needs the lock. */
static struct frame *frame_new(struct lanes *all)
{
	unsigned serving = lanes_in(all, LANE_SERVING);
	struct frame *f;

	if (all->queue.n >= (size_t)QUEUE_EACH * serving)
		return NULL;
	f = frames_take(&all->spare);
	if (f || all->n_frames == LANES_HELD_MAX)
		return f;
	f = calloc(1, sizeof(*f));
	/* At once and for good, as doubling would take twice as much. */
	if (f && !p2v_buf_reserve(&f->bytes, SEND_CHUNK_BYTES + SEND_FRAME_HEAD_BYTES)) {
		free(f);
		return NULL;
	}
	all->n_frames += f != NULL;
	return f;
}

/* What is left in the queue where no lane serves it any more. */
static int queue_send(struct lanes *all, struct p2v_err *err)
{
	for (;;) {
		struct frame *f = NULL;
		int r;

		pthread_mutex_lock(&all->lock);
		if (lanes_in(all, LANE_SERVING) == 0)
			f = frames_take(&all->queue);
		pthread_mutex_unlock(&all->lock);
		if (!f)
			return 0;
		r = conn_send_chunk(
			all->spec.control, f->bytes.data, f->bytes.len, f->data_bytes, err);
		pthread_mutex_lock(&all->lock);
		frames_add(&all->spare, f);
		pthread_mutex_unlock(&all->lock);
		if (r < 0)
			return r;
	}
}

int lanes_put(
	struct lanes *all, const uint8_t *frame, size_t n, uint32_t data_bytes, struct p2v_err *err)
{
	struct frame *f;
	int r;

	all->put_bytes += n;
	pthread_mutex_lock(&all->lock);
	f = frame_new(all);
	if (f) {
		p2v_buf_reset(&f->bytes);
		p2v_buf_add(&f->bytes, frame, n);
		f->data_bytes = data_bytes;
		r = p2v_buf_check(&f->bytes, err);
		frames_add(r == 0 ? &all->queue : &all->spare, f);
		pthread_cond_broadcast(&all->moved);
	}
	pthread_mutex_unlock(&all->lock);
	if (f)
		return r == 0 ? conn_tick(all->spec.control, err) : r;
	r = queue_send(all, err);
	return r < 0 ? r : conn_send_chunk(all->spec.control, frame, n, data_bytes, err);
}

/* Needs the lock. */
static bool lanes_idle(const struct lanes *all)
{
	bool idle = all->queue.n == 0;

	for (unsigned i = 0; i < all->n; i++)
		idle = idle && !all->items[i].sending && !all->items[i].held.first;
	return idle;
}

int lanes_drained(struct lanes *all, struct p2v_err *err)
{
	bool idle;

	do {
		int r = queue_send(all, err);

		if (r == 0)
			r = conn_tick(all->spec.control, err);
		if (r < 0)
			return r;
		pthread_mutex_lock(&all->lock);
		idle = lanes_idle(all);
		if (!idle)
			wait_moved(all, SEND_TICK_MS);
		pthread_mutex_unlock(&all->lock);
	} while (!idle);
	return conn_drained(all->spec.control, err);
}

/* ---- how many ---- */

#define WINDOW_MS     1000
#define SETTLE_MS     300
#define TRIAL_MS      1500
#define TUNE_FOR_MS   20000
#define BUSY_PERCENT  75 /* of the time in its link: what bounds it may be that */
#define CPU_PERCENT   60 /* of a processor for its link: less, and it waits for the network */
#define GAIN_PERMILLE 1143

static unsigned lanes_sensible(void)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	return online > 4 ? 4 : online > 0 ? (unsigned)online : 1;
}

static void window_begin(struct lanes *all, enum tune tune)
{
	all->tune = tune;
	all->tune_ms = p2v_now_ms();
	all->tune_bytes = all->put_bytes;
	all->tune_busy_ns = atomic_load(&all->spec.load->busy_ns[SEND_STAGE_LINK]);
	link_cpu_ns(all->spec.control->link, &all->tune_cpu_ns);
}

static uint64_t window_rate(const struct lanes *all, uint64_t passed_ms)
{
	return (all->put_bytes - all->tune_bytes) * 1000 / p2v_max_u64(passed_ms, 1);
}

static void tune_end(struct lanes *all)
{
	all->tune = TUNE_OFF;
	all->spec.streams->chosen = true;
	all->spec.streams->n = lanes_count(all);
}

/* Every thread of the link was busy nearly all the time, and not with waiting for the network: a
 * second connection through the same one gains nothing, and no repeats are found while there are
 * two. */
static bool link_is_busy(struct lanes *all, uint64_t passed_ms)
{
	uint64_t busy_ns =
		atomic_load(&all->spec.load->busy_ns[SEND_STAGE_LINK]) - all->tune_busy_ns;
	uint64_t cpu_ns = 0;

	if (link_cpu_ns(all->spec.control->link, &cpu_ns) &&
		(cpu_ns - all->tune_cpu_ns) / 1000000 * 100 < passed_ms * CPU_PERCENT)
		return false;
	return busy_ns / 1000000 * 100 >= passed_ms * BUSY_PERCENT * lanes_count(all);
}

static void tune_watch(struct lanes *all, uint64_t passed_ms)
{
	if (passed_ms < WINDOW_MS)
		return;
	/* At first caches are cold and windows small: any later second would look better. */
	if (p2v_now_ms() - all->began_ms < 2 * WINDOW_MS) {
		window_begin(all, TUNE_WATCH);
		return;
	}
	all->base_rate = window_rate(all, passed_ms);
	if (p2v_now_ms() - all->began_ms > TUNE_FOR_MS || lanes_count(all) >= lanes_sensible()) {
		tune_end(all);
	} else if (link_is_busy(all, passed_ms)) {
		lane_start(all);
		window_begin(all, TUNE_OPEN);
	} else {
		window_begin(all, TUNE_WATCH);
	}
}

static void tune_trial(struct lanes *all, uint64_t passed_ms)
{
	if (passed_ms < TRIAL_MS)
		return;
	if (window_rate(all, passed_ms) * 1000 >= all->base_rate * GAIN_PERMILLE) {
		window_begin(all, TUNE_WATCH);
		return;
	}
	lane_stop(all, &all->items[all->n - 1]);
	tune_end(all);
}

static void tune_open(struct lanes *all)
{
	enum lane_state state;

	pthread_mutex_lock(&all->lock);
	state = all->items[all->n - 1].state;
	pthread_mutex_unlock(&all->lock);
	if (state == LANE_SERVING)
		window_begin(all, TUNE_SETTLE);
	else if (state == LANE_OVER)
		tune_end(all);
}

static void tune(struct lanes *all)
{
	uint64_t passed_ms = p2v_now_ms() - all->tune_ms;

	switch (all->tune) {
	case TUNE_OFF:
		break;
	case TUNE_WATCH:
		tune_watch(all, passed_ms);
		break;
	case TUNE_OPEN:
		tune_open(all);
		break;
	case TUNE_SETTLE:
		if (passed_ms >= SETTLE_MS)
			window_begin(all, TUNE_TRIAL);
		break;
	case TUNE_TRIAL:
		tune_trial(all, passed_ms);
		break;
	}
}

void lanes_watch(struct lanes *all)
{
	struct send_streams *streams = all->spec.streams;
	struct p2v_err told;

	tune(all);
	streams->most = lanes_count(all) > streams->most ? lanes_count(all) : streams->most;
	pthread_mutex_lock(&all->lock);
	told = all->told;
	all->told = (struct p2v_err){0};
	pthread_mutex_unlock(&all->lock);
	if (told.kind && all->spec.send->progress)
		p2v_progress_say(all->spec.send->progress,
			"one of several connections is missing: %s", told.text);
}

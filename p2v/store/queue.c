/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/store/queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/model/check.h"
#include "p2v/store/jobdir.h"

/* How long a place is kept for an agent that has lost its link. */
#define KEPT_S	   3600
#define NUMBER_LEN 12
/* model_name_ok's */
#define NAME_MOST 64
#define TEXT_MOST ((size_t)4096)

/* ---- limits ---- */

static const struct p2v_json_field limits_fields[] = {
	P2V_JSON_U32(struct store_limits, version, P2V_JSON_REQUIRED),
	P2V_JSON_U32(struct store_limits, receivers, 0),
	P2V_JSON_U64(struct store_limits, keep_free_bytes, 0),
	P2V_JSON_U64(struct store_limits, quota_bytes, 0),
	P2V_JSON_U64(struct store_limits, job_quota_bytes, 0),
	P2V_JSON_U32(struct store_limits, patience_s, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type limits_type = {
	"limits", sizeof(struct store_limits), limits_fields};

int store_limits_load(const char *base, struct store_limits *ret, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(base, STORE_LIMITS);

	*ret = (struct store_limits){0};
	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	return p2v_json_load(&limits_type, path, ret, err);
}

int store_limits_save(const char *base, const struct store_limits *limits, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct store_limits l = *limits;
	int r;

	l.version = 1;
	r = p2v_json_encode(&limits_type, &l, true, &text, err);
	return r < 0 ? r : store_jobdir_place(base, STORE_LIMITS, &text, false, err);
}

/* ---- tickets ---- */

struct ticket {
	uint64_t number;
	char job[NAME_MOST + 1];
	bool alive;
	/* what its file says */
	bool sends;	     /* of a live one */
	uint64_t need_bytes; /* that its transfer writes at most */
	uint64_t had_bytes;  /* what its job's image took before */
	uint64_t lacks_s;    /* since when it has waited for room; 0: it has not */
};

static const struct p2v_json_field ticket_fields[] = {
	P2V_JSON_BOOL(struct ticket, sends, 0),
	P2V_JSON_U64(struct ticket, need_bytes, 0),
	P2V_JSON_U64(struct ticket, had_bytes, 0),
	P2V_JSON_U64(struct ticket, lacks_s, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type ticket_type = {"ticket", sizeof(struct ticket), ticket_fields};

struct tickets {
	struct ticket *items;
	size_t n;
};

struct store_queue {
	char *base;
	int dir_fd;	  /* BASE/.queue */
	int fd;		  /* the ticket, locked */
	struct ticket me; /* need and had: of the last look */
	char name[NUMBER_LEN + 1 + NAME_MOST + 1];
};

static bool name_parse(const char *name, struct ticket *ret)
{
	char digits[NUMBER_LEN + 1];

	*ret = (struct ticket){0};
	if (strnlen(name, NUMBER_LEN) < NUMBER_LEN || name[NUMBER_LEN] != '.' ||
		!model_name_ok(name + NUMBER_LEN + 1))
		return false;
	memcpy(digits, name, NUMBER_LEN);
	digits[NUMBER_LEN] = '\0';
	memcpy(ret->job, name + NUMBER_LEN + 1, strlen(name + NUMBER_LEN + 1) + 1);
	return p2v_num_parse(digits, "number", 0, INT64_MAX, &ret->number, NULL) == 0;
}

/* One that nobody holds is dead, and after a while it is removed. */
static void ticket_read(int dir_fd, const char *name, struct ticket *ticket)
{
	p2v_autoclose int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[TEXT_MOST];
	struct ticket said = {0};
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return;
	ticket->alive = flock(fd, LOCK_SH | LOCK_NB) < 0;
	if (!ticket->alive && fstat(fd, &st) == 0 && time(NULL) - st.st_mtime > KEPT_S) {
		unlinkat(dir_fd, name, 0);
		return;
	}
	n = read(fd, text, sizeof(text));
	if (n <= 0 || p2v_json_decode(&ticket_type, text, (size_t)n, &said, NULL) < 0)
		return;
	ticket->sends = ticket->alive && said.sends;
	ticket->need_bytes = said.need_bytes;
	ticket->had_bytes = said.had_bytes;
	ticket->lacks_s = said.lacks_s;
}

static int by_number(const void *a, const void *b)
{
	const struct ticket *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* All but `own`, in order. The queue is locked. */
static int tickets_read(int dir_fd, const char *own, struct tickets *ret, struct p2v_err *err)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (!dir) {
		r = p2v_err_errno(err, errno, STORE_QUEUE);
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r == 0 && (e = readdir(dir))) {
		struct ticket ticket, *to;

		if (!name_parse(e->d_name, &ticket) || (own && strcmp(e->d_name, own) == 0))
			continue;
		ticket_read(dir_fd, e->d_name, &ticket);
		to = p2v_json_grow((void **)&ret->items, &ret->n, sizeof(*to));
		if (to)
			*to = ticket;
		else
			r = p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	closedir(dir);
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_number);
	return r;
}

static void tickets_finish(struct tickets *tickets)
{
	free(tickets->items);
}
#define auto_tickets __attribute__((cleanup(tickets_finish)))

static int dir_open(const char *base, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(base, STORE_QUEUE);
	int fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;

	return fd >= 0 ? fd : p2v_err_errno(err, errno, "%s/" STORE_QUEUE, base);
}

/* Till it is closed; held for moments only. */
static int queue_lock(int dir_fd, struct p2v_err *err)
{
	int fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return p2v_err_errno(err, errno, STORE_QUEUE "/lock");
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR) {
			p2v_err_errno(err, errno, STORE_QUEUE "/lock");
			close(fd);
			return P2V_EIO;
		}
	return fd;
}

static int ticket_write(const struct store_queue *q, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	int r = p2v_json_encode(&ticket_type, &q->me, false, &text, err);

	if (r < 0)
		return r;
	if (ftruncate(q->fd, 0) < 0 || pwrite(q->fd, text.data, text.len, 0) != (ssize_t)text.len)
		return p2v_err_errno(err, errno, STORE_QUEUE "/%s", q->name);
	return 0;
}

/* ---- coming and going ---- */

static int ticket_take(struct store_queue *q, const char *job, struct p2v_err *err)
{
	auto_tickets struct tickets all = {0};
	uint64_t number = 1;
	int r = tickets_read(q->dir_fd, NULL, &all, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < all.n; i++) {
		number = p2v_max_u64(number, all.items[i].number + 1);
		if (strcmp(all.items[i].job, job) == 0) {
			q->me.number = all.items[i].number;
			q->me.lacks_s = all.items[i].lacks_s;
		}
	}
	if (!q->me.number)
		q->me.number = number;
	snprintf(q->me.job, sizeof(q->me.job), "%s", job);
	snprintf(q->name, sizeof(q->name), "%0*llu.%s", NUMBER_LEN,
		(unsigned long long)q->me.number, job);
	q->fd = openat(q->dir_fd, q->name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (q->fd < 0 || flock(q->fd, LOCK_EX | LOCK_NB) < 0)
		return p2v_err_errno(err, errno, STORE_QUEUE "/%s", q->name);
	return ticket_write(q, err);
}

int store_queue_enter(
	const char *base, const char *job, struct store_queue **ret, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(base, STORE_QUEUE);
	struct store_queue *q = calloc(1, sizeof(*q));
	p2v_autoclose int lock = -1;
	int r;

	if (!q || !path) {
		free(q);
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	q->fd = q->dir_fd = -1;
	q->base = strdup(base);
	r = q->base ? p2v_dir_make(path, 0700, err) : p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (r == 0)
		r = q->dir_fd = dir_open(base, err);
	if (r >= 0)
		r = lock = queue_lock(q->dir_fd, err);
	if (r >= 0)
		r = ticket_take(q, job, err);
	if (r < 0) {
		store_queue_leave(q, false);
		return r;
	}
	*ret = q;
	return 0;
}

void store_queue_leave(struct store_queue *q, bool done)
{
	if (!q)
		return;
	if (done && q->fd >= 0)
		unlinkat(q->dir_fd, q->name, 0);
	p2v_cleanup_close(&q->fd);
	p2v_cleanup_close(&q->dir_fd);
	free(q->base);
	free(q);
}

/* ---- room ---- */

static uint64_t dir_bytes_at(int fd)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	uint64_t sum = 0;
	struct dirent *e;
	struct stat st;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while ((e = readdir(dir))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
			fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		/* What has two names lies there once. */
		sum += (uint64_t)st.st_blocks * 512 / (S_ISREG(st.st_mode) ? st.st_nlink : 1);
		if (S_ISDIR(st.st_mode))
			sum += dir_bytes_at(openat(dirfd(dir), e->d_name,
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	}
	closedir(dir);
	return sum;
}

uint64_t store_dir_bytes(const char *dir)
{
	return dir_bytes_at(open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

static uint64_t image_bytes(const char *base, const char *job)
{
	p2v_autofree char *path = p2v_strf("%s/%s/" STORE_IMAGE_DIR, base, job);

	return path ? store_dir_bytes(path) : 0;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* What a transfer that is under way may still write. */
static uint64_t ticket_rest(const char *base, const struct ticket *t)
{
	return minus(t->need_bytes, minus(image_bytes(base, t->job), t->had_bytes));
}

static uint64_t rest_of(const char *base, const struct tickets *tickets)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < tickets->n; i++)
		if (tickets->items[i].alive && tickets->items[i].sends)
			sum += ticket_rest(base, &tickets->items[i]);
	return sum;
}

static uint64_t free_bytes_at(const char *base, const char *job)
{
	p2v_autofree char *dir = p2v_path_join(base, job);
	struct statvfs st;
	uint64_t bytes;

	if (!dir || statvfs(dir, &st) < 0 || !p2v_mul_u64(st.f_bavail, st.f_frsize, &bytes))
		return UINT64_MAX;
	return bytes;
}

/* What there could be for one machine if nobody else had anything. */
static uint64_t room_in_all(const char *base, const struct store_limits *limits)
{
	struct statvfs st;
	uint64_t bytes = UINT64_MAX;

	if (statvfs(base, &st) == 0 && p2v_mul_u64(st.f_blocks, st.f_frsize, &bytes))
		bytes = minus(bytes, limits->keep_free_bytes);
	return limits->quota_bytes ? p2v_min_u64(bytes, limits->quota_bytes) : bytes;
}

/* What may be promised to one more. */
static uint64_t room(const struct store_queue *q, const struct tickets *others,
	const struct store_limits *limits)
{
	uint64_t promised = rest_of(q->base, others);
	uint64_t left =
		minus(free_bytes_at(q->base, q->me.job), promised + limits->keep_free_bytes);

	if (limits->quota_bytes)
		left = p2v_min_u64(
			left, minus(limits->quota_bytes, store_dir_bytes(q->base) + promised));
	return left;
}

/* ---- whose turn it is ---- */

static void turn_wait_turn(
	struct store_turn *turn, uint32_t senders, const struct store_limits *limits)
{
	if (turn->place > 1)
		snprintf(turn->text, sizeof(turn->text),
			"place %u in the queue: %u machines are being received, %u may be at once",
			turn->place, senders, limits->receivers);
	else
		snprintf(turn->text, sizeof(turn->text),
			"next in the queue: %u machines are being received, %u may be at once",
			senders, limits->receivers);
}

static void turn_wait_room(
	struct store_turn *turn, uint64_t need, uint64_t left, const struct store_limits *limits)
{
	char needs[P2V_NUM_TEXT], has[P2V_NUM_TEXT];

	/* Rounded, so that it does not change with each look. */
	snprintf(turn->text, sizeof(turn->text),
		"place %u in the queue: waits for room on the server: %s are needed, and %s are "
		"neither used, reserved nor to stay free%s",
		turn->place, p2v_num_bytes_text(need, needs),
		p2v_num_bytes_text(p2v_align_down(left, 256 * P2V_MIB), has),
		limits->quota_bytes ? " within the quota" : "");
}

static void turn_wait_kept(struct store_turn *turn)
{
	snprintf(turn->text, sizeof(turn->text),
		"place %u in the queue: what room there is on the server is kept for a larger "
		"machine that has waited for it long enough",
		turn->place);
}

static bool room_is_kept(
	const struct store_queue *q, const struct ticket *t, const struct store_limits *limits)
{
	return limits->patience_s && t->lacks_s &&
	       minus((uint64_t)time(NULL), t->lacks_s) >= limits->patience_s &&
	       t->need_bytes <= room_in_all(q->base, limits);
}

/* Who stands before us, and what those leave. */
struct ahead {
	uint32_t senders, before, fitting;
	bool kept; /* all that is left, for one of them */
	uint64_t left;
};

static struct ahead look_ahead(const struct store_queue *q, const struct tickets *others,
	const struct store_limits *limits)
{
	struct ahead a = {.left = room(q, others, limits)};

	for (size_t i = 0; i < others->n; i++) {
		const struct ticket *t = &others->items[i];
		bool first = t->alive && !t->sends && t->number < q->me.number;

		a.senders += t->alive && t->sends;
		a.before += first;
		if (first && t->need_bytes <= a.left) {
			a.fitting++;
			a.left -= t->need_bytes;
		} else if (first && room_is_kept(q, t, limits)) {
			a.kept = true;
			a.left = 0;
		}
	}
	return a;
}

static void decide(struct store_queue *q, const struct tickets *others,
	const struct store_limits *limits, struct store_turn *turn)
{
	struct ahead a = look_ahead(q, others, limits);
	bool lacks = q->me.need_bytes > a.left;

	turn->place = a.before + 1;
	if (lacks && a.kept)
		turn_wait_kept(turn);
	else if (lacks)
		turn_wait_room(turn, q->me.need_bytes, a.left, limits);
	else if (limits->receivers && a.senders + a.fitting >= limits->receivers)
		turn_wait_turn(turn, a.senders, limits);
	else
		turn->admitted = true;
	if (!lacks)
		q->me.lacks_s = 0;
	else if (!q->me.lacks_s)
		q->me.lacks_s = (uint64_t)time(NULL);
}

int store_queue_look(struct store_queue *q, const struct store_limits *limits, uint64_t need_bytes,
	struct store_turn *ret, struct p2v_err *err)
{
	p2v_autoclose int lock = queue_lock(q->dir_fd, err);
	auto_tickets struct tickets others = {0};
	int r = lock < 0 ? lock : tickets_read(q->dir_fd, q->name, &others, err);

	if (r < 0)
		return r;
	*ret = (struct store_turn){.admitted = q->me.sends};
	q->me.need_bytes = need_bytes;
	if (!ret->admitted)
		decide(q, &others, limits, ret);
	if (ret->admitted)
		q->me.had_bytes = image_bytes(q->base, q->me.job);
	q->me.sends = ret->admitted;
	return ticket_write(q, err);
}

/* ---- for who looks on ---- */

static int live_tickets(const char *base, struct tickets *ret, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(base, STORE_QUEUE);
	p2v_autoclose int dir_fd = -1, lock = -1;

	/* Nobody has come yet. */
	if (!path || !p2v_file_exists(path))
		return 0;
	dir_fd = dir_open(base, err);
	if (dir_fd < 0)
		return dir_fd;
	/* It is the receivers' to make, whose user is perhaps not ours. */
	if (faccessat(dir_fd, "lock", F_OK, 0) < 0)
		return 0;
	lock = queue_lock(dir_fd, err);
	return lock < 0 ? lock : tickets_read(dir_fd, NULL, ret, err);
}

uint64_t store_queue_reserved(const char *base)
{
	auto_tickets struct tickets all = {0};

	return live_tickets(base, &all, NULL) < 0 ? 0 : rest_of(base, &all);
}

int store_queue_list(const char *base,
	int (*see)(void *ctx, const char *job, uint32_t place, struct p2v_err *err), void *ctx,
	struct p2v_err *err)
{
	auto_tickets struct tickets all = {0};
	uint32_t place = 0;
	int r = live_tickets(base, &all, err);

	for (size_t i = 0; r == 0 && i < all.n; i++) {
		const struct ticket *t = &all.items[i];

		if (t->alive)
			r = see(ctx, t->job, t->sends ? 0 : ++place, err);
	}
	return r;
}

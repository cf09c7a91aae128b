/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/store/agents-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/text.h"
#include "p2v/store/jobdir.h"

#define ID_LENGTH   8
#define TEXT_MOST   64 /* of what a machine says of itself */
#define LIST_MOST   16 /* of its cards and disks */
#define THERE_S	    20 /* it is touched every few seconds */
#define DOOR	    "door"
#define FROM_CHARS  "0123456789abcdefABCDEF.:/,*?!-ghijklmnopqrstuvwxyz"
#define DOOR_MOST_S UINT64_C(2592000)

/* clang-format off */
#define SHOWN                                                                                      \
	P2V_JSON_U32(struct store_agent, version, 0),                                              \
	P2V_JSON_STR(struct store_agent, id, P2V_JSON_REQUIRED),                                   \
	P2V_JSON_STR(struct store_agent, wants, 0),                                                \
	P2V_JSON_STR(struct store_agent, name, 0),                                                 \
	P2V_JSON_STR(struct store_agent, vendor, 0),                                               \
	P2V_JSON_STR(struct store_agent, product, 0),                                              \
	P2V_JSON_STR(struct store_agent, serial, 0),                                               \
	P2V_JSON_STR(struct store_agent, uuid, 0),                                                 \
	P2V_JSON_STRS(struct store_agent, macs, 0),                                                \
	P2V_JSON_STRS(struct store_agent, disks, 0),                                               \
	P2V_JSON_STR(struct store_agent, address, 0),                                              \
	P2V_JSON_U64(struct store_agent, asked_s, 0),                                              \
	P2V_JSON_U64(struct store_agent, decided_s, P2V_JSON_OMIT),                                \
	P2V_JSON_U64(struct store_agent, until_s, P2V_JSON_OMIT),                                  \
	P2V_JSON_STR(struct store_agent, by, 0)
/* clang-format on */

static const struct p2v_json_field shown_fields[] = {
	SHOWN,
	P2V_JSON_BOOL(struct store_agent, new_key, 0),
	P2V_JSON_BOOL(struct store_agent, there, 0),
	P2V_JSON_END,
};
const struct p2v_json_type store_agent_type = {"agent", sizeof(struct store_agent), shown_fields};

static const struct p2v_json_field agents_fields[] = {
	P2V_JSON_U32(struct store_agents, version, 0),
	P2V_JSON_OBJS(struct store_agents, agents, 0, &store_agent_type),
	P2V_JSON_END,
};
const struct p2v_json_type store_agents_type = {
	"agents", sizeof(struct store_agents), agents_fields};

static const struct p2v_json_field file_fields[] = {
	SHOWN,
	P2V_JSON_STR(struct store_agent, key, 0),
	P2V_JSON_STR(struct store_agent, code, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type file_type = {"agent", sizeof(struct store_agent), file_fields};

static const struct p2v_json_field door_fields[] = {
	P2V_JSON_U32(struct store_door, version, 0),
	P2V_JSON_U64(struct store_door, until_s, 0),
	P2V_JSON_STR(struct store_door, from, 0),
	P2V_JSON_END,
};
const struct p2v_json_type store_door_type = {"door", sizeof(struct store_door), door_fields};

void store_agent_finish(struct store_agent *agent)
{
	p2v_json_free(&file_type, agent);
}

void store_agents_finish(struct store_agents *agents)
{
	for (size_t i = 0; i < agents->n_agents; i++)
		store_agent_finish(&agents->agents[i]);
	free(agents->agents);
	*agents = (struct store_agents){0};
}

/* ---- the directory ---- */

static char *dir_of(const char *base, struct p2v_err *err)
{
	char *dir = p2v_path_join(base, STORE_AGENTS_DIR);

	if (!dir)
		p2v_err_set(err, P2V_ENOMEM, "out of memory");
	return dir;
}

/* The migration user's, whoever made it. */
static void owner_set(const char *base, const char *path)
{
	struct stat st;

	if (geteuid() == 0 && stat(base, &st) == 0 && st.st_uid != 0 &&
		lchown(path, st.st_uid, st.st_gid) < 0)
		return;
}

int agents_dir_lock(const char *base, bool make, int *ret, struct p2v_err *err)
{
	p2v_autofree char *dir = dir_of(base, err);
	p2v_autoclose int fd = -1;
	int r = dir ? 0 : P2V_ENOMEM;

	if (r == 0 && make && !p2v_file_exists(dir)) {
		r = p2v_dir_make(dir, 0700, err);
		owner_set(base, dir);
	}
	if (r < 0)
		return r;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return p2v_err_errno(err, errno, "%s", dir);
	*ret = p2v_steal_fd(&fd);
	return 0;
}

static int place(const char *base, const char *name, const struct p2v_json_type *type,
	const void *noun, struct p2v_err *err)
{
	p2v_autofree char *dir = dir_of(base, err), *path = dir ? p2v_path_join(dir, name) : NULL;
	p2v_autobuf struct p2v_buf text = {0};
	int r = path ? p2v_json_encode(type, noun, true, &text, err)
		     : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	if (r == 0)
		r = store_jobdir_place(dir, name, &text, true, err);
	if (r == 0)
		owner_set(base, path);
	return r;
}

int agents_file_save(const char *base, const struct store_agent *agent, struct p2v_err *err)
{
	return place(base, agent->id, &file_type, agent, err);
}

void agents_file_remove(const char *base, const char *id)
{
	p2v_autofree char *dir = dir_of(base, NULL), *path = dir ? p2v_path_join(dir, id) : NULL;

	if (path && unlink(path) < 0)
		return;
}

void store_agents_touch(const char *base, const char *id)
{
	p2v_autofree char *dir = dir_of(base, NULL), *path = dir ? p2v_path_join(dir, id) : NULL;

	if (path && utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) < 0)
		return;
}

/* Whether it still counts. */
static bool counts(const struct store_agent *a, uint64_t now_s, uint64_t seen_s)
{
	if (a->name)
		return !a->until_s || now_s < a->until_s;
	return now_s < seen_s + STORE_AGENTS_AWAY_S &&
	       (!a->code || now_s < a->asked_s + STORE_AGENTS_CODE_S);
}

int store_agents_look(
	const char *base, const char *id, struct store_agent *ret, struct p2v_err *err)
{
	p2v_autofree char *dir = dir_of(base, err), *path = dir ? p2v_path_join(dir, id) : NULL;
	uint64_t now_s = (uint64_t)time(NULL);
	struct store_agent a = {0};
	struct stat st;
	int r;

	if (!path)
		return P2V_ENOMEM;
	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return p2v_err_set(err, P2V_ENOTFOUND, "this machine is not known here any more");
	r = p2v_json_load(&file_type, path, &a, err);
	if (r < 0)
		return r;
	if (!counts(&a, now_s, (uint64_t)st.st_mtime) || strcmp(a.id, id) != 0) {
		agents_file_remove(base, id);
		store_agent_finish(&a);
		return p2v_err_set(err, P2V_ENOTFOUND, "its time is over");
	}
	a.new_key = a.key != NULL;
	a.there = now_s < (uint64_t)st.st_mtime + THERE_S;
	*ret = a;
	return 0;
}

static int add(const char *base, const char *id, struct store_agents *all, struct p2v_err *err)
{
	struct store_agent a = {0}, *slot;

	/* One that cannot be read lets nobody in. */
	if (store_agents_look(base, id, &a, NULL) < 0)
		return 0;
	slot = p2v_json_grow((void **)&all->agents, &all->n_agents, sizeof(*slot));
	if (!slot) {
		store_agent_finish(&a);
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	*slot = a;
	return 0;
}

int agents_file_all(const char *base, struct store_agents *ret, struct p2v_err *err)
{
	p2v_autofree char *path = dir_of(base, err);
	struct store_agents all = {.version = 1};
	DIR *dir = path ? opendir(path) : NULL;
	struct dirent *e;
	int r = path ? 0 : P2V_ENOMEM;

	if (path && !dir && errno != ENOENT)
		return p2v_err_errno(err, errno, "%s", path);
	while (r == 0 && dir && (e = readdir(dir)))
		if (strlen(e->d_name) == ID_LENGTH &&
			strspn(e->d_name, "0123456789abcdef") == ID_LENGTH)
			r = add(base, e->d_name, &all, err);
	if (dir)
		closedir(dir);
	if (r < 0)
		store_agents_finish(&all);
	else
		*ret = all;
	return r;
}

/* ---- of a machine ---- */

/* malloc'd; NULL where it said nothing. */
static char *words_of(const char *text)
{
	p2v_autobuf struct p2v_buf clean = {0};
	size_t n;

	if (!text || !*text)
		return NULL;
	p2v_text_add_printable(&clean, text);
	for (n = 0; n < clean.len && n < TEXT_MOST;) {
		size_t one = p2v_text_utf8_len((char *)clean.data + n, clean.len - n);

		n += one ? one : 1;
	}
	if (clean.data && n < clean.len)
		clean.data[n] = '\0';
	return clean.data ? strdup((char *)clean.data) : NULL;
}

static int disk_add(struct store_agent *a, const struct machine_disk *d, struct p2v_err *err)
{
	char size[P2V_NUM_TEXT];
	p2v_autofree char *path = words_of(d->path), *model = words_of(d->model);
	p2v_autofree char *line = p2v_strf("%s %s%s%s", path ? path : d->id,
		p2v_num_bytes_text(d->size_bytes, size), model ? " " : "", model ? model : "");

	return line ? p2v_json_add_str(&a->disks, &a->n_disks, line, err)
		    : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

int agents_file_of_machine(const struct machine *m, const char *key, const char *address,
	struct store_agent *ret, struct p2v_err *err)
{
	struct store_agent a = {.version = 1,
		.key = key ? strdup(key) : NULL,
		.wants = words_of(m->name),
		.vendor = words_of(m->vendor),
		.product = words_of(m->product),
		.serial = words_of(m->serial),
		.uuid = words_of(m->uuid),
		.address = words_of(address)};
	int r = a.wants && (a.key || !key) ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	for (size_t i = 0; r == 0 && i < m->n_nics && i < LIST_MOST; i++)
		if (m->nics[i].mac)
			r = p2v_json_add_str(&a.macs, &a.n_macs, m->nics[i].mac, err);
	for (size_t i = 0; r == 0 && i < m->n_disks && i < LIST_MOST; i++)
		r = disk_add(&a, &m->disks[i], err);
	if (r < 0)
		store_agent_finish(&a);
	else
		*ret = a;
	return r;
}

/* ---- the door ---- */

int store_agents_door(const char *base, struct store_door *ret, struct p2v_err *err)
{
	p2v_autofree char *dir = dir_of(base, err), *path = dir ? p2v_path_join(dir, DOOR) : NULL;

	if (!path)
		return P2V_ENOMEM;
	if (!p2v_file_exists(path))
		return 0;
	return p2v_json_load(&store_door_type, path, ret, err);
}

int store_agents_door_set(const char *base, uint64_t for_s, const char *from, struct p2v_err *err)
{
	struct store_door door = {.version = 1,
		.until_s = for_s ? (uint64_t)time(NULL) + for_s : 0,
		.from = (char *)(uintptr_t)from};
	p2v_autoclose int lock = -1;
	int r = 0;

	/* It becomes part of a line of authorized_keys. */
	if (from && (!*from || strspn(from, FROM_CHARS) != strlen(from)))
		return p2v_err_set(err, P2V_EINVAL,
			"'%.80s' are no addresses such as 10.0.0.0/24,192.0.2.7", from);
	if (for_s > DOOR_MOST_S)
		return p2v_err_set(err, P2V_EINVAL, "machines may ask for 30 days at most");
	r = agents_dir_lock(base, true, &lock, err);
	return r < 0 ? r : place(base, DOOR, &store_door_type, &door, err);
}

bool store_agents_door_open(const struct store_door *door)
{
	return (uint64_t)time(NULL) < door->until_s;
}

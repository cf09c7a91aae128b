/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/store/agents.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/model/check.h"
#include "p2v/store/agents-file.h"

#define CODE_CHARS "0123456789ABCDEFGHJKMNPQRSTVWXYZ" /* 32 of them: Crockford's */
#define CODE_HALF  4

/* ---- finding ---- */

static bool same(const char *a, const char *b)
{
	return a && b && *a && strcasecmp(a, b) == 0;
}

static bool waits(const struct store_agent *a)
{
	return !a->name;
}

static bool key_is(const struct store_agent *a, const char *key)
{
	return key ? a->key && strcmp(a->key, key) == 0 : !a->key;
}

/* Whether it is the machine that asks: by its UUID, else by a card, else by its name. */
static bool machine_is(const struct store_agent *a, const struct store_agent *b)
{
	if (a->uuid && *a->uuid && b->uuid && *b->uuid)
		return same(a->uuid, b->uuid);
	if (a->n_macs && b->n_macs)
		return same(a->macs[0], b->macs[0]);
	return same(a->wants, b->wants) && (!a->serial || !b->serial || same(a->serial, b->serial));
}

static struct store_agent *find(struct store_agents *all, const struct store_agent *new)
{
	for (size_t i = 0; i < all->n_agents; i++) {
		struct store_agent *a = &all->agents[i];

		if (key_is(a, new->key) && (new->key || machine_is(a, new)))
			return a;
	}
	return NULL;
}

static bool named(const struct store_agent *a, const char *which)
{
	bool is = same(a->id, which) || same(a->serial, which) || same(a->uuid, which) ||
		  same(a->name ? a->name : a->wants, which);

	for (size_t i = 0; i < a->n_macs; i++)
		is = is || same(a->macs[i], which);
	return is;
}

/* The one that is meant. */
static int pick(struct store_agents *all, const char *which, bool waiting, struct store_agent **ret,
	struct p2v_err *err)
{
	struct store_agent *found = NULL;

	for (size_t i = 0; i < all->n_agents; i++) {
		struct store_agent *a = &all->agents[i];

		if ((waiting && !waits(a)) || !named(a, which))
			continue;
		if (found)
			return p2v_err_set(err, P2V_EREFUSED,
				"'%.80s' is said of several machines: name one by its id", which);
		found = a;
	}
	if (!found)
		return p2v_err_set(err, P2V_ENOTFOUND,
			"no machine '%.80s' %s; see 'p2v agent list'", which,
			waiting ? "waits" : "is known");
	*ret = found;
	return 0;
}

/* ---- asking ---- */

static int limits_check(
	const struct store_agents *all, const struct store_agent *new, struct p2v_err *err)
{
	size_t waiting = 0, place = 0;

	for (size_t i = 0; i < all->n_agents; i++) {
		if (!waits(&all->agents[i]))
			continue;
		waiting++;
		place += same(all->agents[i].address, new->address);
	}
	if (all->n_agents >= STORE_AGENTS_ALL || waiting >= STORE_AGENTS_WAITING ||
		place >= STORE_AGENTS_ONE_PLACE)
		return p2v_err_set(err, P2V_EREFUSED,
			"%zu machines wait to be let in here, %zu of them at this address: no more "
			"may ask until 'p2v agent list' is shorter",
			waiting, place);
	return 0;
}

static int random_fill(void *to, size_t n, struct p2v_err *err)
{
	return getrandom(to, n, 0) == (ssize_t)n ? 0 : p2v_err_errno(err, errno, "random bytes");
}

static int code_make(char **ret, struct p2v_err *err)
{
	uint8_t bytes[2 * CODE_HALF];
	char code[2 * CODE_HALF + 2];
	int r = random_fill(bytes, sizeof(bytes), err);

	if (r < 0)
		return r;
	for (size_t i = 0, at = 0; i < sizeof(bytes); i++) {
		if (i == CODE_HALF)
			code[at++] = '-';
		code[at++] = CODE_CHARS[bytes[i] % 32];
		code[at] = '\0';
	}
	*ret = strdup(code);
	return *ret ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static int id_make(struct store_agent *a, struct p2v_err *err)
{
	uint8_t bytes[4];
	char hex[2 * sizeof(bytes) + 1];
	int r = random_fill(bytes, sizeof(bytes), err);

	if (r < 0)
		return r;
	p2v_hex(bytes, sizeof(bytes), hex);
	a->id = strdup(hex);
	return a->id ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

/* A new one, or the one that it was, with what it says of itself now. */
static int ask(
	const char *base, struct store_agents *all, struct store_agent *new, struct p2v_err *err)
{
	struct store_agent *old = find(all, new);
	int r = old ? 0 : limits_check(all, new, err);

	if (r < 0)
		return r;
	if (old && old->name && old->key && old->uuid && new->uuid && !same(old->uuid, new->uuid))
		return p2v_err_set(err, P2V_EREFUSED,
			"this key was let in for a machine with another UUID ('%s')", old->name);
	if (!old) {
		r = id_make(new, err);
		if (r == 0 && new->key)
			r = code_make(&new->code, err);
		new->asked_s = (uint64_t)time(NULL);
		return r < 0 ? r : agents_file_save(base, new, err);
	}
	store_agent_finish(new);
	*new = *old;
	*old = (struct store_agent){0};
	store_agents_touch(base, new->id);
	return 0;
}

int store_agents_ask(const char *base, const struct machine *m, const char *key,
	const char *address, struct store_agent *ret, struct p2v_err *err)
{
	p2v_auto_agent struct store_agent new = {0};
	p2v_auto_agents struct store_agents all = {0};
	p2v_autoclose int lock = -1;
	int r = agents_dir_lock(base, true, &lock, err);

	if (r == 0)
		r = agents_file_all(base, &all, err);
	if (r == 0)
		r = agents_file_of_machine(m, key, address, &new, err);
	if (r == 0)
		r = ask(base, &all, &new, err);
	if (r < 0)
		return r;
	*ret = new;
	new = (struct store_agent){0};
	return 0;
}

int store_agents_of_key(
	const char *base, const char *key, struct store_agent *ret, struct p2v_err *err)
{
	p2v_auto_agents struct store_agents all = {0};
	int r = agents_file_all(base, &all, err);

	for (size_t i = 0; r == 0 && i < all.n_agents; i++) {
		if (!all.agents[i].key || !all.agents[i].name || !key_is(&all.agents[i], key))
			continue;
		*ret = all.agents[i];
		all.agents[i] = (struct store_agent){0};
		return 0;
	}
	return r < 0 ? r : p2v_err_set(err, P2V_ENOTFOUND, "this key was not let in");
}

/* ---- deciding ---- */

static int by_time(const void *x, const void *y)
{
	const struct store_agent *a = x, *b = y;

	if (waits(a) != waits(b))
		return waits(a) ? -1 : 1;
	return a->asked_s < b->asked_s ? -1 : a->asked_s > b->asked_s;
}

int store_agents_list(const char *base, struct store_agents *ret, struct p2v_err *err)
{
	struct store_agents all = {0};
	int r = agents_file_all(base, &all, err);

	if (r < 0)
		return r;
	if (all.n_agents)
		qsort(all.agents, all.n_agents, sizeof(*all.agents), by_time);
	*ret = all;
	return 0;
}

/* One machine has a name, and a machine one key. */
static int name_take(const char *base, struct store_agents *all, struct store_agent *a,
	const char *name, struct p2v_err *err)
{
	if (!model_name_ok(name))
		return p2v_err_set(err, P2V_EINVAL,
			"'%.80s' is not made of 1 to 64 letters, digits, dots and dashes", name);
	for (size_t i = 0; i < all->n_agents; i++) {
		struct store_agent *other = &all->agents[i];

		if (other == a || !same(other->name, name))
			continue;
		if (!machine_is(other, a))
			return p2v_err_set(err, P2V_EREFUSED,
				"'%s' is another machine (serial number %s); 'p2v agent rm %s' "
				"forgets that one",
				name, other->serial ? other->serial : "unknown", other->id);
		agents_file_remove(base, other->id);
	}
	return 0;
}

static int decide(const char *base, struct store_agents *all, struct store_agent *a,
	const char *name, uint64_t for_s, const char *who, struct p2v_err *err)
{
	int r = name_take(base, all, a, name, err);

	if (r < 0)
		return r;
	free(a->code);
	free(a->by);
	a->code = NULL; /* it was good once */
	a->name = strdup(name);
	a->by = strdup(who);
	a->decided_s = (uint64_t)time(NULL);
	a->until_s = for_s ? a->decided_s + for_s : 0;
	if (!a->name || !a->by)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	return agents_file_save(base, a, err);
}

static void give(struct store_agent *a, struct store_agent *ret)
{
	*ret = *a;
	*a = (struct store_agent){0};
}

/* What people type for what they read. */
static bool code_is(const char *code, const char *typed)
{
	for (; code && *code; code++) {
		char c;

		if (*code == '-')
			continue;
		while (*typed == '-' || *typed == ' ')
			typed++;
		c = (char)toupper((unsigned char)*typed++);
		c = c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c;
		if (c != *code)
			return false;
	}
	return code && !*typed;
}

int store_agents_enroll(const char *base, const char *code, const char *name, uint64_t for_s,
	const char *who, struct store_agent *ret, struct p2v_err *err)
{
	p2v_auto_agents struct store_agents all = {0};
	p2v_autoclose int lock = -1;
	struct store_agent *a = NULL;
	int r = agents_dir_lock(base, false, &lock, err);

	if (r == 0)
		r = agents_file_all(base, &all, err);
	for (size_t i = 0; r == 0 && i < all.n_agents; i++)
		if (waits(&all.agents[i]) && code_is(all.agents[i].code, code))
			a = &all.agents[i];
	if (r == P2V_ENOTFOUND || (r == 0 && !a))
		return p2v_err_set(err, P2V_ENOTFOUND,
			"no machine here shows the code '%.40s'; a code is good once and for a "
			"day",
			code);
	if (r == 0)
		r = decide(base, &all, a, name ? name : a->wants,
			for_s ? for_s : STORE_AGENTS_ENROLLED_S, who, err);
	if (r == 0)
		give(a, ret);
	return r;
}

int store_agents_assign(const char *base, const char *which, const char *name, const char *who,
	struct store_agent *ret, struct p2v_err *err)
{
	p2v_auto_agents struct store_agents all = {0};
	p2v_autoclose int lock = -1;
	struct store_agent *a = NULL;
	int r = agents_dir_lock(base, false, &lock, err);

	if (r == 0)
		r = agents_file_all(base, &all, err);
	if (r == 0)
		r = pick(&all, which, true, &a, err);
	if (r == 0 && a->key)
		r = p2v_err_set(err, P2V_EREFUSED,
			"nobody knows whether '%.80s' is what it says: read the code on its screen "
			"and say 'p2v enroll CODE --name %.80s'",
			which, name);
	if (r == 0)
		r = decide(base, &all, a, name, 0, who, err);
	if (r == 0)
		give(a, ret);
	return r;
}

int store_agents_drop(
	const char *base, const char *which, struct store_agent *ret, struct p2v_err *err)
{
	p2v_auto_agents struct store_agents all = {0};
	p2v_autoclose int lock = -1;
	struct store_agent *a = NULL;
	int r = agents_dir_lock(base, false, &lock, err);

	if (r == 0)
		r = agents_file_all(base, &all, err);
	if (r == 0)
		r = pick(&all, which, false, &a, err);
	if (r < 0)
		return r;
	agents_file_remove(base, a->id);
	give(a, ret);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/guest/key.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"

#define PROGRAM_MS 60000

static void wipe(const char *text)
{
	if (!text)
		return;
	explicit_bzero((void *)(uintptr_t)text, strlen(text));
	free((void *)(uintptr_t)text);
}

void guest_keys_finish(struct guest_keys *keys)
{
	for (size_t i = 0; i < keys->n_items; i++) {
		free((void *)(uintptr_t)keys->items[i].selector);
		wipe(keys->items[i].text);
	}
	free(keys->items);
	*keys = (struct guest_keys){0};
}

/* What a file or a program gave, as a key. */
static int key_of(struct p2v_buf *bytes, const char *from, const char **ret, struct p2v_err *err)
{
	int rc = 0;

	if (bytes->len && bytes->data[bytes->len - 1] == '\n')
		bytes->data[--bytes->len] = '\0';
	if (bytes->len == 0)
		rc = p2v_err_set(err, P2V_EINVAL, "%s: holds no key", from);
	else if (bytes->len > GUEST_KEY_MAX_BYTES || memchr(bytes->data, '\0', bytes->len))
		rc = p2v_err_set(err, P2V_EINVAL,
			"%s: this key has a NUL byte in it, or is too long, and cannot be used",
			from);
	if (rc == 0)
		*ret = strndup((const char *)bytes->data, bytes->len);
	return rc == 0 && !*ret ? p2v_err_set(err, P2V_ENOMEM, "no memory") : rc;
}

static void buf_wipe(struct p2v_buf *bytes)
{
	if (bytes->data)
		explicit_bzero(bytes->data, bytes->cap);
	p2v_buf_finish(bytes);
}

static int read_key(const char *selector, const char *path, const char **ret, struct p2v_err *err)
{
	struct p2v_buf bytes = {0};
	int rc = p2v_file_read(path, GUEST_KEY_MAX_BYTES, &bytes, err);

	(void)selector;
	if (rc == 0)
		rc = key_of(&bytes, path, ret, err);
	buf_wipe(&bytes);
	return rc;
}

static int run_key(const char *selector, const char *name, const char **ret, struct p2v_err *err)
{
	p2v_autofree char *path =
		strchr(name, '/') ? strdup(name) : p2v_path_join(GUEST_KEY_PROGRAMS, name);
	const char *const argv[] = {path, selector, NULL};
	struct p2v_buf bytes = {0};
	int rc = path ? p2v_proc_run(argv, NULL, 0, PROGRAM_MS, &bytes, err)
		      : p2v_err_set(err, P2V_ENOMEM, "no memory");

	if (rc == 0)
		rc = key_of(&bytes, path, ret, err);
	buf_wipe(&bytes);
	return rc;
}

static const struct {
	const char *by;
	int (*get)(const char *selector, const char *what, const char **ret, struct p2v_err *err);
} ways[] = {{":file:", read_key}, {":command:", run_key}};

static int load(const char *text, struct guest_key *key, struct p2v_err *err)
{
	for (size_t i = 0; i < P2V_N(ways); i++) {
		const char *by = strstr(text, ways[i].by);

		if (!by || by == text || !by[strlen(ways[i].by)])
			continue;
		key->selector = strndup(text, (size_t)(by - text));
		return key->selector ? ways[i].get(key->selector, by + strlen(ways[i].by),
					       &key->text, err)
				     : p2v_err_set(err, P2V_ENOMEM, "no memory");
	}
	return p2v_err_set(err, P2V_EINVAL,
		"--key: is not SELECTOR:file:PATH or SELECTOR:command:NAME, where SELECTOR is a "
		"device, a UUID or 'all'");
}

int guest_keys_load(
	const char *const *texts, size_t n_texts, struct guest_keys *ret, struct p2v_err *err)
{
	struct guest_keys keys = {.items = calloc(n_texts + 1, sizeof(*keys.items))};
	int rc = keys.items ? 0 : p2v_err_set(err, P2V_ENOMEM, "no memory");

	for (size_t i = 0; rc == 0 && i < n_texts; i++) {
		keys.n_items++;
		rc = load(texts[i], &keys.items[i], err);
	}
	if (rc < 0)
		guest_keys_finish(&keys);
	else
		*ret = keys;
	return rc;
}

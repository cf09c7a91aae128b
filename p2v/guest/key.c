/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/guest/key.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

#define BY_FILE ":file:"

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

static int read_key(const char *path, const char **ret, struct p2v_err *err)
{
	struct p2v_buf bytes = {0};
	int rc = p2v_file_read(path, GUEST_KEY_MAX_BYTES, &bytes, err);

	if (rc == 0 && bytes.len && bytes.data[bytes.len - 1] == '\n')
		bytes.data[--bytes.len] = '\0';
	if (rc == 0 && bytes.len == 0)
		rc = p2v_err_set(err, P2V_EINVAL, "%s: holds no key", path);
	if (rc == 0 && memchr(bytes.data, '\0', bytes.len))
		rc = p2v_err_set(err, P2V_EINVAL,
			"%s: this key has a NUL byte in it, and cannot be used", path);
	if (rc == 0)
		*ret = strndup((const char *)bytes.data, bytes.len);
	if (rc == 0 && !*ret)
		rc = p2v_err_set(err, P2V_ENOMEM, "no memory");
	if (bytes.data)
		explicit_bzero(bytes.data, bytes.cap);
	p2v_buf_finish(&bytes);
	return rc;
}

static int load(const char *text, struct guest_key *key, struct p2v_err *err)
{
	const char *by = strstr(text, BY_FILE), *path = by ? by + strlen(BY_FILE) : NULL;

	if (!by || by == text || !*path)
		return p2v_err_set(err, P2V_EINVAL,
			"--key: is not SELECTOR:file:PATH, where SELECTOR is a device, a UUID or "
			"'all'");
	key->selector = strndup(text, (size_t)(by - text));
	return key->selector ? read_key(path, &key->text, err)
			     : p2v_err_set(err, P2V_ENOMEM, "no memory");
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

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_MODEL_NOUN_H
#define P2V_MODEL_NOUN_H

/*
 * The four functions that every noun has beside its table. `validate` is written by hand where a
 * noun has rules that its table cannot say.
 */

#include <string.h>

#include "p2v/core/json.h"

#define MODEL_NOUN(noun)                                                                           \
	void model_##noun##_finish(struct noun *noun)                                              \
	{                                                                                          \
		p2v_json_free(&model_##noun##_type, noun);                                         \
	}                                                                                          \
                                                                                                   \
	int model_##noun##_decode(                                                                 \
		const void *text, size_t n, struct noun *ret, struct p2v_err *err)                 \
	{                                                                                          \
		struct noun got;                                                                   \
		int r;                                                                             \
                                                                                                   \
		memset(&got, 0, sizeof(got));                                                      \
		r = p2v_json_decode(&model_##noun##_type, text, n, &got, err);                     \
		if (r == 0)                                                                        \
			r = model_##noun##_validate(&got, err);                                    \
		if (r < 0) {                                                                       \
			model_##noun##_finish(&got);                                               \
			return r;                                                                  \
		}                                                                                  \
		*ret = got;                                                                        \
		return 0;                                                                          \
	}                                                                                          \
                                                                                                   \
	int model_##noun##_load(const char *path, struct noun *ret, struct p2v_err *err)           \
	{                                                                                          \
		struct noun got;                                                                   \
		int r;                                                                             \
                                                                                                   \
		memset(&got, 0, sizeof(got));                                                      \
		r = p2v_json_load(&model_##noun##_type, path, &got, err);                          \
		if (r < 0)                                                                         \
			return r;                                                                  \
		r = model_##noun##_validate(&got, err);                                            \
		if (r < 0) {                                                                       \
			model_##noun##_finish(&got);                                               \
			return p2v_err_wrap(err, r, "%s", path);                                   \
		}                                                                                  \
		*ret = got;                                                                        \
		return 0;                                                                          \
	}                                                                                          \
                                                                                                   \
	int model_##noun##_save(                                                                   \
		const struct noun *noun, const char *dir, const char *name, struct p2v_err *err)   \
	{                                                                                          \
		return p2v_json_save(&model_##noun##_type, noun, dir, name, err);                  \
	}                                                                                          \
	struct model_semicolon_##noun

#endif

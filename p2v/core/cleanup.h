/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CORE_CLEANUP_H
#define P2V_CORE_CLEANUP_H

/*
 * Cleanup by scope. A variable marked p2v_autofree or p2v_autoclose gives back what it holds when
 * its scope ends, whichever way it ends; p2v_steal hands it to somebody else first.
 *
 *	p2v_autofree char *path = NULL;
 *	...
 *	*ret_path = p2v_steal(path);
 *	return 0;
 *
 * A room makes the same for its own nouns with P2V_DEFINE_CLEANUP(struct noun *, noun_free), which
 * defines noun_freep; use as p2v_auto(noun_free).
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void p2v_cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void p2v_cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void p2v_cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define p2v_autofree   __attribute__((cleanup(p2v_cleanup_free)))
#define p2v_autoclose  __attribute__((cleanup(p2v_cleanup_close)))
#define p2v_autofclose __attribute__((cleanup(p2v_cleanup_fclose)))
#define p2v_auto(free) __attribute__((cleanup(free##p)))

#define P2V_DEFINE_CLEANUP(type, free)                                                             \
	static inline void free##p(type *p)                                                        \
	{                                                                                          \
		if (*p)                                                                            \
			free(*p);                                                                  \
	}                                                                                          \
	struct p2v_cleanup_semicolon_##free

/* Takes the pointer out of a variable, so that its cleanup finds NULL. */
#define p2v_steal(ptr)                                                                             \
	({                                                                                         \
		__typeof__(ptr) *p2v_steal_p = &(ptr);                                             \
		__typeof__(ptr) p2v_steal_v = *p2v_steal_p;                                        \
		*p2v_steal_p = NULL;                                                               \
		p2v_steal_v;                                                                       \
	})

/* The same for a file descriptor. */
static inline int p2v_steal_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

#define P2V_N(array) (sizeof(array) / sizeof((array)[0]))

#endif

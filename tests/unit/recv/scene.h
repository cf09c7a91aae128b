/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_TESTS_RECV_SCENE_H
#define P2V_TESTS_RECV_SCENE_H

/*
 * What the tests of the receiver share: a base directory, the disk of a machine, and a job that is
 * received from the first word to the receipt.
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/unit/recv/scripted.h"

#define DISK_BYTES (20 * (uint64_t)GRAIN + 512)
#define UUID	   "11111111-2222-3333-4444-555555555555"

extern char *scene_base;
extern uint8_t scene_disk[DISK_BYTES];

/* For cmocka: a new base and a painted disk; both gone. */
int scene_make(void **state);
int scene_remove(void **state);

/* Grains 0 to 9 random, 10 to 14 zero, the rest text; the last is short. */
void scene_paint(void);
bool scene_has(const char *job, const char *file);
/* What the job's image holds is what the disk holds. */
void scene_image_is(const char *job, const char *format);

/* All 21 grains in four chunks, one of them zeros that were never packed. */
void scene_send_all(struct scripted *s);
/* FINISH and FINISHED. */
void scene_finish(struct scripted *s);
/* DONE of scene_disk, which is VERIFIED, and the session ends well. */
void scene_end_verified(struct scripted *s);
/* A whole job, and what it leaves. */
void scene_whole_job(const char *name, const char *format);

#endif

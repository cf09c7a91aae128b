/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/send/load.h"

#include <stddef.h>
#include <time.h>

#define WINDOW_NS UINT64_C(2000000000)

static const char *const names[] = {
	[SEND_STAGE_DISK] = "disk",
	[SEND_STAGE_COMPRESS] = "compression",
	[SEND_STAGE_LINK] = "link",
	[SEND_STAGE_SERVER] = "server",
	[SEND_STAGE_LIMIT] = "limit",
};

const char *send_stage_name(enum send_stage stage)
{
	return names[stage];
}

uint64_t send_load_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void send_load_add(struct send_load *load, enum send_stage stage, uint64_t since_ns)
{
	if (load)
		atomic_fetch_add(&load->busy_ns[stage], send_load_now_ns() - since_ns);
}

enum send_stage send_load_stage(struct send_load *load, unsigned n_workers, unsigned n_links)
{
	const unsigned threads[] = {
		[SEND_STAGE_DISK] = n_workers, /* who read, too */
		[SEND_STAGE_COMPRESS] = n_workers,
		[SEND_STAGE_LINK] = n_links,
		[SEND_STAGE_SERVER] = n_links,
		[SEND_STAGE_LIMIT] = n_links,
	};
	uint64_t now = send_load_now_ns(), most = 0;

	if (now - load->asked_ns < WINDOW_NS)
		return load->stage;
	load->asked_ns = now;
	for (int i = 0; i < SEND_STAGE_END; i++) {
		uint64_t busy = atomic_load(&load->busy_ns[i]);
		uint64_t each = (busy - load->seen_ns[i]) / (threads[i] ? threads[i] : 1);

		load->seen_ns[i] = busy;
		if (each > most) {
			most = each;
			load->stage = (enum send_stage)i;
		}
	}
	return load->stage;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/source/source.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/span.h"

#define CPUINFO_MAX_BYTES (16u << 20) /* 2 KiB or so for each of up to 8,192 processors */
#define SOCKETS_MAX	  1024

struct count {
	struct machine *m;
	bool seen[SOCKETS_MAX]; /* physical ids */
	bool long_mode;
};

static void on_processor(struct count *c, struct p2v_span value)
{
	(void)value;
	c->m->cpus++;
}

static void on_model(struct count *c, struct p2v_span value)
{
	if (!c->m->cpu_model)
		c->m->cpu_model = p2v_span_dup(value);
}

static void on_socket(struct count *c, struct p2v_span value)
{
	uint64_t id;

	if (p2v_span_u64(value, SOCKETS_MAX - 1, &id) && !c->seen[id]) {
		c->seen[id] = true;
		c->m->sockets++;
	}
}

static void on_cores(struct count *c, struct p2v_span value)
{
	uint64_t n;

	if (p2v_span_u64(value, UINT32_MAX, &n))
		c->m->cores_per_socket = (uint32_t)n;
}

static void on_flags(struct count *c, struct p2v_span value)
{
	struct p2v_span word;

	while (!c->long_mode && p2v_word_next(&value, &word))
		c->long_mode = p2v_span_eq(word, "lm");
}

static const struct {
	const char *key;
	void (*take)(struct count *c, struct p2v_span value);
} rows[] = {
	{"processor", on_processor},
	{"model name", on_model},
	{"physical id", on_socket},
	{"cpu cores", on_cores},
	{"flags", on_flags},
};

void source_cpu_read(const struct source_host *host, struct machine *m)
{
	p2v_autobuf struct p2v_buf text = {0};
	struct count c = {.m = m};
	struct p2v_span rest, line, key, value;

	source_bytes(host, "/proc/cpuinfo", CPUINFO_MAX_BYTES, &text);
	rest = p2v_span_of(text.data, text.len);
	while (p2v_line_next(&rest, &line)) {
		key = p2v_span_trim(p2v_span_until(line, ':', &value));
		for (size_t i = 0; i < P2V_N(rows); i++)
			if (p2v_span_eq(key, rows[i].key))
				rows[i].take(&c, p2v_span_trim(value));
	}
	/* A virtual machine without a topology shows neither key. */
	m->cpus = m->cpus ? m->cpus : 1;
	m->sockets = m->sockets ? m->sockets : 1;
	m->cores_per_socket = m->cores_per_socket ? m->cores_per_socket : m->cpus / m->sockets;
	m->arch = strdup(c.long_mode ? "x86_64" : "i686");
}

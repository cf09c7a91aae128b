/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How fast a row of the SSH link sends: connects, sends MIB mebibytes, waits for the far end's end,
 * prints one line: row and methods, MB/s, CPU seconds a GB of this process and its `ssh`.
 * link-bench.py runs it against its peers.
 *
 * usage: link-bench ROW TARGET IDENTITY KNOWN_HOSTS MIB [CIPHERS [MACS]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/opt.h"
#include "p2v/core/stop.h"
#include "p2v/link/ssh.h"

#define PIECE ((size_t)1 << 20)

/* A child's count once it was waited for. */
static double cpu_seconds_of(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double cpu_seconds(void)
{
	return cpu_seconds_of(RUSAGE_SELF) + cpu_seconds_of(RUSAGE_CHILDREN);
}

static int send_all(struct link *l, uint64_t mib, struct p2v_err *err)
{
	p2v_autofree uint8_t *piece = malloc(PIECE);
	uint8_t byte;
	size_t n = 1;
	int r = 0;

	for (size_t i = 0; i < PIECE; i++)
		piece[i] = (uint8_t)(i * 2654435761u >> 13);
	for (uint64_t i = 0; r == 0 && i < mib; i++)
		r = link_write(l, piece, PIECE, err);
	if (r == 0)
		r = link_shutdown_write(l, err);
	while (r == 0 && n)
		r = link_read(l, &byte, 1, &n, err);
	return r;
}

static int bench(const struct link_ssh_spec *spec, uint64_t mib, struct p2v_err *err)
{
	p2v_auto(link_free) struct link *l = NULL;
	double cpu, gb = (double)(mib * PIECE) / 1e9;
	uint64_t start, ms;
	int r = link_ssh_open(spec, &l, err);

	if (r < 0)
		return r;
	cpu = cpu_seconds();
	start = p2v_now_ms();
	r = send_all(l, mib, err);
	if (r < 0)
		return r;
	ms = p2v_now_ms() - start;
	printf("%s: %.0f MB/s, %.2f CPU s/GB\n", link_ssh_methods(l), gb * 1e6 / (double)(ms + 1),
		(cpu_seconds() - cpu) / gb);
	return 0;
}

int main(int argc, char **argv)
{
	enum link_ssh_row row = LINK_SSH_AUTO;
	struct link_ssh_target target = {0};
	struct p2v_err err = {0};
	uint64_t mib = 0;
	int r = P2V_EINVAL;

	p2v_stop_install();
	if (argc < 6)
		p2v_err_set(&err, r,
			"usage: link-bench ROW TARGET IDENTITY KNOWN_HOSTS MIB [CIPHERS [MACS]]");
	else
		r = link_ssh_row_parse(argv[1], &row, &err);
	if (r == 0)
		r = link_ssh_target_parse(argv[2], &target, &err);
	if (r == 0)
		r = p2v_num_parse(argv[5], "MIB", 1, 1 << 20, &mib, &err);
	if (r == 0) {
		const struct link_ssh_spec spec = {
			.row = row,
			.target = &target,
			.identity_file = argv[3],
			.known_hosts_file = argv[4],
			.command = "p2v-recv",
			.ciphers = argc > 6 ? argv[6] : NULL,
			.macs = argc > 7 ? argv[7] : NULL,
		};

		r = bench(&spec, mib, &err);
	}
	link_ssh_target_finish(&target);
	return r < 0 ? p2v_opt_fail("link-bench", &err) : 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/connect.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/json.h"
#include "p2v/core/num.h"
#include "p2v/core/opt.h"
#include "p2v/core/stop.h"

#define RETRY_FOR_S 600

#define O(member)   offsetof(struct agent_opts, member)

static const struct p2v_opt opts[] = {
	{"server", 's', "[USER@]HOST[:PORT]", P2V_OPT_STR, O(server), 0,
		"The conversion server: its SSH address, and the user whose forced command is "
		"p2v-recv."},
	{"identity", 'i', "KEY", P2V_OPT_STR, O(identity), 0,
		"Private key file that the server accepts; without a passphrase."},
	{"known-hosts", 0, "FILE", P2V_OPT_STR, O(known_hosts), 0,
		"known_hosts file that holds the server's host key. An unknown or changed key is "
		"refused, never learnt."},
	{"host-key", 0, "SHA256:...", P2V_OPT_STR, O(host_key), 0,
		"Fingerprint of the server's host key, instead of --known-hosts."},
	{"disk", 'd', "DEV|FILE", P2V_OPT_STRS, O(disks), O(n_disks),
		"A disk to send: a block device, or a file that holds the bytes of one. May be "
		"given "
		"several times; the first one becomes the first disk. Without it: all disks of "
		"this "
		"machine that are not removable (root only; asks first, or needs --yes)."},
	{"assign", 0, NULL, P2V_OPT_FLAG, O(assign), 0,
		"Let people at the server say what this machine is called, and wait until they "
		"have (p2v-agent-list(1) there). They say it once for a machine."},
	{"name", 'n', "NAME", P2V_OPT_STR, O(name), 0,
		"What the machine is called on the server: letters, digits, dots and dashes. "
		"Default: the host name."},
	{"machine", 0, "FILE", P2V_OPT_STR, O(machine), 0,
		"Take the inventory from this machine.json instead of asking this host: for disk "
		"files of another machine, which --disk names in the same order."},
	{"link", 0, "HOW", P2V_OPT_STR, O(link), 0,
		"How to speak SSH: libssh2 (built in), openssh (this host's ssh: its "
		"configuration with aliases and ProxyJump, its agent, more ciphers; --identity "
		"may be left out then), or auto: openssh where it is installed and its best "
		"cipher costs this processor less than libssh2's, which takes 20 ms to measure. "
		"The result names the one that was used. Default: auto."},
	{"streams", 0, "N", P2V_OPT_STR, O(streams), 0,
		"How many SSH connections carry the data: 1 to 16, or auto: one, and further ones "
		"where a processor bounds it and the first seconds show that another one makes it "
		"faster by a seventh (sshd encrypts each on one core). The server's sshd must let "
		"one key in so often. "
		"Default: auto."},
	{"compress", 0, "HOW", P2V_OPT_STR, O(compress), 0,
		"none, fast, a level of zstd from 1 to 19, or auto: more where the link is slow "
		"and "
		"processors idle, less where they are busy, none where data does not shrink. "
		"Default: auto."},
	{"limit", 0, "RATE", P2V_OPT_BYTES, O(limit_bytes), 0,
		"Send at most so many bytes a second, such as 20M."},
	{"retry-for", 0, "SECONDS", P2V_OPT_U64, O(retry_for_s), 0,
		"How long to try again after the link is lost, or while the server's disk is full: "
		"what it has durable is not sent again when room was made. Default: 600."},
	{"refresh", 0, NULL, P2V_OPT_FLAG, O(refresh), 0,
		"Second pass: read the disks again and send only what is not on the server, into "
		"the job that was copied before. The result is the disk as it is now. The job must "
		"not be converted yet ('p2v convert --undo' on the server)."},
	{"rescue", 0, NULL, P2V_OPT_FLAG, O(rescue), 0,
		"Go on where a disk cannot be read: such sectors become zeros, and are listed in "
		"the result and in the server's receipt, with the files that they belong to on "
		"ext2, ext3, ext4, XFS, btrfs and NTFS, in logical volumes and RAID1, too. "
		"Default: "
		"stop at the first one."},
	{"follow", 0, NULL, P2V_OPT_FLAG, O(follow), 0,
		"Stay after the copy and show how p2vd on the server converts the machine and "
		"proves that it boots. The result has what it came to. Interrupting it stops "
		"neither."},
	{"log", 0, "FILE", P2V_OPT_STR, O(log), 0,
		"Send the last lines of this file to the server, which keeps them beside the job, "
		"in agent.log: when a connection is made, and when sending fails; then the "
		"kernel's "
		"last lines, too."},
	{"inventory", 0, NULL, P2V_OPT_FLAG, O(inventory), 0,
		"Print what this machine is (machine.json) and exit; needs no server."},
	{"map", 0, NULL, P2V_OPT_FLAG, O(map), 0,
		"Print which parts of the disks would be copied, and why, and exit; needs no "
		"server."},
	{"json", 0, NULL, P2V_OPT_FLAG, O(json), 0,
		"Print the result as one JSON document on standard output."},
	{"progress", 0, "HOW", P2V_OPT_STR, O(progress), 0,
		"auto (a line on a terminal), json (one object a line on standard error) or none."},
	{"yes", 'y', NULL, P2V_OPT_FLAG, O(yes), 0, "Do not ask before all disks are sent."},
	P2V_OPT_END,
};

static const struct p2v_cmd cmd = {
	.name = AGENT_PROGRAM,
	.operands = "[DISK...]",
	.max_operands = -1,
	.summary = "send the disks of a physical machine to a conversion server",
	.text = "Reads disks block by block, and only reads them, and sends them over SSH to "
		"p2v-recv "
		"on a conversion server. Every chunk carries a digest; zeros are not sent; at the "
		"end "
		"the server reads its image back, and both sides agree on the digest of the whole "
		"disk.\n\n"
		"A link that is lost is made anew by itself, and where the server's disk becomes "
		"full, the program says so and goes on once room was made. When it was "
		"interrupted, "
		"the same command again reads the disks anew and sends what is not on the server "
		"yet, or is no longer the same. A DISK is the same as --disk "
		"DISK.\n\n"
		"While it sends: SIGUSR1 pauses and SIGUSR2 continues; on a terminal the key p "
		"does "
		"both, and q ends it, as Ctrl-C does. It stays connected in a pause. The progress "
		"says how many bytes were sent for those that were read (ratio), and what it is "
		"bound by: the disk, compression, the link (encryption and network), the server, "
		"or "
		"the limit.",
	.opts = opts,
	.operands_offset = O(operands),
	.n_operands_offset = O(n_operands),
	.see_also = "p2v(1), p2v-recv(1)",
};

static int operands_take(struct agent_opts *o, struct p2v_err *err)
{
	for (size_t i = 0; i < o->n_operands; i++) {
		const char **disk =
			p2v_json_grow((void **)&o->disks, &o->n_disks, sizeof(*o->disks));

		if (!disk)
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
		*disk = o->operands[i];
	}
	return 0;
}

/* What can be said before anything is opened. */
static int opts_check(const struct agent_opts *o, struct p2v_err *err)
{
	struct send_compress compress;
	enum p2v_progress_mode mode;
	enum link_ssh_row row = LINK_SSH_AUTO;
	const char *missing = NULL;
	unsigned streams;
	int r = send_compress_parse(o->compress, &compress, err);

	if (r == 0)
		r = agent_streams_parse(o->streams, &streams, err);
	if (r == 0)
		r = p2v_progress_mode_parse(o->progress, &mode, err);
	if (r == 0)
		r = link_ssh_row_parse(o->link, &row, err);
	if (r < 0 || o->inventory || o->map)
		return r;
	if (!o->server)
		missing = "--server";
	else if (!o->identity && row != LINK_SSH_OPENSSH)
		missing = "--identity";
	else if (!o->known_hosts && !o->host_key)
		missing = "--known-hosts or --host-key";
	if (!missing)
		return 0;
	return p2v_err_set(
		err, P2V_EINVAL, "%s is missing; see '" AGENT_PROGRAM " --help'", missing);
}

/* All disks of the machine were meant by nobody in particular: so ask. */
static int confirm(const struct agent_opts *o, const struct machine *m, struct p2v_err *err)
{
	char line[16], size[P2V_NUM_TEXT];

	if (o->n_disks || o->yes)
		return 0;
	if (!isatty(STDIN_FILENO))
		return p2v_err_set(err, P2V_EREFUSED,
			"no disk was named: say --yes to send all %zu, or name them with --disk",
			m->n_disks);
	fprintf(stderr, "%s sends to %s:\n", m->name, o->server);
	for (size_t i = 0; i < m->n_disks; i++)
		fprintf(stderr, "  %s  %s  %s\n", m->disks[i].path,
			p2v_num_bytes_text(m->disks[i].size_bytes, size),
			m->disks[i].model ? m->disks[i].model : "");
	fprintf(stderr, "Go on? [y/N] ");
	if (fgets(line, sizeof(line), stdin) && tolower((unsigned char)line[0]) == 'y')
		return 0;
	return p2v_err_set(err, P2V_EREFUSED, "not confirmed");
}

static int send_all(const struct agent_opts *o, const struct machine *m, struct agent_disks *disks,
	struct agent_connector *connector, struct p2v_err *err)
{
	enum p2v_progress_mode mode = P2V_PROGRESS_AUTO;
	struct send_result result = {0};
	struct p2v_progress *progress;
	int r = p2v_progress_mode_parse(o->progress, &mode, err);

	if (r < 0)
		return r;
	progress = p2v_progress_new(mode);
	r = agent_send(o, m, disks, connector, progress, &result, err);
	p2v_progress_free(progress);
	if (r == P2V_ECANCELED && p2v_stop_requested())
		return p2v_err_set(err, r, "interrupted; run the same command again to continue");
	if (r == 0)
		r = agent_print_result(m, disks, &result, connector->methods, o->json, stdout, err);
	send_result_finish(&result);
	return r;
}

/* The disks are mapped in a thread of their own: what is read of them and the way to the server are
 * waited for at the same time. */
struct mapping {
	const struct agent_opts *o;
	const struct machine *m;
	struct agent_disks *disks;
	int r;
	struct p2v_err err;
};

static void *mapping_run(void *arg)
{
	struct mapping *mapping = arg;

	mapping->r = agent_disks_open(mapping->o, mapping->m, mapping->disks, &mapping->err);
	return NULL;
}

static int map_and_connect(const struct agent_opts *o, const struct machine *m,
	struct agent_disks *disks, struct agent_connector *connector, struct p2v_err *err)
{
	struct mapping mapping = {o, m, disks, 0, {0}};
	pthread_t thread;
	int r = agent_connector_init(o, connector, err);

	if (r < 0)
		return r;
	if (pthread_create(&thread, NULL, mapping_run, &mapping) != 0)
		return p2v_err_set(err, P2V_ENOMEM, "no thread to map the disks with");
	r = agent_connect_ahead(connector, err);
	pthread_join(thread, NULL);
	if (mapping.r < 0)
		*err = mapping.err;
	return mapping.r < 0 ? mapping.r : r;
}

static int map_and_send(const struct agent_opts *o, const struct machine *m,
	struct agent_disks *disks, struct p2v_err *err)
{
	struct agent_connector connector = {0};
	int r = confirm(o, m, err);

	if (r == 0)
		r = map_and_connect(o, m, disks, &connector, err);
	if (r == 0)
		r = send_all(o, m, disks, &connector, err);
	agent_connector_finish(&connector);
	return r;
}

static int run(const struct agent_opts *o, struct p2v_err *err)
{
	p2v_auto_machine struct machine m = {0};
	agent_auto_disks struct agent_disks disks = {0};
	int r = opts_check(o, err);

	if (r == 0)
		r = agent_machine_read(o, &m, err);
	if (r < 0)
		return r;
	if (o->inventory)
		return agent_json_print(&model_machine_type, &m, true, stdout, err);
	if (!o->map)
		return map_and_send(o, &m, &disks, err);
	r = agent_disks_open(o, &m, &disks, err);
	return r < 0 ? r : agent_print_map(&m, &disks, o->json, stdout, err);
}

int main(int argc, char **argv)
{
	struct agent_opts o = {.retry_for_s = RETRY_FOR_S};
	struct p2v_err err = {0};
	int r = p2v_opt_parse(&cmd, argc, argv, &o, &err);

	if (r == 1)
		return 0;
	p2v_stop_install();
	if (r == 0)
		r = operands_take(&o, &err);
	if (r == 0)
		r = run(&o, &err);
	if (r < 0 && o.json)
		agent_print_failure(&err, stdout);
	p2v_opt_free(&cmd, &o);
	if (r == 0 && fflush(stdout) != 0)
		r = p2v_err_set(&err, P2V_EIO, "standard output cannot be written");
	return r < 0 ? p2v_opt_fail(AGENT_PROGRAM, &err) : 0;
}

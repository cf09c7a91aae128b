/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/control/config.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/core/yaml-doc.h"
#include "p2v/model/check.h"
#include "p2v/store/ledger.h"

static const struct p2v_json_field fields[] = {
	P2V_JSON_STR(struct server_config, store, 0),
	P2V_JSON_STR(struct server_config, base, 0),
	P2V_JSON_STR(struct server_config, pool, 0),
	P2V_JSON_STR(struct server_config, host, 0),
	P2V_JSON_STR(struct server_config, socket, 0),
	P2V_JSON_STR(struct server_config, program, 0),
	P2V_JSON_STR(struct server_config, user, 0),
	P2V_JSON_STR(struct server_config, format, 0),
	P2V_JSON_STR(struct server_config, virtio_win, 0),
	P2V_JSON_STR(struct server_config, virtio_win_digest, 0),
	P2V_JSON_STR(struct server_config, listen, 0),
	P2V_JSON_STR(struct server_config, tls_cert, 0),
	P2V_JSON_STR(struct server_config, tls_key, 0),
	P2V_JSON_STR(struct server_config, tokens, 0),
	P2V_JSON_STR(struct server_config, keys, 0),
	P2V_JSON_U32(struct server_config, workers, 0),
	P2V_JSON_U32(struct server_config, receivers, 0),
	P2V_JSON_U32(struct server_config, patience_s, 0),
	P2V_JSON_U32(struct server_config, priority, 0),
	P2V_JSON_STRS(struct server_config, hold, 0),
	P2V_JSON_STRS(struct server_config, windows, 0),
	P2V_JSON_STRS(struct server_config, retention, 0),
	P2V_JSON_U32(struct server_config, tries, 0),
	P2V_JSON_U32(struct server_config, retry_s, 0),
	P2V_JSON_STR(struct server_config, keep_free, 0),
	P2V_JSON_STR(struct server_config, quota, 0),
	P2V_JSON_STR(struct server_config, job_quota, 0),
	P2V_JSON_STR(struct server_config, worker_memory, 0),
	P2V_JSON_U32(struct server_config, nice, 0),
	P2V_JSON_U32(struct server_config, lease_s, 0),
	P2V_JSON_U32(struct server_config, scan_s, 0),
	P2V_JSON_U32(struct server_config, stop_s, 0),
	P2V_JSON_END,
};
const struct p2v_json_type control_config_type = {
	"configuration", sizeof(struct server_config), fields};

#define SETTING(name, arg, help)                                                                   \
	{                                                                                          \
		name, 0, arg, P2V_OPT_STR, 0, 0, help                                              \
	}

static const struct p2v_opt settings[] = {
	SETTING("store", "WHERE",
		"The job ledger: the path of an SQLite file (default /var/lib/p2v/ledger.db), or "
		"postgresql://USER@HOST/NAME, which several conversion servers may share. A "
		"password belongs into the file that libpq reads (PGPASSFILE) and not here."),
	SETTING("base", "DIR",
		"Where p2v-recv leaves job directories (default /srv/p2v). Servers that share a "
		"pool see the same directories here."),
	SETTING("pool", "NAME",
		"Which jobs of the ledger are ours (default main): those whose directories lie "
		"below base. Servers with storage of their own have pools of their own."),
	SETTING("host", "NAME",
		"This server's name in the ledger (default the host name); no two may have the "
		"same."),
	SETTING("socket", "PATH",
		"Where the API listens (default /run/p2v/p2vd.sock). Who may open it may do "
		"everything that p2v job can."),
	SETTING("listen", "ADDRESS:PORT",
		"Where the API and the dashboard listen for the network, by TLS alone: "
		"0.0.0.0:8443, "
		"[::]:8443. By default nowhere."),
	SETTING("tls_cert", "FILE",
		"The certificate for that, with its chain, PEM. It is read when p2vd starts: "
		"restart p2vd when "
		"there is a new one, between stages, as what runs then is done again. p2v server "
		"check says "
		"how long it is good."),
	SETTING("tls_key", "FILE", "Its key, PEM; only p2vd needs to read it."),
	SETTING("tokens", "FILE",
		"Who may ask over the network (default /etc/p2v/tokens): p2v server token makes "
		"it."),
	SETTING("keys", "FILE",
		"The SSH keys of agents (default /var/lib/p2v/authorized_keys): p2v key keeps it, "
		"and sshd reads it."),
	SETTING("program", "PATH", "The p2v that is run (default p2v, found in PATH)."),
	SETTING("user", "NAME",
		"As whom the workers run where p2vd is root. By default as p2vd itself."),
	SETTING("format", "FORMAT",
		"Of the output's disks: qcow2 (default), raw, vmdk, vhdx, vdi."),
	SETTING("virtio_win", "ISO|DIR|URL",
		"Drivers for a Windows, as p2v convert --virtio-win takes them: an absolute path, "
		"or an address of the ISO, which is fetched once and kept below the workers' home "
		"(.cache/p2v); stages that may fetch it have the host's network, others have none. "
		"A "
		"path is not one below base, where a stage sees its own job alone. By default what "
		"lies in /usr/share/virtio-win."),
	SETTING("virtio_win_digest", "sha256:HEX",
		"What lies at the address in virtio_win; an address has to have one."),
	SETTING("workers", "N", "How many stages run at once (default 1)."),
	SETTING("receivers", "N",
		"How many machines are received at once (default 16). The others wait in the order "
		"in which they came, and see their place in the queue on their screens."),
	SETTING("patience_s", "SECONDS",
		"How long a machine that waits for room may be passed by smaller ones that there "
		"is room for (default 3600). Then what gets free is kept for it, and those behind "
		"it wait, unless it needs more than the server has in all."),
	SETTING("priority", "N",
		"Of jobs that are new (default 5): the highest is taken first, among equals the "
		"oldest."),
	SETTING("hold", "[conversion, emission]",
		"Before which step each new job is held until somebody says p2v job approve. By "
		"default before none."),
	SETTING("windows", "[WINDOW, ...]",
		"When stages may begin, in local time: 22:00-06:00, mon-fri 20:00-05:00, sat,sun "
		"00:00-24:00. What has begun runs to its end. By default always."),
	SETTING("tries", "N",
		"How often a stage is tried that fails for a reason that may pass (default 3). "
		"What is refused is not tried again."),
	SETTING("retry_s", "SECONDS",
		"How long it waits before the second try (default 60), twice as long before each "
		"further one."),
	SETTING("keep_free", "SIZE",
		"Stages begin only while that much is free below base (default 5G); jobs wait with "
		"that reason."),
	SETTING("quota", "SIZE",
		"How much all jobs together may hold (default 0: what the file system has). "
		"Machines that there is no room for wait, before anything of theirs is sent: what "
		"is used of their disks is reserved for them first, and neither keep_free nor what "
		"is reserved for others counts as room."),
	SETTING("job_quota", "SIZE",
		"How much one machine may send (default 0: any amount). One that holds more is "
		"refused."),
	SETTING("retention", "[RULE, ...]",
		"Which jobs are removed with their disks, and when: cancelled 30d, failed 90d, "
		"waiting 60d (nothing has come for so long), proven 365d, handed-over 14d. The "
		"time "
		"is in d, h, m or s. By default none ever is. The audit log keeps what was "
		"removed, "
		"and why."),
	SETTING("worker_memory", "SIZE",
		"Address space that each process of a worker may have (default 0: no limit). A "
		"worker's QEMU needs the guest's memory and some gigabytes more."),
	SETTING("nice", "N", "The workers' nice value (default 5)."),
	SETTING("lease_s", "SECONDS",
		"After how long without a sign of life another server takes over a job (default "
		"60)."),
	SETTING("scan_s", "SECONDS", "How often base is looked at for new jobs (default 10)."),
	SETTING("stop_s", "SECONDS",
		"How long workers have to end in order when p2vd is stopped (default 20); then "
		"they are killed, and the stage is done again at the next start."),
	P2V_OPT_END,
};

const struct p2v_cmd control_config_page = {
	.name = "p2vd.conf",
	.operands = "",
	.summary = "configuration of p2vd",
	.text = "The file " CONTROL_CONFIG_PATH " is YAML, a line a setting. All are optional; one "
		"that is not known is an error.\n\n"
		" store: postgresql://p2v@db.example.org/p2v\n base: /srv/p2v\n workers: 2\n"
		" hold: [conversion]\n windows: [\"22:00-06:00\", \"sat,sun 00:00-24:00\"]",
	.opts = settings,
	.see_also = "p2vd(8), p2v-job(1), p2v-server(1)",
	.section = 5,
};

void control_config_finish(struct server_config *config)
{
	free(config->open);
	free(config->rules);
	free(config->home);
	p2v_json_free(&control_config_type, config);
}

static int texts_default(struct server_config *c, struct p2v_err *err)
{
	char host[256] = "localhost";
	const struct {
		char **at;
		const char *text;
	} rows[] = {{&c->store, "/var/lib/p2v/ledger.db"}, {&c->base, "/srv/p2v"},
		{&c->pool, "main"}, {&c->host, host}, {&c->socket, "/run/p2v/p2vd.sock"},
		{&c->program, "p2v"}, {&c->keep_free, "5G"}, {&c->worker_memory, "0"},
		{&c->quota, "0"}, {&c->job_quota, "0"}, {&c->format, "qcow2"},
		{&c->tokens, "/etc/p2v/tokens"}, {&c->keys, "/var/lib/p2v/authorized_keys"}};

	gethostname(host, sizeof(host) - 1);
	for (size_t i = 0; i < P2V_N(rows); i++) {
		if (!*rows[i].at)
			*rows[i].at = strdup(rows[i].text);
		if (!*rows[i].at)
			return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	return 0;
}

/* Numbers, with their defaults and bounds; 0 is "not said". */
static int numbers_check(struct server_config *c, struct p2v_err *err)
{
	const struct {
		const char *name;
		uint32_t *at, value, most;
	} rows[] = {{"workers", &c->workers, 1, 64}, {"receivers", &c->receivers, 16, 10000},
		{"patience_s", &c->patience_s, 3600, 31536000}, {"priority", &c->priority, 5, 1000},
		{"tries", &c->tries, 3, 100}, {"retry_s", &c->retry_s, 60, 86400},
		{"nice", &c->nice, 5, 19}, {"lease_s", &c->lease_s, 60, 86400},
		{"scan_s", &c->scan_s, 10, 86400}, {"stop_s", &c->stop_s, 20, 600}};

	for (size_t i = 0; i < P2V_N(rows); i++) {
		if (*rows[i].at == 0)
			*rows[i].at = rows[i].value;
		if (*rows[i].at > rows[i].most)
			return p2v_err_set(err, P2V_EINVAL, "%s: %u is more than %u", rows[i].name,
				*rows[i].at, rows[i].most);
	}
	return 0;
}

static int gates_find(struct server_config *c, struct p2v_err *err)
{
	for (size_t i = 0; i < c->n_hold; i++) {
		if (strcmp(c->hold[i], "conversion") == 0)
			c->gates |= LEDGER_GATE_CONVERSION;
		else if (strcmp(c->hold[i], "emission") == 0)
			c->gates |= LEDGER_GATE_EMISSION;
		else
			return p2v_err_set(err, P2V_EINVAL,
				"hold: '%.40s' is neither conversion nor emission", c->hold[i]);
	}
	return 0;
}

static int windows_parse(struct server_config *c, struct p2v_err *err)
{
	int r = 0;

	c->open = calloc(c->n_windows + 1, sizeof(*c->open));
	if (!c->open)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	for (size_t i = 0; r == 0 && i < c->n_windows; i++)
		r = control_window_parse(c->windows[i], &c->open[i], err);
	return r;
}

static int rules_parse(struct server_config *c, struct p2v_err *err)
{
	int r = 0;

	c->rules = calloc(c->n_retention + 1, sizeof(*c->rules));
	if (!c->rules)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	for (size_t i = 0; r == 0 && i < c->n_retention; i++)
		r = control_retention_parse(c->retention[i], &c->rules[i], err);
	return r;
}

static int sizes_parse(struct server_config *c, struct p2v_err *err)
{
	const struct {
		const char *name, *text;
		uint64_t *at;
	} rows[] = {{"keep_free", c->keep_free, &c->keep_free_bytes},
		{"quota", c->quota, &c->quota_bytes},
		{"job_quota", c->job_quota, &c->job_quota_bytes},
		{"worker_memory", c->worker_memory, &c->worker_memory_bytes}};
	int r = 0;

	for (size_t i = 0; r == 0 && i < P2V_N(rows); i++)
		r = p2v_num_parse_bytes(rows[i].text, rows[i].name, rows[i].at, err);
	return r;
}

static int user_find(struct server_config *c, struct p2v_err *err)
{
	const struct passwd *user;

	if (!c->user || geteuid() != 0)
		return 0;
	errno = 0;
	user = getpwnam(c->user);
	if (!user)
		return p2v_err_set(err, P2V_ENOTFOUND, "user: there is no user %s", c->user);
	c->uid = user->pw_uid;
	c->gid = user->pw_gid;
	c->home = strdup(user->pw_dir);
	return c->home ? 0 : p2v_err_set(err, P2V_ENOMEM, "out of memory");
}

static int tls_check(const struct server_config *c, struct p2v_err *err)
{
	if (c->listen && (!c->tls_cert || !c->tls_key))
		return p2v_err_set(err, P2V_EINVAL,
			"listen: only with tls_cert and tls_key: nothing of this goes over a "
			"network in the clear");
	return 0;
}

/* p2vd and its workers start in no directory that a path could count from. */
static int media_check(const struct server_config *c, struct p2v_err *err)
{
	bool url = c->virtio_win && strncmp(c->virtio_win, "http", 4) == 0;

	if (c->virtio_win && !url && *c->virtio_win != '/')
		return p2v_err_set(err, P2V_EINVAL,
			"virtio_win: '%.200s' is no absolute path and no address", c->virtio_win);
	if (url && !c->virtio_win_digest)
		return p2v_err_set(err, P2V_EINVAL,
			"virtio_win: what is fetched from an address has to be known: say "
			"virtio_win_digest (sha256:HEX)");
	return 0;
}

static int config_complete(struct server_config *c, struct p2v_err *err)
{
	int r = texts_default(c, err);

	if (r == 0)
		r = numbers_check(c, err);
	if (r == 0)
		r = gates_find(c, err);
	if (r == 0)
		r = windows_parse(c, err);
	if (r == 0)
		r = rules_parse(c, err);
	if (r == 0)
		r = sizes_parse(c, err);
	if (r == 0 && !model_name_ok(c->pool))
		r = p2v_err_set(err, P2V_EINVAL, "pool: '%.80s' is not a name", c->pool);
	if (r == 0 && !model_name_ok(c->host))
		r = p2v_err_set(err, P2V_EINVAL, "host: '%.80s' is not a name", c->host);
	if (r == 0)
		r = tls_check(c, err);
	if (r == 0)
		r = media_check(c, err);
	return r < 0 ? r : user_find(c, err);
}

int control_config_load(const char *path, bool must, struct server_config *ret, struct p2v_err *err)
{
	struct server_config config = {0};
	int r = 0;

	if (path && (must || p2v_file_exists(path)))
		r = p2v_yaml_load(&control_config_type, path, &config, err);
	if (r == 0) {
		r = config_complete(&config, err);
		if (r < 0 && path)
			p2v_err_wrap(err, r, "%s", path);
	}
	if (r < 0)
		control_config_finish(&config);
	else
		*ret = config;
	return r;
}

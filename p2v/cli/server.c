/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * p2v server: sets up a conversion server, says what is wrong with it, copies its ledger.
 */
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "p2v/cli/print.h"
#include "p2v/cli/server-door.h"
#include "p2v/cli/server-item.h"
#include "p2v/cli/verb.h"
#include "p2v/control/api.h"
#include "p2v/control/certificate.h"
#include "p2v/control/token.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"
#include "p2v/store/ledger.h"

#define TOOL_MS	  60000
#define FILE_MOST ((size_t)64 << 10)

struct server_opts {
	bool json, no_start;
	const char *root, *base, *config;
	uint64_t port;
	const char **words;
	size_t n_words;
};

static bool is_here(const struct server_place *place)
{
	return !*place->root;
}

/* ---- where things are ---- */

static char *dir_of_self(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n <= 0)
		return NULL;
	path[n] = '\0';
	slash = strrchr(path, '/');
	return slash ? strndup(path, (size_t)(slash - path)) : NULL;
}

/* Beside this p2v, if it is installed; /usr otherwise, as a package has it. */
static void programs_find(const struct server_opts *o, char **ret_bin, char **ret_sbin)
{
	p2v_autofree char *self = dir_of_self();
	p2v_autofree char *recv = self ? p2v_path_join(self, "p2v-recv") : NULL;
	size_t n = self ? strlen(self) : 0;

	if (!o->root && recv && p2v_file_exists(recv) && n > 4 &&
		strcmp(self + n - 4, "/bin") == 0) {
		*ret_sbin = p2v_strf("%.*s/sbin", (int)(n - 4), self);
		*ret_bin = p2v_steal(self);
		return;
	}
	*ret_bin = strdup("/usr/bin");
	*ret_sbin = strdup("/usr/sbin");
}

/* ---- init ---- */

static int user_make(struct p2v_err *err)
{
	const char *const argv[] = {"useradd", "--system", "--user-group", "--home-dir",
		"/var/lib/p2v", "--no-create-home", "--shell", "/bin/sh", "--password", "*",
		"--comment", "p2v migrations", SERVER_USER, NULL};

	if (getpwnam(SERVER_USER))
		return 0;
	/* sshd runs the forced command by the user's shell. */
	printf("made     user " SERVER_USER "\n");
	return p2v_proc_run(argv, NULL, 0, TOOL_MS, NULL, err);
}

static int items_make(const struct server_place *place, struct p2v_err *err)
{
	static const char *const words[] = {"is there", "made", "renewed"};
	bool renewed = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < server_n_items; i++) {
		p2v_autofree char *path = server_item_path(place, &server_items[i]);
		enum server_state state = SERVER_FINE;

		if (!server_item_wanted(place, &server_items[i]))
			continue;
		r = server_item_make(place, &server_items[i], &state, err);
		if (r == 0)
			printf("%-8s %s\n", words[state], path ? path : "");
		renewed = renewed || state == SERVER_DIFFERS;
	}
	/* Not done here: what p2vd is at would be done again. */
	if (r == 0 && renewed)
		printf("What was renewed counts for p2vd from its next start: systemctl restart "
		       "p2vd.service%s\n",
			place->port ? " p2v-sshd.service" : "");
	return r;
}

static int sshd_check(struct p2v_err *err)
{
	const char *const argv[] = {"/usr/sbin/sshd", "-t", NULL};

	/* Without its directory sshd checks nothing; what starts sshd makes it, and may not have
	 * yet. */
	if (geteuid() == 0)
		mkdir("/run/sshd", 0755);
	return p2v_proc_exists(argv[0]) ? p2v_proc_run(argv, NULL, 0, TOOL_MS, NULL, err) : 0;
}

/* Where systemd runs; elsewhere the administrator starts things his way. */
static int units_start(const struct server_place *place, struct p2v_err *err)
{
	static const struct {
		const char *argv[6];
		bool own_sshd;
	} rows[] = {
		{{"systemctl", "daemon-reload", NULL}, false},
		{{"systemctl", "enable", "--now", "p2vd.service", NULL}, false},
		{{"systemctl", "enable", "--now", "p2v-sshd.service", NULL}, true},
		{{"systemctl", "reload", "ssh.service", NULL}, false},
	};
	int r = 0;

	if (!p2v_file_exists("/run/systemd/system")) {
		printf("systemd does not run here: start p2vd, and let sshd read its configuration "
		       "again\n");
		return 0;
	}
	for (size_t i = 0; r == 0 && i < P2V_N(rows); i++)
		if (!rows[i].own_sshd || place->port)
			r = p2v_proc_run(rows[i].argv, NULL, 0, TOOL_MS, NULL, err);
	return r;
}

/* The configuration is the administrator's: with another base in it, agents would send to where
 * p2vd does not look. */
static int base_check(
	const struct server_opts *o, const struct server_place *place, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_strf("%s" CONTROL_CONFIG_PATH, place->root);
	p2v_auto_config struct server_config config = {0};

	if (!o->base || !path || control_config_load(path, true, &config, NULL) < 0 ||
		strcmp(config.base, place->base) == 0)
		return 0;
	return p2v_err_set(err, P2V_EREFUSED,
		"--base: %s says base: %s. Change it there, and run 'p2v server init' without "
		"--base",
		path, config.base);
}

static int run_init(
	const struct server_opts *o, const struct server_place *place, struct p2v_err *err)
{
	int r = 0;

	if (is_here(place) && geteuid() != 0)
		return p2v_err_set(err, P2V_EREFUSED, "only root sets up a server");
	r = base_check(o, place, err);
	if (r == 0 && is_here(place))
		r = user_make(err);
	if (r == 0)
		r = items_make(place, err);
	if (r < 0 || !is_here(place))
		return r;
	r = sshd_check(err);
	if (r < 0)
		return p2v_err_wrap(err, r, "sshd does not like its configuration");
	return o->no_start ? 0 : units_start(place, err);
}

/* ---- check ---- */

/* What is printed with --json; version 1. */
struct server_finding {
	char *what, *text;
	bool fine;
};
static const struct p2v_json_field finding_fields[] = {
	P2V_JSON_STR(struct server_finding, what, 0),
	P2V_JSON_BOOL(struct server_finding, fine, 0),
	P2V_JSON_STR(struct server_finding, text, 0),
	P2V_JSON_END,
};
static const struct p2v_json_type finding_type = {
	"finding", sizeof(struct server_finding), finding_fields};

struct server_report {
	uint32_t version;
	bool fine;
	struct server_finding *findings;
	size_t n_findings;
};
static const struct p2v_json_field report_fields[] = {
	P2V_JSON_U32(struct server_report, version, 0),
	P2V_JSON_BOOL(struct server_report, fine, 0),
	P2V_JSON_OBJS(struct server_report, findings, 0, &finding_type),
	P2V_JSON_END,
};
static const struct p2v_json_type report_type = {
	"server check", sizeof(struct server_report), report_fields};

/* A finding that there is no memory for is not printed, but counts. */
static void say(struct server_report *report, bool fine, const char *what, const char *cure)
{
	struct server_finding *f = p2v_json_grow(
		(void **)&report->findings, &report->n_findings, sizeof(*report->findings));

	report->fine = report->fine && fine && f;
	if (f)
		*f = (struct server_finding){strdup(what), fine ? NULL : strdup(cure), fine};
}

static int report_print(
	const struct server_opts *o, struct server_report *report, struct p2v_err *err)
{
	if (o->json)
		return cli_print_json(&report_type, report, err);
	if (cli_make_printable(&report_type, report, err) < 0)
		return P2V_ENOMEM;
	for (size_t i = 0; i < report->n_findings; i++) {
		const struct server_finding *f = &report->findings[i];

		printf("%-4s  %s%s%s\n", f->fine ? "ok" : "bad", f->what ? f->what : "",
			f->text ? ": " : "", f->text ? f->text : "");
	}
	return 0;
}

static void check_items(struct server_report *report, const struct server_place *place)
{
	static const char *const cures[] = {"", "is not there: p2v server init makes it",
		"is not as p2v server init makes it (text, owner or mode)"};

	for (size_t i = 0; i < server_n_items; i++) {
		p2v_autofree char *path = server_item_path(place, &server_items[i]);
		enum server_state state = SERVER_FINE;
		struct p2v_err err = {0};

		if (!server_item_wanted(place, &server_items[i]) || !path)
			continue;
		if (server_item_look(place, &server_items[i], &state, &err) < 0)
			say(report, false, path, err.text);
		else
			say(report, state == SERVER_FINE, path, cures[state]);
	}
}

static void check_running(struct server_report *report, const struct server_config *config)
{
	const struct cli_server server = {.socket = config->socket};
	struct api_server answer = {0};
	struct p2v_err err = {0};
	int r = cli_server_get(&server, "/v1/server", &control_server_type, &answer, &err);

	say(report, r == 0, "p2vd answers", err.text);
	if (r == 0 && answer.program && strcmp(answer.program, P2V_VERSION) != 0) {
		p2v_autofree char *what = p2v_strf("p2vd is of version %s", answer.program);

		say(report, false, what ? what : "p2vd",
			"this p2v is of " P2V_VERSION ": restart it (systemctl restart p2vd)");
	}
	p2v_json_free(&control_server_type, &answer);
}

#define CERTIFICATE_SOON_S (14 * 86400)

static void check_certificate(struct server_report *report, const char *path)
{
	p2v_autofree char *what = NULL;
	struct p2v_err err = {0};
	char day[16] = "";
	int64_t until_s = 0;
	struct tm local;

	if (control_certificate_until(path, &until_s, &err) < 0) {
		say(report, false, "the certificate of the API", err.text);
		return;
	}
	localtime_r(&(time_t){until_s}, &local);
	strftime(day, sizeof(day), "%Y-%m-%d", &local);
	what = p2v_strf("%s, good until %s", path, day);
	say(report, until_s > time(NULL) + CERTIFICATE_SOON_S, what ? what : path,
		"get a new one, and restart p2vd");
}

/* To open one that is not there makes it, and it would be root's and not p2vd's. */
static bool ledger_is_there(const char *store)
{
	const char *path = strncmp(store, "sqlite:", 7) == 0 ? store + 7 : store;

	return *path != '/' || p2v_file_exists(path);
}

static void check_config(struct server_report *report, const struct server_config *config)
{
	p2v_auto(store_ledger_free) struct ledger *ledger = NULL;
	struct p2v_err err = {0};

	say(report, access(config->base, W_OK) == 0, config->base,
		"cannot be written by this user");
	if (!ledger_is_there(config->store))
		say(report, true, "the ledger is made when p2vd starts", "");
	else if (store_ledger_open(config->store, &ledger, &err) < 0)
		say(report, false, "the ledger", err.text);
	else
		say(report, true, "the ledger opens", "");
	if (config->listen)
		check_certificate(report, config->tls_cert);
	check_running(report, config);
}

static int run_check(
	const struct server_opts *o, const struct server_place *place, struct p2v_err *err)
{
	p2v_auto_config struct server_config config = {0};
	struct server_report report = {.version = 1, .fine = true};
	struct p2v_err why = {0};
	int r;

	if (is_here(place))
		say(&report, getpwnam(SERVER_USER) != NULL, "user " SERVER_USER,
			"is not there: p2v server init makes it");
	check_items(&report, place);
	if (is_here(place)) {
		r = sshd_check(&why);
		say(&report, r == 0, "sshd's configuration", why.text);
		r = control_config_load(o->config ? o->config : CONTROL_CONFIG_PATH,
			o->config != NULL, &config, &why);
		say(&report, r == 0, "p2vd.conf", why.text);
		if (r == 0)
			check_config(&report, &config);
	}
	r = report_print(o, &report, err);
	if (r == 0 && !report.fine)
		r = P2V_EIO;
	p2v_json_free(&report_type, &report);
	return r;
}

/* ---- backup ---- */

static int run_backup(
	const struct server_opts *o, const struct server_place *place, struct p2v_err *err)
{
	p2v_auto(store_ledger_free) struct ledger *ledger = NULL;
	p2v_auto_config struct server_config config = {0};
	int r;

	(void)place;
	if (o->n_words != 2)
		return p2v_err_set(err, P2V_EINVAL, "backup takes the name of a new file");
	r = control_config_load(
		o->config ? o->config : CONTROL_CONFIG_PATH, o->config != NULL, &config, err);
	if (r == 0)
		r = store_ledger_open(config.store, &ledger, err);
	if (r == 0)
		r = store_ledger_backup(ledger, o->words[1], err);
	return r;
}

/* ---- tokens ---- */

static int token_add(const struct server_opts *o, const char *path, struct p2v_err *err)
{
	char token[CONTROL_TOKEN_BYTES];
	enum api_role role;
	int r;

	if (o->n_words != 4)
		return p2v_err_set(err, P2V_EINVAL, "token add takes a role and a name");
	r = control_role_parse(o->words[2], &role, err);
	if (r == 0)
		r = control_token_add(path, role, o->words[3], token, err);
	if (r == 0)
		printf("%s\n", token);
	return r;
}

static int token_list(const struct server_opts *o, const char *path, struct p2v_err *err)
{
	struct tokens tokens = {0};
	int r = control_token_list(path, &tokens, err);

	if (r == 0 && o->json)
		r = cli_print_json(&control_tokens_type, &tokens, err);
	else if (r == 0)
		r = cli_make_printable(&control_tokens_type, &tokens, err);
	for (size_t i = 0; r == 0 && !o->json && i < tokens.n_tokens; i++)
		printf("%-8s  %s\n", tokens.tokens[i].role, tokens.tokens[i].name);
	p2v_json_free(&control_tokens_type, &tokens);
	return r;
}

static int run_token(
	const struct server_opts *o, const struct server_place *place, struct p2v_err *err)
{
	const char *word = o->n_words > 1 ? o->words[1] : "";
	p2v_auto_config struct server_config config = {0};
	int r = control_config_load(
		o->config ? o->config : CONTROL_CONFIG_PATH, o->config != NULL, &config, err);

	(void)place;
	if (r < 0)
		return r;
	if (strcmp(word, "add") == 0)
		return token_add(o, config.tokens, err);
	if (strcmp(word, "list") == 0 && o->n_words == 2)
		return token_list(o, config.tokens, err);
	if (strcmp(word, "revoke") == 0 && o->n_words == 3)
		return control_token_revoke(config.tokens, o->words[2], err);
	return p2v_err_set(err, P2V_EINVAL,
		"token takes add ROLE NAME, list, or revoke NAME; see 'p2v server --help'");
}

static const struct {
	const char *word;
	size_t words;
	int (*run)(
		const struct server_opts *o, const struct server_place *place, struct p2v_err *err);
} server_verbs[] = {{"init", 1, run_init}, {"check", 1, run_check}, {"backup", 2, run_backup},
	{"token", 4, run_token}};

#define OPT(name, arg, kind, member, help)                                                         \
	{                                                                                          \
		name, 0, arg, kind, offsetof(struct server_opts, member), 0, help                  \
	}

static const struct p2v_opt server_opts[] = {
	OPT("base", "DIR", P2V_OPT_STR, base,
		"For the job directories (default: what p2vd.conf says, else /srv/p2v)."),
	OPT("ssh-port", "PORT", P2V_OPT_U64, port,
		"Run a sshd of our own there, too, for agents alone (default: where it runs "
		"already)."),
	OPT("root", "DIR", P2V_OPT_STR, root,
		"init and check: below DIR instead of on this host, for packages; no user is made "
		"and nothing is started."),
	OPT("no-start", NULL, P2V_OPT_FLAG, no_start, "init: only make files."),
	OPT("config", "FILE", P2V_OPT_STR, config, "Instead of " CONTROL_CONFIG_PATH "."),
	OPT("json", NULL, P2V_OPT_FLAG, json,
		"check, token list: print JSON (version 1: fine, findings; tokens)."),
	P2V_OPT_END,
};

static const char *const server_words[] = {"init", "check", "backup", "token", NULL};

static const struct p2v_cmd server_cmd = {
	.name = "p2v server",
	.operands = "init | check | backup FILE | token add ROLE NAME|list|revoke NAME",
	.min_operands = 1,
	.max_operands = 4,
	.summary = "set up the conversion server, check it, copy its ledger",
	.text = "init makes the user p2v, the directories, what sshd needs to let agents in with "
		"keys of /etc/p2v/authorized_keys, p2v-key(1) and p2v-enroll(1) and nothing else, "
		"a "
		"configuration and the "
		"systemd units, and starts them. It may be run again at any time: what it made it "
		"renews, what is the administrator's (p2vd.conf, authorized_keys) it leaves "
		"alone.\n\n"
		"Operators who are not root ask p2vd, here or by p2v job --host, when their "
		"account "
		"is in the group p2v: adduser ann p2v. With that they see and steer all jobs; the "
		"received disks stay readable for p2v and root alone.\n\n"
		"check says what is not as it should be.\n\n"
		"backup copies the ledger into FILE, which must be new, while p2vd runs. A ledger "
		"in PostgreSQL is copied by pg_dump(1). To put one back, what SQLite left beside "
		"the old ledger has to go with it:\n\n"
		" systemctl stop p2vd\n"
		" rm -f /var/lib/p2v/ledger.db /var/lib/p2v/ledger.db-wal "
		"/var/lib/p2v/ledger.db-shm\n"
		" install -o p2v -g p2v -m 640 FILE /var/lib/p2v/ledger.db\n"
		" systemctl start p2vd\n\n"
		"What has happened to the jobs since then p2vd sees in their directories; holds, "
		"approvals and priorities are as they were. Without a backup it begins a new one "
		"by the directories alone.\n\n"
		"token: who may ask p2vd over the network (listen in p2vd.conf). ROLE is viewer, "
		"operator or admin (who may remove jobs). The token is printed once and kept "
		"nowhere; what revoke takes away is gone at once.\n\n"
		"Exit code 0: done, or all is fine. 1: failed, or something is not.",
	.opts = server_opts,
	.words = server_words,
	.operands_offset = offsetof(struct server_opts, words),
	.n_operands_offset = offsetof(struct server_opts, n_words),
	.see_also = "p2v(1), p2v-job(1), p2v-doctor(1), p2vd(8), p2vd.conf(5), sshd_config(5)",
};

/* What was chosen when it was set up, so that a later init or check means the same. malloc'd. */
static char *base_chosen(const char *root, const char *config_path)
{
	p2v_autofree char *path = p2v_strf("%s%s", root, CONTROL_CONFIG_PATH);
	p2v_auto_config struct server_config config = {0};

	/* One that is not good is for check to complain about. */
	if (config_path || !path || control_config_load(path, false, &config, NULL) < 0)
		return strdup("/srv/p2v");
	return p2v_steal(config.base);
}

static uint64_t port_chosen(const char *root)
{
	p2v_autofree char *path = p2v_strf("%s" SERVER_SSHD_CONFIG, root);
	p2v_autobuf struct p2v_buf text = {0};
	struct p2v_span rest, line;
	uint64_t port = 0;

	if (!path || p2v_file_read(path, FILE_MOST, &text, NULL) < 0)
		return 0;
	rest = p2v_span_of(text.data, text.len);
	while (p2v_line_next(&rest, &line))
		if (p2v_span_starts(line, "Port ") &&
			p2v_span_u64(p2v_span_skip(line, 5), 65535, &port))
			return port;
	return 0;
}

static int dispatch(const struct server_opts *o, struct p2v_err *err)
{
	const char *root = o->root ? o->root : "";
	p2v_autofree char *bin = NULL, *sbin = NULL;
	p2v_autofree char *base = o->base ? strdup(o->base) : base_chosen(root, o->config);
	struct server_place place = {
		.root = root, .base = base, .port = o->port ? o->port : port_chosen(root)};

	programs_find(o, &bin, &sbin);
	if (!bin || !sbin || !base)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	place.bin = bin;
	place.sbin = sbin;
	/* It becomes a line of other programs' files. */
	if (place.base[0] != '/' || strpbrk(place.base, " \t\r\n\"'\\%{}$"))
		return p2v_err_set(err, P2V_EINVAL,
			"--base: '%s' is not an absolute path of plain characters", place.base);
	if (place.port > 65535)
		return p2v_err_set(err, P2V_EINVAL, "--ssh-port: no port is above 65535");
	for (size_t i = 0; i < P2V_N(server_verbs); i++)
		if (strcmp(server_verbs[i].word, o->words[0]) == 0)
			return o->n_words > server_verbs[i].words
				       ? p2v_err_set(
						 err, P2V_EINVAL, "'%s' is too much", o->words[1])
				       : server_verbs[i].run(o, &place, err);
	return p2v_err_set(err, P2V_EINVAL,
		"'%s' is nothing that p2v server does; see 'p2v server --help'", o->words[0]);
}

static int run(int argc, char **argv, struct p2v_err *err)
{
	struct server_opts o = {0};
	int r = p2v_opt_parse(&server_cmd, argc, argv, &o, err);

	if (r != 0)
		return r;
	r = dispatch(&o, err);
	p2v_opt_free(&server_cmd, &o);
	return r;
}

const struct verb cli_server_verb = {"server", &server_cmd, run};

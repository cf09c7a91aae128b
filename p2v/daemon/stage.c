/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/daemon/stage.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "p2v/core/publish.h"
#include "p2v/model/check.h"
#include "p2v/model/proof.h"
#include "p2v/store/jobdir.h"

/* Each repeats harmlessly what a killed one of its kind has begun. */
static const struct daemon_stage stages[] = {
	{"inspect", LEDGER_RECEIVED, LEDGER_PLANNED, LEDGER_PLANNED, 0, NULL,
		{"convert", "-o", "{dir}", "{format}", "{media}", "{digest}", "--only", "plan"}},
	{"convert", LEDGER_PLANNED, LEDGER_CONVERTED, LEDGER_CONVERTED, LEDGER_GATE_CONVERSION,
		"conversion",
		{"convert", "-o", "{dir}", "{format}", "{media}", "{digest}", "--only", "changes"}},
	{"emit", LEDGER_CONVERTED, LEDGER_EMITTED, LEDGER_EMITTED, LEDGER_GATE_EMISSION, "emission",
		{"convert", "-o", "{dir}", "--only", "output"}},
	{"prove", LEDGER_EMITTED, LEDGER_PROVEN, LEDGER_PROVEN, 0, NULL, {"prove", "{dir}"}},
};

const struct daemon_stage daemon_stage_rollback = {"rollback", LEDGER_WAITING, LEDGER_PROVEN,
	LEDGER_RECEIVED, 0, NULL, {"convert", "--undo", "{dir}"}};

const struct daemon_stage *daemon_stage_next(enum ledger_stage stage)
{
	for (size_t i = 0; i < P2V_N(stages); i++)
		if (stage >= stages[i].from && stage < stages[i].before)
			return &stages[i];
	return NULL;
}

static bool has(const char *dir, const char *noun)
{
	p2v_autofree char *path = p2v_path_join(dir, noun);

	return path && p2v_file_exists(path);
}

char *daemon_proof_doubt(const char *dir)
{
	p2v_autofree char *path = p2v_path_join(dir, STORE_PROOF);
	p2v_auto_proof struct proof proof = {0};
	struct p2v_err err = {0};

	if (!path || !p2v_file_exists(path))
		return NULL;
	if (model_proof_load(path, &proof, &err) < 0)
		return strdup(err.text);
	if (proof.verdict == VERDICT_PROVEN)
		return NULL;
	return p2v_strf("%s: %s", model_verdict_words[proof.verdict],
		proof.reason ? proof.reason : "no reason was given");
}

bool daemon_stage_seen(const char *dir, enum ledger_stage *ret)
{
	static const struct {
		const char *noun;
		enum ledger_stage stage;
	} rows[] = {{STORE_IMAGE, LEDGER_RECEIVED}, {STORE_FACTS, LEDGER_INSPECTED},
		{STORE_PLAN, LEDGER_PLANNED}, {STORE_CHANGES, LEDGER_CONVERTED},
		{STORE_OUTPUT, LEDGER_EMITTED}, {STORE_PROOF, LEDGER_PROVEN}};
	enum ledger_stage stage = LEDGER_WAITING;
	p2v_autofree char *doubt = NULL;

	if (!has(dir, STORE_MACHINE) && !has(dir, STORE_IMAGE))
		return false;
	for (size_t i = 0; i < P2V_N(rows) && has(dir, rows[i].noun); i++)
		stage = rows[i].stage;
	if (stage == LEDGER_PROVEN) {
		doubt = daemon_proof_doubt(dir);
		if (doubt)
			stage = LEDGER_EMITTED;
	}
	*ret = stage;
	return true;
}

static int entry_see(const char *base, const char *name,
	int (*see)(void *ctx, const char *name, enum ledger_stage stage, struct p2v_err *err),
	void *ctx, struct p2v_err *err)
{
	p2v_autofree char *dir = p2v_path_join(base, name);
	enum ledger_stage stage;
	struct stat st;

	if (!dir)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (!model_name_ok(name) || lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode) ||
		!daemon_stage_seen(dir, &stage))
		return 0;
	return see(ctx, name, stage, err);
}

int daemon_scan(const char *base,
	int (*see)(void *ctx, const char *name, enum ledger_stage stage, struct p2v_err *err),
	void *ctx, struct p2v_err *err)
{
	DIR *dir = opendir(base);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return p2v_err_errno(err, errno, "%s", base);
	while (r >= 0 && (entry = readdir(dir)))
		r = entry_see(base, entry->d_name, see, ctx, err);
	closedir(dir);
	return r < 0 ? r : 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * p2v prove: boots what convert made, on a throw-away overlay and an isolated wire, and says what
 * was seen.
 */
#include <inttypes.h>
#include <stdio.h>

#include "converters/prove/prove.h"
#include "p2v/cli/door.h"
#include "p2v/cli/ordered.h"
#include "p2v/cli/print.h"
#include "p2v/cli/verb.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"
#include "p2v/core/progress.h"
#include "p2v/core/publish.h"
#include "p2v/guest/accel.h"
#include "p2v/guest/key.h"
#include "p2v/store/jobdir.h"

struct prove_opts {
	bool json;
	const char *progress;
	uint64_t timeout_s;
	const char **keys;
	size_t n_keys;
	const char **dirs;
	size_t n_dirs;
};

static int say(const char *dir, const struct proof *proof, struct p2v_err *err)
{
	static const char *const marks[] = {"no", "yes"};
	p2v_autobuf struct p2v_buf out = {0};
	char took[P2V_NUM_TEXT];

	p2v_buf_addf(&out, "%s: %s in %s under %s\n", proof->name,
		model_verdict_words[proof->verdict], p2v_num_ms_text(proof->boot_ms, took),
		proof->accel);
	if (proof->reason)
		p2v_buf_addf(&out, "  %s\n", proof->reason);
	for (size_t i = 0; i < proof->n_checks; i++)
		p2v_buf_addf(&out, "  %-14s %-4s %s%s\n", proof->checks[i].name,
			marks[proof->checks[i].ok],
			proof->checks[i].evidence ? proof->checks[i].evidence : "",
			proof->checks[i].required ? "" : " (not required)");
	p2v_buf_addf(&out, "  evidence: %s/{%s,%s,%s}\n", dir,
		proof->serial_log ? proof->serial_log : "",
		proof->screenshot ? proof->screenshot : "", proof->wire_log ? proof->wire_log : "");
	if (p2v_buf_check(&out, err) < 0)
		return P2V_ENOMEM;
	cli_print_text(out.data, out.len);
	return 0;
}

static const struct p2v_opt prove_opts[] = {
	{"json", 0, NULL, P2V_OPT_FLAG, offsetof(struct prove_opts, json), 0, "Print proof.json."},
	{"timeout", 0, "SECONDS", P2V_OPT_U64, offsetof(struct prove_opts, timeout_s), 0,
		"Give up after so long. By default 180 with KVM and 600 without."},
	{"key", 0, CLI_KEY_ARG, P2V_OPT_STRS, offsetof(struct prove_opts, keys),
		offsetof(struct prove_opts, n_keys),
		"As for p2v convert: the passphrases are typed, one after the other, where the "
		"guest asks on its serial line. SELECTOR says nothing here."},
	{"progress", 0, "MODE", P2V_OPT_STR, offsetof(struct prove_opts, progress), 0,
		"auto, json or none."},
	P2V_OPT_END,
};

static const struct p2v_cmd prove_cmd = {
	.name = "p2v prove",
	.operands = "DIR",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "boot the converted machine in isolation and say what was seen",
	.text = "DIR is a job directory in which p2v convert has left output.json. The machine is "
		"started "
		"under QEMU, without a display, on an overlay that is thrown away: the output is "
		"not "
		"written. Its network cards are on a wire that leads nowhere. What is looked for: "
		"the "
		"kernel, the root file system mounted from the virtual disk, the guest's own "
		"driver "
		"writing to it, a login prompt, each static address answering on the wire, and the "
		"TCP ports and HTTP answers that orders.json asks for (checks; p2v-runbook(5)).\n\n"
		"proof.json says what was found; the serial log, a screenshot and every frame on "
		"the wire "
		"lie in DIR/proof.\n\n"
		"Exit code 0: proven. 1: not.",
	.opts = prove_opts,
	.operands_offset = offsetof(struct prove_opts, dirs),
	.n_operands_offset = offsetof(struct prove_opts, n_dirs),
	.see_also = "p2v(1), p2v-convert(1)",
};

static int run_with_keys(const char *dir, const struct output *output, const struct prove_opts *o,
	struct prove_options *options, struct p2v_progress *progress, struct proof *proof,
	struct p2v_err *err)
{
	guest_auto_keys struct guest_keys keys = {0};
	p2v_auto_orders struct orders orders = {0};
	p2v_autofree const char **texts = NULL;
	int r = cli_ordered_load(dir, &orders, err);

	if (r == 0)
		r = o->n_keys ? guest_keys_load(o->keys, o->n_keys, &keys, err)
			      : guest_keys_load((const char *const *)orders.keys, orders.n_keys,
					&keys, err);

	if (r < 0)
		return r;
	texts = calloc(keys.n_items + 1, sizeof(*texts));
	if (!texts)
		return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", dir);
	for (size_t i = 0; i < keys.n_items; i++)
		texts[i] = keys.items[i].text;
	options->passphrases = texts;
	options->n_passphrases = keys.n_items;
	options->checks = orders.checks;
	options->n_checks = orders.n_checks;
	return prove_run(dir, output, options, progress, proof, err);
}

static int prove(const struct prove_opts *o, struct p2v_progress *progress, struct p2v_err *err)
{
	const char *dir = o->dirs[0];
	p2v_autofree char *path = p2v_path_join(dir, STORE_OUTPUT);
	p2v_auto_output struct output output = {0};
	p2v_auto_proof struct proof proof = {0};
	p2v_autoclose int lock = -1;
	struct guest_accel_result accel;
	struct prove_options options = {.timeout_ms = (uint32_t)(o->timeout_s * 1000)};
	int r;

	if (!p2v_file_exists(path))
		return p2v_err_set(err, P2V_ENOTFOUND,
			"%s: has no output.json: convert it first (p2v convert -o %s)", dir, dir);
	r = store_jobdir_open(dir, &lock, err);
	if (r == 0)
		r = model_output_load(path, &output, err);
	if (r == 0)
		r = guest_accel_find(&accel, err);
	if (r < 0)
		return r;
	options.accel = guest_accel_word(accel.accel);
	r = run_with_keys(dir, &output, o, &options, progress, &proof, err);
	p2v_progress_end(progress);
	if (r < 0)
		return r;
	r = o->json ? cli_print_json(&model_proof_type, &proof, err) : say(dir, &proof, err);
	return r < 0 ? r : proof.verdict == VERDICT_PROVEN ? 0 : P2V_EIO;
}

static int run(int argc, char **argv, struct p2v_err *err)
{
	struct prove_opts o = {0};
	struct p2v_progress *progress = NULL;
	enum p2v_progress_mode mode;
	int r = p2v_opt_parse(&prove_cmd, argc, argv, &o, err);

	if (r == 0)
		r = p2v_progress_mode_parse(o.progress, &mode, err);
	if (r == 0) {
		progress = p2v_progress_new(mode);
		r = prove(&o, progress, err);
	}
	p2v_progress_free(progress);
	p2v_opt_free(&prove_cmd, &o);
	return r;
}

const struct verb cli_prove = {"prove", &prove_cmd, run};

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/prove/prove.h"

#include <inttypes.h>
#include <string.h>

#include "converters/emit/hw.h"
#include "converters/prove/verdict.h"
#include "converters/prove/vm.h"
#include "converters/prove/words.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/proc.h"
#include "p2v/core/publish.h"
#include "p2v/core/stop.h"
#include "p2v/store/jobdir.h"

#define KVM_TIMEOUT_MS (180 * 1000)
#define TCG_TIMEOUT_MS (600 * 1000)
#define COMMAND_MS     20000
#define MAX_RESETS     4 /* firmware resets once or twice by itself */
#define MAX_TRIES      3 /* of each passphrase */

/* How often what is looked at. */
#define LISTEN_MS  200
#define LOOK_MS	   1000
#define ASK_MS	   3000
#define PICTURE_MS 10000 /* reading one takes seconds */

/* The part of the time limit in which nothing new must be seen for it to be over early: of the
 * usual 600 s more than the 90 s for which systemd waits for a device that does not come, in which
 * nobody may log in. But a guest that took long to come so far has as many times as long for what
 * is still missing. */
#define SETTLE_PART  4
#define SETTLE_TIMES 2

struct watch {
	struct prove_vm vm;
	struct prove_sights sights;
	uint64_t start_ms, timeout_ms, look_ms, ask_ms, picture_ms, changed_ms;
	unsigned n_ok, n_typed;
	const struct prove_options *options;
};

static int look_at_disks(struct watch *w, struct p2v_err *err)
{
	struct prove_blockstats stats = {0};
	int r = prove_qmp_blockstats(&w->vm.qmp, COMMAND_MS, &stats, err);

	if (r < 0)
		return r;
	w->sights.writes = w->sights.flushes = 0;
	for (size_t i = 0; i < stats.n_disks; i++) {
		size_t n = stats.disks[i].node ? strlen(stats.disks[i].node) : 0;

		/* Firmware's variable store is a block device, too. */
		if (n > 5 && strcmp(stats.disks[i].node + n - 5, "-node") == 0) {
			w->sights.writes += stats.disks[i].writes;
			w->sights.flushes += stats.disks[i].flushes;
		}
	}
	prove_blockstats_finish(&stats);
	return 0;
}

/* A moment after the question, as what asks throws away what was typed before. */
static void answer(struct watch *w)
{
	const struct prove_options *o = w->options;

	if (w->vm.serial.n_prompts <= w->n_typed)
		return;
	if (w->n_typed >= o->n_passphrases * MAX_TRIES) {
		w->sights.locked = true;
		return;
	}
	prove_vm_type(&w->vm, o->passphrases[w->n_typed % o->n_passphrases]);
	w->n_typed++;
}

/* One round. P2V_ELINK: QEMU ended. */
static int look(struct watch *w, struct p2v_err *err)
{
	int r = prove_vm_listen(&w->vm, LISTEN_MS, err);
	uint64_t now = p2v_now_ms();

	if (r == 0 && now - w->look_ms >= LOOK_MS) {
		w->look_ms = now;
		r = prove_vm_read_wires(&w->vm, err);
	}
	if (r == 0 && now - w->ask_ms >= ASK_MS) {
		w->ask_ms = now;
		answer(w);
		prove_vm_knock(&w->vm);
		prove_vm_ask_services(&w->vm);
		w->sights.agent |= prove_vm_agent(&w->vm);
		r = look_at_disks(w, err);
		if (r == 0)
			r = prove_vm_read_screen(&w->vm, err);
	}
	if (r == 0 && emit_is_windows(w->vm.output) && now - w->picture_ms >= PICTURE_MS) {
		r = prove_vm_read_picture(&w->vm, err);
		w->picture_ms = p2v_now_ms();
	}
	w->sights.reset_loop = w->vm.qmp.resets > MAX_RESETS;
	w->sights.panicked = w->vm.qmp.panicked;
	w->sights.stop = w->vm.qmp.stop;
	return r;
}

static bool is_settled(const struct watch *w)
{
	uint64_t least = w->timeout_ms / SETTLE_PART;
	uint64_t its_own = (w->changed_ms - w->start_ms) * SETTLE_TIMES;

	return p2v_now_ms() - w->changed_ms >= (its_own > least ? its_own : least);
}

/* Done: all is seen, it has failed, or it runs and nothing new is to be expected. */
static bool is_over(struct watch *w, const struct proof *so_far)
{
	unsigned n_ok = 0;

	for (size_t i = 0; i < so_far->n_checks; i++)
		n_ok += so_far->checks[i].ok;
	if (n_ok != w->n_ok) {
		w->n_ok = n_ok;
		w->changed_ms = p2v_now_ms();
	}
	if (so_far->verdict == VERDICT_PROVEN || prove_has_failed(&w->sights))
		return true;
	/* What its owner asked for may take as long as the time limit allows. */
	if (prove_services_missing(w->vm.services, w->vm.n_services))
		return false;
	/* The system is up, and its network may still come; or it is on the network, and says
	 * nothing. */
	return (prove_has_login(&w->sights) ||
		       (so_far->verdict == VERDICT_PARTIAL && prove_is_up(so_far))) &&
	       is_settled(w);
}

static int judge(struct watch *w, struct proof *proof, struct p2v_err *err)
{
	struct proof next = {.version = 1};
	int r;

	w->sights.serial = &w->vm.serial;
	w->sights.screen = &w->vm.screen;
	w->sights.services = w->vm.services;
	w->sights.n_services = w->vm.n_services;
	w->sights.picture = emit_is_windows(w->vm.output) ? &w->vm.picture : NULL;
	w->sights.ground = w->vm.ground;
	r = prove_verdict(&w->sights, w->vm.output, w->vm.nics, w->vm.n_nics, &next, err);
	if (r < 0) {
		model_proof_finish(&next);
		return r;
	}
	model_proof_finish(proof);
	*proof = next;
	return 0;
}

/* Watches until it is over; proof holds the last judgement. */
static int watch(
	struct watch *w, struct p2v_progress *progress, struct proof *proof, struct p2v_err *err)
{
	for (;;) {
		uint64_t elapsed = p2v_now_ms() - w->start_ms;
		int r = p2v_stop_check(err);

		if (r < 0)
			return r;
		r = look(w, err);
		if (r == P2V_ELINK && !w->vm.qmp.shutdown)
			return prove_vm_blame(&w->vm, r, err);
		if (r == P2V_ELINK) {
			w->sights.ended = true;
			p2v_err_clear(err);
		} else if (r < 0) {
			return r;
		}
		w->sights.timed_out = elapsed >= w->timeout_ms;
		r = judge(w, proof, err);
		if (r < 0)
			return r;
		p2v_progress_set(progress, elapsed / 1000);
		if (w->sights.ended || w->sights.timed_out || is_over(w, proof))
			return 0;
	}
}

static int complete(struct watch *w, const char *accel, struct proof *proof, struct p2v_err *err)
{
	bool has_screen = !w->sights.ended && prove_vm_screenshot(&w->vm, NULL) == 0;

	proof->version = 1;
	proof->name = strdup(w->vm.output->name);
	proof->accel = strdup(accel);
	proof->boot_ms = w->changed_ms - w->start_ms;
	proof->serial_log = strdup(STORE_PROOF_DIR "/serial.log");
	proof->screenshot = has_screen ? strdup(STORE_PROOF_DIR "/screen.png") : NULL;
	proof->wire_log = w->vm.n_nics ? strdup(STORE_PROOF_DIR "/wire.pcap") : NULL;
	if (!proof->name || !proof->accel || !proof->serial_log ||
		(has_screen && !proof->screenshot) || (w->vm.n_nics && !proof->wire_log))
		return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", w->vm.output->name);
	return 0;
}

int prove_run(const char *dir, const struct output *output, const struct prove_options *options,
	struct p2v_progress *progress, struct proof *ret, struct p2v_err *err)
{
	bool kvm = strcmp(options->accel, "kvm") == 0;
	p2v_auto_proof struct proof proof = {0};
	p2v_autofree char *label = p2v_strf("%s: boot", output->name);
	struct watch w = {.options = options, .sights.unread = !p2v_proc_exists(PROVE_READER)};
	int r;

	if (!label)
		return p2v_err_set(err, P2V_ENOMEM, "%s: out of memory", output->name);
	if (!kvm && strcmp(options->accel, "tcg") != 0)
		return p2v_err_set(err, P2V_EINVAL, "accelerator '%.40s' is neither kvm nor tcg",
			options->accel);
	r = store_jobdir_drop_from(dir, STORE_PROOF, err);
	if (r == 0)
		r = prove_vm_start(&w.vm, dir, output, options->accel, options->checks,
			options->n_checks, err);
	w.start_ms = w.changed_ms = p2v_now_ms();
	w.timeout_ms =
		options->timeout_ms ? options->timeout_ms : (kvm ? KVM_TIMEOUT_MS : TCG_TIMEOUT_MS);
	p2v_progress_start(progress, label, "seconds", 0);
	if (r == 0)
		r = watch(&w, progress, &proof, err);
	p2v_progress_end(progress);
	if (r == 0)
		r = complete(&w, options->accel, &proof, err);
	prove_vm_finish(&w.vm);
	if (r == 0)
		r = model_proof_save(&proof, dir, STORE_PROOF, err);
	if (r < 0)
		return r;
	*ret = proof;
	proof = (struct proof){0};
	return 0;
}

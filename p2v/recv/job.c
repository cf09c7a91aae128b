/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/recv/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/model/check.h"
#include "p2v/store/jobdir.h"
#include "p2v/wire/msg.h"

#define SECTOR 512

static int disks_check(const struct machine *machine, struct p2v_err *err)
{
	if (machine->n_disks < 1 || machine->n_disks > WIRE_DISKS_MAX)
		return p2v_err_set(err, P2V_EFORMAT, "%s: %zu disks, not 1 to %u", machine->name,
			machine->n_disks, WIRE_DISKS_MAX);
	for (size_t i = 0; i < machine->n_disks; i++) {
		uint64_t size = machine->disks[i].size_bytes;

		if (size < SECTOR || size % SECTOR || size > INT64_MAX)
			return p2v_err_set(err, P2V_EFORMAT,
				"%s: %s of %llu bytes is not made of sectors of 512 bytes",
				machine->name, machine->disks[i].id, (unsigned long long)size);
	}
	return 0;
}

int recv_job_init(struct recv_job *job, const char *base, const char *as, const void *inventory,
	size_t n, struct p2v_err *err)
{
	struct recv_job made = {.lock_fd = -1};
	int r = model_machine_decode(inventory, n, &made.machine, err);

	if (r < 0)
		return r;
	r = disks_check(&made.machine, err);
	if (r == 0) {
		made.name = strdup(as ? as : made.machine.name);
		made.dir = made.name ? p2v_path_join(base, made.name) : NULL;
		made.image_dir = made.dir ? p2v_path_join(made.dir, STORE_IMAGE_DIR) : NULL;
		if (!made.image_dir)
			r = p2v_err_set(err, P2V_ENOMEM, "out of memory");
	}
	if (r < 0) {
		recv_job_finish(&made);
		return r;
	}
	*job = made;
	return 0;
}

void recv_job_finish(struct recv_job *job)
{
	if (job->lock_fd >= 0)
		close(job->lock_fd);
	model_machine_finish(&job->machine);
	free(job->name);
	free(job->dir);
	free(job->image_dir);
	*job = (struct recv_job){.lock_fd = -1};
}

int recv_job_lock(struct recv_job *job, struct p2v_err *err)
{
	int r = store_jobdir_open(job->dir, &job->lock_fd, err);

	if (r == P2V_EREFUSED)
		return p2v_err_wrap(err, P2V_EEXIST, "job %s", job->name);
	return r;
}

/* Why the machine that comes is not the one whose job this is; NULL: it is. */
static const char *difference(const struct machine *old, const struct machine *new)
{
	bool both = old->uuid && *old->uuid && new->uuid &&*new->uuid;

	if (both && strcasecmp(old->uuid, new->uuid) != 0)
		return "another UUID";
	if (old->n_disks != new->n_disks)
		return "another number of disks";
	for (size_t i = 0; i < old->n_disks; i++)
		if (old->disks[i].size_bytes != new->disks[i].size_bytes)
			return "disks of another size";
	return NULL;
}

static int job_compare(const struct recv_job *job, const char *machine_json, struct p2v_err *err)
{
	p2v_auto_machine struct machine old = {0};
	const char *other;
	int r = model_machine_load(machine_json, &old, err);

	if (r < 0)
		return r;
	other = difference(&old, &job->machine);
	if (!other)
		return 0;
	return p2v_err_set(err, P2V_EREFUSED,
		"job %s: this name belongs to a machine with %s; give this one another --name",
		job->name, other);
}

/* Both nouns are there: it is finished. (Only the receipt: a kill came between the two.) */
static bool job_done(const struct recv_job *job)
{
	p2v_autofree char *receipt = p2v_path_join(job->dir, STORE_RECEIPT);
	p2v_autofree char *image = p2v_path_join(job->dir, STORE_IMAGE);

	return receipt && image && p2v_file_exists(receipt) && p2v_file_exists(image);
}

int recv_job_admit(struct recv_job *job, const void *inventory, size_t n, struct p2v_err *err)
{
	p2v_autofree char *machine_json = p2v_path_join(job->dir, STORE_MACHINE);
	int r;

	if (!machine_json)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	job->continued = p2v_file_exists(machine_json);
	if (job->continued) {
		r = job_compare(job, machine_json, err);
		if (r == 0 && job_done(job))
			r = p2v_err_set(err, P2V_EREFUSED,
				"job %s is finished; to copy the machine anew, remove %s on the "
				"server or give it another --name",
				job->name, job->dir);
	} else {
		r = p2v_publish_bytes(job->dir, STORE_MACHINE, inventory, n, 0600, err);
	}
	return r == 0 ? p2v_dir_make(job->image_dir, 0700, err) : r;
}

int recv_job_space(const struct recv_job *job, uint64_t need_bytes, struct p2v_err *err)
{
	char need[P2V_NUM_TEXT], free_text[P2V_NUM_TEXT];
	struct statvfs st;
	uint64_t free_bytes;

	if (statvfs(job->dir, &st) < 0)
		return p2v_err_errno(err, errno, "%s", job->dir);
	if (!p2v_mul_u64(st.f_bavail, st.f_frsize, &free_bytes) || need_bytes <= free_bytes)
		return 0;
	return p2v_err_set(err, P2V_ENOSPC,
		"%s: %s are needed on the server and %s are free: make room, then start again",
		job->dir, p2v_num_bytes_text(need_bytes, need),
		p2v_num_bytes_text(free_bytes, free_text));
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/recv/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "p2v/core/num.h"
#include "p2v/core/publish.h"
#include "p2v/model/check.h"
#include "p2v/store/jobdir.h"
#include "p2v/store/snapshot.h"
#include "p2v/store/status.h"
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

uint64_t recv_job_alive_ns(const struct recv_job *job)
{
	p2v_autofree char *path = p2v_path_join(job->dir, STORE_LOCK);
	struct stat st;

	if (!path || stat(path, &st) < 0)
		return 0;
	return (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec;
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

static bool job_has(const struct recv_job *job, const char *noun)
{
	p2v_autofree char *path = p2v_path_join(job->dir, noun);

	return path && p2v_file_exists(path);
}

/* Both nouns are there: it is finished. (Only the receipt: a kill came between the two.) */
static bool job_done(const struct recv_job *job)
{
	return job_has(job, STORE_RECEIPT) && job_has(job, STORE_IMAGE);
}

/* A conversion writes into the image and keeps the pristine disk in a snapshot of it. */
static int finished_check(const struct recv_job *job, bool refresh, struct p2v_err *err)
{
	if (!refresh)
		return p2v_err_set(err, P2V_EREFUSED,
			"job %s is finished; to copy the machine anew, remove %s on the "
			"server or give it another --name",
			job->name, job->dir);
	if (job_has(job, STORE_CHANGES) || job_has(job, STORE_OUTPUT))
		return p2v_err_set(err, P2V_EREFUSED,
			"job %s is finished and converted: bring its image back with 'p2v convert "
			"--undo %s' on the server before a second pass, or give this copy another "
			"--name",
			job->name, job->dir);
	return 0;
}

int recv_job_admit(
	struct recv_job *job, const void *inventory, size_t n, bool refresh, struct p2v_err *err)
{
	p2v_autofree char *machine_json = p2v_path_join(job->dir, STORE_MACHINE);
	int r;

	if (!machine_json)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	job->continued = p2v_file_exists(machine_json);
	if (job->continued) {
		r = job_compare(job, machine_json, err);
		job->finished = r == 0 && job_done(job);
		if (job->finished)
			r = finished_check(job, refresh, err);
	} else {
		r = p2v_publish_bytes(job->dir, STORE_MACHINE, inventory, n, 0600, err);
	}
	return r == 0 ? p2v_dir_make(job->image_dir, 0700, err) : r;
}

static int noun_drop(const struct recv_job *job, const char *noun, struct p2v_err *err)
{
	p2v_autofree char *path = p2v_path_join(job->dir, noun);

	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (unlink(path) < 0 && errno != ENOENT)
		return p2v_err_errno(err, errno, "%s: remove", path);
	return 0;
}

int recv_job_reopen(const struct recv_job *job, struct p2v_err *err)
{
	p2v_autofree char *history = p2v_path_join(job->dir, STORE_HISTORY_DIR);
	int r = store_jobdir_drop_from(job->dir, STORE_FACTS, err);

	/* Of another disk than the one that comes now. */
	if (r == 0 && history)
		p2v_dir_remove(history);
	if (r == 0)
		r = noun_drop(job, STORE_IMAGE, err);
	if (r == 0)
		r = noun_drop(job, STORE_RECEIPT, err);
	store_status_drop(job->dir);
	return r == 0 ? p2v_dir_sync(job->dir, err) : r;
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
		"%s: %s are needed on the server and %s are free: make room there", job->dir,
		p2v_num_bytes_text(need_bytes, need), p2v_num_bytes_text(free_bytes, free_text));
}

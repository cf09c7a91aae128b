/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/guest/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/guest/backend.h"

int guest_close(struct guest *g, struct p2v_err *err)
{
	int rc = g->ops->close(g, err);

	guest_free(g);
	return rc;
}

void guest_free(struct guest *g)
{
	if (!g)
		return;
	guest_changes_free(g);
	g->ops->free(g);
}

bool guest_is_writable(const struct guest *g)
{
	return g->writable;
}

int guest_storage_list(struct guest *g, struct guest_storage *ret, struct p2v_err *err)
{
	struct guest_storage s = {0};
	int rc = g->ops->storage(g, &s, err);

	if (rc < 0)
		guest_storage_finish(&s);
	else
		*ret = s;
	return rc;
}

void guest_storage_finish(struct guest_storage *s)
{
	for (size_t i = 0; i < s->n_volumes; i++) {
		struct guest_volume *v = &s->volumes[i];

		free(v->device);
		free(v->kind);
		free(v->uuid);
		free(v->label);
		free(v->partuuid);
		free(v->partlabel);
		free(v->part_type);
		free(v->part_table);
		free(v->parent);
		free(v->array_name);
		free(v->array_uuid);
		free(v->dm_uuid);
		free(v->mounted_at);
	}
	free(s->volumes);
	*s = (struct guest_storage){0};
}

int guest_mount(struct guest *g, const char *device, const char *mountpoint, const char *subvolume,
	bool read_only, struct p2v_err *err)
{
	p2v_autofree char *options = p2v_strf("%s%s%s", read_only || !g->writable ? "ro" : "rw",
		subvolume ? ",subvol=" : "", subvolume ? subvolume : "");
	p2v_autofree char *real = NULL;
	int rc = guest_path_check(mountpoint, err);

	if (rc < 0)
		return rc;
	/* A comma would end the option and start another. */
	if (subvolume && strpbrk(subvolume, ",\n"))
		return p2v_err_set(
			err, P2V_EUNSUPPORTED, "%s: a subvolume with a comma in its name", device);
	if (!options)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	/* The appliance's mount program would follow a guest's link out of the guest's root. */
	if (strcmp(mountpoint, "/") != 0) {
		rc = guest_path_resolve(g, mountpoint, true, &real, err);
		if (rc < 0)
			return p2v_err_wrap(err, rc, "%s", mountpoint);
	}
	rc = g->ops->mount(g, device, real ? real : "/", options, err);
	if (rc < 0)
		return p2v_err_wrap(err, rc, "%s", device);
	return 0;
}

int guest_umount_all(struct guest *g, struct p2v_err *err)
{
	return g->ops->umount_all(g, err);
}

int guest_temp_fd(int *ret_fd, struct p2v_err *err)
{
	const char *dir = getenv("TMPDIR");
	int fd;

	if (!dir || !dir[0])
		dir = "/var/tmp";
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return p2v_err_errno(err, errno, "%s: temporary file", dir);
	*ret_fd = fd;
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What a conversion must leave as it is. Each file of the guest gets a mode, an owner and an
 * attribute that no default would give it, and has them afterwards, changed or not; and what tells
 * one machine from another is in no change.
 */

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "golden.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"
#include "p2v/core/span.h"

#define MODE  0604
#define OWNER 4711
#define NAME  "user.golden"
#define VALUE "kept"

static bool has_attributes; /* of the host's file system */

static bool is_root(void)
{
	return geteuid() == 0;
}

static int mark(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)at;
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	if (is_root() && chown(path, OWNER, OWNER) < 0)
		return -1;
	has_attributes = setxattr(path, NAME, VALUE, strlen(VALUE), 0) == 0;
	return chmod(path, MODE);
}

void golden_mark(const char *root)
{
	golden_need(nftw(root, mark, 32, FTW_PHYS), root);
}

static bool is_marked(const char *path)
{
	char value[16] = "";
	struct stat st;

	if (lstat(path, &st) < 0 || (st.st_mode & 07777) != MODE)
		return false;
	if (is_root() && (st.st_uid != OWNER || st.st_gid != OWNER))
		return false;
	return !has_attributes ||
	       (getxattr(path, NAME, value, sizeof(value) - 1) > 0 && strcmp(value, VALUE) == 0);
}

/* systemd, the kernel, D-Bus, OpenSSH, cloud-init, iSCSI and NVMe over fabrics. */
static bool is_identity(const char *path)
{
	static const char *const paths[] = {"/etc/machine-id", "/etc/hostname", "/etc/HOSTNAME",
		"/etc/hostid", "/etc/hosts", "/etc/ssh/", "/var/lib/dbus/machine-id",
		"/var/lib/cloud/", "/etc/iscsi/initiatorname.iscsi", "/etc/nvme/host"};

	for (size_t i = 0; i < P2V_N(paths); i++)
		if (p2v_span_starts(p2v_span_str(path), paths[i]))
			return true;
	return false;
}

int golden_kept(const char *root, const struct changes *changes)
{
	int failed = 0;

	for (size_t i = 0; i < changes->n_changes; i++) {
		const struct change *c = &changes->changes[i];
		p2v_autofree char *path = p2v_path_join(root, c->path);
		bool was = strcmp(c->action, "modify") == 0 || strcmp(c->action, "append") == 0;

		if (is_identity(c->path)) {
			fprintf(stderr, "%s tells the machine from others\n", c->path);
			failed++;
		}
		if (was && strcmp(c->kind, "symlink") != 0 && !is_marked(path)) {
			fprintf(stderr, "%s: mode, owner or attributes were lost\n", c->path);
			failed++;
		}
	}
	return failed;
}

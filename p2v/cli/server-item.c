/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/cli/server-item.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2v/control/config.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

#define TEXT_MOST ((size_t)64 << 10)

/* The one thing that the migration user's keys open. Whatever a line in authorized_keys says, this
 * stands above it. A key that is in no line may ask to be let in, where 'p2v enroll --open' says
 * so. "Match all" ends the block, so that nothing behind the file falls into it. */
#define SSHD_BLOCK                                                                                 \
	"Match User " SERVER_USER "\n"                                                             \
	"    AuthorizedKeysFile " SERVER_KEYS_ROOT " " SERVER_KEYS_OURS "\n"                       \
	"    AuthorizedKeysCommand {bin}/p2v-recv --dir {base} --keys " SERVER_KEYS_ROOT           \
	":" SERVER_KEYS_OURS " "                                                                   \
	"lines %t %k\n"                                                                            \
	"    AuthorizedKeysCommandUser " SERVER_USER "\n"                                          \
	"    ExposeAuthInfo yes\n"                                                                 \
	"    ForceCommand {bin}/p2v-recv --dir {base} --keys " SERVER_KEYS_ROOT                    \
	":" SERVER_KEYS_OURS "\n"                                                                  \
	"    AuthenticationMethods publickey\n"                                                    \
	"    PermitTTY no\n"                                                                       \
	"    PermitUserRC no\n"                                                                    \
	"    DisableForwarding yes\n"                                                              \
	"    ClientAliveInterval 30\n"                                                             \
	"    ClientAliveCountMax 6\n"                                                              \
	"Match all\n"

#define MADE_BY "# Made by p2v server init, which makes it anew.\n"

static const char sysusers[] =
	MADE_BY "u " SERVER_USER " - \"p2v migrations\" /var/lib/p2v /bin/sh\n"
		"m " SERVER_USER " kvm\n";

/* MaxStartups: a hundred agents may come in the same second. */
static const char sshd_fragment[] = MADE_BY "MaxStartups 200:30:400\n" SSHD_BLOCK;

static const char sshd_own[] = MADE_BY "Port {port}\n"
				       "PidFile /run/p2v-sshd.pid\n"
				       "AllowUsers " SERVER_USER "\n"
				       "PasswordAuthentication no\n"
				       "KbdInteractiveAuthentication no\n"
				       "UsePAM yes\n"
				       "PermitRootLogin no\n"
				       "MaxStartups 200:30:400\n" SSHD_BLOCK;

static const char sshd_unit[] = MADE_BY "[Unit]\n"
					"Description=SSH for p2v agents\n"
					"Documentation=man:p2v-server(1)\n"
					"After=network.target\n"
					"\n"
					"[Service]\n"
					"ExecStartPre=/usr/sbin/sshd -t -f /etc/p2v/sshd_config\n"
					"ExecStart=/usr/sbin/sshd -D -f /etc/p2v/sshd_config\n"
					"KillMode=process\n"
					"Restart=on-failure\n"
					"RestartSec=5\n"
					"RuntimeDirectory=sshd\n"
					"RuntimeDirectoryPreserve=yes\n"
					"RuntimeDirectoryMode=0755\n"
					"\n"
					"[Install]\n"
					"WantedBy=multi-user.target\n";

/* KillMode: a killed p2vd's programs die with it, and what they have started is swept up here. */
static const char p2vd_unit[] = MADE_BY
	"[Unit]\n"
	"Description=p2v conversion server\n"
	"Documentation=man:p2vd(8) man:p2vd.conf(5)\n"
	"After=network.target local-fs.target postgresql.service\n"
	"\n"
	"[Service]\n"
	"ExecStart={sbin}/p2vd\n"
	"User=" SERVER_USER "\n"
	"Group=" SERVER_USER "\n"
	"{kvm}"
	"Environment=HOME=/var/lib/p2v\n"
	"Environment=PATH={bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
	"RuntimeDirectory=p2v\n"
	"RuntimeDirectoryMode=0750\n"
	"Restart=always\n"
	"RestartSec=5\n"
	"KillMode=control-group\n"
	"TimeoutStopSec=60\n"
	"UMask=0027\n"
	"LimitCORE=0\n"
	"NoNewPrivileges=yes\n"
	"ProtectSystem=strict\n"
	"ReadWritePaths={base} /var/lib/p2v\n"
	/* libguestfs wants /tmp for its sockets, and /var/tmp for its appliance. */
	"PrivateTmp=yes\n"
	"ProtectHome=yes\n"
	"ProtectClock=yes\n"
	"ProtectControlGroups=yes\n"
	/* Not ProtectKernelModules=, which hides /lib/modules: libguestfs makes its appliance of
	 * the kernel there. Loading one is forbidden by @module and for want of capabilities. */
	"ProtectKernelTunables=yes\n"
	"ProtectKernelLogs=yes\n"
	"ProtectHostname=yes\n"
	"RestrictSUIDSGID=yes\n"
	"RestrictNamespaces=yes\n"
	"RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK\n"
	"SystemCallArchitectures=native\n"
	"SystemCallFilter=~@clock @cpu-emulation @debug @module @obsolete @raw-io @reboot @swap\n"
	"SystemCallErrorNumber=EPERM\n"
	"ProtectProc=invisible\n"
	"RestrictRealtime=yes\n"
	"CapabilityBoundingSet=\n"
	"LockPersonality=yes\n"
	"\n"
	"[Install]\n"
	"WantedBy=multi-user.target\n";

static const char config[] = "# p2vd.conf(5) lists all settings.\n"
			     "base: {base}\n"
			     "#workers: 1\n"
			     "#hold: [conversion, emission]\n"
			     "#windows: [\"22:00-06:00\"]\n"
			     "#receivers: 16\n"
			     "#quota: 4T\n"
			     "#job_quota: 1T\n"
			     "#retention: [cancelled 30d, handed-over 30d]\n";

static const char keys[] = "# A line a key of an agent or of a boot medium. The command is "
			   "p2v-recv for each of them.\n";

/* In the order in which they are made. */
const struct server_item server_items[] = {
	{"/etc/p2v", 0755, false, NULL, false, false},
	{"/var/lib/p2v", 0750, true, NULL, false, false},
	{"{base}", 0750, true, NULL, false, false},
	{CONTROL_CONFIG_PATH, 0644, false, config, true, false},
	/* sshd reads it as root, and refuses one that others may write. */
	{SERVER_KEYS_ROOT, 0644, false, keys, true, false},
	{"/usr/lib/sysusers.d/p2v.conf", 0644, false, sysusers, false, false},
	{"/etc/ssh/sshd_config.d/50-p2v.conf", 0644, false, sshd_fragment, false, false},
	{SERVER_SSHD_CONFIG, 0644, false, sshd_own, false, true},
	{"/etc/systemd/system/p2v-sshd.service", 0644, false, sshd_unit, false, true},
	{"/etc/systemd/system/p2vd.service", 0644, false, p2vd_unit, false, false},
};
const size_t server_n_items = P2V_N(server_items);

bool server_item_wanted(const struct server_place *place, const struct server_item *item)
{
	return !item->own_sshd || place->port;
}

static void fill(const struct server_place *place, const char *text, struct p2v_buf *out)
{
	const char *kvm = getgrnam("kvm") ? "SupplementaryGroups=kvm\n" : "";
	char port[8];
	const struct {
		const char *brace, *with;
	} rows[] = {{"{base}", place->base}, {"{bin}", place->bin}, {"{sbin}", place->sbin},
		{"{kvm}", kvm}, {"{port}", port}};

	snprintf(port, sizeof(port), "%u", (unsigned)place->port);
	while (*text) {
		size_t i = 0;

		while (i < P2V_N(rows) && strncmp(text, rows[i].brace, strlen(rows[i].brace)) != 0)
			i++;
		if (i < P2V_N(rows)) {
			p2v_buf_add_str(out, rows[i].with);
			text += strlen(rows[i].brace);
		} else {
			p2v_buf_add_u8(out, (uint8_t)*text++);
		}
	}
	p2v_buf_add_str(out, "");
}

char *server_item_path(const struct server_place *place, const struct server_item *item)
{
	p2v_autobuf struct p2v_buf path = {0};

	p2v_buf_add_str(&path, place->root);
	fill(place, item->path, &path);
	return p2v_buf_take_str(&path);
}

/* ---- looking ---- */

static bool owner_is(
	const struct server_place *place, const struct server_item *item, const struct stat *st)
{
	const struct passwd *user = item->ours ? getpwnam(SERVER_USER) : NULL;

	/* Below another root it is for the package to say. */
	if (*place->root || geteuid() != 0)
		return true;
	return item->ours ? user && st->st_uid == user->pw_uid : st->st_uid == 0;
}

static int text_same(const struct server_place *place, const struct server_item *item,
	const char *path, bool *ret, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf want = {0}, have = {0};
	int r;

	*ret = true;
	if (!item->text || item->theirs)
		return 0;
	fill(place, item->text, &want);
	r = p2v_file_read(path, TEXT_MOST, &have, err);
	if (r == 0)
		r = p2v_buf_check(&want, err);
	*ret = r == 0 && want.len == have.len && memcmp(want.data, have.data, want.len) == 0;
	return r == P2V_EFORMAT ? 0 : r;
}

int server_item_look(const struct server_place *place, const struct server_item *item,
	enum server_state *ret, struct p2v_err *err)
{
	p2v_autofree char *path = server_item_path(place, item);
	bool same = true;
	struct stat st;
	int r;

	if (!path)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (lstat(path, &st) < 0) {
		*ret = SERVER_MISSING;
		return errno == ENOENT ? 0 : p2v_err_errno(err, errno, "%s", path);
	}
	if (item->text ? !S_ISREG(st.st_mode) : !S_ISDIR(st.st_mode))
		return p2v_err_set(
			err, P2V_EREFUSED, "%s: is no %s", path, item->text ? "file" : "directory");
	r = text_same(place, item, path, &same, err);
	if (r < 0)
		return r;
	if ((st.st_mode & 07777) != item->mode && !item->theirs)
		same = false;
	*ret = same && owner_is(place, item, &st) ? SERVER_FINE : SERVER_DIFFERS;
	return 0;
}

/* ---- making ---- */

static int owner_set(const struct server_place *place, const struct server_item *item,
	const char *path, struct p2v_err *err)
{
	const struct passwd *user = item->ours ? getpwnam(SERVER_USER) : NULL;

	if (*place->root || geteuid() != 0)
		return 0;
	if (item->ours && !user)
		return p2v_err_set(err, P2V_ENOTFOUND, "there is no user " SERVER_USER);
	if (lchown(path, user ? user->pw_uid : 0, user ? user->pw_gid : 0) < 0)
		return p2v_err_errno(err, errno, "%s: owner", path);
	return 0;
}

static int file_make(const struct server_place *place, const struct server_item *item,
	const char *path, struct p2v_err *err)
{
	p2v_autofree char *dir = strndup(path, (size_t)(strrchr(path, '/') - path));
	p2v_autobuf struct p2v_buf text = {0};
	int r = dir ? p2v_dir_make(dir, 0755, err) : p2v_err_set(err, P2V_ENOMEM, "out of memory");

	fill(place, item->text, &text);
	if (r == 0)
		r = p2v_buf_check(&text, err);
	if (r == 0)
		r = p2v_publish_bytes(
			dir, strrchr(path, '/') + 1, text.data, text.len, item->mode, err);
	return r;
}

int server_item_make(const struct server_place *place, const struct server_item *item,
	enum server_state *ret, struct p2v_err *err)
{
	p2v_autofree char *path = server_item_path(place, item);
	enum server_state state;
	int r = server_item_look(place, item, &state, err);

	if (r < 0 || state == SERVER_FINE || !path) {
		*ret = SERVER_FINE;
		return r;
	}
	if (!item->text)
		r = p2v_dir_make(path, item->mode, err);
	else if (state == SERVER_MISSING || !item->theirs)
		r = file_make(place, item, path, err);
	if (r == 0 && chmod(path, item->mode) < 0)
		r = p2v_err_errno(err, errno, "%s: mode", path);
	if (r == 0)
		r = owner_set(place, item, path, err);
	*ret = state;
	return r;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CONTROL_CONFIG_H
#define P2V_CONTROL_CONFIG_H

/* p2vd.conf: YAML (p2v/core/yaml-doc.h), every setting optional. One table is the manual page. */

#include "p2v/control/retention.h"
#include "p2v/control/window.h"
#include "p2v/core/json.h"
#include "p2v/core/opt.h"

#define CONTROL_CONFIG_PATH "/etc/p2v/p2vd.conf"

struct server_config {
	char *store, *base, *pool, *host, *socket, *program, *user, *format;
	char *keep_free, *quota, *job_quota, *worker_memory;
	char *virtio_win, *virtio_win_digest;
	char *listen, *tls_cert, *tls_key, *tokens, *keys;
	char **hold, **windows, **retention;
	size_t n_hold, n_windows, n_retention;
	uint32_t workers, receivers, patience_s, priority, tries, retry_s, lease_s, scan_s, stop_s,
		nice;

	/* What follows from the above. */
	uint32_t gates; /* enum ledger_gate */
	uint64_t keep_free_bytes, quota_bytes, job_quota_bytes, worker_memory_bytes;
	struct window *open;
	struct retention *rules; /* n_retention of them */
	uint32_t uid, gid;	 /* of the workers; 0: as we are */
	char *home;		 /* of that user, or NULL */
};

extern const struct p2v_json_type control_config_type;
/* p2vd.conf(5). */
extern const struct p2v_cmd control_config_page;

/* Defaults where path is NULL or, without `must`, not there. P2V_EFORMAT, P2V_EINVAL with the
 * setting's name. */
int control_config_load(
	const char *path, bool must, struct server_config *ret, struct p2v_err *err);
void control_config_finish(struct server_config *config);
#define p2v_auto_config __attribute__((cleanup(control_config_finish)))

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_CONTROL_DASHBOARD_H
#define P2V_CONTROL_DASHBOARD_H

/* The dashboard's files. They hold no data, so whoever asks gets them; the API behind them wants a
 * token. */

#include <stddef.h>

struct dashboard_file {
	const char *path, *type;
	const void *bytes;
	size_t n;
};

/* NULL: there is none. */
const struct dashboard_file *control_dashboard_file(const char *path);

#endif

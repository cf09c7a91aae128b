/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/control/dashboard.h"

#include <string.h>

#include "p2v/control/dashboard-files.h"
#include "p2v/core/cleanup.h"

static const struct dashboard_file files[] = {
	{"/", "text/html; charset=utf-8", index_html, sizeof(index_html)},
	{"/dashboard/app.js", "text/javascript; charset=utf-8", app_js, sizeof(app_js)},
	{"/dashboard/style.css", "text/css; charset=utf-8", style_css, sizeof(style_css)},
};

const struct dashboard_file *control_dashboard_file(const char *path)
{
	for (size_t i = 0; i < P2V_N(files); i++)
		if (strcmp(files[i].path, path) == 0)
			return &files[i];
	return NULL;
}

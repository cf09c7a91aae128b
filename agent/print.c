/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/agent.h"

int agent_json_print(const struct p2v_json_type *type, const void *obj, bool pretty, FILE *out,
	struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	int r = p2v_json_encode(type, obj, pretty, &text, err);

	if (r == 0)
		fwrite(text.data, 1, text.len, out);
	return r;
}

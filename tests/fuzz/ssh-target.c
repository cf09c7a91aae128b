/* SPDX-License-Identifier: GPL-3.0-or-later */

/* A server's address comes from kernel command lines and runbooks. What is taken can be written out
 * and read back as the same. */

#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"
#include "p2v/link/ssh-target.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	p2v_autofree char *text = strndup((const char *)data, n), *back = NULL;
	struct link_ssh_target t, again;

	if (!text || link_ssh_target_parse(text, &t, NULL) < 0)
		return 0;
	back = link_ssh_target_text(&t);
	if (!back || link_ssh_target_parse(back, &again, NULL) < 0)
		abort();
	if (strcmp(t.host, again.host) != 0 || t.port != again.port || !t.user != !again.user ||
		(t.user && strcmp(t.user, again.user) != 0))
		abort();
	link_ssh_target_finish(&t);
	link_ssh_target_finish(&again);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/link/ssh.h"

const char *link_ssh_methods(struct link *l)
{
	return l->ops->methods(l);
}

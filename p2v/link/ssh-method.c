/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/link/ssh-method.h"

#include <string.h>

#include "p2v/core/buf.h"
#include "p2v/core/span.h"

static bool is_known(struct p2v_span name, const char **known, int n_known)
{
	for (int i = 0; i < n_known; i++)
		if (p2v_span_eq(name, known[i]))
			return true;
	return false;
}

int ssh_method_prefer(LIBSSH2_SESSION *session, int method, const char *names, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf list = {0};
	struct p2v_span rest = p2v_span_str(names);
	const char **known = NULL;
	int n_known = libssh2_session_supported_algs(session, method, &known), r;

	while (rest.n) {
		struct p2v_span name = p2v_span_until(rest, ',', &rest);

		if (!is_known(name, known, n_known))
			continue;
		if (list.len)
			p2v_buf_add_str(&list, ",");
		p2v_buf_add(&list, name.p, name.n);
	}
	if (known)
		libssh2_free(session, known);
	r = p2v_buf_check(&list, err);
	if (r < 0)
		return r;
	if (!list.len || libssh2_session_method_pref(session, method, (char *)list.data) < 0)
		return p2v_err_set(err, P2V_EINVAL, "nothing usable among '%s'", names);
	return 0;
}

bool ssh_method_known(int method, const char *name)
{
	LIBSSH2_SESSION *session = libssh2_session_init_ex(NULL, NULL, NULL, NULL);
	const char **known = NULL;
	bool found = false;
	int n_known;

	if (!session)
		return false;
	n_known = libssh2_session_supported_algs(session, method, &known);
	if (known) {
		found = is_known(p2v_span_str(name), known, n_known);
		libssh2_free(session, known);
	}
	libssh2_session_free(session);
	return found;
}

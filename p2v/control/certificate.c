/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/control/certificate.h"

#include <gnutls/x509.h>

#include "p2v/core/publish.h"

#define FILE_MOST ((size_t)64 << 10)

int control_certificate_until(const char *path, int64_t *ret_until_s, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	gnutls_x509_crt_t cert = NULL;
	time_t until = -1;
	int r = p2v_file_read(path, FILE_MOST, &text, err);

	if (r < 0)
		return r;
	if (gnutls_x509_crt_init(&cert) < 0)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	if (gnutls_x509_crt_import(cert, &(gnutls_datum_t){text.data, (unsigned)text.len},
		    GNUTLS_X509_FMT_PEM) >= 0)
		until = gnutls_x509_crt_get_expiration_time(cert);
	gnutls_x509_crt_deinit(cert);
	if (until == -1)
		return p2v_err_set(err, P2V_EFORMAT, "%s: no certificate in PEM is in it", path);
	*ret_until_s = until;
	return 0;
}

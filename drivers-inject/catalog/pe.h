/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIVERS_INJECT_CATALOG_PE_H
#define DRIVERS_INJECT_CATALOG_PE_H

/* Inside the room: for which processor a PE file is, and how it is signed (PE Format, "The
 * Attribute Certificate Table"; PKCS #7, RFC 2315; X.509, RFC 5280). Nothing is verified: the
 * guest's Windows does that. */

#include "drivers-inject/catalog/windows.h"
#include "p2v/core/span.h"

struct pe_facts {
	int machine; /* enum catalog_arch, -1: none of ours */
	int signing; /* enum catalog_signing */
};

/* P2V_EFORMAT: no PE file, or spoiled. A signature that cannot be read counts as none. */
int pe_read(const void *bytes, size_t n, struct pe_facts *ret, struct p2v_err *err);

/* Of a SignedData in DER. */
int pe_signing_of(const void *bytes, size_t n);
/* Whose signature it is, and that certificate in `bytes`. false: none that could be read. */
bool pe_publisher_of(const void *bytes, size_t n, struct catalog_publisher *ret,
	struct p2v_span *ret_certificate);

#endif

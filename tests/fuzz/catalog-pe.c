/* SPDX-License-Identifier: GPL-3.0-or-later */

/* A driver's .sys and a signature in DER: one of the words, whatever the bytes say. */

#include <stdlib.h>
#include <string.h>

#include "drivers-inject/catalog/pe.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct pe_facts facts;
	struct catalog_publisher who;
	struct p2v_span cert;
	int signing = pe_signing_of(data, n);

	if (signing < CATALOG_UNSIGNED || signing > CATALOG_SHA2)
		abort();
	if (pe_read(data, n, &facts, NULL) == 0 &&
		(facts.machine < -1 || facts.machine >= CATALOG_ARCHES ||
			facts.signing < CATALOG_UNSIGNED || facts.signing > CATALOG_SHA2))
		abort();
	if (pe_publisher_of(data, n, &who, &cert) &&
		(!*who.name || !memchr(who.name, 0, sizeof(who.name)) || !*who.serial ||
			(const uint8_t *)cert.p < data || cert.n > n))
		abort();
	return 0;
}

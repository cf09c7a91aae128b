/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "drivers-inject/catalog/pe.h"
#include "p2v/core/span.h"

/* DER tags. */
#define INTEGER	 0x02
#define OID	 0x06
#define SEQUENCE 0x30
#define SET	 0x31
#define OPTION_0 0xa0

static const uint8_t oid_sha1[] = {0x2b, 0x0e, 0x03, 0x02, 0x1a};
/* 2.16.840.1.101.3.4.2: SHA-256, -384 and -512 begin so */
static const uint8_t oid_sha2[] = {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02};

/* One element from the front: its tag and content; `whole`, if asked for, has its header, too. */
static int take(struct p2v_rd *rd, struct p2v_rd *content, struct p2v_span *whole)
{
	const uint8_t *start = rd->p;
	int tag = p2v_rd_u8(rd);
	size_t length = p2v_rd_u8(rd);

	if (length >= 0x80) {
		size_t n = length & 0x7f;

		length = 0;
		if (n == 0 || n > 4)
			rd->failed = true;
		for (; n > 0 && !rd->failed; n--)
			length = length << 8 | p2v_rd_u8(rd);
	}
	*content = p2v_rd_init(p2v_rd_bytes(rd, length), rd->failed ? 0 : length);
	content->failed = rd->failed;
	if (whole)
		*whole = p2v_span_of(start, rd->failed ? 0 : (size_t)(rd->p - start));
	return rd->failed ? -1 : tag;
}

/* The content of the next element, which has to have that tag. */
static struct p2v_rd enter(struct p2v_rd *rd, int tag)
{
	struct p2v_rd content;

	if (take(rd, &content, NULL) != tag)
		content = (struct p2v_rd){.failed = true};
	return content;
}

static struct p2v_span whole_of(struct p2v_rd *rd, int tag)
{
	struct p2v_rd content;
	struct p2v_span whole;

	if (take(rd, &content, &whole) != tag)
		rd->failed = true;
	return rd->failed ? (struct p2v_span){0} : whole;
}

static bool next_is(const struct p2v_rd *rd, int tag)
{
	return rd->left > 0 && rd->p[0] == tag;
}

/* issuer and serial number of whoever signed, and its digest */
struct signer {
	struct p2v_span issuer, serial;
	bool sha1, sha2;
};

/* SignerInfo: version, issuerAndSerialNumber, digestAlgorithm, ... */
static bool read_signer(struct p2v_rd *infos, struct signer *ret)
{
	struct p2v_rd info = enter(infos, SEQUENCE), name, algorithm, oid;

	whole_of(&info, INTEGER);
	name = enter(&info, SEQUENCE);
	ret->issuer = whole_of(&name, SEQUENCE);
	ret->serial = whole_of(&name, INTEGER);
	algorithm = enter(&info, SEQUENCE);
	oid = enter(&algorithm, OID);
	if (info.failed || name.failed || oid.failed)
		return false;
	ret->sha1 = oid.left == sizeof(oid_sha1) && memcmp(oid.p, oid_sha1, oid.left) == 0;
	ret->sha2 =
		oid.left == sizeof(oid_sha2) + 1 && memcmp(oid.p, oid_sha2, sizeof(oid_sha2)) == 0;
	return true;
}

/* TBSCertificate: [version], serial, algorithm, issuer, validity, subject, ... True: it is the
 * signer's, and its subject has issued it. */
static bool vouches_for_itself(struct p2v_rd *certs, const struct signer *signer)
{
	struct p2v_rd cert = enter(certs, SEQUENCE), tbs = enter(&cert, SEQUENCE);
	struct p2v_span serial, issuer, subject;

	if (next_is(&tbs, OPTION_0))
		whole_of(&tbs, OPTION_0);
	serial = whole_of(&tbs, INTEGER);
	whole_of(&tbs, SEQUENCE);
	issuer = whole_of(&tbs, SEQUENCE);
	whole_of(&tbs, SEQUENCE);
	subject = whole_of(&tbs, SEQUENCE);
	return !tbs.failed && p2v_span_same(serial, signer->serial) &&
	       p2v_span_same(issuer, signer->issuer) && p2v_span_same(subject, issuer);
}

/*
 *	ContentInfo: signedData, [0]
 *	  SignedData: version, digestAlgorithms, content, [0] certificates, [1] lists, signerInfos
 */
int pe_signing_of(const void *bytes, size_t n)
{
	struct p2v_rd rd = p2v_rd_init(bytes, n), info = enter(&rd, SEQUENCE), data, certs = {0};
	struct signer signer = {0};

	whole_of(&info, OID);
	data = enter(&info, OPTION_0);
	data = enter(&data, SEQUENCE);
	whole_of(&data, INTEGER);
	whole_of(&data, SET);
	whole_of(&data, SEQUENCE);
	if (next_is(&data, OPTION_0))
		certs = enter(&data, OPTION_0);
	while (data.left > 0 && !next_is(&data, SET) && !data.failed)
		take(&data, &rd, NULL);
	rd = enter(&data, SET);
	if (data.failed || !read_signer(&rd, &signer))
		return CATALOG_UNSIGNED;
	while (certs.left > 0 && !certs.failed)
		if (vouches_for_itself(&certs, &signer))
			return CATALOG_SELF_ISSUED;
	return signer.sha2 ? CATALOG_SHA2 : signer.sha1 ? CATALOG_SHA1 : CATALOG_UNSIGNED;
}

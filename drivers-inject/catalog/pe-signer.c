/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "drivers-inject/catalog/pe.h"
#include "p2v/core/buf.h"
#include "p2v/core/span.h"

/* DER tags. */
#define INTEGER	 0x02
#define OID	 0x06
#define SEQUENCE 0x30
#define SET	 0x31
#define OPTION_0 0xa0
/* The last part of 2.5.4.N: what a name's part is. */
#define COMMON_NAME  3
#define ORGANIZATION 10

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

struct certificate {
	struct p2v_span whole, serial, issuer, subject;
};

/* TBSCertificate: [version], serial, algorithm, issuer, validity, subject, ... false: spoiled, and
 * so is what follows it. */
static bool read_certificate(struct p2v_rd *certs, struct certificate *ret)
{
	struct p2v_rd whole = *certs, cert = enter(certs, SEQUENCE), tbs = enter(&cert, SEQUENCE);

	ret->whole = whole_of(&whole, SEQUENCE);
	if (next_is(&tbs, OPTION_0))
		whole_of(&tbs, OPTION_0);
	ret->serial = whole_of(&tbs, INTEGER);
	whole_of(&tbs, SEQUENCE);
	ret->issuer = whole_of(&tbs, SEQUENCE);
	whole_of(&tbs, SEQUENCE);
	ret->subject = whole_of(&tbs, SEQUENCE);
	return !tbs.failed && !certs->failed;
}

/* The signer of a SignedData, and the certificates that came along. */
struct signed_data {
	struct p2v_rd certs;
	struct signer signer;
};

/*
 *	ContentInfo: signedData, [0]
 *	  SignedData: version, digestAlgorithms, content, [0] certificates, [1] lists, signerInfos
 */
static bool read_signed_data(const void *bytes, size_t n, struct signed_data *ret)
{
	struct p2v_rd rd = p2v_rd_init(bytes, n), info = enter(&rd, SEQUENCE), data;

	whole_of(&info, OID);
	data = enter(&info, OPTION_0);
	data = enter(&data, SEQUENCE);
	whole_of(&data, INTEGER);
	whole_of(&data, SET);
	whole_of(&data, SEQUENCE);
	*ret = (struct signed_data){0};
	if (next_is(&data, OPTION_0))
		ret->certs = enter(&data, OPTION_0);
	while (data.left > 0 && !next_is(&data, SET) && !data.failed)
		take(&data, &rd, NULL);
	rd = enter(&data, SET);
	return !data.failed && read_signer(&rd, &ret->signer);
}

/* The signer's own one, of those that came along. */
static bool find_certificate(const struct signed_data *d, struct certificate *ret)
{
	struct p2v_rd certs = d->certs;

	while (certs.left > 0 && !certs.failed)
		if (read_certificate(&certs, ret) && p2v_span_same(ret->serial, d->signer.serial) &&
			p2v_span_same(ret->issuer, d->signer.issuer))
			return true;
	return false;
}

int pe_signing_of(const void *bytes, size_t n)
{
	struct signed_data d;
	struct certificate cert;

	if (!read_signed_data(bytes, n, &d))
		return CATALOG_UNSIGNED;
	if (find_certificate(&d, &cert) && p2v_span_same(cert.subject, cert.issuer))
		return CATALOG_SELF_ISSUED;
	return d.signer.sha2 ? CATALOG_SHA2 : d.signer.sha1 ? CATALOG_SHA1 : CATALOG_UNSIGNED;
}

/* ---- who it is ---- */

/* Name: a SEQUENCE of SETs of { OID, text }. What is not plain ASCII becomes '?'. */
static bool read_name_part(struct p2v_span name, uint8_t kind, char *ret, size_t size)
{
	const uint8_t oid_part[] = {0x55, 0x04, kind};
	struct p2v_rd rd = p2v_rd_init(name.p, name.n), sets = enter(&rd, SEQUENCE);

	while (sets.left > 0 && !sets.failed) {
		struct p2v_rd set = enter(&sets, SET), part = enter(&set, SEQUENCE);
		struct p2v_rd oid = enter(&part, OID), text;

		if (oid.failed || oid.left != sizeof(oid_part) ||
			memcmp(oid.p, oid_part, sizeof(oid_part)) != 0 ||
			take(&part, &text, NULL) < 0)
			continue;
		for (size_t i = 0; i < text.left && i + 1 < size; i++)
			ret[i] = (char)(text.p[i] >= ' ' && text.p[i] <= '~' ? text.p[i] : '?');
		ret[text.left < size ? text.left : size - 1] = '\0';
		return text.left > 0;
	}
	return false;
}

bool pe_publisher_of(const void *bytes, size_t n, struct catalog_publisher *ret,
	struct p2v_span *ret_certificate)
{
	struct catalog_publisher who = {0};
	struct certificate cert;
	struct signed_data d;
	struct p2v_rd rd, serial;

	if (!read_signed_data(bytes, n, &d) || !find_certificate(&d, &cert))
		return false;
	rd = p2v_rd_init(cert.serial.p, cert.serial.n);
	serial = enter(&rd, INTEGER);
	/* The sign; Windows leaves it out. */
	while (serial.left > 1 && serial.p[0] == 0)
		p2v_rd_u8(&serial);
	if (serial.failed || 2 * serial.left >= sizeof(who.serial))
		return false;
	p2v_hex(serial.p, serial.left, who.serial);
	if (!read_name_part(cert.subject, ORGANIZATION, who.name, sizeof(who.name)) &&
		!read_name_part(cert.subject, COMMON_NAME, who.name, sizeof(who.name)))
		return false;
	*ret = who;
	*ret_certificate = cert.whole;
	return true;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "agent/map/mappers.h"
#include "p2v/core/buf.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/num.h"

/*
 * Linux swap space, as mkswap(8) makes it on x86 (pages of 4,096 bytes, little-endian). Page 0:
 *
 *	1024  u32 version (1)   u32 last page   u32 bad pages   u8 uuid[16]   u8 label[16]
 *	4086  signature, 10 bytes
 *
 * The header is kept, so label and UUID are; what was swapped out is worth nothing to a machine
 * that is booted anew. But where the signature says that the machine sleeps, its memory is in
 * there, and its file systems are in use. Pages of another processor's size hold the signature at
 * their own end: then all is copied, or refused.
 */
#define PAGE_BYTES	4096u
#define INFO_AT		1024u
#define SIGNATURE_BYTES 10u
#define SIGNATURE_AT	(PAGE_BYTES - SIGNATURE_BYTES)

/* Who wrote it: the kernel (two versions), uswsusp, the kernel through uswsusp, TuxOnIce. */
static const char *const suspended[] = {
	"S1SUSPEND",
	"S2SUSPEND",
	"ULSUSPEND",
	"LINHIB0001",
	"\xed\xc3\x02\xe9\x98\x56\xe5\x0c",
};

static bool is_suspended(const uint8_t *signature)
{
	for (size_t i = 0; i < P2V_N(suspended); i++)
		if (memcmp(signature, suspended[i], strlen(suspended[i])) == 0)
			return true;
	return false;
}

/* The end of each possible page, and the start: TuxOnIce wrote to either. */
static const uint32_t signatures_at[] = {0, 4096 - SIGNATURE_BYTES, 8192 - SIGNATURE_BYTES,
	16384 - SIGNATURE_BYTES, 32768 - SIGNATURE_BYTES, 65536 - SIGNATURE_BYTES};

/* P2V_EREFUSED where it does. */
static int refuse_if_it_sleeps(const struct map_view *v, struct p2v_err *err)
{
	for (size_t i = 0; i < P2V_N(signatures_at) &&
			   p2v_range_within(signatures_at[i], SIGNATURE_BYTES, v->length_bytes);
		i++) {
		uint8_t signature[SIGNATURE_BYTES];
		int r = map_view_read(v, signatures_at[i], signature, SIGNATURE_BYTES, err);

		if (r < 0)
			return r;
		if (is_suspended(signature))
			return p2v_err_set(err, P2V_EREFUSED,
				"%s: the swap space of partition %u holds a sleeping system: its "
				"file systems are in use. Start the machine and shut it down, then "
				"try again",
				v->io->name, v->number);
	}
	return 0;
}

int map_swap(const struct map_view *v, struct map_out *out, struct p2v_err *err)
{
	uint8_t page[PAGE_BYTES];
	struct p2v_rd rd = p2v_rd_init(page + INFO_AT, SIGNATURE_AT - INFO_AT);
	uint64_t end;
	int r = refuse_if_it_sleeps(v, err);

	if (r == 0)
		r = map_view_read(v, 0, page, sizeof(page), err);
	if (r < 0)
		return r;
	if (memcmp(page + SIGNATURE_AT, "SWAPSPACE2", SIGNATURE_BYTES) != 0 ||
		p2v_rd_le32(&rd) != 1)
		return map_out_used(out, "its header is not one that is known");
	end = ((uint64_t)p2v_rd_le32(&rd) + 1) * PAGE_BYTES;
	if (end <= PAGE_BYTES || end > v->length_bytes)
		return map_odd(err, "its last page lies beyond its end");
	out->why_used = "header, with label and UUID";
	out->why_free = "contents of swap space";
	return map_view_free(v, out, PAGE_BYTES, end - PAGE_BYTES, err);
}

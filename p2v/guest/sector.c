/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/guest/sector.h"

#include <string.h>

#include "p2v/guest/backend.h"

static int check(const struct guest *g, const char *device, struct p2v_err *err)
{
	if (!g->ops->read_sector)
		return p2v_err_set(err, P2V_EUNSUPPORTED, "%s: there are no volumes here", device);
	return 0;
}

int guest_sector_read(
	struct guest *g, const char *device, uint8_t ret[GUEST_SECTOR_BYTES], struct p2v_err *err)
{
	int r = check(g, device, err);

	if (r == 0)
		r = g->ops->read_sector(g, device, ret, err);
	return r < 0 ? p2v_err_wrap(err, r, "%s", device) : 0;
}

static struct guest_side side_of(const uint8_t *bytes)
{
	return (struct guest_side){
		.exists = true, .kind = GUEST_KIND_BINARY, .bytes = bytes, .n = GUEST_SECTOR_BYTES};
}

int guest_sector_write(struct guest *g, const char *device, const uint8_t bytes[GUEST_SECTOR_BYTES],
	const char *why, struct p2v_err *err)
{
	uint8_t old[GUEST_SECTOR_BYTES];
	struct guest_side before = side_of(old), after = side_of(bytes);
	int r = g->writable ? guest_sector_read(g, device, old, err)
			    : p2v_err_set(err, P2V_EREFUSED,
				      "%s: the guest is opened to be read only", device);

	if (r < 0 || memcmp(old, bytes, sizeof(old)) == 0)
		return r;
	r = guest_side_digest(&before, err);
	if (r == 0)
		r = guest_side_digest(&after, err);
	if (r == 0)
		r = g->ops->write_sector(g, device, bytes, err);
	if (r < 0)
		return p2v_err_wrap(err, r, "%s", device);
	return guest_change_record(g, device, &before, &after, why, err);
}

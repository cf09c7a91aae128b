/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_PROVE_PICTURE_H
#define P2V_PROVE_PICTURE_H

/*
 * A picture of the guest's screen, as QEMU's screendump writes it: netpbm's PPM, binary, 8 bits a
 * colour ("P6 WIDTH HEIGHT 255", one blank, then red, green and blue of each point, row by row).
 * Format: https://netpbm.sourceforge.net/doc/ppm.html. Its points are the guest's.
 */

#include <stdint.h>

#include "p2v/core/buf.h"
#include "p2v/core/err.h"

#define PROVE_PICTURE_MAX_SIDE	8192
#define PROVE_PICTURE_MAX_BYTES ((size_t)64 << 20)

struct prove_picture {
	uint32_t width, height;
	const uint8_t *points; /* 3 bytes each; lie in the bytes that were parsed */
};

/* The colour that most of it has. */
struct prove_ground {
	uint8_t red, green, blue;
	unsigned percent;
};

/* P2V_EFORMAT: no such picture. */
int prove_picture_parse(
	const void *bytes, size_t n, struct prove_picture *ret, struct p2v_err *err);
/* Of an empty one: black, 0 %. */
struct prove_ground prove_picture_ground(const struct prove_picture *p);
/* Dark letters on white, large: what reads letters wants it so. Appends a PGM (P5). more: by how
 * many times larger than usual it is to be; negative: smaller. */
int prove_picture_for_reading(
	const struct prove_picture *p, int more, struct p2v_buf *out, struct p2v_err *err);
/* The same picture has the same number. */
uint64_t prove_picture_digest(const struct prove_picture *p);

#endif

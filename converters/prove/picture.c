/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "converters/prove/picture.h"

#include <stdlib.h>
#include <string.h>

#include "p2v/core/cleanup.h"

/* Letters of a screen are 8 to 16 points high; what reads them wants 20 and more. */
#define LARGE_WIDTH 2560

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The next number of the header; false where there is none, or too large a one. */
static bool number(const uint8_t **at, const uint8_t *end, uint32_t *ret)
{
	const uint8_t *p = *at;
	uint32_t n = 0;

	while (p < end && is_blank(*p))
		p++;
	if (p == end || *p < '0' || *p > '9')
		return false;
	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (uint32_t)(*p - '0');
		if (n > PROVE_PICTURE_MAX_SIDE)
			return false;
	}
	*at = p;
	*ret = n;
	return true;
}

int prove_picture_parse(const void *bytes, size_t n, struct prove_picture *ret, struct p2v_err *err)
{
	const uint8_t *at = bytes, *end = at + n;
	uint32_t width, height, most;

	if (n < 2 || memcmp(at, "P6", 2) != 0)
		return p2v_err_set(err, P2V_EFORMAT, "the screen's picture is no PPM");
	at += 2;
	if (!number(&at, end, &width) || !number(&at, end, &height) || !number(&at, end, &most) ||
		most != 255 || at == end || !is_blank(*at))
		return p2v_err_set(err, P2V_EFORMAT, "the screen's picture has a damaged head");
	at++;
	if ((size_t)(end - at) / 3 < (size_t)width * height)
		return p2v_err_set(err, P2V_EFORMAT, "the screen's picture is cut off");
	*ret = (struct prove_picture){.width = width, .height = height, .points = at};
	return 0;
}

static size_t n_points(const struct prove_picture *p)
{
	return (size_t)p->width * p->height;
}

/* Colours that differ by less than an eighth count as one: a shade of a gradient is not telling. */
#define SHADES 32

struct prove_ground prove_picture_ground(const struct prove_picture *p)
{
	uint32_t *counts = calloc((size_t)SHADES * SHADES * SHADES, sizeof(*counts));
	size_t n = n_points(p), best = 0, best_at = 0;
	struct prove_ground g = {0};

	for (size_t i = 0; counts && i < n; i++) {
		const uint8_t *c = p->points + 3 * i;
		size_t shade = ((size_t)(c[0] / 8) * SHADES + c[1] / 8) * SHADES + c[2] / 8;

		if (++counts[shade] > best) {
			best = counts[shade];
			best_at = i;
		}
	}
	free(counts);
	if (best) {
		const uint8_t *c = p->points + 3 * best_at;

		g = (struct prove_ground){c[0], c[1], c[2], (unsigned)(best * 100 / n)};
	}
	return g;
}

static int difference(const uint8_t *c, const struct prove_ground *g)
{
	int red = abs(c[0] - g->red), green = abs(c[1] - g->green), blue = abs(c[2] - g->blue);

	return red > green ? (red > blue ? red : blue) : (green > blue ? green : blue);
}

int prove_picture_for_reading(
	const struct prove_picture *p, struct p2v_buf *out, struct p2v_err *err)
{
	struct prove_ground g = prove_picture_ground(p);
	unsigned times = p->width && p->width <= LARGE_WIDTH / 2 ? LARGE_WIDTH / p->width : 1;
	p2v_autobuf struct p2v_buf row = {0};

	times = times > 3 ? 3 : times;
	p2v_buf_addf(out, "P5\n%u %u\n255\n", p->width * times, p->height * times);
	for (size_t y = 0; y < p->height; y++) {
		row.len = 0;
		for (size_t x = 0; x < p->width; x++) {
			uint8_t ink =
				(uint8_t)(255 - difference(p->points + 3 * (y * p->width + x), &g));

			for (unsigned i = 0; i < times; i++)
				p2v_buf_add(&row, &ink, 1);
		}
		for (unsigned i = 0; i < times; i++)
			p2v_buf_add(out, row.data, row.len);
	}
	out->failed |= row.failed;
	return p2v_buf_check(out, err);
}

uint64_t prove_picture_digest(const struct prove_picture *p)
{
	uint64_t sum = ((uint64_t)p->width << 32 | p->height) ^ UINT64_C(0xcbf29ce484222325);

	/* FNV-1a: told apart are pictures of one run, by nobody who wants to deceive. */
	for (size_t i = 0; i < 3 * n_points(p); i++)
		sum = (sum ^ p->points[i]) * UINT64_C(0x100000001b3);
	return sum;
}

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

/* How dark each point is to be: 0 is ink. malloc'd. */
static uint8_t *make_ink(const struct prove_picture *p)
{
	struct prove_ground g = prove_picture_ground(p);
	uint8_t *ink = malloc(n_points(p) + 1);

	for (size_t i = 0; ink && i < n_points(p); i++)
		ink[i] = (uint8_t)(255 - difference(p->points + 3 * i, &g));
	return ink;
}

/* Two neighbours in a row or column, and how much of the second one: in parts of 2 * times. */
struct between {
	size_t first, second;
	unsigned part;
};

static struct between between(size_t at, unsigned times, size_t n)
{
	size_t left = 2 * at + 1 < times ? 0 : (2 * at + 1 - times) / (2 * (size_t)times);
	unsigned part = 2 * at + 1 < times ? 0 : (unsigned)((2 * at + 1 - times) % (2 * times));

	return (struct between){left, left + 1 < n ? left + 1 : left, part};
}

static unsigned mix(unsigned a, unsigned b, unsigned part, unsigned times)
{
	return (a * (2 * times - part) + b * part) / (2 * times);
}

/* How many times as large what reads letters wants it, and `more` times. */
static unsigned times_of(const struct prove_picture *p, int more)
{
	int times = p->width && p->width <= LARGE_WIDTH / 2 ? (int)(LARGE_WIDTH / p->width) : 1;

	times = (times > 3 ? 3 : times) + more;
	return times < 1 ? 1 : (unsigned)times;
}

/* In between points there is what lies between them: squares would look like parts of letters. */
int prove_picture_for_reading(
	const struct prove_picture *p, int more, struct p2v_buf *out, struct p2v_err *err)
{
	unsigned times = times_of(p, more);
	p2v_autofree uint8_t *ink = make_ink(p);
	uint8_t *to;

	if (!ink)
		return p2v_err_set(err, P2V_ENOMEM, "no memory");
	p2v_buf_addf(out, "P5\n%u %u\n255\n", p->width * times, p->height * times);
	to = p2v_buf_reserve(out, n_points(p) * times * times);
	for (size_t y = 0; to && y < (size_t)p->height * times; y++) {
		struct between down = between(y, times, p->height);
		const uint8_t *upper = ink + down.first * p->width;
		const uint8_t *lower = ink + down.second * p->width;

		for (size_t x = 0; x < (size_t)p->width * times; x++) {
			struct between over = between(x, times, p->width);
			unsigned a = mix(upper[over.first], upper[over.second], over.part, times);
			unsigned b = mix(lower[over.first], lower[over.second], over.part, times);

			*to++ = (uint8_t)mix(a, b, down.part, times);
		}
	}
	out->len += to ? n_points(p) * times * times : 0;
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

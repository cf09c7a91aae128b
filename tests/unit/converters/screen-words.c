/* SPDX-License-Identifier: GPL-3.0-or-later */

/* screen-words FILE.ppm: what is read off a picture of a screen, "login: LINE" or "failure:
 * REASON". */

#include <stdio.h>

#include "converters/prove/words.h"
#include "p2v/core/cleanup.h"
#include "p2v/core/publish.h"

int main(int argc, char **argv)
{
	p2v_autobuf struct p2v_buf bytes = {0};
	struct prove_console c = {0};
	struct prove_picture picture;
	struct p2v_err err = {0};
	int r = argc == 2 ? p2v_file_read(argv[1], PROVE_PICTURE_MAX_BYTES, &bytes, &err)
			  : P2V_EINVAL;

	if (r == 0)
		r = prove_picture_parse(bytes.data, bytes.len, &picture, &err);
	if (r == 0)
		r = prove_words_of_picture(&picture, &c, &err);
	if (r < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	printf("%s%s\n",
		c.failure_reason ? "failure: "
		: *c.login	 ? "login: "
				 : "nothing",
		c.failure_reason ? c.failure_reason : c.login);
	return 0;
}

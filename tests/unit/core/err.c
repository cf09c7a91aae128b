/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/core/core-test.h"

#include <errno.h>

static void sentence_gathers_from_inside_out(void **state)
{
	struct p2v_err err = {0};

	(void)state;
	assert_int_equal(p2v_err_errno(&err, EIO, "read at %d", 4096), P2V_EIO);
	assert_int_equal(p2v_err_wrap(&err, P2V_EIO, "%s", "/dev/sda"), P2V_EIO);
	assert_string_equal(err.text, "/dev/sda: read at 4096: Input/output error");
	p2v_err_wrap(&err, P2V_EIO, "/dev/sda");
	assert_string_equal(err.text, "/dev/sda: read at 4096: Input/output error");
	p2v_err_wrap(&err, P2V_EIO, "/dev/sd");
	assert_string_equal(err.text, "/dev/sd: /dev/sda: read at 4096: Input/output error");
	p2v_err_clear(&err);
	assert_int_equal(err.kind, 0);
	assert_string_equal(err.text, "");
}

static void null_err_is_fine_everywhere(void **state)
{
	(void)state;
	assert_int_equal(p2v_err_set(NULL, P2V_EREFUSED, "x"), P2V_EREFUSED);
	assert_int_equal(p2v_err_errno(NULL, ENOENT, "x"), P2V_ENOTFOUND);
	assert_int_equal(p2v_err_wrap(NULL, P2V_EIO, "x"), P2V_EIO);
	p2v_err_clear(NULL);
}

static void long_sentence_is_cut(void **state)
{
	struct p2v_err err = {0};
	char word[3000];

	(void)state;
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	p2v_err_set(&err, P2V_EIO, "%s", word);
	p2v_err_wrap(&err, P2V_EIO, "%s", word);
	p2v_err_errno(&err, EIO, "%s", word);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void errno_becomes_what_the_caller_can_do(void **state)
{
	static const struct {
		int errnum, kind;
	} rows[] = {{ENOENT, P2V_ENOTFOUND}, {ENOSPC, P2V_ENOSPC}, {EDQUOT, P2V_ENOSPC},
		{ENOMEM, P2V_ENOMEM}, {EEXIST, P2V_EEXIST}, {EPIPE, P2V_ELINK},
		{ECONNRESET, P2V_ELINK}, {ETIMEDOUT, P2V_ETIMEDOUT}, {EIO, P2V_EIO},
		{EOPNOTSUPP, P2V_EUNSUPPORTED}};

	(void)state;
	for (size_t i = 0; i < P2V_N(rows); i++)
		assert_int_equal(p2v_err_kind_of_errno(rows[i].errnum), rows[i].kind);
}

static void exit_codes_and_words(void **state)
{
	(void)state;
	assert_int_equal(p2v_err_exit_code(0), 0);
	assert_int_equal(p2v_err_exit_code(P2V_EIO), 1);
	assert_int_equal(p2v_err_exit_code(P2V_EINVAL), 2);
	assert_int_equal(p2v_err_exit_code(P2V_EREFUSED), 3);
	assert_int_equal(p2v_err_exit_code(-1000), 1);
	assert_string_equal(p2v_err_word(P2V_EREFUSED), "refused");
	for (int kind = P2V_EINVAL; kind >= P2V_EEXIST; kind--)
		assert_string_not_equal(p2v_err_word(kind), "failed");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sentence_gathers_from_inside_out),
		cmocka_unit_test(null_err_is_fine_everywhere),
		cmocka_unit_test(long_sentence_is_cut),
		cmocka_unit_test(errno_becomes_what_the_caller_can_do),
		cmocka_unit_test(exit_codes_and_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

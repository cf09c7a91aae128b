/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/store/db.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "p2v/core/buf.h"
#include "p2v/core/span.h"

struct db {
	const struct db_ops *ops;
	void *conn;
};

static const struct db_ops *const kinds[] = {&store_db_sqlite, &store_db_postgres};

static const struct db_ops *kind_find(const char *where)
{
	for (size_t i = 0; i < P2V_N(kinds); i++)
		if (strncmp(where, kinds[i]->scheme, strlen(kinds[i]->scheme)) == 0)
			return kinds[i];
	return where[0] == '/' || where[0] == '.' ? &store_db_sqlite : NULL;
}

int store_db_open(const char *where, struct db **ret, struct p2v_err *err)
{
	p2v_auto(store_db_free) struct db *db = calloc(1, sizeof(*db));
	int r;

	if (!db)
		return p2v_err_set(err, P2V_ENOMEM, "out of memory");
	db->ops = kind_find(where);
	if (!db->ops)
		return p2v_err_set(err, P2V_EINVAL,
			"store: neither a path, nor sqlite:PATH, nor postgresql://...");
	if (strncmp(where, "sqlite:", 7) == 0)
		where += 7;
	r = db->ops->open(where, &db->conn, err);
	if (r == 0)
		*ret = p2v_steal(db);
	return r;
}

void store_db_free(struct db *db)
{
	if (db && db->conn)
		db->ops->close(db->conn);
	free(db);
}

/* The statement as this data base wants it. */
static void sql_add(struct p2v_buf *out, const struct db_ops *ops, const char *sql)
{
	const struct {
		const char *word, *text;
	} words[] = {{"{id}", ops->id}, {"{now}", ops->now}, {"{skip}", ops->skip},
		{"{alone}", ops->alone}, {"{begin}", ops->begin}};

	while (*sql) {
		size_t i = 0;

		while (i < P2V_N(words) && strncmp(sql, words[i].word, strlen(words[i].word)) != 0)
			i++;
		if (i < P2V_N(words)) {
			p2v_buf_add_str(out, words[i].text);
			sql += strlen(words[i].word);
		} else {
			bool value = *sql == '?' && isdigit((unsigned char)sql[1]);

			p2v_buf_add_u8(out, value ? (uint8_t)ops->mark : (uint8_t)*sql);
			sql++;
		}
	}
	p2v_buf_add_str(out, "");
}

int store_db_run(struct db *db, const char *sql, const struct db_value *values, size_t n,
	db_row_fn row, void *ctx, struct p2v_err *err)
{
	p2v_autobuf struct p2v_buf text = {0};
	int r;

	sql_add(&text, db->ops, sql);
	r = p2v_buf_check(&text, err);
	return r < 0 ? r
		     : db->ops->run(db->conn, (const char *)text.data, values, n, row, ctx, err);
}

int store_db_transact(struct db *db, int (*fn)(struct db *db, void *ctx, struct p2v_err *err),
	void *ctx, struct p2v_err *err)
{
	int r = store_db_run(db, "{begin}", NULL, 0, NULL, NULL, err);

	if (r < 0)
		return r;
	r = fn(db, ctx, err);
	if (r >= 0) {
		int rc = store_db_run(db, "COMMIT", NULL, 0, NULL, NULL, err);

		if (rc == 0)
			return r;
		r = rc;
	}
	store_db_run(db, "ROLLBACK", NULL, 0, NULL, NULL, NULL);
	return r;
}

int store_db_backup(struct db *db, const char *path, struct p2v_err *err)
{
	return db->ops->backup(db->conn, path, err);
}

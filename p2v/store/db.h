/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef P2V_STORE_DB_H
#define P2V_STORE_DB_H

/*
 * A data base with SQL in it: SQLite's file or a PostgreSQL server, one row each. Only the ledger
 * uses it.
 *
 * The statements are the same for both; what differs is a word in braces, from the row's table:
 *
 *	{id}     the type of a key that counts by itself
 *	{now}    seconds since 1970 by the data base's clock, the only one that leases go by
 *	{skip}   behind a SELECT within an UPDATE: rows that another one is just taking are passed
 *over {alone}  a statement: until the transaction's end no other one passes here
 *
 * Values are ?1, ?2, ... and never part of the text. A connection belongs to one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2v/core/cleanup.h"
#include "p2v/core/err.h"

struct db;

/* A number, or where text is not NULL that. */
struct db_value {
	const char *text;
	int64_t number;
};

/* One row of the answer; an SQL NULL is NULL. Not 0: no more rows are wanted, and what db_run
 * returns. */
typedef int (*db_row_fn)(void *ctx, const char *const *cols, size_t n_cols, struct p2v_err *err);

struct db_ops {
	const char *scheme; /* what `where` begins with */
	const char *id, *now, *skip, *alone, *begin;
	char mark; /* what stands before a value's number */
	int (*open)(const char *where, void **ret_conn, struct p2v_err *err);
	void (*close)(void *conn);
	int (*run)(void *conn, const char *sql, const struct db_value *values, size_t n,
		db_row_fn row, void *ctx, struct p2v_err *err);
	/* A consistent copy in a new file; P2V_EUNSUPPORTED where the data base has tools for that.
	 */
	int (*backup)(void *conn, const char *path, struct p2v_err *err);
};
extern const struct db_ops store_db_sqlite, store_db_postgres;

/* "sqlite:PATH" (or a PATH with a slash), "postgresql://..." as libpq takes it. What may hold a
 * password is in no error. */
int store_db_open(const char *where, struct db **ret, struct p2v_err *err);
void store_db_free(struct db *db);
P2V_DEFINE_CLEANUP(struct db *, store_db_free);

/*
 * One statement. P2V_ELINK: the server went away (the next call tries anew); P2V_ETIMEDOUT: others
 * kept it busy; P2V_ENOSPC; P2V_EFORMAT: the file is no data base, or is damaged.
 */
int store_db_run(struct db *db, const char *sql, const struct db_value *values, size_t n,
	db_row_fn row, void *ctx, struct p2v_err *err);
/* fn's statements all take effect, or none. */
int store_db_transact(struct db *db, int (*fn)(struct db *db, void *ctx, struct p2v_err *err),
	void *ctx, struct p2v_err *err);
int store_db_backup(struct db *db, const char *path, struct p2v_err *err);

#endif

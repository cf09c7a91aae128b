/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SQLite in one file, for one server. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2v/core/publish.h"
#include "p2v/store/db.h"

/* Statements are short; whoever waits longer than this meets a process that hangs. */
#define BUSY_MS	 20000
#define COLS_MAX 32

static int sqlite_fail(sqlite3 *conn, int rc, struct p2v_err *err)
{
	const char *cure = "";
	int kind = P2V_EIO;

	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		kind = P2V_ETIMEDOUT;
		break;
	case SQLITE_FULL:
		kind = P2V_ENOSPC;
		cure = ": make room where it lies";
		break;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		kind = P2V_EFORMAT;
		cure = ": it is damaged; p2v-server(1) says how a backup takes its place";
		break;
	case SQLITE_NOMEM:
		kind = P2V_ENOMEM;
		break;
	case SQLITE_CANTOPEN:
		kind = P2V_ENOTFOUND;
		break;
	}
	return p2v_err_set(
		err, kind, "ledger: %s%s", conn ? sqlite3_errmsg(conn) : sqlite3_errstr(rc), cure);
}

/* WAL: readers do not wait for the writer. FULL: what was committed survives a loss of power. */
static int sqlite_prepare(sqlite3 *conn, struct p2v_err *err)
{
	int rc;

	sqlite3_extended_result_codes(conn, 1);
	sqlite3_busy_timeout(conn, BUSY_MS);
	rc = sqlite3_exec(conn,
		"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
		"PRAGMA trusted_schema=OFF;",
		NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : sqlite_fail(conn, rc, err);
}

/* Made here, as SQLite would make it readable for all. One that is there is not opened but by
 * SQLite: whoever closes a file of his own gives up all locks that his process has on it, and the
 * next program to look at the ledger would take it for nobody's and remove its log. */
static int file_make(const char *where, struct p2v_err *err)
{
	p2v_autoclose int fd = open(where, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	struct stat st;

	if (fd >= 0)
		return 0;
	if (errno != EEXIST || lstat(where, &st) < 0)
		return p2v_err_errno(err, errno, "%s", where);
	return S_ISREG(st.st_mode) ? 0 : p2v_err_set(err, P2V_EREFUSED, "%s: is no file", where);
}

static int sqlite_open(const char *where, void **ret_conn, struct p2v_err *err)
{
	sqlite3 *conn = NULL;
	int rc, r = file_make(where, err);

	if (r < 0)
		return r;
	rc = sqlite3_open_v2(where, &conn, SQLITE_OPEN_READWRITE, NULL);
	r = rc == SQLITE_OK ? sqlite_prepare(conn, err) : sqlite_fail(conn, rc, err);
	if (r < 0) {
		sqlite3_close(conn);
		return p2v_err_wrap(err, r, "%s", where);
	}
	*ret_conn = conn;
	return 0;
}

static void sqlite_close(void *conn)
{
	sqlite3_close(conn);
}

static int sqlite_bind(sqlite3_stmt *stmt, const struct db_value *values, size_t n)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; rc == SQLITE_OK && i < n; i++)
		rc = values[i].text ? sqlite3_bind_text(
					      stmt, (int)i + 1, values[i].text, -1, SQLITE_STATIC)
				    : sqlite3_bind_int64(stmt, (int)i + 1, values[i].number);
	return rc;
}

static int sqlite_row(sqlite3_stmt *stmt, db_row_fn row, void *ctx, struct p2v_err *err)
{
	const char *cols[COLS_MAX];
	int n = sqlite3_column_count(stmt);

	if (n > COLS_MAX)
		return p2v_err_set(err, P2V_EINVAL, "ledger: %d columns", n);
	for (int i = 0; i < n; i++)
		cols[i] = (const char *)sqlite3_column_text(stmt, i);
	return row(ctx, cols, (size_t)n, err);
}

static int sqlite_run(void *conn, const char *sql, const struct db_value *values, size_t n,
	db_row_fn row, void *ctx, struct p2v_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int r = 0, rc = sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite_bind(stmt, values, n);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	/* To the end in any case: an UPDATE with RETURNING counts only then. */
	for (; rc == SQLITE_ROW; rc = sqlite3_step(stmt))
		if (row && r == 0)
			r = sqlite_row(stmt, row, ctx, err);
	if (rc != SQLITE_DONE && r == 0)
		r = sqlite_fail(conn, rc, err);
	sqlite3_finalize(stmt);
	return r;
}

static int sqlite_copy(sqlite3 *from, sqlite3 *to, struct p2v_err *err)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
	int rc;

	if (!backup)
		return sqlite_fail(to, sqlite3_errcode(to), err);
	rc = sqlite3_backup_step(backup, -1);
	sqlite3_backup_finish(backup);
	/* The copy is one file, with nothing beside it. */
	if (rc == SQLITE_DONE)
		rc = sqlite3_exec(to, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : sqlite_fail(to, rc, err);
}

static int sqlite_backup(void *conn, const char *path, struct p2v_err *err)
{
	p2v_autoclose int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	sqlite3 *to = NULL;
	int rc, r;

	if (fd < 0)
		return p2v_err_errno(err, errno, "%s", path);
	rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE, NULL);
	r = rc == SQLITE_OK ? sqlite_copy(conn, to, err) : sqlite_fail(to, rc, err);
	sqlite3_close(to);
	if (r == 0 && fsync(fd) < 0)
		r = p2v_err_errno(err, errno, "sync");
	if (r < 0)
		unlink(path);
	return r < 0 ? p2v_err_wrap(err, r, "%s", path) : 0;
}

const struct db_ops store_db_sqlite = {
	.scheme = "sqlite:",
	.id = "INTEGER PRIMARY KEY AUTOINCREMENT",
	.now = "CAST(strftime('%s', 'now') AS INTEGER)",
	.skip = "",
	.alone = "SELECT 1",
	.begin = "BEGIN IMMEDIATE",
	.mark = '?',
	.open = sqlite_open,
	.close = sqlite_close,
	.run = sqlite_run,
	.backup = sqlite_backup,
};

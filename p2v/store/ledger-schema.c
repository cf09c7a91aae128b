/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "p2v/store/ledger-schema.h"

#include <stdlib.h>

/* The version is the number of rows here that have been run: rows are added and never changed. */
static const char *const migrations[][6] = {
	{
		"CREATE TABLE job (id {id}, name TEXT NOT NULL, pool TEXT NOT NULL,"
		" stage TEXT NOT NULL CHECK (stage IN ('waiting', 'received', 'inspected',"
		"  'planned', 'converted', 'emitted', 'proven')),"
		" status TEXT NOT NULL CHECK (status IN ('ready', 'held', 'failed', 'cancelled')),"
		" reason TEXT NOT NULL, gates BIGINT NOT NULL, priority BIGINT NOT NULL,"
		" tries BIGINT NOT NULL, wish TEXT NOT NULL CHECK (wish IN ('', 'rollback', 'rm')),"
		" not_before BIGINT NOT NULL, owner TEXT NOT NULL, lease BIGINT NOT NULL,"
		" lease_until BIGINT NOT NULL, step TEXT NOT NULL, done BIGINT NOT NULL,"
		" total BIGINT NOT NULL, unit TEXT NOT NULL, created BIGINT NOT NULL,"
		" changed BIGINT NOT NULL, UNIQUE (pool, name))",
		"CREATE INDEX job_next ON job (pool, status, priority)",
		"CREATE TABLE event (id {id}, job BIGINT NOT NULL, name TEXT NOT NULL,"
		" at BIGINT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, text TEXT NOT NULL)",
		"CREATE INDEX event_job ON event (job, id)",
	},
};

#define VERSION ((int64_t)P2V_N(migrations))

static int version_row(void *ctx, const char *const *cols, size_t n_cols, struct p2v_err *err)
{
	(void)n_cols;
	(void)err;
	*(int64_t *)ctx = cols[0] ? strtoll(cols[0], NULL, 10) : 0;
	return 0;
}

static int migrate(struct db *db, int64_t version, struct p2v_err *err)
{
	const struct db_value value = {NULL, VERSION};
	int r = 0;

	for (; r == 0 && version < VERSION; version++)
		for (size_t i = 0; r == 0 && i < P2V_N(migrations[0]) && migrations[version][i];
			i++)
			r = store_db_run(db, migrations[version][i], NULL, 0, NULL, NULL, err);
	if (r == 0)
		r = store_db_run(db, "DELETE FROM ledger_version", NULL, 0, NULL, NULL, err);
	return r < 0 ? r
		     : store_db_run(db, "INSERT INTO ledger_version (version) VALUES (?1)", &value,
			       1, NULL, NULL, err);
}

static int update(struct db *db, void *ctx, struct p2v_err *err)
{
	int64_t version = 0;
	int r = store_db_run(db, "{alone}", NULL, 0, NULL, NULL, err);

	(void)ctx;
	if (r == 0)
		r = store_db_run(db,
			"CREATE TABLE IF NOT EXISTS ledger_version (version BIGINT NOT NULL)", NULL,
			0, NULL, NULL, err);
	if (r == 0)
		r = store_db_run(db, "SELECT max(version) FROM ledger_version", NULL, 0,
			version_row, &version, err);
	if (r < 0 || version == VERSION)
		return r;
	if (version > VERSION || version < 0)
		return p2v_err_set(err, P2V_EREFUSED,
			"the ledger has version %lld and this p2v knows %lld: update p2v on this "
			"server",
			(long long)version, (long long)VERSION);
	return migrate(db, version, err);
}

int store_schema_update(struct db *db, struct p2v_err *err)
{
	return store_db_transact(db, update, NULL, err);
}

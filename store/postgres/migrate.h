/*
 * store/postgres/migrate.h - bring the schema billing up to date.
 *
 * A migration is a file NNN_name.sql, numbered from 001 without gaps.  Each runs
 * once, in one transaction together with its row in billing.schema_migrations.
 * An applied file never changes again; what it got wrong, the next one mends.
 */
#ifndef STORE_POSTGRES_MIGRATE_H
#define STORE_POSTGRES_MIGRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/bytes.h"
#include "store/base/err.h"
#include "store/base/hash.h"

enum { MIGRATE_FILES_MAX = 500, MIGRATE_NAME_BYTES = 64, MIGRATE_FILE_BYTES_MAX = 1024 * 1024 };

enum migrate_state {
    MIGRATE_PENDING, /* not applied; after a dry run */
    MIGRATE_BEFORE,  /* was applied before this run */
    MIGRATE_NOW,     /* applied by this run */
};

struct migrate_file {
    int version;
    char name[MIGRATE_NAME_BYTES];       /* "tables" of 001_tables.sql */
    char sha256[HASH_SHA256_TEXT_BYTES]; /* of the file's bytes */
    struct bytes text;                   /* NUL-terminated */
    enum migrate_state state;
};

struct migrate {
    struct migrate_file *files; /* by version */
    size_t count;
};

struct migrate_options {
    const char *database;  /* connection string */
    const char *directory; /* of the files */
    bool dry_run;          /* look, and change nothing */
    int64_t lock_wait_s;
    void (*notice)(const char *text); /* what the server remarks; NULL: not wanted */
};

/*
 * Read the files and check their numbering; no database is needed.
 *
 *   ret  filled; migrate_clear() it, also after an error
 *
 * Errors: ERR_NOT_FOUND, ERR_DENIED, ERR_IO for the directory or a file;
 * ERR_CONFIG (a gap, a number twice, a name that is not NNN_name.sql, no file);
 * ERR_LIMIT.
 */
enum err_code migrate_read(const char *directory, struct migrate *ret,
                           struct err *err) ERR_MUST_CHECK;
void migrate_clear(struct migrate *migrate);

/*
 * Apply what is missing, in order.
 *
 *   ret  filled with every file and what became of it; migrate_clear() it, also
 *        after an error
 *
 * Safe to repeat: a second run applies nothing.  After an error all files before
 * the one named are applied, that one and all behind it are not.
 *
 * Errors: as migrate_read(); ERR_CONFLICT (an applied file has changed, or the
 * database has a version that no file here has); ERR_CONFIG (the server refuses
 * the SQL of a file; its line is named); as pg_open(), pg_lock(), pg_run().
 */
enum err_code migrate_run(const struct migrate_options *options, struct migrate *ret,
                          struct err *err) ERR_MUST_CHECK;

#endif

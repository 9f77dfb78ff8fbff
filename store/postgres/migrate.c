#include "store/postgres/migrate.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/file.h"
#include "store/postgres/pg.h"

enum { VERSION_DIGITS = 3, VERSION_TEXT_BYTES = 16, DOING_BYTES = 128 };

/* ---- the files ---- */

/* "001_tables.sql" -> 1, "tables"; false for any other shape. */
static bool
parse_file_name(const char *file_name, struct migrate_file *ret)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    size_t n = strlen(file_name);
    if (n < VERSION_DIGITS + 1 + 1 + 4 || strspn(file_name, "0123456789") != VERSION_DIGITS ||
        file_name[VERSION_DIGITS] != '_' || strcmp(file_name + n - 4, ".sql") != 0)
        return false;
    const char *name = file_name + VERSION_DIGITS + 1;
    size_t name_bytes = n - VERSION_DIGITS - 1 - 4;
    if (name_bytes >= sizeof ret->name || strspn(name, letters) != name_bytes)
        return false;
    ret->version = (int)strtol(file_name, NULL, 10);
    memcpy(ret->name, name, name_bytes);
    ret->name[name_bytes] = '\0';
    return true;
}

static enum err_code
read_one(const char *directory, const char *file_name, struct migrate *m, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    uint8_t digest[HASH_SHA256_BYTES];
    if (m->count == MIGRATE_FILES_MAX)
        return err_set(err, ERR_LIMIT, "%s: more than %d migrations", directory, MIGRATE_FILES_MAX);
    struct migrate_file *f = &m->files[m->count];
    if (!parse_file_name(file_name, f))
        return err_set(err, ERR_CONFIG,
                       "%s/%s: a migration is named NNN_name.sql: three digits, then a-z, 0-9, _",
                       directory, file_name);
    enum err_code code = file_path(path, directory, file_name, err);
    if (code == ERR_OK)
        code = file_read(path, MIGRATE_FILE_BYTES_MAX, &f->text, err);
    if (code != ERR_OK)
        return code;
    m->count++;
    if (memchr(f->text.data, '\0', f->text.size_bytes) != NULL)
        return err_set(err, ERR_CONFIG, "%s holds a NUL byte: it is no SQL text", path);
    hash_sha256(&f->text, 1, digest);
    hash_hex(digest, sizeof digest, f->sha256);
    return ERR_OK;
}

static int
by_version(const void *a, const void *b)
{
    return ((const struct migrate_file *)a)->version - ((const struct migrate_file *)b)->version;
}

static enum err_code
check_numbers(const char *directory, const struct migrate *m, struct err *err)
{
    if (m->count == 0)
        return err_set(err, ERR_CONFIG, "%s holds no NNN_name.sql", directory);
    for (size_t i = 0; i < m->count; i++) {
        int want = (int)i + 1, is = m->files[i].version;
        if (is < want)
            return err_set(err, ERR_CONFIG, "%s: two migrations have the number %03d", directory,
                           is);
        if (is > want)
            return err_set(err, ERR_CONFIG, "%s: migration %03d is missing, %03d_%s is there",
                           directory, want, is, m->files[i].name);
    }
    return ERR_OK;
}

enum err_code
migrate_read(const char *directory, struct migrate *ret, struct err *err)
{
    enum err_code code = ERR_OK;
    DIR *dir = NULL;
    *ret = (struct migrate){.files = calloc(MIGRATE_FILES_MAX, sizeof *ret->files)};
    if (ret->files == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    dir = opendir(directory);
    if (dir == NULL)
        return err_set_errno(err, errno, "cannot open the migrations in %s", directory);
    errno = 0;
    for (struct dirent *e; code == ERR_OK && (e = readdir(dir)) != NULL;) {
        size_t n = strlen(e->d_name);
        if (e->d_name[0] != '.' && n > 4 && strcmp(e->d_name + n - 4, ".sql") == 0)
            code = read_one(directory, e->d_name, ret, err);
        errno = 0;
    }
    if (code == ERR_OK && errno != 0)
        code = err_set_errno(err, errno, "cannot read the directory %s", directory);
    closedir(dir);
    if (code != ERR_OK)
        return code;
    qsort(ret->files, ret->count, sizeof *ret->files, by_version);
    return check_numbers(directory, ret, err);
}

void
migrate_clear(struct migrate *migrate)
{
    for (size_t i = 0; i < migrate->count; i++)
        free((void *)(uintptr_t)migrate->files[i].text.data);
    free(migrate->files);
    *migrate = (struct migrate){0};
}

/* ---- the database ---- */

static enum err_code
match_applied(struct migrate *m, const PGresult *rows, struct err *err)
{
    for (int i = 0; i < PQntuples(rows); i++) {
        long version = strtol(PQgetvalue(rows, i, 0), NULL, 10);
        const char *name = PQgetvalue(rows, i, 1), *sha256 = PQgetvalue(rows, i, 2);
        if (version < 1 || (size_t)version > m->count)
            return err_set(err, ERR_CONFLICT,
                           "the database has migration %03ld_%s, this gbill knows %zu; use the "
                           "newer gbill that applied it",
                           version, name, m->count);
        struct migrate_file *f = &m->files[version - 1];
        if (strcmp(f->sha256, sha256) != 0)
            return err_set(err, ERR_CONFLICT,
                           "%03d_%s.sql was changed after it was applied (SHA-256 %.12s..., "
                           "applied %.12s...); restore the file and put the change into a new one",
                           f->version, f->name, f->sha256, sha256);
        f->state = MIGRATE_BEFORE;
    }
    return ERR_OK;
}

static enum err_code
find_applied(struct pg *pg, struct migrate *m, struct err *err)
{
    PGresult *rows = NULL;
    enum err_code code = pg_query(pg, "SELECT to_regclass('billing.schema_migrations') IS NULL",
                                  NULL, 0, "look for billing.schema_migrations", &rows, err);
    if (code != ERR_OK)
        return code;
    bool empty = strcmp(PQgetvalue(rows, 0, 0), "t") == 0;
    PQclear(rows);
    if (empty)
        return ERR_OK;
    code = pg_query(pg,
                    "SELECT version, name, sha256 FROM billing.schema_migrations "
                    "ORDER BY version",
                    NULL, 0, "read billing.schema_migrations", &rows, err);
    if (code != ERR_OK)
        return code;
    code = match_applied(m, rows, err);
    PQclear(rows);
    return code;
}

/* The line that a position of the server's (characters, from 1) lies in. */
static int
line_of(const char *text, long position)
{
    int line = 1;
    for (long at = 1; *text != '\0' && at < position; text++) {
        line += *text == '\n';
        at += ((unsigned char)text[1] & 0xc0) != 0x80;
    }
    return line;
}

/* The server found a mistake in the file: name its line where the server does. */
static enum err_code
file_is_wrong(const struct migrate_file *f, const PGresult *result, struct err *err)
{
    const char *at = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    char line[DOING_BYTES] = "";
    if (at != NULL)
        snprintf(line, sizeof line,
                 " line %d:", line_of((const char *)f->text.data, strtol(at, NULL, 10)));
    return err_set(err, ERR_CONFIG, "%03d_%s.sql:%s %s; nothing of this file was applied",
                   f->version, f->name, line, text != NULL ? text : "refused");
}

static enum err_code
run_file(struct pg *pg, const struct migrate_file *f, const char *doing, struct err *err)
{
    PGresult *result = PQexec(pg_conn(pg), (const char *)f->text.data);
    ExecStatusType status = PQresultStatus(result);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    enum err_code code = ERR_OK;
    /* Class 42 is "syntax error or access rule violation"; 42501 is a privilege that lacks. */
    if (state != NULL && strncmp(state, "42", 2) == 0 && strcmp(state, "42501") != 0)
        code = file_is_wrong(f, result, err);
    else if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY)
        code = pg_fail(pg, result, doing, err);
    else if (PQtransactionStatus(pg_conn(pg)) != PQTRANS_INTRANS)
        code = err_set(err, ERR_CONFIG,
                       "%03d_%s.sql ends its transaction; take COMMIT and ROLLBACK out of it",
                       f->version, f->name);
    PQclear(result);
    return code;
}

static enum err_code
apply(struct pg *pg, struct migrate_file *f, struct err *err)
{
    char version[VERSION_TEXT_BYTES], doing[DOING_BYTES];
    snprintf(version, sizeof version, "%d", f->version);
    snprintf(doing, sizeof doing, "apply %03d_%s.sql", f->version, f->name);
    const char *const values[] = {version, f->name, f->sha256};
    enum err_code code = pg_run(pg, "BEGIN", doing, NULL, err);
    if (code == ERR_OK)
        code = run_file(pg, f, doing, err);
    if (code == ERR_OK)
        code = pg_query(pg,
                        "INSERT INTO billing.schema_migrations (version, name, sha256) "
                        "VALUES ($1, $2, $3)",
                        values, 3, doing, NULL, err);
    if (code == ERR_OK)
        code = pg_run(pg, "COMMIT", doing, NULL, err);
    if (code == ERR_OK)
        f->state = MIGRATE_NOW;
    return code;
}

enum err_code
migrate_run(const struct migrate_options *options, struct migrate *ret, struct err *err)
{
    struct pg *pg = NULL;
    enum err_code code = migrate_read(options->directory, ret, err);
    if (code == ERR_OK)
        code = pg_open(options->database, "gbill migrate", &pg, err);
    if (code != ERR_OK)
        goto out;
    if (options->notice != NULL)
        pg_on_notice(pg, options->notice);
    if (!options->dry_run)
        code = pg_lock(pg, options->lock_wait_s, err);
    if (code == ERR_OK)
        code = find_applied(pg, ret, err);
    for (size_t i = 0; code == ERR_OK && !options->dry_run && i < ret->count; i++) {
        if (ret->files[i].state == MIGRATE_PENDING)
            code = apply(pg, &ret->files[i], err);
    }
out:
    pg_close(pg);
    return code;
}

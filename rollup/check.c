#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rollup/job.h"
#include "rollup/price/ratio.h"
#include "store/base/file.h"
#include "store/tables/cursor.h"
#include "store/tables/digest.h"

/* The tables as they are, and a scratch file where they are folded again. */
struct check {
    struct tables *tables, *scratch;
    struct tables_txn *txn, *scratch_txn;
    char directory[FILE_PATH_BYTES_MAX];
};

static void
remove_scratch(const struct check *c)
{
    static const char *const names[] = {"tables.mdb", "tables.mdb-lock", "rollup.lock"};
    char path[FILE_PATH_BYTES_MAX];
    struct err ignored;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (file_path(path, c->directory, names[i], &ignored) == ERR_OK)
            unlink(path);
    }
    rmdir(c->directory);
}

/* The scratch file becomes about as large as the tables. */
static enum err_code
check_room(const struct rollup_options *o, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    struct stat st;
    enum err_code code = file_path(path, o->data_directory, "tables.mdb", err);
    if (code != ERR_OK)
        return code;
    uint64_t need = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
    uint64_t have = file_free_bytes(o->data_directory);
    if (have >= need)
        return ERR_OK;
    return err_set(err, ERR_FULL,
                   "%s: a check needs %" PRIu64 " MiB for its scratch file, %" PRIu64 " are free",
                   o->data_directory, need >> 20, have >> 20);
}

static enum err_code
open_both(struct check *c, const struct rollup_options *o, struct cursor *ret_cursor,
          struct err *err)
{
    enum err_code code = tables_open(o->data_directory, TABLES_READ, &c->tables, err);
    if (code == ERR_OK)
        code = tables_begin(c->tables, TABLES_READ, &c->txn, err);
    if (code != ERR_OK)
        return code;
    *ret_cursor = cursor_get(c->txn);
    code = check_room(o, err);
    if (code == ERR_OK)
        code = file_path(c->directory, o->data_directory, "check.tmp", err);
    if (code != ERR_OK)
        return code;
    remove_scratch(c); /* of a check that was killed */
    return file_make_directory(c->directory, err);
}

/* Say which row is in one of them alone, or in both with different bytes. */
static enum err_code
differs(enum table table, struct bytes key, bool in_a, bool in_b, struct err *err)
{
    char hex[2 * 64 + 1];
    size_t n = key.size_bytes < 64 ? key.size_bytes : 64;
    hash_hex(key.data, n, hex);
    return err_set(err, ERR_CORRUPT,
                   "table %s, key %s: the row %s; run gbill rollup --rebuild to fold the log anew",
                   tables_name(table), hex,
                   !in_b   ? "is not there when the log is folded again"
                   : !in_a ? "is missing"
                           : "differs from what the log folds to");
}

static bool
same(struct bytes a, struct bytes b)
{
    return a.size_bytes == b.size_bytes && memcmp(a.data, b.data, a.size_bytes) == 0;
}

/* Name the first row that is not the same in both. */
static enum err_code
compare_table(struct check *c, enum table table, struct err *err)
{
    struct tables_scan a, b;
    enum err_code code = ERR_OK;
    tables_scan_begin(&a, c->txn, table, (struct bytes){0});
    tables_scan_begin(&b, c->scratch_txn, table, (struct bytes){0});
    for (;;) {
        bool in_a = tables_scan_next(&a), in_b = tables_scan_next(&b);
        if (!in_a && !in_b)
            break;
        if (in_a && in_b && same(a.key, b.key) && same(a.value, b.value))
            continue;
        /* Of two different keys the smaller one is missing on the other side. */
        if (in_a && in_b && !same(a.key, b.key)) {
            struct str x = {(const char *)a.key.data, a.key.size_bytes};
            struct str y = {(const char *)b.key.data, b.key.size_bytes};
            in_b = str_compare(y, x) < 0;
            in_a = !in_b;
        }
        code = differs(table, in_a ? a.key : b.key, in_a, in_b, err);
        break;
    }
    tables_scan_end(&a);
    tables_scan_end(&b);
    return code;
}

static enum err_code
compare(struct check *c, uint8_t ret_digest[HASH_SHA256_BYTES], struct err *err)
{
    uint8_t other[HASH_SHA256_BYTES];
    tables_digest(c->txn, ret_digest);
    tables_digest(c->scratch_txn, other);
    if (memcmp(ret_digest, other, sizeof other) == 0)
        return ERR_OK;
    for (int t = 0; t < TABLE_COUNT; t++) {
        if (!tables_is_fold((enum table)t) || tables_is_ids((enum table)t))
            continue;
        enum err_code code = compare_table(c, (enum table)t, err);
        if (code != ERR_OK)
            return code;
    }
    return err_set(
        err, ERR_CORRUPT,
        "table ids: the set of counted ids differs from what the log folds to; run gbill "
        "rollup --rebuild to fold the log anew");
}

enum err_code
rollup_check(const struct rollup_options *options, uint8_t ret_digest[HASH_SHA256_BYTES],
             struct err *err)
{
    struct check c = {0};
    struct cursor cursor;
    struct rollup_result r;
    struct rollup_options again = *options;
    enum err_code code = open_both(&c, options, &cursor, err);
    if (code != ERR_OK)
        goto out;
    again.rebuild = false;
    again.tables_directory = c.directory;
    again.until_seq = cursor.seq;
    again.until_quarantine_seq = cursor.quarantine_seq;
    code = rollup_run(&again, &r, err);
    if (code == ERR_OK)
        code = tables_open(c.directory, TABLES_READ, &c.scratch, err);
    if (code == ERR_OK)
        code = tables_begin(c.scratch, TABLES_READ, &c.scratch_txn, err);
    if (code == ERR_OK &&
        memcmp(cursor_get(c.scratch_txn).price_book, cursor.price_book, HASH_SHA256_BYTES) != 0)
        code = err_set(err, ERR_CONFLICT,
                       "%s is not the price book of the last fold; run gbill rollup, or give "
                       "--prices the one it used",
                       options->price_path);
    if (code == ERR_OK &&
        memcmp(cursor_get(c.scratch_txn).ratio_book, cursor.ratio_book, HASH_SHA256_BYTES) != 0)
        code = err_set(err, ERR_CONFLICT,
                       "%s/" RATIO_FILE_NAME " is not the ratio book of the last fold; run gbill "
                       "rollup",
                       options->data_directory);
    if (code == ERR_OK)
        code = compare(&c, ret_digest, err);
out:
    tables_abort(c.scratch_txn);
    tables_abort(c.txn);
    tables_close(c.scratch);
    tables_close(c.tables);
    if (c.directory[0] != '\0')
        remove_scratch(&c);
    return code;
}

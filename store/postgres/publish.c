/*
 * The happy path: lock, open a moment of the tables, compare with the database,
 * note the attempt in tables.mdb, BEGIN, stage and merge each table, move
 * publish_state, COMMIT, settle the dirty entries.
 *
 * Killed before COMMIT: the database is as it was, the attempt is noted, all is
 * still owed.  Killed after COMMIT and before the last settling: the database is
 * level; what is still marked as owed is sent again and changes no row.
 */
#include "store/postgres/publish.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "store/base/arena.h"
#include "store/postgres/pg.h"
#include "store/postgres/publish_sql.h"
#include "store/postgres/publish_state.h"
#include "store/tables/dirty.h"

enum {
    PROGRESS_ROWS = 10000,  /* between two calls of progress */
    SETTLE_KEYS_MAX = 4096, /* in one transaction, so that a fold waits only shortly */
    SETTLE_KEY_BYTES_MAX = 128,
};

struct job {
    const struct publish_options *options;
    struct publish_result *result;
    struct tables *tables;
    struct tables_txn *txn; /* the moment that is published */
    struct cursor cursor;
    struct publish_memory memory;
    struct pg *pg;
    struct buf sql;
    int lock_fd;
};

/* Owed keys, read before they are settled: a scan and a write do not mix. */
struct settle_batch {
    size_t count;
    struct {
        enum table table;
        size_t key_bytes;
        uint8_t key[SETTLE_KEY_BYTES_MAX];
        uint64_t number;
    } owed[SETTLE_KEYS_MAX];
};

/* ---- open and compare ---- */

static enum err_code
open_tables(struct job *job, struct err *err)
{
    enum err_code code = tables_open_locked(job->options->data_directory, "publish.lock",
                                            "gbill publish", &job->tables, &job->lock_fd, err);
    if (code == ERR_OK)
        code = tables_begin(job->tables, TABLES_READ, &job->txn, err);
    if (code != ERR_OK)
        return code;
    job->cursor = cursor_get(job->txn);
    job->memory = publish_memory_get(job->txn);
    return ERR_OK;
}

static bool
owed(const struct job *job, const struct published *table)
{
    struct dirty_scan scan;
    dirty_scan_begin(&scan, job->txn, table->table);
    bool any = dirty_scan_next(&scan);
    dirty_scan_end(&scan);
    return any;
}

static bool
anything_owed(const struct job *job)
{
    for (size_t i = 0; i < PUBLISHED_COUNT; i++) {
        if (owed(job, &published[i]))
            return true;
    }
    return false;
}

static bool
same_place(const struct job *job, const struct publish_state *state)
{
    char chain[HASH_SHA256_TEXT_BYTES], price_book[HASH_SHA256_TEXT_BYTES];
    hash_hex(job->cursor.chain, HASH_SHA256_BYTES, chain);
    hash_hex(job->cursor.price_book, HASH_SHA256_BYTES, price_book);
    return state->position == job->cursor.seq && strcmp(state->chain, chain) == 0 &&
           strcmp(state->price_book, price_book) == 0;
}

/* Why all rows must be sent, or NULL. */
static const char *
why_full(const struct job *job, const struct publish_state *state)
{
    if (job->options->full)
        return "asked for";
    if (!state->known)
        return "the database is new to this log";
    if (job->memory.attempted == 0)
        return "the tables do not remember a publish";
    if (state->version < job->memory.settled)
        return "the database is an older one than was last published to";
    if (state->version > job->memory.attempted)
        return "the tables are older than the last publish";
    return NULL;
}

/* A database must not be overwritten, or taken back in time, by mistake. */
static enum err_code
check_place(const struct job *job, const struct publish_state *state, struct err *err)
{
    if (job->options->full)
        return ERR_OK;
    if (state->foreign)
        return err_set(err, ERR_CONFLICT,
                       "the database holds the tables of another log; use another database, or "
                       "gbill publish --full to put this log's in their place");
    if (state->known && state->position > job->cursor.seq)
        return err_set(err, ERR_CONFLICT,
                       "the database shows event %" PRIu64 ", the tables here only %" PRIu64
                       ": they are being folded anew, or were restored; run gbill rollup first, or "
                       "gbill publish --full to take the database back",
                       state->position, job->cursor.seq);
    return ERR_OK;
}

static enum err_code
compare(struct job *job, struct publish_state *ret_state, struct err *err)
{
    static const uint8_t no_log[HASH_SHA256_BYTES];
    struct publish_result *r = job->result;
    enum err_code code = publish_state_get(job->pg, &job->cursor, ret_state, err);
    /* Before the first event is folded there is no log to be a copy of. */
    if (code != ERR_OK || memcmp(job->cursor.log_identity, no_log, sizeof no_log) == 0)
        return code;
    code = check_place(job, ret_state, err);
    if (code != ERR_OK)
        return code;
    r->why = why_full(job, ret_state);
    if (r->why != NULL)
        r->mode = PUBLISH_FULL;
    else if (anything_owed(job) || !same_place(job, ret_state))
        r->mode = PUBLISH_CHANGES;
    r->version = ret_state->version;
    r->position = job->cursor.seq;
    return ERR_OK;
}

/* ---- the transaction in Postgres ---- */

static enum err_code
run_sql(struct job *job, const struct published *table, enum publish_sql which, const char *doing,
        uint64_t *ret_rows, struct err *err)
{
    const char *sql = publish_sql(&job->sql, table, which);
    if (sql == NULL)
        return err_set(err, ERR_LIMIT, "%s: no memory for a statement", table->name);
    return err_wrap(err, pg_run(job->pg, sql, doing, ret_rows, err), "%s", table->name);
}

static void
put_row(const struct job *job, struct copy *copy, const struct published *table, struct bytes key,
        const struct bytes *value)
{
    table->put_key(copy, key);
    if (value != NULL)
        table->put_row(copy, key, *value);
    for (size_t i = table->key_count; value == NULL && table->columns[i] != NULL; i++)
        copy_null(copy);
    copy_bool(copy, value == NULL);
    copy_row_end(copy);
    if (job->options->progress != NULL && copy->rows % PROGRESS_ROWS == 0)
        job->options->progress(table->name, copy->rows);
}

static void
put_all(const struct job *job, struct copy *copy, const struct published *table)
{
    struct tables_scan scan;
    tables_scan_begin(&scan, job->txn, table->table, (struct bytes){0});
    while (copy->code == ERR_OK && tables_scan_next(&scan))
        put_row(job, copy, table, scan.key, &scan.value);
    tables_scan_end(&scan);
}

static void
put_owed(const struct job *job, struct copy *copy, const struct published *table)
{
    struct owed_scan scan;
    owed_scan_begin(&scan, job->txn, table->table);
    while (copy->code == ERR_OK && owed_scan_next(&scan))
        put_row(job, copy, table, scan.key, scan.there ? &scan.value : NULL);
    owed_scan_end(&scan);
}

static enum err_code
stage(struct job *job, const struct published *table, struct publish_count *count, struct err *err)
{
    struct copy copy;
    enum err_code code =
        run_sql(job, table, PUBLISH_SQL_STAGE, "make the temporary table", NULL, err);
    if (code != ERR_OK)
        return code;
    const char *sql = publish_sql(&job->sql, table, PUBLISH_SQL_COPY);
    if (sql == NULL)
        return err_set(err, ERR_LIMIT, "%s: no memory for a statement", table->name);
    if (copy_begin(&copy, job->pg, job->txn, table->name, sql, err) == ERR_OK) {
        if (job->result->mode == PUBLISH_FULL)
            put_all(job, &copy, table);
        else
            put_owed(job, &copy, table);
    }
    count->sent = copy.rows;
    return copy_end(&copy, err);
}

static enum err_code
publish_table(struct job *job, const struct published *table, struct publish_count *count,
              struct err *err)
{
    bool full = job->result->mode == PUBLISH_FULL;
    if (!full && !owed(job, table))
        return ERR_OK;
    enum err_code code = stage(job, table, count, err);
    if (code == ERR_OK)
        code = run_sql(job, table, PUBLISH_SQL_ANALYZE, "count the rows sent", NULL, err);
    if (code == ERR_OK)
        code = run_sql(job, table, full ? PUBLISH_SQL_DELETE_REST : PUBLISH_SQL_DELETE_GONE,
                       "delete rows", &count->deleted, err);
    if (code == ERR_OK)
        code = run_sql(job, table, PUBLISH_SQL_UPSERT, "write rows", &count->written, err);
    return code;
}

static enum err_code
publish_all(struct job *job, struct err *err)
{
    enum err_code code = pg_run(job->pg, "BEGIN", "begin", NULL, err);
    for (size_t i = 0; code == ERR_OK && i < PUBLISHED_COUNT; i++)
        code = publish_table(job, &published[i], &job->result->counts[i], err);
    if (code == ERR_OK)
        code = publish_state_put(job->pg, &job->cursor, job->result->version, err);
    if (code == ERR_OK)
        code = pg_run(job->pg, "COMMIT", "commit", NULL, err);
    return code;
}

/* ---- what is owed afterwards ---- */

/*
 * Note the number before Postgres sees it, so that it is never used twice: two
 * databases with the same number could not be told apart.
 */
static enum err_code
note_attempt(struct job *job, const struct publish_state *state, struct err *err)
{
    struct tables_txn *txn = NULL;
    struct publish_memory *m = &job->memory;
    enum err_code code = tables_begin(job->tables, TABLES_WRITE, &txn, err);
    if (code != ERR_OK)
        return code;
    m->attempted = (state->version > m->attempted ? state->version : m->attempted) + 1;
    code = publish_memory_put(txn, m, err);
    if (code != ERR_OK) {
        tables_abort(txn);
        return code;
    }
    job->result->version = m->attempted;
    return tables_commit(txn, err);
}

/*
 * An entry whose number is not above that of the moment we published was in it.
 * One that is above was changed since and stays owed.
 */
static void
collect(struct tables_txn *txn, uint64_t moment, struct settle_batch *batch)
{
    batch->count = 0;
    for (size_t i = 0; i < PUBLISHED_COUNT; i++) {
        struct dirty_scan scan;
        dirty_scan_begin(&scan, txn, published[i].table);
        while (batch->count < SETTLE_KEYS_MAX && dirty_scan_next(&scan)) {
            if (scan.number > moment)
                continue;
            assert(scan.key.size_bytes <= SETTLE_KEY_BYTES_MAX);
            batch->owed[batch->count].table = published[i].table;
            batch->owed[batch->count].key_bytes = scan.key.size_bytes;
            memcpy(batch->owed[batch->count].key, scan.key.data, scan.key.size_bytes);
            batch->owed[batch->count++].number = scan.number;
        }
        dirty_scan_end(&scan);
    }
}

static enum err_code
settle_batch(struct job *job, struct settle_batch *batch, struct err *err)
{
    struct tables_txn *txn = NULL;
    enum err_code code = tables_begin(job->tables, TABLES_WRITE, &txn, err);
    if (code != ERR_OK)
        return code;
    collect(txn, tables_txn_number(job->txn), batch);
    for (size_t i = 0; code == ERR_OK && i < batch->count; i++)
        code = dirty_settle(txn, batch->owed[i].table,
                            (struct bytes){batch->owed[i].key, batch->owed[i].key_bytes},
                            batch->owed[i].number, err);
    if (code == ERR_OK)
        code = publish_memory_put(txn, &job->memory, err);
    if (code != ERR_OK) {
        tables_abort(txn);
        return code;
    }
    return tables_commit(txn, err);
}

static enum err_code
settle(struct job *job, struct err *err)
{
    struct arena arena;
    enum err_code code = ERR_OK;
    arena_init(&arena, 2 * sizeof(struct settle_batch));
    struct settle_batch *batch = arena_alloc(&arena, sizeof *batch);
    if (batch == NULL)
        return err_set(err, ERR_LIMIT, "no memory to settle what was published");
    job->memory.settled = job->result->version;
    do {
        code = settle_batch(job, batch, err);
    } while (code == ERR_OK && batch->count == SETTLE_KEYS_MAX);
    arena_clear(&arena);
    return code;
}

enum err_code
publish_run(const struct publish_options *options, struct publish_result *ret, struct err *err)
{
    struct publish_state state;
    *ret = (struct publish_result){0};
    struct job job = {.options = options, .result = ret, .lock_fd = -1};
    buf_init(&job.sql, PUBLISH_SQL_BYTES_MAX);
    enum err_code code = open_tables(&job, err);
    if (code == ERR_OK)
        code = pg_open(options->database, "gbill publish", &job.pg, err);
    if (code == ERR_OK)
        code = pg_lock(job.pg, options->lock_wait_s, err);
    if (code == ERR_OK)
        code = compare(&job, &state, err);
    if (code != ERR_OK || ret->mode == PUBLISH_NOTHING)
        goto out;
    code = note_attempt(&job, &state, err);
    if (code == ERR_OK)
        code = publish_all(&job, err);
    if (code == ERR_OK)
        code = settle(&job, err);
out:
    pg_close(job.pg);
    tables_abort(job.txn);
    tables_close(job.tables);
    buf_clear(&job.sql);
    if (job.lock_fd >= 0)
        close(job.lock_fd);
    return code;
}

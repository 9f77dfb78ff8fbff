#include "rollup/job.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "rollup/fold.h"
#include "store/base/file.h"
#include "store/log/quarantine.h"
#include "store/tables/cursor.h"
#include "store/tables/unpriced.h"

/* What is open while the job runs. */
struct job {
    const struct rollup_options *options;
    char log_directory[FILE_PATH_BYTES_MAX];
    int lock_fd;
    struct price_book *book;
    struct tables *tables;
    struct tables_txn *txn;
    struct log_reader *events, *quarantine;
    struct batch batch;
    struct fold fold;
    struct cursor cursor;
    uint32_t txn_events;
};

enum { REPRICE_EVENTS_PER_TXN = 10000 };

static enum err_code
open_job(struct job *j, const struct rollup_options *o, struct err *err)
{
    char lock_path[FILE_PATH_BYTES_MAX];
    *j = (struct job){.options = o, .lock_fd = -1, .txn_events = o->batch_events};
    if (j->txn_events == 0)
        j->txn_events = JOB_TXN_EVENTS;
    fold_init(&j->fold);
    enum err_code code = price_book_load(o->price_path, &j->book, err);
    if (code == ERR_OK)
        code = file_path(j->log_directory, o->data_directory, "log", err);
    if (code == ERR_OK && access(j->log_directory, F_OK) != 0)
        code = err_set(err, ERR_NOT_FOUND,
                       "%s: no log here yet; start gbill-agent --data %s, or name another --data",
                       j->log_directory, o->data_directory);
    if (code == ERR_OK)
        code = file_path(lock_path, o->data_directory, "rollup.lock", err);
    if (code == ERR_OK)
        code = file_lock(lock_path, "gbill rollup", &j->lock_fd, err);
    if (code == ERR_OK)
        code = tables_open(o->data_directory, TABLES_WRITE, &j->tables, err);
    return code;
}

static void
close_job(struct job *j)
{
    tables_abort(j->txn);
    batch_clear(&j->batch);
    fold_clear(&j->fold);
    log_reader_close(j->events);
    log_reader_close(j->quarantine);
    tables_close(j->tables);
    price_book_free(j->book);
    if (j->lock_fd >= 0)
        close(j->lock_fd);
}

static enum err_code
begin(struct job *j, struct err *err)
{
    return j->txn != NULL ? ERR_OK : tables_begin(j->tables, TABLES_WRITE, &j->txn, err);
}

/* Store the cursor and commit; a rebuild commits once, at its end. */
static enum err_code
end(struct job *j, bool last, struct err *err)
{
    enum err_code code = cursor_put(j->txn, &j->cursor, err);
    if (code != ERR_OK || (j->options->rebuild && !last))
        return code;
    code = tables_commit(j->txn, err);
    j->txn = NULL;
    return code;
}

/* Open the readers at the cursor, or at the log's beginning for a rebuild. */
static enum err_code
start(struct job *j, struct err *err)
{
    static const uint8_t none[HASH_SHA256_BYTES];
    enum err_code code = begin(j, err);
    if (code != ERR_OK)
        return code;
    if (j->options->rebuild)
        code = tables_drop_folds(j->txn, err);
    if (code != ERR_OK)
        return code;
    j->cursor = cursor_get(j->txn);
    code = log_reader_open(j->log_directory, LOG_EVENTS, j->cursor.seq, &j->events, err);
    if (code == ERR_OK)
        code = log_reader_open(j->log_directory, LOG_QUARANTINE, j->cursor.quarantine_seq,
                               &j->quarantine, err);
    if (code != ERR_OK)
        return code;
    const uint8_t *identity = log_reader_identity(j->events);
    if (memcmp(j->cursor.log_identity, none, sizeof none) != 0 &&
        memcmp(j->cursor.log_identity, identity, HASH_SHA256_BYTES) != 0)
        return err_set(err, ERR_CONFLICT,
                       "%s/tables.mdb was folded from another log; use --rebuild to fold this one",
                       j->options->data_directory);
    memcpy(j->cursor.log_identity, identity, HASH_SHA256_BYTES);
    return batch_init(&j->batch, j->book, identity, err);
}

/* Price what was unpriced, if the book is not the one it was unpriced with. */
static enum err_code
reprice(struct job *j, uint64_t *ret_repriced, struct err *err)
{
    struct log_reader *reader = NULL;
    struct log_frame frame = {0};
    uint64_t seq = 0;
    uint32_t in_txn = 0;
    enum err_code code = ERR_OK;
    while (code == ERR_OK && unpriced_next(j->txn, seq, &seq)) {
        bool more = true;
        if (reader == NULL)
            code = log_reader_open(j->log_directory, LOG_EVENTS, seq - 1, &reader, err);
        while (code == ERR_OK && more && frame.first_seq + frame.event_count <= seq)
            code = log_reader_next(reader, &frame, &more, err);
        struct mp m = mp_of(frame.events);
        struct event event;
        struct event_defect defect;
        for (uint64_t s = frame.first_seq; code == ERR_OK && s <= seq; s++) {
            if (!more || !event_read(&m, &event, &defect))
                code = err_set(err, ERR_CORRUPT, "event %" PRIu64 " cannot be read again", seq);
        }
        struct batch_item item = {.seq = seq};
        if (code == ERR_OK)
            code = batch_read_usage(&j->batch, j->txn, &event, frame.receive_utc_ms, &item, err);
        if (code == ERR_OK && item.usage.state != COST_UNPRICED) {
            code = fold_repriced(j->txn, &item, err);
            ++*ret_repriced;
        }
        /* The cursor keeps the old book's name until all are done. */
        if (code == ERR_OK && ++in_txn % REPRICE_EVENTS_PER_TXN == 0) {
            code = end(j, false, err);
            if (code == ERR_OK)
                code = begin(j, err);
        }
    }
    log_reader_close(reader);
    return code;
}

/* Read frames until the batch is full; *ret_more is false at the log's end. */
static enum err_code
fill_batch(struct job *j, size_t events, bool *ret_more, struct err *err)
{
    enum err_code code = ERR_OK;
    batch_reset(&j->batch);
    while (code == ERR_OK && *ret_more && batch_count(&j->batch) < events) {
        struct log_frame frame;
        code = log_reader_next(j->events, &frame, ret_more, err);
        if (code != ERR_OK || !*ret_more)
            break;
        code = batch_add_frame(&j->batch, j->txn, &frame, j->cursor.seq, err);
        j->cursor.seq = frame.first_seq + frame.event_count - 1;
        j->cursor.receive_utc_ms = frame.receive_utc_ms;
        memcpy(j->cursor.chain, frame.chain, HASH_SHA256_BYTES);
    }
    return code;
}

/* Fold batches until the transaction has its events, or many rows, or the log ends. */
static enum err_code
fill_txn(struct job *j, struct balance *sum, bool *ret_more, struct err *err)
{
    size_t done = 0;
    enum err_code code = ERR_OK;
    while (code == ERR_OK && *ret_more && done < j->txn_events &&
           fold_rows(&j->fold) < JOB_TXN_ROWS_MAX) {
        size_t left = j->txn_events - done;
        code = fill_batch(j, left < BATCH_EVENTS ? left : BATCH_EVENTS, ret_more, err);
        if (code == ERR_OK)
            code = fold_batch(&j->fold, &j->batch, j->txn, sum, err);
        done += batch_count(&j->batch);
    }
    return code == ERR_OK ? fold_write(&j->fold, j->txn, err) : code;
}

/* Quarantined events count for the hour they were received in. */
static enum err_code
count_quarantine(struct job *j, struct balance *sum, struct err *err)
{
    enum err_code code = ERR_OK;
    bool more = true;
    while (code == ERR_OK) {
        struct log_frame frame;
        struct balance b = {0};
        code = log_reader_next(j->quarantine, &frame, &more, err);
        if (code != ERR_OK || !more)
            break;
        uint64_t last = frame.first_seq + frame.event_count - 1;
        b.events[BALANCE_QUARANTINED] = last - j->cursor.quarantine_seq;
        sum->events[BALANCE_QUARANTINED] += last - j->cursor.quarantine_seq;
        j->cursor.quarantine_seq = last;
        code = balance_add(j->txn, 0, (uint32_t)(frame.receive_utc_ms / TIME_HOUR_MS), &b, err);
    }
    return code;
}

/* A run that found nothing new writes nothing. */
static bool
is_idle(const struct job *j, const struct rollup_result *r)
{
    return r->sum.events[BALANCE_ACCEPTED] == 0 && r->sum.events[BALANCE_QUARANTINED] == 0 &&
           r->repriced == 0 && !j->options->rebuild &&
           memcmp(j->cursor.price_book, j->book->sha256, HASH_SHA256_BYTES) == 0;
}

static enum err_code
fold_log(struct job *j, struct rollup_result *r, struct err *err)
{
    bool more = true;
    enum err_code code = ERR_OK;
    while (code == ERR_OK && more) {
        code = begin(j, err);
        if (code == ERR_OK)
            code = fill_txn(j, &r->sum, &more, err);
        if (code == ERR_OK && !more)
            code = count_quarantine(j, &r->sum, err);
        if (code != ERR_OK || (!more && is_idle(j, r)))
            break;
        if (!more)
            memcpy(j->cursor.price_book, j->book->sha256, HASH_SHA256_BYTES);
        code = end(j, !more, err);
        r->transactions++;
        if (code == ERR_OK && j->options->progress != NULL)
            j->options->progress(j->options->context, j->cursor.seq);
    }
    return code;
}

static enum err_code
read_totals(struct job *j, struct rollup_result *r, struct err *err)
{
    struct tables_txn *txn;
    tables_abort(j->txn);
    j->txn = NULL;
    enum err_code code = tables_begin(j->tables, TABLES_READ, &txn, err);
    if (code != ERR_OK)
        return code;
    r->total = balance_total(txn);
    r->seq = cursor_get(txn).seq;
    tables_abort(txn);
    return ERR_OK;
}

enum err_code
rollup_run(const struct rollup_options *options, struct rollup_result *ret, struct err *err)
{
    struct job job;
    struct rollup_result r = {0};
    enum err_code code = open_job(&job, options, err);
    if (code == ERR_OK)
        code = start(&job, err);
    if (code == ERR_OK && memcmp(job.cursor.price_book, job.book->sha256, HASH_SHA256_BYTES) != 0)
        code = reprice(&job, &r.repriced, err);
    if (code == ERR_OK)
        code = fold_log(&job, &r, err);
    if (code == ERR_OK)
        code = read_totals(&job, &r, err);
    close_job(&job);
    if (code == ERR_OK)
        *ret = r;
    return code;
}

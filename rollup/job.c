#include "rollup/job.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "rollup/feed.h"
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
    struct batch_shared shared;
    struct feed *feed;
    struct again again;
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
    again_init(&j->again, j->log_directory, &j->shared, NULL);
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
    fold_clear(&j->fold);
    tables_abort(j->txn);
    feed_close(j->feed);
    again_clear(&j->again);
    dict_clear(&j->shared.dict);
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

/* One for each processor that the process may use, unless it was told. */
static unsigned
threads_of(const struct rollup_options *o)
{
    long threads = o->threads != 0 ? (long)o->threads : sysconf(_SC_NPROCESSORS_ONLN);
    return threads < 1 ? 1 : threads > FEED_THREADS_MAX ? FEED_THREADS_MAX : (unsigned)threads;
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
    j->shared.book = j->book;
    hash_secret_init(j->shared.id_secret, identity);
    size_t batch_events = j->txn_events < BATCH_EVENTS ? j->txn_events : BATCH_EVENTS;
    code = feed_open(j->events, &j->shared, j->cursor.seq, batch_events, threads_of(j->options),
                     &j->feed, err);
    if (code == ERR_OK)
        j->again.decoder = feed_decoder(j->feed);
    return code;
}

/* Price what was unpriced, if the book is not the one it was unpriced with. */
static enum err_code
reprice(struct job *j, uint64_t *ret_repriced, struct err *err)
{
    uint64_t seq = 0;
    uint32_t in_txn = 0;
    enum err_code code = ERR_OK;
    while (code == ERR_OK && unpriced_next(j->txn, seq, &seq)) {
        const struct batch_item *item;
        code = again_event(&j->again, j->txn, seq, &item, err);
        if (code == ERR_OK && item->usage.state != COST_UNPRICED) {
            code = fold_repriced(j->txn, item, err);
            ++*ret_repriced;
        }
        /* The cursor keeps the old book's name until all are done. */
        if (code == ERR_OK && ++in_txn % REPRICE_EVENTS_PER_TXN == 0) {
            code = end(j, false, err);
            if (code == ERR_OK)
                code = begin(j, err);
        }
    }
    return code;
}

/* Fold batches until the transaction has its events, or is full, or the log ends. */
static enum err_code
fill_txn(struct job *j, struct balance *sum, bool *ret_more, struct err *err)
{
    size_t done = 0;
    enum err_code code = fold_begin(&j->fold, j->txn, err);
    while (code == ERR_OK && done < j->txn_events && !fold_is_full(&j->fold, &j->shared.dict)) {
        struct batch *batch;
        code = feed_next(j->feed, &batch, err);
        *ret_more = batch != NULL;
        if (code != ERR_OK || batch == NULL)
            break;
        code = batch_resolve(batch, &j->shared.dict, j->txn, err);
        if (code == ERR_OK)
            code = fold_batch(&j->fold, batch, err);
        const struct frame *last = &batch->frames[batch->frame_count - 1];
        j->cursor.seq = last->first_seq + last->event_count - 1;
        j->cursor.receive_utc_ms = last->receive_utc_ms;
        memcpy(j->cursor.chain, last->chain, HASH_SHA256_BYTES);
        done += batch->count;
        feed_release(j->feed);
    }
    if (code != ERR_OK)
        return code;
    code = fold_write(&j->fold, j->txn, &j->shared.dict, &j->again, sum, err);
    /* The dictionary's cache starts over when it is large; the table knows everything. */
    if (code == ERR_OK && j->shared.dict.used >= FOLD_TEXTS_MAX) {
        feed_settle(j->feed);
        dict_clear(&j->shared.dict);
    }
    return code;
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

#include "rollup/job.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "rollup/committer.h"
#include "rollup/feed.h"
#include "store/base/file.h"
#include "store/log/quarantine.h"
#include "store/tables/book.h"
#include "store/tables/cursor.h"
#include "store/tables/unpriced.h"

/* What is open while the job runs. */
struct job {
    const struct rollup_options *options;
    char log_directory[FILE_PATH_BYTES_MAX];
    int lock_fd;
    struct price_book *book;
    struct ratio_book *ratios;
    struct tables *tables;
    struct tables_txn *txn;  /* writing; a rebuild's, that of repricing, the last one */
    struct tables_txn *view; /* reading, while a fold is gathered */
    struct log_reader *events, *quarantine;
    struct batch_shared shared;
    struct feed *feed;
    struct again again;
    struct map waiting; /* voids */
    struct fold folds[2];
    struct committer *committer; /* writes one of them while the other is gathered */
    struct cursor cursor;
    uint32_t txn_events;
};

enum { REPRICE_EVENTS_PER_TXN = 10000 };

static enum err_code
open_job(struct job *j, const struct rollup_options *o, struct err *err)
{
    char lock_path[FILE_PATH_BYTES_MAX];
    const char *tables = o->tables_directory != NULL ? o->tables_directory : o->data_directory;
    *j = (struct job){.options = o, .lock_fd = -1, .txn_events = o->batch_events};
    if (j->txn_events == 0)
        j->txn_events = JOB_TXN_EVENTS;
    fold_waiting_init(&j->waiting);
    fold_init(&j->folds[0], &j->waiting);
    fold_init(&j->folds[1], &j->waiting);
    again_init(&j->again, j->log_directory, &j->shared, NULL);
    enum err_code code = price_book_load(o->price_path, &j->book, err);
    if (code == ERR_OK)
        code = file_path(j->log_directory, o->data_directory, "log", err);
    if (code == ERR_OK && access(j->log_directory, F_OK) != 0)
        code = err_set(err, ERR_NOT_FOUND,
                       "%s: no log here yet; start gbill-agent --data %s, or name another --data",
                       j->log_directory, o->data_directory);
    if (code == ERR_OK)
        code = file_path(lock_path, tables, "rollup.lock", err);
    if (code == ERR_OK)
        code = file_lock(lock_path, "gbill rollup", &j->lock_fd, err);
    if (code ==
        ERR_OK) /* locked: what is learned meanwhile holds for what comes later (ratio_learn.h) */
        code = ratio_book_load(o->data_directory, &j->ratios, err);
    if (code == ERR_OK)
        code = tables_open(tables, TABLES_WRITE, &j->tables, err);
    if (code == ERR_OK)
        code = committer_open(j->tables, &j->committer, err);
    return code;
}

static void
close_job(struct job *j)
{
    committer_close(j->committer);
    fold_clear(&j->folds[0]);
    fold_clear(&j->folds[1]);
    map_clear(&j->waiting);
    tables_abort(j->view);
    tables_abort(j->txn);
    feed_close(j->feed);
    again_clear(&j->again);
    dict_clear(&j->shared.dict);
    log_reader_close(j->events);
    log_reader_close(j->quarantine);
    tables_close(j->tables);
    price_book_free(j->book);
    ratio_book_free(j->ratios);
    if (j->lock_fd >= 0)
        close(j->lock_fd);
}

static enum err_code
begin(struct job *j, struct err *err)
{
    return j->txn != NULL ? ERR_OK : tables_begin(j->tables, TABLES_WRITE, &j->txn, err);
}

/* Store the cursor and commit. */
static enum err_code
end(struct job *j, struct err *err)
{
    enum err_code code = cursor_put(j->txn, &j->cursor, err);
    if (code != ERR_OK)
        return code;
    code = tables_commit(j->txn, err);
    j->txn = NULL;
    return code;
}

/* What is read while gathering: a rebuild sees what it has written itself. */
static enum err_code
look(struct job *j, struct tables_txn **ret_view, struct err *err)
{
    *ret_view = j->txn;
    if (j->options->rebuild)
        return ERR_OK;
    tables_abort(j->view);
    j->view = NULL;
    enum err_code code = tables_begin(j->tables, TABLES_READ, &j->view, err);
    *ret_view = j->view;
    return code;
}

static void
look_away(struct job *j)
{
    tables_abort(j->view);
    j->view = NULL;
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
    struct tables_txn *view = NULL;
    enum err_code code = ERR_OK;
    if (j->options->rebuild)
        code = begin(j, err);
    if (code == ERR_OK && j->options->rebuild)
        code = tables_drop_folds(j->txn, err);
    if (code == ERR_OK)
        code = look(j, &view, err);
    if (code != ERR_OK)
        return code;
    j->cursor = cursor_get(view);
    code = fold_waiting_read(&j->waiting, view, err);
    look_away(j);
    if (code == ERR_OK)
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
    if (memcmp(j->cursor.ratio_book, none, sizeof none) != 0 &&
        memcmp(j->ratios->sha256, none, sizeof none) == 0)
        return err_set(err, ERR_NOT_FOUND,
                       "%s/" RATIO_FILE_NAME
                       ": is gone, and calls were estimated by it; restore it "
                       "from a backup, or begin a new one with gbill tokens learn",
                       j->options->data_directory);
    j->shared.book = j->book;
    j->shared.ratios = j->ratios;
    hash_secret_init(j->shared.id_secret, identity);
    size_t batch_events = j->txn_events < BATCH_EVENTS ? j->txn_events : BATCH_EVENTS;
    code = feed_open(j->events, &j->shared, j->cursor.seq, j->options->until_seq, batch_events,
                     threads_of(j->options), &j->feed, err);
    if (code == ERR_OK)
        j->again.decoder = feed_decoder(j->feed);
    return code;
}

/* Are the books those of the last fold? */
static bool
same_books(const struct job *j)
{
    return memcmp(j->cursor.price_book, j->book->sha256, HASH_SHA256_BYTES) == 0 &&
           memcmp(j->cursor.ratio_book, j->ratios->sha256, HASH_SHA256_BYTES) == 0;
}

/* Price, and count, what could not be by the books of then. */
static enum err_code
reprice(struct job *j, uint64_t *ret_repriced, struct err *err)
{
    uint64_t seq = 0;
    uint32_t in_txn = 0;
    enum err_code code = begin(j, err);
    while (code == ERR_OK && unpriced_next(j->txn, seq, &seq)) {
        const struct batch_item *item;
        bool was_uncounted = unpriced_is_uncounted(j->txn, seq);
        code = again_event(&j->again, j->txn, seq, &item, err);
        bool priced = code == ERR_OK && item->usage.state != COST_UNPRICED;
        if (code == ERR_OK && (priced || (was_uncounted && !item->usage.uncounted)))
            code = fold_repriced(j->txn, item, was_uncounted, err);
        *ret_repriced += priced;
        /* The cursor keeps the old books' names until all are done. */
        if (code == ERR_OK && ++in_txn % REPRICE_EVENTS_PER_TXN == 0) {
            code = end(j, err);
            if (code == ERR_OK)
                code = begin(j, err);
        }
    }
    return code == ERR_OK ? end(j, err) : code;
}

/*
 * Fold batches until the transaction has its events, or is full, or the log ends.
 * The fold before may still be on its way to the disk.
 */
static enum err_code
gather(struct job *j, struct fold *fold, const struct fold *older, struct balance *sum,
       bool *ret_more, struct err *err)
{
    size_t done = 0;
    struct tables_txn *view;
    enum err_code code = look(j, &view, err);
    fold_reset(fold);
    if (code == ERR_OK)
        code = fold_begin(fold, view, older, err);
    while (code == ERR_OK && done < j->txn_events && !fold_is_full(fold, &j->shared.dict)) {
        struct batch *batch;
        code = feed_next(j->feed, &batch, err);
        *ret_more = batch != NULL;
        if (code != ERR_OK || batch == NULL)
            break;
        code = batch_resolve(batch, &j->shared.dict, view, err);
        if (code == ERR_OK)
            code = fold_batch(fold, batch, err);
        const struct frame *last = &batch->frames[batch->frame_count - 1];
        j->cursor.seq = last->first_seq + last->event_count - 1;
        j->cursor.receive_utc_ms = last->receive_utc_ms;
        memcpy(j->cursor.chain, last->chain, HASH_SHA256_BYTES);
        done += batch->count;
        feed_release(j->feed);
    }
    /* What a void names is looked for in all that came before. */
    if (code == ERR_OK && fold_has_voids(fold))
        code = committer_wait(j->committer, sum, err);
    if (code == ERR_OK && fold_has_voids(fold))
        code = look(j, &view, err);
    if (code == ERR_OK)
        code = fold_seal(fold, view, &j->shared.dict, &j->again, err);
    if (code == ERR_OK)
        look_away(j);
    return code;
}

/* The dictionary's cache starts over when it is large; the table knows everything. */
static enum err_code
trim_dict(struct job *j, struct balance *sum, struct err *err)
{
    if (j->shared.dict.used < FOLD_TEXTS_MAX)
        return ERR_OK;
    enum err_code code = committer_wait(j->committer, sum, err);
    feed_settle(j->feed);
    dict_clear(&j->shared.dict);
    return code;
}

/* A gathered fold that is not the last goes to the disk; a rebuild commits once, at its end. */
static enum err_code
hand_over(struct job *j, struct fold *fold, struct balance *sum, struct err *err)
{
    enum err_code code;
    if (j->options->rebuild) {
        code = fold_prepare(fold, err);
        if (code == ERR_OK)
            code = fold_write(fold, j->txn, sum, err);
    } else {
        code = committer_wait(j->committer, sum, err);
        if (code == ERR_OK)
            code = committer_start(j->committer, fold, &j->cursor, err);
    }
    return code == ERR_OK ? trim_dict(j, sum, err) : code;
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
        uint64_t last = frame.first_seq + frame.event_count - 1,
                 until = j->options->until_quarantine_seq;
        if (until != 0 && last > until)
            break;
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
           r->repriced == 0 && !j->options->rebuild && same_books(j);
}

/* The last fold, and all that is written once. */
static enum err_code
finish(struct job *j, struct fold *fold, struct rollup_result *r, struct err *err)
{
    enum err_code code = fold_prepare(fold, err);
    if (code == ERR_OK)
        code = committer_wait(j->committer, &r->sum, err);
    if (code == ERR_OK)
        code = begin(j, err);
    if (code == ERR_OK)
        code = fold_write(fold, j->txn, &r->sum, err);
    if (code == ERR_OK)
        code = count_quarantine(j, &r->sum, err);
    if (code != ERR_OK || is_idle(j, r))
        return code;
    memcpy(j->cursor.price_book, j->book->sha256, HASH_SHA256_BYTES);
    memcpy(j->cursor.ratio_book, j->ratios->sha256, HASH_SHA256_BYTES);
    code = book_keep(j->txn, j->options->price_path, j->book->sha256, err);
    if (code != ERR_OK)
        return code;
    r->transactions++;
    return end(j, err);
}

static enum err_code
fold_log(struct job *j, struct rollup_result *r, struct err *err)
{
    struct fold *fold = &j->folds[0], *older = NULL;
    for (;;) {
        bool more = true;
        enum err_code code = gather(j, fold, older, &r->sum, &more, err);
        if (code == ERR_OK && !more)
            code = finish(j, fold, r, err);
        else if (code == ERR_OK)
            code = hand_over(j, fold, &r->sum, err);
        if (code != ERR_OK)
            return code;
        if (j->options->progress != NULL)
            j->options->progress(j->options->context, j->cursor.seq);
        if (!more)
            return ERR_OK;
        r->transactions++;
        if (!j->options->rebuild) {
            older = fold;
            fold = &j->folds[fold == &j->folds[0]];
        }
    }
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
    if (code == ERR_OK && !options->rebuild && !same_books(&job))
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

/*
 * rollup/fold.h - what a transaction will write, while it is being gathered.
 *
 * A transaction has two phases.  While it fills, batches are looked up and added
 * up in memory and no table is touched; fold_write() then writes all tables, each
 * in key order.  So what is read from a table stays valid while it is needed, and
 * a row is written once however many events it sums.
 */
#ifndef ROLLUP_FOLD_H
#define ROLLUP_FOLD_H

#include "rollup/again.h"
#include "rollup/seen.h"
#include "rollup/sum.h"
#include "store/tables/balance.h"
#include "store/tables/void.h"

enum {
    /* Rows of usage; a transaction ends at about so many, before the map grows past 256 Ki. */
    FOLD_ROWS_MAX = 245 * 1024,
    FOLD_NOTES_MAX = 256 * 1024, /* settings, voids, unpriced events and conflicts */
    FOLD_TEXTS_MAX = 256 * 1024, /* the dictionary's cache */
    FOLD_RECORDS_BYTES_MAX = 64 * 1024 * 1024,
};

struct fold {
    struct map *waiting;         /* borrowed; fold_waiting_read() */
    const struct fold *older;    /* borrowed; or NULL */
    struct sums hourly, monthly; /* that are not in the tables yet */
    uint32_t *hours, *months;    /* their order, when prepared */
    struct map balance;          /* organization, hour -> struct balance */
    struct seen seen;
    struct ids *ids;       /* the runs, while a transaction fills */
    struct list texts;     /* struct dict_new */
    struct list marks;     /* u64 for each event of a batch: seen_batch()'s */
    struct list settings;  /* struct batch_item of the kinds that have a table */
    struct arena records;  /* what budgets, acts and Stripe say among them */
    struct list unpriced;  /* u64: seq << 1, and 1 where it is uncounted */
    struct list conflicts; /* struct conflict */
    struct list named;     /* struct void_row: what the transaction's void events name */
    /* What follows from void events. */
    struct list outcomes;   /* struct void_row */
    struct list taken_back; /* struct batch_item: settings that leave their table */
    struct list priced_out; /* u64 seq: no longer unpriced */
};

void fold_init(struct fold *fold, struct map *waiting);
void fold_clear(struct fold *fold);

/*
 * Read the voids whose event has not come.
 *
 *   waiting  empty; an id's hash -> sequence number of the void, made 0 when the
 *            event comes.  The transactions of a job share it
 */
void fold_waiting_init(struct map *waiting);
enum err_code fold_waiting_read(struct map *waiting, struct tables_txn *txn,
                                struct err *err) ERR_MUST_CHECK;

/*
 * Make ready for batches.
 *
 *   view   what was committed before, but perhaps for the fold `older`; it must see
 *          no write until fold_seal() is done
 *   older  the fold before, which may be being written by another thread; or NULL
 *
 * Errors: ERR_LIMIT out of memory.
 */
enum err_code fold_begin(struct fold *fold, struct tables_txn *view, const struct fold *older,
                         struct err *err) ERR_MUST_CHECK;

/*
 * Take in every event of the batch that was not counted before.
 *
 *   batch  resolved
 *
 * Errors: ERR_LIMIT out of memory; the transaction must be aborted.
 */
enum err_code fold_batch(struct fold *fold, const struct batch *batch,
                         struct err *err) ERR_MUST_CHECK;

/* Is so much gathered that it should be written? */
bool fold_is_full(const struct fold *fold, const struct dict *dict);

/* Did a void event come?  Then fold_seal() needs a view that has all that came before. */
static inline bool
fold_has_voids(const struct fold *fold)
{
    return fold->named.count > 0;
}

/*
 * Gather no more: look up what void events named, and take over the new texts.
 *
 *   view   as for fold_begin(); with voids it must hold all that was folded before
 *   dict   gives its new texts
 *   again  for the events that are voided
 *
 * Errors: ERR_LIMIT; ERR_CORRUPT, ERR_IO of the log.
 */
enum err_code fold_seal(struct fold *fold, struct tables_txn *view, struct dict *dict,
                        struct again *again, struct err *err) ERR_MUST_CHECK;

/*
 * Sort what was gathered and sum months and balance: all of writing that needs no
 * table.  Any thread; the ids may be looked into meanwhile.  Errors: ERR_LIMIT.
 */
enum err_code fold_prepare(struct fold *fold, struct err *err) ERR_MUST_CHECK;

/*
 * Write all that was gathered and prepared.  Any thread.
 *
 *   ret_sum  what became of the events is added to it
 *
 * The caller moves the cursor and commits.  Errors: ERR_FULL, ERR_IO, ERR_LIMIT;
 * abort the transaction then.
 */
enum err_code fold_write(struct fold *fold, struct tables_txn *txn, struct balance *ret_sum,
                         struct err *err) ERR_MUST_CHECK;

/* Empty it for the next transaction; it keeps its memory. */
void fold_reset(struct fold *fold);

/*
 * The parts that void.c shares.
 *
 * fold_usage() adds an event's usage, or with sign -1 takes it away again.
 * fold_balance() adds to a column of the event's organization and hour.  Errors:
 * ERR_LIMIT out of memory.
 */
enum err_code fold_usage(struct fold *fold, const struct batch_item *item, int sign,
                         struct err *err) ERR_MUST_CHECK;
enum err_code fold_balance(struct fold *fold, const struct batch_item *item,
                           enum balance_column column, int sign, struct err *err) ERR_MUST_CHECK;

/* Can an event of this kind be voided?  Of the others only the newest state is kept. */
bool fold_can_void(enum event_kind kind);

/* void.c: look up what void events named, and take those events out of the sums. */
enum err_code fold_voids(struct fold *fold, struct tables_txn *txn, struct again *again,
                         struct err *err) ERR_MUST_CHECK;

/*
 * Give an unpriced call, in the tables, its cost, its tokens, or both.
 *
 *   item           as again_event() gives it: with a cost now, or counted now
 *   was_uncounted  its tokens are in no sum yet: they are added
 */
enum err_code fold_repriced(struct tables_txn *txn, const struct batch_item *item,
                            bool was_uncounted, struct err *err) ERR_MUST_CHECK;

#endif

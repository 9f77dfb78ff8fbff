/*
 * rollup/calls.h - walk the calls that were counted, in the log: no duplicate, none
 * that was voided, each once, for a stretch of event time.
 *
 * The tables know sums; what they do not keep (metadata, one call's own price) is in
 * the log.  A walk reads the frames that can hold such calls, so it takes time with
 * the length of the stretch, and memory for one frame.
 */
#ifndef ROLLUP_CALLS_H
#define ROLLUP_CALLS_H

#include "store/event/event.h"
#include "store/tables/cursor.h"

struct calls_options {
    const char *data_directory;
    struct tables_txn *txn;  /* the moment that "counted" is of; not written to meanwhile */
    int64_t from_ms, to_ms;  /* of event time; the end is not included */
    struct str organization; /* only its calls; empty: everybody's */
    /*
     * 0: every call of these hours, however late it came.  Else only what was received at
     * most so long before or behind them by the agent's clock: the rest of the log is not
     * read.
     */
    int64_t near_ms;
    /* Called now and then with the last number read, and the last there is; may be NULL. */
    void (*progress)(void *context, uint64_t seq, uint64_t last_seq);
    void *progress_context;
};

/*
 * Call visit for every call, in the order of the log.
 *
 *   visit  event points into memory that is gone after the call, and has the tokens that the
 *          ratio book of the data directory gives it (price/ratio.h); an error ends the walk
 *
 * Errors: visit's; those of ratio_book_load(); ERR_NOT_FOUND when there is no log; ERR_CONFLICT when the tables
 * were folded from another one; ERR_CORRUPT, ERR_IO; ERR_LIMIT out of memory.  Days of
 * the log that are no longer kept are passed over: whoever needs all calls compares
 * their sum with the tables.
 */
enum err_code calls_walk(const struct calls_options *options,
                         enum err_code (*visit)(void *context, const struct event *event,
                                                int64_t receive_utc_ms, struct err *err),
                         void *context, struct err *err) ERR_MUST_CHECK;

#endif

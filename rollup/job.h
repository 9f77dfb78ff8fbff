/*
 * rollup/job.h - the rollup job: from the cursor to the end of the log.
 *
 * Every so many events are one transaction: totals, ids, balance and cursor move together
 * or not at all.  The job may be killed at any instruction; the next one starts
 * at the cursor and comes to the same bytes.
 */
#ifndef ROLLUP_JOB_H
#define ROLLUP_JOB_H

#include "rollup/price/price.h"
#include "store/tables/balance.h"

/* With a batch more, the ids of a transaction still fit 2 Mi entries (seen.h). */
enum { JOB_TXN_EVENTS = 2 * 1024 * 1024 - 16 * 1024 };

struct rollup_options {
    const char *data_directory;
    const char *price_path;
    const char *tables_directory;  /* where tables.mdb is; NULL: data_directory */
    uint64_t until_seq;            /* fold no event above; 0: to the log's end */
    uint64_t until_quarantine_seq; /* the same for counting quarantined ones */
    bool rebuild;          /* drop what was folded and fold the whole log, in one transaction */
    uint32_t batch_events; /* events in one transaction, about; 0: JOB_TXN_EVENTS */
    unsigned threads;      /* that decode; 0: one for each processor */
    /* Called after every transaction with the last number folded; may be NULL. */
    void (*progress)(void *context, uint64_t seq);
    void *context;
};

struct rollup_result {
    struct balance sum; /* what this run did with the events it read */
    uint64_t repriced;  /* unpriced events that found their price */
    uint64_t seq;       /* the cursor now */
    uint64_t transactions;
    struct balance total; /* over all events ever folded */
};

/*
 * Fold what the log has beyond the cursor.
 *
 * Errors:
 *   ERR_BUSY       another rollup runs on this data directory
 *   ERR_NOT_FOUND  no data directory or no log in it yet
 *   ERR_CONFIG     the price book is wrong; nothing is changed
 *   ERR_CONFLICT   the tables were folded from another log
 *   ERR_CORRUPT    the log cannot be read at the frame named; everything before
 *                  it is folded
 *   ERR_FULL, ERR_IO  the batch at hand is not folded, those before it are
 */
enum err_code rollup_run(const struct rollup_options *options, struct rollup_result *ret,
                         struct err *err) ERR_MUST_CHECK;

/*
 * Fold what the tables stand for once more, into a scratch file beside them, and
 * compare.  The tables are only read; jobs may go on meanwhile.
 *
 *   options     rebuild, until_* and tables_directory are not looked at
 *   ret_digest  of the tables; written on success
 *
 * Errors: those of rollup_run(); ERR_CORRUPT names the first row that differs;
 * ERR_CONFLICT when the price book is not the one of the last fold.
 */
enum err_code rollup_check(const struct rollup_options *options,
                           uint8_t ret_digest[HASH_SHA256_BYTES], struct err *err) ERR_MUST_CHECK;

#endif

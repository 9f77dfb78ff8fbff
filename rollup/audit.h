/*
 * rollup/audit.h - does every number of the tables agree with every other that says
 * the same, and with the log?
 *
 * Nothing here trusts the fold: what it added up while folding is added up again
 * from the rows that are stored.
 */
#ifndef ROLLUP_AUDIT_H
#define ROLLUP_AUDIT_H

#include "store/tables/tables.h"

struct audit_options {
    struct tables_txn *txn;    /* reading, one moment of all tables */
    const char *log_directory; /* to be read too, whole; NULL: the tables alone */
    /*
     * Called for every number that does not agree: one line that names the place,
     * both numbers and what to do.
     */
    void (*found)(void *context, const char *text);
    /* Called for every frame read, with its last number; may be NULL. */
    void (*progress)(void *context, uint64_t seq);
    void *context;
};

/*
 * Check that
 *   - each row of the balance closes, and all of them are the kept total;
 *   - accepted and quarantined are where the cursor stands;
 *   - for each organization and hour, hourly has the priced, estimated and unpriced
 *     calls of the balance;
 *   - each monthly row is the sum of the hourly ones, column by column, and none is
 *     missing on either side;
 *   - the tables unpriced, conflicts, voids and the ids have as many rows as the
 *     balance says;
 * and with log_directory also that
 *   - both streams are as they were written (log_verify());
 *   - for each organization and hour, the log has as many events as the balance; where
 *     the oldest days were pruned, all that the balance has more are as many as they held;
 *   - the chain is the cursor's at its place, and that of every root in log_days.
 *
 *   ret_found  how many numbers did not agree
 *
 * Errors: ERR_CORRUPT for a row or a frame that cannot be read, which ends the
 * audit; as log_verify(); ERR_LIMIT out of memory, which grows with the months of
 * one organization, and with log_directory with the rows of the balance.
 */
enum err_code audit_run(const struct audit_options *options, uint64_t *ret_found,
                        struct err *err) ERR_MUST_CHECK;

/* The parts that audit_log.c shares. */
struct audit {
    const struct audit_options *options;
    struct tables_txn *txn;
    uint64_t found;
};

enum { AUDIT_PLACE_BYTES = 160 };

/* Report one number that does not agree. */
void audit_say(struct audit *audit, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "organization acme, hour 2026-11-24T08"; organization 0 is the quarantine. */
void audit_place(const struct audit *audit, uint32_t organization, uint32_t hour,
                 char text[AUDIT_PLACE_BYTES]);

/* audit_log.c: the part that reads the log. */
enum err_code audit_log(struct audit *audit, struct err *err) ERR_MUST_CHECK;

#endif

/*
 * reports/export.h - tables as rows for other programs: hourly usage and costs, and
 * invoices by FOCUS 1.2.
 *
 * What every column means: schemas/export.md.  Rows stream: memory does not grow
 * with them, so the transaction stays open, and all of an export is of one moment.
 */
#ifndef REPORTS_EXPORT_H
#define REPORTS_EXPORT_H

#include "billing/parties.h"
#include "reports/usage_print.h"
#include "reports/usage_walk.h"
#include "store/base/clock.h"

/* Where rows go; the caller fills it, print is the functions' below. */
struct export
{
    FILE *out;
    enum print_form form; /* not PRINT_TABLE */
    bool defuse;          /* see struct print */
    bool tty;             /* show progress on stderr */
    int64_t shown_ms;     /* monotonic: when that was done last */
    uint64_t unpriced;    /* calls without a price in the rows of export_usage() */
    struct print print;
};

enum { EXPORT_CURRENCY_BYTES = 4 };

/* The currency of the price book of the last fold; empty where none is kept. */
void export_currency(struct tables_txn *txn, char currency[EXPORT_CURRENCY_BYTES]);

/* Begin and end the rows; print->rows, bytes and error stay. */
void export_begin(struct export *x, const struct print_column *columns, size_t column_count);
void export_end(struct export *x);

/* Behind each row: false when the stream failed, and it makes no sense to go on. */
bool export_goes_on(struct export *x);

/*
 * Export the table hourly, a row per key, in key order.
 *
 *   txn  reading
 *
 * The stream failing is no error here: look at x->print.error.
 *
 * Errors: ERR_NOT_FOUND (the organization never had usage), ERR_CORRUPT, ERR_LIMIT.
 */
enum err_code export_usage(struct export *x, struct tables_txn *txn,
                           const struct usage_range *range, enum usage_print_kind kind,
                           struct err *err) ERR_MUST_CHECK;

/* Names that the FOCUS columns want; UTF-8, not empty. */
struct export_names {
    struct str issuer;             /* InvoiceIssuerName, ProviderName and PublisherName */
    struct str service;            /* ServiceName */
    const struct parties *parties; /* of customers: BillingAccountName */
};

struct export_counts {
    uint64_t invoices, drafts, voided; /* exported; left out, and why */
};

/*
 * Export the lines of invoices that begin within a range, by organization and time.
 *
 *   drafts      those too, with no InvoiceId; else they are counted
 *   ret_counts  filled, also after an error
 *
 * A void invoice is left out: nothing on it is owed, and what is due of it stands on
 * a later one.
 *
 * Errors: ERR_NOT_FOUND (no event named the organization); ERR_CORRUPT where lines
 * do not add up to their invoice, before any of it is written.
 */
enum err_code export_focus(struct export *x, struct tables_txn *txn,
                           const struct usage_range *range, const struct export_names *names,
                           bool drafts, struct export_counts *ret_counts,
                           struct err *err) ERR_MUST_CHECK;

#endif

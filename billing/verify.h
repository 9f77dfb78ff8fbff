/*
 * billing/verify.h - compute a final invoice again, from nothing but the log, the
 * two books it names and the final invoices before it, and compare the bytes.
 *
 * The log is folded to the invoice's position into a scratch file, with the price
 * book that the invoice names; the plan book is taken from where books are kept.
 * No network, and nothing of the tables' own sums is used.
 */
#ifndef BILLING_VERIFY_H
#define BILLING_VERIFY_H

#include <stdio.h>

#include "store/base/err.h"
#include "store/tables/invoice.h"

struct verify_options {
    const char *data_directory;
    uint64_t number;          /* of the invoice; 0: all of the organization */
    const char *organization; /* NULL: the one that has the number */
    /* A line for every invoice and every difference; may be NULL. */
    void (*line)(void *context, const char *text);
    void *context;
};

struct verify_result {
    uint64_t invoices;
    uint64_t differ;
};

/*
 * Verify.
 *
 * Errors: ERR_NOT_FOUND (no such final invoice; a book that is not kept); those of
 * folding the log, of which ERR_NOT_FOUND says that days of it are gone.  That an
 * invoice differs is no error here.
 */
enum err_code verify_run(const struct verify_options *options, struct verify_result *ret,
                         struct err *err) ERR_MUST_CHECK;

#endif

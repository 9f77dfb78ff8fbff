/*
 * billing/invoice_pick.h - which invoice a command line means: --org, --month, --number.
 */
#ifndef BILLING_INVOICE_PICK_H
#define BILLING_INVOICE_PICK_H

#include <stdbool.h>

#include "store/base/conf.h"
#include "store/tables/invoice.h"

/* clang-format off */
#define INVOICE_PICK_ROW_ORG                                                            \
    {"org", NULL, CONF_TEXT, "ORGANIZATION", 0, 0, NULL, false, "this organization's"}
#define INVOICE_PICK_ROWS                                                               \
    INVOICE_PICK_ROW_ORG,                                                               \
    {"month", NULL, CONF_TEXT, "YYYY-MM", 0, 0, NULL, false,                            \
     "that begins in this month (default: the latest there is)"},                       \
    {"number", NULL, CONF_INT, "N", 0, INT64_MAX, "0", false, "the final one of this number"}
/* clang-format on */

/* The month of --month, -1 when it is not given.  Errors: ERR_USAGE. */
enum err_code invoice_pick_month(const struct conf *conf, int32_t *ret,
                                 struct err *err) ERR_MUST_CHECK;

/* An invoice is of the month it begins in; every one is of month -1. */
bool invoice_pick_is_of(const struct invoice *invoice, int32_t month);

/*
 * Open the tables and find the invoice; the latest, where several fit.
 *
 *   conf     with CONF_ROW_DATA and INVOICE_PICK_ROWS
 *   ret_tables, ret_txn  cmd_shared_close() them, also after an error
 *
 * Errors: ERR_USAGE when neither --org nor --number is given; those of
 * cmd_shared_open(); ERR_NOT_FOUND.
 */
enum err_code invoice_pick(const struct conf *conf, struct tables **ret_tables,
                           struct tables_txn **ret_txn, struct invoice *ret,
                           struct err *err) ERR_MUST_CHECK;

#endif

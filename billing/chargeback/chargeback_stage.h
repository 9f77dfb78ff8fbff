/*
 * billing/chargeback/chargeback_stage.h - the chargeback stage: every invoice split
 * by project and by user, as rows for Postgres.
 *
 * Rules: billing/chargeback/DESIGN.md.
 */
#ifndef BILLING_CHARGEBACK_CHARGEBACK_STAGE_H
#define BILLING_CHARGEBACK_CHARGEBACK_STAGE_H

#include "billing/chargeback/chargeback.h"
#include "store/tables/invoice.h"

/* What of an invoice a split needs. */
struct chargeback_invoice chargeback_of_invoice(const struct invoice *invoice);

struct chargeback_result {
    uint64_t invoices;
    uint64_t computed; /* of them split anew: drafts, and final ones for the first time */
    uint64_t parts;    /* rows of those */
};

/*
 * Bring the rows up to date.  A final invoice is split once, and its rows never change.
 * A second run changes nothing.
 *
 * Errors: ERR_BUSY (it runs already), ERR_NOT_FOUND (nothing is folded yet), those of
 * chargeback_split() and the tables: what was committed stands.
 */
enum err_code chargeback_stage_run(const char *data_directory, struct chargeback_result *ret,
                                   struct err *err) ERR_MUST_CHECK;

#endif

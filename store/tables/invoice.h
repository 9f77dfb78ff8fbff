/*
 * store/tables/invoice.h - invoices and their lines, written by the invoice
 * stage.
 *
 * Key: organization, month; lines: organization, month, line number.  Amounts of
 * lines are rounded minor units beside the exact picos they were rounded from;
 * the total is the sum of the lines.
 */
#ifndef STORE_TABLES_INVOICE_H
#define STORE_TABLES_INVOICE_H

#include "store/base/hash.h"
#include "store/base/money.h"
#include "store/tables/tables.h"

enum invoice_status { INVOICE_DRAFT, INVOICE_FINAL, INVOICE_STATUSES };

enum invoice_line_kind {
    INVOICE_PLAN_FEE,
    INVOICE_OVERAGE, /* AI credits beyond the plan's */
    INVOICE_ADJUSTMENT,
    INVOICE_LINE_KINDS
};

struct invoice {
    uint32_t organization; /* dictionary */
    int32_t month;         /* months since January 1970 */
    enum invoice_status status;
    uint64_t number;  /* 1, 2, 3 … without gaps; 0 while a draft */
    char currency[4]; /* ISO 4217, NUL-terminated */
    int64_t total_minor;
    uint32_t line_count;
    uint64_t credits_used;   /* AI credits of the month */
    money_sum llm_cost_pico; /* what the providers charged, for information */
    uint64_t unpriced_calls; /* calls that llm_cost_pico misses */
    /* Where it came from; with these it can be computed again. */
    uint64_t position;
    uint8_t chain[HASH_SHA256_BYTES];
    uint8_t price_book[HASH_SHA256_BYTES];
    uint8_t plan_book[HASH_SHA256_BYTES];
    int64_t finalized_ms; /* 0 while a draft */
};

struct invoice_line {
    enum invoice_line_kind kind;
    struct str description; /* at most 200 bytes */
    uint64_t quantity;      /* credits, or seconds of the period for a fee */
    int64_t unit_pico;      /* price of one, 0 where the line is no product */
    money_sum exact_pico;   /* before rounding */
    int64_t amount_minor;   /* rounded half away from zero */
    int64_t from_ms, to_ms; /* the time it is for, to exclusive */
};

const char *invoice_status_name(enum invoice_status status);
const char *invoice_line_kind_name(enum invoice_line_kind kind);

/*
 * Store an invoice with all its lines in place of what was stored, and note what
 * changed for publishing.  If nothing but position, chain and the books would
 * change on a draft, the stored one is left alone.
 *
 *   lines  line_count of them; their amounts add up to total_minor (asserted)
 *
 * Errors: ERR_CONFLICT when the stored one is final; nothing is changed.
 */
enum err_code invoice_put(struct tables_txn *txn, const struct invoice *invoice,
                          const struct invoice_line *lines, struct err *err) ERR_MUST_CHECK;

bool invoice_get(struct tables_txn *txn, uint32_t organization, int32_t month, struct invoice *ret);
/* Line 0 to line_count - 1; its text points into the map. */
bool invoice_line_get(struct tables_txn *txn, uint32_t organization, int32_t month, uint32_t line,
                      struct invoice_line *ret);

/* What the keys of TABLE_INVOICES and TABLE_INVOICE_LINES say, for publish. */
void invoice_key_decode(struct bytes key, uint32_t *ret_organization, int32_t *ret_month);
void invoice_line_key_decode(struct bytes key, uint32_t *ret_organization, int32_t *ret_month,
                             uint32_t *ret_line);

/* Walk the invoices of one organization by month; organization 0: all. */
struct invoice_scan {
    struct invoice row;
    struct tables_scan scan;
};

void invoice_scan_begin(struct invoice_scan *scan, struct tables_txn *txn, uint32_t organization);
bool invoice_scan_next(struct invoice_scan *scan);
void invoice_scan_end(struct invoice_scan *scan);

/* The next unused invoice number; taking it is part of the transaction. */
enum err_code invoice_number_take(struct tables_txn *txn, uint64_t *ret,
                                  struct err *err) ERR_MUST_CHECK;

#endif

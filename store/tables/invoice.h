/*
 * store/tables/invoice.h - invoices and their lines, written by the invoice
 * stage.
 *
 * An organization's invoices follow each other without a gap: each is for the time
 * from the one before to its own end, the billing instant.  Key: organization,
 * first instant; lines: the same and the line's number.  Amounts of lines are
 * rounded minor units beside the exact picos they were rounded from; the total is
 * the sum of the lines.
 */
#ifndef STORE_TABLES_INVOICE_H
#define STORE_TABLES_INVOICE_H

#include "store/base/hash.h"
#include "store/base/money.h"
#include "store/tables/tables.h"

/* From INVOICE_FINAL on the content never changes; what follows is said by payments. */
enum invoice_status {
    INVOICE_DRAFT,
    INVOICE_FINAL,
    INVOICE_PARTIALLY_PAID,
    INVOICE_PAID,
    INVOICE_PAYMENT_FAILED,
    INVOICE_VOID,     /* nothing on it is owed; what is due of it comes on the next one */
    INVOICE_DISPUTED, /* a payment of it is in dispute; what it comes to is told when that ends */
    INVOICE_STATUSES
};

enum invoice_line_kind {
    INVOICE_PLAN_FEE,
    INVOICE_USAGE,      /* what a plan charges for use beyond what it includes */
    INVOICE_COMMITMENT, /* what is missing to the use that was committed to */
    INVOICE_ADJUSTMENT, /* a credit or debit of an operator */
    INVOICE_TAX,
    INVOICE_LINE_KINDS
};

struct invoice {
    uint32_t organization;  /* dictionary */
    int64_t from_ms, to_ms; /* to exclusive: the billing instant */
    enum invoice_status status;
    uint64_t number;      /* 1, 2, 3 … without gaps; 0 while a draft */
    char currency[4];     /* ISO 4217, NUL-terminated */
    int64_t total_minor;  /* < 0: a credit note */
    int64_t tax_minor;    /* of the total */
    int64_t credit_minor; /* of earlier credit notes, taken off what is to be paid; >= 0 */
    int64_t paid_minor;
    uint32_t line_count;
    uint64_t credits_used;   /* AI credits of its time */
    money_sum llm_cost_pico; /* what the providers charged, for information */
    uint64_t unpriced_calls; /* calls that llm_cost_pico misses */
    int64_t finalized_ms;    /* 0 while a draft */
    /* Where it came from; with these it can be computed again. */
    uint64_t position;
    uint8_t chain[HASH_SHA256_BYTES];
    uint8_t price_book[HASH_SHA256_BYTES];
    uint8_t plan_book[HASH_SHA256_BYTES];
};

struct invoice_line {
    enum invoice_line_kind kind;
    /* What the line charges for, once: kind, plan, charge and period name it for good. */
    struct str plan, charge; /* ids of the plan book, at most 64 bytes each; may be empty */
    int64_t period_ms;       /* start of the billing period; of an adjustment its event's seq */
    uint64_t corrects;       /* the invoice that it corrects; 0: it charges for the first time */
    struct str description;  /* at most 200 bytes */
    money_sum quantity_pico; /* in 10^-12 of a unit; of a fee the seconds or days */
    int64_t unit_pico;       /* price of one, 0 where the line has no single one */
    money_sum exact_pico;    /* before rounding */
    int64_t amount_minor;    /* rounded half away from zero */
    int64_t from_ms, to_ms;  /* the time it is for, to exclusive */
};

/* What is to be paid. */
static inline int64_t
invoice_due_minor(const struct invoice *invoice)
{
    return invoice->total_minor > 0 ? invoice->total_minor - invoice->credit_minor : 0;
}

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

/*
 * Note what payments say of a final invoice: its status, and what was paid.
 *
 *   invoice  as stored, with status (not a draft's) and paid_minor as they are to be
 */
enum err_code invoice_put_payment(struct tables_txn *txn, const struct invoice *invoice,
                                  struct err *err) ERR_MUST_CHECK;

/* Take a draft away, with its lines.  Errors: ERR_CONFLICT when it is final. */
enum err_code invoice_delete_draft(struct tables_txn *txn, uint32_t organization, int64_t from_ms,
                                   struct err *err) ERR_MUST_CHECK;

bool invoice_get(struct tables_txn *txn, uint32_t organization, int64_t from_ms,
                 struct invoice *ret);
/* Line 0 to line_count - 1; its texts point into the map. */
bool invoice_line_get(struct tables_txn *txn, uint32_t organization, int64_t from_ms, uint32_t line,
                      struct invoice_line *ret);

/*
 * The bytes that an invoice and its lines are stored as, but for what payments say
 * and the number and time it became final: equal bytes are the same invoice.
 * Returns how many there are; out may be NULL to ask.
 */
size_t invoice_content(const struct invoice *invoice, const struct invoice_line *lines,
                       uint8_t *out);

/* What the keys of TABLE_INVOICES and TABLE_INVOICE_LINES say, for publish. */
void invoice_key_decode(struct bytes key, uint32_t *ret_organization, int64_t *ret_from_ms);
void invoice_line_key_decode(struct bytes key, uint32_t *ret_organization, int64_t *ret_from_ms,
                             uint32_t *ret_line);

/* Walk the invoices of one organization by time; organization 0: all. */
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

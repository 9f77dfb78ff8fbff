/*
 * tests/billing/office.h - a data directory of its own for a test, filled through
 * the tables' own functions, and the stages run on it at any time.
 *
 * One at a time in a process; the texts of organizations and plans are theirs.
 */
#ifndef TESTS_BILLING_OFFICE_H
#define TESTS_BILLING_OFFICE_H

#include "billing/invoice_stage.h"
#include "billing/limits.h"
#include "billing/timeline.h"
#include "store/event/event.h"
#include "store/tables/invoice.h"
#include "store/tables/tables.h"

#define SHIPPED_PLANS GBILL_SCHEMAS_DIR "/plans.json"

/* Suite's .init and .fini. */
void office_open(void);
void office_close(void);

const char *office_directory(void);
int64_t ms_of(const char *time);
int32_t month_of(const char *month);

/* A transaction on the tables; the functions below need one. */
struct tables_txn *office_begin(void);
void office_commit(void);
uint32_t office_number(const char *text);

void office_subscribe(const char *organization, const char *plan, const char *at);
void office_subscription(const char *organization, enum event_subscription_action action,
                         const char *plan, const char *currency, const char *at);
/* What else a subscription event may say; NULL and false: nothing. */
struct office_terms {
    bool at_period_end;
    const char *anchor, *trial_end, *currency, *tax_percent;
};
void office_subscription_with(const char *organization, enum event_subscription_action action,
                              const char *plan, const char *at, struct office_terms terms);
void office_void_subscription(const char *organization, const char *at, uint64_t of_seq);
uint64_t office_seq(void); /* of the last event */
void office_pay(const char *organization, uint64_t invoice, const char *status,
                int64_t amount_minor);
/*
 * What Stripe told, as the fold would have it: at: its created; json: the object, in which '
 * stands for ".  organization "-": nobody's.
 */
void office_tell(const char *organization, const char *id, const char *at, const char *type,
                 const char *json);
/* at: a month or any time; the usage stands in its hour and its month. */
void office_use(const char *organization, const char *at, uint64_t credits);
void office_use_priced(const char *organization, const char *at, uint64_t credits,
                       int64_t cost_pico, uint64_t unpriced_calls);
void office_resources(const char *organization, enum event_resource_type type, uint64_t count);
void office_adjust(const char *organization, const char *at, int64_t amount_minor,
                   const char *currency, const char *reason);
void office_first_event(const char *organization, const char *at);
void office_cursor(uint64_t seq);

/* How many rows publish owes of a table; pretend that it sent them all. */
uint64_t office_owed(enum table table);
void office_settle(enum table table);

/* The stages, with the shipped plans, at a time; they must succeed. */
struct limits_result office_limits(const char *now);
struct invoice_result office_invoices(const char *now);
struct invoice_result office_invoices_of(const char *plans_path, const char *now,
                                         int64_t grace_hours);

/* What the last stage said, one line each; count of a kind. */
const char *office_notices(void);
unsigned office_notice_count(enum stage_notice notice);

/* Rows; outside of a transaction.  month: the instant that the invoice begins at. */
bool office_invoice(const char *organization, const char *month, struct invoice *ret);
struct invoice_line office_line(const char *organization, const char *month, uint32_t line);
struct limit office_limit(const char *organization, enum limit_dimension dimension);

/* Write a plan book in which ' stands for ", and give its path. */
const char *office_book(const char *text);
/*
 * The shipped book with one change: behind `behind`, `from` becomes `to`.
 */
const char *office_book_with(const char *behind, const char *from, const char *to);
struct plan_book *office_load(const char *path);

#endif

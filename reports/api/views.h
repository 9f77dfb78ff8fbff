/*
 * reports/api/views.h - what the routes answer that read one organization's tables, each
 * as struct route wants it.  What they answer: schemas/openapi.json.
 *
 * Errors of all: those of shelf_begin(), ERR_USAGE (a parameter), ERR_NOT_FOUND.
 */
#ifndef REPORTS_API_VIEWS_H
#define REPORTS_API_VIEWS_H

#include "reports/api/routes.h"
#include "store/base/money.h"

enum { VIEW_BUDGET_BYTES_MAX = 16 * 1024 };

enum err_code view_budget(const struct api_request *request, struct answer *answer,
                          struct err *err) ERR_MUST_CHECK;

/* Takes a body: the settings in place of those that hold; an event, as POST usage makes them. */
enum err_code view_budget_put(const struct api_request *request, struct answer *answer,
                              struct err *err) ERR_MUST_CHECK;

enum err_code view_invoices(const struct api_request *request, struct answer *answer,
                            struct err *err) ERR_MUST_CHECK;

/* The one whose number stands in the path. */
enum err_code view_invoice(const struct api_request *request, struct answer *answer,
                           struct err *err) ERR_MUST_CHECK;

enum err_code view_optimization(const struct api_request *request, struct answer *answer,
                                struct err *err) ERR_MUST_CHECK;

enum err_code view_dashboard(const struct api_request *request, struct answer *answer,
                             struct err *err) ERR_MUST_CHECK;

/* The same for a person: HTML (reports/dashboard/). */
enum err_code view_page(const struct api_request *request, struct answer *answer,
                        struct err *err) ERR_MUST_CHECK;

/* CSV, into a file of the answer's. */
enum err_code view_export(const struct api_request *request, struct answer *answer,
                          struct err *err) ERR_MUST_CHECK;

/*
 * Begin to read what an organization has.
 *
 *   ret_txn     shelf_end() it, also after an error
 *   ret_number  of the organization
 *
 * ERR_NOT_FOUND: no event named it.
 */
enum err_code view_begin(const struct api_request *request, struct tables_txn **ret_txn,
                         uint32_t *ret_number, struct err *err) ERR_MUST_CHECK;

/* {"organizationId":…,"position":… : what every answer begins with. */
void view_head(const struct api_request *request, struct tables_txn *txn, FILE *out);

/* ,"key":"text", or null where it is empty or, of an amount, there is none. */
void view_text(FILE *out, const char *key, struct str text);
void view_amount(FILE *out, const char *key, money_sum value_pico);
void view_time(FILE *out, const char *key, int64_t utc_ms); /* 0: null */

#endif

/*
 * reports/optimize/optimize_view.h - an organization's efficiency and recommendations, for
 * who reads them: what matters most first.
 */
#ifndef REPORTS_OPTIMIZE_VIEW_H
#define REPORTS_OPTIMIZE_VIEW_H

#include <stdio.h>

#include "store/base/list.h"
#include "store/tables/recommendation.h"

/*
 * Read an organization's recommendations: by falling share, then saving.
 *
 *   type  of these alone; NULL: of all
 *   ret   initialized list of struct recommendation; their texts live as long as txn
 *
 * Errors: ERR_LIMIT out of memory.
 */
enum err_code optimize_rows(struct tables_txn *txn, uint32_t organization,
                            const enum recommendation_type *type, struct list *ret,
                            struct err *err) ERR_MUST_CHECK;

/*
 * Write both as one JSON object on a line: Optimization in schemas/openapi.json.
 *
 *   type  as for optimize_rows()
 *
 * Errors: ERR_LIMIT out of memory.  What out does with it is the caller's to ask.
 */
enum err_code optimize_json(struct tables_txn *txn, uint32_t organization,
                            const enum recommendation_type *type, FILE *out,
                            struct err *err) ERR_MUST_CHECK;

#endif

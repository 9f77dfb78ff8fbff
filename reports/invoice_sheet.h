/*
 * reports/invoice_sheet.h - what a stored invoice says on paper.
 *
 * All arithmetic and all wording of the page is here; reports/pdf/ only places it.
 */
#ifndef REPORTS_INVOICE_SHEET_H
#define REPORTS_INVOICE_SHEET_H

#include "billing/parties.h"
#include "reports/pdf/sheet.h"
#include "store/base/arena.h"
#include "store/tables/invoice.h"

/*
 * Put an invoice in words.
 *
 *   arena    takes the texts, but for those of parties
 *   parties  borrowed as long as ret is used
 *   ret      filled
 *
 * Errors: ERR_LIMIT when the arena is full; ERR_CORRUPT when a line is not there.
 */
enum err_code invoice_sheet_make(struct tables_txn *txn, const struct invoice *invoice,
                                 const struct parties *parties, struct arena *arena,
                                 struct pdf_sheet *ret, struct err *err) ERR_MUST_CHECK;

#endif

/*
 * rollup/cmd_audit.h - the parts of gbill audit.
 */
#ifndef ROLLUP_CMD_AUDIT_H
#define ROLLUP_CMD_AUDIT_H

#include "store/base/conf.h"
#include "store/base/print.h"
#include "store/tables/tables.h"

enum print_form cmd_audit_form(const struct conf *conf);

/* The lists that are printed instead of the balance. */
enum err_code cmd_audit_conflicts(const struct conf *conf, struct tables_txn *txn,
                                  struct err *err) ERR_MUST_CHECK;
enum err_code cmd_audit_voids(const struct conf *conf, struct tables_txn *txn,
                              struct err *err) ERR_MUST_CHECK;
/* organization: UINT32_MAX: all; from_ms is listed, to_ms is not. */
enum err_code cmd_audit_acts(const struct conf *conf, struct tables_txn *txn, uint32_t organization,
                             int64_t from_ms, int64_t to_ms, struct err *err) ERR_MUST_CHECK;
enum err_code cmd_audit_roots(const struct conf *conf, struct err *err) ERR_MUST_CHECK;

#endif

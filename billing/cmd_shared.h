/*
 * billing/cmd_shared.h - what the commands of this folder share.
 */
#ifndef BILLING_CMD_SHARED_H
#define BILLING_CMD_SHARED_H

#include "billing/stage.h"
#include "store/base/cli.h"

#define CONF_ROW_NOW                                                                              \
    {                                                                                             \
        "now", NULL, CONF_TEXT, "TIME", 0, 0, NULL, false,                                        \
            "run as of this time: 2026-11-24, 2026-11-24T08:15:30Z (default: the system's clock)" \
    }

/* The clock that --now asks for.  Errors: ERR_USAGE when it is no time. */
enum err_code cmd_shared_clock(const struct cli *cli, struct clock *ret,
                               struct err *err) ERR_MUST_CHECK;

/* Notices as lines on stderr; who is "gbill limits", borrowed. */
struct stage_notices cmd_shared_notices(const char *who);

/*
 * Open the tables for reading, and the dictionary number of an organization.
 *
 *   organization      NULL: none is asked for, *ret_organization is 0
 *   ret_tables, ret_txn  cmd_shared_close() them, also after an error
 *
 * Errors: those of tables_open(); ERR_NOT_FOUND for an organization that no event
 * has named.
 */
enum err_code cmd_shared_open(const char *data_directory, const char *organization,
                              struct tables **ret_tables, struct tables_txn **ret_txn,
                              uint32_t *ret_organization, struct err *err) ERR_MUST_CHECK;
void cmd_shared_close(struct tables *tables, struct tables_txn *txn);

#endif

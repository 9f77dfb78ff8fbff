#include "billing/cmd_shared.h"

#include <stdint.h>
#include <stdio.h>

#include "store/base/time.h"
#include "store/tables/dict.h"

enum err_code
cmd_shared_clock(const struct cli *cli, struct clock *ret, struct err *err)
{
    const char *now = conf_text(&cli->conf, "now");
    int64_t now_ms;
    *ret = cli->clock;
    if (now == NULL)
        return ERR_OK;
    if (!time_parse(str_of(now), &now_ms))
        return err_set(err, ERR_USAGE,
                       "--now %s is no time; write 2026-11-24 or 2026-11-24T08:15:30Z", now);
    *ret = clock_fixed(now_ms);
    return ERR_OK;
}

static void
print_notice(void *context, enum stage_notice notice, const char *text)
{
    fprintf(stderr, "%s: %s%s\n", (const char *)context, notice == STAGE_PROBLEM ? "problem: " : "",
            text);
}

struct stage_notices
cmd_shared_notices(const char *who)
{
    return (struct stage_notices){.line = print_notice, .context = (void *)(uintptr_t)who};
}

enum err_code
cmd_shared_open(const char *data_directory, const char *organization, struct tables **ret_tables,
                struct tables_txn **ret_txn, uint32_t *ret_organization, struct err *err)
{
    *ret_tables = NULL;
    *ret_txn = NULL;
    *ret_organization = 0;
    enum err_code code = tables_open(data_directory, TABLES_READ, ret_tables, err);
    if (code == ERR_OK)
        code = tables_begin(*ret_tables, TABLES_READ, ret_txn, err);
    if (code == ERR_OK && organization != NULL &&
        (!dict_find(*ret_txn, str_of(organization), ret_organization) || *ret_organization == 0))
        code = err_set(err, ERR_NOT_FOUND,
                       "no event folded so far names the organization \"%.64s\" (ids match "
                       "exactly); see gbill invoice list",
                       organization);
    return code;
}

void
cmd_shared_close(struct tables *tables, struct tables_txn *txn)
{
    tables_abort(txn);
    tables_close(tables);
}

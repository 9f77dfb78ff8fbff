#include "billing/invoice_pick.h"

#include "billing/cmd_shared.h"
#include "store/base/time.h"

enum err_code
invoice_pick_month(const struct conf *conf, int32_t *ret, struct err *err)
{
    const char *text = conf_text(conf, "month");
    int64_t ms;
    *ret = -1;
    if (text == NULL)
        return ERR_OK;
    if (!time_parse(str_of(text), &ms) || time_month_start_ms(time_month(ms)) != ms)
        return err_set(err, ERR_USAGE, "--month %s is no month; write 2026-11", text);
    *ret = time_month(ms);
    return ERR_OK;
}

bool
invoice_pick_is_of(const struct invoice *invoice, int32_t month)
{
    return month < 0 || time_month(invoice->from_ms) == month;
}

/* Number 0: any. */
static bool
find(struct tables_txn *txn, uint32_t organization, int32_t month, uint64_t number,
     struct invoice *ret)
{
    struct invoice_scan scan;
    bool found = false;
    invoice_scan_begin(&scan, txn, organization);
    while (invoice_scan_next(&scan)) {
        if (!invoice_pick_is_of(&scan.row, month) || (number != 0 && scan.row.number != number))
            continue;
        *ret = scan.row;
        found = true;
    }
    invoice_scan_end(&scan);
    return found;
}

enum err_code
invoice_pick(const struct conf *conf, struct tables **ret_tables, struct tables_txn **ret_txn,
             struct invoice *ret, struct err *err)
{
    const char *name = conf_text(conf, "org"), *month_text = conf_text(conf, "month");
    uint32_t organization;
    int32_t month;
    uint64_t number = (uint64_t)conf_int(conf, "number");
    *ret_tables = NULL;
    *ret_txn = NULL;
    if (name == NULL && number == 0)
        return err_set(err, ERR_USAGE, "needs --org ORGANIZATION or --number N; see --help");
    enum err_code code = invoice_pick_month(conf, &month, err);
    if (code == ERR_OK)
        code = cmd_shared_open(conf_data_dir(conf), name, ret_tables, ret_txn, &organization, err);
    if (code == ERR_OK && !find(*ret_txn, organization, month, number, ret))
        code = err_set(err, ERR_NOT_FOUND,
                       "%.64s has no such invoice%s%s; gbill invoice run makes them, gbill invoice "
                       "list names them",
                       name != NULL ? name : "the data directory", month_text != NULL ? " of " : "",
                       month_text != NULL ? month_text : "");
    return code;
}

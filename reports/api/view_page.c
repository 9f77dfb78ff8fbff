#include "reports/api/views.h"

#include "reports/dashboard/dashboard.h"
#include "reports/export.h"

static enum err_code
make(const struct api_request *request, struct tables_txn *txn, struct board_query *query,
     struct buf *page, struct err *err)
{
    char currency[EXPORT_CURRENCY_BYTES];
    export_currency(txn, currency);
    query->currency = currency;
    query->organization = request->organization;
    return dashboard_make(txn, query, page, err);
}

enum err_code
view_page(const struct api_request *request, struct answer *answer, struct err *err)
{
    struct tables_txn *txn = NULL;
    struct board_query query = {0};
    struct buf page;
    uint32_t number;
    buf_init(&page, DASHBOARD_BYTES_MAX);
    enum err_code code = dashboard_time(
        request->parameter(request->context, "month"), request->parameter(request->context, "from"),
        request->parameter(request->context, "to"), clock_now_ms(request->clock), &query, err);
    if (code == ERR_OK)
        code = view_begin(request, &txn, &number, err);
    if (code == ERR_OK)
        code = make(request, txn, &query, &page, err);
    shelf_end(request->shelf, txn);
    if (code == ERR_OK) {
        answer->type = "text/html; charset=utf-8";
        fwrite(page.data, 1, page.size_bytes, answer->out);
    }
    buf_clear(&page);
    return code;
}

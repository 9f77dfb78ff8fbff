#include "reports/api/views.h"

#include "reports/dashboard/dashboard.h"
#include "reports/export.h"

enum err_code
view_page(const struct api_request *request, struct answer *answer, struct err *err)
{
    struct tables_txn *txn = NULL;
    char currency[EXPORT_CURRENCY_BYTES];
    struct board_query query = {.organization = request->organization, .currency = currency};
    struct buf page;
    uint32_t number;
    buf_init(&page, DASHBOARD_BYTES_MAX);
    enum err_code code = dashboard_time(
        request->parameter(request->context, "month"), request->parameter(request->context, "from"),
        request->parameter(request->context, "to"), clock_now_ms(request->clock), &query, err);
    if (code == ERR_OK)
        code = view_begin(request, &txn, &number, err);
    if (code == ERR_OK) {
        export_currency(txn, currency);
        code = dashboard_make(txn, &query, &page, err);
    }
    shelf_end(request->shelf, txn);
    if (code == ERR_OK) {
        answer->type = "text/html; charset=utf-8";
        fwrite(page.data, 1, page.size_bytes, answer->out);
    }
    buf_clear(&page);
    return code;
}

#include <inttypes.h>

#include "billing/invoice_print.h"
#include "reports/api/views.h"
#include "store/base/print.h"

static void
put_minor(FILE *out, const char *key, const struct invoice *i, int64_t amount_minor)
{
    char text[MONEY_TEXT_BYTES];
    invoice_print_minor(i, amount_minor, text);
    fprintf(out, ",\"%s\":\"%s\"", key, text);
}

static void
put_invoice(FILE *out, const struct invoice *i)
{
    if (i->number > 0)
        fprintf(out, "{\"number\":%" PRIu64, i->number);
    else
        fputs("{\"number\":null", out);
    view_text(out, "status", str_of(invoice_status_name(i->status)));
    view_time(out, "from", i->from_ms);
    view_time(out, "to", i->to_ms);
    view_time(out, "finalizedAt", i->finalized_ms);
    view_text(out, "currency", str_of(i->currency));
    put_minor(out, "total", i, i->total_minor);
    put_minor(out, "tax", i, i->tax_minor);
    put_minor(out, "due", i, invoice_due_minor(i));
    put_minor(out, "paid", i, i->paid_minor);
    fprintf(out, ",\"lines\":%" PRIu32 "}", i->line_count);
}

enum err_code
view_invoices(const struct api_request *request, struct answer *answer, struct err *err)
{
    struct tables_txn *txn;
    struct invoice_scan scan;
    uint32_t number;
    bool any = false;
    enum err_code code = view_begin(request, &txn, &number, err);
    if (code == ERR_OK) {
        view_head(request, txn, answer->out);
        fputs(",\"invoices\":[", answer->out);
        invoice_scan_begin(&scan, txn, number);
        for (; invoice_scan_next(&scan); any = true) {
            if (any)
                fputc(',', answer->out);
            put_invoice(answer->out, &scan.row);
        }
        invoice_scan_end(&scan);
        fputs("]}\n", answer->out);
    }
    shelf_end(request->shelf, txn);
    return code;
}

/* "17": digits without a zero before them. */
static bool
read_number(const char *text, uint64_t *ret)
{
    uint64_t v = 0;
    if (text[0] < '1' || text[0] > '9')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*text - '0'), &v))
            return false;
    }
    *ret = v;
    return true;
}

enum err_code
view_invoice(const struct api_request *request, struct answer *answer, struct err *err)
{
    struct tables_txn *txn = NULL;
    struct invoice_scan scan;
    uint32_t organization;
    uint64_t wanted;
    bool found = false;
    if (!read_number(request->path_value, &wanted))
        return err_set(err, ERR_USAGE, "an invoice's number is a whole number above 0");
    enum err_code code = view_begin(request, &txn, &organization, err);
    if (code == ERR_OK) {
        invoice_scan_begin(&scan, txn, organization); /* another's number is not found */
        while (!found && invoice_scan_next(&scan))
            found = scan.row.number == wanted;
        if (found) {
            view_head(request, txn, answer->out);
            fputs(",\"invoice\":", answer->out);
            invoice_print(answer->out, txn, &scan.row, true);
            fputs("}\n", answer->out);
        }
        invoice_scan_end(&scan);
        if (!found)
            code = err_set(err, ERR_NOT_FOUND, "there is no invoice of this number");
    }
    shelf_end(request->shelf, txn);
    return code;
}

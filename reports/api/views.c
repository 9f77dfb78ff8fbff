#include "reports/api/views.h"

#include <inttypes.h>

#include "store/base/print.h"
#include "store/base/time.h"
#include "store/tables/cursor.h"
#include "store/tables/dict.h"

enum { PICO_DECIMALS = 12 };

enum err_code
view_begin(const struct api_request *request, struct tables_txn **ret_txn, uint32_t *ret_number,
           struct err *err)
{
    *ret_txn = NULL;
    enum err_code code = shelf_begin(request->shelf, ret_txn, err);
    if (code == ERR_NOT_FOUND)
        return err_set(err, ERR_NOT_FOUND, "nothing has been folded yet");
    if (code == ERR_OK &&
        (!dict_find(*ret_txn, str_of(request->organization), ret_number) || *ret_number == 0))
        return err_set(err, ERR_NOT_FOUND, "no event named this organization yet");
    return code;
}

void
view_head(const struct api_request *request, struct tables_txn *txn, FILE *out)
{
    fputs("{\"organizationId\":", out);
    print_json_text(out, str_of(request->organization));
    fprintf(out, ",\"position\":%" PRIu64, cursor_get(txn).seq);
}

void
view_text(FILE *out, const char *key, struct str text)
{
    fprintf(out, ",\"%s\":", key);
    if (text.size_bytes > 0)
        print_json_text(out, text);
    else
        fputs("null", out);
}

void
view_amount(FILE *out, const char *key, money_sum value_pico)
{
    char text[MONEY_TEXT_BYTES];
    money_format(value_pico, PICO_DECIMALS, text);
    fprintf(out, ",\"%s\":\"%s\"", key, text);
}

void
view_time(FILE *out, const char *key, int64_t utc_ms)
{
    char text[TIME_TEXT_BYTES] = "";
    if (utc_ms > 0)
        time_format_ms(utc_ms, text);
    view_text(out, key, str_of(text));
}

#include <string.h>

#include "reports/api/views.h"
#include "reports/export.h"

static enum err_code
read_kind(const char *kind, enum usage_print_kind *ret, struct err *err)
{
    if (kind == NULL || strcmp(kind, "usage") == 0)
        *ret = USAGE_PRINT_USAGE;
    else if (strcmp(kind, "costs") == 0)
        *ret = USAGE_PRINT_COSTS;
    else
        return err_set(err, ERR_USAGE, "kind \"%.40s\" must be usage or costs", kind);
    return ERR_OK;
}

/* Into a file, and then to the client: a slow one keeps no page of the tables from being used again. */
static enum err_code
export_rows(struct tables_txn *txn, const struct usage_range *range, enum usage_print_kind kind,
            struct answer *answer, struct err *err)
{
    struct export x = {.form = PRINT_CSV, .defuse = true, .out = tmpfile()};
    if (x.out == NULL)
        return err_set(err, ERR_IO, "no temporary file can be made");
    answer->file = x.out;
    answer->type = "text/csv; charset=utf-8";
    enum err_code code = export_usage(&x, txn, range, kind, err);
    if (code == ERR_OK && (x.print.error != 0 || fflush(x.out) != 0))
        code = err_set(err, ERR_FULL, "the export found no room on the server's disk");
    return code;
}

enum err_code
view_export(const struct api_request *request, struct answer *answer, struct err *err)
{
    struct tables_txn *txn = NULL;
    struct usage_range range;
    uint32_t number;
    enum usage_print_kind kind = USAGE_PRINT_USAGE;
    const char *from = request->parameter(request->context, "from");
    enum err_code code = read_kind(request->parameter(request->context, "kind"), &kind, err);
    if (code == ERR_OK)
        code = usage_range_read(request->organization, from,
                                request->parameter(request->context, "to"), &range, err);
    if (code == ERR_OK)
        code = view_begin(request, &txn, &number, err);
    if (code == ERR_OK)
        code = export_rows(txn, &range, kind, answer, err);
    shelf_end(request->shelf, txn);
    return code;
}

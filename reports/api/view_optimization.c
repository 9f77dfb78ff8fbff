#include "reports/api/views.h"
#include "reports/optimize/optimize_view.h"

enum err_code
view_optimization(const struct api_request *request, struct answer *answer, struct err *err)
{
    struct tables_txn *txn = NULL;
    uint32_t organization;
    const char *name = request->parameter(request->context, "type");
    enum recommendation_type type = RECOMMENDATION_TYPE_COUNT;
    if (name != NULL && !recommendation_type_find(str_of(name), &type))
        return err_set(err, ERR_USAGE, "type \"%.40s\" is no type of recommendation", name);
    enum err_code code = view_begin(request, &txn, &organization, err);
    if (code == ERR_OK)
        code = optimize_json(txn, organization, name == NULL ? NULL : &type, answer->out, err);
    shelf_end(request->shelf, txn);
    return code;
}

#include "ingest/client_err.h"

enum err_code
client_err(enum gbill_code code, const struct gbill_err *from, struct err *err)
{
    for (enum err_code c = ERR_OK; c <= ERR_PEER; c++) {
        if (err_exit_status(c) == (int)code)
            return c == ERR_OK ? ERR_OK : err_set(err, c, "%s", from->text);
    }
    return err_set(err, ERR_INTERNAL, "%s", from->text);
}

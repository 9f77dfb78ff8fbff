#include "reports/forecast/forecast_stage.h"

#include <unistd.h>

#include "reports/forecast/month.h"
#include "store/base/list.h"
#include "store/tables/cursor.h"
#include "store/tables/organization.h"

enum { WRITE_ROWS = 128 };

struct run {
    const struct forecast_options *options;
    struct forecast_result result;
    struct tables *tables;
    struct tables_txn *txn; /* reading */
    int lock_fd;
    int64_t now_ms;
    struct list rows; /* struct forecast_row: to be written */
    struct month_room room;
};

static enum err_code
visit(struct run *r, uint32_t organization, struct err *err)
{
    struct forecast_row row;
    enum month_change change;
    enum err_code code = month_forecast(&r->room, r->txn, organization, r->options->currency,
                                        r->now_ms, &row, &change, err);
    if (code != ERR_OK)
        return code;
    r->result.organizations += change != MONTH_NONE;
    r->result.made += change == MONTH_PUT;
    if (change == MONTH_PUT && !list_add(&r->rows, &row))
        return err_set(err, ERR_LIMIT, "no memory for rows of forecasts");
    return ERR_OK;
}

/* All that is to be written, in one transaction. */
static enum err_code
flush(struct run *r, struct err *err)
{
    const struct forecast_row *rows = r->rows.items;
    struct tables_txn *txn;
    if (r->rows.count == 0)
        return ERR_OK;
    enum err_code code = tables_begin(r->tables, TABLES_WRITE, &txn, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; code == ERR_OK && i < r->rows.count; i++)
        code = forecast_put(txn, &rows[i], err);
    r->rows.count = 0;
    if (code == ERR_OK)
        return tables_commit(txn, err);
    tables_abort(txn);
    return code;
}

/* Reading, so that rollup can go on meanwhile; the lock keeps other writers of forecasts out. */
static enum err_code
begin_reading(struct run *r, struct err *err)
{
    tables_abort(r->txn);
    r->txn = NULL;
    enum err_code code = tables_begin(r->tables, TABLES_READ, &r->txn, err);
    if (code == ERR_OK)
        r->result.position = cursor_get(r->txn).seq;
    return code;
}

static enum err_code
walk(struct run *r, struct err *err)
{
    uint32_t organization = 0;
    enum err_code code = begin_reading(r, err);
    while (code == ERR_OK && organization_next(r->txn, organization, &organization)) {
        code = visit(r, organization, err);
        if (code == ERR_OK && r->rows.count >= WRITE_ROWS) {
            code = flush(r, err);
            if (code == ERR_OK)
                code = begin_reading(r, err);
        }
    }
    return code == ERR_OK ? flush(r, err) : code;
}

enum err_code
forecast_stage_run(const struct forecast_options *options, struct forecast_result *ret,
                   struct err *err)
{
    static struct run r; /* its room is too large for a stack */
    r = (struct run){.options = options, .lock_fd = -1, .now_ms = clock_now_ms(options->clock)};
    list_init(&r.rows, sizeof(struct forecast_row));
    enum err_code code = tables_open_locked(options->data_directory, "forecast.lock",
                                            "gbill forecast", &r.tables, &r.lock_fd, err);
    if (code == ERR_OK)
        code = walk(&r, err);
    tables_abort(r.txn);
    tables_close(r.tables);
    list_clear(&r.rows);
    if (r.lock_fd >= 0)
        close(r.lock_fd);
    if (code == ERR_OK)
        *ret = r.result;
    return code;
}

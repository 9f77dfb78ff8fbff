#include "billing/chargeback/chargeback_stage.h"

#include <assert.h>
#include <unistd.h>

#include "store/base/time.h"

enum { TXN_INVOICES = 256 };

struct run {
    struct chargeback_result result;
    struct tables *tables;
    struct tables_txn *txn;
    struct list due;  /* struct chargeback_invoice */
    struct list gone; /* struct chargeback_row: stored ones of the invoice at hand */
    struct chargeback split;
    int lock_fd;
};

struct chargeback_invoice
chargeback_of_invoice(const struct invoice *invoice)
{
    struct chargeback_invoice v = {
        .organization = invoice->organization,
        .from_ms = invoice->from_ms,
        .to_ms = invoice->to_ms,
        .total_minor = invoice->total_minor,
        .final = invoice->status != INVOICE_DRAFT,
    };
    memcpy(v.currency, invoice->currency, sizeof v.currency);
    return v;
}

/* A final invoice whose rows say so was split after it became final. */
static bool
is_done(struct tables_txn *txn, const struct chargeback_invoice *v)
{
    struct chargeback_scan scan;
    chargeback_scan_begin(&scan, txn, v->organization, v->from_ms, CHARGEBACK_PROJECT);
    bool done = v->final && chargeback_scan_next(&scan) && scan.row.final;
    chargeback_scan_end(&scan);
    return done;
}

/* A walk ends with the first write, so what is to be done is gathered first. */
static enum err_code
gather(struct run *r, struct err *err)
{
    struct invoice_scan scan;
    enum err_code code = tables_begin(r->tables, TABLES_READ, &r->txn, err);
    if (code != ERR_OK)
        return code;
    invoice_scan_begin(&scan, r->txn, 0);
    while (code == ERR_OK && invoice_scan_next(&scan)) {
        const struct chargeback_invoice v = chargeback_of_invoice(&scan.row);
        r->result.invoices++;
        if (!is_done(r->txn, &v) && !list_add(&r->due, &v))
            code = err_set(err, ERR_LIMIT, "no memory for the list of invoices");
    }
    invoice_scan_end(&scan);
    tables_abort(r->txn);
    r->txn = NULL;
    return code;
}

static enum err_code
list_stored(struct run *r, const struct chargeback_invoice *v, enum chargeback_dimension dimension,
            struct err *err)
{
    struct chargeback_scan scan;
    enum err_code code = ERR_OK;
    r->gone.count = 0;
    chargeback_scan_begin(&scan, r->txn, v->organization, v->from_ms, dimension);
    while (code == ERR_OK && chargeback_scan_next(&scan)) {
        if (!list_add(&r->gone, &scan.row))
            code = err_set(err, ERR_LIMIT, "no memory for the rows of an invoice");
    }
    chargeback_scan_end(&scan);
    return code;
}

static enum err_code
put_parts(struct run *r, const struct chargeback_invoice *v, enum chargeback_dimension dimension,
          struct err *err)
{
    const struct chargeback_part *parts = r->split.parts.items;
    enum err_code code = ERR_OK;
    money_sum sum = 0;
    for (size_t i = 0; code == ERR_OK && i < r->split.parts.count; i++) {
        struct chargeback_row row = {.organization = v->organization,
                                     .from_ms = v->from_ms,
                                     .to_ms = v->to_ms,
                                     .dimension = dimension,
                                     .value = parts[i].number,
                                     .final = v->final,
                                     .amount_minor = parts[i].amount_minor,
                                     .calls = parts[i].calls,
                                     .credits = parts[i].credits,
                                     .llm_cost_pico = parts[i].llm_cost_pico};
        memcpy(row.currency, v->currency, sizeof row.currency);
        code = chargeback_put(r->txn, &row, err);
        sum += row.amount_minor;
        r->result.parts++;
    }
    assert(code != ERR_OK || sum == v->total_minor);
    return code;
}

/* Stored rows whose value has no part any more. */
static enum err_code
delete_gone(struct run *r, struct err *err)
{
    const struct chargeback_row *rows = r->gone.items;
    const struct map *parts = &r->split.numbers;
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < r->gone.count; i++) {
        bool nobody = rows[i].value == 0 && parts->count == 0 && r->split.parts.count > 0;
        if (!nobody && map_find(parts, &rows[i].value, map_hash(parts, &rows[i].value)) == NULL)
            code = chargeback_delete(r->txn, &rows[i], err);
    }
    return code;
}

static enum err_code
split_invoice(struct run *r, const struct chargeback_invoice *v, struct err *err)
{
    enum err_code code = ERR_OK;
    for (int d = 0; code == ERR_OK && d < CHARGEBACK_DIMENSIONS; d++) {
        enum chargeback_dimension dimension = (enum chargeback_dimension)d;
        code = chargeback_split(&r->split, r->txn, v, dimension, err);
        if (code == ERR_OK)
            code = list_stored(r, v, dimension, err);
        if (code == ERR_OK)
            code = delete_gone(r, err);
        if (code == ERR_OK)
            code = put_parts(r, v, dimension, err);
    }
    r->result.computed++;
    return code;
}

static enum err_code
split_some(struct run *r, size_t *next, struct err *err)
{
    const struct chargeback_invoice *due = r->due.items;
    enum err_code code = tables_begin(r->tables, TABLES_WRITE, &r->txn, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; code == ERR_OK && i < TXN_INVOICES && *next < r->due.count; i++)
        code = split_invoice(r, &due[(*next)++], err);
    struct tables_txn *txn = r->txn;
    r->txn = NULL;
    if (code == ERR_OK)
        return tables_commit(txn, err);
    tables_abort(txn);
    return code;
}

enum err_code
chargeback_stage_run(const char *data_directory, struct chargeback_result *ret, struct err *err)
{
    struct run r = {.lock_fd = -1};
    size_t next = 0;
    list_init(&r.due, sizeof(struct chargeback_invoice));
    list_init(&r.gone, sizeof(struct chargeback_row));
    chargeback_init(&r.split);
    enum err_code code = tables_open_locked(data_directory, "chargeback.lock",
                                            "gbill chargeback run", &r.tables, &r.lock_fd, err);
    if (code == ERR_OK)
        code = gather(&r, err);
    while (code == ERR_OK && next < r.due.count)
        code = split_some(&r, &next, err);
    chargeback_clear(&r.split);
    list_clear(&r.gone);
    list_clear(&r.due);
    tables_close(r.tables);
    if (r.lock_fd >= 0)
        close(r.lock_fd);
    if (code == ERR_OK)
        *ret = r.result;
    return code;
}

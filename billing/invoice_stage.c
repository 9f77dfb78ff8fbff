#include "billing/invoice_stage.h"

#include <inttypes.h>
#include <string.h>

#include "billing/invoicing.h"
#include "billing/plan_history.h"
#include "store/base/file.h"
#include "store/base/time.h"
#include "store/log/reader.h"
#include "store/tables/dict.h"

struct run {
    const struct invoice_options *options;
    struct invoice_result result;
    struct stage stage;
    struct invoicing invoicing;
    struct list drafts; /* int64_t: where the drafts of the organization at hand begin */
    int64_t now_ms;
    int64_t folded_until_ms; /* all that was received before this is folded */
    bool book_kept;
};

/*
 * A rollup that lags must not freeze an invoice that misses what is in the log
 * already: find when the first event was received that is not folded.
 */
static enum err_code
find_folded_until(struct run *r, struct err *err)
{
    struct tables_txn *txn;
    struct log_reader *reader = NULL;
    struct log_frame frame;
    bool more = false;
    char directory[FILE_PATH_BYTES_MAX];
    r->folded_until_ms = INT64_MAX;
    enum err_code code = tables_begin(r->stage.tables, TABLES_READ, &txn, err);
    if (code != ERR_OK)
        return code;
    r->stage.cursor = cursor_get(txn);
    tables_abort(txn);
    code = file_path(directory, r->stage.data_directory, "log", err);
    if (code == ERR_OK)
        code = log_reader_open(directory, LOG_EVENTS, r->stage.cursor.seq, &reader, err);
    if (code == ERR_NOT_FOUND)
        return ERR_OK; /* tables without their log, as a copy for billing offline has them */
    if (code == ERR_OK)
        code = log_reader_next(reader, &frame, &more, err);
    if (code == ERR_OK && more)
        r->folded_until_ms = frame.receive_utc_ms;
    log_reader_close(reader);
    return code;
}

static int64_t
due_ms(const struct run *r, const struct invoice *invoice)
{
    return invoice->to_ms + r->options->grace_hours * TIME_HOUR_MS;
}

static struct str
name_of(const struct run *r)
{
    return dict_text(r->stage.txn, r->invoicing.invoice.organization);
}

static void
report_problem(struct run *r)
{
    char from[TIME_TEXT_BYTES];
    if (r->invoicing.problem == NULL)
        return;
    time_format_day(r->invoicing.invoice.from_ms / TIME_DAY_MS, from);
    stage_notice(&r->options->notices, STAGE_PROBLEM, "organization %.*s, invoice from %s: %s",
                 STR_ARG(name_of(r)), from, r->invoicing.problem);
    r->result.problems++;
}

/* What came for invoices that were final already. */
static void
report_late(struct run *r)
{
    const struct invoice *i = &r->invoicing.invoice;
    const struct invoice_line *lines = invoicing_lines(&r->invoicing);
    for (uint32_t n = 0; n < i->line_count; n++) {
        char amount[MONEY_TEXT_BYTES];
        /* A fee that was billed ahead and then cut is no news. */
        if (lines[n].corrects == 0 ||
            (lines[n].kind == INVOICE_PLAN_FEE && lines[n].to_ms > i->from_ms))
            continue;
        money_format_fixed(lines[n].amount_minor, r->invoicing.items.minor_digits,
                           r->invoicing.items.minor_digits, amount);
        stage_notice(&r->options->notices, STAGE_LATE,
                     "late after final: organization %.*s, %s %s on the next invoice: %.*s",
                     STR_ARG(name_of(r)), amount, i->currency, STR_ARG(lines[n].description));
        r->result.late++;
    }
}

/* Invoices become final in order: each one builds on those before. */
static enum err_code
finalize_if_due(struct run *r, bool *waits, struct err *err)
{
    struct invoice *invoice = &r->invoicing.invoice;
    if (r->now_ms < due_ms(r, invoice)) {
        *waits = true;
        return ERR_OK;
    }
    if (r->invoicing.problem != NULL || *waits) {
        *waits = true;
        r->result.held++;
        return ERR_OK;
    }
    if (r->folded_until_ms < due_ms(r, invoice)) {
        *waits = true;
        r->result.unfolded++;
        return ERR_OK;
    }
    invoice->status = INVOICE_FINAL;
    invoice->finalized_ms = r->now_ms;
    r->result.finalized++;
    r->result.finals++;
    return invoice_number_take(r->stage.txn, &invoice->number, err);
}

/* A correction names the invoice it corrects, so numbers must be known by then. */
static enum err_code
put_invoices(struct run *r, struct err *err)
{
    struct invoicing *v = &r->invoicing;
    bool more = true, waits = false;
    for (;;) {
        enum err_code code = invoicing_next(v, &more, err);
        if (code != ERR_OK || !more)
            return code;
        report_problem(r);
        v->invoice.position = r->stage.cursor.seq;
        memcpy(v->invoice.chain, r->stage.cursor.chain, sizeof v->invoice.chain);
        memcpy(v->invoice.price_book, r->stage.cursor.price_book, sizeof v->invoice.price_book);
        code = finalize_if_due(r, &waits, err);
        if (code != ERR_OK)
            return code;
        if (v->invoice.status == INVOICE_DRAFT) {
            r->result.drafts++;
            if (!list_add(&r->drafts, &v->invoice.from_ms))
                return err_set(err, ERR_LIMIT, "out of memory");
        }
        report_late(r);
        code = invoice_put(r->stage.txn, &v->invoice, invoicing_lines(v), err);
        if (code != ERR_OK)
            return code;
    }
}

/* Take away drafts of periods that are no more, or have nothing on them any more. */
static enum err_code
delete_others(struct run *r, uint32_t organization, struct err *err)
{
    struct invoice_scan scan;
    struct list gone;
    enum err_code code = ERR_OK;
    const int64_t *drafts = r->drafts.items;
    list_init(&gone, sizeof(int64_t));
    invoice_scan_begin(&scan, r->stage.txn, organization);
    while (code == ERR_OK && invoice_scan_next(&scan)) {
        bool kept = scan.row.status != INVOICE_DRAFT;
        for (size_t i = 0; !kept && i < r->drafts.count; i++)
            kept = drafts[i] == scan.row.from_ms;
        if (!kept && !list_add(&gone, &scan.row.from_ms))
            code = err_set(err, ERR_LIMIT, "out of memory");
    }
    invoice_scan_end(&scan);
    for (size_t i = 0; code == ERR_OK && i < gone.count; i++)
        code = invoice_delete_draft(r->stage.txn, organization, ((int64_t *)gone.items)[i], err);
    list_clear(&gone);
    return code;
}

static enum err_code
put_payments(struct run *r, struct err *err)
{
    const struct list *invoices = &r->invoicing.ledger.invoices;
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < invoices->count; i++)
        code = invoice_put_payment(r->stage.txn, (const struct invoice *)invoices->items + i, err);
    r->result.finals += invoices->count;
    return code;
}

static enum err_code
visit(void *context, uint32_t organization, struct err *err)
{
    struct run *r = context;
    bool any = false;
    enum err_code code = ERR_OK;
    if (!r->book_kept) {
        code = plan_history_take(r->stage.txn, r->stage.book, r->now_ms, err);
        r->book_kept = true;
    }
    r->result.organizations++;
    r->drafts.count = 0;
    if (code == ERR_OK)
        code = invoicing_begin(&r->invoicing, r->stage.txn, organization, r->now_ms, UINT64_MAX,
                               &r->options->notices, &r->result.problems, &any, err);
    if (code == ERR_OK && any)
        code = put_payments(r, err);
    if (code == ERR_OK && any)
        code = put_invoices(r, err);
    return code == ERR_OK ? delete_others(r, organization, err) : code;
}

enum err_code
invoice_stage_run(const struct invoice_options *options, struct invoice_result *ret,
                  struct err *err)
{
    struct run r = {.options = options, .now_ms = clock_now_ms(options->clock)};
    list_init(&r.drafts, sizeof(int64_t));
    enum err_code code = stage_open(&r.stage, options->data_directory, options->plans_path,
                                    "invoice.lock", "gbill invoice run", err);
    if (code == ERR_OK)
        code = find_folded_until(&r, err);
    if (code == ERR_OK) {
        invoicing_init(&r.invoicing, r.stage.book);
        code = stage_walk(&r.stage, visit, &r, err);
        r.result.position = r.stage.cursor.seq;
        invoicing_clear(&r.invoicing);
    }
    list_clear(&r.drafts);
    stage_close(&r.stage);
    if (code == ERR_OK)
        *ret = r.result;
    return code;
}

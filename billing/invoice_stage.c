#include "billing/invoice_stage.h"

#include <inttypes.h>
#include <string.h>

#include "billing/invoicing.h"
#include "store/base/file.h"
#include "store/base/time.h"
#include "store/log/reader.h"
#include "store/tables/adjustment.h"
#include "store/tables/balance.h"
#include "store/tables/dict.h"

enum { MONTHS_BYTES_MAX = 1024 * 1024 };

struct run {
    const struct invoice_options *options;
    struct invoice_result result;
    struct stage stage;
    struct timeline timeline;
    struct invoicing invoicing;
    struct buf months; /* struct consumption of the organization at hand */
    int64_t now_ms;
    int64_t folded_until_ms; /* all that was received before this is folded */
};

/*
 * A rollup that lags must not freeze an invoice that misses what is in the log
 * already: find when the first event was received that is not folded.
 */
static enum err_code
find_folded_until(struct run *r, struct err *err)
{
    struct log_reader *reader = NULL;
    struct log_frame frame;
    struct tables_txn *txn = NULL;
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

static const char *
month_name(int32_t month, char text[TIME_TEXT_BYTES])
{
    time_format_month(month, text);
    return text;
}

/* What came for an invoice after it was final; it is for a correction to bill. */
static void
report_late(struct run *r, const struct invoice *stored)
{
    const struct invoice *now = &r->invoicing.invoice;
    char month[TIME_TEXT_BYTES], amount[MONEY_TEXT_BYTES];
    money_sum adjusted = 0;
    struct invoice_line line;
    for (uint32_t i = 0; i < stored->line_count; i++) {
        if (invoice_line_get(r->stage.txn, stored->organization, stored->month, i, &line) &&
            line.kind == INVOICE_ADJUSTMENT)
            adjusted += line.amount_minor;
    }
    /* Another plan book's prices are no late event; adjustments are the same in all. */
    money_sum late_minor = r->invoicing.adjustments_minor - adjusted;
    if (memcmp(stored->plan_book, now->plan_book, sizeof now->plan_book) == 0)
        late_minor = (money_sum)now->total_minor - stored->total_minor;
    money_sum credits = (money_sum)now->credits_used - stored->credits_used;
    if (credits == 0 && late_minor == 0)
        return;
    money_format(late_minor, r->stage.book->minor_digits, amount);
    stage_notice(&r->options->notices, STAGE_LATE,
                 "late after final: organization %.*s, month %s, %" PRId64
                 " credits, invoice %" PRIu64 " would differ by %s %s",
                 STR_ARG(dict_text(r->stage.txn, stored->organization)),
                 month_name(stored->month, month), (int64_t)credits, stored->number, amount,
                 stored->currency);
    r->result.late++;
}

static int64_t
due_ms(const struct run *r, int32_t month)
{
    return time_month_start_ms(month + 1) + r->options->grace_hours * TIME_HOUR_MS;
}

static void
report_problem(struct run *r)
{
    char month[TIME_TEXT_BYTES];
    if (r->invoicing.problem[0] == '\0')
        return;
    stage_notice(&r->options->notices, STAGE_PROBLEM, "organization %.*s, month %s: %s",
                 STR_ARG(dict_text(r->stage.txn, r->invoicing.invoice.organization)),
                 month_name(r->invoicing.invoice.month, month), r->invoicing.problem);
    r->result.problems++;
}

static enum err_code
finalize_if_due(struct run *r, struct err *err)
{
    struct invoice *invoice = &r->invoicing.invoice;
    if (r->now_ms < due_ms(r, invoice->month))
        return ERR_OK;
    if (r->invoicing.problem[0] != '\0') {
        r->result.held++;
        return ERR_OK;
    }
    if (r->folded_until_ms < due_ms(r, invoice->month)) {
        r->result.unfolded++;
        return ERR_OK;
    }
    invoice->status = INVOICE_FINAL;
    invoice->finalized_ms = r->now_ms;
    r->result.finalized++;
    return invoice_number_take(r->stage.txn, &invoice->number, err);
}

static enum err_code
visit_month(struct run *r, uint32_t organization, int32_t month, const struct consumption *usage,
            struct err *err)
{
    struct invoicing *v = &r->invoicing;
    struct invoice stored;
    bool is_stored = invoice_get(r->stage.txn, organization, month, &stored);
    enum err_code code = invoicing_compute(v, r->stage.txn, organization, month, usage, err);
    if (code != ERR_OK)
        return code;
    if (is_stored && stored.status == INVOICE_FINAL) {
        report_late(r, &stored);
        r->result.finals++;
        return ERR_OK;
    }
    report_problem(r);
    /* A draft that was emptied is kept up to date: it has been published. */
    if (!is_stored && !invoicing_has_content(v))
        return ERR_OK;
    v->invoice.position = r->stage.cursor.seq;
    memcpy(v->invoice.chain, r->stage.cursor.chain, sizeof v->invoice.chain);
    memcpy(v->invoice.price_book, r->stage.cursor.price_book, sizeof v->invoice.price_book);
    code = finalize_if_due(r, err);
    if (code != ERR_OK)
        return code;
    r->result.finals += v->invoice.status == INVOICE_FINAL ? 1 : 0;
    r->result.drafts += v->invoice.status == INVOICE_DRAFT ? 1 : 0;
    return invoice_put(r->stage.txn, &v->invoice, invoicing_lines(v), err);
}

/* The month of the first invoice that is stored. */
static bool
first_stored(const struct run *r, uint32_t organization, int32_t *ret)
{
    struct invoice_scan scan;
    invoice_scan_begin(&scan, r->stage.txn, organization);
    bool found = invoice_scan_next(&scan);
    if (found)
        *ret = scan.row.month;
    invoice_scan_end(&scan);
    return found;
}

/* The first month that anything can be billed for, or was; false: none. */
static bool
first_month(const struct run *r, uint32_t organization, int32_t *ret)
{
    int32_t first = INT32_MAX, month;
    int64_t first_ms;
    uint32_t hour;
    if (timeline_first_ms(&r->timeline, &first_ms)) {
        first = time_month(first_ms);
        /*
         * A subscription may say that it began years ago, elsewhere.  Months before
         * gbill heard of the organization were not billed by it, and never will be.
         */
        if (balance_first_hour(r->stage.txn, organization, &hour) &&
            time_month((int64_t)hour * TIME_HOUR_MS) > first)
            first = time_month((int64_t)hour * TIME_HOUR_MS);
    }
    if (r->months.size_bytes > 0) {
        month = ((const struct consumption *)(const void *)r->months.data)->month;
        first = month < first ? month : first;
    }
    if (adjustment_month_from(r->stage.txn, organization, 0, &month) && month < first)
        first = month;
    /* What a draft was made of may have been undone at the same instant. */
    if (first_stored(r, organization, &month) && month < first)
        first = month;
    *ret = first;
    return first != INT32_MAX;
}

static enum err_code
visit(void *context, uint32_t organization, struct err *err)
{
    struct run *r = context;
    int32_t month, last = time_month(r->now_ms);
    size_t i = 0;
    r->result.organizations++;
    enum err_code code = timeline_read(&r->timeline, r->stage.txn, organization, err);
    if (code == ERR_OK)
        code = consumption_read_all(r->stage.txn, organization, &r->months, err);
    if (code != ERR_OK || !first_month(r, organization, &month))
        return code;
    const struct consumption *used = (const struct consumption *)(const void *)r->months.data;
    size_t count = r->months.size_bytes / sizeof *used;
    for (; code == ERR_OK && month <= last; month++) {
        struct consumption none = {.month = month};
        while (i < count && used[i].month < month)
            i++;
        const struct consumption *usage = i < count && used[i].month == month ? &used[i] : &none;
        code = visit_month(r, organization, month, usage, err);
    }
    return code;
}

enum err_code
invoice_stage_run(const struct invoice_options *options, struct invoice_result *ret,
                  struct err *err)
{
    struct run r = {.options = options, .now_ms = clock_now_ms(options->clock)};
    buf_init(&r.months, MONTHS_BYTES_MAX);
    enum err_code code = stage_open(&r.stage, options->data_directory, options->plans_path,
                                    "invoice.lock", "gbill invoice run", err);
    if (code == ERR_OK)
        code = find_folded_until(&r, err);
    if (code == ERR_OK) {
        timeline_init(&r.timeline, r.stage.book);
        invoicing_init(&r.invoicing, r.stage.book, &r.timeline);
        code = stage_walk(&r.stage, visit, &r, err);
        r.result.position = r.stage.cursor.seq;
        invoicing_clear(&r.invoicing);
        timeline_clear(&r.timeline);
    }
    buf_clear(&r.months);
    stage_close(&r.stage);
    if (code == ERR_OK)
        *ret = r.result;
    return code;
}

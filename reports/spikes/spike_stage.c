#include "reports/spikes/spike_stage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "billing/notify/notify.h"
#include "reports/spikes/organization.h"
#include "store/base/hash.h"
#include "store/base/log.h"
#include "store/base/time.h"
#include "store/tables/cursor.h"
#include "store/tables/dict.h"
#include "store/tables/organization.h"
#include "store/tables/usage.h"

enum { WRITE_ROWS = 256, PROBLEM_BYTES = 320, ORGANIZATION_BYTES = 65 };

struct mark {
    uint32_t organization;
    uint8_t bytes[SPIKE_MARK_BYTES];
};

struct run {
    const struct spike_options *options;
    struct spike_result result;
    struct tables *tables;
    struct tables_txn *txn; /* reading */
    int lock_fd;
    int64_t now_ms;
    char currency[4];
    struct burst_minutes bursts;
    struct judging judging;
    struct list rows;  /* struct verdict_row: to be written */
    struct list marks; /* struct mark, of the organizations they are of */
};

/* What a verdict depends on: sums of the months, the hour, the settings and the gate. */
static enum err_code
make_mark(struct run *r, uint32_t organization, const struct spike_settings *settings,
          struct mark *ret, struct err *err)
{
    struct usage_scan scan;
    struct usage_row sum = {0};
    uint32_t now_hour = (uint32_t)(r->now_ms / TIME_HOUR_MS);
    int32_t first = time_month((int64_t)(now_hour - JUDGED_HOURS - HISTORY_HOURS) * TIME_HOUR_MS);
    for (int32_t month = first; month <= time_month(r->now_ms); month++) {
        uint32_t period = (uint32_t)month;
        usage_scan_begin(&scan, r->txn, TABLE_MONTHLY, organization, &period);
        while (usage_scan_next(&scan))
            usage_row_add(&sum, &scan.row);
        enum err_code code = usage_scan_end(&scan, err);
        if (code != ERR_OK)
            return code;
    }
    const struct spike_figures *gate = &r->options->gate;
    uint8_t numbers[40], row[USAGE_ROW_BYTES_MAX];
    put_be32(numbers, now_hour);
    put_be32(numbers + 4, settings->enabled ? settings->threshold_percent : 0);
    put_le64(numbers + 8, gate->calls);
    put_le64(numbers + 16, gate->tokens);
    money_put_sum(numbers + 24, gate->cost_pico);
    const struct bytes parts[] = {{numbers, sizeof numbers}, {row, usage_row_encode(&sum, row)}};
    ret->organization = organization;
    hash_sha256(parts, 2, ret->bytes);
    return ERR_OK;
}

/* A minute may be a loop's though the sums were looked at a second ago: those go by the clock. */
static bool
has_burst(const struct run *r, uint32_t organization)
{
    const struct spike_subject whole = {SPIKE_ORGANIZATION, 0, 0};
    const struct burst_busiest *busiest = burst_of(&r->bursts, organization, &whole);
    return busiest != NULL && busiest->by[SPIKE_CALLS].figures.calls >= BURST_CALLS_MIN;
}

static enum err_code
keep_rows(struct run *r, struct err *err)
{
    const struct verdict_row *rows = r->judging.rows.items;
    for (size_t i = 0; i < r->judging.rows.count; i++) {
        if (rows[i].change != VERDICT_SAME && !list_add(&r->rows, &rows[i]))
            return err_set(err, ERR_LIMIT, "no memory for rows of spikes");
    }
    return ERR_OK;
}

static void
complain(struct run *r, uint32_t organization, const char *complaint)
{
    char text[PROBLEM_BYTES];
    struct str name = dict_text(r->txn, organization);
    if (complaint == NULL || r->options->problem == NULL)
        return;
    snprintf(text, sizeof text, "organization %.*s: %s", STR_ARG(name), complaint);
    r->options->problem(r->options->context, text);
}

static enum err_code
visit(struct run *r, uint32_t organization, struct err *err)
{
    struct budget budget;
    struct mark mark;
    bool has_budget = budget_get(r->txn, organization, &budget);
    struct spike_settings settings = spike_settings_of(has_budget ? &budget : NULL);
    r->result.organizations++;
    complain(r, organization, settings.complaint);
    enum err_code code = make_mark(r, organization, &settings, &mark, err);
    if (code != ERR_OK || !settings.enabled ||
        (spike_mark_is(r->txn, organization, mark.bytes) && !has_burst(r, organization)))
        return code;
    r->judging.email = !has_budget || budget.email_alerts;
    code = judge_organization(&r->judging, organization, &settings, err);
    if (code != ERR_OK || r->judging.behind)
        return code;
    r->result.judged++;
    if (!list_add(&r->marks, &mark))
        return err_set(err, ERR_LIMIT, "no memory for a list of organizations");
    return keep_rows(r, err);
}

static void
count_row(struct run *r, struct tables_txn *txn, const struct verdict_row *v)
{
    struct spike_scan scan;
    struct spike old = {.organization = 0};
    spike_scan_begin(&scan, txn, v->row.organization);
    while (v->stored && spike_scan_next(&scan)) {
        if (scan.row.found_hour == v->row.found_hour &&
            memcmp(&scan.row.subject, &v->row.subject, sizeof v->row.subject) == 0)
            old = scan.row;
    }
    spike_scan_end(&scan);
    r->result.found += !v->stored;
    r->result.updated += v->stored && v->change == VERDICT_PUT;
    r->result.withdrawn += v->row.withdrawn && !old.withdrawn;
    r->result.bursts += v->row.burst && !old.burst;
}

/* A row that is news goes into the outbox with the row itself. */
static enum err_code
tell(struct run *r, struct tables_txn *txn, const struct verdict_row *v, struct err *err)
{
    const struct outbox_entry about = {.kind = OUTBOX_SPIKE,
                                       .organization = v->row.organization,
                                       .found_hour = v->row.found_hour,
                                       .subject = v->row.subject,
                                       .created_ms = r->now_ms};
    uint64_t messages = 0;
    if (!v->news)
        return ERR_OK;
    /* Writing moves the map's pages under its texts. */
    char organization[ORGANIZATION_BYTES];
    struct str name = dict_text(txn, v->row.organization);
    snprintf(organization, sizeof organization, "%.*s", STR_ARG(name));
    enum err_code code = notify_enqueue(r->options->notify, txn, str_of(organization), &about,
                                        v->email, &messages, err);
    r->result.messages += messages;
    return code;
}

static void
say_spike(struct tables_txn *txn, const struct verdict_row *v)
{
    const struct spike *s = &v->row;
    char cost[MONEY_TEXT_BYTES], usual[MONEY_TEXT_BYTES];
    money_format(s->actual.cost_pico, 12, cost);
    money_format(s->usual.cost_pico, 12, usual);
    log_line(LOG_LEVEL_DEBUG, "spike",
             "org=\"%.*s\" scope=%s from_hour=%" PRIu32 " to_hour=%" PRIu32
             " threshold_percent=%" PRIu32 " calls=%" PRIu64 " usual_calls=%" PRIu64
             " tokens=%" PRIu64 " usual_tokens=%" PRIu64
             " cost=%s usual_cost=%s burst=%d withdrawn=%d news=%d",
             STR_ARG(dict_text(txn, s->organization)), spike_scope_name(s->subject.scope),
             s->from_hour, s->to_hour, s->threshold_percent, s->actual.calls, s->usual.calls,
             s->actual.tokens, s->usual.tokens, cost, usual, s->burst, s->withdrawn, v->news);
}

/* All that is to be written, in one transaction: rows, and that they are. */
static enum err_code
flush(struct run *r, struct err *err)
{
    const struct verdict_row *rows = r->rows.items;
    const struct mark *marks = r->marks.items;
    struct tables_txn *txn;
    if (r->marks.count == 0)
        return ERR_OK;
    enum err_code code = tables_begin(r->tables, TABLES_WRITE, &txn, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; code == ERR_OK && i < r->rows.count; i++) {
        count_row(r, txn, &rows[i]);
        if (log_debugs())
            say_spike(txn, &rows[i]);
        code = rows[i].change == VERDICT_DELETE ? spike_delete(txn, &rows[i].row, err)
                                                : spike_put(txn, &rows[i].row, err);
        if (code == ERR_OK)
            code = tell(r, txn, &rows[i], err);
    }
    for (size_t i = 0; code == ERR_OK && i < r->marks.count; i++)
        code = spike_mark_put(txn, marks[i].organization, marks[i].bytes, err);
    r->rows.count = r->marks.count = 0;
    if (code == ERR_OK)
        return tables_commit(txn, err);
    tables_abort(txn);
    return code;
}

/* Reading, so that rollup can go on meanwhile; the lock keeps other writers of spikes out. */
static enum err_code
begin_reading(struct run *r, struct err *err)
{
    tables_abort(r->txn);
    r->txn = NULL;
    enum err_code code = tables_begin(r->tables, TABLES_READ, &r->txn, err);
    if (code != ERR_OK)
        return code;
    r->judging.txn = r->txn;
    r->judging.position = r->result.position = cursor_get(r->txn).seq;
    return ERR_OK;
}

static enum err_code
walk(struct run *r, struct err *err)
{
    uint32_t organization = 0;
    enum err_code code = begin_reading(r, err);
    if (code == ERR_OK)
        code = burst_read(&r->bursts, r->txn, &r->judging.log, err);
    while (code == ERR_OK && organization_next(r->txn, organization, &organization)) {
        code = visit(r, organization, err);
        if (code == ERR_OK && r->rows.count + r->marks.count >= WRITE_ROWS) {
            code = flush(r, err);
            if (code == ERR_OK)
                code = begin_reading(r, err);
        }
    }
    return code == ERR_OK ? flush(r, err) : code;
}

enum err_code
spike_stage_run(const struct spike_options *options, struct spike_result *ret, struct err *err)
{
    static struct run r; /* its detectors are too large for a stack */
    r = (struct run){.options = options, .lock_fd = -1, .now_ms = clock_now_ms(options->clock)};
    snprintf(r.currency, sizeof r.currency, "%.*s", STR_ARG(options->prices->currency));
    burst_minutes_init(&r.bursts);
    judging_init(&r.judging);
    list_init(&r.rows, sizeof(struct verdict_row));
    list_init(&r.marks, sizeof(struct mark));
    r.judging.log = (struct burst_log){options->data_directory, options->prices, r.now_ms};
    r.judging.bursts = &r.bursts;
    r.judging.gate = options->gate;
    r.judging.currency = r.currency;
    enum err_code code = tables_open_locked(options->data_directory, "spikes.lock", "gbill spikes",
                                            &r.tables, &r.lock_fd, err);
    if (code == ERR_OK)
        code = walk(&r, err);
    tables_abort(r.txn);
    tables_close(r.tables);
    list_clear(&r.marks);
    list_clear(&r.rows);
    judging_clear(&r.judging);
    burst_minutes_clear(&r.bursts);
    if (r.lock_fd >= 0)
        close(r.lock_fd);
    if (code == ERR_OK)
        *ret = r.result;
    return code;
}

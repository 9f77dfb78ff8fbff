#include "billing/chargeback/chargeback.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "billing/chargeback/metadata.h"
#include "rollup/calls.h"
#include "rollup/price/cost.h"
#include "store/base/log.h"
#include "store/base/time.h"
#include "store/tables/usage.h"

enum { TEXT_BYTES_MAX = 256 * 1024 * 1024, PICO_DIGITS = 12 };

void
chargeback_init(struct chargeback *c)
{
    *c = (struct chargeback){0};
    list_init(&c->parts, sizeof(struct chargeback_part));
    arena_init(&c->texts, TEXT_BYTES_MAX);
    map_init(&c->numbers, sizeof(uint32_t), sizeof(struct chargeback_part));
}

void
chargeback_clear(struct chargeback *c)
{
    dict_clear(&c->dict);
    map_clear(&c->numbers);
    arena_clear(&c->texts);
    list_clear(&c->parts);
}

static enum err_code
no_memory(struct err *err)
{
    return err_set(err, ERR_LIMIT, "no memory: the split has too many parts");
}

static enum err_code
part_at(struct chargeback *c, uint32_t number, struct chargeback_part **ret, struct err *err)
{
    *ret = map_at(&c->numbers, &number, map_hash(&c->numbers, &number));
    return *ret != NULL ? ERR_OK : no_memory(err);
}

/* A text that stays with the split. */
static enum err_code
keep_text(struct chargeback *c, struct chargeback_part *part, struct str text, struct err *err)
{
    if (part->value.data != NULL)
        return ERR_OK;
    const char *copy = arena_text(&c->texts, text);
    if (copy == NULL)
        return no_memory(err);
    part->value = (struct str){copy, text.size_bytes};
    return ERR_OK;
}

/* ---- from the tables ---- */

/* A row of an hour counts for the time that the hour begins in. */
static int64_t
hour_from(int64_t ms)
{
    return (ms + TIME_HOUR_MS - 1) / TIME_HOUR_MS;
}

static bool
is_month(const struct chargeback_invoice *v, int32_t *ret)
{
    *ret = time_month(v->from_ms);
    return time_month_start_ms(*ret) == v->from_ms && time_month_start_ms(*ret + 1) == v->to_ms;
}

struct totals {
    uint64_t calls;
    money_sum cost_pico;
};

static enum err_code
add_row(struct chargeback *c, struct tables_txn *txn, const struct usage_key *key,
        const struct usage_row *row, int dimension, struct totals *totals, struct err *err)
{
    struct chargeback_part *part;
    totals->calls += row->calls;
    totals->cost_pico += row->cost_pico;
    if (dimension < 0)
        return ERR_OK;
    uint32_t number = dimension == CHARGEBACK_PROJECT ? key->project : key->user;
    enum err_code code = part_at(c, number, &part, err);
    if (code != ERR_OK)
        return code;
    part->number = number;
    part->calls += row->calls;
    part->credits += usage_row_credits(row);
    part->llm_cost_pico += row->cost_pico;
    return keep_text(c, part, dict_text(txn, number), err);
}

/*
 * The usage of an invoice's time: a calendar month's rows, or those of its hours.
 *
 *   dimension  -1: only the totals
 */
static enum err_code
read_usage(struct chargeback *c, struct tables_txn *txn, const struct chargeback_invoice *v,
           int dimension, struct totals *totals, struct err *err)
{
    struct tables_scan scan;
    struct usage_row row;
    uint8_t from[USAGE_RANGE_BYTES];
    int32_t month;
    bool monthly = is_month(v, &month);
    enum table table = monthly ? TABLE_MONTHLY : TABLE_HOURLY;
    uint32_t first = monthly ? (uint32_t)month : (uint32_t)hour_from(v->from_ms);
    uint32_t end = monthly ? first + 1 : (uint32_t)hour_from(v->to_ms);
    enum err_code code = ERR_OK;
    put_be32(from, v->organization);
    put_be32(from + 4, first);
    tables_scan_begin(&scan, txn, table, (struct bytes){from, 4});
    bool more = tables_scan_seek(&scan, (struct bytes){from, sizeof from});
    for (; code == ERR_OK && more; more = tables_scan_next(&scan)) {
        struct usage_key key = usage_key_decode(scan.key.data);
        if (key.period >= end)
            break;
        code = usage_row_read(table, scan.value, &row, err);
        if (code == ERR_OK)
            code = add_row(c, txn, &key, &row, dimension, totals, err);
    }
    tables_scan_end(&scan);
    return code;
}

/* ---- the answer ---- */

static int
by_amount(const void *a, const void *b)
{
    const struct chargeback_part *x = a, *y = b;
    int x_none = x->value.size_bytes == 0, y_none = y->value.size_bytes == 0;
    if (x_none != y_none)
        return x_none - y_none;
    if (x->amount_minor != y->amount_minor)
        return x->amount_minor < y->amount_minor ? 1 : -1;
    if (x->llm_cost_pico != y->llm_cost_pico)
        return x->llm_cost_pico < y->llm_cost_pico ? 1 : -1;
    return str_compare(x->value, y->value);
}

/* The parts as a list, each with its share. */
static void
say_parts(const struct chargeback *c, const struct chargeback_invoice *v)
{
    const struct chargeback_part *parts = c->parts.items;
    for (size_t i = 0; i < c->parts.count; i++) {
        char cost[MONEY_TEXT_BYTES];
        money_format(parts[i].llm_cost_pico, 12, cost);
        log_line(LOG_LEVEL_DEBUG, "chargeback",
                 "organization=%" PRIu32 " from_ms=%" PRId64 " to_ms=%" PRId64
                 " total_minor=%" PRId64 " value=\"%.*s\" calls=%" PRIu64 " credits=%" PRIu64
                 " cost=%s amount_minor=%" PRId64,
                 v->organization, v->from_ms, v->to_ms, v->total_minor, STR_ARG(parts[i].value),
                 parts[i].calls, parts[i].credits, cost, parts[i].amount_minor);
    }
}

static enum err_code
finish(struct chargeback *c, const struct chargeback_invoice *v, struct err *err)
{
    /* An amount without any usage still is somebody's: nobody's in particular. */
    static const struct chargeback_part nobody = {.value = {"", 0}};
    for (uint32_t i = 0; i < c->numbers.count; i++) {
        if (!list_add(&c->parts, map_value(&c->numbers, i)))
            return no_memory(err);
    }
    if (c->parts.count == 0 && v->total_minor != 0 && !list_add(&c->parts, &nobody))
        return no_memory(err);
    if (c->parts.count == 0)
        return ERR_OK;
    enum err_code code = chargeback_share(c->parts.items, c->parts.count, v->total_minor, err);
    if (code == ERR_OK && log_debugs())
        say_parts(c, v);
    if (code == ERR_OK)
        qsort(c->parts.items, c->parts.count, sizeof(struct chargeback_part), by_amount);
    return code;
}

static void
begin(struct chargeback *c)
{
    c->parts.count = 0;
    map_reset(&c->numbers);
    arena_clear(&c->texts);
    dict_clear(&c->dict);
}

enum err_code
chargeback_split(struct chargeback *c, struct tables_txn *txn,
                 const struct chargeback_invoice *invoice, enum chargeback_dimension dimension,
                 struct err *err)
{
    struct totals totals = {0};
    begin(c);
    enum err_code code = read_usage(c, txn, invoice, (int)dimension, &totals, err);
    return code == ERR_OK ? finish(c, invoice, err) : code;
}

/* ---- from the log ---- */

struct pass {
    struct chargeback *chargeback;
    struct tables_txn *txn;
    const struct price_book *prices;
    struct str key;
    struct totals totals;
    struct buf value; /* of a metadata value as text */
};

static enum err_code
visit(void *context, const struct event *event, int64_t receive_utc_ms, struct err *err)
{
    struct pass *p = context;
    const struct price_query query = {event->organization, event->time_utc_ms, receive_utc_ms};
    const struct cost cost = cost_of(p->prices, &event->usage, &query);
    struct chargeback_part *part;
    struct str value;
    uint32_t number;
    if (!metadata_text(event->record, p->key, &p->value, &value))
        return no_memory(err);
    enum err_code code = dict_intern(&p->chargeback->dict, p->txn, value, &number, err);
    if (code == ERR_OK)
        code = part_at(p->chargeback, number, &part, err);
    if (code == ERR_OK)
        code = keep_text(p->chargeback, part, value, err);
    if (code != ERR_OK)
        return code;
    part->number = number;
    part->calls++;
    for (size_t i = 0; i < EVENT_CLASSES; i++)
        part->credits += event->usage.tokens[i];
    part->llm_cost_pico += cost.cost_pico;
    p->totals.calls++;
    p->totals.cost_pico += cost.cost_pico;
    return ERR_OK;
}

/* A split by what is not what was folded would be wrong without anyone seeing it. */
static enum err_code
check_totals(const struct totals *log, const struct totals *tables, struct err *err)
{
    char log_cost[MONEY_TEXT_BYTES], table_cost[MONEY_TEXT_BYTES];
    if (log->calls == tables->calls && log->cost_pico == tables->cost_pico)
        return ERR_OK;
    money_format(log->cost_pico, PICO_DIGITS, log_cost);
    money_format(tables->cost_pico, PICO_DIGITS, table_cost);
    return err_set(err, ERR_CONFLICT,
                   "the log gives %" PRIu64 " calls for %s, the tables hold %" PRIu64
                   " for %s: days "
                   "of the log are gone, or the price book is not that of the folds (--prices); "
                   "split by project or user instead",
                   log->calls, log_cost, tables->calls, table_cost);
}

enum err_code
chargeback_split_metadata(struct chargeback *c, struct tables_txn *txn,
                          const struct chargeback_invoice *invoice, struct str key,
                          const struct chargeback_log *log, struct err *err)
{
    struct pass p = {.chargeback = c, .txn = txn, .prices = log->prices, .key = key};
    struct totals tables = {0};
    const struct calls_options calls = {
        .data_directory = log->data_directory,
        .txn = txn,
        .from_ms = hour_from(invoice->from_ms) * TIME_HOUR_MS,
        .to_ms = hour_from(invoice->to_ms) * TIME_HOUR_MS,
        .organization = dict_text(txn, invoice->organization),
        .progress = log->progress,
        .progress_context = log->context,
    };
    begin(c);
    buf_init(&p.value, METADATA_TEXT_BYTES_MAX);
    enum err_code code = read_usage(c, txn, invoice, -1, &tables, err);
    if (code == ERR_OK && tables.calls > 0)
        code = calls_walk(&calls, visit, &p, err);
    if (code == ERR_OK)
        code = check_totals(&p.totals, &tables, err);
    if (code == ERR_OK)
        code = finish(c, invoice, err);
    buf_clear(&p.value);
    return code;
}

#include "rollup/audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "rollup/map.h"
#include "store/base/time.h"
#include "store/tables/balance.h"
#include "store/tables/cursor.h"
#include "store/tables/dict.h"
#include "store/tables/ids.h"
#include "store/tables/usage.h"
#include "store/tables/void.h"

#define REBUILD "; run gbill rollup --rebuild"

enum { TEXT_BYTES = 1024, PICO_DIGITS = 12 };

void
audit_say(struct audit *audit, const char *fmt, ...)
{
    char text[TEXT_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    audit->found++;
    audit->options->found(audit->options->context, text);
}

static struct str
organization_name(const struct audit *a, uint32_t organization)
{
    struct str name = dict_text(a->txn, organization);
    return name.size_bytes > 0 ? name : str_of("(without a name in the dictionary)");
}

void
audit_place(const struct audit *audit, uint32_t organization, uint32_t hour,
            char text[AUDIT_PLACE_BYTES])
{
    char when[TIME_TEXT_BYTES];
    struct str name = organization_name(audit, organization);
    time_format_hour(hour, when);
    if (organization == 0)
        snprintf(text, AUDIT_PLACE_BYTES, "quarantine, hour %s", when);
    else
        snprintf(text, AUDIT_PLACE_BYTES, "organization %.*s, hour %s", STR_ARG(name), when);
}

/* ---- balance, and hourly beside it ---- */

/* The sums of hourly over one organization and hour. */
struct hour_walk {
    struct usage_scan scan;
    bool more; /* scan stands at a row that is not in a sum yet */
    uint64_t place;
    uint64_t calls[BALANCE_COUNT]; /* by state */
};

static uint64_t
place_of(uint32_t organization, uint32_t hour)
{
    return (uint64_t)organization << 32 | hour;
}

static uint64_t
usage_place(const struct usage_scan *scan)
{
    return place_of(scan->key.organization, scan->key.period);
}

/* Sum the next hour; false behind the last one. */
static bool
hour_next(struct hour_walk *w)
{
    if (!w->more)
        return false;
    w->place = usage_place(&w->scan);
    w->calls[BALANCE_PRICED] = w->calls[BALANCE_ESTIMATED] = w->calls[BALANCE_UNPRICED] = 0;
    while (w->more && usage_place(&w->scan) == w->place) {
        const struct usage_row *row = &w->scan.row;
        w->calls[BALANCE_ESTIMATED] += row->estimated_calls;
        w->calls[BALANCE_UNPRICED] += row->unpriced_calls;
        w->calls[BALANCE_PRICED] += row->calls - row->estimated_calls - row->unpriced_calls;
        w->more = usage_scan_next(&w->scan);
    }
    return true;
}

static void
check_row(struct audit *a, const char *place, const struct balance *b)
{
    uint64_t became = 0;
    for (int c = BALANCE_PRICED; c <= BALANCE_SETTINGS; c++)
        became += b->events[c];
    if (!balance_closes(b))
        audit_say(a, "%s: %" PRIu64 " accepted, but the other columns add up to %" PRIu64 REBUILD,
                  place, b->events[BALANCE_ACCEPTED], became);
    if (b->events[BALANCE_CONFLICT] > b->events[BALANCE_DUPLICATE])
        audit_say(a, "%s: %" PRIu64 " conflicting among %" PRIu64 " duplicates" REBUILD, place,
                  b->events[BALANCE_CONFLICT], b->events[BALANCE_DUPLICATE]);
}

static void
check_calls(struct audit *a, const char *place, const struct balance *b, const uint64_t *calls)
{
    static const enum balance_column states[] = {BALANCE_PRICED, BALANCE_ESTIMATED,
                                                 BALANCE_UNPRICED};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        enum balance_column c = states[i];
        if (b->events[c] != calls[c])
            audit_say(a, "%s: %s is %" PRIu64 " in the balance, %" PRIu64 " in hourly" REBUILD,
                      place, balance_column_name(c), b->events[c], calls[c]);
    }
}

/* Walk the balance and hourly side by side; both are in the order of organization and hour. */
static enum err_code
check_hours(struct audit *a, struct balance *ret_sum, struct err *err)
{
    struct balance_scan scan;
    struct hour_walk w;
    usage_scan_begin(&w.scan, a->txn, TABLE_HOURLY, 0, NULL);
    w.more = usage_scan_next(&w.scan);
    balance_scan_begin(&scan, a->txn);
    bool in_balance = balance_scan_next(&scan), in_hourly = hour_next(&w);
    while (in_balance || in_hourly) {
        static const uint64_t no_calls[BALANCE_COUNT];
        char text[AUDIT_PLACE_BYTES];
        uint64_t place = in_balance ? place_of(scan.organization, scan.hour) : UINT64_MAX;
        if (in_hourly && w.place < place)
            place = w.place;
        bool has_row = in_balance && place_of(scan.organization, scan.hour) == place;
        bool has_calls = in_hourly && w.place == place;
        struct balance row = has_row ? scan.row : (struct balance){0};
        audit_place(a, (uint32_t)(place >> 32), (uint32_t)place, text);
        check_row(a, text, &row);
        check_calls(a, text, &row, has_calls ? w.calls : no_calls);
        balance_sum(ret_sum, &row);
        if (has_row)
            in_balance = balance_scan_next(&scan);
        if (has_calls)
            in_hourly = hour_next(&w);
    }
    balance_scan_end(&scan);
    return usage_scan_end(&w.scan, err);
}

/* ---- what there is one number of ---- */

static uint64_t
voids_done(struct tables_txn *txn)
{
    struct void_scan scan;
    uint64_t done = 0;
    void_scan_begin(&scan, txn, false);
    while (void_scan_next(&scan))
        done += scan.row.outcome == VOID_DONE;
    void_scan_end(&scan);
    return done;
}

static void
same(struct audit *a, const char *what, uint64_t is, const char *other, uint64_t want)
{
    if (is != want)
        audit_say(a, "%s: %" PRIu64 ", but %s: %" PRIu64 REBUILD, what, is, other, want);
}

static void
check_totals(struct audit *a, const struct balance *sum)
{
    struct balance total = balance_total(a->txn);
    struct cursor cursor = cursor_get(a->txn);
    const uint64_t *n = sum->events;
    for (int c = 0; c < BALANCE_COUNT; c++) {
        char what[64];
        snprintf(what, sizeof what, "balance: %s over all rows",
                 balance_column_name((enum balance_column)c));
        same(a, what, n[c], "in the total kept beside them", total.events[c]);
    }
    same(a, "balance: accepted over all rows", n[BALANCE_ACCEPTED], "the cursor stands at event",
         cursor.seq);
    same(a, "balance: quarantined over all rows", n[BALANCE_QUARANTINED],
         "the cursor stands at quarantined event", cursor.quarantine_seq);
    same(a, "table unpriced: rows", tables_count(a->txn, TABLE_UNPRICED), "unpriced in the balance",
         n[BALANCE_UNPRICED]);
    same(a, "table conflicts: rows", tables_count(a->txn, TABLE_CONFLICTS),
         "conflicting in the balance", n[BALANCE_CONFLICT]);
    same(a, "table voids: events taken out", voids_done(a->txn), "voided in the balance",
         n[BALANCE_VOIDED]);
    same(a, "table id_runs: ids", ids_count(a->txn), "accepted less duplicates in the balance",
         n[BALANCE_ACCEPTED] - n[BALANCE_DUPLICATE]);
}

/* ---- months ---- */

/* A key of monthly, summed from the hours and as it is stored. */
struct month_pair {
    struct usage_row hours, month;
};

static enum err_code
pair_of(struct map *map, const struct usage_key *key, struct month_pair **ret, struct err *err)
{
    uint8_t bytes[USAGE_KEY_BYTES];
    usage_key_encode(key, bytes);
    *ret = map_at(map, bytes, map_hash(map, bytes));
    return *ret != NULL ? ERR_OK
                        : err_set(err, ERR_LIMIT, "no memory for an organization's months");
}

static void
number_text(const struct usage_row *row, size_t column, char text[MONEY_TEXT_BYTES])
{
    uint64_t columns[USAGE_ROW_COLUMNS];
    usage_row_columns(row, columns);
    if (column == USAGE_COLUMN_COST || column == USAGE_COLUMN_COST_HIGH)
        money_format(row->cost_pico, PICO_DIGITS, text);
    else
        snprintf(text, MONEY_TEXT_BYTES, "%" PRIu64, columns[column]);
}

static void
compare_pair(struct audit *a, const struct usage_key *key, const struct month_pair *pair)
{
    uint64_t hours[USAGE_ROW_COLUMNS], month[USAGE_ROW_COLUMNS];
    usage_row_columns(&pair->hours, hours);
    usage_row_columns(&pair->month, month);
    for (size_t i = 0; i < USAGE_ROW_COLUMNS; i++) {
        bool said = i == USAGE_COLUMN_COST_HIGH &&
                    hours[USAGE_COLUMN_COST] != month[USAGE_COLUMN_COST];
        if (hours[i] == month[i] || said)
            continue;
        char when[TIME_TEXT_BYTES], is[MONEY_TEXT_BYTES], sum[MONEY_TEXT_BYTES];
        time_format_month((int32_t)key->period, when);
        number_text(&pair->month, i, is);
        number_text(&pair->hours, i, sum);
        struct str name = organization_name(a, key->organization);
        struct str user = dict_text(a->txn, key->user), model = dict_text(a->txn, key->model);
        struct str project = dict_text(a->txn, key->project);
        audit_say(a,
                  "organization %.*s, month %s, project \"%.*s\", user %.*s, model %.*s: %s is %s "
                  "in monthly, hourly adds up to %s" REBUILD,
                  STR_ARG(name), when, STR_ARG(project), STR_ARG(user), STR_ARG(model),
                  usage_row_column_name(i), is, sum);
    }
}

static enum err_code
add_hours(struct usage_scan *scan, bool *more, uint32_t organization, struct map *map,
          struct err *err)
{
    enum err_code code = ERR_OK;
    for (; code == ERR_OK && *more && scan->key.organization == organization;
         *more = usage_scan_next(scan)) {
        struct usage_key key = scan->key;
        struct month_pair *pair = NULL;
        key.period = (uint32_t)time_month((int64_t)key.period * TIME_HOUR_MS);
        code = pair_of(map, &key, &pair, err);
        if (code == ERR_OK)
            usage_row_add(&pair->hours, &scan->row);
    }
    return code;
}

static enum err_code
add_months(struct usage_scan *scan, bool *more, uint32_t organization, struct map *map,
           struct err *err)
{
    enum err_code code = ERR_OK;
    for (; code == ERR_OK && *more && scan->key.organization == organization;
         *more = usage_scan_next(scan)) {
        struct month_pair *pair = NULL;
        code = pair_of(map, &scan->key, &pair, err);
        if (code == ERR_OK)
            pair->month = scan->row;
    }
    return code;
}

/* One organization at a time, so that its months are all there is in memory. */
static enum err_code
check_months(struct audit *a, struct err *err)
{
    struct usage_scan hours, months;
    struct map map;
    map_init(&map, USAGE_KEY_BYTES, sizeof(struct month_pair));
    usage_scan_begin(&hours, a->txn, TABLE_HOURLY, 0, NULL);
    usage_scan_begin(&months, a->txn, TABLE_MONTHLY, 0, NULL);
    bool in_hours = usage_scan_next(&hours), in_months = usage_scan_next(&months);
    enum err_code code = ERR_OK;
    while (code == ERR_OK && (in_hours || in_months)) {
        uint32_t organization = in_hours ? hours.key.organization : months.key.organization;
        if (in_months && months.key.organization < organization)
            organization = months.key.organization;
        map_reset(&map);
        code = add_hours(&hours, &in_hours, organization, &map, err);
        if (code == ERR_OK)
            code = add_months(&months, &in_months, organization, &map, err);
        for (uint32_t i = 0; code == ERR_OK && i < map.count; i++) {
            struct usage_key key = usage_key_decode(map_key(&map, i));
            compare_pair(a, &key, map_value(&map, i));
        }
    }
    map_clear(&map);
    struct err second; /* the first error is the one to tell */
    enum err_code end = usage_scan_end(&hours, code == ERR_OK ? err : &second);
    code = code == ERR_OK ? end : code;
    end = usage_scan_end(&months, code == ERR_OK ? err : &second);
    return code == ERR_OK ? end : code;
}

enum err_code
audit_run(const struct audit_options *options, uint64_t *ret_found, struct err *err)
{
    struct audit a = {.options = options, .txn = options->txn};
    struct balance sum = {0};
    enum err_code code = check_hours(&a, &sum, err);
    if (code == ERR_OK) {
        check_totals(&a, &sum);
        code = check_months(&a, err);
    }
    if (code == ERR_OK && options->log_directory != NULL)
        code = audit_log(&a, err);
    *ret_found = a.found;
    return code;
}

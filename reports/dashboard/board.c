#include "reports/dashboard/board.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "billing/budget/spend.h"
#include "reports/dashboard/parts.h"
#include "reports/usage_walk.h"
#include "store/base/time.h"
#include "store/tables/adjustment.h"
#include "store/tables/budget.h"
#include "store/tables/budget_month.h"
#include "store/tables/cursor.h"
#include "store/tables/dict.h"
#include "store/tables/organization.h"

enum {
    TEXTS_BYTES_MAX = 32 * 1024 * 1024,
    DAY_HOURS = BOARD_DAY_HOURS,
    WEEKDAY_OF_DAY_0 = 3, /* 1970-01-01 was a Thursday; 0 is Monday */
};

struct gathering {
    struct tables_txn *txn;
    uint32_t organization;
    struct board *board;
    struct parts parts[BOARD_CUTS];
    bool failed; /* no memory */
};

static const char *
keep(struct gathering *g, struct str text)
{
    const char *copy = arena_text(&g->board->texts, text);
    g->failed = g->failed || copy == NULL;
    return copy != NULL ? copy : "";
}

static const char *
keep_number(struct gathering *g, uint32_t number)
{
    return number == 0 ? "" : keep(g, dict_text(g->txn, number));
}

/* ---- usage ---- */

static void
add(struct board_sum *sum, const struct usage_row *row)
{
    sum->cost_pico += row->cost_pico;
    sum->calls += row->calls;
    sum->credits += usage_row_credits(row);
    sum->unpriced_calls += row->unpriced_calls;
}

/* 2^100 picos are more money than there is: a row beyond is no sum of calls. */
static enum err_code
check_cost(money_sum cost_pico, struct err *err)
{
    const money_sum most = (money_sum)1 << 100;
    return cost_pico <= most && cost_pico >= -most
               ? ERR_OK
               : err_set(err, ERR_CORRUPT,
                         "hourly: a cost beyond 2^100 picos; run gbill rollup --rebuild");
}

static void
see_day(struct board *b, uint32_t day)
{
    if (day - b->from_day >= b->begun_days)
        b->begun_days = day - b->from_day + 1;
}

static void
take_unpriced(struct gathering *g, const struct usage_key *key)
{
    char text[2 * DICT_TEXT_BYTES_MAX + 2];
    struct str provider = dict_text(g->txn, key->provider), model = dict_text(g->txn, key->model);
    snprintf(text, sizeof text, "%.*s %.*s", STR_ARG(provider), STR_ARG(model));
    g->board->unpriced = keep(g, str_of(text));
}

static void
take_row(struct gathering *g, const struct usage_key *key, const struct usage_row *row)
{
    struct board *b = g->board;
    uint32_t day = key->period / DAY_HOURS, weekday = (day + WEEKDAY_OF_DAY_0) % BOARD_WEEK_DAYS;
    struct board_sum sum = {0};
    add(&sum, row);
    add(&b->total, row);
    add(&b->days[day - b->from_day].sum, row);
    add(&b->week[weekday][key->period % DAY_HOURS], row);
    see_day(b, day);
    g->failed = !parts_add(&g->parts[BOARD_MODELS], key->provider, key->model, &sum) ||
                !parts_add(&g->parts[BOARD_PROJECTS], 0, key->project, &sum) ||
                !parts_add(&g->parts[BOARD_USERS], 0, key->user, &sum) || g->failed;
    if (row->unpriced_calls > 0 && b->unpriced[0] == '\0')
        take_unpriced(g, key);
}

/* Walk the rows from one hour to another; into NULL: they are the period's own. */
static enum err_code
walk(struct gathering *g, uint32_t from_hour, uint32_t to_hour, struct board_sum *into,
     struct err *err)
{
    struct usage_range range = {g->board->organization, from_hour, to_hour};
    struct usage_walk walk;
    enum err_code code = usage_walk_begin(&walk, g->txn, &range, err);
    bool none = code == ERR_NOT_FOUND; /* it has no usage at all */
    while (code == ERR_OK && !g->failed && usage_walk_next(&walk)) {
        code = check_cost(walk.row.cost_pico, err);
        if (code != ERR_OK)
            break;
        if (into != NULL)
            add(into, &walk.row);
        else
            take_row(g, &walk.key, &walk.row);
    }
    enum err_code read = usage_walk_end(&walk, code == ERR_OK ? err : NULL);
    return none ? ERR_OK : code == ERR_OK ? read : code;
}

/* Is there usage of the organization within a day of this hour, or before? */
static bool
is_there_by(const struct gathering *g, uint32_t hour)
{
    uint8_t from[USAGE_RANGE_BYTES] = {0};
    struct bytes key;
    put_be32(from, g->organization);
    return tables_first_from(g->txn, TABLE_HOURLY, (struct bytes){from, sizeof from}, &key) &&
           get_be32(key.data) == g->organization && get_be32(key.data + 4) < hour + DAY_HOURS;
}

/* As much of the time before as the period has had of its own. */
static enum err_code
read_previous(struct gathering *g, struct err *err)
{
    struct board *b = g->board;
    uint32_t from = b->from_day * DAY_HOURS, to = b->to_day * DAY_HOURS;
    uint32_t now = (uint32_t)(b->now_ms / TIME_HOUR_MS) + 1;
    uint32_t before = b->is_month && b->month > 0
                          ? (uint32_t)(time_month_start_ms(b->month - 1) / TIME_HOUR_MS)
                      : from > to - from ? from - (to - from)
                                         : 0;
    uint32_t gone = now >= to ? from - before : now > from ? now - from : 0;
    uint32_t end = gone < from - before ? before + gone : from;
    b->has_previous = end > before && is_there_by(g, before);
    return b->has_previous ? walk(g, before, end, &b->previous, err) : ERR_OK;
}

/* ---- money beside usage ---- */

static void
read_adjustments(struct gathering *g)
{
    struct board *b = g->board;
    money_sum minor_pico = spend_minor_pico(b->currency);
    int32_t last = time_month(((int64_t)b->to_day - 1) * TIME_DAY_MS);
    for (int32_t month = time_month((int64_t)b->from_day * TIME_DAY_MS); month <= last; month++) {
        struct adjustment_scan scan;
        adjustment_scan_begin(&scan, g->txn, g->organization, month);
        while (adjustment_scan_next(&scan)) {
            uint32_t day = (uint32_t)(scan.row.time_utc_ms / TIME_DAY_MS);
            if (day < b->from_day || day >= b->to_day)
                continue;
            if (!str_is(dict_text(g->txn, scan.row.currency), b->currency)) {
                b->foreign++;
                continue;
            }
            b->adjustment_pico += scan.row.amount_minor * minor_pico;
            b->days[day - b->from_day].adjustment_pico += scan.row.amount_minor * minor_pico;
            see_day(b, day);
        }
        adjustment_scan_end(&scan);
    }
}

/* A month that is over is judged by the settings it had: those that gbill budgets last applied. */
static void
read_budget(struct gathering *g)
{
    struct board *b = g->board;
    struct budget budget;
    struct budget_month month;
    uint64_t minor = 0;
    if (!b->is_month)
        return;
    if (time_month(b->now_ms) <= b->month) {
        b->has_budget = budget_get(g->txn, g->organization, &budget) && budget.has_monthly;
        minor = b->has_budget ? budget.monthly_minor : 0;
    } else {
        b->has_budget = budget_month_get(g->txn, g->organization, b->month, &month) &&
                        month.has_monthly;
        minor = b->has_budget ? month.monthly_minor : 0;
    }
    b->budget_pico = (money_sum)minor * spend_minor_pico(b->currency);
}

/* As gbill budgets takes it: no older than a day. */
static void
read_forecast(struct gathering *g)
{
    struct board *b = g->board;
    struct forecast_row *f = &b->forecast;
    b->has_forecast = b->is_month && time_month(b->now_ms) == b->month &&
                      forecast_get(g->txn, g->organization, b->month, f) &&
                      f->made_ms <= b->now_ms && b->now_ms - f->made_ms <= TIME_DAY_MS &&
                      strcmp(f->currency, b->currency) == 0;
}

/* ---- spikes ---- */

/* Money first: what is told by its cost before what is told by tokens, and that before calls. */
static bool
is_less(const struct board_spike *a, const struct board_spike *b)
{
    return a->leading != b->leading ? a->leading < b->leading
                                    : a->actual - a->usual < b->actual - b->usual;
}

/* They come by the hour they were found at; where there are too many the least makes room. */
static void
take_spike(struct gathering *g, const struct spike *row)
{
    struct board *b = g->board;
    enum spike_measure leading = spike_leading(row->measures);
    struct board_spike spike = {.from_hour = row->from_hour,
                                .to_hour = row->to_hour,
                                .peak_hour = row->peak_hour,
                                .burst = row->burst,
                                .leading = leading,
                                .actual = spike_measure_of(&row->actual, leading),
                                .usual = spike_measure_of(&row->usual, leading)};
    size_t least = 0;
    b->spikes_found++;
    if (b->spike_count == BOARD_SPIKES_MAX) {
        for (size_t i = 1; i < b->spike_count; i++)
            least = is_less(&b->spikes[i], &b->spikes[least]) ? i : least;
        if (!is_less(&b->spikes[least], &spike))
            return;
        b->spike_count--;
        memmove(&b->spikes[least], &b->spikes[least + 1],
                (b->spike_count - least) * sizeof b->spikes[0]);
    }
    spike.text = keep(g, str_of(row->text));
    b->spikes[b->spike_count++] = spike;
}

static void
read_spikes(struct gathering *g)
{
    struct board *b = g->board;
    struct spike_scan scan;
    spike_scan_begin(&scan, g->txn, g->organization);
    while (!g->failed && spike_scan_next(&scan)) {
        uint32_t day = scan.row.peak_hour / DAY_HOURS;
        if (scan.row.withdrawn || day < b->from_day || day >= b->to_day)
            continue;
        b->days[day - b->from_day].spikes++;
        see_day(b, day);
        take_spike(g, &scan.row);
    }
    spike_scan_end(&scan);
}

/* ---- advice ---- */

/* The largest part of what could be spared first; then what would save most if it served. */
static bool
comes_before(const struct recommendation *row, const struct board_advice *other)
{
    return row->share_pico != other->share_pico ? row->share_pico > other->share_pico
                                                : row->saving_pico > other->saving_pico;
}

static void
take_advice(struct gathering *g, const struct recommendation *row)
{
    struct board *b = g->board;
    size_t at = b->advice_count;
    while (at > 0 && comes_before(row, &b->advice[at - 1]))
        at--;
    b->advice_found++;
    if (at == BOARD_ADVICE_MAX)
        return;
    if (b->advice_count < BOARD_ADVICE_MAX)
        b->advice_count++;
    memmove(&b->advice[at + 1], &b->advice[at], (b->advice_count - at - 1) * sizeof b->advice[0]);
    struct board_advice *a = &b->advice[at];
    *a = (struct board_advice){
        .title = keep(g, row->texts[RECOMMENDATION_TITLE]),
        .description = keep(g, row->texts[RECOMMENDATION_DESCRIPTION]),
        .priority = row->priority,
        .candidate = row->candidate,
        .confidence_percent = row->confidence_percent,
        .calls = row->calls,
        .cost_pico = row->cost_pico,
        .saving_pico = row->saving_pico,
        .share_pico = row->share_pico,
    };
    memcpy(a->currency, row->currency, sizeof a->currency);
}

static void
read_advice(struct gathering *g)
{
    struct recommendation_scan scan;
    recommendation_scan_begin(&scan, g->txn, g->organization);
    while (!g->failed && recommendation_scan_next(&scan)) {
        if (scan.row.status == RECOMMENDATION_PENDING)
            take_advice(g, &scan.row);
    }
    recommendation_scan_end(&scan);
    g->board->has_efficiency = efficiency_last(g->txn, g->organization, &g->board->efficiency);
}

/* ---- all of it ---- */

static void
begin(struct board *b, const struct board_query *q)
{
    int64_t from_ms = (int64_t)q->from_day * TIME_DAY_MS, to_ms = (int64_t)q->to_day * TIME_DAY_MS;
    memset(b, 0, sizeof *b);
    arena_init(&b->texts, TEXTS_BYTES_MAX);
    snprintf(b->currency, sizeof b->currency, "%s", q->currency);
    b->from_day = q->from_day;
    b->to_day = q->to_day;
    b->day_count = q->to_day - q->from_day;
    b->now_ms = q->now_ms;
    b->month = time_month(from_ms);
    b->is_month = time_month_start_ms(b->month) == from_ms &&
                  time_month_start_ms(b->month + 1) == to_ms;
    b->organization = b->unpriced = "";
    int64_t today = q->now_ms / TIME_DAY_MS;
    b->begun_days = today < q->from_day ? 0
                    : today < q->to_day ? (uint32_t)today - q->from_day + 1
                                        : b->day_count;
}

static enum err_code
gather(struct gathering *g, struct err *err)
{
    struct board *b = g->board;
    enum err_code code = walk(g, b->from_day * DAY_HOURS, b->to_day * DAY_HOURS, NULL, err);
    if (code == ERR_OK)
        code = read_previous(g, err);
    if (code != ERR_OK)
        return code;
    read_adjustments(g);
    b->spend_pico = b->total.cost_pico + b->adjustment_pico;
    read_budget(g);
    read_forecast(g);
    read_spikes(g);
    read_advice(g);
    for (int by = 0; by < BOARD_CUTS; by++) {
        struct board_cut *cut = &b->cuts[by];
        parts_rank(&g->parts[by], cut);
        for (size_t i = 0; i < cut->part_count; i++) {
            cut->parts[i].provider = keep_number(g, parts_provider(&g->parts[by], i));
            cut->parts[i].name = keep_number(g, parts_name(&g->parts[by], i));
        }
    }
    return ERR_OK;
}

/* A text may be known as a user's, say; and the empty one is number 0, which no organization has. */
static bool
find_organization(struct gathering *g, const char *name)
{
    uint32_t found;
    return dict_find(g->txn, str_of(name), &g->organization) && g->organization != 0 &&
           organization_next(g->txn, g->organization - 1, &found) && found == g->organization;
}

enum err_code
board_make(struct tables_txn *txn, const struct board_query *query, struct board *ret,
           struct err *err)
{
    assert(query->from_day < query->to_day && query->to_day - query->from_day <= BOARD_DAYS_MAX);
    struct gathering g = {.txn = txn, .board = ret};
    begin(ret, query);
    if (!find_organization(&g, query->organization))
        return err_set(err, ERR_NOT_FOUND,
                       "no event has named the organization \"%s\"; ids match exactly",
                       query->organization);
    ret->organization = keep(&g, str_of(query->organization));
    ret->position = cursor_get(txn).seq;
    for (int by = 0; by < BOARD_CUTS; by++)
        parts_init(&g.parts[by]);
    enum err_code code = gather(&g, err);
    for (int by = 0; by < BOARD_CUTS; by++)
        parts_clear(&g.parts[by]);
    if (code == ERR_OK && g.failed)
        code = err_set(err, ERR_LIMIT,
                       "no memory for what a dashboard shows of \"%s\"; ask for a shorter time",
                       query->organization);
    return code;
}

void
board_clear(struct board *board)
{
    arena_clear(&board->texts);
}

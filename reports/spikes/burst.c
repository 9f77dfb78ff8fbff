#include "reports/spikes/burst.h"

#include "reports/spikes/series.h"
#include "rollup/calls.h"
#include "rollup/price/cost.h"
#include "store/base/time.h"
#include "store/tables/dict.h"

static const int64_t minute_ms = 60000;

/* A loop's calls come as they are made; a day's log is not read for those that come late. */
#define BURST_NEAR_MS ((int64_t)10 * 60000)

struct key {
    uint32_t organization;
    struct spike_subject subject;
    uint32_t minute; /* 0 in busiest */
};

struct walk {
    struct tables_txn *txn;
    const struct price_book *prices;
    struct map *sums;       /* struct key -> struct spike_figures */
    const struct map *only; /* of subjects that burst_minutes.busiest has busy; NULL: of all */
};

void
burst_minutes_init(struct burst_minutes *m)
{
    map_init(&m->sums, sizeof(struct key), sizeof(struct spike_figures));
    map_init(&m->busiest, sizeof(struct key), sizeof(struct burst_busiest));
    map_init(&m->past, sizeof(struct key), sizeof(struct spike_figures));
}

void
burst_minutes_clear(struct burst_minutes *m)
{
    map_clear(&m->sums);
    map_clear(&m->busiest);
    map_clear(&m->past);
}

static uint32_t
number_of(struct tables_txn *txn, struct str text)
{
    uint32_t number = 0;
    return dict_find(txn, text, &number) ? number : 0;
}

static bool
is_busy(const struct map *busiest, struct key key)
{
    key.minute = 0;
    const struct burst_busiest *b = map_find(busiest, &key, map_hash(busiest, &key));
    return b != NULL && b->by[SPIKE_CALLS].figures.calls >= BURST_CALLS_MIN;
}

/* Counted calls are folded, so the dictionary has all their names. */
static enum err_code
visit(void *context, const struct event *event, int64_t receive_utc_ms, struct err *err)
{
    const struct walk *w = context;
    const struct event_usage *u = &event->usage;
    const struct price_query query = {event->organization, event->time_utc_ms, receive_utc_ms};
    const struct cost cost = cost_of(w->prices, u, &query);
    struct spike_figures call = {.calls = 1, .cost_pico = cost.cost_pico};
    struct key key = {.organization = number_of(w->txn, event->organization),
                      .minute = (uint32_t)(event->time_utc_ms / minute_ms)};
    const struct spike_subject subjects[SPIKE_SCOPE_COUNT] = {
        {SPIKE_ORGANIZATION, 0, 0},
        {SPIKE_PROJECT, 0, number_of(w->txn, u->project)},
        {SPIKE_USER, 0, number_of(w->txn, u->user)},
        {SPIKE_MODEL, number_of(w->txn, u->provider), number_of(w->txn, u->model)},
    };
    for (int i = 0; i < EVENT_CLASSES; i++)
        call.tokens += u->tokens[i];
    for (int i = 0; i < SPIKE_SCOPE_COUNT; i++) {
        key.subject = subjects[i];
        if (w->only != NULL && !is_busy(w->only, key))
            continue;
        struct spike_figures *sum = map_at(w->sums, &key, map_hash(w->sums, &key));
        if (sum == NULL)
            return err_set(err, ERR_LIMIT, "no memory for the last minutes");
        spike_figures_add(sum, &call);
    }
    return ERR_OK;
}

static enum err_code
walk_calls(struct map *sums, const struct map *only, struct tables_txn *txn,
           const struct burst_log *log, int64_t from_ms, int64_t to_ms, struct err *err)
{
    struct walk w = {txn, log->prices, sums, only};
    const struct calls_options options = {
        .data_directory = log->data_directory,
        .txn = txn,
        .from_ms = from_ms,
        .to_ms = to_ms,
        .near_ms = BURST_NEAR_MS,
    };
    enum err_code code = calls_walk(&options, visit, &w, err);
    return code == ERR_NOT_FOUND ? ERR_OK : code; /* what the log no longer has is no burst */
}

static int64_t
minute_start(int64_t utc_ms)
{
    return utc_ms - utc_ms % minute_ms;
}

enum err_code
burst_read(struct burst_minutes *m, struct tables_txn *txn, const struct burst_log *log,
           struct err *err)
{
    int64_t to_ms = minute_start(log->now_ms) + minute_ms;
    map_reset(&m->sums);
    map_reset(&m->busiest);
    map_reset(&m->past);
    m->past_read = false;
    enum err_code code =
        walk_calls(&m->sums, NULL, txn, log, to_ms - BURST_MINUTES * minute_ms, to_ms, err);
    for (uint32_t i = 0; code == ERR_OK && i < m->sums.count; i++) {
        const struct spike_figures *figures = map_value(&m->sums, i);
        struct key key = *(const struct key *)(const void *)map_key(&m->sums, i);
        const struct burst_minute minute = {key.minute, *figures};
        key.minute = 0;
        struct burst_busiest *busiest = map_at(&m->busiest, &key, map_hash(&m->busiest, &key));
        if (busiest == NULL)
            return err_set(err, ERR_LIMIT, "no memory for the last minutes");
        for (int k = 0; k < SPIKE_MEASURES; k++) {
            enum spike_measure measure = (enum spike_measure)k;
            struct burst_minute *best = &busiest->by[k];
            if (best->figures.calls == 0 ||
                spike_measure_of(figures, measure) > spike_measure_of(&best->figures, measure))
                *best = minute;
        }
    }
    return code;
}

const struct burst_busiest *
burst_of(const struct burst_minutes *m, uint32_t organization, const struct spike_subject *subject)
{
    const struct key key = {organization, *subject, 0};
    return map_find(&m->busiest, &key, map_hash(&m->busiest, &key));
}

bool
burst_is_pace(const struct burst_minute *minute, enum spike_measure measure,
              const struct spike_figures *usual, uint32_t threshold_percent,
              const struct spike_figures *gate)
{
    money_sum pace = spike_measure_of(&minute->figures, measure) * 60,
              of_usual = spike_measure_of(usual, measure);
    return minute->figures.calls >= BURST_CALLS_MIN &&
           pace * 100 >= of_usual * threshold_percent * BURST_PACE &&
           pace - of_usual >= spike_measure_of(gate, measure) * 10;
}

/* The minutes that a burst is held against: just before it, and around it a day ago. */
struct window {
    int64_t from_ms, to_ms;
};

enum { WINDOWS = 2 };

static void
windows_of(const struct burst_log *log, struct window ret[WINDOWS])
{
    int64_t now_ms = minute_start(log->now_ms) + minute_ms,
            before_ms = now_ms - BURST_MINUTES * minute_ms, day_ms = before_ms - TIME_DAY_MS;
    ret[0] = (struct window){before_ms - BURST_BEFORE_MIN * minute_ms, before_ms};
    ret[1] =
        (struct window){day_ms - BURST_MINUTES * minute_ms, day_ms + 2 * BURST_MINUTES * minute_ms};
}

/* One walk for all who were busy lately: a log of many organizations has many of them. */
static enum err_code
read_past(struct burst_minutes *m, struct tables_txn *txn, const struct burst_log *log,
          struct err *err)
{
    struct window windows[WINDOWS];
    enum err_code code = ERR_OK;
    windows_of(log, windows);
    for (int i = 0; code == ERR_OK && i < WINDOWS; i++)
        code =
            walk_calls(&m->past, &m->busiest, txn, log, windows[i].from_ms, windows[i].to_ms, err);
    m->past_read = code == ERR_OK;
    return code;
}

/* Was a minute of the past near this one? */
static bool
comes_near(const struct map *past, struct key key, struct window w,
           const struct burst_minute *minute, enum spike_measure measure)
{
    money_sum most = spike_measure_of(&minute->figures, measure);
    for (int64_t at = w.from_ms; at < w.to_ms; at += minute_ms) {
        key.minute = (uint32_t)(at / minute_ms);
        const struct spike_figures *other = map_find(past, &key, map_hash(past, &key));
        if (other != NULL && spike_measure_of(other, measure) * BURST_NEAR >= most)
            return true;
    }
    return false;
}

enum err_code
burst_is_new(struct burst_minutes *m, struct tables_txn *txn, const struct burst_log *log,
             uint32_t organization, const struct spike_subject *subject,
             const struct burst_minute *minute, enum spike_measure measure, bool *ret,
             struct err *err)
{
    const struct key key = {organization, *subject, 0};
    struct window windows[WINDOWS];
    windows_of(log, windows);
    enum err_code code = m->past_read ? ERR_OK : read_past(m, txn, log, err);
    if (code == ERR_OK)
        *ret = !comes_near(&m->past, key, windows[0], minute, measure) &&
               !comes_near(&m->past, key, windows[1], minute, measure);
    return code;
}

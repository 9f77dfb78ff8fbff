#include "reports/spikes/burst.h"

#include "rollup/calls.h"
#include "rollup/price/cost.h"
#include "store/base/time.h"
#include "store/tables/dict.h"

static const int64_t minute_ms = 60000;

struct key {
    uint32_t organization;
    struct spike_subject subject;
    uint32_t minute; /* 0 in dearest */
};

struct walk {
    struct tables_txn *txn;
    const struct price_book *prices;
    struct map *sums; /* struct key -> struct burst_minute */
};

void
burst_minutes_init(struct burst_minutes *m)
{
    map_init(&m->sums, sizeof(struct key), sizeof(struct burst_minute));
    map_init(&m->dearest, sizeof(struct key), sizeof(struct burst_minute));
}

void
burst_minutes_clear(struct burst_minutes *m)
{
    map_clear(&m->sums);
    map_clear(&m->dearest);
}

static uint32_t
number_of(struct tables_txn *txn, struct str text)
{
    uint32_t number = 0;
    return dict_find(txn, text, &number) ? number : 0;
}

/* Counted calls are folded, so the dictionary has all their names. */
static enum err_code
visit(void *context, const struct event *event, int64_t receive_utc_ms, struct err *err)
{
    const struct walk *w = context;
    const struct event_usage *u = &event->usage;
    const struct price_query query = {event->organization, event->time_utc_ms, receive_utc_ms};
    const struct cost cost = cost_of(w->prices, u, &query);
    struct key key = {.organization = number_of(w->txn, event->organization),
                      .minute = (uint32_t)(event->time_utc_ms / minute_ms)};
    const struct spike_subject subjects[SPIKE_SCOPE_COUNT] = {
        {SPIKE_ORGANIZATION, 0, 0},
        {SPIKE_PROJECT, 0, number_of(w->txn, u->project)},
        {SPIKE_USER, 0, number_of(w->txn, u->user)},
        {SPIKE_MODEL, number_of(w->txn, u->provider), number_of(w->txn, u->model)},
    };
    for (int i = 0; i < SPIKE_SCOPE_COUNT; i++) {
        key.subject = subjects[i];
        struct burst_minute *sum = map_at(w->sums, &key, map_hash(w->sums, &key));
        if (sum == NULL)
            return err_set(err, ERR_LIMIT, "no memory for the last minutes");
        sum->minute = key.minute;
        sum->calls++;
        sum->cost_pico += cost.cost_pico;
    }
    return ERR_OK;
}

static enum err_code
walk_calls(struct map *sums, struct tables_txn *txn, const struct burst_log *log,
           struct str organization, int64_t from_ms, int64_t to_ms, struct err *err)
{
    struct walk w = {txn, log->prices, sums};
    const struct calls_options options = {
        .data_directory = log->data_directory,
        .txn = txn,
        .from_ms = from_ms,
        .to_ms = to_ms,
        .organization = organization,
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
    map_reset(&m->dearest);
    enum err_code code = walk_calls(&m->sums, txn, log, (struct str){0},
                                    to_ms - BURST_MINUTES * minute_ms, to_ms, err);
    for (uint32_t i = 0; code == ERR_OK && i < m->sums.count; i++) {
        const struct burst_minute *minute = map_value(&m->sums, i);
        struct key key = *(const struct key *)(const void *)map_key(&m->sums, i);
        key.minute = 0;
        struct burst_minute *best = map_at(&m->dearest, &key, map_hash(&m->dearest, &key));
        if (best == NULL)
            return err_set(err, ERR_LIMIT, "no memory for the last minutes");
        if (best->calls == 0 || minute->cost_pico > best->cost_pico)
            *best = *minute;
    }
    return code;
}

const struct burst_minute *
burst_of(const struct burst_minutes *m, uint32_t organization, const struct spike_subject *subject)
{
    const struct key key = {organization, *subject, 0};
    return map_find(&m->dearest, &key, map_hash(&m->dearest, &key));
}

bool
burst_is_pace(const struct burst_minute *minute, money_sum usual_pico, uint32_t threshold_percent,
              money_sum gate_pico)
{
    money_sum pace_pico = minute->cost_pico * 60;
    return minute->calls >= BURST_CALLS_MIN &&
           pace_pico * 100 >= usual_pico * threshold_percent * BURST_PACE &&
           pace_pico - usual_pico >= gate_pico * 10;
}

static bool
comes_near(const struct map *sums, uint32_t organization, const struct spike_subject *subject,
           const struct burst_minute *minute)
{
    for (uint32_t i = 0; i < sums->count; i++) {
        const struct key *key = (const struct key *)(const void *)map_key(sums, i);
        const struct burst_minute *other = map_value(sums, i);
        if (key->organization == organization && key->subject.scope == subject->scope &&
            key->subject.provider == subject->provider && key->subject.value == subject->value &&
            other->cost_pico * BURST_NEAR >= minute->cost_pico)
            return true;
    }
    return false;
}

enum err_code
burst_is_new(struct tables_txn *txn, const struct burst_log *log, uint32_t organization,
             const struct spike_subject *subject, const struct burst_minute *minute, bool *ret,
             struct err *err)
{
    struct map sums;
    struct str name = dict_text(txn, organization);
    int64_t now_ms = minute_start(log->now_ms) + minute_ms,
            before_ms = now_ms - BURST_MINUTES * minute_ms, day_ms = before_ms - TIME_DAY_MS;
    map_init(&sums, sizeof(struct key), sizeof(struct burst_minute));
    enum err_code code =
        walk_calls(&sums, txn, log, name, before_ms - BURST_BEFORE_MIN * minute_ms, before_ms, err);
    if (code == ERR_OK)
        code = walk_calls(&sums, txn, log, name, day_ms - BURST_MINUTES * minute_ms,
                          day_ms + 2 * BURST_MINUTES * minute_ms, err);
    if (code == ERR_OK)
        *ret = !comes_near(&sums, organization, subject, minute);
    map_clear(&sums);
    return code;
}

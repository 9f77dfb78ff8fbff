#include "reports/spikes/series.h"

#include "store/tables/usage.h"

void
series_set_init(struct series_set *set)
{
    *set = (struct series_set){0};
    map_init(&set->numbers, sizeof(struct spike_subject), sizeof(uint32_t));
    list_init(&set->all, sizeof(struct series));
}

static void
empty(struct series_set *set)
{
    struct series *all = set->all.items;
    for (size_t i = 0; i < set->all.count; i++)
        list_clear(&all[i].points);
    set->all.count = 0;
    map_reset(&set->numbers);
}

void
series_set_clear(struct series_set *set)
{
    empty(set);
    list_clear(&set->all);
    map_clear(&set->numbers);
}

void
spike_figures_add(struct spike_figures *sum, const struct spike_figures *more)
{
    sum->calls += more->calls;
    sum->tokens += more->tokens;
    sum->cost_pico += more->cost_pico;
}

bool
spike_figures_reach(const struct spike_figures *f, const struct spike_figures *gate)
{
    return f->calls >= gate->calls || f->tokens >= gate->tokens || f->cost_pico >= gate->cost_pico;
}

/* Each of a by itself is at least b's. */
static void
raise_to(struct spike_figures *a, const struct spike_figures *b)
{
    a->calls = a->calls > b->calls ? a->calls : b->calls;
    a->tokens = a->tokens > b->tokens ? a->tokens : b->tokens;
    a->cost_pico = a->cost_pico > b->cost_pico ? a->cost_pico : b->cost_pico;
}

static enum err_code
no_memory(struct err *err)
{
    return err_set(err, ERR_LIMIT, "no memory for an organization's hours");
}

static enum err_code
series_at(struct series_set *set, const struct spike_subject *subject, struct series **ret,
          struct err *err)
{
    uint32_t *number = map_at(&set->numbers, subject, map_hash(&set->numbers, subject));
    if (number == NULL)
        return no_memory(err);
    if (*number == 0) {
        struct series fresh = {.subject = *subject};
        list_init(&fresh.points, sizeof(struct series_point));
        if (!list_add(&set->all, &fresh))
            return no_memory(err);
        *number = (uint32_t)set->all.count;
    }
    *ret = (struct series *)set->all.items + (*number - 1);
    return ERR_OK;
}

enum err_code
series_add(struct series_set *set, const struct spike_subject *subject, uint32_t hour,
           const struct spike_figures *figures, bool judged, struct err *err)
{
    struct series *s = NULL;
    enum err_code code = series_at(set, subject, &s, err);
    if (code != ERR_OK)
        return code;
    struct series_point *points = s->points.items,
                        *last = s->points.count > 0 ? &points[s->points.count - 1] : NULL;
    if (last == NULL || last->hour != hour) {
        const struct series_point fresh = {.hour = hour};
        if (!list_add(&s->points, &fresh))
            return no_memory(err);
        last = (struct series_point *)s->points.items + (s->points.count - 1);
    }
    spike_figures_add(&last->figures, figures);
    if (judged)
        raise_to(&s->most, &last->figures);
    return ERR_OK;
}

static enum err_code
add_row(struct series_set *set, const struct usage_key *key, const struct usage_row *row,
        bool judged, struct err *err)
{
    const struct spike_figures figures = {row->calls, usage_row_credits(row), row->cost_pico};
    const struct spike_subject subjects[SPIKE_SCOPE_COUNT] = {
        {SPIKE_ORGANIZATION, 0, 0},
        {SPIKE_PROJECT, 0, key->project},
        {SPIKE_USER, 0, key->user},
        {SPIKE_MODEL, key->provider, key->model},
    };
    enum err_code code = ERR_OK;
    for (int i = 0; code == ERR_OK && i < SPIKE_SCOPE_COUNT; i++)
        code = series_add(set, &subjects[i], key->period, &figures, judged, err);
    return code;
}

enum err_code
series_read(struct series_set *set, struct tables_txn *txn, uint32_t organization,
            uint32_t from_hour, uint32_t to_hour, uint32_t judged_hour, struct err *err)
{
    struct tables_scan scan;
    uint8_t prefix[4], from[8];
    enum err_code code = ERR_OK;
    empty(set);
    set->from_hour = from_hour;
    set->to_hour = to_hour;
    put_be32(prefix, organization);
    put_be32(from, organization);
    put_be32(from + 4, from_hour);
    tables_scan_begin(&scan, txn, TABLE_HOURLY, (struct bytes){prefix, sizeof prefix});
    bool more = tables_scan_seek(&scan, (struct bytes){from, sizeof from});
    for (; code == ERR_OK && more; more = tables_scan_next(&scan)) {
        const struct usage_key key = usage_key_decode(scan.key.data);
        struct usage_row row;
        if (key.period >= to_hour)
            break;
        code = usage_row_read(TABLE_HOURLY, scan.value, &row, err);
        if (code == ERR_OK)
            code = add_row(set, &key, &row, key.period >= judged_hour, err);
    }
    tables_scan_end(&scan);
    return code;
}

const struct series *
series_find(const struct series_set *set, const struct spike_subject *subject)
{
    const uint32_t *number = map_find(&set->numbers, subject, map_hash(&set->numbers, subject));
    return number == NULL ? NULL : (const struct series *)set->all.items + (*number - 1);
}

struct spike_figures
series_sum(const struct series *series, uint32_t from_hour, uint32_t to_hour)
{
    const struct series_point *points = series->points.items;
    struct spike_figures sum = {0};
    size_t low = 0, high = series->points.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (points[middle].hour < from_hour)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < series->points.count && points[low].hour < to_hour; low++)
        spike_figures_add(&sum, &points[low].figures);
    return sum;
}

#include "reports/spikes/organization.h"

#include <stdio.h>
#include <string.h>

#include "reports/spikes/spike_words.h"
#include "store/base/time.h"

enum { BEFORE_WEEKS_MAX = 4 };

void
judging_init(struct judging *j)
{
    *j = (struct judging){0};
    series_set_init(&j->set);
    episode_finder_init(&j->finder);
    list_init(&j->rows, sizeof(struct verdict_row));
}

void
judging_clear(struct judging *j)
{
    list_clear(&j->rows);
    episode_finder_clear(&j->finder);
    series_set_clear(&j->set);
}

static bool
same_subject(const struct spike_subject *a, const struct spike_subject *b)
{
    return a->scope == b->scope && a->provider == b->provider && a->value == b->value;
}

/* ---- what is stored ---- */

static enum err_code
read_stored(struct judging *j, struct err *err)
{
    struct spike_scan scan;
    enum err_code code = ERR_OK;
    j->rows.count = 0;
    j->behind = false;
    spike_scan_begin(&scan, j->txn, j->organization);
    while (code == ERR_OK && spike_scan_next(&scan)) {
        const struct verdict_row stored = {.row = scan.row, .stored = true};
        j->behind = j->behind || scan.row.position > j->position;
        /* What began before the hours that are judged is as it is. */
        if (scan.row.from_hour >= j->rule.judged_hour && !list_add(&j->rows, &stored))
            code = err_set(err, ERR_LIMIT, "no memory for an organization's spikes");
    }
    spike_scan_end(&scan);
    return code;
}

/* ---- rows ---- */

static bool
overlaps(const struct spike *row, uint32_t from_hour, uint32_t to_hour)
{
    return from_hour < row->to_hour + EPISODE_GAP_HOURS &&
           row->from_hour < to_hour + EPISODE_GAP_HOURS;
}

/* A row of the subject that has no episode yet and touches these hours; NULL: none. */
static struct verdict_row *
row_at(struct judging *j, const struct spike_subject *subject, uint32_t from_hour, uint32_t to_hour,
       bool matched)
{
    struct verdict_row *rows = j->rows.items;
    for (size_t i = 0; i < j->rows.count; i++) {
        if (same_subject(&rows[i].row.subject, subject) && rows[i].change != VERDICT_DELETE &&
            (matched || !rows[i].matched) && overlaps(&rows[i].row, from_hour, to_hour))
            return &rows[i];
    }
    return NULL;
}

static bool
is_key_taken(const struct judging *j, const struct spike_subject *subject, uint32_t found_hour)
{
    const struct verdict_row *rows = j->rows.items;
    for (size_t i = 0; i < j->rows.count; i++) {
        if (rows[i].row.found_hour == found_hour && same_subject(&rows[i].row.subject, subject))
            return true;
    }
    return false;
}

static enum err_code
add_row(struct judging *j, const struct spike_subject *subject, uint32_t found_hour,
        struct verdict_row **ret, struct err *err)
{
    struct verdict_row fresh = {
        .row = {.organization = j->organization,
                .found_hour = found_hour,
                .subject = *subject,
                .from_hour = found_hour,
                .to_hour = found_hour + 1,
                .peak_hour = found_hour,
                .noticed_ms = j->log.now_ms},
    };
    while (is_key_taken(j, subject, fresh.row.found_hour))
        fresh.row.found_hour++;
    if (!list_add(&j->rows, &fresh))
        return err_set(err, ERR_LIMIT, "no memory for an organization's spikes");
    *ret = (struct verdict_row *)j->rows.items + (j->rows.count - 1);
    return ERR_OK;
}

/* ---- who drives it ---- */

/* What a series cost on average in the same hours of the weeks before, of the days without one. */
static money_sum
cost_before(const struct series *series, uint32_t known_from, uint32_t from_hour, uint32_t to_hour)
{
    uint32_t step = from_hour - known_from >= DETECTOR_WEEK_HOURS ? DETECTOR_WEEK_HOURS : 24;
    uint32_t count = (from_hour - known_from) / step;
    money_sum sum = 0;
    count = count > BEFORE_WEEKS_MAX ? BEFORE_WEEKS_MAX : count;
    for (uint32_t k = 1; k <= count; k++)
        sum += series_sum(series, from_hour - k * step, to_hour - k * step).cost_pico;
    return count > 0 ? sum / count : 0;
}

static void
find_drivers(const struct judging *j, struct spike *row)
{
    const struct series *all = j->set.all.items;
    const struct series_point *first = all[0].points.items;
    memset(row->drivers, 0, sizeof row->drivers);
    for (size_t i = 1; i < j->set.all.count; i++) {
        struct spike_driver *d = &row->drivers[all[i].subject.scope];
        money_sum cost = series_sum(&all[i], row->from_hour, row->to_hour).cost_pico;
        if (cost <= d->excess_pico)
            continue;
        money_sum excess = cost - cost_before(&all[i], first->hour, row->from_hour, row->to_hour);
        if (excess > d->excess_pico)
            *d = (struct spike_driver){all[i].subject.provider, all[i].subject.value, excess};
    }
}

/* The row has its hours and figures: the rest of it. */
static void
finish_row(const struct judging *j, struct verdict_row *v)
{
    v->row.threshold_percent = j->settings.threshold_percent;
    v->row.position = j->position;
    snprintf(v->row.currency, sizeof v->row.currency, "%s", j->currency);
    find_drivers(j, &v->row);
    spike_words(j->txn, &v->row);
    v->change = VERDICT_PUT;
}

/* ---- the verdicts ---- */

static enum err_code
take_episode(struct judging *j, const struct series *series, const struct episode *e,
             struct err *err)
{
    struct verdict_row *v = row_at(j, &series->subject, e->from_hour, e->to_hour, false), *other;
    enum err_code code = ERR_OK;
    if (v == NULL)
        code = add_row(j, &series->subject, e->from_hour, &v, err);
    if (code != ERR_OK)
        return code;
    v->matched = true;
    v->row.from_hour = e->from_hour;
    v->row.to_hour = e->to_hour;
    v->row.peak_hour = e->peak_hour;
    v->row.measures = e->measures;
    v->row.actual = e->actual;
    v->row.usual = e->usual;
    v->row.withdrawn = false;
    /* Late events may have joined two: the earlier goes on. */
    while ((other = row_at(j, &series->subject, e->from_hour, e->to_hour, false)) != NULL) {
        v->row.burst = v->row.burst || other->row.burst;
        other->change = VERDICT_DELETE;
        other->matched = true;
    }
    finish_row(j, v);
    return ERR_OK;
}

static enum err_code
take_burst(struct judging *j, const struct series *series, struct err *err)
{
    const struct burst_minute *minute = burst_of(j->bursts, j->organization, &series->subject);
    const struct spike_figures usual = j->finder.last;
    bool is_new = false;
    if (minute == NULL || !j->finder.last_known ||
        !burst_is_pace(minute, usual.cost_pico, j->rule.threshold_percent, j->gate_pico))
        return ERR_OK;
    uint32_t hour = minute->minute / 60;
    struct verdict_row *v = row_at(j, &series->subject, hour, hour + 1, true);
    if (v != NULL && v->row.burst)
        return ERR_OK;
    enum err_code code = burst_is_new(j->bursts, j->txn, &j->log, j->organization, &series->subject,
                                      minute, &is_new, err);
    if (code != ERR_OK || !is_new)
        return code;
    if (v == NULL) {
        code = add_row(j, &series->subject, hour, &v, err);
        if (code != ERR_OK)
            return code;
        v->row.measures = 1U << SPIKE_COST;
        v->row.actual = series_sum(series, hour, hour + 1);
        v->row.usual = usual;
    }
    v->row.burst = v->matched = true;
    finish_row(j, v);
    return ERR_OK;
}

static enum err_code
judge_series(struct judging *j, const struct series *series, struct err *err)
{
    struct episode_rule rule = j->rule;
    const struct series *all = j->set.all.items;
    if (series->subject.scope != SPIKE_ORGANIZATION)
        rule.gate_pico = episode_part_gate(&all[0], rule.judged_hour, rule.gate_pico);
    if (series->cost_max_pico < rule.gate_pico &&
        burst_of(j->bursts, j->organization, &series->subject) == NULL)
        return ERR_OK;
    enum err_code code = episode_find(&j->finder, series, &rule, err);
    const struct episode *found = j->finder.found.items;
    for (size_t i = 0; code == ERR_OK && i < j->finder.found.count; i++)
        code = take_episode(j, series, &found[i], err);
    return code == ERR_OK ? take_burst(j, series, err) : code;
}

/*
 * Rows whose hours the rule no longer finds.  What was spent was spent, so they stay;
 * but for what has been taken back.  The hour of a burst may have gone on.
 */
static void
settle_unmatched(struct judging *j, struct verdict_row *v)
{
    const struct series *series = series_find(&j->set, &v->row.subject);
    struct spike_figures now = {0};
    if (series != NULL)
        now = series_sum(series, v->row.from_hour, v->row.to_hour);
    money_sum was = v->row.actual.cost_pico;
    if (now.cost_pico == was || (now.cost_pico > was && !v->row.burst))
        return;
    v->row.withdrawn = v->row.withdrawn || now.cost_pico < was;
    v->row.actual = now;
    finish_row(j, v);
}

enum err_code
judge_organization(struct judging *j, uint32_t organization, const struct spike_settings *settings,
                   struct err *err)
{
    uint32_t now_hour = (uint32_t)(j->log.now_ms / TIME_HOUR_MS);
    j->organization = organization;
    j->settings = *settings;
    j->rule = (struct episode_rule){
        .judged_hour = now_hour - JUDGED_HOURS,
        .from_hour = now_hour - JUDGED_HOURS - HISTORY_HOURS,
        .to_hour = now_hour + 1,
        .threshold_percent = settings->threshold_percent,
        .gate_pico = j->gate_pico,
    };
    enum err_code code = read_stored(j, err);
    if (code != ERR_OK || j->behind)
        return code;
    code = series_read(&j->set, j->txn, organization, j->rule.from_hour, j->rule.to_hour,
                       j->rule.judged_hour, err);
    if (code != ERR_OK || j->set.all.count == 0)
        return code;
    for (size_t i = 0; code == ERR_OK && i < j->set.all.count; i++)
        code = judge_series(j, (const struct series *)j->set.all.items + i, err);
    struct verdict_row *rows = j->rows.items;
    for (size_t i = 0; code == ERR_OK && i < j->rows.count; i++) {
        if (!rows[i].matched)
            settle_unmatched(j, &rows[i]);
    }
    return code;
}

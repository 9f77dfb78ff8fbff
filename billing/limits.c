#include "billing/limits.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "billing/consumption.h"
#include "billing/words.h"
#include "store/base/log.h"
#include "store/base/time.h"
#include "store/tables/allowance.h"
#include "store/tables/budget_pause.h"
#include "store/tables/dict.h"
#include "store/tables/plan_version.h"
#include "store/tables/resource.h"
#include "store/tables/standing.h"

static const char *
noun(enum limit_dimension dimension, bool one)
{
    static const char *const nouns[LIMIT_DIMENSIONS][2] = {
        [LIMIT_PROJECTS] = {"projects", "project"},
        [LIMIT_DOCUMENTS] = {"documents", "document"},
        [LIMIT_AI_CREDITS] = {"AI credits", "AI credit"},
        [LIMIT_MEMBERS] = {"members", "member"},
    };
    return nouns[dimension][one ? 1 : 0];
}

/* Rounded down, so that 100 % never shows while one is left. */
static uint32_t
percent_of(uint64_t used, uint64_t limit)
{
    if (limit == LIMIT_UNLIMITED)
        return LIMIT_PERCENT_NONE;
    if (limit == 0)
        return used == 0 ? 0 : 100;
    money_sum percent = (money_sum)used * 100 / limit;
    return percent < LIMIT_PERCENT_NONE ? (uint32_t)percent : LIMIT_PERCENT_NONE - 1;
}

static enum limit_state
state_of(uint64_t used, uint64_t limit, uint32_t percent)
{
    if (limit == LIMIT_UNLIMITED)
        return LIMIT_OK;
    if (used >= limit)
        return used > limit ? LIMIT_EXCEEDED : LIMIT_REACHED;
    if (percent >= LIMITS_CRITICAL_PERCENT)
        return LIMIT_CRITICAL;
    return percent >= LIMITS_WARNING_PERCENT ? LIMIT_WARNING : LIMIT_OK;
}

/* What limits, and the way out. */
static void
say_way_out(struct words *w, const struct plan_book *book, const struct standing *s,
            const struct plan_terms *terms, const struct limit *row)
{
    char amount[MONEY_TEXT_BYTES];
    int64_t price_pico = row->dimension == LIMIT_AI_CREDITS ? plan_credit_price(terms) : 0;
    const struct plan *upgrade = plan_find(book, row->upgrade);
    if (row->allowed && row->used >= row->limit && price_pico > 0) {
        words_add(w, "; more is charged at ");
        money_format((money_sum)price_pico * 1000000, 12, amount);
        words_add(w, "%s %s a million", amount, s->plan->currency);
    } else if (row->allowed && row->used >= row->limit) {
        words_add(w, "; more is allowed");
    } else if (!row->allowed) {
        words_add(w, "; the %.*s plan has no more", STR_ARG(s->plan->name));
    }
    if (s->paused)
        words_add(w, ", %.*s is paused", STR_ARG(s->held->name));
    if (upgrade == NULL)
        return;
    words_add(w, ", %.*s has ", STR_ARG(upgrade->name));
}

void
limits_judge(const struct plan_book *book, struct str organization, const struct standing *standing,
             int64_t now_ms, enum limit_dimension dimension, uint64_t used, struct limit *ret,
             char reason[LIMITS_REASON_BYTES])
{
    const struct plan_terms *terms = plan_terms_at(standing->plan, now_ms);
    const struct plan *upgrade = NULL;
    struct limit row = {.dimension = dimension, .used = used, .limit = terms->limits[dimension]};
    struct words w = words_of(reason, LIMITS_REASON_BYTES);
    row.percent = percent_of(used, row.limit);
    row.state = standing->paused ? LIMIT_PAUSED : state_of(used, row.limit, row.percent);
    row.allowed = plan_allows(terms, dimension, used);
    row.plan = standing->plan->id;
    if (!row.allowed)
        upgrade = plan_upgrade(book, standing->plan, organization, now_ms, dimension, used);
    if (upgrade != NULL)
        row.upgrade = upgrade->id;
    words_add_count(&w, used);
    if (row.limit == LIMIT_UNLIMITED) {
        words_add(&w, " %s used, unlimited", noun(dimension, used == 1));
    } else {
        words_add(&w, " of ");
        words_add_count(&w, row.limit);
        words_add(&w, " %s used (%u %%)", noun(dimension, row.limit == 1), row.percent);
    }
    say_way_out(&w, book, standing, terms, &row);
    if (upgrade != NULL)
        words_add_limit(&w, plan_terms_at(upgrade, now_ms)->limits[dimension]);
    row.reason = words_str(&w);
    *ret = row;
}

struct run {
    const struct limits_options *options;
    struct limits_result result;
    struct stage stage;
    struct timeline timeline;
    struct consumption consumption;
    struct span period; /* of the AI credits of the organization at hand */
    int64_t now_ms;
    bool plans_put;
    uint64_t first_position;         /* of the log, when the first organization was visited */
    uint64_t used[LIMIT_DIMENSIONS]; /* by the organization at hand */
};

static enum err_code
used_of(struct run *r, uint32_t organization, const struct standing *s,
        enum limit_dimension dimension, uint64_t *ret, struct err *err)
{
    static const enum event_resource_type types[LIMIT_DIMENSIONS] = {
        [LIMIT_PROJECTS] = EVENT_PROJECT,
        [LIMIT_DOCUMENTS] = EVENT_DOCUMENT,
        [LIMIT_MEMBERS] = EVENT_MEMBER,
    };
    if (dimension != LIMIT_AI_CREDITS) {
        *ret = resource_count(r->stage.txn, organization, types[dimension]);
        return ERR_OK;
    }
    r->period = timeline_usage_span(&r->timeline, r->now_ms);
    enum err_code code =
        consumption_read(&r->consumption, r->stage.txn, organization, r->period, err);
    *ret = consumption_credits(&r->consumption, plan_terms_at(s->plan, r->now_ms));
    return code;
}

/* A budget that pauses stops what costs, whatever the plan still has; a larger plan is no way out. */
static void
pause_by_budget(const struct run *r, uint32_t organization, struct limit *row,
                char reason[LIMITS_REASON_BYTES])
{
    struct budget_pause pause;
    if (row->dimension != LIMIT_AI_CREDITS ||
        !budget_pause_get(r->stage.txn, organization, time_month(r->now_ms), &pause))
        return;
    struct words w = words_of(reason, LIMITS_REASON_BYTES);
    words_add(&w, "%.*s", STR_ARG(pause.reason));
    row->state = LIMIT_PAUSED;
    row->allowed = false;
    row->upgrade = (struct str){NULL, 0};
    row->reason = words_str(&w);
}

static enum err_code
put_row(struct run *r, uint32_t organization, const struct standing *s,
        enum limit_dimension dimension, struct err *err)
{
    char reason[LIMITS_REASON_BYTES];
    struct limit row;
    uint64_t used = 0;
    enum err_code code = used_of(r, organization, s, dimension, &used, err);
    if (code != ERR_OK)
        return code;
    r->used[dimension] = used;
    limits_judge(r->stage.book, dict_text(r->stage.txn, organization), s, r->now_ms, dimension,
                 used, &row, reason);
    pause_by_budget(r, organization, &row, reason);
    row.organization = organization;
    row.position = r->stage.cursor.seq;
    if (dimension == LIMIT_AI_CREDITS) {
        row.period_start_ms = r->period.from_ms;
        row.period_end_ms = r->period.to_ms;
    }
    log_decision("limit",
                 "org=\"%.*s\" dimension=%s plan=\"%.*s\" used=%" PRIu64 " limit=%" PRIu64
                 " percent=%" PRIu32 " state=%s allowed=%s upgrade=\"%.*s\" period_from_ms=%" PRId64
                 " period_to_ms=%" PRId64 " now_ms=%" PRId64 " position=%" PRIu64,
                 STR_ARG(dict_text(r->stage.txn, organization)), limit_dimension_name(dimension),
                 STR_ARG(row.plan), row.used, row.limit, row.percent, limit_state_name(row.state),
                 row.allowed ? "yes" : "no", STR_ARG(row.upgrade), row.period_start_ms,
                 row.period_end_ms, r->now_ms, row.position);
    r->result.states[row.state]++;
    r->result.refused += row.allowed ? 0 : 1;
    return limit_put(r->stage.txn, &row, err);
}

/* ---- what stands beside the limits ---- */

static enum standing_status
status_of(const struct run *r, const struct standing *s)
{
    if (s->held == NULL)
        return STANDING_NONE;
    if (s->paused)
        return STANDING_PAUSED;
    return s->trial_until_ms > r->now_ms ? STANDING_TRIALING : STANDING_ACTIVE;
}

/* Which plan the organization is on; nothing of one that never said so. */
static enum err_code
put_standing(struct run *r, uint32_t organization, const struct standing *s, struct err *err)
{
    const struct timeline *t = &r->timeline;
    struct timeline_walk w;
    int64_t first_ms;
    if (!timeline_first_ms(t, &first_ms))
        return ERR_OK;
    struct span period = cycle_period(&s->cycle, r->now_ms);
    const struct plan_terms *terms = plan_terms_at(s->plan, r->now_ms);
    struct standing_row row = {.organization = organization,
                               .status = status_of(r, s),
                               .plan = s->held != NULL ? s->held->id : s->plan->id,
                               .tax_percent = timeline_tax_at(t, r->now_ms),
                               .period_start_ms = period.from_ms,
                               .period_end_ms = period.to_ms,
                               .usage_start_ms = r->period.from_ms,
                               .usage_end_ms = r->period.to_ms,
                               .trial_end_ms = s->trial_until_ms,
                               .requests_per_minute = terms->requests_per_minute,
                               .tokens_per_minute = terms->tokens_per_minute};
    memcpy(row.currency, t->currency, sizeof row.currency);
    timeline_walk_begin(&w, t, r->now_ms, TIME_MAX_MS);
    if (timeline_walk_next(&w) && w.following != NULL) {
        row.next_ms = w.until_ms;
        row.next_plan = w.following->plan->id;
    }
    return standing_put(r->stage.txn, &row, err);
}

/* For the agent, which judges by itself what came since; organization 0: of those without a row. */
static enum err_code
put_allowance(struct run *r, uint32_t organization, const struct standing *s, uint64_t position,
              struct err *err)
{
    const struct plan_terms *terms = plan_terms_at(s->plan, r->now_ms);
    int64_t weight = terms->weight_other;
    struct allowance row = {.organization = organization,
                            .position = position,
                            .period_start_ms = r->period.from_ms,
                            .period_end_ms = r->period.to_ms,
                            .requests_per_minute = terms->requests_per_minute,
                            .tokens_per_minute = terms->tokens_per_minute,
                            .status = status_of(r, s),
                            .plan = s->plan->id};
    for (size_t i = 0; i < terms->weight_count; i++)
        weight = terms->weights[i].weight > weight ? terms->weights[i].weight : weight;
    row.weight = (uint64_t)weight;
    for (int d = 0; d < LIMIT_DIMENSIONS; d++) {
        enum limit_dimension dimension = (enum limit_dimension)d;
        const struct plan *more = NULL;
        row.used[d] = r->used[d];
        row.limit[d] = terms->limits[d];
        row.soft[d] = terms->soft[d];
        if (row.limit[d] != LIMIT_UNLIMITED && !row.soft[d])
            more = plan_upgrade(r->stage.book, s->plan, dict_text(r->stage.txn, organization),
                                r->now_ms, dimension, row.limit[d]);
        if (more != NULL)
            row.upgrade[d] = more->id;
    }
    return allowance_put(r->stage.txn, &row, err);
}

/* All rows hold for the position that the run began with: so does that of whoever is new. */
static enum err_code
put_allowance_of_new(struct run *r, struct err *err)
{
    enum err_code code = tables_begin(r->stage.tables, TABLES_WRITE, &r->stage.txn, err);
    if (code == ERR_OK)
        code = timeline_read(&r->timeline, r->stage.txn, 0, err);
    if (code != ERR_OK)
        return code;
    struct standing s = timeline_at(&r->timeline, r->now_ms);
    memset(r->used, 0, sizeof r->used);
    r->period = timeline_usage_span(&r->timeline, r->now_ms);
    code = put_allowance(r, 0, &s, r->first_position, err);
    if (code != ERR_OK)
        return code;
    struct tables_txn *txn = r->stage.txn;
    r->stage.txn = NULL;
    return tables_commit(txn, err);
}

/* The book as it is in use, once a run. */
static enum err_code
put_plans(struct run *r, struct err *err)
{
    const struct plan_book *book = r->stage.book;
    struct list versions;
    enum err_code code = ERR_OK;
    list_init(&versions, sizeof(struct plan_version));
    for (size_t i = 0; code == ERR_OK && i < book->plan_count; i++) {
        const struct plan *p = &book->plans[i];
        /* A custom plan's price is nobody else's business, and all readers see all plans. */
        for (size_t k = 0; code == ERR_OK && p->organization_count == 0 && k < p->terms_count;
             k++) {
            struct plan_version v = {.plan = p->id,
                                     .name = p->name,
                                     .version = (uint32_t)k + 1,
                                     .order = (uint32_t)p->order,
                                     .is_default = p == book->default_plan,
                                     .from_ms = p->terms[k].from_ms,
                                     .terms = p->terms[k].json};
            memcpy(v.currency, p->currency, sizeof v.currency);
            if (!list_add(&versions, &v))
                code = err_set(err, ERR_LIMIT, "no memory for the plans");
        }
    }
    if (code == ERR_OK)
        code = plan_version_put_all(r->stage.txn, versions.items, versions.count, err);
    list_clear(&versions);
    return code;
}

static enum err_code
visit(void *context, uint32_t organization, struct err *err)
{
    struct run *r = context;
    enum err_code code = r->plans_put ? ERR_OK : put_plans(r, err);
    if (!r->plans_put)
        r->first_position = r->stage.cursor.seq;
    r->plans_put = true;
    if (code == ERR_OK)
        code = timeline_read(&r->timeline, r->stage.txn, organization, err);
    if (code != ERR_OK)
        return code;
    struct standing s = timeline_at(&r->timeline, r->now_ms);
    if (s.bad_seq != 0) {
        char complaint[TIMELINE_COMPLAINT_BYTES];
        timeline_complaint(&r->timeline, &s, r->stage.txn, complaint);
        stage_notice(&r->options->notices, STAGE_PROBLEM, "organization %.*s: %s",
                     STR_ARG(dict_text(r->stage.txn, organization)), complaint);
        r->result.problems++;
    }
    for (int d = 0; code == ERR_OK && d < LIMIT_DIMENSIONS; d++)
        code = put_row(r, organization, &s, (enum limit_dimension)d, err);
    if (code == ERR_OK)
        code = put_standing(r, organization, &s, err);
    if (code == ERR_OK)
        code = put_allowance(r, organization, &s, r->stage.cursor.seq, err);
    r->result.organizations++;
    return code;
}

enum err_code
limits_run(const struct limits_options *options, struct limits_result *ret, struct err *err)
{
    struct run r = {.options = options, .now_ms = clock_now_ms(options->clock)};
    enum err_code code = stage_open(&r.stage, options->data_directory, options->plans_path,
                                    "limits.lock", "gbill limits", err);
    if (code == ERR_OK) {
        timeline_init(&r.timeline, r.stage.book);
        consumption_init(&r.consumption);
        code = stage_walk(&r.stage, visit, &r, err);
        r.result.position = r.stage.cursor.seq;
        if (code == ERR_OK && r.result.organizations > 0)
            code = put_allowance_of_new(&r, err);
        timeline_clear(&r.timeline);
        consumption_clear(&r.consumption);
    }
    stage_close(&r.stage);
    if (code == ERR_OK)
        *ret = r.result;
    return code;
}

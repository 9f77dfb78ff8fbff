#include "billing/limits.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "billing/consumption.h"
#include "billing/words.h"
#include "store/base/time.h"
#include "store/tables/dict.h"
#include "store/tables/resource.h"

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

/* " on the Pro plan": what limits, and the way out. */
static void
say_way_out(struct words *w, const struct plan_book *book, const struct standing *s,
            const struct plan *upgrade, const struct limit *row)
{
    char amount[MONEY_TEXT_BYTES];
    if (row->allowed && row->used >= row->limit) {
        words_add(w, "; more is charged at ");
        money_format(s->plan->overage_pico, 6, amount);
        words_add(w, "%s %s a million", amount, book->currency);
    } else if (!row->allowed) {
        words_add(w, "; the %.*s plan has no more", STR_ARG(s->plan->name));
    }
    if (s->paused)
        words_add(w, ", %.*s is paused", STR_ARG(s->held->name));
    if (row->allowed || upgrade == NULL)
        return;
    words_add(w, ", %.*s has ", STR_ARG(upgrade->name));
    words_add_limit(w, upgrade->limits[row->dimension]);
}

void
limits_judge(const struct plan_book *book, const struct standing *standing,
             enum limit_dimension dimension, uint64_t used, struct limit *ret,
             char reason[LIMITS_REASON_BYTES])
{
    const struct plan *plan = standing->plan, *upgrade = NULL;
    struct limit row = {.dimension = dimension, .used = used, .limit = plan->limits[dimension]};
    struct words w = words_of(reason, LIMITS_REASON_BYTES);
    row.percent = percent_of(used, row.limit);
    row.state = state_of(used, row.limit, row.percent);
    row.allowed = plan_allows(plan, dimension, used);
    row.plan = plan->id;
    if (!row.allowed)
        upgrade = plan_upgrade(book, plan, dimension, used);
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
    say_way_out(&w, book, standing, upgrade, &row);
    row.reason = words_str(&w);
    *ret = row;
}

struct run {
    const struct limits_options *options;
    struct limits_result result;
    struct stage stage;
    struct timeline timeline;
    int64_t now_ms;
    int32_t month;
};

static enum err_code
used_of(struct run *r, uint32_t organization, enum limit_dimension dimension, uint64_t *ret,
        struct err *err)
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
    struct consumption c = {0};
    enum err_code code = consumption_read(r->stage.txn, organization, r->month, &c, err);
    *ret = c.credits;
    return code;
}

static enum err_code
put_row(struct run *r, uint32_t organization, const struct standing *s,
        enum limit_dimension dimension, struct err *err)
{
    char reason[LIMITS_REASON_BYTES];
    struct limit row;
    uint64_t used = 0;
    enum err_code code = used_of(r, organization, dimension, &used, err);
    if (code != ERR_OK)
        return code;
    limits_judge(r->stage.book, s, dimension, used, &row, reason);
    row.organization = organization;
    row.position = r->stage.cursor.seq;
    if (dimension == LIMIT_AI_CREDITS) {
        row.period_start_ms = time_month_start_ms(r->month);
        row.period_end_ms = time_month_start_ms(r->month + 1);
    }
    r->result.states[row.state]++;
    r->result.refused += row.allowed ? 0 : 1;
    return limit_put(r->stage.txn, &row, err);
}

static enum err_code
visit(void *context, uint32_t organization, struct err *err)
{
    struct run *r = context;
    enum err_code code = timeline_read(&r->timeline, r->stage.txn, organization, err);
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
    r->result.organizations++;
    return code;
}

enum err_code
limits_run(const struct limits_options *options, struct limits_result *ret, struct err *err)
{
    struct run r = {.options = options, .now_ms = clock_now_ms(options->clock)};
    r.month = time_month(r.now_ms);
    enum err_code code = stage_open(&r.stage, options->data_directory, options->plans_path,
                                    "limits.lock", "gbill limits", err);
    if (code == ERR_OK) {
        timeline_init(&r.timeline, r.stage.book);
        code = stage_walk(&r.stage, visit, &r, err);
        r.result.position = r.stage.cursor.seq;
        timeline_clear(&r.timeline);
    }
    stage_close(&r.stage);
    if (code == ERR_OK)
        *ret = r.result;
    return code;
}

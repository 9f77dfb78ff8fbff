#include "ingest/board/judge.h"

#include <inttypes.h>
#include <stdio.h>

#include "store/base/money.h"
#include "store/tables/allowance.h"

bool
judge_action(struct str word, enum limit_dimension *ret)
{
    static const char *const words[LIMIT_DIMENSIONS] = {
        [LIMIT_PROJECTS] = "project",
        [LIMIT_DOCUMENTS] = "document",
        [LIMIT_AI_CREDITS] = "ai",
        [LIMIT_MEMBERS] = "member",
    };
    for (int i = 0; i < LIMIT_DIMENSIONS; i++) {
        if (str_is(word, words[i])) {
            *ret = (enum limit_dimension)i;
            return true;
        }
    }
    return false;
}

uint64_t
answer_remaining(const struct answer *a)
{
    if (a->limit == LIMIT_UNLIMITED)
        return LIMIT_UNLIMITED;
    return a->used < a->limit && a->held < a->limit - a->used ? a->limit - a->used - a->held : 0;
}

static uint64_t
credits_of(uint64_t tokens, uint64_t weight)
{
    money_sum micro = (money_sum)tokens * (int64_t)weight + (int64_t)(ALLOWANCE_WEIGHT_ONE - 1);
    money_sum credits = micro / (int64_t)ALLOWANCE_WEIGHT_ONE;
    return credits < INT64_MAX ? (uint64_t)credits : INT64_MAX;
}

static const char *
noun_of(enum limit_dimension dimension)
{
    static const char *const nouns[LIMIT_DIMENSIONS] = {"projects", "documents", "AI credits",
                                                        "members"};
    return nouns[dimension];
}

static void
say_why(const struct board_row *row, enum limit_dimension d, uint64_t units, struct answer *a)
{
    char *p = a->reason, *end = p + sizeof a->reason;
    if (a->limit == LIMIT_UNLIMITED)
        p += snprintf(p, (size_t)(end - p), "%" PRIu64 " %s used, unlimited", a->used, noun_of(d));
    else
        p += snprintf(p, (size_t)(end - p), "%" PRIu64 " of %" PRIu64 " %s used", a->used, a->limit,
                      noun_of(d));
    if (a->held > 0)
        p += snprintf(p, (size_t)(end - p), ", %" PRIu64 " reserved", a->held);
    if (!a->allowed)
        p += snprintf(p, (size_t)(end - p), "; %" PRIu64 " more is beyond the plan %s", units,
                      row->plan);
    if (row->is_suspended != 0)
        p += snprintf(p, (size_t)(end - p), ", the subscription is paused");
    if (a->upgrade != NULL)
        snprintf(p, (size_t)(end - p), "; the plan %s has more", a->upgrade);
}

uint64_t
judge_units(const struct board_row *row, enum limit_dimension d, uint64_t amount)
{
    return d == LIMIT_AI_CREDITS ? credits_of(amount, row->weight) : amount;
}

static bool
is_hard(const struct board_row *row, enum limit_dimension d)
{
    return row->limit[d] != LIMIT_UNLIMITED && row->soft[d] == 0;
}

uint64_t
judge_held(const struct board_row *row, enum limit_dimension d, uint64_t used)
{
    uint64_t unused = used < row->limit[d] ? row->limit[d] - used : 0;
    return is_hard(row, d) && row->held[d] > unused ? unused : row->held[d];
}

void
judge_row(const struct board_row *row, enum limit_dimension d, uint64_t amount, struct answer *a)
{
    bool is_credits = d == LIMIT_AI_CREDITS, is_paused = is_credits && row->is_paused != 0;
    uint64_t units = judge_units(row, d, amount), held = row->held[d];
    uint64_t used = row->base[d] + judge_units(row, d, row->since[d]);
    *a = (struct answer){
        .known = true,
        .plan = row->plan,
        .used = used,
        .held = judge_held(row, d, used),
        .limit = row->limit[d],
        .reset_ms = is_credits ? row->reset_ms : 0,
        .position = row->position,
        .requests_per_minute = row->requests_per_minute,
        .tokens_per_minute = row->tokens_per_minute,
    };
    /* Nothing is added up: what is held may come to anything. */
    bool fits = !is_hard(row, d) ||
                (used <= a->limit && held <= a->limit - used && units <= a->limit - used - held);
    a->allowed = fits && !is_paused;
    a->state = is_paused ? "paused" : fits ? "ok" : "refused";
    if (!fits && !is_paused && row->upgrade[d][0] != '\0')
        a->upgrade = row->upgrade[d];
    if (is_paused)
        snprintf(a->reason, sizeof a->reason, "%s", row->pause);
    else
        say_why(row, d, units, a);
}

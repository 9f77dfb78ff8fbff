/*
 * reports/optimize/lever.h - what each lever would have saved of one call: its cost less
 * the cost of an altered copy, both by the price book.  Exact.
 *
 * Formulas: schemas/recommendations.md.  Where the book has no price for the copy, a
 * lever has nothing to say.
 */
#ifndef REPORTS_OPTIMIZE_LEVER_H
#define REPORTS_OPTIMIZE_LEVER_H

#include "reports/optimize/recent.h"
#include "rollup/map.h"
#include "rollup/price/cost.h"
#include "store/base/buf.h"
#include "store/tables/recommendation.h"

/* lever, the recommendation that it becomes, candidate */
#define LEVERS(X)                           \
    X(CACHE_PROMPT, CACHE_PROMPT, false)    \
    X(CACHE_UNREAD, CACHE_UNREAD, false)    \
    X(LIFE_HOUR, CACHE_LIFE, false)         \
    X(LIFE_MINUTES, CACHE_LIFE, false)      \
    X(BATCH, BATCH, false)                  \
    X(SERVICE_TIER, SERVICE_TIER, false)    \
    X(LONG_CONTEXT, LONG_CONTEXT, false)    \
    X(RETRIES, RETRIES, false)              \
    X(TRUNCATION, TRUNCATION, false)        \
    X(MODEL, MODEL, true)                   \
    X(CONTEXT_GROWTH, CONTEXT_GROWTH, true) \
    X(REASONING, REASONING, true)

enum lever {
#define LEVER_ENUM(name, type, candidate) LEVER_##name,
    LEVERS(LEVER_ENUM)
#undef LEVER_ENUM
        LEVER_COUNT
};

#define LEVER_MINUTES_MS ((int64_t)5 * 60 * 1000) /* life of a short cache entry */
#define LEVER_HOUR_MS ((int64_t)60 * 60 * 1000)   /* of a long one */
#define LEVER_AGAIN_MS ((int64_t)10 * 60 * 1000)  /* so soon, the same prompt is a retry */

enum {
    /* The longest minimum of any model: OpenAI's, and everybody else's (Anthropic's). */
    LEVER_PREFIX_OPENAI_MIN = 1024,
    LEVER_PREFIX_MIN = 4096,
    LEVER_CLIFF_PERCENT = 10, /* so far above a threshold is just above it */
    LEVER_SETTLED_TURN = 10,  /* a conversation's input may grow so long */
    LEVER_SHORT_OUTPUT = 500, /* tokens of an answer that a smaller model may give */
    LEVER_SHORT_REASONING_PERCENT = 10,
    /* One tokenizer makes up to so much more of the same text than another of Anthropic's. */
    LEVER_TOKENIZER_PERCENT = 130,
    LEVER_AGAIN_MAX = 1 << 20, /* truncated calls that are kept in mind */
};

/* What is known of a group of calls before a lever is asked; all 0 when nothing is. */
struct lever_terms {
    bool machine;                /* they come as evenly as a machine sends them */
    struct str model;            /* LEVER_MODEL: to try; empty: none */
    uint32_t reasoning_permille; /* LEVER_REASONING: usual part of output; 0: nothing is unusual */
};

struct lever_opinion {
    int64_t pico[LEVER_COUNT];    /* > 0: would be saved; < 0: would be spent beside */
    uint32_t concerned;           /* bit 1 << lever: it has something to say */
    uint32_t strong;              /* bit: the call says so itself, it is not inferred */
    uint64_t tokens[LEVER_COUNT]; /* that it is about */
};

/* A call as the levers see it. */
struct lever_call {
    struct str organization, id;
    const struct event_usage *usage;
    struct bytes record;
    struct price_query query;
    struct cost cost;
    uint64_t scope; /* of what came before: one for each organization, provider and model */
};

/* What one walk over the calls keeps in mind. */
struct lever_walk {
    const struct price_book *prices;
    struct recent recent;
    struct map again; /* hash of organization and id -> truncated, then asked again */
    bool again_known; /* from a walk before; this one only looks */
    uint64_t again_missed;
    struct buf room;
};

bool lever_walk_init(struct lever_walk *w, const struct price_book *prices)
    __attribute__((warn_unused_result)); /* false: no memory */
void lever_walk_clear(struct lever_walk *w);

/* Begin the second walk over the same calls: it knows which truncated ones were asked again. */
void lever_walk_again(struct lever_walk *w);

/*
 * Ask all levers about the next call in the order of the log.
 *
 *   call   priced; borrowed
 *   terms  of its group
 *
 * Returns false out of memory.
 */
bool lever_ask(struct lever_walk *w, const struct lever_call *call, const struct lever_terms *terms,
               struct lever_opinion *ret) __attribute__((warn_unused_result));

/* What a call would cost as an altered copy; false: it has no price. */
bool lever_cost(const struct lever_walk *w, const struct lever_call *call,
                const struct event_usage *copy, int64_t *ret_pico)
    __attribute__((warn_unused_result));

/* A call may be one for a smaller model: a short answer, hardly reasoned, without tools. */
bool lever_is_simple(const struct event_usage *usage);

/* A copy with the tokens that another model of the provider may count. */
struct event_usage lever_other_model(const struct event_usage *usage, struct str model);

#endif

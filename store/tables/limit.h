/*
 * store/tables/limit.h - the limits snapshot: one row per organization and
 * dimension, written by the limits stage.
 */
#ifndef STORE_TABLES_LIMIT_H
#define STORE_TABLES_LIMIT_H

#include "store/tables/tables.h"

enum limit_dimension {
    LIMIT_PROJECTS,
    LIMIT_DOCUMENTS,
    LIMIT_AI_CREDITS, /* of the current usage period */
    LIMIT_MEMBERS,
    LIMIT_DIMENSIONS
};

enum limit_state {
    LIMIT_OK,
    LIMIT_WARNING,  /* 80 % and more */
    LIMIT_CRITICAL, /* 95 % and more */
    LIMIT_REACHED,  /* used = limit: nothing more is allowed */
    LIMIT_EXCEEDED, /* used > limit */
    LIMIT_PAUSED,   /* the subscription is paused: the default plan's limits hold */
    LIMIT_STATES
};

#define LIMIT_UNLIMITED UINT64_MAX
#define LIMIT_PERCENT_NONE UINT32_MAX /* percent of an unlimited dimension */

struct limit {
    uint32_t organization; /* dictionary */
    enum limit_dimension dimension;
    uint64_t used, limit; /* limit may be LIMIT_UNLIMITED */
    uint32_t percent;     /* of the limit, rounded down; 0-limit: 0 or 100; or LIMIT_PERCENT_NONE */
    enum limit_state state;
    bool allowed;    /* may one more be taken now (overage counts as allowed)? */
    struct str plan; /* id of the plan in force, at most 64 bytes */
    struct str
        upgrade; /* id of the smallest plan that would allow it; empty: none needed or none there */
    struct str reason;                      /* in words, at most 256 bytes */
    uint64_t position;                      /* of the log, that this row holds for */
    int64_t period_start_ms, period_end_ms; /* AI credits: the period; others: 0 and 0 */
};

/* What is left; 0 beyond the limit.  Not for LIMIT_UNLIMITED. */
static inline uint64_t
limit_remaining(const struct limit *row)
{
    return row->used < row->limit ? row->limit - row->used : 0;
}

const char *limit_dimension_name(enum limit_dimension dimension); /* "projects" … "ai_credits" … */
const char *limit_state_name(enum limit_state state);

/*
 * Store a row and note it for publishing.  position is stored only with a row
 * that changed otherwise: an idle organization's rows stay as they are.
 */
enum err_code limit_put(struct tables_txn *txn, const struct limit *row,
                        struct err *err) ERR_MUST_CHECK;
bool limit_get(struct tables_txn *txn, uint32_t organization, enum limit_dimension dimension,
               struct limit *ret); /* texts point into the map */

/* What a key of TABLE_LIMITS says, for publish, which walks keys of all tables. */
void limit_key_decode(struct bytes key, uint32_t *ret_organization,
                      enum limit_dimension *ret_dimension);

#endif

/*
 * reports/optimize/recent.h - what came before, by a key: the last call of a
 * conversation, with a prefix, with a prompt.
 *
 * Bounded: RECENT_SETS sets of RECENT_WAYS places.  A key that is new takes the place
 * of the set's oldest, and is then not known to have been: whoever asks sees fewer
 * repetitions than there were, never more.
 */
#ifndef REPORTS_OPTIMIZE_RECENT_H
#define REPORTS_OPTIMIZE_RECENT_H

#include <stdbool.h>
#include <stdint.h>

enum { RECENT_SETS = 1 << 16, RECENT_WAYS = 4 };

struct recent_call {
    uint64_t key;           /* 0: no call */
    uint64_t id;            /* hash of its organization and id */
    int64_t time_utc_ms;    /* event time */
    uint64_t input, cached; /* tokens: all input; of it what the provider kept or had kept */
    uint64_t settled_input; /* all input of the conversation's call of turn SETTLED_TURN */
    uint32_t turn;          /* from 1 */
    bool failed, truncated;
};

struct recent {
    struct recent_call *places;
    uint64_t evictions;
};

bool recent_init(struct recent *recent) __attribute__((warn_unused_result)); /* false: no memory */
void recent_clear(struct recent *recent);
void recent_reset(struct recent *recent); /* forget all */

/*
 * The place of a key: its last call, or one with key 0 that the caller fills in.  Valid
 * until the next call.
 *
 *   key  not 0
 */
struct recent_call *recent_at(struct recent *recent, uint64_t key);

#endif

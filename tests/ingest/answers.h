/*
 * tests/ingest/answers.h - is the client's own answer the agent's, in every field?
 */
#ifndef TESTS_INGEST_ANSWERS_H
#define TESTS_INGEST_ANSWERS_H

#include <criterion/criterion.h>
#include <inttypes.h>

#include "ingest/client/gbill_limit.h"

static inline void
answers_match(const struct gbill_limit_answer *own, const struct gbill_limit_answer *agent,
              const char *doing, int step)
{
#define SAME(field)                                                                                \
    cr_assert_eq(own->field, agent->field, "%d after %s: " #field " is %" PRIu64 ", not %" PRIu64, \
                 step, doing, (uint64_t)own->field, (uint64_t)agent->field)
#define SAME_TEXT(field) \
    cr_assert_str_eq(own->field, agent->field, "%d after %s: " #field, step, doing)
    SAME(allowed);
    SAME(known);
    SAME_TEXT(state);
    SAME_TEXT(reason);
    SAME(used);
    SAME(held);
    SAME(limit);
    SAME(remaining);
    SAME(reset_at_utc_ms);
    SAME_TEXT(plan);
    SAME_TEXT(upgrade_to);
    SAME(requests_per_minute);
    SAME(tokens_per_minute);
    SAME(position);
    SAME(expires_in_ms);
#undef SAME
#undef SAME_TEXT
}

#endif

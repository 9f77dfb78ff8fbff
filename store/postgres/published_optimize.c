#include "store/postgres/published_optimize.h"

#include "store/tables/efficiency.h"
#include "store/tables/recommendation.h"

enum { DAY_HOURS = 24 };

void
published_recommendation_key(struct copy *copy, struct bytes key)
{
    struct recommendation row;
    char id[RECOMMENDATION_ID_TEXT_BYTES];
    recommendation_decode(key, (struct bytes){0}, &row);
    recommendation_id_text(row.id, id);
    copy_dict(copy, row.organization);
    copy_text(copy, str_of(id));
}

void
published_recommendation_row(struct copy *copy, struct bytes key, struct bytes value)
{
    struct recommendation row;
    recommendation_decode(key, value, &row);
    copy_text(copy, str_of(recommendation_type_name(row.type)));
    copy_text(copy, str_of(recommendation_priority_name(row.priority)));
    for (int t = RECOMMENDATION_TITLE; t < RECOMMENDATION_TEXTS; t++)
        copy_text(copy, row.texts[t]);
    copy_text(copy, str_of(recommendation_status_name(row.status)));
    copy_time(copy, row.created_ms);
}

void
published_efficiency_key(struct copy *copy, struct bytes key)
{
    struct efficiency row;
    efficiency_decode(key, (struct bytes){0}, &row);
    copy_dict(copy, row.organization);
    copy_day(copy, (int32_t)(row.to_hour / DAY_HOURS) - 1);
}

void
published_efficiency_row(struct copy *copy, struct bytes key, struct bytes value)
{
    struct efficiency row;
    efficiency_decode(key, value, &row);
    copy_day(copy, (int32_t)(row.from_hour / DAY_HOURS));
    copy_u64(copy, row.score);
    copy_text(copy, str_of(row.currency));
    copy_u64(copy, row.calls);
    copy_u64(copy, row.unpriced_calls);
    copy_pico(copy, row.actual_pico);
    copy_pico(copy, row.avoidable_pico);
    copy_pico(copy, row.candidate_pico);
    copy_cents(copy, row.actual_pico);
    copy_cents(copy, row.avoidable_pico);
    copy_u64(copy, row.position);
    copy_time(copy, row.computed_ms);
}

#include "reports/optimize/recent.h"

#include <stdlib.h>
#include <string.h>

bool
recent_init(struct recent *recent)
{
    *recent = (struct recent){0};
    recent->places = calloc((size_t)RECENT_SETS * RECENT_WAYS, sizeof *recent->places);
    return recent->places != NULL;
}

void
recent_clear(struct recent *recent)
{
    free(recent->places);
    *recent = (struct recent){0};
}

void
recent_reset(struct recent *recent)
{
    memset(recent->places, 0, (size_t)RECENT_SETS * RECENT_WAYS * sizeof *recent->places);
    recent->evictions = 0;
}

struct recent_call *
recent_at(struct recent *recent, uint64_t key)
{
    struct recent_call *set = recent->places + (size_t)(key % RECENT_SETS) * RECENT_WAYS;
    struct recent_call *oldest = set;
    for (int i = 0; i < RECENT_WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (oldest->key != 0 && (set[i].key == 0 || set[i].time_utc_ms < oldest->time_utc_ms))
            oldest = &set[i];
    }
    recent->evictions += oldest->key != 0;
    *oldest = (struct recent_call){0};
    return oldest;
}

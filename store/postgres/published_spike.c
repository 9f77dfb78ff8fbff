#include "store/postgres/published_spike.h"

#include <stdio.h>

#include "store/tables/spike.h"

void
published_spike_key(struct copy *copy, struct bytes key)
{
    struct spike row;
    spike_decode(key, (struct bytes){0}, &row);
    copy_dict(copy, row.organization);
    copy_hour(copy, row.found_hour);
    copy_text(copy, str_of(spike_scope_name(row.subject.scope)));
    copy_dict(copy, row.subject.provider);
    copy_dict(copy, row.subject.value);
}

/* An array of Postgres: {calls,cost}. */
static void
put_measures(struct copy *copy, uint8_t measures)
{
    char text[64] = "{";
    size_t used = 1;
    for (int m = 0; m < SPIKE_MEASURES; m++) {
        if ((measures >> m & 1) != 0)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used > 1 ? "," : "",
                                     spike_measure_name((enum spike_measure)m));
    }
    snprintf(text + used, sizeof text - used, "}");
    copy_text(copy, str_of(text));
}

void
published_spike_row(struct copy *copy, struct bytes key, struct bytes value)
{
    struct spike row;
    char id[SPIKE_ID_BYTES];
    spike_decode(key, value, &row);
    spike_id(copy->txn, &row, id);
    copy_text(copy, str_of(id));
    copy_hour(copy, row.from_hour);
    copy_hour(copy, row.to_hour);
    copy_hour(copy, row.peak_hour);
    put_measures(copy, row.measures);
    copy_bool(copy, row.burst);
    copy_bool(copy, row.withdrawn);
    copy_u64(copy, row.threshold_percent);
    copy_text(copy, str_of(row.currency));
    copy_u64(copy, row.actual.calls);
    copy_u64(copy, row.actual.tokens);
    copy_pico(copy, row.actual.cost_pico);
    copy_cents(copy, row.actual.cost_pico);
    copy_u64(copy, row.usual.calls);
    copy_u64(copy, row.usual.tokens);
    copy_pico(copy, row.usual.cost_pico);
    copy_dict(copy, row.drivers[SPIKE_PROJECT].value);
    copy_dict(copy, row.drivers[SPIKE_USER].value);
    copy_dict(copy, row.drivers[SPIKE_MODEL].provider);
    copy_dict(copy, row.drivers[SPIKE_MODEL].value);
    for (int s = SPIKE_PROJECT; s < SPIKE_SCOPE_COUNT; s++)
        copy_pico(copy, row.drivers[s].excess_pico);
    copy_text(copy, str_of(row.text));
    copy_u64(copy, row.position);
    copy_time(copy, row.noticed_ms);
}

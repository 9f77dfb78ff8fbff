#include "reports/spikes/spike_settings.h"

#include "store/event/mp.h"

struct spike_settings
spike_settings_of(const struct budget *budget)
{
    struct spike_settings s = {.enabled = true, .threshold_percent = SPIKE_PERCENT_DEFAULT};
    struct mp_value head = {0}, key = {0}, value = {0};
    if (budget == NULL || budget->spikes.size_bytes == 0)
        return s;
    struct mp at = mp_of(budget->spikes);
    bool ok = mp_read(&at, &head);
    if (ok && head.type != MP_MAP) {
        s.complaint = "spikeDetection is no map such as {\"enabled\": true, \"threshold\": 200}; "
                      "that is what holds";
        return s;
    }
    for (uint32_t i = 0; ok && i < head.count; i++) {
        uint64_t percent;
        ok = mp_read(&at, &key);
        struct mp peek = at;
        ok = ok && mp_read(&peek, &value) && mp_skip(&at);
        if (!ok || key.type != MP_STR)
            continue;
        if (str_is(mp_str(&key), "enabled"))
            s.enabled = value.type != MP_BOOL || value.b;
        else if (str_is(mp_str(&key), "threshold") && mp_whole(&value, &percent) &&
                 percent >= SPIKE_PERCENT_MIN && percent <= SPIKE_PERCENT_MAX)
            s.threshold_percent = (uint32_t)percent;
        else if (str_is(mp_str(&key), "threshold"))
            s.complaint = "spikeDetection.threshold is no whole percentage of the usual from 101 "
                          "to 100000; 200 holds";
    }
    return s;
}

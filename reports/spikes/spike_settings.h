/*
 * reports/spikes/spike_settings.h - what an organization's spikeDetection asks for.
 *
 * Source: schemas/event.md, "Budgets".
 */
#ifndef REPORTS_SPIKES_SPIKE_SETTINGS_H
#define REPORTS_SPIKES_SPIKE_SETTINGS_H

#include "store/tables/budget.h"

enum {
    SPIKE_PERCENT_DEFAULT = 200,
    SPIKE_PERCENT_MIN = 101,
    SPIKE_PERCENT_MAX = 100000,
};

struct spike_settings {
    bool enabled;
    uint32_t threshold_percent; /* of the usual, from which more is a spike */
    const char *complaint;      /* what cannot be used and is at its default; NULL: nothing */
};

/* Read them.  budget may be NULL: the organization sent none, and has the defaults. */
struct spike_settings spike_settings_of(const struct budget *budget);

#endif

/*
 * reports/spikes/episode.h - the rule: which hours of a series are a spike.  A pure
 * function of its points; the reasons: reports/spikes/DESIGN.md, "The rule".
 */
#ifndef REPORTS_SPIKES_EPISODE_H
#define REPORTS_SPIKES_EPISODE_H

#include "reports/spikes/detector.h"
#include "reports/spikes/series.h"

enum {
    EPISODE_COLD_HOURS = 72,  /* since its first call, before anything of a series is a spike */
    EPISODE_COLD_ACTIVE = 24, /* and so many hours with calls */
    EPISODE_GAP_HOURS = 3,    /* spikes that lie no further apart are one */
    EPISODE_FAR_WEIGHT = 2,   /* an hour far out counts as so many */
    EPISODE_WEIGHT_MIN = 4,   /* hours that make a spike */
};

struct episode_rule {
    uint32_t from_hour;   /* the history begins */
    uint32_t judged_hour; /* the first hour that may be a spike */
    uint32_t to_hour;     /* behind the last one, which may be under way */
    uint32_t threshold_percent;
    struct spike_figures gate; /* of each: an hour's excess below which it is no spike */
};

struct episode {
    uint32_t from_hour, to_hour;
    uint8_t measures;                   /* that count in any of its hours */
    struct spike_figures actual, usual; /* of all its hours */
    struct episode_measure {
        uint32_t weight; /* hours that count, those far out twice */
        uint32_t peak_hour;
        double peak; /* the largest excess of one of them */
    } of[SPIKE_MEASURES];
};

/* Room to work in, for one series after the other: some 200 KiB, so not on a stack. */
struct episode_finder {
    struct detector detectors[SPIKE_MEASURES];
    struct list found;         /* struct episode, in order */
    struct spike_figures last; /* the usual of the last hour */
    bool last_known;           /* there was enough history for it */
};

void episode_finder_init(struct episode_finder *finder);
void episode_finder_clear(struct episode_finder *finder);

/*
 * The least excess of a part's hour: half of what the organization has in an hour, so
 * that nobody is told of what hardly matters; or the gate, if that is more.
 */
struct spike_figures episode_part_gate(const struct series *organization, uint32_t judged_hour,
                                       const struct spike_figures *gate);

/* The hour with the largest excess of the leading measure. */
uint32_t episode_peak_hour(const struct episode *episode);

/* Find a series' spikes.  Errors: ERR_LIMIT out of memory. */
enum err_code episode_find(struct episode_finder *finder, const struct series *series,
                           const struct episode_rule *rule, struct err *err) ERR_MUST_CHECK;

#endif

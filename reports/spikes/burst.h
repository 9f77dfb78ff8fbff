/*
 * reports/spikes/burst.h - runaway loops, seen within a minute of data: counted calls of
 * the last minutes, from the log, since the tables know whole hours only.
 *
 * The rule and why: reports/spikes/DESIGN.md, "Bursts".
 */
#ifndef REPORTS_SPIKES_BURST_H
#define REPORTS_SPIKES_BURST_H

#include "rollup/map.h"
#include "rollup/price/price.h"
#include "store/tables/spike.h"

enum {
    BURST_MINUTES = 3,      /* looked at: the last whole ones and the one under way */
    BURST_CALLS_MIN = 20,   /* of one minute */
    BURST_PACE = 5,         /* times what a spike of a whole hour would need */
    BURST_BEFORE_MIN = 120, /* minutes before that no minute came near in */
    BURST_NEAR = 3,         /* a minute with a third of what this one has is near */
};

struct burst_log {
    const char *data_directory;
    const struct price_book *prices;
    int64_t now_ms;
};

struct burst_minute {
    uint32_t minute; /* since 1970 */
    struct spike_figures figures;
};

/* The minutes in which a subject of an organization had most of each measure. */
struct burst_busiest {
    struct burst_minute by[SPIKE_MEASURES];
};

/* Minutes of everybody, by organization and subject. */
struct burst_minutes {
    struct map sums;    /* struct spike_figures, of each minute */
    struct map busiest; /* struct burst_busiest */
    struct map past;    /* as sums: the minutes before, of those who are busy now */
    bool past_read;
};

void burst_minutes_init(struct burst_minutes *m);
void burst_minutes_clear(struct burst_minutes *m);

/*
 * Read the last minutes, in place of what m had.
 *
 * Errors: those of calls_walk(), but that there is no log or no such part of it any
 * more: then there are no minutes.
 */
enum err_code burst_read(struct burst_minutes *m, struct tables_txn *txn,
                         const struct burst_log *log, struct err *err) ERR_MUST_CHECK;

/* A subject's busiest of the last minutes; NULL: it has no call in them. */
const struct burst_busiest *burst_of(const struct burst_minutes *m, uint32_t organization,
                                     const struct spike_subject *subject);

/*
 * Is a minute a runaway loop's, by one measure?
 *
 *   usual  of the whole hour
 *   gate   an hour's excess below which nothing is a spike; ten times that at this pace
 */
bool burst_is_pace(const struct burst_minute *minute, enum spike_measure measure,
                   const struct spike_figures *usual, uint32_t threshold_percent,
                   const struct spike_figures *gate);

/*
 * Did no minute come near in the two hours before, and at the same time a day ago?  The
 * first question since burst_read() reads that of the log, for all subjects.
 *
 *   minute  of what burst_of() said, the one by this measure
 *
 * Errors: as burst_read().
 */
enum err_code burst_is_new(struct burst_minutes *m, struct tables_txn *txn,
                           const struct burst_log *log, uint32_t organization,
                           const struct spike_subject *subject, const struct burst_minute *minute,
                           enum spike_measure measure, bool *ret, struct err *err) ERR_MUST_CHECK;

#endif

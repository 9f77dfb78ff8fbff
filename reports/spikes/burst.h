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
    BURST_NEAR = 3,         /* a minute a third as dear as this one is near */
};

struct burst_log {
    const char *data_directory;
    const struct price_book *prices;
    int64_t now_ms;
};

/* What a subject of an organization had in its dearest minute. */
struct burst_minute {
    uint32_t minute; /* since 1970 */
    uint64_t calls;
    money_sum cost_pico;
};

/* Minutes of everybody, by organization and subject. */
struct burst_minutes {
    struct map sums;    /* of each minute */
    struct map dearest; /* struct burst_minute */
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

/* A subject's dearest of the last minutes; NULL: it has no call in them. */
const struct burst_minute *burst_of(const struct burst_minutes *m, uint32_t organization,
                                    const struct spike_subject *subject);

/*
 * Is a minute a runaway loop's?
 *
 *   usual_pico  of the whole hour
 *   gate_pico   an hour's excess below which nothing is a spike; ten times that at this pace
 */
bool burst_is_pace(const struct burst_minute *minute, money_sum usual_pico,
                   uint32_t threshold_percent, money_sum gate_pico);

/*
 * Did no minute come near in the two hours before, and at the same time a day ago?  The
 * first question since burst_read() reads that of the log, for all subjects.
 *
 *   minute  what burst_of() said
 *
 * Errors: as burst_read().
 */
enum err_code burst_is_new(struct burst_minutes *m, struct tables_txn *txn,
                           const struct burst_log *log, uint32_t organization,
                           const struct spike_subject *subject, const struct burst_minute *minute,
                           bool *ret, struct err *err) ERR_MUST_CHECK;

#endif

/*
 * reports/spikes/series.h - an organization's hours as series: its own, and those of
 * each project, user and model.
 */
#ifndef REPORTS_SPIKES_SERIES_H
#define REPORTS_SPIKES_SERIES_H

#include "rollup/map.h"
#include "store/base/list.h"
#include "store/tables/spike.h"

struct series_point {
    uint32_t hour;
    struct spike_figures figures;
};

/* Hours without a call have no point. */
struct series {
    struct spike_subject subject;
    struct list points;        /* struct series_point, by rising hour */
    struct spike_figures most; /* of each, in one hour of the time that is judged */
};

struct series_set {
    struct map numbers;          /* subject -> index + 1 */
    struct list all;             /* struct series; [0] is the organization's */
    uint32_t from_hour, to_hour; /* that were read, to exclusive */
};

void series_set_init(struct series_set *set);
void series_set_clear(struct series_set *set);

/*
 * Read an organization's hours in place of what the set had.
 *
 *   from_hour, to_hour  to exclusive
 *   judged_hour         `most` counts from here on
 *
 * Errors: ERR_CORRUPT, ERR_LIMIT out of memory.
 */
enum err_code series_read(struct series_set *set, struct tables_txn *txn, uint32_t organization,
                          uint32_t from_hour, uint32_t to_hour, uint32_t judged_hour,
                          struct err *err) ERR_MUST_CHECK;

/* The series of a subject; NULL: it has no call. */
const struct series *series_find(const struct series_set *set, const struct spike_subject *subject);

/* Add a point's figures to the series of a subject; hours grow from call to call. */
enum err_code series_add(struct series_set *set, const struct spike_subject *subject, uint32_t hour,
                         const struct spike_figures *figures, bool judged,
                         struct err *err) ERR_MUST_CHECK;

/* What a series has in hours from (counted) to to (not). */
struct spike_figures series_sum(const struct series *series, uint32_t from_hour, uint32_t to_hour);

void spike_figures_add(struct spike_figures *sum, const struct spike_figures *more);

/* Is any of them at least the gate's? */
bool spike_figures_reach(const struct spike_figures *f, const struct spike_figures *gate);

#endif

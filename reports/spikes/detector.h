/*
 * reports/spikes/detector.h - is a value out of the ordinary?  One series of regular
 * steps, value by value, without looking ahead.
 *
 * Statistics, so doubles: nothing here is an amount that is shown.  The method and why:
 * reports/spikes/DESIGN.md, "The detector".  ./dev bench spikes measures it.
 */
#ifndef REPORTS_SPIKES_DETECTOR_H
#define REPORTS_SPIKES_DETECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DETECTOR_WEEK_HOURS = 168,
    DETECTOR_SLOT_MAX = 48,   /* values kept of one hour of the week */
    DETECTOR_RECENT = 24,     /* values that "the recent level" is the median of */
    DETECTOR_SCALES = 3,      /* errors are looked at alone, and averaged twice */
    DETECTOR_BINS = 256,      /* of a histogram of errors */
    DETECTOR_VALUES_MIN = 50, /* fewer values before: nothing is out of the ordinary */
};

/* What the usual may be taken from: whichever has erred least of late. */
enum detector_usual {
    DETECTOR_BY_RECENT, /* the median of the last values */
    DETECTOR_BY_DAY,    /* of the values at this hour of the day, over two weeks */
    DETECTOR_BY_WEEK,   /* of those at this hour of the week, over four weeks */
    DETECTOR_USUALS
};

/* Errors by size, older ones counting less. */
struct detector_errors {
    double bins[DETECTOR_BINS], total, unit;
};

struct detector {
    int64_t first_s, last_alarm_s, harm_since_s, harm_last_s;
    uint64_t count;
    size_t slot_room, day_room; /* values of a slot that are kept, and that a day's usual uses */
    double slots[DETECTOR_WEEK_HOURS][DETECTOR_SLOT_MAX];
    uint32_t slot_counts[DETECTOR_WEEK_HOURS]; /* ever taken */
    double recent[DETECTOR_RECENT];
    double usuals[DETECTOR_USUALS]; /* at the hour at hand; NAN: too little is known */
    double missed[DETECTOR_USUALS]; /* mean error of each, of late */
    int64_t hour;                   /* that usuals are for */
    double spread;                  /* mean error of the usual taken */
    double spreads[24];             /* the same by hour of the day */
    uint32_t spread_counts[24];
    double means[DETECTOR_SCALES]; /* of the errors in spreads, signed */
    struct detector_errors errors[DETECTOR_SCALES];
    int64_t raised_s[DETECTOR_SCALES]; /* when a limit was last passed */
    double raised_cap[DETECTOR_SCALES];
    /* Of the value judged last. */
    int64_t at_s;
    double value, usual;
    double sizes[DETECTOR_SCALES], limits[DETECTOR_SCALES];
};

struct detector_verdict {
    bool known; /* there was enough history to judge by */
    double usual;
    double score; /* how far it is out of the ordinary, either way: as a multiple of what one
                       value in a thousand reached before */
    double above; /* the same, upwards only; 0 for what is low */
    bool out;     /* score reaches DETECTOR_OUT */
    bool alarm;   /* out, and the first such value within a day */
};

/* A score from which a value is out of the ordinary. */
extern const double detector_out;

/*
 * Begin a series.
 *
 *   step_s  from one value to the next, at least 1; values may be missing
 */
void detector_init(struct detector *d, int64_t step_s);

/*
 * Judge a value by all before it.  Follow it up with detector_learn().
 *
 *   at_s   its time, UTC; grows from value to value
 *   value  finite
 */
struct detector_verdict detector_judge(struct detector *d, int64_t at_s, double value);

/*
 * Learn the value that was judged last.
 *
 *   harm  somebody says that it is not as it should be: it shall not change what is
 *         usual.  Believed for a week at a time, after which it is as things are now
 */
void detector_learn(struct detector *d, bool harm);

#endif

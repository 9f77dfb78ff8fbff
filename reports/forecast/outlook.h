/*
 * reports/forecast/outlook.h - what the hours to come will add up to, by the hours before:
 * expected, and an interval that four in five stay in.  One series.
 *
 * Statistics, so doubles: nothing here is an amount that is shown.  The method and why:
 * reports/forecast/DESIGN.md.  ./dev bench forecast measures it.
 */
#ifndef REPORTS_FORECAST_OUTLOOK_H
#define REPORTS_FORECAST_OUTLOOK_H

#include <stddef.h>

#include "store/tables/forecast.h"

enum {
    OUTLOOK_HISTORY_DAYS = 91, /* thirteen weeks are looked at */
    OUTLOOK_HISTORY_HOURS = OUTLOOK_HISTORY_DAYS * 24,
    OUTLOOK_LEFT_HOURS_MAX = FORECAST_DAYS_MAX * 24,
    OUTLOOK_CANDIDATES = 14,
};

/* Sums over the hours from now to a point. */
struct outlook_point {
    double expected, low, high; /* 0 <= low <= expected <= high */
};

struct outlook {
    /* One for each midnight ahead; all lie whole days apart and the last is the end. */
    struct outlook_point points[FORECAST_DAYS_MAX];
    size_t point_count;
    enum forecast_method method; /* that has the largest part in the last point */
    unsigned tested;             /* past forecasts that the last point's interval rests on */
};

/* Room to work in: too large for a stack.  Nothing in it outlives a call. */
struct outlook_room {
    size_t days;                             /* whole ones of the history */
    size_t tail;                             /* hours of the first day ahead */
    double hours[OUTLOOK_HISTORY_HOURS + 1]; /* sums from the history's first hour on */
    double day[OUTLOOK_HISTORY_DAYS];        /* counted back from now: the last ends now */
    /* What part of a day's sum they have, as known by then: by the day of the week, and of any. */
    double tail_part[OUTLOOK_HISTORY_DAYS + 1][8];
    double growth[OUTLOOK_HISTORY_DAYS + 1]; /* a day, as known by then */
    double scale[OUTLOOK_HISTORY_DAYS + 1];  /* mean day, as known by then */
    /* What each candidate expected by then for so many whole days. */
    double sums[OUTLOOK_CANDIDATES][OUTLOOK_HISTORY_DAYS + 1][FORECAST_DAYS_MAX + 1];
    /* The part of each in what was expected by then for so many days. */
    double parts[FORECAST_DAYS_MAX + 1][OUTLOOK_HISTORY_DAYS + 1][OUTLOOK_CANDIDATES];
};

/*
 * Look ahead.
 *
 *   room   scratch
 *   hours  what each hour had, the latest last: whole ones, at least 0
 *   count  1 to OUTLOOK_HISTORY_HOURS: from the series' first hour on, or as many as are looked at
 *   left   hours ahead, 1 to OUTLOOK_LEFT_HOURS_MAX
 */
void outlook_make(struct outlook_room *room, const double *hours, size_t count, size_t left,
                  struct outlook *ret);

#endif

/*
 * store/base/time.h - UTC calendar arithmetic; no time zone is ever consulted.
 *
 * Days, hours and months are counted from 1970-01-01T00:00Z: day 0, hour 0 and
 * month 0 all begin there.  Proleptic Gregorian calendar; years 1970 to 9999.
 */
#ifndef STORE_BASE_TIME_H
#define STORE_BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/bytes.h"

enum {
    TIME_DAY_S = 86400,
    TIME_HOUR_S = 3600,
    TIME_TEXT_BYTES = 32, /* room for every text this file writes, NUL included */
};

#define TIME_DAY_MS ((int64_t)86400000)
#define TIME_HOUR_MS ((int64_t)3600000)
#define TIME_MAX_MS ((int64_t)253402300800000) /* 10000-01-01: beyond every time here */

struct time_civil {
    int year;
    int month;  /* 1 to 12 */
    int day;    /* 1 to 31 */
    int hour;   /* 0 to 23 */
    int minute; /* 0 to 59 */
    int second; /* 0 to 59 */
    int ms;     /* 0 to 999 */
};

/* Break utc_ms (0 <= utc_ms < TIME_MAX_MS) into its calendar parts. */
struct time_civil time_civil(int64_t utc_ms);

/* The day number of a date that exists. */
int64_t time_day_of(int year, int month, int day);

/* The month number (0 = January 1970) that utc_ms lies in, and its first ms. */
int32_t time_month(int64_t utc_ms);
int64_t time_month_start_ms(int32_t month);

/*
 * Parse a time.  Accepted: RFC 3339 ("2026-11-24T08:15:30.5Z", "+02:00" offsets,
 * a space for the T, no offset means UTC), a date, a month ("2026-11": its
 * first instant).  Digits beyond milliseconds are cut off.  A leap second
 * (:60) counts as the first instant of the next minute.
 *
 *   ret_utc_ms  written only on success
 *
 * Returns false when the text is none of these or the date does not exist.
 */
bool time_parse(struct str text, int64_t *ret_utc_ms) __attribute__((warn_unused_result));

/* "2026-11-24T08:15:30.500Z", "2026-11-24T08", "2026-11-24", "2026-11". */
void time_format_ms(int64_t utc_ms, char text[TIME_TEXT_BYTES]);
void time_format_hour(int64_t hour, char text[TIME_TEXT_BYTES]);
void time_format_day(int64_t day, char text[TIME_TEXT_BYTES]);
void time_format_month(int32_t month, char text[TIME_TEXT_BYTES]);

#endif

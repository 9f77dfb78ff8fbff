#include "store/base/time.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/*
 * Days to civil date and back: years begin in March, so that the leap day is
 * the last of its year; 400-year eras of 146,097 days.
 */
int64_t
time_day_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400;
    int64_t year_of_era = y - era * 400;
    int64_t month_from_march = month > 2 ? month - 3 : month + 9;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void
civil_of_day(int64_t day, struct time_civil *c)
{
    int64_t z = day + 719468;
    int64_t era = z / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    c->day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    c->month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    c->year = (int)(year_of_era + era * 400 + (c->month <= 2 ? 1 : 0));
}

struct time_civil
time_civil(int64_t utc_ms)
{
    assert(utc_ms >= 0 && utc_ms < TIME_MAX_MS);
    struct time_civil c = {0};
    int64_t day = utc_ms / TIME_DAY_MS;
    int64_t in_day = utc_ms - day * TIME_DAY_MS;
    civil_of_day(day, &c);
    c.ms = (int)(in_day % 1000);
    c.second = (int)(in_day / 1000 % 60);
    c.minute = (int)(in_day / 60000 % 60);
    c.hour = (int)(in_day / TIME_HOUR_MS);
    return c;
}

int32_t
time_month(int64_t utc_ms)
{
    struct time_civil c = time_civil(utc_ms);
    return (c.year - 1970) * 12 + c.month - 1;
}

int64_t
time_month_start_ms(int32_t month)
{
    assert(month >= 0);
    return time_day_of(1970 + month / 12, month % 12 + 1, 1) * TIME_DAY_MS;
}

static int
days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

struct cursor {
    const char *p;
    const char *end;
};

/* Exactly count digits. */
static bool
take_digits(struct cursor *c, int count, int *ret_value)
{
    int value = 0;
    if (c->end - c->p < count)
        return false;
    for (int i = 0; i < count; i++) {
        if (c->p[i] < '0' || c->p[i] > '9')
            return false;
        value = value * 10 + (c->p[i] - '0');
    }
    c->p += count;
    *ret_value = value;
    return true;
}

static bool
take_char(struct cursor *c, const char *any_of)
{
    if (c->p == c->end || *c->p == '\0' || strchr(any_of, *c->p) == NULL)
        return false;
    c->p++;
    return true;
}

/* ".5", ".1234567": milliseconds, the rest cut off. */
static bool
take_fraction(struct cursor *c, int *ret_ms)
{
    int ms = 0, digits = 0;
    if (!take_char(c, "."))
        return true;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9') {
        if (digits < 3)
            ms = ms * 10 + (*c->p - '0');
        digits++;
        c->p++;
    }
    if (digits == 0)
        return false;
    for (int i = digits; i < 3; i++)
        ms *= 10;
    *ret_ms = ms;
    return true;
}

static bool
take_offset(struct cursor *c, int *ret_minutes)
{
    *ret_minutes = 0;
    if (c->p == c->end || take_char(c, "Zz"))
        return true;
    int sign = *c->p == '-' ? -1 : 1, hours, minutes;
    if (!take_char(c, "+-") || !take_digits(c, 2, &hours) || !take_char(c, ":") ||
        !take_digits(c, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

static bool
take_time_of_day(struct cursor *c, struct time_civil *t, int *ret_offset_minutes)
{
    if (!take_char(c, "Tt ") || !take_digits(c, 2, &t->hour) || !take_char(c, ":") ||
        !take_digits(c, 2, &t->minute))
        return false;
    if (take_char(c, ":") && (!take_digits(c, 2, &t->second) || !take_fraction(c, &t->ms)))
        return false;
    return t->hour <= 23 && t->minute <= 59 && t->second <= 60 &&
           take_offset(c, ret_offset_minutes);
}

bool
time_parse(struct str text, int64_t *ret_utc_ms)
{
    if (text.size_bytes == 0)
        return false; /* its data may be NULL, which knows no arithmetic */
    struct cursor c = {text.data, text.data + text.size_bytes};
    struct time_civil t = {.day = 1};
    int offset_minutes = 0;
    if (!take_digits(&c, 4, &t.year) || !take_char(&c, "-") || !take_digits(&c, 2, &t.month))
        return false;
    if (t.year < 1970 || t.month < 1 || t.month > 12)
        return false;
    if (take_char(&c, "-")) {
        if (!take_digits(&c, 2, &t.day) || t.day < 1 || t.day > days_in_month(t.year, t.month))
            return false;
        if (c.p < c.end && !take_time_of_day(&c, &t, &offset_minutes))
            return false;
    }
    if (c.p != c.end)
        return false;
    int64_t s = time_day_of(t.year, t.month, t.day) * TIME_DAY_S + t.hour * 3600 + t.minute * 60 +
                t.second - offset_minutes * 60;
    if (s < 0 || s * 1000 + t.ms >= TIME_MAX_MS)
        return false;
    *ret_utc_ms = s * 1000 + t.ms;
    return true;
}

void
time_format_ms(int64_t utc_ms, char text[TIME_TEXT_BYTES])
{
    struct time_civil c = time_civil(utc_ms);
    snprintf(text, TIME_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year % 10000,
             c.month % 100, c.day % 100, c.hour % 100, c.minute % 100, c.second % 100, c.ms % 1000);
}

void
time_format_hour(int64_t hour, char text[TIME_TEXT_BYTES])
{
    struct time_civil c = time_civil(hour * TIME_HOUR_MS);
    snprintf(text, TIME_TEXT_BYTES, "%04d-%02d-%02dT%02d", c.year, c.month, c.day, c.hour);
}

void
time_format_day(int64_t day, char text[TIME_TEXT_BYTES])
{
    struct time_civil c = time_civil(day * TIME_DAY_MS);
    snprintf(text, TIME_TEXT_BYTES, "%04d-%02d-%02d", c.year, c.month, c.day);
}

void
time_format_month(int32_t month, char text[TIME_TEXT_BYTES])
{
    snprintf(text, TIME_TEXT_BYTES, "%04d-%02d", 1970 + month / 12, month % 12 + 1);
}

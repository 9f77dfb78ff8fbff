#include "reports/dashboard/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/base/currency.h"
#include "store/base/time.h"

enum { PICO_DIGITS = 12, WEEKDAY_OF_DAY_0 = 3, PERCENT_MAX = 1000000 };

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const weekdays[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                       "Friday", "Saturday", "Sunday"};

void
words_group(const char *decimal, char text[WORDS_BYTES])
{
    size_t whole = strspn(decimal, "-0123456789"), used = 0;
    for (size_t i = 0; i < whole; i++) {
        text[used++] = decimal[i];
        size_t left = whole - 1 - i;
        if (left > 0 && left % 3 == 0 && decimal[i] != '-')
            text[used++] = ',';
    }
    snprintf(text + used, WORDS_BYTES - used, "%s", decimal + whole);
}

void
words_whole(uint64_t value, char text[WORDS_BYTES])
{
    char decimal[24];
    snprintf(decimal, sizeof decimal, "%" PRIu64, value);
    words_group(decimal, text);
}

void
words_amount(money_sum pico, const char *currency, char text[WORDS_BYTES])
{
    char decimal[MONEY_TEXT_BYTES];
    money_format_fixed(pico, PICO_DIGITS, currency_minor_digits(currency), decimal);
    words_group(decimal, text);
}

void
words_exact(money_sum pico, const char *currency, char text[WORDS_BYTES])
{
    char exact[MONEY_TEXT_BYTES], fixed[MONEY_TEXT_BYTES];
    money_format(pico, PICO_DIGITS, exact);
    money_format_fixed(pico, PICO_DIGITS, currency_minor_digits(currency), fixed);
    /* What has fewer digits than the minor unit is not rounded by it. */
    words_group(strlen(exact) < strlen(fixed) ? fixed : exact, text);
}

void
words_percent(money_sum part, money_sum whole, char text[WORDS_BYTES])
{
    text[0] = '\0';
    if (whole <= 0 || part / whole > PERCENT_MAX / 100 || part / whole < -PERCENT_MAX / 100)
        return;
    money_sum percent = money_divide(part * 100, whole);
    snprintf(text, WORDS_BYTES, "%d\xc2\xa0%%", (int)percent);
}

void
words_day(int64_t day, bool with_year, char text[WORDS_BYTES])
{
    struct time_civil t = time_civil(day * TIME_DAY_MS);
    if (with_year)
        snprintf(text, WORDS_BYTES, "%d %s %d", t.day, words_month_short(t.month), t.year);
    else
        snprintf(text, WORDS_BYTES, "%.3s %d %s",
                 weekdays[(day + WEEKDAY_OF_DAY_0) % BOARD_WEEK_DAYS], t.day,
                 words_month_short(t.month));
}

void
words_minute(int64_t utc_ms, char text[WORDS_BYTES])
{
    struct time_civil t = time_civil(utc_ms);
    snprintf(text, WORDS_BYTES, "%d %s %d, %02d:%02d UTC", t.day, words_month_short(t.month),
             t.year, t.hour, t.minute);
}

void
words_month(int32_t month, char text[WORDS_BYTES])
{
    snprintf(text, WORDS_BYTES, "%s %d", months[month % 12], 1970 + month / 12);
}

const char *
words_month_short(int month)
{
    static const char *const names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    return names[month - 1];
}

const char *
words_weekday(unsigned weekday)
{
    return weekdays[weekday];
}

void
words_period(const struct board *board, char text[WORDS_BYTES])
{
    if (board->is_month) {
        words_month(board->month, text);
        return;
    }
    words_day(board->from_day, true, text);
    size_t used = strlen(text);
    if (board->day_count > 1) {
        snprintf(text + used, WORDS_BYTES - used, " to ");
        used += strlen(text + used);
        char last[WORDS_BYTES];
        words_day((int64_t)board->to_day - 1, true, last);
        snprintf(text + used, WORDS_BYTES - used, "%s", last);
    }
}

/*
 * reports/dashboard/words.h - amounts and times as a person reads them.
 */
#ifndef REPORTS_DASHBOARD_WORDS_H
#define REPORTS_DASHBOARD_WORDS_H

#include <stdbool.h>

#include "reports/dashboard/board.h"
#include "store/base/money.h"

enum { WORDS_BYTES = 128 };

/* Put a comma between the thousands of a number's whole part: "1,234.5678", "1,500k". */
void words_group(const char *decimal, char text[WORDS_BYTES]);
void words_whole(uint64_t value, char text[WORDS_BYTES]);

/* Rounded to the currency's minor unit, for show: "1,234.57". */
void words_amount(money_sum pico, const char *currency, char text[WORDS_BYTES]);

/* To the last pico, with the digits of the minor unit at least: "1,234.50", "0.0000225". */
void words_exact(money_sum pico, const char *currency, char text[WORDS_BYTES]);

/* part / whole in percent, rounded half up: "61 %"; "" where whole is not above 0, or it is beyond
 * a million. */
void words_percent(money_sum part, money_sum whole, char text[WORDS_BYTES]);

/* "Tue 24 Nov" or "24 Nov 2026"; "24 Nov 2026, 08:15 UTC"; "November 2026". */
void words_day(int64_t day, bool with_year, char text[WORDS_BYTES]);
void words_minute(int64_t utc_ms, char text[WORDS_BYTES]);
void words_month(int32_t month, char text[WORDS_BYTES]);
const char *words_month_short(int month);    /* 1 to 12: "Nov" */
const char *words_weekday(unsigned weekday); /* 0 is Monday: "Monday" */

/* "November 2026", or "3 Nov 2026 to 9 Nov 2026". */
void words_period(const struct board *board, char text[WORDS_BYTES]);

#endif

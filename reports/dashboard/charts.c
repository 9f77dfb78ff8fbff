#include "reports/dashboard/charts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/dashboard/axis.h"
#include "reports/dashboard/words.h"
#include "store/base/time.h"

enum {
    PICO_DIGITS = 12,
    TALL_PX = 260,
    LOW_PX = 200,
    ROW_PX = 42,      /* of a part */
    BAR_PERCENT = 56, /* of a picture's width that the longest bar takes */
    HOUR_ROW_PX = 24, /* of a day of the week */
    SHADES = 5,
    NAME_COLUMNS = 36,
    MODEL_COLUMNS = 23,
    PROVIDER_COLUMNS = 10,
    DAYS_LABELLED_BY_WEEK_MAX = 45,
    LONG_DAYS_MIN = 62, /* from here on bars stand close */
};

/* "12.34%" of ten-thousandths. */
enum { PART_BYTES = 16 };

static const char *
part(int parts, char text[PART_BYTES])
{
    snprintf(text, PART_BYTES, "%d.%02d%%", parts / 100, parts % 100);
    return text;
}

money_sum
charts_value(const struct board *board, const struct board_sum *sum)
{
    return board_is_unpriced(board) ? (money_sum)sum->credits : sum->cost_pico;
}

/* "12.34 USD" or "1,200 credits". */
static void
value_words(const struct board *board, money_sum value, char text[WORDS_BYTES])
{
    char figure[WORDS_BYTES];
    if (board_is_unpriced(board)) {
        words_whole((uint64_t)value, figure);
        snprintf(text, WORDS_BYTES, "%.100s credits", figure);
    } else {
        words_amount(value, board->currency, figure);
        snprintf(text, WORDS_BYTES, "%.100s %s", figure, board->currency);
    }
}

static void
begin(struct html *h, const char *name, const char *kind, int height_px)
{
    html_printf(h,
                "<svg class=\"plot %s\" height=\"%d\" role=\"img\" "
                "aria-labelledby=\"%s-title\"><title id=\"%s-title\">",
                kind, height_px, name, name);
}

static int
digits_of(const struct board *board)
{
    return board_is_unpriced(board) ? 0 : PICO_DIGITS;
}

static void
draw_ticks(struct html *h, const struct axis *axis)
{
    for (int i = 0; i <= axis->steps; i++) {
        char label[AXIS_TEXT_BYTES], y[PART_BYTES], text[WORDS_BYTES];
        money_sum value = axis->bottom + i * axis->step;
        axis_label(axis, i, label);
        words_group(label, text);
        part(AXIS_PARTS - axis_place(axis, value), y);
        html_printf(h,
                    "<line class=\"%s\" x1=\"0\" x2=\"100%%\" y1=\"%s\" y2=\"%s\"/>"
                    "<text class=\"end\" x=\"-8\" y=\"%s\" dy=\".32em\">%s</text>",
                    value == 0 ? "base" : "grid", y, y, y, text);
    }
}

static void
draw_day_label(struct html *h, const struct board *b, uint32_t day, const char *text)
{
    char x[PART_BYTES];
    int64_t place = ((int64_t)day * 2 + 1) * AXIS_PARTS / (2 * (int64_t)b->day_count);
    html_printf(h, "<text class=\"mid\" x=\"%s\" y=\"100%%\" dy=\"1.6em\">%s</text>",
                part((int)place, x), text);
}

/* Weeks by the day of the month, more than six weeks by months; never more than fit a phone. */
static void
draw_days(struct html *h, const struct board *b)
{
    uint32_t step = b->day_count <= 10 ? 1 : 7, months = b->day_count / 30 / 6 + 1, seen = 0;
    for (uint32_t i = 0; i < b->day_count; i++) {
        struct time_civil t = time_civil((int64_t)(b->from_day + i) * TIME_DAY_MS);
        char text[16];
        if (b->day_count > DAYS_LABELLED_BY_WEEK_MAX) {
            if (t.day != 1 || seen++ % months != 0)
                continue;
            snprintf(text, sizeof text, "%s", words_month_short(t.month));
        } else {
            if (i % step != 0)
                continue;
            snprintf(text, sizeof text, "%d", t.day);
        }
        draw_day_label(h, b, i, text);
    }
}

/* ---- spending ---- */

struct spending {
    struct axis axis;
    money_sum after[BOARD_DAYS_MAX]; /* at the end of each day that has begun */
};

static void
widen(money_sum value, money_sum *least, money_sum *most)
{
    *least = value < *least ? value : *least;
    *most = value > *most ? value : *most;
}

static void
measure(const struct board *b, struct spending *s)
{
    money_sum sum = 0, least = 0, most = b->has_budget ? b->budget_pico : 0;
    for (uint32_t i = 0; i < b->begun_days; i++) {
        sum += b->days[i].sum.cost_pico + b->days[i].adjustment_pico;
        s->after[i] = sum;
        widen(sum, &least, &most);
    }
    for (uint32_t i = 0; b->has_forecast && i < b->forecast.day_count; i++) {
        widen(board_outlook(b, b->forecast.days[i].low), &least, &most);
        widen(board_outlook(b, b->forecast.days[i].high), &least, &most);
    }
    s->axis = axis_make(least, most, PICO_DIGITS);
}

/* The x of an instant, in ten-thousandths of the period. */
static int
x_of(const struct board *b, int64_t utc_ms)
{
    int64_t from_ms = (int64_t)b->from_day * TIME_DAY_MS, all = b->day_count * TIME_DAY_MS;
    int64_t gone = utc_ms - from_ms;
    return axis_share(gone < 0 ? 0 : gone > all ? all : gone, all);
}

static void
put_point(struct html *h, int x, const struct axis *axis, money_sum value)
{
    html_printf(h, "%d,%d ", x, AXIS_PARTS - axis_place(axis, value));
}

/* Of the last day that has begun only as much as has gone. */
static int64_t
end_of(const struct board *b, uint32_t day)
{
    int64_t end_ms = ((int64_t)b->from_day + day + 1) * TIME_DAY_MS;
    bool is_last = day + 1 == b->begun_days && b->now_ms / TIME_DAY_MS == b->from_day + day;
    return is_last ? b->now_ms : end_ms;
}

static int64_t
forecast_end_of(const struct board *b, uint32_t i)
{
    return ((int64_t)b->forecast.first_day + i + 1) * TIME_DAY_MS;
}

static void
draw_forecast(struct html *h, const struct board *b, const struct spending *s)
{
    const struct forecast_row *f = &b->forecast;
    int from = x_of(b, f->made_ms);
    money_sum so_far = board_outlook(b, f->ranges[FORECAST_COST].so_far);
    html_put(h, "<polygon class=\"band\" points=\"");
    put_point(h, from, &s->axis, so_far);
    for (uint32_t i = 0; i < f->day_count; i++)
        put_point(h, x_of(b, forecast_end_of(b, i)), &s->axis, board_outlook(b, f->days[i].high));
    for (uint32_t i = f->day_count; i-- > 0;)
        put_point(h, x_of(b, forecast_end_of(b, i)), &s->axis, board_outlook(b, f->days[i].low));
    html_put(h, "\"/><polyline class=\"outlook\" points=\"");
    put_point(h, from, &s->axis, so_far);
    for (uint32_t i = 0; i < f->day_count; i++)
        put_point(h, x_of(b, forecast_end_of(b, i)), &s->axis,
                  board_outlook(b, f->days[i].expected));
    html_put(h, "\"/>");
}

static void
spending_title(struct html *h, const struct board *b)
{
    char spent[WORDS_BYTES], text[WORDS_BYTES];
    words_period(b, text);
    words_amount(b->spend_pico, b->currency, spent);
    bool lasts = b->now_ms < (int64_t)b->to_day * TIME_DAY_MS;
    html_printf(h, "Spending in %s, day by day: %s %s%s", text, spent, b->currency,
                lasts ? " so far" : "");
    if (b->has_budget) {
        words_amount(b->budget_pico, b->currency, text);
        html_printf(h, "; the budget is %s", text);
    }
    if (b->has_forecast) {
        words_amount(board_outlook(b, b->forecast.ranges[FORECAST_COST].expected), b->currency,
                     text);
        html_printf(h, "; %s expected at the end", text);
    }
    html_put(h, "</title>");
}

static void
draw_budget(struct html *h, const struct board *b, const struct axis *axis)
{
    char y[PART_BYTES], text[WORDS_BYTES];
    int place = AXIS_PARTS - axis_place(axis, b->budget_pico);
    part(place, y);
    words_amount(b->budget_pico, b->currency, text);
    /* Close to the upper edge there is more room below. */
    html_printf(h,
                "<line class=\"budget\" x1=\"0\" x2=\"100%%\" y1=\"%s\" y2=\"%s\"/>"
                "<text class=\"budget-label\" x=\"4\" y=\"%s\" dy=\"%s\">Budget %s</text>",
                y, y, y, place < 700 ? "1.3em" : "-.5em", text);
}

void
chart_spending(struct html *h, const struct board *board)
{
    struct spending s;
    measure(board, &s);
    begin(h, "spending", "axes", TALL_PX);
    spending_title(h, board);
    draw_ticks(h, &s.axis);
    draw_days(h, board);
    html_put(h, "<svg class=\"lines\" width=\"100%\" height=\"100%\" viewBox=\"0 0 10000 10000\" "
                "preserveAspectRatio=\"none\">");
    if (board->has_forecast)
        draw_forecast(h, board, &s);
    html_put(h, "<polyline class=\"spent\" points=\"");
    put_point(h, 0, &s.axis, 0);
    for (uint32_t i = 0; i < board->begun_days; i++)
        put_point(h, x_of(board, end_of(board, i)), &s.axis, s.after[i]);
    html_put(h, "\"/></svg>");
    if (board->has_budget)
        draw_budget(h, board, &s.axis);
    html_put(h, "</svg>\n");
}

/* ---- days ---- */

static void
days_title(struct html *h, const struct board *b)
{
    char text[WORDS_BYTES], most[WORDS_BYTES];
    uint32_t top = 0;
    words_period(b, text);
    for (uint32_t i = 0; i < b->day_count; i++)
        top = charts_value(b, &b->days[i].sum) > charts_value(b, &b->days[top].sum) ? i : top;
    html_printf(h, "%s by day, %s", board_is_unpriced(b) ? "Credits" : "Cost", text);
    value_words(b, charts_value(b, &b->days[top].sum), most);
    words_day((int64_t)b->from_day + top, false, text);
    html_printf(h, "; the most on %s: %s", text, most);
    if (b->spikes_found > 0)
        html_printf(h, "; %zu spike%s marked", b->spikes_found, b->spikes_found > 1 ? "s" : "");
    html_put(h, "</title>");
}

static void
draw_bar(struct html *h, const struct board *b, const struct axis *axis, uint32_t day)
{
    const struct board_day *d = &b->days[day];
    char x[PART_BYTES], y[PART_BYTES], width[PART_BYTES], height[PART_BYTES], when[WORDS_BYTES],
        value[WORDS_BYTES], calls[WORDS_BYTES];
    bool today = b->now_ms / TIME_DAY_MS == (int64_t)b->from_day + day;
    int zero = axis_place(axis, 0), place = axis_place(axis, charts_value(b, &d->sum));
    int tall = place > zero ? place - zero : zero - place, top = place > zero ? place : zero;
    int64_t each = AXIS_PARTS * 100 / b->day_count; /* in millionths, rounded down */
    int64_t gap = b->day_count < LONG_DAYS_MIN ? each / 4 : each / 10;
    part((int)(((int64_t)day * AXIS_PARTS * 100 / b->day_count + gap / 2) / 100), x);
    part((int)((each - gap) / 100), width);
    /* Whatever is not nothing is seen. */
    tall = tall == 0 && charts_value(b, &d->sum) != 0 ? 1 : tall;
    part(AXIS_PARTS - top, y);
    part(tall, height);
    words_day((int64_t)b->from_day + day, false, when);
    value_words(b, charts_value(b, &d->sum), value);
    words_whole(d->sum.calls, calls);
    if (tall > 0)
        html_printf(h,
                    "<rect class=\"bar%s\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\">"
                    "<title>%s: %s, %s calls%s</title></rect>",
                    today ? " now" : "", x, y, width, height, when, value, calls,
                    today ? " so far" : "");
    if (d->spikes > 0)
        html_printf(h,
                    "<svg class=\"mark\" x=\"%s\" y=\"%s\"><path d=\"M0-4l-5-9h10z\"/>"
                    "<title>%s: %" PRIu32 " spike%s</title></svg>",
                    part((int)(((int64_t)day * 2 + 1) * AXIS_PARTS / (2 * b->day_count)), x), y,
                    when, d->spikes, d->spikes > 1 ? "s" : "");
}

void
chart_days(struct html *h, const struct board *board)
{
    money_sum least = 0, most = 0;
    for (uint32_t i = 0; i < board->day_count; i++)
        widen(charts_value(board, &board->days[i].sum), &least, &most);
    struct axis axis = axis_make(least, most, digits_of(board));
    begin(h, "days", "axes", LOW_PX);
    days_title(h, board);
    draw_ticks(h, &axis);
    draw_days(h, board);
    for (uint32_t i = 0; i < board->day_count; i++)
        draw_bar(h, board, &axis, i);
    html_put(h, "</svg>\n");
}

/* ---- the week ---- */

static money_sum
most_of_week(const struct board *b, unsigned *ret_day, unsigned *ret_hour)
{
    money_sum most = 0;
    *ret_day = *ret_hour = 0;
    for (unsigned d = 0; d < BOARD_WEEK_DAYS; d++) {
        for (unsigned t = 0; t < BOARD_DAY_HOURS; t++) {
            money_sum value = charts_value(b, &b->week[d][t]);
            if (value <= most)
                continue;
            most = value;
            *ret_day = d;
            *ret_hour = t;
        }
    }
    return most;
}

static void
week_title(struct html *h, const struct board *b)
{
    char text[WORDS_BYTES], value[WORDS_BYTES];
    unsigned day, hour;
    money_sum most = most_of_week(b, &day, &hour);
    words_period(b, text);
    html_printf(h, "%s by hour of the week, UTC, %s", board_is_unpriced(b) ? "Credits" : "Cost",
                text);
    value_words(b, most, value);
    if (most > 0)
        html_printf(h, "; the most on %s from %02u:00 to %02u:00: %s", words_weekday(day), hour,
                    hour + 1, value);
    html_put(h, "</title>");
}

static int
compare_values(const void *a, const void *b)
{
    money_sum x = *(const money_sum *)a, y = *(const money_sum *)b;
    return (x > y) - (x < y);
}

/* What the hours with anything have, sorted. */
struct hours {
    money_sum values[BOARD_WEEK_DAYS * BOARD_DAY_HOURS];
    size_t count;
};

static void
sort_hours(const struct board *b, struct hours *hours)
{
    hours->count = 0;
    for (unsigned i = 0; i < BOARD_WEEK_DAYS * BOARD_DAY_HOURS; i++) {
        money_sum value = charts_value(b, &b->week[i / BOARD_DAY_HOURS][i % BOARD_DAY_HOURS]);
        if (value > 0)
            hours->values[hours->count++] = value;
    }
    qsort(hours->values, hours->count, sizeof hours->values[0], compare_values);
}

/*
 * A fifth of the hours with anything has a shade, by how many have no more: one dear hour does not
 * make all others pale.  0: nothing.
 */
static int
shade_of(const struct hours *hours, money_sum value)
{
    size_t up_to = 0;
    while (up_to < hours->count && hours->values[up_to] <= value)
        up_to++;
    return up_to > 0 ? (int)((up_to * SHADES + hours->count - 1) / hours->count) : 0;
}

static void
draw_hour(struct html *h, const struct board *b, const struct hours *hours, unsigned day,
          unsigned hour)
{
    char x[PART_BYTES], value[WORDS_BYTES];
    money_sum v = charts_value(b, &b->week[day][hour]);
    value_words(b, v, value);
    html_printf(h,
                "<rect class=\"s%d\" x=\"%s\" y=\"%u\" width=\"4.17%%\" height=\"%d\">"
                "<title>%s %02u:00 to %02u:00: %s</title></rect>",
                shade_of(hours, v), part((int)(hour * AXIS_PARTS / BOARD_DAY_HOURS), x),
                day * HOUR_ROW_PX, HOUR_ROW_PX, words_weekday(day), hour, hour + 1, value);
}

void
chart_week(struct html *h, const struct board *board)
{
    struct hours hours;
    sort_hours(board, &hours);
    begin(h, "week", "hours", BOARD_WEEK_DAYS * HOUR_ROW_PX);
    week_title(h, board);
    for (unsigned d = 0; d < BOARD_WEEK_DAYS; d++) {
        html_printf(h, "<text class=\"end\" x=\"-8\" y=\"%u\" dy=\".32em\">%.3s</text>",
                    d * HOUR_ROW_PX + HOUR_ROW_PX / 2, words_weekday(d));
        for (unsigned t = 0; t < BOARD_DAY_HOURS; t++)
            draw_hour(h, board, &hours, d, t);
    }
    for (unsigned t = 0; t <= BOARD_DAY_HOURS; t += 6)
        html_printf(h, "<text class=\"mid\" x=\"%u%%\" y=\"100%%\" dy=\"1.4em\">%02u:00</text>",
                    t * 100 / BOARD_DAY_HOURS, t);
    html_put(h, "</svg>\n");
}

/* ---- parts ---- */

static const char *const cut_words[BOARD_CUTS][3] = {
    [BOARD_MODELS] = {"model", "models", "no model"},
    [BOARD_PROJECTS] = {"project", "projects", "no project"},
    [BOARD_USERS] = {"user", "users", "no user"},
};

void
charts_part_name(struct html *h, enum board_cut_by by, const struct board_part *p, bool cut)
{
    if (p->name[0] == '\0' && p->provider[0] == '\0')
        html_put(h, cut_words[by][2]);
    else if (!cut)
        html_name(h, p->name);
    else if (p->provider[0] == '\0')
        html_name_cut(h, p->name, NAME_COLUMNS);
    else {
        html_name_cut(h, p->name, MODEL_COLUMNS);
        html_put(h, "<tspan class=\"soft\"> \xc2\xb7 ");
        html_name_cut(h, p->provider, PROVIDER_COLUMNS);
        html_put(h, "</tspan>");
    }
}

/* The name has a line of its own; the amount stands behind the bar, in the unit of the heading. */
static void
draw_part(struct html *h, const struct board *b, size_t row, const struct board_sum *sum,
          money_sum most)
{
    char value[WORDS_BYTES], share[WORDS_BYTES], width[PART_BYTES];
    money_sum v = charts_value(b, sum);
    bool unpriced = sum->calls > 0 && sum->unpriced_calls == sum->calls && !board_is_unpriced(b);
    size_t y = row * ROW_PX + 20;
    if (board_is_unpriced(b))
        words_whole((uint64_t)v, value);
    else
        words_amount(v, b->currency, value);
    words_percent(v, charts_value(b, &b->total), share);
    html_printf(h,
                "<rect class=\"track\" y=\"%zu\" width=\"%d%%\" height=\"10\" rx=\"2\"/>"
                "<text class=\"end\" x=\"100%%\" y=\"%zu\" dy=\".7em\">%s<tspan class=\"soft\"> %s"
                "</tspan></text>",
                y, BAR_PERCENT, y, unpriced ? "no price" : value, unpriced ? "" : share);
    if (v > 0)
        html_printf(h, "<rect class=\"bar\" y=\"%zu\" width=\"%s\" height=\"10\" rx=\"2\"/>", y,
                    part(axis_share(v, most) * BAR_PERCENT / 100, width));
}

static void
cut_title(struct html *h, const struct board *b, enum board_cut_by by)
{
    const struct board_cut *c = &b->cuts[by];
    char text[WORDS_BYTES], value[WORDS_BYTES];
    words_period(b, text);
    html_printf(h, "%s by %s, %s", board_is_unpriced(b) ? "Credits" : "Cost", cut_words[by][0],
                text);
    if (c->part_count > 0) {
        value_words(b, charts_value(b, &c->parts[0].sum), value);
        html_put(h, "; the most: ");
        if (c->parts[0].name[0] == '\0')
            html_put(h, cut_words[by][2]);
        else
            html_name_plain(h, c->parts[0].name);
        html_printf(h, ", %s", value);
    }
    html_put(h, "</title>");
}

void
chart_cut(struct html *h, const struct board *board, enum board_cut_by by)
{
    const struct board_cut *c = &board->cuts[by];
    size_t rows = c->part_count + (c->rest_count > 0);
    money_sum first = c->part_count > 0 ? charts_value(board, &c->parts[0].sum) : 0;
    money_sum rest = charts_value(board, &c->rest), most = rest > first ? rest : first;
    begin(h, cut_words[by][1], "parts", (int)rows * ROW_PX);
    cut_title(h, board, by);
    for (size_t i = 0; i < c->part_count; i++) {
        html_printf(h, "<text y=\"%zu\">", i * ROW_PX + 14);
        charts_part_name(h, by, &c->parts[i], true);
        html_put(h, "</text>");
        draw_part(h, board, i, &c->parts[i].sum, most);
    }
    if (c->rest_count > 0) {
        html_printf(h, "<text class=\"soft\" y=\"%zu\">%zu others</text>",
                    c->part_count * ROW_PX + 14, c->rest_count);
        draw_part(h, board, c->part_count, &c->rest, most);
    }
    html_put(h, "</svg>\n");
}

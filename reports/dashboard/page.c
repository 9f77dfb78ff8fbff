#include <inttypes.h>
#include <stdio.h>

#include "reports/dashboard/dashboard.h"
#include "reports/dashboard/style.h"
#include "reports/dashboard/tables.h"
#include "reports/dashboard/words.h"
#include "store/base/cli.h"
#include "store/base/time.h"

static const char *
plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static bool
lasts(const struct board *b)
{
    return b->now_ms < (int64_t)b->to_day * TIME_DAY_MS;
}

static void
money(struct html *h, const struct board *b, money_sum pico)
{
    char text[WORDS_BYTES];
    words_amount(pico, b->currency, text);
    html_printf(h, "%s&nbsp;%s", text, b->currency);
}

/* ---- head ---- */

static void
put_head(struct html *h, const struct board *b)
{
    char period[WORDS_BYTES], now[WORDS_BYTES];
    words_period(b, period);
    words_minute(b->now_ms, now);
    html_put(h, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    style_put(h);
    html_put(h, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                "<meta name=\"color-scheme\" content=\"light dark\">\n"
                "<meta name=\"referrer\" content=\"no-referrer\">\n<title>");
    html_name_plain(h, b->organization);
    html_printf(h,
                ": AI spending, %s</title>\n</head>\n<body>\n<main>\n<header>"
                "<p class=\"kind\">AI spending</p><h1>",
                period);
    html_name(h, b->organization);
    html_printf(h, "</h1><p class=\"when\">%s, as of %s</p></header>\n", period, now);
}

/* ---- what it comes to ---- */

enum standing { WITHIN, MAY_PASS, WILL_PASS, OVER };

static enum standing
standing_of(const struct board *b)
{
    const struct forecast_range *f = &b->forecast.ranges[FORECAST_COST];
    if (b->spend_pico > b->budget_pico)
        return OVER;
    if (b->has_forecast && board_outlook(b, f->expected) > b->budget_pico)
        return WILL_PASS;
    return b->has_forecast && board_outlook(b, f->high) > b->budget_pico ? MAY_PASS : WITHIN;
}

static void
lead_of_forecast(struct html *h, const struct board *b)
{
    const struct forecast_range *f = &b->forecast.ranges[FORECAST_COST];
    html_put(h, " By the end of the month it is expected to be ");
    money(h, b, board_outlook(b, f->expected));
    html_put(h, "; four months in five would end between ");
    money(h, b, board_outlook(b, f->low));
    html_put(h, " and ");
    money(h, b, board_outlook(b, f->high));
    html_put(h, ".");
}

static void
put_lead(struct html *h, const struct board *b)
{
    char text[WORDS_BYTES];
    bool none = b->total.calls == 0 && b->adjustment_pico == 0;
    html_put(h, "<p class=\"lead\">");
    if (none) {
        html_put(h, lasts(b) ? "Nothing has been used so far." : "Nothing was used.");
        html_put(h, "</p>\n");
        return;
    }
    if (board_is_unpriced(b)) {
        words_whole(b->total.credits, text);
        html_printf(h, "%s credits in %" PRIu64 " call%s.", text, b->total.calls,
                    plural(b->total.calls));
    } else {
        money(h, b, b->spend_pico);
        html_put(h, lasts(b) ? " has been spent so far" : " was spent");
        words_percent(b->spend_pico, b->budget_pico, text);
        if (b->has_budget && text[0] != '\0')
            html_printf(h, ", %s of the month\xe2\x80\x99s budget", text);
        html_put(h, ".");
        if (b->has_forecast)
            lead_of_forecast(h, b);
    }
    html_put(h, "</p>\n");
}

static void
put_notes(struct html *h, const struct board *b)
{
    char text[WORDS_BYTES], all[WORDS_BYTES];
    if (b->total.unpriced_calls > 0) {
        words_whole(b->total.unpriced_calls, text);
        words_whole(b->total.calls, all);
        html_printf(h,
                    "<p class=\"note\">%s of %s calls have no price and are in no cost (one is of ",
                    text, all);
        html_name(h, b->unpriced);
        html_put(h, "). Add the model to the price book and run gbill rollup.</p>\n");
    }
    if (b->foreign > 0)
        html_printf(h,
                    "<p class=\"note\">%" PRIu64 " adjustment%s in another currency than %s: in no "
                    "sum.</p>\n",
                    b->foreign, plural(b->foreign), b->currency);
}

/* ---- tiles ---- */

static void
begin_tile(struct html *h, const char *title)
{
    html_printf(h, "<div class=\"tile\"><dt>%s</dt><dd><span class=\"figure\">", title);
}

static void
tile_money(struct html *h, const struct board *b, money_sum pico)
{
    char text[WORDS_BYTES];
    words_amount(pico, b->currency, text);
    html_printf(h, "%s</span> <span class=\"unit\">%s</span>", text, b->currency);
}

static void
end_tile(struct html *h)
{
    html_put(h, "</dd></div>\n");
}

/* Against as much of the period before. */
static void
put_change(struct html *h, const struct board *b)
{
    char percent[WORDS_BYTES], month[WORDS_BYTES];
    money_sum before = charts_value(b, &b->previous), now = charts_value(b, &b->total);
    words_percent(now > before ? now - before : before - now, before, percent);
    if (!b->has_previous || percent[0] == '\0')
        return;
    html_printf(h, "<span class=\"hint\">%s %s than ", percent, now >= before ? "more" : "less");
    if (b->is_month) {
        words_month(b->month - 1, month);
        html_printf(h, "%s %s</span>", lasts(b) ? "by this time in" : "in", month);
    } else {
        html_printf(h, "in the %u day%s before</span>", b->day_count, plural(b->day_count));
    }
}

static void
tile_spent(struct html *h, const struct board *b)
{
    char text[WORDS_BYTES];
    if (board_is_unpriced(b)) {
        begin_tile(h, "Credits used");
        words_whole(b->total.credits, text);
        html_printf(h, "%s</span>", text);
    } else {
        begin_tile(h, lasts(b) ? "Spent so far" : "Spent");
        tile_money(h, b, b->spend_pico);
    }
    put_change(h, b);
    if (b->adjustment_pico != 0) {
        words_amount(b->adjustment_pico, b->currency, text);
        html_printf(h, "<span class=\"hint\">With adjustments of %s</span>", text);
    }
    end_tile(h);
}

static void
tile_budget(struct html *h, const struct board *b)
{
    static const struct {
        const char *kind, *words;
    } standings[] = {
        [WITHIN] = {"good", "Within budget"},
        [MAY_PASS] = {"warn", "May pass the budget"},
        [WILL_PASS] = {"bad", "Expected to pass the budget"},
        [OVER] = {"bad", "Over budget"},
    };
    char percent[WORDS_BYTES];
    enum standing s = standing_of(b);
    begin_tile(h, "Budget of the month");
    if (!b->has_budget) {
        html_put(h, "none</span><span class=\"hint\">No budget is set</span>");
        end_tile(h);
        return;
    }
    tile_money(h, b, b->budget_pico);
    words_percent(b->spend_pico, b->budget_pico, percent);
    html_put(h, "<span class=\"hint\">");
    if (percent[0] != '\0')
        html_printf(h, "%s used. ", percent);
    html_printf(h, "<span class=\"state %s\">%s</span></span>", standings[s].kind,
                standings[s].words);
    end_tile(h);
}

static void
tile_forecast(struct html *h, const struct board *b)
{
    const struct forecast_range *f = &b->forecast.ranges[FORECAST_COST];
    char low[WORDS_BYTES], high[WORDS_BYTES];
    begin_tile(h, "Expected at the month\xe2\x80\x99s end");
    tile_money(h, b, board_outlook(b, f->expected));
    words_amount(board_outlook(b, f->low), b->currency, low);
    words_amount(board_outlook(b, f->high), b->currency, high);
    html_printf(h, "<span class=\"hint\">%s to %s; rests on %u day%s of history</span>", low, high,
                b->forecast.history_days, plural(b->forecast.history_days));
    end_tile(h);
}

static void
put_tiles(struct html *h, const struct board *b)
{
    char text[WORDS_BYTES];
    html_put(h, "<dl class=\"tiles\">\n");
    tile_spent(h, b);
    if (b->is_month && !board_is_unpriced(b))
        tile_budget(h, b);
    if (b->has_forecast && !board_is_unpriced(b))
        tile_forecast(h, b);
    begin_tile(h, "Calls");
    words_whole(b->total.calls, text);
    html_printf(h, "%s</span>", text);
    words_whole(b->total.credits, text);
    html_printf(h, "<span class=\"hint\">%s credits (tokens)</span>", text);
    end_tile(h);
    if (b->has_efficiency) {
        const struct efficiency *e = &b->efficiency;
        char actual[WORDS_BYTES], since[WORDS_BYTES];
        begin_tile(h, "Efficiency");
        words_amount(e->avoidable_pico, e->currency, text);
        words_amount(e->actual_pico, e->currency, actual);
        words_day((int64_t)e->from_hour / BOARD_DAY_HOURS, true, since);
        html_printf(h,
                    "%u</span> <span class=\"unit\">of 100</span><span class=\"hint\">"
                    "%s of %s %.3s since %s could be spared</span>",
                    e->score, text, actual, e->currency, since);
        end_tile(h);
    }
    html_put(h, "</dl>\n");
}

/* ---- sections ---- */

/* What is to stay together on paper ends with end_top(): a heading, and a picture if there is one. */
static void
begin_card(struct html *h, const char *title, const char *hint)
{
    html_printf(h, "<section class=\"card\"><div class=\"top\"><h2>%s</h2>", title);
    if (hint[0] != '\0')
        html_printf(h, "<p class=\"hint\">%s</p>", hint);
    html_put(h, "\n");
}

static void
end_top(struct html *h)
{
    html_put(h, "</div>\n");
}

static void
end_card(struct html *h)
{
    html_put(h, "</section>\n");
}

static void
key(struct html *h, const char *drawing, const char *words)
{
    html_printf(h, "<li><svg aria-hidden=\"true\">%s</svg>%s</li>", drawing, words);
}

static void
put_spending(struct html *h, const struct board *b)
{
    begin_card(h,
               b->has_forecast ? "Spending against budget and forecast"
               : b->has_budget ? "Spending against budget"
                               : "Spending since the start",
               "");
    html_put(h, "<ul class=\"key\">");
    key(h, "<g class=\"lines\"><path class=\"spent\" d=\"M1 6h20\"/></g>", "Spent");
    if (b->has_forecast)
        key(h,
            "<g class=\"lines\"><path class=\"band\" d=\"M0 0h22v12h-22z\"/>"
            "<path class=\"outlook\" d=\"M1 6h20\"/></g>",
            "Expected; four months in five stay in the band");
    if (b->has_budget)
        key(h, "<g class=\"lines\"><path class=\"budget\" d=\"M1 6h20\"/></g>", "Budget");
    html_put(h, "</ul>\n");
    chart_spending(h, b);
    end_top(h);
    table_spending(h, b);
    end_card(h);
}

static void
put_days(struct html *h, const struct board *b)
{
    begin_card(h, "By day", "");
    html_put(h, "<ul class=\"key\">");
    key(h, "<rect x=\"4\" class=\"bar\" width=\"14\" height=\"12\"/>",
        board_is_unpriced(b) ? "Credits" : "Cost");
    if (lasts(b) && b->begun_days > 0)
        key(h, "<rect x=\"4\" class=\"now\" width=\"14\" height=\"12\"/>", "Today, so far");
    if (b->spikes_found > 0)
        key(h, "<g class=\"mark\"><path d=\"M11 11l-5-9h10z\"/></g>", "A spike");
    html_put(h, "</ul>\n");
    chart_days(h, b);
    end_top(h);
    table_days(h, b);
    end_card(h);
}

static void
put_week(struct html *h, const struct board *b)
{
    begin_card(h, "By hour of the week", "UTC, all weeks together.");
    html_put(h, "<ul class=\"key\"><li><svg class=\"shades\" aria-hidden=\"true\">");
    for (int i = 1; i <= 5; i++)
        html_printf(h, "<rect class=\"s%d\" x=\"%d\" width=\"14\" height=\"12\"/>", i,
                    14 * (i - 1));
    html_put(h, "</svg>from the quietest fifth of the hours to the busiest</li></ul>\n");
    chart_week(h, b);
    end_top(h);
    table_week(h, b);
    end_card(h);
}

static void
put_cut(struct html *h, const struct board *b, enum board_cut_by by)
{
    static const char *const titles[BOARD_CUTS] = {"By model", "By project", "By user"};
    begin_card(h, titles[by], board_is_unpriced(b) ? "Credits" : b->currency);
    chart_cut(h, b, by);
    end_top(h);
    table_cut(h, b, by);
    end_card(h);
}

/* "Thu 19 Nov, 09:00 to 12:00" */
static void
put_hours(struct html *h, uint32_t from_hour, uint32_t to_hour)
{
    uint32_t first = from_hour / BOARD_DAY_HOURS, last = (to_hour - 1) / BOARD_DAY_HOURS;
    html_day(h, first, false);
    html_printf(h, ", %02u:00 to ", from_hour % BOARD_DAY_HOURS);
    if (last != first) {
        html_day(h, last, false);
        html_put(h, ", ");
    }
    html_printf(h, "%02u:00", to_hour - last * BOARD_DAY_HOURS);
}

static void
spike_figure(struct html *h, const struct board *b, enum spike_measure measure, money_sum value)
{
    char text[WORDS_BYTES];
    if (measure == SPIKE_COST) {
        money(h, b, value);
        return;
    }
    words_whole((uint64_t)value, text);
    html_printf(h, "%s&nbsp;%s", text, spike_measure_name(measure));
}

static void
put_spike_head(struct html *h, const struct board *b, const struct board_spike *s)
{
    html_put(h, "<div class=\"head\"><h3>");
    put_hours(h, s->from_hour, s->to_hour);
    html_put(h, s->burst ? ": a runaway loop" : "");
    html_put(h, "</h3><span class=\"sum\">");
    spike_figure(h, b, s->leading, s->actual);
    html_put(h, "<span class=\"unit\"> (usual: ");
    spike_figure(h, b, s->leading, s->usual);
    html_put(h, ")</span></span></div>");
}

/* What was found of the same hours, of the organization, a project, a user and a model, is one. */
static void
put_spikes(struct html *h, const struct board *b)
{
    if (b->spikes_found == 0)
        return;
    begin_card(h, "Spikes", "Spending and usage out of the ordinary, as gbill spikes found it.");
    end_top(h);
    html_put(h, "<ol class=\"list\">\n");
    for (size_t i = 0; i < b->spike_count; i++) {
        const struct board_spike *s = &b->spikes[i], *before = s - 1;
        if (i == 0 || s->from_hour != before->from_hour || s->to_hour != before->to_hour) {
            html_put(h, i > 0 ? "</li>\n<li>" : "<li>");
            put_spike_head(h, b, s);
        }
        html_put(h, "<p class=\"hint\">");
        html_name(h, s->text);
        html_put(h, "</p>");
    }
    html_put(h, "</li>\n</ol>\n");
    if (b->spikes_found > b->spike_count)
        html_printf(h, "<p class=\"hint\">The %zu largest of %zu; gbill spikes list has all.</p>\n",
                    b->spike_count, b->spikes_found);
    end_card(h);
}

static void
put_advice_item(struct html *h, const struct board_advice *a)
{
    char saving[WORDS_BYTES], cost[WORDS_BYTES], calls[WORDS_BYTES];
    words_amount(a->saving_pico, a->currency, saving);
    words_amount(a->cost_pico, a->currency, cost);
    words_whole(a->calls, calls);
    html_put(h, "<li><div class=\"head\"><h3>");
    html_name(h, a->title);
    html_printf(h, "</h3><span class=\"sum\">%s%s&nbsp;%.3s%s</span></div><p>",
                a->candidate ? "up to " : "saves ", saving, a->currency,
                a->candidate ? ", to be tried" : "");
    html_name(h, a->description);
    html_printf(h,
                "</p><p class=\"hint\">Priority %s, confidence %u&nbsp;%%; %s call%s that cost "
                "%s&nbsp;%.3s</p></li>\n",
                recommendation_priority_name(a->priority), a->confidence_percent, calls,
                plural(a->calls), cost, a->currency);
}

static void
put_advice(struct html *h, const struct board *b)
{
    if (b->advice_found == 0 && !b->has_efficiency)
        return;
    begin_card(h, "Recommendations",
               b->advice_found > 0
                   ? "What would have been saved in the days that gbill optimize last looked at, "
                     "the most first."
                   : "Nothing to recommend.");
    end_top(h);
    if (b->advice_count > 0)
        html_put(h, "<ol class=\"list\">\n");
    for (size_t i = 0; i < b->advice_count; i++)
        put_advice_item(h, &b->advice[i]);
    if (b->advice_count > 0)
        html_put(h, "</ol>\n");
    if (b->advice_found > b->advice_count)
        html_printf(h, "<p class=\"hint\">The first %zu of %zu.</p>\n", b->advice_count,
                    b->advice_found);
    end_card(h);
}

static void
put_footer(struct html *h, const struct board *b)
{
    html_printf(h,
                "<footer><p>Days and hours are UTC. Costs are what the providers charge for the "
                "calls, by the price book; figures in tables are exact, those above rounded. "
                "Adjustments are credits and debits of an operator. Made by gbill " CLI_VERSION
                " from log position %" PRIu64 ".</p></footer>\n</main>\n</body>\n</html>\n",
                b->position);
}

static void
put_usage(struct html *h, const struct board *b)
{
    put_days(h, b);
    put_spikes(h, b);
    put_week(h, b);
    html_put(h, "<div class=\"row\">\n");
    for (int by = 0; by < BOARD_CUTS; by++)
        put_cut(h, b, (enum board_cut_by)by);
    html_put(h, "</div>\n");
}

enum err_code
dashboard_draw(const struct board *board, struct buf *buf, struct err *err)
{
    struct html h = {.out = buf};
    put_head(&h, board);
    put_lead(&h, board);
    put_notes(&h, board);
    put_tiles(&h, board);
    if (!board_is_unpriced(board))
        put_spending(&h, board);
    if (board->total.calls > 0)
        put_usage(&h, board);
    else
        put_spikes(&h, board);
    put_advice(&h, board);
    put_footer(&h, board);
    return html_ok(&h) ? ERR_OK
                       : err_set(err, ERR_LIMIT,
                                 "the page does not fit %zu bytes; ask for fewer days with --from "
                                 "and --to",
                                 buf->cap_bytes);
}

#include "reports/dashboard/tables.h"

#include <inttypes.h>
#include <stdio.h>

#include "reports/dashboard/words.h"

static void
begin(struct html *h, const char *caption)
{
    html_printf(h,
                "<details><summary>Exact figures</summary></details>"
                "<div class=\"figures\" role=\"region\" tabindex=\"0\" aria-label=\"%s\">"
                "<table><caption>%s</caption><thead><tr>",
                caption, caption);
}

static void
column(struct html *h, const char *title)
{
    html_printf(h, "<th scope=\"col\">%s</th>", title);
}

static void
begin_rows(struct html *h)
{
    html_put(h, "</tr></thead><tbody>\n");
}

static void
end(struct html *h)
{
    html_put(h, "</tbody></table></div>\n");
}

static void
cell(struct html *h, const char *text)
{
    html_printf(h, "<td>%s</td>", text);
}

static void
amount(struct html *h, const struct board *b, money_sum pico)
{
    char text[WORDS_BYTES];
    words_exact(pico, b->currency, text);
    cell(h, text);
}

/* What is expected is a statistic: more digits would say nothing. */
static void
rounded(struct html *h, const struct board *b, money_sum pico)
{
    char text[WORDS_BYTES];
    words_amount(pico, b->currency, text);
    cell(h, text);
}

static void
whole(struct html *h, uint64_t value)
{
    char text[WORDS_BYTES];
    words_whole(value, text);
    cell(h, text);
}

/* What no price is known of has no cost, which is not a cost of 0. */
static void
cost(struct html *h, const struct board *b, const struct board_sum *sum)
{
    if (sum->calls > 0 && sum->unpriced_calls == sum->calls)
        cell(h, "no price");
    else
        amount(h, b, sum->cost_pico);
}

static void
day_head(struct html *h, const struct board *b, uint32_t day)
{
    html_put(h, "<tr><th scope=\"row\">");
    html_day(h, (int64_t)b->from_day + day, b->day_count > 62);
    html_put(h, "</th>");
}

/* ---- spending ---- */

static void
outlook_cells(struct html *h, const struct board *b, uint32_t day)
{
    uint32_t at = b->from_day + day - b->forecast.first_day;
    if (b->from_day + day < b->forecast.first_day || at >= b->forecast.day_count) {
        html_put(h, "<td></td><td></td><td></td>");
        return;
    }
    const struct forecast_day *d = &b->forecast.days[at];
    rounded(h, b, board_outlook(b, d->expected));
    rounded(h, b, board_outlook(b, d->low));
    rounded(h, b, board_outlook(b, d->high));
}

void
table_spending(struct html *h, const struct board *board)
{
    char caption[WORDS_BYTES];
    money_sum sum = 0;
    snprintf(caption, sizeof caption, "Spending at the end of each day, in %s", board->currency);
    begin(h, caption);
    column(h, "Day");
    column(h, "Cost of calls");
    column(h, "Adjustments");
    column(h, "Since the start");
    if (board->has_forecast) {
        column(h, "Expected");
        column(h, "Low");
        column(h, "High");
    }
    begin_rows(h);
    for (uint32_t i = 0; i < (board->has_forecast ? board->day_count : board->begun_days); i++) {
        const struct board_day *d = &board->days[i];
        day_head(h, board, i);
        if (i < board->begun_days) {
            sum += d->sum.cost_pico + d->adjustment_pico;
            cost(h, board, &d->sum);
            amount(h, board, d->adjustment_pico);
            amount(h, board, sum);
        } else {
            html_put(h, "<td></td><td></td><td></td>");
        }
        if (board->has_forecast)
            outlook_cells(h, board, i);
        html_put(h, "</tr>\n");
    }
    end(h);
}

/* ---- days ---- */

static void
sum_cells(struct html *h, const struct board *b, const struct board_sum *sum)
{
    cost(h, b, sum);
    whole(h, sum->calls);
    whole(h, sum->credits);
    if (b->total.unpriced_calls > 0)
        whole(h, sum->unpriced_calls);
}

static void
sum_columns(struct html *h, const struct board *b)
{
    char text[WORDS_BYTES];
    snprintf(text, sizeof text, "Cost, %s", b->currency);
    column(h, text);
    column(h, "Calls");
    column(h, "Credits");
    if (b->total.unpriced_calls > 0)
        column(h, "Without a price");
}

void
table_days(struct html *h, const struct board *board)
{
    begin(h, "Usage by day");
    column(h, "Day");
    sum_columns(h, board);
    column(h, "Spikes");
    begin_rows(h);
    for (uint32_t i = 0; i < board->begun_days; i++) {
        day_head(h, board, i);
        sum_cells(h, board, &board->days[i].sum);
        whole(h, board->days[i].spikes);
        html_put(h, "</tr>\n");
    }
    html_put(h, "</tbody><tfoot><tr><th scope=\"row\">All days</th>");
    sum_cells(h, board, &board->total);
    whole(h, board->spikes_found);
    html_put(h, "</tr></tfoot></table></div>\n");
}

/* ---- the week ---- */

void
table_week(struct html *h, const struct board *board)
{
    char text[WORDS_BYTES];
    bool unpriced = board_is_unpriced(board);
    snprintf(text, sizeof text, "%s by hour of the week (UTC)%s%s", unpriced ? "Credits" : "Cost",
             unpriced ? "" : ", in ", unpriced ? "" : board->currency);
    begin(h, text);
    column(h, "Hour");
    for (unsigned d = 0; d < BOARD_WEEK_DAYS; d++)
        column(h, words_weekday(d));
    begin_rows(h);
    for (unsigned t = 0; t < BOARD_DAY_HOURS; t++) {
        html_printf(h, "<tr><th scope=\"row\">%02u:00</th>", t);
        for (unsigned d = 0; d < BOARD_WEEK_DAYS; d++) {
            if (unpriced)
                whole(h, board->week[d][t].credits);
            else
                cost(h, board, &board->week[d][t]);
        }
        html_put(h, "</tr>\n");
    }
    end(h);
}

/* ---- parts ---- */

static void
part_row(struct html *h, const struct board *b, const struct board_sum *sum)
{
    char share[WORDS_BYTES];
    sum_cells(h, b, sum);
    words_percent(charts_value(b, sum), charts_value(b, &b->total), share);
    cell(h, share);
    html_put(h, "</tr>\n");
}

void
table_cut(struct html *h, const struct board *board, enum board_cut_by by)
{
    static const char *const heads[BOARD_CUTS][2] = {
        [BOARD_MODELS] = {"Usage by model", "Model"},
        [BOARD_PROJECTS] = {"Usage by project", "Project"},
        [BOARD_USERS] = {"Usage by user", "User"}};
    const struct board_cut *cut = &board->cuts[by];
    begin(h, heads[by][0]);
    column(h, heads[by][1]);
    if (by == BOARD_MODELS)
        html_put(h, "<th scope=\"col\" class=\"word\">Provider</th>");
    sum_columns(h, board);
    column(h, "Share");
    begin_rows(h);
    for (size_t i = 0; i < cut->part_count; i++) {
        html_put(h, "<tr><th scope=\"row\">");
        charts_part_name(h, by, &cut->parts[i], false);
        html_put(h, "</th>");
        if (by == BOARD_MODELS) {
            html_put(h, "<td class=\"word\">");
            html_name(h, cut->parts[i].provider);
            html_put(h, "</td>");
        }
        part_row(h, board, &cut->parts[i].sum);
    }
    if (cut->rest_count > 0) {
        html_printf(h, "<tr><th scope=\"row\">%zu others</th>%s", cut->rest_count,
                    by == BOARD_MODELS ? "<td></td>" : "");
        part_row(h, board, &cut->rest);
    }
    html_put(h, "</tbody><tfoot><tr><th scope=\"row\">All</th>");
    if (by == BOARD_MODELS)
        html_put(h, "<td></td>");
    sum_cells(h, board, &board->total);
    html_put(h, "<td></td></tr></tfoot></table></div>\n");
}

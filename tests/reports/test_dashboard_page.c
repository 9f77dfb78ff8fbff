/* What a dashboard draws, of boards made by hand. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/dashboard/dashboard.h"
#include "reports/dashboard/html.h"
#include "reports/dashboard/style.h"
#include "store/base/base64.h"
#include "store/base/hash.h"
#include "store/base/time.h"

#define USD MONEY_PICO_PER_UNIT

static struct board *
board_new(const char *from, uint32_t days, const char *now)
{
    struct board *b = calloc(1, sizeof *b);
    int64_t ms;
    cr_assert(time_parse(str_of(from), &ms));
    cr_assert(time_parse(str_of(now), &b->now_ms));
    b->organization = "acme";
    b->unpriced = "";
    memcpy(b->currency, "USD", 4);
    b->from_day = (uint32_t)(ms / TIME_DAY_MS);
    b->day_count = b->begun_days = days;
    b->to_day = b->from_day + days;
    b->month = time_month(ms);
    b->is_month = time_month_start_ms(b->month) == ms &&
                  time_month_start_ms(b->month + 1) == ms + days * TIME_DAY_MS;
    return b;
}

static void
add(struct board_sum *sum, money_sum cost, uint64_t calls, uint64_t unpriced)
{
    sum->cost_pico += cost;
    sum->calls += calls;
    sum->credits += calls * 100;
    sum->unpriced_calls += unpriced;
}

/* Calls of a day's hour, by a user. */
static void
use(struct board *b, uint32_t day, unsigned hour, const char *user, money_sum cost, bool unpriced)
{
    struct board_cut *users = &b->cuts[BOARD_USERS];
    uint64_t missing = unpriced ? 3 : 0;
    add(&b->total, cost, 3, missing);
    add(&b->days[day].sum, cost, 3, missing);
    add(&b->week[(b->from_day + day + 3) % 7][hour], cost, 3, missing);
    users->parts[users->part_count].name = user;
    users->parts[users->part_count].provider = "";
    add(&users->parts[users->part_count++].sum, cost, 3, missing);
    b->spend_pico = b->total.cost_pico + b->adjustment_pico;
}

static char *
draw(const struct board *b)
{
    struct buf buf;
    struct err err;
    buf_init(&buf, DASHBOARD_BYTES_MAX);
    cr_assert_eq(dashboard_draw(b, &buf, &err), ERR_OK, "%s", err.text);
    cr_assert(buf_append(&buf, "", 1));
    return (char *)buf.data;
}

static void
has(const char *page, const char *want)
{
    cr_assert_not_null(strstr(page, want), "the page has no %s", want);
}

static void
has_not(const char *page, const char *unwanted)
{
    cr_assert_null(strstr(page, unwanted), "the page has %s", unwanted);
}

static size_t
count(const char *page, const char *text)
{
    size_t n = 0;
    for (const char *p = page; (p = strstr(p, text)) != NULL; p++)
        n++;
    return n;
}

/* ---- text ---- */

static void
check_text(void (*put)(struct html *, const char *), const char *text, const char *want)
{
    struct buf buf;
    buf_init(&buf, 4096);
    struct html h = {.out = &buf};
    put(&h, text);
    cr_assert(html_ok(&h) && buf_append(&buf, "", 1));
    cr_assert_str_eq((const char *)buf.data, want);
    buf_clear(&buf);
}

static void
cut_to_six(struct html *h, const char *name)
{
    html_name_cut(h, name, 6);
}

#define FFFD "\xef\xbf\xbd"
#define FSI "\xe2\x81\xa8"
#define PDI "\xe2\x81\xa9"

Test(reports_dashboard_page, a_text_is_escaped_and_cannot_turn_its_neighbours_round)
{
    check_text(html_text, "a & b < c > \"d\" 'e'",
               "a &amp; b &lt; c &gt; &quot;d&quot; &#39;e&#39;");
    check_text(html_text, "</title><script>", "&lt;/title&gt;&lt;script&gt;");
    check_text(html_text, "tab\there\x7f", "tab" FFFD "here" FFFD);
    check_text(html_text, "c1 \xc2\x85, nbsp \xc2\xa0", "c1 " FFFD ", nbsp \xc2\xa0");
    check_text(html_text,
               "\xe2\x80\xae"
               "evil\xe2\x81\xa6\xd8\x9c",
               FFFD "evil" FFFD FFFD);
    check_text(html_text,
               "line\xe2\x80\xa8"
               "end\xef\xbb\xbf",
               "line" FFFD "end" FFFD);
    check_text(html_text, "cut \xc3", "cut " FFFD);
    check_text(html_text, "over \xc0\xaf long", "over " FFFD FFFD " long");
    check_text(html_text, "half \xed\xa0\x80", "half " FFFD FFFD FFFD);
    check_text(html_text, "none \xef\xbf\xbf", "none " FFFD);
    check_text(html_text, "Größe 漢 😀", "Größe 漢 😀");
    check_text(html_name, "<x>", "<bdi>&lt;x&gt;</bdi>");
    check_text(html_name_plain, "מ<", FSI "מ&lt;" PDI);
    check_text(cut_to_six, "abcdef", FSI "abcdef" PDI);
    check_text(cut_to_six, "abcdefg", FSI "abcde…" PDI);
    check_text(cut_to_six, "漢字漢", FSI "漢字漢" PDI);
    check_text(cut_to_six, "漢字漢字", FSI "漢字…" PDI);
}

Test(reports_dashboard_page, a_full_buffer_is_an_error)
{
    struct board *b = board_new("2026-11-01", 30, "2026-11-24");
    struct buf buf;
    struct err err;
    buf_init(&buf, 8000);
    cr_assert_eq(dashboard_draw(b, &buf, &err), ERR_LIMIT);
    has(err.text, "--from and --to");
    buf_clear(&buf);
    free(b);
}

/* ---- the page ---- */

Test(reports_dashboard_page, the_policy_allows_the_style_and_nothing_else)
{
    struct board *b = board_new("2026-11-01", 30, "2026-11-24");
    uint8_t sha256[HASH_SHA256_BYTES];
    char base64[64], want[160];
    char *page = draw(b);
    const char *style = strstr(page, "<style>") + 7, *end = strstr(style, "</style>");
    hash_sha256(&(struct bytes){(const uint8_t *)style, (size_t)(end - style)}, 1, sha256);
    base64_encode((struct bytes){sha256, sizeof sha256}, base64);
    snprintf(want, sizeof want,
             "content=\"default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; ", base64);
    has(page, want);
    cr_assert_lt(strstr(page, want), style);
    cr_assert_eq(count(page, "<style"), 1);
    has_not(page, " style=");
    has_not(page, "<script");
    has_not(page, "<img");
    has_not(page, "href");
    has_not(page, "url(");
    has_not(page, "://");
    free(page);
    free(b);
}

Test(reports_dashboard_page, names_of_markup_are_text_wherever_they_stand)
{
    struct board *b = board_new("2026-11-01", 30, "2026-11-24");
    const char *evil = "</title><script>x()</script>";
    b->organization = evil;
    b->unpriced = evil;
    use(b, 1, 1, evil, USD, false);
    use(b, 1, 1, "", 0, true);
    for (int by = 0; by < BOARD_USERS; by++) {
        b->cuts[by] = b->cuts[BOARD_USERS];
        b->cuts[by].parts[0].provider = evil;
    }
    b->spikes[0] = (struct board_spike){.from_hour = 24 * b->from_day,
                                        .to_hour = 24 * b->from_day + 24,
                                        .leading = SPIKE_TOKENS,
                                        .actual = 56994100,
                                        .usual = 12,
                                        .text = evil};
    b->spike_count = b->spikes_found = 1;
    b->advice[0] = (struct board_advice){.title = evil, .description = evil, .currency = "USD"};
    b->advice_count = b->advice_found = 1;
    char *page = draw(b);
    has_not(page, "<script");
    cr_assert_eq(count(page, "</title>"), count(page, "<title"));
    /* h1 and the page's title; a note; the spike; the advice twice; each part's name in picture,
     * title and table, and the provider in the table of models. */
    cr_assert_eq(count(page, "&lt;/title&gt;&lt;script&gt;x()"), 2 + 1 + 1 + 2 + 3 * 3 + 1);
    has(page, "no user");
    has(page, "no price");
    has(page, "3 of 6 calls have no price");
    has(page, "Sun 1 Nov</time>, 00:00 to 24:00</h3>");
    has(page, "56,994,100&nbsp;tokens<span class=\"unit\"> (usual: 12&nbsp;tokens)");
    free(page);
    free(b);
}

Test(reports_dashboard_page, bars_lines_and_tables_have_these_very_numbers)
{
    struct board *b = board_new("2026-11-01", 30, "2026-11-10T12:00Z");
    b->begun_days = 10;
    b->adjustment_pico = b->days[8].adjustment_pico = -USD;
    use(b, 0, 0, "u1", 4 * USD, false);
    use(b, 8, 23, "u2", USD + USD / 8, false);
    b->has_budget = true;
    b->budget_pico = 8 * USD;
    b->has_forecast = true;
    b->forecast.made_ms = b->now_ms;
    b->forecast.ranges[FORECAST_COST] =
        (struct forecast_range){5 * USD + USD / 8, 10 * USD, 6 * USD, 11 * USD};
    b->forecast.day_count = 21;
    b->forecast.first_day = b->from_day + 9;
    for (unsigned i = 0; i < 21; i++)
        b->forecast.days[i] = (struct forecast_day){10 * USD, 6 * USD, 11 * USD};
    char *page = draw(b);
    has(page, "4.13&nbsp;USD has been spent so far, 52\xc2\xa0% of the month");
    has(page, "expected to be 9.00&nbsp;USD; four months in five would end between 5.00&nbsp;USD "
              "and 10.00&nbsp;USD.");
    has(page, "Expected to pass the budget");
    /* 0 to 10 in steps of 2: 4 after the first day, 4.125 from the ninth on; now is at 9.5 of 30. */
    has(page, "<polyline class=\"spent\" points=\"0,10000 333,6000 667,6000 1000,6000 1333,6000 "
              "1667,6000 2000,6000 2333,6000 2667,6000 3000,5875 3167,5875 \"/>");
    has(page, "<polygon class=\"band\" points=\"3167,5875 3333,0 ");
    has(page, "<polyline class=\"outlook\" points=\"3167,5875 3333,1000 3667,1000 ");
    has(page, "<line class=\"budget\" x1=\"0\" x2=\"100%\" y1=\"20.00%\" y2=\"20.00%\"/>");
    /* Days: 0 to 4 in steps of 1. */
    has(page, "<rect class=\"bar\" x=\"0.41%\" y=\"0.00%\" width=\"2.50%\" height=\"100.00%\">"
              "<title>Sun 1 Nov: 4.00 USD, 3 calls</title>");
    has(page, "y=\"71.87%\" width=\"2.50%\" height=\"28.13%\"><title>Mon 9 Nov: 1.13 USD, 3 calls");
    has(page, "<th scope=\"row\"><time datetime=\"2026-11-09\">Mon 9 Nov</time></th><td>1.125</td>"
              "<td>-1.00</td><td>4.125</td><td></td><td></td><td></td></tr>");
    has(page, "<time datetime=\"2026-11-30\">Mon 30 Nov</time></th><td></td><td></td><td></td>"
              "<td>9.00</td><td>5.00</td><td>10.00</td></tr>");
    has(page, "<rect class=\"s5\" x=\"0.00%\" y=\"144\"");
    has(page, "<title>Sunday 00:00 to 01:00: 4.00 USD</title>");
    cr_assert_eq(count(page, "<rect class=\"s0\" x="), 166);
    free(page);
    free(b);
}

Test(reports_dashboard_page, spending_below_zero_has_an_axis_that_goes_there)
{
    struct board *b = board_new("2026-11-01", 30, "2026-12-24");
    use(b, 3, 5, "u1", 2 * USD, false);
    b->adjustment_pico = b->days[0].adjustment_pico = -10 * USD;
    b->spend_pico = -8 * USD;
    char *page = draw(b);
    has(page, "-8.00&nbsp;USD was spent.");
    has(page, "<line class=\"base\" x1=\"0\" x2=\"100%\" y1=\"0.00%\" y2=\"0.00%\"/>");
    has(page, "dy=\".32em\">-10</text>");
    has(page, "points=\"0,0 333,10000 667,10000 1000,10000 1333,8000 ");
    free(page);
    free(b);
}

Test(reports_dashboard_page, nothing_used_is_said_and_drawn_as_nothing)
{
    struct board *b = board_new("2026-11-01", 30, "2026-11-24");
    b->has_budget = true;
    char *page = draw(b);
    has(page, "Nothing has been used so far.");
    has_not(page, "<rect class=\"bar\" x");
    has_not(page, "nan");
    has(page, "points=\"0,10000 333,10000 ");
    has_not(page, "By day");
    has_not(page, "By model");
    free(page);
    free(b);
}

Test(reports_dashboard_page, where_nothing_has_a_price_credits_are_shown)
{
    struct board *b = board_new("2026-11-01", 30, "2026-11-24");
    b->unpriced = "nobody m1";
    use(b, 3, 5, "u1", 0, true);
    char *page = draw(b);
    has(page, "300 credits in 3 calls.</p>");
    has(page, "Credits by day, November 2026; the most on Wed 4 Nov: 300 credits");
    has(page, "<title>Wed 4 Nov: 300 credits, 3 calls</title>");
    has(page, "Credits by user, November 2026; the most: " FSI "u1" PDI ", 300 credits");
    has_not(page, "Spending since");
    has_not(page, "Budget");
    free(page);
    free(b);
}

Test(reports_dashboard_page, a_year_of_days_has_a_bar_for_each_and_few_labels)
{
    struct board *b = board_new("2024-01-01", 366, "2026-11-24");
    for (uint32_t i = 0; i < 366; i++)
        add(&b->days[i].sum, (i + 1) * USD, 1, 0);
    add(&b->total, 366 * 367 / 2 * USD, 366, 0);
    b->spend_pico = b->total.cost_pico;
    char *page = draw(b);
    has(page, "1 Jan 2024 to 31 Dec 2024, as of");
    cr_assert_eq(count(page, "<rect class=\"bar\" x="), 366);
    cr_assert_eq(count(page, "dy=\"1.6em\">Jan</text>"), 2);
    cr_assert_eq(count(page, "dy=\"1.6em\">"), 2 * 4);
    has(page, "x=\"99.74%\"");
    has(page, "67,161.00&nbsp;USD was spent.");
    has(page, "<time datetime=\"2024-02-29\">29 Feb 2024</time>");
    cr_assert_lt(strlen(page), 400000);
    free(page);
    free(b);
}

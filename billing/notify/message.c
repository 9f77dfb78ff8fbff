#include "billing/notify/message.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/notify/mime.h"
#include "store/base/currency.h"
#include "store/base/time.h"

enum { PICO_DIGITS = 12, LINES_MAX = 8, LINE_BYTES = 320 };

static enum err_code
full(struct err *err)
{
    return err_set(err, ERR_LIMIT, "no memory for a message");
}

/* "84.10", rounded for show. */
static void
amount_text(money_sum pico, const char *currency, char text[MONEY_TEXT_BYTES])
{
    money_format_fixed(pico, PICO_DIGITS, currency_minor_digits(currency), text);
}

static void
budget_text(const struct alert *a, char text[MONEY_TEXT_BYTES])
{
    int digits = currency_minor_digits(a->currency);
    money_format_fixed((money_sum)a->budget_minor, digits, digits, text);
}

/* "80 %", or "80 % (warning)". */
static void
threshold_text(const struct alert *a, char text[LINE_BYTES])
{
    bool named = a->name[0] != '\0';
    snprintf(text, LINE_BYTES, "%u %%%s%s%s", a->percent, named ? " (" : "", a->name,
             named ? ")" : "");
}

/* What happened, without whose and how much. */
static void
happened(const struct alert *a, char text[LINE_BYTES])
{
    char month[TIME_TEXT_BYTES], threshold[LINE_BYTES];
    time_format_month(a->month, month);
    threshold_text(a, threshold);
    switch (a->kind) {
    case ALERT_THRESHOLD:
        snprintf(text, LINE_BYTES, "%s of the budget of %s reached", threshold, month);
        break;
    case ALERT_RECOVERED:
        snprintf(text, LINE_BYTES, "below %s of the budget of %s again", threshold, month);
        break;
    case ALERT_PAUSED:
        snprintf(text, LINE_BYTES, "paused: %u %% of the budget of %s is spent", a->percent, month);
        break;
    case ALERT_RESUMED:
        snprintf(text, LINE_BYTES, "no longer paused by the budget of %s", month);
        break;
    case ALERT_FORECAST:
        snprintf(text, LINE_BYTES, "%u %% of the budget of %s will be spent at this rate",
                 a->percent, month);
        break;
    default:
        text[0] = '\0';
    }
}

/* "84.10 of 100.00 USD". */
static void
how_much(const struct alert *a, char text[LINE_BYTES])
{
    char spend[MONEY_TEXT_BYTES], budget[MONEY_TEXT_BYTES];
    amount_text(a->kind == ALERT_FORECAST ? a->forecast_pico : a->spend_pico, a->currency, spend);
    budget_text(a, budget);
    if (a->has_budget)
        snprintf(text, LINE_BYTES, "%s of %s %s", spend, budget, a->currency);
    else
        snprintf(text, LINE_BYTES, "%s %s, and no budget is set any more", spend, a->currency);
}

/* A spike's own words up to who drives it; whole characters, as many as have room. */
static void
spike_title(const struct message_about *about, char title[MESSAGE_TITLE_BYTES])
{
    const char *text = about->spike->text, *drivers = strstr(text, ". Most of it: ");
    int used =
        snprintf(title, MESSAGE_TITLE_BYTES, "%.*s: usage spike: ", STR_ARG(about->organization));
    size_t size = drivers != NULL ? (size_t)(drivers - text) : strlen(text),
           room = MESSAGE_TITLE_BYTES - 1 - (size_t)used;
    if (size > room) {
        size = room;
        while (size > 0 && ((unsigned char)text[size] & 0xC0) == 0x80)
            size--;
    }
    snprintf(title + used, MESSAGE_TITLE_BYTES - (size_t)used, "%.*s", (int)size, text);
}

void
message_title(const struct message_about *about, char title[MESSAGE_TITLE_BYTES])
{
    char what[LINE_BYTES], much[LINE_BYTES];
    if (about->alert == NULL) {
        spike_title(about, title);
        return;
    }
    happened(about->alert, what);
    how_much(about->alert, much);
    snprintf(title, MESSAGE_TITLE_BYTES, "%.*s: %s: %s", STR_ARG(about->organization), what, much);
}

/* What the organization can do, in words; never empty. */
static const char *
advice(const struct message_about *about)
{
    if (about->alert == NULL)
        return "Is it meant? If not, stop what makes the calls: a program in a loop, or a key in "
               "foreign hands.";
    switch (about->alert->kind) {
    case ALERT_PAUSED:
        return "AI requests are refused until the budget is raised, autoLimits is turned off or "
               "the next month begins.";
    case ALERT_RESUMED:
        return "AI requests are allowed again.";
    case ALERT_RECOVERED:
        return "Spend fell, or the budget was raised. Reaching it again will be said again.";
    case ALERT_FORECAST:
        return "Raise the budget, or look at what is used most: gbill report costs.";
    default:
        return "Nothing is stopped by this message alone.";
    }
}

/* ---- webhook and Slack ---- */

static enum err_code
put_json(json_t *root, struct buf *out, struct err *err)
{
    char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER);
    bool ok = text != NULL && buf_append(out, text, strlen(text));
    free(text);
    json_decref(root);
    return ok ? ERR_OK : full(err);
}

static json_t *
text_of(struct str s)
{
    return json_stringn(s.data != NULL ? s.data : "", s.size_bytes);
}

static json_t *
nullable(bool there, json_t *value)
{
    if (there)
        return value;
    json_decref(value);
    return json_null();
}

static json_t *
alert_data(const struct message_about *about)
{
    const struct alert *alert = about->alert;
    char month[TIME_TEXT_BYTES], title[MESSAGE_TITLE_BYTES], spend[MONEY_TEXT_BYTES],
        forecast[MONEY_TEXT_BYTES];
    int digits = currency_minor_digits(alert->currency);
    time_format_month(alert->month, month);
    message_title(about, title);
    money_format(alert->spend_pico, PICO_DIGITS, spend);
    money_format(alert->forecast_pico, PICO_DIGITS, forecast);
    return json_pack("{s:o, s:o, s:s, s:I, s:s, s:s, s:s, s:o, s:s, s:I, s:o, s:I, s:s}", "alertId",
                     text_of(about->id), "organizationId", text_of(about->organization), "month",
                     month, "percent", (json_int_t)alert->percent, "threshold", alert->name,
                     "currency", alert->currency, "spend", spend, "budgetMinor",
                     nullable(alert->has_budget, json_integer((json_int_t)alert->budget_minor)),
                     "kind", alert_kind_name(alert->kind), "spendMinor",
                     (json_int_t)money_round_minor(alert->spend_pico, digits), "forecast",
                     nullable(alert->kind == ALERT_FORECAST, json_string(forecast)), "logPosition",
                     (json_int_t)alert->position, "text", title);
}

static json_t *
hour_of(uint32_t hour)
{
    char text[TIME_TEXT_BYTES];
    time_format_ms((int64_t)hour * TIME_HOUR_MS, text);
    return json_string(text);
}

static json_t *
measures_of(uint8_t measures)
{
    json_t *list = json_array();
    for (int m = SPIKE_MEASURES - 1; m >= 0; m--) {
        if ((measures >> m & 1) != 0)
            json_array_append_new(list, json_string(spike_measure_name((enum spike_measure)m)));
    }
    return list;
}

static json_t *
figures_of(const struct spike_figures *f)
{
    char cost[MONEY_TEXT_BYTES];
    money_format(f->cost_pico, PICO_DIGITS, cost);
    return json_pack("{s:s, s:I, s:I}", "cost", cost, "tokens", (json_int_t)f->tokens, "calls",
                     (json_int_t)f->calls);
}

static json_t *
spike_data(const struct message_about *about)
{
    const struct spike *spike = about->spike;
    return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:I, s:s, s:o, s:o, s:I, s:s}",
                     "spikeId", text_of(about->id), "organizationId", text_of(about->organization),
                     "scope", spike_scope_name(spike->subject.scope), "provider",
                     text_of(about->provider), "value", text_of(about->value), "from",
                     hour_of(spike->from_hour), "to", hour_of(spike->to_hour), "measures",
                     measures_of(spike->measures), "burst", (int)spike->burst, "threshold",
                     (json_int_t)spike->threshold_percent, "currency", spike->currency, "actual",
                     figures_of(&spike->actual), "usual", figures_of(&spike->usual), "logPosition",
                     (json_int_t)spike->position, "text", spike->text);
}

static int64_t
noticed_ms(const struct message_about *about)
{
    return about->alert != NULL ? about->alert->at_ms : about->spike->noticed_ms;
}

enum err_code
message_webhook(const struct message_about *about, struct buf *out, struct err *err)
{
    char type[LINE_BYTES] = "usage.spike", at[TIME_TEXT_BYTES];
    if (about->alert != NULL)
        snprintf(type, sizeof type, "budget.%s", alert_kind_name(about->alert->kind));
    time_format_ms(noticed_ms(about), at);
    json_t *data = about->alert != NULL ? alert_data(about) : spike_data(about);
    json_t *root = json_pack("{s:s, s:s, s:o}", "type", type, "timestamp", at, "data", data);
    return put_json(root, out, err);
}

/* Slack reads &, < and > only. */
static bool
put_escaped(struct buf *out, const char *text, bool quotes)
{
    bool ok = true;
    for (; ok && *text != '\0'; text++) {
        const char *entity = *text == '&'             ? "&amp;"
                             : *text == '<'           ? "&lt;"
                             : *text == '>'           ? "&gt;"
                             : *text == '"' && quotes ? "&quot;"
                                                      : NULL;
        ok = entity != NULL ? buf_append(out, entity, strlen(entity)) : buf_append(out, text, 1);
    }
    return ok;
}

enum err_code
message_slack(const struct message_about *about, struct buf *out, struct err *err)
{
    char title[MESSAGE_TITLE_BYTES];
    struct buf text;
    message_title(about, title);
    buf_init(&text, MESSAGE_BYTES_MAX);
    bool ok = put_escaped(&text, title, false) && buf_append(&text, "\n", 1) &&
              put_escaped(&text, advice(about), false);
    json_t *root = ok ? json_pack("{s:s%}", "text", (const char *)text.data, text.size_bytes)
                      : NULL;
    buf_clear(&text);
    return put_json(root, out, err);
}

/* ---- mail ---- */

struct line {
    const char *label;
    char text[LINE_BYTES];
};

static void
put_amount(struct line *line, const char *label, money_sum pico, const char *currency)
{
    char amount[MONEY_TEXT_BYTES];
    line->label = label;
    amount_text(pico, currency, amount);
    snprintf(line->text, LINE_BYTES, "%s %s", amount, currency);
}

static size_t
spike_lines(const struct message_about *about, struct line lines[LINES_MAX])
{
    const struct spike *spike = about->spike;
    const char *drivers = strstr(spike->text, "Most of it: ");
    size_t n = 0;
    lines[n].label = "Organization";
    snprintf(lines[n++].text, LINE_BYTES, "%.*s", STR_ARG(about->organization));
    if (drivers != NULL) {
        lines[n].label = "Most of it";
        snprintf(lines[n++].text, LINE_BYTES, "%s", drivers + strlen("Most of it: "));
    }
    lines[n].label = "Threshold";
    snprintf(lines[n++].text, LINE_BYTES, "%u %% of the usual", spike->threshold_percent);
    lines[n].label = "Noticed";
    time_format_ms(spike->noticed_ms, lines[n++].text);
    lines[n].label = "More";
    snprintf(lines[n++].text, LINE_BYTES, "gbill spikes show %.*s", STR_ARG(about->id));
    return n;
}

static size_t
alert_lines(struct str organization, const struct alert *a, struct line lines[LINES_MAX])
{
    char budget[MONEY_TEXT_BYTES];
    size_t n = 0;
    lines[n].label = "Organization";
    snprintf(lines[n++].text, LINE_BYTES, "%.*s", STR_ARG(organization));
    lines[n].label = "Month";
    time_format_month(a->month, lines[n++].text);
    put_amount(&lines[n++], "Spent so far", a->spend_pico, a->currency);
    if (a->has_budget) {
        budget_text(a, budget);
        lines[n].label = "Budget";
        snprintf(lines[n++].text, LINE_BYTES, "%s %s", budget, a->currency);
    }
    if (a->kind == ALERT_FORECAST)
        put_amount(&lines[n++], "Forecast for the month", a->forecast_pico, a->currency);
    lines[n].label = "Noticed";
    time_format_ms(a->at_ms, lines[n++].text);
    return n;
}

static bool
put_plain(struct buf *out, const char *title, const struct line *lines, size_t count,
          const char *say)
{
    bool ok = buf_printf(out, "%s\r\n\r\n", title);
    for (size_t i = 0; ok && i < count; i++)
        ok = buf_printf(out, "%s: %s\r\n", lines[i].label, lines[i].text);
    return ok && buf_printf(out, "\r\n%s\r\n", say);
}

static bool
put_html(struct buf *out, const char *title, const struct line *lines, size_t count,
         const char *say)
{
    bool ok = buf_printf(out, "<!DOCTYPE html><html><body style=\"font-family:sans-serif\">"
                              "<h2 style=\"font-size:1.1em\">") &&
              put_escaped(out, title, true) && buf_printf(out, "</h2><table>");
    for (size_t i = 0; ok && i < count; i++)
        ok = buf_printf(out, "<tr><td style=\"color:#666;padding-right:1em\">%s</td><td>",
                        lines[i].label) &&
             put_escaped(out, lines[i].text, true) && buf_printf(out, "</td></tr>");
    return ok && buf_printf(out, "</table><p>") && put_escaped(out, say, true) &&
           buf_printf(out, "</p></body></html>\r\n");
}

enum err_code
message_mail(const struct message_about *about, const struct message_mail *mail, struct buf *out,
             struct err *err)
{
    char title[MESSAGE_TITLE_BYTES];
    struct line lines[LINES_MAX];
    struct buf plain, html;
    message_title(about, title);
    size_t count = about->alert != NULL ? alert_lines(about->organization, about->alert, lines)
                                        : spike_lines(about, lines);
    buf_init(&plain, MESSAGE_BYTES_MAX);
    buf_init(&html, MESSAGE_BYTES_MAX);
    bool ok = put_plain(&plain, title, lines, count, advice(about)) &&
              put_html(&html, title, lines, count, advice(about));
    const struct mime_mail m = {
        .from = mail->from,
        .from_name = mail->from_name,
        .to = mail->to,
        .subject = title,
        .id = mail->key,
        .at_ms = noticed_ms(about),
        .plain = {plain.data, plain.size_bytes},
        .html = {html.data, html.size_bytes},
    };
    ok = ok && mime_put(&m, out);
    buf_clear(&plain);
    buf_clear(&html);
    return ok ? ERR_OK : full(err);
}

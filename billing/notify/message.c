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

void
message_title(struct str organization, const struct alert *alert, char title[MESSAGE_TITLE_BYTES])
{
    char what[LINE_BYTES], much[LINE_BYTES];
    happened(alert, what);
    how_much(alert, much);
    snprintf(title, MESSAGE_TITLE_BYTES, "%.*s: %s: %s", STR_ARG(organization), what, much);
}

/* What the organization can do, in words; never empty. */
static const char *
advice(const struct alert *a)
{
    switch (a->kind) {
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

enum err_code
message_webhook(struct str organization, const struct alert *alert, struct buf *out,
                struct err *err)
{
    char type[LINE_BYTES], month[TIME_TEXT_BYTES], at[TIME_TEXT_BYTES], title[MESSAGE_TITLE_BYTES];
    char id[ALERT_ID_BYTES], spend[MONEY_TEXT_BYTES], forecast[MONEY_TEXT_BYTES];
    int digits = currency_minor_digits(alert->currency);
    snprintf(type, sizeof type, "budget.%s", alert_kind_name(alert->kind));
    time_format_month(alert->month, month);
    time_format_ms(alert->at_ms, at);
    alert_id(organization, alert->month, alert->number, id);
    message_title(organization, alert, title);
    money_format(alert->spend_pico, PICO_DIGITS, spend);
    money_format(alert->forecast_pico, PICO_DIGITS, forecast);
    json_t *data =
        json_pack("{s:s, s:o, s:s, s:I, s:s, s:s, s:s, s:o, s:s, s:I, s:o, s:I, s:s}", "alertId",
                  id, "organizationId", text_of(organization), "month", month, "percent",
                  (json_int_t)alert->percent, "threshold", alert->name, "currency", alert->currency,
                  "spend", spend, "budgetMinor",
                  nullable(alert->has_budget, json_integer((json_int_t)alert->budget_minor)),
                  "kind", alert_kind_name(alert->kind), "spendMinor",
                  (json_int_t)money_round_minor(alert->spend_pico, digits), "forecast",
                  nullable(alert->kind == ALERT_FORECAST, json_string(forecast)), "logPosition",
                  (json_int_t)alert->position, "text", title);
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
message_slack(struct str organization, const struct alert *alert, struct buf *out, struct err *err)
{
    char title[MESSAGE_TITLE_BYTES];
    struct buf text;
    message_title(organization, alert, title);
    buf_init(&text, MESSAGE_BYTES_MAX);
    bool ok = put_escaped(&text, title, false) && buf_append(&text, "\n", 1) &&
              put_escaped(&text, advice(alert), false);
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
lines_of(struct str organization, const struct alert *a, struct line lines[LINES_MAX])
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
message_mail(struct str organization, const struct alert *alert, const struct message_mail *mail,
             struct buf *out, struct err *err)
{
    char title[MESSAGE_TITLE_BYTES];
    struct line lines[LINES_MAX];
    struct buf plain, html;
    message_title(organization, alert, title);
    size_t count = lines_of(organization, alert, lines);
    buf_init(&plain, MESSAGE_BYTES_MAX);
    buf_init(&html, MESSAGE_BYTES_MAX);
    bool ok = put_plain(&plain, title, lines, count, advice(alert)) &&
              put_html(&html, title, lines, count, advice(alert));
    const struct mime_mail m = {
        .from = mail->from,
        .from_name = mail->from_name,
        .to = mail->to,
        .subject = title,
        .id = mail->key,
        .at_ms = alert->at_ms,
        .plain = {plain.data, plain.size_bytes},
        .html = {html.data, html.size_bytes},
    };
    ok = ok && mime_put(&m, out);
    buf_clear(&plain);
    buf_clear(&html);
    return ok ? ERR_OK : full(err);
}

#include "reports/api/routes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "reports/api/post_stripe.h"
#include "reports/api/post_usage.h"
#include "reports/api/views.h"
#include "reports/usage_print.h"
#include "reports/usage_walk.h"
#include "store/base/base64.h"
#include "store/base/cli.h"
#include "store/base/file.h"
#include "store/base/log.h"
#include "store/event/stripe_event.h"
#include "store/tables/cursor.h"
#include "store/tables/dict.h"
#include "store/tables/limit.h"

enum { USAGE_ROWS_MAX = 10000, OPENAPI_BYTES_MAX = 1024 * 1024 };

/* ---- limits ---- */

/* The action of REQUIREMENTS, for each dimension. */
static const char *const actions[LIMIT_DIMENSIONS] = {
    [LIMIT_PROJECTS] = "create_project",
    [LIMIT_DOCUMENTS] = "create_document",
    [LIMIT_AI_CREDITS] = "ai_request",
    [LIMIT_MEMBERS] = "add_member",
};

static void
put_texts(FILE *out, const char *key, struct str text)
{
    fprintf(out, ",\"%s\":", key);
    if (text.size_bytes > 0)
        print_json_text(out, text);
    else
        fputs("null", out);
}

static void
put_limit(FILE *out, const struct limit *row)
{
    log_decision("limit_told",
                 "organization=%" PRIu32 " action=%s plan=\"%.*s\" used=%" PRIu64 " limit=%" PRIu64
                 " state=%s allowed=%s position=%" PRIu64,
                 row->organization, actions[row->dimension], STR_ARG(row->plan), row->used,
                 row->limit, limit_state_name(row->state), row->allowed ? "yes" : "no",
                 row->position);
    fprintf(out, "{\"action\":\"%s\",\"dimension\":\"%s\",\"allowed\":%s,\"used\":%" PRIu64,
            actions[row->dimension], limit_dimension_name(row->dimension),
            row->allowed ? "true" : "false", row->used);
    if (row->limit == LIMIT_UNLIMITED)
        fputs(",\"limit\":null,\"remaining\":null,\"percent\":null", out);
    else
        fprintf(out, ",\"limit\":%" PRIu64 ",\"remaining\":%" PRIu64 ",\"percent\":%" PRIu32,
                row->limit, limit_remaining(row), row->percent);
    fprintf(out, ",\"state\":\"%s\"", limit_state_name(row->state));
    put_texts(out, "plan", row->plan);
    put_texts(out, "upgradeTo", row->upgrade);
    put_texts(out, "reason", row->reason);
    if (row->period_end_ms > 0) {
        char text[TIME_TEXT_BYTES];
        time_format_ms(row->period_end_ms, text);
        fprintf(out, ",\"resetAt\":\"%s\"", text);
    } else {
        fputs(",\"resetAt\":null", out);
    }
    fprintf(out, ",\"position\":%" PRIu64 "}", row->position);
}

static enum err_code
pick_action(const char *action, int *ret, struct err *err)
{
    *ret = LIMIT_DIMENSIONS;
    if (action == NULL)
        return ERR_OK;
    for (int d = 0; d < LIMIT_DIMENSIONS; d++) {
        if (strcmp(action, actions[d]) == 0)
            *ret = d;
    }
    return *ret < LIMIT_DIMENSIONS
               ? ERR_OK
               : err_set(err, ERR_USAGE,
                         "action \"%.40s\" must be create_project, create_document, add_member or "
                         "ai_request",
                         action);
}

static enum err_code
put_limits(const struct api_request *request, struct tables_txn *txn, int action, FILE *out,
           struct err *err)
{
    struct limit row;
    uint32_t number;
    bool allowed = true, any = false;
    if (!dict_find(txn, str_of(request->organization), &number) || number == 0 ||
        !limit_get(txn, number, LIMIT_PROJECTS, &row))
        return err_set(err, ERR_NOT_FOUND, "this organization has no limits yet");
    fputs("{\"organizationId\":", out);
    print_json_text(out, str_of(request->organization));
    fputs(",\"limits\":[", out);
    for (int d = 0; d < LIMIT_DIMENSIONS; d++) {
        if ((action != LIMIT_DIMENSIONS && d != action) ||
            !limit_get(txn, number, (enum limit_dimension)d, &row))
            continue;
        if (any)
            fputc(',', out);
        put_limit(out, &row);
        allowed = allowed && row.allowed;
        any = true;
    }
    fprintf(out, "],\"allowed\":%s}\n", allowed ? "true" : "false");
    return ERR_OK;
}

static enum err_code
answer_limits(const struct api_request *request, struct answer *answer, struct err *err)
{
    struct tables_txn *txn = NULL;
    int action;
    enum err_code code = pick_action(request->parameter(request->context, "action"), &action, err);
    if (code == ERR_OK)
        code = shelf_begin(request->shelf, &txn, err);
    if (code == ERR_OK)
        code = put_limits(request, txn, action, answer->out, err);
    shelf_end(request->shelf, txn);
    return code;
}

/* ---- usage ---- */

static enum err_code
read_query(const struct api_request *request, struct usage_query *q, struct err *err)
{
    const char *from = request->parameter(request->context, "from");
    const char *by = request->parameter(request->context, "by");
    char month[TIME_TEXT_BYTES];
    struct usage_range range;
    time_format_month(time_month(clock_now_ms(request->clock)), month);
    *q = (struct usage_query){.groups_max = USAGE_ROWS_MAX};
    enum err_code code = usage_range_read(request->organization, from != NULL ? from : month,
                                          request->parameter(request->context, "to"), &range, err);
    if (code == ERR_OK)
        code = grouping_parse(by != NULL ? by : "day,model", &q->grouping, err);
    if (code != ERR_OK)
        return code;
    q->organization = range.organization;
    q->from_hour = range.from_hour;
    q->to_hour = range.to_hour;
    return ERR_OK;
}

static enum err_code
answer_usage(const struct api_request *request, struct answer *answer, struct err *err)
{
    struct usage_query query;
    struct usage_report report;
    struct tables_txn *txn = NULL;
    uint64_t position = 0;
    enum err_code code = read_query(request, &query, err);
    if (code == ERR_OK)
        code = shelf_begin(request->shelf, &txn, err);
    if (code == ERR_OK) {
        position = cursor_get(txn).seq;
        code = usage_report_make(txn, &query, &report, err);
    }
    shelf_end(request->shelf, txn);
    if (code != ERR_OK)
        return code;
    fputs("{\"organizationId\":", answer->out);
    print_json_text(answer->out, str_of(request->organization));
    fprintf(answer->out, ",\"position\":%" PRIu64 ",\"usage\":", position);
    usage_print(&report, USAGE_PRINT_USAGE, PRINT_JSON, false, answer->out);
    fputs(",\"costs\":", answer->out);
    usage_print(&report, USAGE_PRINT_COSTS, PRINT_JSON, false, answer->out);
    fputs("}\n", answer->out);
    usage_report_clear(&report);
    return ERR_OK;
}

/* ---- for everybody ---- */

static enum err_code
answer_health(const struct api_request *request, struct answer *answer, struct err *err)
{
    struct tables_txn *txn = NULL;
    enum err_code code = shelf_begin(request->shelf, &txn, err);
    if (code == ERR_NOT_FOUND)
        return err_set(err, ERR_BUSY, "nothing has been folded yet");
    if (code == ERR_OK)
        fprintf(answer->out,
                "{\"status\":\"ok\",\"version\":\"" CLI_VERSION "\",\"position\":%" PRIu64 "}\n",
                cursor_get(txn).seq);
    shelf_end(request->shelf, txn);
    return code;
}

static enum err_code
answer_metrics(const struct api_request *request, struct answer *answer, struct err *err)
{
    const struct api_figures *f = request->figures;
    (void)err;
    answer->type = "text/plain; version=0.0.4; charset=utf-8";
    fprintf(answer->out,
            "# HELP gbill_api_requests_total Requests received.\n"
            "# TYPE gbill_api_requests_total counter\n"
            "gbill_api_requests_total %" PRIu64 "\n"
            "# HELP gbill_api_answers_total Answers, by the first digit of their status.\n"
            "# TYPE gbill_api_answers_total counter\n",
            f->requests);
    for (int i = 2; i < 6; i++)
        fprintf(answer->out, "gbill_api_answers_total{status=\"%dxx\"} %" PRIu64 "\n", i,
                f->answers[i]);
    fprintf(answer->out,
            "# HELP gbill_api_throttled_total Requests refused for coming too often.\n"
            "# TYPE gbill_api_throttled_total counter\n"
            "gbill_api_throttled_total %" PRIu64 "\n"
            "# HELP gbill_api_slow_connections_total Connections ended for being too slow.\n"
            "# TYPE gbill_api_slow_connections_total counter\n"
            "gbill_api_slow_connections_total %" PRIu64 "\n",
            f->throttled, f->slow_ended);
    post_stripe_print(request->stripe, answer->out);
    return ERR_OK;
}

static enum err_code
answer_openapi(const struct api_request *request, struct answer *answer, struct err *err)
{
    struct bytes text;
    (void)request;
    enum err_code code =
        file_read(GBILL_SCHEMAS_DIR "/openapi.json", OPENAPI_BYTES_MAX, &text, err);
    if (code != ERR_OK)
        return code;
    fwrite(text.data, 1, text.size_bytes, answer->out);
    free((void *)(uintptr_t)text.data);
    return ERR_OK;
}

static const struct route routes[] = {
    {"GET", "/api/billing/limits", KEY_READ, ROUTE_PROGRAM, 0, ROUTE_LIGHT, answer_limits},
    {"GET", "/api/billing/usage", KEY_READ, ROUTE_PROGRAM, 0, ROUTE_HEAVY, answer_usage},
    {"POST", "/api/billing/usage", KEY_WRITE, ROUTE_PROGRAM, POST_USAGE_BYTES_MAX, ROUTE_LIGHT,
     post_usage},
    {"GET", "/api/billing/usage/export", KEY_READ, ROUTE_PROGRAM, 0, ROUTE_FILE, view_export},
    {"GET", "/api/billing/dashboard", KEY_READ, ROUTE_PROGRAM, 0, ROUTE_HEAVY, view_dashboard},
    {"GET", "/api/billing/optimization", KEY_READ, ROUTE_PROGRAM, 0, ROUTE_HEAVY,
     view_optimization},
    {"GET", "/api/billing/budget", KEY_READ, ROUTE_PROGRAM, 0, ROUTE_LIGHT, view_budget},
    {"PUT", "/api/billing/budget", KEY_ADMIN, ROUTE_PROGRAM, VIEW_BUDGET_BYTES_MAX, ROUTE_LIGHT,
     view_budget_put},
    {"GET", "/api/billing/invoices", KEY_READ, ROUTE_PROGRAM, 0, ROUTE_HEAVY, view_invoices},
    {"GET", "/api/billing/invoices/{number}", KEY_READ, ROUTE_PROGRAM, 0, ROUTE_HEAVY,
     view_invoice},
    {"POST", "/api/billing/stripe/webhook", 0, ROUTE_STRIPE, STRIPE_EVENT_BODY_BYTES_MAX,
     ROUTE_LIGHT, post_stripe},
    {"GET", "/api/billing/openapi.json", 0, ROUTE_PROGRAM, 0, ROUTE_LIGHT, answer_openapi},
    {"GET", "/", KEY_READ, ROUTE_BROWSER, 0, ROUTE_HEAVY, view_page},
    {"GET", "/health", 0, ROUTE_PROGRAM, 0, ROUTE_LIGHT, answer_health},
    {"GET", "/metrics", 0, ROUTE_PROGRAM, 0, ROUTE_LIGHT, answer_metrics},
};

static bool
is_path(const char *pattern, const char *path, const char **ret_value)
{
    const char *brace = strchr(pattern, '{');
    if (brace == NULL)
        return strcmp(path, pattern) == 0;
    size_t fixed = (size_t)(brace - pattern);
    if (strncmp(path, pattern, fixed) != 0 || path[fixed] == '\0' ||
        strchr(path + fixed, '/') != NULL)
        return false;
    *ret_value = path + fixed;
    return true;
}

const struct route *
route_find(const char *method, const char *path, const char **ret_value,
           char ret_allow[ROUTE_ALLOW_BYTES])
{
    const struct route *found = NULL;
    size_t used = 0;
    ret_allow[0] = '\0';
    *ret_value = "";
    for (size_t i = 0; i < CLI_COUNT(routes); i++) {
        if (!is_path(routes[i].path, path, ret_value))
            continue;
        used += (size_t)snprintf(ret_allow + used, ROUTE_ALLOW_BYTES - used, "%s%s",
                                 used > 0 ? ", " : "", routes[i].method);
        if (strcmp(method, routes[i].method) == 0)
            found = &routes[i];
    }
    return found;
}

bool
route_bearer(const char *header, struct str *ret)
{
    static const char scheme[] = "Bearer ";
    if (header == NULL || strncasecmp(header, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *key = header + sizeof scheme - 1;
    key += strspn(key, " ");
    *ret = str_of(key);
    return ret->size_bytes > 0;
}

bool
route_password(const char *header, char room[ROUTE_PASSWORD_BYTES], struct str *ret)
{
    static const char scheme[] = "Basic ";
    size_t size;
    if (header == NULL || strncasecmp(header, scheme, sizeof scheme - 1) != 0)
        return false;
    header += sizeof scheme - 1;
    if (!base64_decode(str_of(header + strspn(header, " ")), (unsigned char *)room,
                       ROUTE_PASSWORD_BYTES, &size))
        return false;
    const char *colon = memchr(room, ':', size);
    if (colon == NULL)
        return false;
    *ret = (struct str){colon + 1, size - (size_t)(colon + 1 - room)};
    return ret->size_bytes > 0;
}

#include "ingest/replay_azure.h"

#include <inttypes.h>

#include "ingest/replay_lines.h"
#include "store/base/time.h"
#include "store/event/event.h"

enum {
    ORGANIZATIONS = 12,
    WEIGHT = 27720,     /* divisible by 1 to 12 */
    WEIGHT_SUM = 86021, /* of WEIGHT / k for k = 1 to 12 */
    PROJECTS = 4,
    NAME_BYTES = 32,
};

const struct replay_azure_model replay_azure_models[REPLAY_AZURE_MODEL_COUNT] = {
    {"openai", "gpt-4o-mini", 24},         {"openai", "gpt-4o", 16},
    {"openai", "gpt-5.4-mini", 12},        {"openai", "gpt-5.4", 8},
    {"anthropic", "claude-haiku-4-5", 16}, {"anthropic", "claude-sonnet-4-5", 20},
    {"anthropic", "claude-opus-4-5", 4},
};

static bool
find_column(const struct replay_csv *header, const char *name, size_t *ret,
            struct replay_defect *defect)
{
    for (size_t i = 0; i < header->count; i++) {
        if (str_is(header->cells[i], name)) {
            *ret = i;
            return true;
        }
    }
    return replay_defect_set(defect,
                             "the header has no column %s; an Azure LLM trace has TIMESTAMP, "
                             "ContextTokens and GeneratedTokens",
                             name);
}

bool
replay_azure_header(const struct replay_csv *header, struct replay_azure_columns *ret,
                    struct replay_defect *defect)
{
    return find_column(header, "TIMESTAMP", &ret->time, defect) &&
           find_column(header, "ContextTokens", &ret->context, defect) &&
           find_column(header, "GeneratedTokens", &ret->generated, defect);
}

static uint32_t
pick_organization(uint32_t random)
{
    uint32_t at = random % WEIGHT_SUM, sum = 0;
    for (uint32_t k = 1; k < ORGANIZATIONS; k++) {
        sum += WEIGHT / k;
        if (at < sum)
            return k;
    }
    return ORGANIZATIONS;
}

static const struct replay_azure_model *
pick_model(uint32_t random)
{
    uint32_t at = random % 100, sum = 0;
    for (size_t i = 0; i < REPLAY_AZURE_MODEL_COUNT - 1; i++) {
        sum += replay_azure_models[i].weight;
        if (at < sum)
            return &replay_azure_models[i];
    }
    return &replay_azure_models[REPLAY_AZURE_MODEL_COUNT - 1];
}

static const char *
pick_type(uint32_t random)
{
    uint32_t at = random % 10;
    return at < 5 ? "generation" : at < 8 ? "chat" : "summarization";
}

static void
add_caller(struct replay_record *record, const uint8_t *d)
{
    char text[NAME_BYTES];
    uint32_t k = pick_organization(get_be32(d + 16));
    snprintf(text, sizeof text, "org-%02" PRIu32, k);
    replay_record_text(record, "organizationId", str_of(text));
    snprintf(text, sizeof text, "org-%02" PRIu32 "-user-%02" PRIu32, k,
             get_be16(d + 20) % (24 / k + 1) + 1);
    replay_record_text(record, "userId", str_of(text));
    if (d[22] < 51)
        return;
    snprintf(text, sizeof text, "org-%02" PRIu32 "-project-%d", k, d[23] % PROJECTS + 1);
    replay_record_text(record, "projectId", str_of(text));
}

bool
replay_azure_row(const struct replay_azure_columns *columns, const struct replay_csv *row,
                 const uint8_t digest[HASH_SHA256_BYTES], const char *id,
                 struct replay_record *record, int64_t *ret_utc_ms, struct replay_defect *defect)
{
    struct str when = row->cells[columns->time];
    int64_t utc_ms;
    if (!time_parse(when, &utc_ms))
        return replay_defect_cell(defect, str_of("TIMESTAMP"), when, "a time");
    const struct replay_azure_model *model = pick_model(get_be16(digest + 25));
    replay_record_text(record, "id", str_of(id));
    add_caller(record, digest);
    replay_record_text(record, "type", str_of(pick_type(digest[24])));
    replay_record_text(record, "provider", str_of(model->provider));
    replay_record_text(record, "model", str_of(model->model));
    if (digest[27] < 26)
        replay_record_text(record, "serviceTier", str_of("batch"));
    const struct {
        const char *column, *name;
        size_t at;
    } counts[] = {{"ContextTokens", "inputTokens", columns->context},
                  {"GeneratedTokens", "outputTokens", columns->generated}};
    for (size_t i = 0; i < 2; i++) {
        struct str cell = row->cells[counts[i].at], column = str_of(counts[i].column);
        /* A call whose count is not told is not a call of no tokens. */
        if (cell.size_bytes == 0)
            return replay_defect_set(defect, "%s is empty, must be a whole number",
                                     counts[i].column);
        if (!replay_record_cell(record, column, counts[i].name, cell, defect))
            return false;
    }
    *ret_utc_ms = utc_ms;
    return true;
}

static void
widen(struct replay_azure_span *span, int64_t utc_ms)
{
    if (!span->any || utc_ms < span->first_utc_ms)
        span->first_utc_ms = utc_ms;
    if (!span->any || utc_ms > span->last_utc_ms)
        span->last_utc_ms = utc_ms;
    span->any = true;
}

static enum err_code
scan_rows(struct replay_lines *lines, struct replay_csv *csv, struct replay_azure_span *span,
          struct err *err)
{
    struct replay_azure_columns columns;
    struct replay_defect defect;
    struct replay_line line;
    enum err_code code = replay_lines_next(lines, &line, err);
    if (code != ERR_OK || line.end || line.defect != NULL ||
        replay_csv_split(csv, line.text) != NULL)
        return code;
    if (!replay_azure_header(csv, &columns, &defect))
        return err_set(err, ERR_INPUT, "%s: %s", lines->name, defect.text);
    for (;;) {
        int64_t utc_ms;
        code = replay_lines_next(lines, &line, err);
        if (code != ERR_OK || line.end)
            return code;
        if (line.defect != NULL)
            continue;
        if (replay_csv_split(csv, line.text) != NULL)
            replay_lines_resume(lines);
        else if (csv->count > columns.time && time_parse(csv->cells[columns.time], &utc_ms))
            widen(span, utc_ms);
    }
}

enum err_code
replay_azure_scan(const char *path, struct replay_azure_span *span, struct err *err)
{
    struct replay_lines lines;
    struct replay_csv csv = {0};
    enum err_code code = replay_lines_open(&lines, path, true, err);
    if (code == ERR_OK && !replay_csv_init(&csv, REPLAY_LINE_BYTES_MAX))
        code = err_set(err, ERR_IO, "%s: out of memory for a line", path);
    if (code == ERR_OK)
        code = scan_rows(&lines, &csv, span, err);
    replay_csv_clear(&csv);
    replay_lines_close(&lines);
    return code;
}

enum err_code
replay_azure_place(const struct replay_azure_span *span, int64_t start_day, int64_t now_utc_ms,
                   int64_t *ret_days, struct err *err)
{
    int64_t first_day = span->first_utc_ms / TIME_DAY_MS, day = start_day;
    if (day < 0) {
        int32_t month = time_month(now_utc_ms);
        day = time_month_start_ms(month) / TIME_DAY_MS;
        if (span->last_utc_ms + (day - first_day) * TIME_DAY_MS >= now_utc_ms)
            day = time_month_start_ms(month - 1) / TIME_DAY_MS;
    }
    int64_t shift_ms = (day - first_day) * TIME_DAY_MS;
    int64_t first = span->first_utc_ms + shift_ms, last = span->last_utc_ms + shift_ms;
    if (first < now_utc_ms - EVENT_AGE_MS_MAX || last >= now_utc_ms) {
        char from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES], was[TIME_TEXT_BYTES];
        time_format_ms(first < 0 ? 0 : first, from);
        time_format_ms(last < TIME_MAX_MS ? last : TIME_MAX_MS - 1, to);
        time_format_ms(span->first_utc_ms, was);
        return err_set(err, ERR_LIMIT,
                       "the trace (first call %s) would lie from %s to %s, but must lie in the "
                       "past and no call may be older than 35 days; choose another --start, or "
                       "send less of it",
                       was, from, to);
    }
    *ret_days = day - first_day;
    return ERR_OK;
}

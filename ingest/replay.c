#include "ingest/replay.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "ingest/replay_azure.h"
#include "ingest/replay_csv.h"
#include "ingest/replay_lines.h"
#include "ingest/replay_record.h"
#include "store/base/hash.h"
#include "store/base/time.h"

enum { ID_BYTES = 16, UNUSED_BYTES_MAX = 200 };

static const char kind_column[] = "kind";

struct replay {
    const struct replay_options *options;
    struct replay_lines lines;
    struct replay_csv csv;
    struct replay_record record;

    /* CSV: what each column becomes (a field, kind_column, or NULL) and its name. */
    const char *field[REPLAY_CSV_CELLS_MAX];
    struct buf names;
    struct str column[REPLAY_CSV_CELLS_MAX];
    size_t column_count;
    char unused[UNUSED_BYTES_MAX];
    struct replay_azure_columns azure;
};

bool
replay_format_find(struct str name, enum replay_format *ret)
{
    static const char *const names[] = {
        [REPLAY_JSONL] = "jsonl", [REPLAY_CSV] = "csv", [REPLAY_AZURE] = "azure-llm"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_is(name, names[i])) {
            *ret = (enum replay_format)i;
            return true;
        }
    }
    return false;
}

static bool
ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

bool
replay_format_of_path(const char *path, enum replay_format *ret)
{
    if (ends_with(path, ".jsonl") || ends_with(path, ".ndjson"))
        *ret = REPLAY_JSONL;
    else if (ends_with(path, ".csv"))
        *ret = REPLAY_CSV;
    else
        return false;
    return true;
}

static enum err_code bad_line(const struct replay *r, uint64_t line, struct err *err,
                              const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static enum err_code
bad_line(const struct replay *r, uint64_t line, struct err *err, const char *fmt, ...)
{
    char text[REPLAY_DEFECT_BYTES_MAX + 100];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(err, ERR_INPUT, "%s:%" PRIu64 ": %s", r->lines.name, line, text);
}

/* Column names outlive the header's line, and the cells of the next one. */
static enum err_code
keep_header(struct replay *r, struct err *err)
{
    struct replay_csv *h = &r->csv;
    if (!buf_append(&r->names, h->text.data, h->text.size_bytes))
        return err_set(err, ERR_IO, "%s: out of memory for its header", r->lines.name);
    const char *kept = (const char *)r->names.data;
    const char *was = (const char *)h->text.data;
    for (size_t i = 0; i < h->count; i++) {
        size_t at = (size_t)(h->cells[i].data - was);
        r->column[i] = (struct str){kept != NULL ? kept + at : "", h->cells[i].size_bytes};
    }
    r->column_count = h->count;
    return ERR_OK;
}

/* Let a column be a field; each field has one column, and each column one field. */
static enum err_code
map_pair(struct replay *r, struct str field, struct str column, struct err *err)
{
    const char *name = str_is(field, kind_column) ? kind_column : replay_record_knows(field);
    if (name == NULL)
        return err_set(err, ERR_USAGE,
                       "--map: \"%.*s\" is no field of an event; see "
                       "schemas/event.md",
                       STR_ARG(field));
    for (size_t i = 0; i < r->column_count; i++) {
        if (r->field[i] == name)
            return err_set(err, ERR_USAGE, "--map: %s is mapped twice", name);
    }
    for (size_t i = 0; i < r->column_count; i++) {
        if (!str_equal(r->column[i], column))
            continue;
        if (r->field[i] != NULL)
            return err_set(err, ERR_USAGE, "--map: column \"%.*s\" is mapped twice",
                           STR_ARG(column));
        r->field[i] = name;
        return ERR_OK;
    }
    return err_set(err, ERR_USAGE, "--map: %s has no column \"%.*s\" for %s", r->lines.name,
                   STR_ARG(column), name);
}

static enum err_code
map_given(struct replay *r, const char *map, struct err *err)
{
    while (map != NULL && *map != '\0') {
        size_t pair_bytes = strcspn(map, ",");
        const char *equals = memchr(map, '=', pair_bytes);
        if (equals == NULL)
            return err_set(err, ERR_USAGE, "--map: \"%.*s\" must be FIELD=COLUMN", (int)pair_bytes,
                           map);
        struct str field = {map, (size_t)(equals - map)};
        struct str column = {equals + 1, pair_bytes - field.size_bytes - 1};
        enum err_code code = map_pair(r, field, column, err);
        if (code != ERR_OK)
            return code;
        map += pair_bytes + (map[pair_bytes] == ',' ? 1 : 0);
    }
    return ERR_OK;
}

static bool
is_mapped(const struct replay *r, const char *name)
{
    for (size_t i = 0; i < r->column_count; i++) {
        if (r->field[i] == name)
            return true;
    }
    return false;
}

/* What is not mapped is taken by its name. */
static enum err_code
map_by_name(struct replay *r, struct err *err)
{
    size_t taken = 0, used = 0;
    for (size_t i = 0; i < r->column_count; i++) {
        struct str column = r->column[i];
        const char *name = str_is(column, kind_column) ? kind_column : replay_record_knows(column);
        bool is_free = r->field[i] == NULL;
        if (is_free && name != NULL && is_mapped(r, name)) {
            /* The field has a column already: mapped, or of the same name before. */
            name = NULL;
        }
        if (is_free)
            r->field[i] = name;
        if (r->field[i] != NULL) {
            taken++;
        } else if (used < sizeof r->unused) {
            int n = snprintf(r->unused + used, sizeof r->unused - used, "%s%.*s",
                             used > 0 ? ", " : "", STR_ARG(column));
            used += n > 0 ? (size_t)n : 0;
        }
    }
    if (taken == 0)
        return err_set(err, ERR_INPUT,
                       "%s: no column is a field of an event; name them with --map FIELD=COLUMN "
                       "(an Azure LLM trace: --format azure-llm)",
                       r->lines.name);
    return ERR_OK;
}

static enum err_code
read_header(struct replay *r, struct err *err)
{
    struct replay_line line;
    struct replay_defect defect;
    enum err_code code = replay_lines_next(&r->lines, &line, err);
    if (code != ERR_OK)
        return code;
    if (line.end)
        return err_set(err, ERR_INPUT, "%s is empty, must begin with a header row", r->lines.name);
    const char *why = line.defect != NULL ? line.defect : replay_csv_split(&r->csv, line.text);
    if (why != NULL)
        return bad_line(r, line.line, err, "%s", why);
    code = keep_header(r, err);
    if (code != ERR_OK)
        return code;
    if (r->options->format == REPLAY_AZURE)
        return replay_azure_header(&r->csv, &r->azure, &defect)
                   ? ERR_OK
                   : bad_line(r, line.line, err, "%s", defect.text);
    code = map_given(r, r->options->map, err);
    return code != ERR_OK ? code : map_by_name(r, err);
}

enum err_code
replay_open(struct replay **ret_replay, const char *path, const struct replay_options *options,
            struct err *err)
{
    *ret_replay = NULL;
    struct replay *r = calloc(1, sizeof *r);
    if (r == NULL)
        return err_set(err, ERR_IO, "%s: out of memory", path);
    r->options = options;
    bool is_csv = options->format != REPLAY_JSONL;
    buf_init(&r->names, REPLAY_LINE_BYTES_MAX);
    enum err_code code = replay_lines_open(&r->lines, path, is_csv, err);
    if (code == ERR_OK && (!replay_record_init(&r->record) ||
                           (is_csv && !replay_csv_init(&r->csv, REPLAY_LINE_BYTES_MAX))))
        code = err_set(err, ERR_IO, "%s: out of memory for a line", path);
    if (code == ERR_OK && is_csv)
        code = read_header(r, err);
    if (code != ERR_OK) {
        replay_close(r);
        return code;
    }
    *ret_replay = r;
    return ERR_OK;
}

void
replay_close(struct replay *r)
{
    if (r == NULL)
        return;
    replay_lines_close(&r->lines);
    replay_csv_clear(&r->csv);
    replay_record_clear(&r->record);
    buf_clear(&r->names);
    free(r);
}

static void
digest_of(const struct replay *r, const struct replay_line *line, uint8_t digest[HASH_SHA256_BYTES],
          char id[2 * ID_BYTES + 1])
{
    char head[64];
    int n = snprintf(head, sizeof head, "%" PRIu64 ":%" PRIu64 ":", r->options->seed, line->line);
    assert(n > 0 && (size_t)n < sizeof head);
    const struct bytes parts[] = {{(const uint8_t *)head, (size_t)n}, line->text};
    hash_sha256(parts, 2, digest);
    hash_hex(digest, ID_BYTES, id);
}

static bool
set_kind(struct replay_event *ret, struct str name, struct replay_defect *defect)
{
    return event_kind_find(name, &ret->kind) ||
           replay_defect_set(defect,
                             "kind is \"%.*s\", must be usage, resource, subscription, "
                             "budget, adjustment, payment, void, feedback, act or stripe",
                             name.size_bytes < 40 ? (int)name.size_bytes : 40,
                             name.size_bytes > 0 ? name.data : "");
}

static bool
add_json_pairs(struct replay *r, json_t *object, struct replay_event *ret,
               struct replay_defect *defect)
{
    const char *key;
    json_t *value;
    json_object_foreach (object, key, value) {
        if (strcmp(key, kind_column) == 0) {
            if (!json_is_string(value))
                return replay_defect_set(defect, "kind is not a text");
            if (!set_kind(ret, str_of(json_string_value(value)), defect))
                return false;
            continue;
        }
        if (json_is_null(value))
            continue;
        if (!replay_record_json(&r->record, key, value, defect))
            return false;
    }
    return true;
}

static bool
read_jsonl(struct replay *r, const struct replay_line *line, struct replay_event *ret,
           struct replay_defect *defect)
{
    uint8_t digest[HASH_SHA256_BYTES];
    char id[2 * ID_BYTES + 1];
    json_error_t error;
    json_t *object = json_loadb((const char *)line->text.data, line->text.size_bytes,
                                JSON_REJECT_DUPLICATES, &error);
    if (object == NULL)
        return replay_defect_set(defect, "not JSON: %.120s (column %d)", error.text, error.column);
    bool ok = json_is_object(object) || replay_defect_set(defect, "not a JSON object");
    json_t *own_id = json_object_get(object, "id");
    if (ok && (own_id == NULL || json_is_null(own_id))) {
        digest_of(r, line, digest, id);
        replay_record_text(&r->record, "id", str_of(id));
    }
    ok = ok && add_json_pairs(r, object, ret, defect);
    json_decref(object);
    return ok;
}

static bool
check_cell_count(const struct replay *r, struct replay_defect *defect)
{
    return r->csv.count == r->column_count ||
           replay_defect_set(defect, "has %zu fields, the header has %zu", r->csv.count,
                             r->column_count);
}

static bool
read_csv(struct replay *r, const struct replay_line *line, struct replay_event *ret,
         struct replay_defect *defect)
{
    uint8_t digest[HASH_SHA256_BYTES];
    char id[2 * ID_BYTES + 1];
    bool has_id = false;
    if (!check_cell_count(r, defect))
        return false;
    for (size_t i = 0; i < r->column_count; i++) {
        const char *field = r->field[i];
        struct str cell = r->csv.cells[i];
        if (field == NULL || cell.size_bytes == 0)
            continue;
        if (field == kind_column) {
            if (!set_kind(ret, cell, defect))
                return false;
            continue;
        }
        has_id = has_id || strcmp(field, "id") == 0;
        if (!replay_record_cell(&r->record, r->column[i], field, cell, defect))
            return false;
    }
    if (!has_id) {
        digest_of(r, line, digest, id);
        replay_record_text(&r->record, "id", str_of(id));
    }
    return true;
}

static bool
read_azure(struct replay *r, const struct replay_line *line, struct replay_event *ret,
           struct replay_defect *defect)
{
    struct replay_shift *shift = r->options->shift;
    uint8_t digest[HASH_SHA256_BYTES];
    char id[2 * ID_BYTES + 1];
    int64_t utc_ms;
    if (!check_cell_count(r, defect))
        return false;
    digest_of(r, line, digest, id);
    if (!replay_azure_row(&r->azure, &r->csv, digest, id, &r->record, &utc_ms, defect))
        return false;
    if (!shift->known) {
        shift->days = shift->start_day - utc_ms / TIME_DAY_MS;
        shift->known = true;
    }
    ret->utc_ms = utc_ms + shift->days * TIME_DAY_MS;
    return true;
}

static bool
read_line(struct replay *r, const struct replay_line *line, struct replay_event *ret,
          struct replay_defect *defect)
{
    if (line->defect != NULL)
        return replay_defect_set(defect, "%s", line->defect);
    replay_record_begin(&r->record);
    if (r->options->format == REPLAY_JSONL) {
        if (!read_jsonl(r, line, ret, defect))
            return false;
    } else {
        const char *why = replay_csv_split(&r->csv, line->text);
        if (why != NULL) {
            replay_lines_resume(&r->lines);
            return replay_defect_set(defect, "%s", why);
        }
        if (!(r->options->format == REPLAY_CSV ? read_csv(r, line, ret, defect)
                                               : read_azure(r, line, ret, defect)))
            return false;
    }
    return replay_record_end(&r->record, &ret->record) ||
           replay_defect_set(defect, "the event takes more than %d bytes", EVENT_RECORD_BYTES_MAX);
}

/* Nothing but blanks: between JSON lines, or at the end of a file. */
static bool
is_blank(struct bytes text)
{
    for (size_t i = 0; i < text.size_bytes; i++) {
        if (text.data[i] != ' ' && text.data[i] != '\t')
            return false;
    }
    return true;
}

enum err_code
replay_next(struct replay *r, struct replay_event *ret, struct err *err)
{
    struct replay_line line;
    struct replay_defect defect;
    do {
        enum err_code code = replay_lines_next(&r->lines, &line, err);
        if (code != ERR_OK)
            return code;
    } while (!line.end && line.defect == NULL && is_blank(line.text));
    *ret = (struct replay_event){.end = line.end,
                                 .kind = r->options->kind,
                                 .line = line.line,
                                 .utc_ms = r->options->now_utc_ms};
    if (line.end)
        return ERR_OK;
    return read_line(r, &line, ret, &defect) ? ERR_OK
                                             : bad_line(r, line.line, err, "%s", defect.text);
}

const char *
replay_name(const struct replay *r)
{
    return r->lines.name;
}

const char *
replay_unused_columns(const struct replay *r)
{
    return r->unused;
}

#include "store/tables/usage.h"

#include <assert.h>
#include <string.h>

enum { HEAD_COLUMNS = USAGE_ROW_COLUMNS - EVENT_CLASSES - EVENT_FEES };

void
usage_key_encode(const struct usage_key *key, uint8_t bytes[USAGE_KEY_BYTES])
{
    const uint32_t parts[] = {key->organization, key->period,   key->project, key->user,
                              key->type,         key->provider, key->model,   key->tier};
    for (size_t i = 0; i < 8; i++)
        put_be32(bytes + 4 * i, parts[i]);
}

struct usage_key
usage_key_decode(const uint8_t bytes[USAGE_KEY_BYTES])
{
    return (struct usage_key){
        .organization = get_be32(bytes),
        .period = get_be32(bytes + 4),
        .project = get_be32(bytes + 8),
        .user = get_be32(bytes + 12),
        .type = get_be32(bytes + 16),
        .provider = get_be32(bytes + 20),
        .model = get_be32(bytes + 24),
        .tier = get_be32(bytes + 28),
    };
}

void
usage_row_columns(const struct usage_row *row, uint64_t columns[USAGE_ROW_COLUMNS])
{
    const uint64_t head[] = {row->calls,
                             row->failed_calls,
                             row->estimated_calls,
                             row->unpriced_calls,
                             row->reasoning_tokens,
                             row->latency_us,
                             (uint64_t)row->cost_pico,
                             (uint64_t)(row->cost_pico >> 64)};
    memcpy(columns, head, sizeof head);
    memcpy(columns + 8, row->tokens, sizeof row->tokens);
    memcpy(columns + 8 + EVENT_CLASSES, row->fees, sizeof row->fees);
}

const char *
usage_row_column_name(size_t column)
{
    static const char *const head[] = {"calls",     "failed",  "estimated", "unpriced",
                                       "reasoning", "latency", "cost",      "cost"};
    assert(column < USAGE_ROW_COLUMNS);
    if (column < HEAD_COLUMNS)
        return head[column];
    return column < HEAD_COLUMNS + EVENT_CLASSES
               ? event_class_name((enum event_class)(column - HEAD_COLUMNS))
               : event_fee_name((enum event_fee)(column - HEAD_COLUMNS - EVENT_CLASSES));
}

size_t
usage_row_encode(const struct usage_row *row, uint8_t bytes[USAGE_ROW_BYTES_MAX])
{
    uint64_t columns[USAGE_ROW_COLUMNS];
    uint32_t present = 0;
    uint8_t *p = bytes + 4;
    usage_row_columns(row, columns);
    for (uint32_t i = 0; i < USAGE_ROW_COLUMNS; i++) {
        if (columns[i] == 0)
            continue;
        present |= (uint32_t)1 << i;
        for (; columns[i] >= 0x80; columns[i] >>= 7)
            *p++ = (uint8_t)(columns[i] | 0x80);
        *p++ = (uint8_t)columns[i];
    }
    put_le32(bytes, present);
    return (size_t)(p - bytes);
}

/* One column; false where the bytes are no number in its shortest form. */
static bool
read_column(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    uint64_t value = 0;
    for (int shift = 0; *p < end && shift < 64; shift += 7) {
        uint8_t b = *(*p)++;
        if (shift == 63 && b > 1)
            return false;
        value |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *ret = value;
            return b != 0;
        }
    }
    return false;
}

bool
usage_row_decode(struct bytes bytes, struct usage_row *ret)
{
    uint64_t columns[USAGE_ROW_COLUMNS] = {0};
    if (bytes.size_bytes < 4)
        return false;
    const uint8_t *p = bytes.data + 4, *end = bytes.data + bytes.size_bytes;
    uint32_t present = get_le32(bytes.data);
    if (present >> USAGE_ROW_COLUMNS != 0)
        return false;
    for (; present != 0; present &= present - 1) {
        if (!read_column(&p, end, &columns[__builtin_ctz(present)]))
            return false;
    }
    if (p != end)
        return false;
    *ret = (struct usage_row){
        .calls = columns[0],
        .failed_calls = columns[1],
        .estimated_calls = columns[2],
        .unpriced_calls = columns[3],
        .reasoning_tokens = columns[4],
        .latency_us = columns[5],
        .cost_pico = (money_sum)(int64_t)columns[7] * ((money_sum)1 << 64) + (money_sum)columns[6],
    };
    memcpy(ret->tokens, columns + 8, sizeof ret->tokens);
    memcpy(ret->fees, columns + 8 + EVENT_CLASSES, sizeof ret->fees);
    return true;
}

_Static_assert(USAGE_ROW_COLUMNS < 32, "one bit per column");

enum err_code
usage_row_read(enum table table, struct bytes bytes, struct usage_row *ret, struct err *err)
{
    if (usage_row_decode(bytes, ret))
        return ERR_OK;
    return err_set(err, ERR_CORRUPT,
                   "table %s: a row of %zu bytes cannot be read; run gbill rollup --rebuild",
                   tables_name(table), bytes.size_bytes);
}

void
usage_row_add(struct usage_row *row, const struct usage_row *more)
{
    row->calls += more->calls;
    row->failed_calls += more->failed_calls;
    row->estimated_calls += more->estimated_calls;
    row->unpriced_calls += more->unpriced_calls;
    row->reasoning_tokens += more->reasoning_tokens;
    row->latency_us += more->latency_us;
    row->cost_pico += more->cost_pico;
    for (size_t i = 0; i < EVENT_CLASSES; i++)
        row->tokens[i] += more->tokens[i];
    for (size_t i = 0; i < EVENT_FEES; i++)
        row->fees[i] += more->fees[i];
}

void
usage_row_subtract(struct usage_row *row, const struct usage_row *less)
{
    row->calls -= less->calls;
    row->failed_calls -= less->failed_calls;
    row->estimated_calls -= less->estimated_calls;
    row->unpriced_calls -= less->unpriced_calls;
    for (size_t i = 0; i < EVENT_CLASSES; i++)
        row->tokens[i] -= less->tokens[i];
    for (size_t i = 0; i < EVENT_FEES; i++)
        row->fees[i] -= less->fees[i];
    row->reasoning_tokens -= less->reasoning_tokens;
    row->latency_us -= less->latency_us;
    row->cost_pico -= less->cost_pico;
}

bool
usage_row_is_empty(const struct usage_row *row)
{
    return row->calls == 0;
}

uint64_t
usage_row_credits(const struct usage_row *row)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < EVENT_CLASSES; i++)
        sum += row->tokens[i];
    return sum;
}

enum err_code
usage_edit_add(struct tables_edit *edit, const uint8_t key[USAGE_KEY_BYTES],
               const struct usage_row *more, struct err *err)
{
    struct bytes k = {key, USAGE_KEY_BYTES};
    struct usage_row row = *more, before;
    uint8_t value[USAGE_ROW_BYTES_MAX];
    enum err_code code = ERR_OK;
    /* A sum that voids had a part in may take from the row that is there. */
    if (more->calls == 0 || more->calls > INT64_MAX) {
        tables_edit_find(edit, k);
    } else {
        struct bytes alone = {value, usage_row_encode(more, value)};
        code = tables_edit_insert(edit, k, alone, err);
        if (code != ERR_OK || !edit->found)
            return code;
    }
    if (edit->found) {
        code = usage_row_read(edit->table, edit->old, &before, err);
        if (code != ERR_OK)
            return code;
        usage_row_add(&row, &before);
    }
    /* All its calls were voided: a table folded anew would not have it. */
    if (usage_row_is_empty(&row))
        return tables_edit_delete(edit, k, err);
    return tables_edit_put(edit, k, (struct bytes){value, usage_row_encode(&row, value)}, err);
}

enum err_code
usage_add(struct tables_txn *txn, enum table table, const uint8_t key[USAGE_KEY_BYTES],
          const struct usage_row *more, struct err *err)
{
    struct tables_edit edit;
    enum err_code code = tables_edit_begin(&edit, txn, table, err);
    if (code == ERR_OK)
        code = usage_edit_add(&edit, key, more, err);
    tables_edit_end(&edit);
    return code;
}

void
usage_scan_begin(struct usage_scan *scan, struct tables_txn *txn, enum table table,
                 uint32_t organization, const uint32_t *period)
{
    uint8_t prefix[8];
    put_be32(prefix, organization);
    if (period != NULL)
        put_be32(prefix + 4, *period);
    scan->code = ERR_OK;
    scan->table = table;
    size_t bytes = organization == 0 ? 0 : period == NULL ? 4 : 8;
    tables_scan_begin(&scan->scan, txn, table, (struct bytes){prefix, bytes});
}

bool
usage_scan_next(struct usage_scan *scan)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    scan->key = usage_key_decode(scan->scan.key.data);
    scan->code = usage_row_read(scan->table, scan->scan.value, &scan->row, &scan->err);
    return scan->code == ERR_OK;
}

enum err_code
usage_scan_end(struct usage_scan *scan, struct err *err)
{
    tables_scan_end(&scan->scan);
    if (scan->code != ERR_OK)
        *err = scan->err;
    return scan->code;
}

enum err_code
usage_hour_parse(const char *option, const char *text, uint32_t *ret_hour, struct err *err)
{
    int64_t utc_ms;
    if (!time_parse(str_of(text), &utc_ms))
        return err_set(err, ERR_USAGE,
                       "%s: \"%s\" is no time; write a month (2026-11), a day (2026-11-24) or an "
                       "hour (2026-11-24T08:00Z)",
                       option, text);
    int64_t hour = utc_ms / TIME_HOUR_MS;
    if (utc_ms % TIME_HOUR_MS != 0) {
        char before[TIME_TEXT_BYTES], after[TIME_TEXT_BYTES];
        time_format_hour(hour, before);
        time_format_hour(hour + 1, after);
        return err_set(err, ERR_USAGE,
                       "%s: \"%s\" lies within an hour, but usage is kept by full UTC hours; write "
                       "%s:00Z or %s:00Z",
                       option, text, before, after);
    }
    *ret_hour = (uint32_t)hour;
    return ERR_OK;
}

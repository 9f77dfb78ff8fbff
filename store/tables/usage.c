#include "store/tables/usage.h"

#include <string.h>

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
usage_row_encode(const struct usage_row *row, uint8_t bytes[USAGE_ROW_BYTES])
{
    const uint64_t head[] = {row->calls, row->failed_calls, row->estimated_calls,
                             row->unpriced_calls};
    uint8_t *p = bytes;
    for (size_t i = 0; i < 4; i++, p += 8)
        put_le64(p, head[i]);
    for (size_t i = 0; i < EVENT_CLASSES; i++, p += 8)
        put_le64(p, row->tokens[i]);
    put_le64(p, row->reasoning_tokens);
    put_le64(p + 8, row->latency_us);
    put_le64(p + 16, (uint64_t)row->cost_pico);
    put_le64(p + 24, (uint64_t)(row->cost_pico >> 64));
}

struct usage_row
usage_row_decode(const uint8_t bytes[USAGE_ROW_BYTES])
{
    struct usage_row row = {
        .calls = get_le64(bytes),
        .failed_calls = get_le64(bytes + 8),
        .estimated_calls = get_le64(bytes + 16),
        .unpriced_calls = get_le64(bytes + 24),
    };
    const uint8_t *p = bytes + 32;
    for (size_t i = 0; i < EVENT_CLASSES; i++, p += 8)
        row.tokens[i] = get_le64(p);
    row.reasoning_tokens = get_le64(p);
    row.latency_us = get_le64(p + 8);
    row.cost_pico = (money_sum)(int64_t)get_le64(p + 24) * ((money_sum)1 << 64) +
                    (money_sum)get_le64(p + 16);
    return row;
}

void
usage_row_add(struct usage_row *row, const struct usage_row *more)
{
    row->calls += more->calls;
    row->failed_calls += more->failed_calls;
    row->estimated_calls += more->estimated_calls;
    row->unpriced_calls += more->unpriced_calls;
    for (size_t i = 0; i < EVENT_CLASSES; i++)
        row->tokens[i] += more->tokens[i];
    row->reasoning_tokens += more->reasoning_tokens;
    row->latency_us += more->latency_us;
    row->cost_pico += more->cost_pico;
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
    struct usage_row row = *more;
    uint8_t value[USAGE_ROW_BYTES];
    tables_edit_find(edit, k);
    if (edit->found) {
        if (edit->old.size_bytes != USAGE_ROW_BYTES)
            return err_set(err, ERR_CORRUPT, "table %s: a row has %zu bytes, must have %d",
                           tables_name(edit->table), edit->old.size_bytes, USAGE_ROW_BYTES);
        struct usage_row before = usage_row_decode(edit->old.data);
        usage_row_add(&row, &before);
    }
    /* All its calls were voided: a table folded anew would not have it. */
    if (usage_row_is_empty(&row))
        return tables_edit_delete(edit, k, err);
    usage_row_encode(&row, value);
    return tables_edit_put(edit, k, (struct bytes){value, sizeof value}, err);
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
    size_t bytes = organization == 0 ? 0 : period == NULL ? 4 : 8;
    tables_scan_begin(&scan->scan, txn, table, (struct bytes){prefix, bytes});
}

bool
usage_scan_next(struct usage_scan *scan)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    scan->key = usage_key_decode(scan->scan.key.data);
    scan->row = usage_row_decode(scan->scan.value.data);
    return true;
}

void
usage_scan_end(struct usage_scan *scan)
{
    tables_scan_end(&scan->scan);
}

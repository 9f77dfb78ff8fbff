#include "store/tables/spike.h"

#include <assert.h>
#include <string.h>

#include "store/base/hash.h"
#include "store/tables/dict.h"

/*
 * Key: organization u32, found hour u32, scope u8, provider u32, value u32.
 *
 * Value: position u64, from u32, to u32, peak u32, threshold u32, measures u8, flags u8
 * (1 burst, 2 withdrawn), currency 3, noticed u64, actual and usual (calls u64, tokens
 * u64, cost u128 each), three drivers (provider u32, value u32, excess u128 each), text.
 */
enum {
    KEY_BYTES = 17,
    FIGURES_BYTES = 32,
    DRIVER_BYTES = 24,
    DRIVERS = SPIKE_SCOPE_COUNT - 1,
    FIXED_BYTES = 8 + 4 * 4 + 5 + 8 + 2 * FIGURES_BYTES + DRIVERS * DRIVER_BYTES,
    FLAG_BURST = 1,
    FLAG_WITHDRAWN = 2,
};

static const char *const scope_names[SPIKE_SCOPE_COUNT] = {
#define SPIKE_NAME(name, text) [SPIKE_##name] = text,
    SPIKE_SCOPES(SPIKE_NAME)
#undef SPIKE_NAME
};

static const char *const measure_names[SPIKE_MEASURES] = {
    [SPIKE_CALLS] = "calls", [SPIKE_TOKENS] = "tokens", [SPIKE_COST] = "cost"};

const char *
spike_scope_name(enum spike_scope scope)
{
    assert(scope < SPIKE_SCOPE_COUNT);
    return scope_names[scope];
}

const char *
spike_measure_name(enum spike_measure measure)
{
    assert(measure < SPIKE_MEASURES);
    return measure_names[measure];
}

money_sum
spike_measure_of(const struct spike_figures *figures, enum spike_measure measure)
{
    switch (measure) {
    case SPIKE_CALLS:
        return (money_sum)figures->calls;
    case SPIKE_TOKENS:
        return (money_sum)figures->tokens;
    default:
        return figures->cost_pico;
    }
}

enum spike_measure
spike_leading(uint8_t measures)
{
    int m = SPIKE_COST;
    while (m > 0 && (measures >> m & 1) == 0)
        m--;
    return (enum spike_measure)m;
}

static struct bytes
key_of(uint8_t key[KEY_BYTES], const struct spike *row)
{
    put_be32(key, row->organization);
    put_be32(key + 4, row->found_hour);
    key[8] = (uint8_t)row->subject.scope;
    put_be32(key + 9, row->subject.provider);
    put_be32(key + 13, row->subject.value);
    return (struct bytes){key, KEY_BYTES};
}

static uint8_t *
put_figures(uint8_t *p, const struct spike_figures *f)
{
    put_le64(p, f->calls);
    put_le64(p + 8, f->tokens);
    money_put_sum(p + 16, f->cost_pico);
    return p + FIGURES_BYTES;
}

static const uint8_t *
get_figures(const uint8_t *p, struct spike_figures *ret)
{
    *ret = (struct spike_figures){get_le64(p), get_le64(p + 8), money_get_sum(p + 16)};
    return p + FIGURES_BYTES;
}

static struct bytes
row_encode(const struct spike *row, uint8_t *v)
{
    size_t text_bytes = strlen(row->text);
    put_le64(v, row->position);
    put_le32(v + 8, row->from_hour);
    put_le32(v + 12, row->to_hour);
    put_le32(v + 16, row->peak_hour);
    put_le32(v + 20, row->threshold_percent);
    v[24] = row->measures;
    v[25] = (uint8_t)((row->burst ? FLAG_BURST : 0) | (row->withdrawn ? FLAG_WITHDRAWN : 0));
    memcpy(v + 26, row->currency, 3);
    put_le64(v + 29, (uint64_t)row->noticed_ms);
    uint8_t *p = put_figures(put_figures(v + 37, &row->actual), &row->usual);
    for (int i = 1; i < SPIKE_SCOPE_COUNT; i++, p += DRIVER_BYTES) {
        put_le32(p, row->drivers[i].provider);
        put_le32(p + 4, row->drivers[i].value);
        money_put_sum(p + 8, row->drivers[i].excess_pico);
    }
    assert(p == v + FIXED_BYTES && text_bytes <= SPIKE_TEXT_BYTES_MAX);
    memcpy(p, row->text, text_bytes);
    return (struct bytes){v, FIXED_BYTES + text_bytes};
}

enum err_code
spike_put(struct tables_txn *txn, const struct spike *row, struct err *err)
{
    uint8_t key[KEY_BYTES], v[FIXED_BYTES + SPIKE_TEXT_BYTES_MAX];
    struct bytes k = key_of(key, row), value = row_encode(row, v), old;
    if (tables_get(txn, TABLE_SPIKES, k, &old) && old.size_bytes == value.size_bytes &&
        memcmp(old.data + 8, v + 8, value.size_bytes - 8) == 0)
        return ERR_OK;
    return tables_put_published(txn, TABLE_SPIKES, k, value, err);
}

enum err_code
spike_delete(struct tables_txn *txn, const struct spike *row, struct err *err)
{
    uint8_t key[KEY_BYTES];
    return tables_delete_published(txn, TABLE_SPIKES, key_of(key, row), err);
}

void
spike_decode(struct bytes key, struct bytes value, struct spike *ret)
{
    const uint8_t *v = value.data;
    assert(key.size_bytes == KEY_BYTES && key.data[8] < SPIKE_SCOPE_COUNT);
    *ret = (struct spike){
        .organization = get_be32(key.data),
        .found_hour = get_be32(key.data + 4),
        .subject = {(enum spike_scope)key.data[8], get_be32(key.data + 9), get_be32(key.data + 13)},
    };
    if (value.size_bytes == 0)
        return;
    assert(value.size_bytes >= FIXED_BYTES &&
           value.size_bytes <= FIXED_BYTES + SPIKE_TEXT_BYTES_MAX);
    ret->position = get_le64(v);
    ret->from_hour = get_le32(v + 8);
    ret->to_hour = get_le32(v + 12);
    ret->peak_hour = get_le32(v + 16);
    ret->threshold_percent = get_le32(v + 20);
    ret->measures = v[24];
    ret->burst = (v[25] & FLAG_BURST) != 0;
    ret->withdrawn = (v[25] & FLAG_WITHDRAWN) != 0;
    memcpy(ret->currency, v + 26, 3);
    ret->noticed_ms = (int64_t)get_le64(v + 29);
    const uint8_t *p = get_figures(get_figures(v + 37, &ret->actual), &ret->usual);
    for (int i = 1; i < SPIKE_SCOPE_COUNT; i++, p += DRIVER_BYTES)
        ret->drivers[i] = (struct spike_driver){get_le32(p), get_le32(p + 4), money_get_sum(p + 8)};
    memcpy(ret->text, p, value.size_bytes - FIXED_BYTES);
}

bool
spike_get(struct tables_txn *txn, uint32_t organization, uint32_t found_hour,
          const struct spike_subject *subject, struct spike *ret)
{
    const struct spike row = {
        .organization = organization, .found_hour = found_hour, .subject = *subject};
    uint8_t key[KEY_BYTES];
    struct bytes k = key_of(key, &row), v;
    if (!tables_get(txn, TABLE_SPIKES, k, &v))
        return false;
    spike_decode(k, v, ret);
    return true;
}

void
spike_id(struct tables_txn *txn, const struct spike *row, char id[SPIKE_ID_BYTES])
{
    uint8_t numbers[5], digest[HASH_SHA256_BYTES];
    struct str organization = dict_text(txn, row->organization),
               provider = dict_text(txn, row->subject.provider),
               value = dict_text(txn, row->subject.value);
    put_be32(numbers, row->found_hour);
    numbers[4] = (uint8_t)row->subject.scope;
    /* Ids have no NUL, so it parts them. */
    const struct bytes parts[] = {
        {(const uint8_t *)"spike", 6},
        {numbers, sizeof numbers},
        {(const uint8_t *)organization.data, organization.size_bytes},
        {(const uint8_t *)"", 1},
        {(const uint8_t *)provider.data, provider.size_bytes},
        {(const uint8_t *)"", 1},
        {(const uint8_t *)value.data, value.size_bytes},
    };
    hash_sha256(parts, sizeof parts / sizeof parts[0], digest);
    hash_hex(digest, (SPIKE_ID_BYTES - 1) / 2, id);
}

void
spike_scan_begin(struct spike_scan *scan, struct tables_txn *txn, uint32_t organization)
{
    tables_scan_organization(&scan->scan, txn, TABLE_SPIKES, organization);
}

bool
spike_scan_next(struct spike_scan *scan)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    spike_decode(scan->scan.key, scan->scan.value, &scan->row);
    return true;
}

void
spike_scan_end(struct spike_scan *scan)
{
    tables_scan_end(&scan->scan);
}

bool
spike_mark_is(struct tables_txn *txn, uint32_t organization, const uint8_t mark[SPIKE_MARK_BYTES])
{
    uint8_t key[4];
    struct bytes v;
    put_be32(key, organization);
    return tables_get(txn, TABLE_SPIKE_MARKS, (struct bytes){key, sizeof key}, &v) &&
           v.size_bytes == SPIKE_MARK_BYTES && memcmp(v.data, mark, SPIKE_MARK_BYTES) == 0;
}

enum err_code
spike_mark_put(struct tables_txn *txn, uint32_t organization, const uint8_t mark[SPIKE_MARK_BYTES],
               struct err *err)
{
    uint8_t key[4];
    put_be32(key, organization);
    return tables_put(txn, TABLE_SPIKE_MARKS, (struct bytes){key, sizeof key},
                      (struct bytes){mark, SPIKE_MARK_BYTES}, err);
}

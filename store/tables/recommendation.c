#include "store/tables/recommendation.h"

#include <assert.h>
#include <string.h>

#include "store/base/hash.h"

/*
 * Key: organization u32, id 16.
 *
 * Value: position u64, type u8, priority u8, status u8, candidate u8, confidence u8,
 * currency 3, from u32, to u32, calls u64, cost, saving and share u128 each, created
 * u64, answered u64, answered saving u128, then each text: length u32, bytes.
 */
enum {
    KEY_BYTES = 4 + RECOMMENDATION_ID_BYTES,
    FIXED_BYTES = 112,
    VALUE_BYTES_MAX = FIXED_BYTES + RECOMMENDATION_TEXTS * (4 + RECOMMENDATION_TEXT_BYTES_MAX),
};

static const char *const type_names[RECOMMENDATION_TYPE_COUNT] = {
#define RECOMMENDATION_NAME(name, text) [RECOMMENDATION_##name] = text,
    RECOMMENDATION_TYPES(RECOMMENDATION_NAME)
#undef RECOMMENDATION_NAME
};

static const char *const priority_names[RECOMMENDATION_PRIORITIES] = {
    [RECOMMENDATION_LOW] = "low",
    [RECOMMENDATION_MEDIUM] = "medium",
    [RECOMMENDATION_HIGH] = "high",
};

static const char *const status_names[RECOMMENDATION_STATUSES] = {
    [RECOMMENDATION_PENDING] = "pending",
    [RECOMMENDATION_APPLIED] = "applied",
    [RECOMMENDATION_DISMISSED] = "dismissed",
};

const char *
recommendation_type_name(enum recommendation_type type)
{
    assert(type < RECOMMENDATION_TYPE_COUNT);
    return type_names[type];
}

const char *
recommendation_priority_name(enum recommendation_priority priority)
{
    assert(priority < RECOMMENDATION_PRIORITIES);
    return priority_names[priority];
}

const char *
recommendation_status_name(enum recommendation_status status)
{
    assert(status < RECOMMENDATION_STATUSES);
    return status_names[status];
}

bool
recommendation_type_find(struct str name, enum recommendation_type *ret)
{
    for (int t = 0; t < RECOMMENDATION_TYPE_COUNT; t++) {
        if (str_is(name, type_names[t])) {
            *ret = (enum recommendation_type)t;
            return true;
        }
    }
    return false;
}

bool
recommendation_status_find(struct str name, enum recommendation_status *ret)
{
    for (int s = 0; s < RECOMMENDATION_STATUSES; s++) {
        if (str_is(name, status_names[s])) {
            *ret = (enum recommendation_status)s;
            return true;
        }
    }
    return false;
}

void
recommendation_id_of(struct str organization, enum recommendation_type type, struct str subject,
                     uint8_t id[RECOMMENDATION_ID_BYTES])
{
    uint8_t digest[HASH_SHA256_BYTES];
    const char *name = recommendation_type_name(type);
    /* Ids have no NUL, so it parts them. */
    const struct bytes parts[] = {
        {(const uint8_t *)"recommendation", 15},
        {(const uint8_t *)organization.data, organization.size_bytes},
        {(const uint8_t *)"", 1},
        {(const uint8_t *)name, strlen(name) + 1},
        {(const uint8_t *)subject.data, subject.size_bytes},
    };
    hash_sha256(parts, sizeof parts / sizeof parts[0], digest);
    memcpy(id, digest, RECOMMENDATION_ID_BYTES);
}

void
recommendation_id_text(const uint8_t id[RECOMMENDATION_ID_BYTES],
                       char text[RECOMMENDATION_ID_TEXT_BYTES])
{
    hash_hex(id, RECOMMENDATION_ID_BYTES, text);
}

static struct bytes
key_of(uint8_t key[KEY_BYTES], uint32_t organization, const uint8_t id[RECOMMENDATION_ID_BYTES])
{
    put_be32(key, organization);
    memcpy(key + 4, id, RECOMMENDATION_ID_BYTES);
    return (struct bytes){key, KEY_BYTES};
}

static struct bytes
row_encode(const struct recommendation *row, uint8_t v[VALUE_BYTES_MAX])
{
    put_le64(v, row->position);
    v[8] = (uint8_t)row->type;
    v[9] = (uint8_t)row->priority;
    v[10] = (uint8_t)row->status;
    v[11] = row->candidate;
    v[12] = row->confidence_percent;
    memcpy(v + 13, row->currency, 3);
    put_le32(v + 16, row->from_hour);
    put_le32(v + 20, row->to_hour);
    put_le64(v + 24, row->calls);
    money_put_sum(v + 32, row->cost_pico);
    money_put_sum(v + 48, row->saving_pico);
    money_put_sum(v + 64, row->share_pico);
    put_le64(v + 80, (uint64_t)row->created_ms);
    put_le64(v + 88, (uint64_t)row->answered_ms);
    money_put_sum(v + 96, row->answered_pico);
    uint8_t *p = v + FIXED_BYTES;
    for (int i = 0; i < RECOMMENDATION_TEXTS; i++) {
        struct str text = row->texts[i];
        assert(text.size_bytes <= RECOMMENDATION_TEXT_BYTES_MAX);
        put_le32(p, (uint32_t)text.size_bytes);
        if (text.size_bytes > 0)
            memcpy(p + 4, text.data, text.size_bytes);
        p += 4 + text.size_bytes;
    }
    return (struct bytes){v, (size_t)(p - v)};
}

enum err_code
recommendation_put(struct tables_txn *txn, const struct recommendation *row, struct err *err)
{
    uint8_t key[KEY_BYTES], v[VALUE_BYTES_MAX];
    struct bytes k = key_of(key, row->organization, row->id), value = row_encode(row, v), old;
    if (tables_get(txn, TABLE_RECOMMENDATIONS, k, &old) && old.size_bytes == value.size_bytes &&
        memcmp(old.data + 8, v + 8, value.size_bytes - 8) == 0)
        return ERR_OK;
    return tables_put_published(txn, TABLE_RECOMMENDATIONS, k, value, err);
}

enum err_code
recommendation_delete(struct tables_txn *txn, const struct recommendation *row, struct err *err)
{
    uint8_t key[KEY_BYTES];
    return tables_delete_published(txn, TABLE_RECOMMENDATIONS,
                                   key_of(key, row->organization, row->id), err);
}

void
recommendation_decode(struct bytes key, struct bytes value, struct recommendation *ret)
{
    const uint8_t *v = value.data;
    assert(key.size_bytes == KEY_BYTES);
    *ret = (struct recommendation){.organization = get_be32(key.data)};
    memcpy(ret->id, key.data + 4, RECOMMENDATION_ID_BYTES);
    if (value.size_bytes == 0)
        return;
    assert(value.size_bytes >= FIXED_BYTES && v[8] < RECOMMENDATION_TYPE_COUNT &&
           v[9] < RECOMMENDATION_PRIORITIES && v[10] < RECOMMENDATION_STATUSES);
    ret->position = get_le64(v);
    ret->type = (enum recommendation_type)v[8];
    ret->priority = (enum recommendation_priority)v[9];
    ret->status = (enum recommendation_status)v[10];
    ret->candidate = v[11] != 0;
    ret->confidence_percent = v[12];
    memcpy(ret->currency, v + 13, 3);
    ret->from_hour = get_le32(v + 16);
    ret->to_hour = get_le32(v + 20);
    ret->calls = get_le64(v + 24);
    ret->cost_pico = money_get_sum(v + 32);
    ret->saving_pico = money_get_sum(v + 48);
    ret->share_pico = money_get_sum(v + 64);
    ret->created_ms = (int64_t)get_le64(v + 80);
    ret->answered_ms = (int64_t)get_le64(v + 88);
    ret->answered_pico = money_get_sum(v + 96);
    const uint8_t *p = v + FIXED_BYTES, *end = v + value.size_bytes;
    for (int i = 0; i < RECOMMENDATION_TEXTS; i++) {
        assert(end - p >= 4 && (size_t)(end - p) - 4 >= get_le32(p));
        ret->texts[i] = (struct str){(const char *)p + 4, get_le32(p)};
        p += 4 + ret->texts[i].size_bytes;
    }
}

bool
recommendation_get(struct tables_txn *txn, uint32_t organization,
                   const uint8_t id[RECOMMENDATION_ID_BYTES], struct recommendation *ret)
{
    uint8_t key[KEY_BYTES];
    struct bytes k = key_of(key, organization, id), value;
    if (!tables_get(txn, TABLE_RECOMMENDATIONS, k, &value))
        return false;
    recommendation_decode(k, value, ret);
    return true;
}

void
recommendation_scan_begin(struct recommendation_scan *scan, struct tables_txn *txn,
                          uint32_t organization)
{
    tables_scan_organization(&scan->scan, txn, TABLE_RECOMMENDATIONS, organization);
}

bool
recommendation_scan_next(struct recommendation_scan *scan)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    recommendation_decode(scan->scan.key, scan->scan.value, &scan->row);
    return true;
}

void
recommendation_scan_end(struct recommendation_scan *scan)
{
    tables_scan_end(&scan->scan);
}

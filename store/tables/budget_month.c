#include "store/tables/budget_month.h"

#include <assert.h>
#include <string.h>

/*
 * Key: organization u32, month u32.  Value: position u64, monthly u64, pause percent
 * u32, forecast percent u32, alerts u32, has monthly u8, forecast reported u8, marks
 * u8, then each mark: percent u32, listed u8, reported u8, length of the name u8, name.
 */
enum {
    MONTH_KEY_BYTES = 8,
    MONTH_HEAD_BYTES = 31,
    MARK_HEAD_BYTES = 7,
    MONTH_ROW_BYTES_MAX = MONTH_HEAD_BYTES +
                          BUDGET_MARKS_MAX * (MARK_HEAD_BYTES + ALERT_NAME_BYTES_MAX),
};

static struct bytes
key_of(uint8_t key[MONTH_KEY_BYTES], uint32_t organization, int32_t month)
{
    put_be32(key, organization);
    put_be32(key + 4, (uint32_t)month);
    return (struct bytes){key, MONTH_KEY_BYTES};
}

static size_t
row_encode(const struct budget_month *row, uint8_t v[MONTH_ROW_BYTES_MAX])
{
    uint8_t *p = v + MONTH_HEAD_BYTES;
    assert(row->mark_count <= BUDGET_MARKS_MAX);
    put_le64(v, row->position);
    put_le64(v + 8, row->monthly_minor);
    put_le32(v + 16, row->pause_percent);
    put_le32(v + 20, row->forecast_percent);
    put_le32(v + 24, row->alert_count);
    v[28] = row->has_monthly ? 1 : 0;
    v[29] = row->forecast_reported ? 1 : 0;
    v[30] = (uint8_t)row->mark_count;
    for (size_t i = 0; i < row->mark_count; i++) {
        const struct budget_mark *mark = &row->marks[i];
        size_t name_bytes = strlen(mark->name);
        put_le32(p, mark->percent);
        p[4] = mark->listed ? 1 : 0;
        p[5] = mark->reported ? 1 : 0;
        p[6] = (uint8_t)name_bytes;
        memcpy(p + MARK_HEAD_BYTES, mark->name, name_bytes);
        p += MARK_HEAD_BYTES + name_bytes;
    }
    return (size_t)(p - v);
}

bool
budget_month_get(struct tables_txn *txn, uint32_t organization, int32_t month,
                 struct budget_month *ret)
{
    uint8_t key[MONTH_KEY_BYTES];
    struct bytes v;
    if (!tables_get(txn, TABLE_BUDGET_MONTHS, key_of(key, organization, month), &v))
        return false;
    const uint8_t *p = v.data + MONTH_HEAD_BYTES, *end = v.data + v.size_bytes;
    assert(v.size_bytes >= MONTH_HEAD_BYTES && v.data[30] <= BUDGET_MARKS_MAX);
    *ret = (struct budget_month){
        .organization = organization,
        .month = month,
        .position = get_le64(v.data),
        .monthly_minor = get_le64(v.data + 8),
        .pause_percent = get_le32(v.data + 16),
        .forecast_percent = get_le32(v.data + 20),
        .alert_count = get_le32(v.data + 24),
        .has_monthly = v.data[28] != 0,
        .forecast_reported = v.data[29] != 0,
        .mark_count = v.data[30],
    };
    for (size_t i = 0; i < ret->mark_count; i++) {
        struct budget_mark *mark = &ret->marks[i];
        assert(end - p >= MARK_HEAD_BYTES && p[6] <= ALERT_NAME_BYTES_MAX &&
               end - p >= MARK_HEAD_BYTES + p[6]);
        mark->percent = get_le32(p);
        mark->listed = p[4] != 0;
        mark->reported = p[5] != 0;
        memcpy(mark->name, p + MARK_HEAD_BYTES, p[6]);
        p += MARK_HEAD_BYTES + p[6];
    }
    assert(p == end);
    return true;
}

enum err_code
budget_month_put(struct tables_txn *txn, const struct budget_month *row, struct err *err)
{
    uint8_t key[MONTH_KEY_BYTES], v[MONTH_ROW_BYTES_MAX];
    struct bytes k = key_of(key, row->organization, row->month), old;
    size_t size = row_encode(row, v);
    if (tables_get(txn, TABLE_BUDGET_MONTHS, k, &old) && old.size_bytes == size &&
        memcmp(old.data + 8, v + 8, size - 8) == 0)
        return ERR_OK;
    return tables_put(txn, TABLE_BUDGET_MONTHS, k, (struct bytes){v, size}, err);
}

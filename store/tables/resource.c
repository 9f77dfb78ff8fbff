#include "store/tables/resource.h"

/* resources: organization u32, type u8, resource u32 -> exists u8, time u64, seq u64. */
enum { RESOURCE_KEY_BYTES = 9, RESOURCE_ROW_BYTES = 17, COUNT_KEY_BYTES = 5 };

static struct bytes
count_key(uint8_t key[COUNT_KEY_BYTES], uint32_t organization, enum event_resource_type type)
{
    put_be32(key, organization);
    key[4] = (uint8_t)type;
    return (struct bytes){key, COUNT_KEY_BYTES};
}

uint64_t
resource_count(struct tables_txn *txn, uint32_t organization, enum event_resource_type type)
{
    uint8_t key[COUNT_KEY_BYTES];
    struct bytes value;
    if (!tables_get(txn, TABLE_RESOURCE_COUNTS, count_key(key, organization, type), &value))
        return 0;
    return get_le64(value.data);
}

static enum err_code
move_count(struct tables_txn *txn, uint32_t organization, enum event_resource_type type, bool up,
           struct err *err)
{
    uint8_t key[COUNT_KEY_BYTES], value[8];
    uint64_t count = resource_count(txn, organization, type);
    put_le64(value, up ? count + 1 : count - 1);
    return tables_put(txn, TABLE_RESOURCE_COUNTS, count_key(key, organization, type),
                      (struct bytes){value, sizeof value}, err);
}

enum err_code
resource_apply(struct tables_txn *txn, uint32_t organization, enum event_resource_type type,
               uint32_t resource, bool created, int64_t time_utc_ms, uint64_t seq, struct err *err)
{
    uint8_t key[RESOURCE_KEY_BYTES], row[RESOURCE_ROW_BYTES];
    struct bytes k = {key, sizeof key}, old;
    put_be32(key, organization);
    key[4] = (uint8_t)type;
    put_be32(key + 5, resource);
    bool existed = false;
    if (tables_get(txn, TABLE_RESOURCES, k, &old)) {
        existed = old.data[0] != 0;
        int64_t old_ms = (int64_t)get_le64(old.data + 1);
        uint64_t old_seq = get_le64(old.data + 9);
        if (old_ms > time_utc_ms || (old_ms == time_utc_ms && old_seq > seq))
            return ERR_OK;
    }
    row[0] = created ? 1 : 0;
    put_le64(row + 1, (uint64_t)time_utc_ms);
    put_le64(row + 9, seq);
    enum err_code code = tables_put(txn, TABLE_RESOURCES, k, (struct bytes){row, sizeof row}, err);
    if (code == ERR_OK && existed != created)
        code = move_count(txn, organization, type, created, err);
    return code;
}

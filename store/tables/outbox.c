#include "store/tables/outbox.h"

#include <assert.h>
#include <string.h>

#include "store/base/hash.h"
#include "store/tables/dict.h"

/*
 * outbox: id u64 -> state u8, lengths of destination u8 and result u8, attempts u32,
 * created u64, since u64, due u64, done u64, organization u32, month u32, alert u32,
 * kind u8, found hour u32, scope u8, provider u32, value u32, destination, result.
 *
 * outbox_due: due u64, id u64 -> nothing; one for each that is waiting.
 */
enum {
    OUTBOX_ID_BYTES = 8,
    OUTBOX_DUE_BYTES = 16,
    OUTBOX_FIXED_BYTES = 65,
    OUTBOX_ROW_BYTES_MAX = OUTBOX_FIXED_BYTES + OUTBOX_DESTINATION_BYTES_MAX +
                           OUTBOX_RESULT_BYTES_MAX,
};

static const struct bytes id_key = {(const uint8_t *)"outbox_id", 9};

static const char *const state_names[OUTBOX_STATE_COUNT] = {
#define OUTBOX_NAME(name, text) [OUTBOX_##name] = text,
    OUTBOX_STATES(OUTBOX_NAME)
#undef OUTBOX_NAME
};

const char *
outbox_state_name(enum outbox_state state)
{
    assert(state < OUTBOX_STATE_COUNT);
    return state_names[state];
}

static_assert((int)ALERT_ID_BYTES == (int)OUTBOX_ABOUT_BYTES &&
                  (int)SPIKE_ID_BYTES == (int)OUTBOX_ABOUT_BYTES,
              "ids of both are of one length");

void
outbox_about(struct tables_txn *txn, const struct outbox_entry *entry, char id[OUTBOX_ABOUT_BYTES])
{
    const struct spike spike = {.organization = entry->organization,
                                .found_hour = entry->found_hour,
                                .subject = entry->subject};
    if (entry->kind == OUTBOX_ALERT)
        alert_id(dict_text(txn, entry->organization), entry->month, entry->alert, id);
    else
        spike_id(txn, &spike, id);
}

void
outbox_key(const char about[OUTBOX_ABOUT_BYTES], const char *destination,
           char key[OUTBOX_KEY_BYTES])
{
    static const char prefix[] = "msg_";
    uint8_t digest[HASH_SHA256_BYTES];
    const struct bytes parts[] = {
        {(const uint8_t *)about, OUTBOX_ABOUT_BYTES},
        {(const uint8_t *)destination, strlen(destination)},
    };
    hash_sha256(parts, 2, digest);
    memcpy(key, prefix, sizeof prefix);
    hash_hex(digest, 16, key + sizeof prefix - 1);
}

static void
row_decode(struct bytes key, struct bytes value, struct outbox_entry *ret)
{
    const uint8_t *v = value.data;
    assert(key.size_bytes == OUTBOX_ID_BYTES && value.size_bytes >= OUTBOX_FIXED_BYTES);
    size_t destination_bytes = v[1], result_bytes = v[2];
    assert(destination_bytes <= OUTBOX_DESTINATION_BYTES_MAX &&
           value.size_bytes == OUTBOX_FIXED_BYTES + destination_bytes + result_bytes);
    *ret = (struct outbox_entry){
        .id = get_be64(key.data),
        .state = (enum outbox_state)v[0],
        .attempts = get_le32(v + 3),
        .created_ms = (int64_t)get_le64(v + 7),
        .since_ms = (int64_t)get_le64(v + 15),
        .due_ms = (int64_t)get_le64(v + 23),
        .done_ms = (int64_t)get_le64(v + 31),
        .organization = get_le32(v + 39),
        .month = (int32_t)get_le32(v + 43),
        .alert = get_le32(v + 47),
        .kind = (enum outbox_kind)v[51],
        .found_hour = get_le32(v + 52),
        .subject = {(enum spike_scope)v[56], get_le32(v + 57), get_le32(v + 61)},
    };
    memcpy(ret->destination, v + OUTBOX_FIXED_BYTES, destination_bytes);
    memcpy(ret->result, v + OUTBOX_FIXED_BYTES + destination_bytes, result_bytes);
}

static struct bytes
id_bytes(uint8_t key[OUTBOX_ID_BYTES], uint64_t id)
{
    put_be64(key, id);
    return (struct bytes){key, OUTBOX_ID_BYTES};
}

static struct bytes
due_bytes(uint8_t key[OUTBOX_DUE_BYTES], const struct outbox_entry *entry)
{
    assert(entry->due_ms >= 0);
    put_be64(key, (uint64_t)entry->due_ms);
    put_be64(key + 8, entry->id);
    return (struct bytes){key, OUTBOX_DUE_BYTES};
}

/* The row, and its place among those that wait. */
static enum err_code
put(struct tables_txn *txn, const struct outbox_entry *e, struct err *err)
{
    uint8_t key[OUTBOX_ID_BYTES], due[OUTBOX_DUE_BYTES], v[OUTBOX_ROW_BYTES_MAX];
    size_t destination_bytes = strlen(e->destination), result_bytes = strlen(e->result);
    v[0] = (uint8_t)e->state;
    v[1] = (uint8_t)destination_bytes;
    v[2] = (uint8_t)result_bytes;
    put_le32(v + 3, e->attempts);
    put_le64(v + 7, (uint64_t)e->created_ms);
    put_le64(v + 15, (uint64_t)e->since_ms);
    put_le64(v + 23, (uint64_t)e->due_ms);
    put_le64(v + 31, (uint64_t)e->done_ms);
    put_le32(v + 39, e->organization);
    put_le32(v + 43, (uint32_t)e->month);
    put_le32(v + 47, e->alert);
    v[51] = (uint8_t)e->kind;
    put_le32(v + 52, e->found_hour);
    v[56] = (uint8_t)e->subject.scope;
    put_le32(v + 57, e->subject.provider);
    put_le32(v + 61, e->subject.value);
    memcpy(v + OUTBOX_FIXED_BYTES, e->destination, destination_bytes);
    memcpy(v + OUTBOX_FIXED_BYTES + destination_bytes, e->result, result_bytes);
    enum err_code code =
        tables_put(txn, TABLE_OUTBOX, id_bytes(key, e->id),
                   (struct bytes){v, OUTBOX_FIXED_BYTES + destination_bytes + result_bytes}, err);
    if (code == ERR_OK && e->state == OUTBOX_WAITING)
        code = tables_put(txn, TABLE_OUTBOX_DUE, due_bytes(due, e), (struct bytes){v, 0}, err);
    return code;
}

static enum err_code
leave_due(struct tables_txn *txn, uint64_t id, struct err *err)
{
    uint8_t due[OUTBOX_DUE_BYTES];
    struct outbox_entry stored;
    if (!outbox_get(txn, id, &stored) || stored.state != OUTBOX_WAITING)
        return ERR_OK;
    return tables_delete(txn, TABLE_OUTBOX_DUE, due_bytes(due, &stored), err);
}

enum err_code
outbox_add(struct tables_txn *txn, struct outbox_entry *entry, struct err *err)
{
    uint8_t last[8];
    struct bytes v;
    entry->id = 1;
    entry->state = OUTBOX_WAITING;
    if (tables_get(txn, TABLE_META, id_key, &v)) {
        assert(v.size_bytes == sizeof last);
        entry->id = get_le64(v.data) + 1;
    }
    put_le64(last, entry->id);
    enum err_code code =
        tables_put(txn, TABLE_META, id_key, (struct bytes){last, sizeof last}, err);
    return code == ERR_OK ? put(txn, entry, err) : code;
}

bool
outbox_get(struct tables_txn *txn, uint64_t id, struct outbox_entry *ret)
{
    uint8_t key[OUTBOX_ID_BYTES];
    struct bytes k = id_bytes(key, id), v;
    if (!tables_get(txn, TABLE_OUTBOX, k, &v))
        return false;
    row_decode(k, v, ret);
    return true;
}

enum err_code
outbox_change(struct tables_txn *txn, const struct outbox_entry *entry, struct err *err)
{
    enum err_code code = leave_due(txn, entry->id, err);
    return code == ERR_OK ? put(txn, entry, err) : code;
}

enum err_code
outbox_forget(struct tables_txn *txn, uint64_t id, struct err *err)
{
    uint8_t key[OUTBOX_ID_BYTES];
    enum err_code code = leave_due(txn, id, err);
    return code == ERR_OK ? tables_delete(txn, TABLE_OUTBOX, id_bytes(key, id), err) : code;
}

void
outbox_due_begin(struct outbox_due_scan *scan, struct tables_txn *txn)
{
    tables_scan_begin(&scan->scan, txn, TABLE_OUTBOX_DUE, (struct bytes){0});
}

bool
outbox_due_next(struct outbox_due_scan *scan, int64_t now_ms)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    assert(scan->scan.key.size_bytes == OUTBOX_DUE_BYTES);
    scan->due_ms = (int64_t)get_be64(scan->scan.key.data);
    scan->id = get_be64(scan->scan.key.data + 8);
    return scan->due_ms <= now_ms;
}

void
outbox_due_end(struct outbox_due_scan *scan)
{
    tables_scan_end(&scan->scan);
}

void
outbox_scan_begin(struct outbox_scan *scan, struct tables_txn *txn)
{
    tables_scan_begin(&scan->scan, txn, TABLE_OUTBOX, (struct bytes){0});
}

bool
outbox_scan_next(struct outbox_scan *scan)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    row_decode(scan->scan.key, scan->scan.value, &scan->row);
    return true;
}

void
outbox_scan_end(struct outbox_scan *scan)
{
    tables_scan_end(&scan->scan);
}

#include "store/tables/void.h"

#include <assert.h>

/* The first byte says whether the row waits, so that those few can be walked alone. */
enum { KEY_BYTES = 17, ROW_BYTES = 17 };

static struct bytes
key_of(uint8_t key[KEY_BYTES], bool waiting, struct hash_id target)
{
    key[0] = waiting;
    put_be64(key + 1, target.hi);
    put_be64(key + 9, target.lo);
    return (struct bytes){key, KEY_BYTES};
}

static struct void_row
decode(struct bytes key, struct bytes value)
{
    return (struct void_row){
        .target = {get_be64(key.data + 1), get_be64(key.data + 9)},
        .void_seq = get_le64(value.data),
        .target_seq = get_le64(value.data + 8),
        .outcome = (enum void_outcome)value.data[16],
    };
}

bool
void_get(struct tables_txn *txn, struct hash_id target, struct void_row *ret)
{
    uint8_t key[KEY_BYTES];
    struct bytes value;
    for (int waiting = 0; waiting < 2; waiting++) {
        struct bytes k = key_of(key, waiting != 0, target);
        if (tables_get(txn, TABLE_VOIDS, k, &value)) {
            *ret = decode(k, value);
            return true;
        }
    }
    return false;
}

enum err_code
void_put(struct tables_txn *txn, const struct void_row *row, struct err *err)
{
    uint8_t key[KEY_BYTES], value[ROW_BYTES];
    bool waiting = row->outcome == VOID_WAITING;
    enum err_code code = tables_delete(txn, TABLE_VOIDS, key_of(key, !waiting, row->target), err);
    put_le64(value, row->void_seq);
    put_le64(value + 8, row->target_seq);
    value[16] = (uint8_t)row->outcome;
    if (code == ERR_OK)
        code = tables_put(txn, TABLE_VOIDS, key_of(key, waiting, row->target),
                          (struct bytes){value, sizeof value}, err);
    return code;
}

void
void_scan_begin(struct void_scan *scan, struct tables_txn *txn, bool waiting)
{
    uint8_t prefix = waiting;
    tables_scan_begin(&scan->scan, txn, TABLE_VOIDS, (struct bytes){&prefix, 1});
}

bool
void_scan_next(struct void_scan *scan)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    scan->row = decode(scan->scan.key, scan->scan.value);
    return true;
}

void
void_scan_end(struct void_scan *scan)
{
    tables_scan_end(&scan->scan);
}

const char *
void_outcome_text(enum void_outcome outcome)
{
    static const char *const texts[] = {
#define VOID_TEXT(name, text) [VOID_##name] = text,
        VOID_OUTCOMES(VOID_TEXT)
#undef VOID_TEXT
    };
    assert(outcome < VOID_OUTCOME_COUNT);
    return texts[outcome];
}

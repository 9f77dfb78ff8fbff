#include "store/tables/stripe_told.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/event/stripe_object.h"
#include "store/tables/dict.h"

/*
 * Key: under u8, parent u32, seq u64.  Value: time u64, organization u32, plan u32,
 * currency u32, body: bytes of the id u8, of the type u8, id, type, object.
 */
enum { TOLD_KEY_BYTES = 13, TOLD_HEAD_BYTES = 20, TOLD_BODY_HEAD_BYTES = 2 };
enum {
    TOLD_VALUE_BYTES_MAX = TOLD_HEAD_BYTES + TOLD_BODY_HEAD_BYTES + 2 * EVENT_TEXT_BYTES_MAX +
                           EVENT_MAP_BYTES_MAX
};

size_t
stripe_told_pack_bytes(const struct event *e)
{
    return TOLD_BODY_HEAD_BYTES + e->id.size_bytes + e->stripe.type.size_bytes +
           e->stripe.object.size_bytes;
}

void
stripe_told_pack(const struct event *e, uint8_t *out)
{
    const struct str id = e->id, type = e->stripe.type;
    *out++ = (uint8_t)id.size_bytes;
    *out++ = (uint8_t)type.size_bytes;
    memcpy(out, id.data, id.size_bytes);
    memcpy(out + id.size_bytes, type.data, type.size_bytes);
    memcpy(out + id.size_bytes + type.size_bytes, e->stripe.object.data,
           e->stripe.object.size_bytes);
}

static void
unpack(struct stripe_told *row)
{
    const uint8_t *p = row->body.data + TOLD_BODY_HEAD_BYTES;
    size_t id_bytes = row->body.data[0], type_bytes = row->body.data[1];
    row->id = (struct str){(const char *)p, id_bytes};
    row->type = (struct str){(const char *)p + id_bytes, type_bytes};
    row->object =
        (struct bytes){p + id_bytes + type_bytes,
                       row->body.size_bytes - TOLD_BODY_HEAD_BYTES - id_bytes - type_bytes};
}

static struct bytes
key_of(uint8_t key[TOLD_KEY_BYTES], const struct stripe_told *row)
{
    key[0] = (uint8_t)row->under;
    put_be32(key + 1, row->parent);
    put_be64(key + 5, row->seq);
    return (struct bytes){key, TOLD_KEY_BYTES};
}

enum err_code
stripe_told_put(struct tables_txn *txn, const struct stripe_told *row, struct err *err)
{
    assert(TOLD_HEAD_BYTES + row->body.size_bytes <= TOLD_VALUE_BYTES_MAX);
    uint8_t key[TOLD_KEY_BYTES], value[TOLD_VALUE_BYTES_MAX];
    put_le64(value, (uint64_t)row->time_utc_ms);
    put_le32(value + 8, row->organization);
    put_le32(value + 12, row->plan);
    put_le32(value + 16, row->currency);
    memcpy(value + TOLD_HEAD_BYTES, row->body.data, row->body.size_bytes);
    return tables_put(txn, TABLE_STRIPE_TOLD, key_of(key, row),
                      (struct bytes){value, TOLD_HEAD_BYTES + row->body.size_bytes}, err);
}

enum err_code
stripe_told_delete(struct tables_txn *txn, const struct stripe_told *row, struct err *err)
{
    uint8_t key[TOLD_KEY_BYTES];
    return tables_delete(txn, TABLE_STRIPE_TOLD, key_of(key, row), err);
}

void
stripe_told_scan_begin(struct stripe_told_scan *scan, struct tables_txn *txn,
                       enum stripe_told_under under, uint32_t parent)
{
    uint8_t prefix[5] = {(uint8_t)under};
    put_be32(prefix + 1, parent);
    tables_scan_begin(&scan->scan, txn, TABLE_STRIPE_TOLD,
                      (struct bytes){prefix, parent != 0 ? sizeof prefix : 0});
}

bool
stripe_told_scan_next(struct stripe_told_scan *scan)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    const uint8_t *key = scan->scan.key.data, *v = scan->scan.value.data;
    scan->row = (struct stripe_told){
        .under = (enum stripe_told_under)key[0],
        .parent = get_be32(key + 1),
        .seq = get_be64(key + 5),
        .time_utc_ms = (int64_t)get_le64(v),
        .organization = get_le32(v + 8),
        .plan = get_le32(v + 12),
        .currency = get_le32(v + 16),
        .body = {v + TOLD_HEAD_BYTES, scan->scan.value.size_bytes - TOLD_HEAD_BYTES},
    };
    unpack(&scan->row);
    return true;
}

void
stripe_told_scan_end(struct stripe_told_scan *scan)
{
    tables_scan_end(&scan->scan);
}

static int
by_type(const void *a, const void *b)
{
    const struct stripe_told_count *x = a, *y = b;
    return strcmp(x->type, y->type);
}

static bool
count_one(struct list *counts, const struct stripe_told *row, bool is_nobodys)
{
    struct stripe_told_count *c = counts->items;
    struct stripe_told_count more = {.matters = stripe_type_matters(row->type)};
    size_t i = 0;
    while (i < counts->count && !str_is(row->type, c[i].type))
        i++;
    memcpy(more.type, row->type.data, row->type.size_bytes);
    if (i == counts->count && !list_add(counts, &more))
        return false;
    c = (struct stripe_told_count *)counts->items + i;
    c->events++;
    c->nobodys += is_nobodys;
    return true;
}

enum err_code
stripe_told_counts(struct tables_txn *txn, struct list *ret, struct err *err)
{
    struct stripe_told_scan scan;
    uint32_t nobody = 0;
    bool ok = true, has_nobody = dict_find(txn, str_of("-"), &nobody);
    stripe_told_scan_begin(&scan, txn, STRIPE_TOLD_ORGANIZATION, 0);
    while (ok && stripe_told_scan_next(&scan))
        ok = count_one(ret, &scan.row, has_nobody && scan.row.organization == nobody);
    stripe_told_scan_end(&scan);
    if (!ok)
        return err_set(err, ERR_LIMIT, "no memory for %zu types of event", ret->count + 1);
    if (ret->count > 0)
        qsort(ret->items, ret->count, sizeof(struct stripe_told_count), by_type);
    return ERR_OK;
}

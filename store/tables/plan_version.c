#include "store/tables/plan_version.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/list.h"

/*
 * Key: version u32, plan.  Value: order u32, default u8, currency 4 bytes, from u64,
 * bytes of the name u8, name, terms.
 */
enum { KEY_BYTES_MAX = 4 + 64, FIXED_BYTES = 18 };

static struct bytes
key_of(const struct plan_version *v, uint8_t key[KEY_BYTES_MAX])
{
    assert(v->plan.size_bytes <= KEY_BYTES_MAX - 4);
    put_be32(key, v->version);
    memcpy(key + 4, v->plan.data, v->plan.size_bytes);
    return (struct bytes){key, 4 + v->plan.size_bytes};
}

static enum err_code
put(struct tables_txn *txn, const struct plan_version *v, struct err *err)
{
    uint8_t key[KEY_BYTES_MAX];
    size_t size = FIXED_BYTES + v->name.size_bytes + v->terms.size_bytes;
    uint8_t *bytes = malloc(size);
    if (bytes == NULL)
        return err_set(err, ERR_LIMIT, "no memory for a plan of %zu bytes", size);
    put_le32(bytes, v->order);
    bytes[4] = v->is_default;
    memcpy(bytes + 5, v->currency, sizeof v->currency);
    put_le64(bytes + 9, (uint64_t)v->from_ms);
    bytes[17] = (uint8_t)v->name.size_bytes;
    memcpy(bytes + FIXED_BYTES, v->name.data, v->name.size_bytes);
    memcpy(bytes + FIXED_BYTES + v->name.size_bytes, v->terms.data, v->terms.size_bytes);
    enum err_code code =
        tables_put_published(txn, TABLE_PLANS, key_of(v, key), (struct bytes){bytes, size}, err);
    free(bytes);
    return code;
}

static bool
is_among(struct bytes key, const struct plan_version *versions, size_t count)
{
    struct plan_version v = plan_version_key_decode(key);
    for (size_t i = 0; i < count; i++) {
        if (versions[i].version == v.version && str_equal(versions[i].plan, v.plan))
            return true;
    }
    return false;
}

struct gone {
    uint8_t key[KEY_BYTES_MAX];
    size_t size_bytes;
};

static enum err_code
delete_others(struct tables_txn *txn, const struct plan_version *versions, size_t count,
              struct err *err)
{
    struct tables_scan scan;
    struct list gone;
    enum err_code code = ERR_OK;
    list_init(&gone, sizeof(struct gone));
    tables_scan_begin(&scan, txn, TABLE_PLANS, (struct bytes){0});
    while (code == ERR_OK && tables_scan_next(&scan)) {
        struct gone g = {.size_bytes = scan.key.size_bytes};
        memcpy(g.key, scan.key.data, scan.key.size_bytes);
        if (!is_among(scan.key, versions, count) && !list_add(&gone, &g))
            code = err_set(err, ERR_LIMIT, "no memory for the plans");
    }
    tables_scan_end(&scan);
    for (size_t i = 0; code == ERR_OK && i < gone.count; i++) {
        const struct gone *g = (const struct gone *)gone.items + i;
        code =
            tables_delete_published(txn, TABLE_PLANS, (struct bytes){g->key, g->size_bytes}, err);
    }
    list_clear(&gone);
    return code;
}

enum err_code
plan_version_put_all(struct tables_txn *txn, const struct plan_version *versions, size_t count,
                     struct err *err)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        code = put(txn, &versions[i], err);
    return code == ERR_OK ? delete_others(txn, versions, count, err) : code;
}

struct plan_version
plan_version_key_decode(struct bytes key)
{
    assert(key.size_bytes >= 4);
    return (struct plan_version){
        .version = get_be32(key.data),
        .plan = {(const char *)key.data + 4, key.size_bytes - 4},
    };
}

struct plan_version
plan_version_decode(struct bytes key, struct bytes value)
{
    struct plan_version v = plan_version_key_decode(key);
    const uint8_t *p = value.data;
    assert(value.size_bytes >= FIXED_BYTES + (size_t)p[17]);
    const char *text = (const char *)p + FIXED_BYTES;
    v.order = get_le32(p);
    v.is_default = p[4] != 0;
    memcpy(v.currency, p + 5, sizeof v.currency);
    v.from_ms = (int64_t)get_le64(p + 9);
    v.name = (struct str){text, p[17]};
    v.terms = (struct str){text + p[17], value.size_bytes - FIXED_BYTES - p[17]};
    return v;
}

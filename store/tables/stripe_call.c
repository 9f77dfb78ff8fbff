#include "store/tables/stripe_call.h"

#include <assert.h>
#include <string.h>

/*
 * stripe_calls: name -> state u8, unknown u8, lengths of object u8, method u8, says u8, path u32,
 * body u32, revision u32, attempts u32, first u64, due u64, changed u64, digest, object, method,
 * path, body, says.
 */
enum { FIXED_BYTES = 77, METHOD_BYTES_MAX = 8 };

static_assert(45 + HASH_SHA256_BYTES == FIXED_BYTES, "the digest ends the fixed part");

static const char *const state_names[STRIPE_CALL_STATE_COUNT] = {
#define STRIPE_CALL_NAME(name, text) [STRIPE_CALL_##name] = text,
    STRIPE_CALL_STATES(STRIPE_CALL_NAME)
#undef STRIPE_CALL_NAME
};

const char *
stripe_call_state_name(enum stripe_call_state state)
{
    assert(state < STRIPE_CALL_STATE_COUNT);
    return state_names[state];
}

static struct bytes
key_of(struct str name)
{
    assert(name.size_bytes > 0 && name.size_bytes <= STRIPE_CALL_NAME_BYTES_MAX);
    return (struct bytes){(const uint8_t *)name.data, name.size_bytes};
}

static uint8_t *
put_text(uint8_t *at, struct str text)
{
    if (text.size_bytes > 0)
        memcpy(at, text.data, text.size_bytes);
    return at + text.size_bytes;
}

enum err_code
stripe_call_put(struct tables_txn *txn, const struct stripe_call *c, struct err *err)
{
    static uint8_t v[FIXED_BYTES + STRIPE_CALL_OBJECT_BYTES_MAX + METHOD_BYTES_MAX +
                     STRIPE_CALL_PATH_BYTES_MAX + STRIPE_CALL_BODY_BYTES_MAX +
                     STRIPE_CALL_SAYS_BYTES_MAX];
    assert(c->object.size_bytes <= STRIPE_CALL_OBJECT_BYTES_MAX &&
           c->method.size_bytes <= METHOD_BYTES_MAX &&
           c->path.size_bytes <= STRIPE_CALL_PATH_BYTES_MAX &&
           c->body.size_bytes <= STRIPE_CALL_BODY_BYTES_MAX &&
           c->says.size_bytes <= STRIPE_CALL_SAYS_BYTES_MAX);
    v[0] = (uint8_t)c->state;
    v[1] = c->unknown ? 1 : 0;
    v[2] = (uint8_t)c->object.size_bytes;
    v[3] = (uint8_t)c->method.size_bytes;
    v[4] = (uint8_t)c->says.size_bytes;
    put_le32(v + 5, (uint32_t)c->path.size_bytes);
    put_le32(v + 9, (uint32_t)c->body.size_bytes);
    put_le32(v + 13, c->revision);
    put_le32(v + 17, c->attempts);
    put_le64(v + 21, (uint64_t)c->first_ms);
    put_le64(v + 29, (uint64_t)c->due_ms);
    put_le64(v + 37, (uint64_t)c->changed_ms);
    memcpy(v + 45, c->digest, sizeof c->digest);
    uint8_t *at = put_text(v + FIXED_BYTES, c->object);
    at = put_text(at, c->method);
    at = put_text(at, c->path);
    at = put_text(at, c->body);
    at = put_text(at, c->says);
    return tables_put(txn, TABLE_STRIPE_CALLS, key_of(c->name), (struct bytes){v, (size_t)(at - v)},
                      err);
}

static struct str
take_text(const uint8_t **at, size_t size_bytes)
{
    struct str text = {(const char *)*at, size_bytes};
    *at += size_bytes;
    return text;
}

static void
row_decode(struct bytes key, struct bytes value, struct stripe_call *ret)
{
    const uint8_t *v = value.data;
    assert(value.size_bytes >= FIXED_BYTES);
    *ret = (struct stripe_call){
        .name = {(const char *)key.data, key.size_bytes},
        .state = (enum stripe_call_state)v[0],
        .unknown = v[1] != 0,
        .revision = get_le32(v + 13),
        .attempts = get_le32(v + 17),
        .first_ms = (int64_t)get_le64(v + 21),
        .due_ms = (int64_t)get_le64(v + 29),
        .changed_ms = (int64_t)get_le64(v + 37),
    };
    memcpy(ret->digest, v + 45, sizeof ret->digest);
    const uint8_t *at = v + FIXED_BYTES;
    ret->object = take_text(&at, v[2]);
    ret->method = take_text(&at, v[3]);
    ret->path = take_text(&at, get_le32(v + 5));
    ret->body = take_text(&at, get_le32(v + 9));
    ret->says = take_text(&at, v[4]);
    assert(at == v + value.size_bytes);
}

bool
stripe_call_get(struct tables_txn *txn, struct str name, struct stripe_call *ret)
{
    struct bytes value;
    if (!tables_get(txn, TABLE_STRIPE_CALLS, key_of(name), &value))
        return false;
    row_decode(key_of(name), value, ret);
    return true;
}

void
stripe_call_scan_begin(struct stripe_call_scan *scan, struct tables_txn *txn, struct str with)
{
    tables_scan_begin(&scan->scan, txn, TABLE_STRIPE_CALLS,
                      (struct bytes){(const uint8_t *)with.data, with.size_bytes});
}

bool
stripe_call_scan_next(struct stripe_call_scan *scan)
{
    if (!tables_scan_next(&scan->scan))
        return false;
    row_decode(scan->scan.key, scan->scan.value, &scan->row);
    return true;
}

void
stripe_call_scan_end(struct stripe_call_scan *scan)
{
    tables_scan_end(&scan->scan);
}

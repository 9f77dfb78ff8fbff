#include <criterion/criterion.h>
#include <math.h>
#include <msgpack.h>
#include <stdlib.h>

#include "store/event/mp.h"
#include "tests/support/record.h"

enum { INPUT_BYTES_MAX = 4096 };

/* ---- msgpack-c as the independent judge ---- */

static bool same_value(struct mp *m, const msgpack_object *o);

static bool
same_bytes(const struct mp_value *v, enum mp_type type, const char *data, uint32_t size)
{
    return v->type == type && v->count == size && (size == 0 || memcmp(v->data, data, size) == 0);
}

static bool
same_array(struct mp *m, const struct mp_value *v, const msgpack_object *o)
{
    bool same = v->type == MP_ARRAY && v->count == o->via.array.size;
    for (uint32_t i = 0; same && i < v->count; i++)
        same = same_value(m, &o->via.array.ptr[i]);
    return same;
}

static bool
same_map(struct mp *m, const struct mp_value *v, const msgpack_object *o)
{
    bool same = v->type == MP_MAP && v->count == o->via.map.size;
    for (uint32_t i = 0; same && i < v->count; i++)
        same = same_value(m, &o->via.map.ptr[i].key) && same_value(m, &o->via.map.ptr[i].val);
    return same;
}

static bool
same_value(struct mp *m, const msgpack_object *o)
{
    struct mp_value v;
    if (!mp_read(m, &v))
        return false;
    switch (o->type) {
    case MSGPACK_OBJECT_NIL:
        return v.type == MP_NIL;
    case MSGPACK_OBJECT_BOOLEAN:
        return v.type == MP_BOOL && v.b == o->via.boolean;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return v.type == MP_UINT && v.u == o->via.u64;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return v.type == MP_INT && v.i == o->via.i64;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return v.type == MP_FLOAT &&
               (v.f == o->via.f64 || (v.f != v.f && o->via.f64 != o->via.f64));
    case MSGPACK_OBJECT_STR:
        return same_bytes(&v, MP_STR, o->via.str.ptr, o->via.str.size);
    case MSGPACK_OBJECT_BIN:
        return same_bytes(&v, MP_BIN, o->via.bin.ptr, o->via.bin.size);
    case MSGPACK_OBJECT_EXT:
        return v.ext_type == o->via.ext.type &&
               same_bytes(&v, MP_EXT, o->via.ext.ptr, o->via.ext.size);
    case MSGPACK_OBJECT_ARRAY:
        return same_array(m, &v, o);
    case MSGPACK_OBJECT_MAP:
        return same_map(m, &v, o);
    }
    return false;
}

/* Levels of non-empty arrays and maps. */
static int
depth_of(const msgpack_object *o)
{
    int deepest = 0, d;
    if (o->type == MSGPACK_OBJECT_ARRAY) {
        for (uint32_t i = 0; i < o->via.array.size; i++)
            deepest = (d = depth_of(&o->via.array.ptr[i]) + 1) > deepest ? d : deepest;
    } else if (o->type == MSGPACK_OBJECT_MAP) {
        for (uint32_t i = 0; i < o->via.map.size; i++) {
            deepest = (d = depth_of(&o->via.map.ptr[i].key) + 1) > deepest ? d : deepest;
            deepest = (d = depth_of(&o->via.map.ptr[i].val) + 1) > deepest ? d : deepest;
        }
    }
    return deepest;
}

/* msgpack-c takes memory for a whole array before it sees an element: spare the judge that. */
static bool
asks_for_gigabytes(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 2 < size; i++) {
        if ((data[i] == 0xdd || data[i] == 0xdf) && (data[i + 1] != 0 || data[i + 2] > 1))
            return true;
    }
    return false;
}

/* Returns whether the judge accepts; fails the test when we disagree. */
static bool
check_against_judge(const uint8_t *data, size_t size)
{
    msgpack_unpacked judge;
    size_t consumed = 0;
    struct mp m = {data, data + size};
    msgpack_unpacked_init(&judge);
    msgpack_unpack_return r = msgpack_unpack_next(&judge, (const char *)data, size, &consumed);
    bool accepted = r == MSGPACK_UNPACK_SUCCESS || r == MSGPACK_UNPACK_EXTRA_BYTES;
    bool skipped = mp_skip(&m);
    cr_assert_eq(skipped, accepted && depth_of(&judge.data) <= MP_DEPTH_MAX);
    if (skipped) {
        struct mp again = {data, data + size};
        cr_assert_eq((size_t)(m.p - data), consumed);
        cr_assert(same_value(&again, &judge.data) && again.p == m.p);
    } else {
        cr_assert_eq(m.p, data);
    }
    msgpack_unpacked_destroy(&judge);
    return accepted;
}

/* ---- inputs ---- */

static void
pack_scalar(msgpack_packer *pk, uint64_t *seed)
{
    static const size_t sizes[] = {0, 1, 2, 4, 8, 16, 3, 31, 32, 255, 256, 300};
    char text[300];
    size_t size = sizes[random_next(seed) % 12];
    uint64_t n = random_next(seed) >> random_next(seed) % 64;
    memset(text, (int)(n & 0x7f), sizeof text);
    switch (random_next(seed) % 9) {
    case 0:
        msgpack_pack_nil(pk);
        break;
    case 1:
        msgpack_pack_true(pk);
        break;
    case 2:
        msgpack_pack_uint64(pk, n);
        break;
    case 3:
        msgpack_pack_int64(pk, -(int64_t)(n >> 1));
        break;
    case 4:
        msgpack_pack_double(pk, (double)n / 3);
        break;
    case 5:
        msgpack_pack_float(pk, (float)n / 3);
        break;
    case 6:
        msgpack_pack_bin(pk, size);
        msgpack_pack_bin_body(pk, text, size);
        break;
    case 7:
        msgpack_pack_ext(pk, size, (int8_t)n);
        msgpack_pack_ext_body(pk, text, size);
        break;
    default:
        msgpack_pack_str(pk, size);
        msgpack_pack_str_body(pk, text, size);
        break;
    }
}

static void
pack_any(msgpack_packer *pk, uint64_t *seed, int depth)
{
    uint64_t choice = random_next(seed) % 4;
    size_t count = random_next(seed) % (depth > 3 ? 3 : 20);
    if (depth > 18 || choice > 1) {
        pack_scalar(pk, seed);
        return;
    }
    if (choice == 0)
        msgpack_pack_array(pk, count);
    else
        msgpack_pack_map(pk, count);
    for (size_t i = 0; i < (choice == 0 ? count : 2 * count); i++)
        pack_any(pk, seed, depth + 1);
}

/* A valid value, then a few bytes changed, the end cut off or both, or nothing of it. */
static size_t
make_input(uint8_t data[INPUT_BYTES_MAX], uint64_t *seed)
{
    msgpack_sbuffer sb;
    msgpack_packer pk;
    msgpack_sbuffer_init(&sb);
    msgpack_packer_init(&pk, &sb, msgpack_sbuffer_write);
    pack_any(&pk, seed, (int)(random_next(seed) % 5));
    size_t size = sb.size < INPUT_BYTES_MAX ? sb.size : INPUT_BYTES_MAX;
    memcpy(data, sb.data, size);
    msgpack_sbuffer_destroy(&sb);
    for (uint64_t i = random_next(seed) % 4; i > 0; i--)
        data[random_next(seed) % size] = (uint8_t)(random_next(seed) >> 8);
    return random_next(seed) % 4 == 0 ? random_next(seed) % size + 1 : size;
}

Test(store_mp, msgpack_c_agrees_on_made_and_mutated_values)
{
    uint64_t seed = 2;
    uint8_t data[INPUT_BYTES_MAX];
    int accepted = 0, judged = 0;
    for (int i = 0; i < 4000; i++) {
        size_t size = make_input(data, &seed);
        if (asks_for_gigabytes(data, size))
            continue;
        judged++;
        accepted += check_against_judge(data, size) ? 1 : 0;
    }
    cr_assert(accepted > judged / 4 && accepted < judged, "%d of %d", accepted, judged);
}

Test(store_mp, msgpack_c_agrees_on_noise)
{
    uint64_t seed = 3;
    uint8_t data[64];
    for (int i = 0; i < 30000; i++) {
        size_t size = random_next(&seed) % sizeof data + 1;
        for (size_t b = 0; b < size; b++)
            data[b] = (uint8_t)(random_next(&seed) >> 9);
        if (!asks_for_gigabytes(data, size))
            check_against_judge(data, size);
    }
}

Test(store_mp, every_first_byte_with_every_length_agrees)
{
    uint8_t data[40] = {0};
    for (int first = 0; first < 256; first++) {
        for (uint8_t second = 0; second < 20; second++) {
            data[0] = (uint8_t)first;
            data[1] = data[2] = first == 0xdd || first == 0xdf ? 0 : second;
            data[3] = data[4] = data[5] = second;
            for (size_t size = 1; size <= sizeof data; size++)
                check_against_judge(data, size);
        }
    }
}

Test(store_mp, a_stream_in_pieces_is_judged_as_one_that_comes_at_once)
{
    uint64_t seed = 4;
    uint8_t data[INPUT_BYTES_MAX];
    int whole = 0;
    for (int i = 0; i < 1500; i++) {
        size_t size = make_input(data, &seed), at_once = 0, in_pieces = 0, have = 0;
        size_t max = i % 3 == 0 ? random_next(&seed) % size + 1 : 1000000;
        struct mp_scan one = {0}, many = {0};
        enum mp_scan_result want = mp_scan(&one, data, size, max, &at_once), r = MP_SCAN_MORE;
        size_t piece = random_next(&seed) % 3 == 0 ? 1 : random_next(&seed) % 100 + 1;
        while (r == MP_SCAN_MORE && have < size) {
            have = size - have < piece ? size : have + piece;
            r = mp_scan(&many, data, have, max, &in_pieces);
        }
        cr_assert_eq(r, want);
        cr_assert_eq(in_pieces, at_once);
        cr_assert(want != MP_SCAN_WHOLE || at_once <= max);
        cr_assert(want != MP_SCAN_MORE || size < max, "a buffer of the maximum must suffice");
        whole += want == MP_SCAN_WHOLE ? 1 : 0;
    }
    cr_assert_gt(whole, 250);
}

Test(store_mp, a_value_is_whole_though_the_next_already_follows)
{
    /* A text of 4 bytes comes in two reads, the second with the head of the next value. */
    static const uint8_t stream[] = {0xa4, 'a', 'b', 'c', 'd', 0x93, 0x01};
    struct mp_scan scan = {0};
    size_t size = 0;
    cr_assert_eq(mp_scan(&scan, stream, 2, 100, &size), MP_SCAN_MORE);
    cr_assert_eq(mp_scan(&scan, stream, sizeof stream, 100, &size), MP_SCAN_WHOLE);
    cr_assert_eq(size, 5u);
}

Test(store_mp, a_value_over_its_bound_is_bad_before_its_payload_comes)
{
    static const uint8_t bin[] = {0xc6, 0x00, 0x10, 0x00, 0x00};
    static const uint8_t nested[] = {0x92, 0xa3, 'a', 'b', 'c', 0xa3, 'a', 'b', 'c'};
    struct mp_scan scan = {0};
    size_t size;
    cr_assert_eq(mp_scan(&scan, bin, 5, 1048580, &size), MP_SCAN_BAD);
    scan = (struct mp_scan){0};
    cr_assert_eq(mp_scan(&scan, bin, 5, 1048581, &size), MP_SCAN_MORE);
    for (size_t max = 1; max < sizeof nested; max++) {
        scan = (struct mp_scan){0};
        cr_assert_eq(mp_scan(&scan, nested, sizeof nested, max, &size), MP_SCAN_BAD, "%zu", max);
        /* Also when the buffer ends with the bound: no byte more could save it. */
        scan = (struct mp_scan){0};
        cr_assert_eq(mp_scan(&scan, nested, max, max, &size), MP_SCAN_BAD, "%zu", max);
    }
}

Test(store_mp, depth_is_limited_and_counts_from_outside)
{
    uint8_t data[32];
    memset(data, 0x91, sizeof data);
    data[MP_DEPTH_MAX] = 0x90; /* sixteen levels around an empty array */
    struct mp m = {data, data + MP_DEPTH_MAX + 1};
    cr_assert(mp_skip(&m));
    m = (struct mp){data, data + MP_DEPTH_MAX + 1};
    cr_assert_not(mp_skip_inside(&m, 1));
    m = (struct mp){data + 1, data + MP_DEPTH_MAX + 1};
    cr_assert(mp_skip_inside(&m, 1));
    data[MP_DEPTH_MAX] = 0x91;
    data[MP_DEPTH_MAX + 1] = 1;
    m = (struct mp){data, data + MP_DEPTH_MAX + 2};
    cr_assert_not(mp_skip(&m));
}

Test(store_mp, a_head_cannot_promise_more_than_there_is)
{
    static const uint8_t heads[][6] = {{0xdd, 0xff, 0xff, 0xff, 0xff, 1},
                                       {0xdf, 0x80, 0x00, 0x00, 0x00, 1},
                                       {0xdb, 0xff, 0xff, 0xff, 0xff, 1},
                                       {0xc9, 0xff, 0xff, 0xff, 0xff, 1}};
    for (size_t i = 0; i < 4; i++) {
        struct mp m = {heads[i], heads[i] + 6};
        struct mp_value v;
        cr_assert_not(mp_read(&m, &v));
        cr_assert_eq(m.p, heads[i]);
    }
    struct mp empty = mp_of((struct bytes){NULL, 0});
    struct mp_value v;
    cr_assert_not(mp_read(&empty, &v));
    cr_assert_not(mp_skip(&empty));
}

Test(store_mp, whole_numbers_are_seen_through_every_client_s_encoding)
{
    uint64_t u = 0;
    struct mp_value v = {.type = MP_FLOAT, .f = 4294967296.0};
    cr_assert(mp_whole(&v, &u) && u == 4294967296);
    v.f = 9007199254740992.0;
    cr_assert(mp_whole(&v, &u) && u == 9007199254740992);
    v.f = -0.0;
    cr_assert(mp_whole(&v, &u) && u == 0);
    static const double bad[] = {
        0.5, -1, 9007199254740994.0, 1e300, (double)INFINITY, -(double)INFINITY, (double)NAN};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        v.f = bad[i];
        cr_assert_not(mp_whole(&v, &u));
    }
    v = (struct mp_value){.type = MP_UINT, .u = UINT64_MAX};
    cr_assert(mp_whole(&v, &u) && u == UINT64_MAX);
    v = (struct mp_value){.type = MP_INT, .i = -1};
    cr_assert_not(mp_whole(&v, &u));
    v = (struct mp_value){.type = MP_STR, .count = 1, .data = (const uint8_t *)"1"};
    cr_assert_not(mp_whole(&v, &u));
}

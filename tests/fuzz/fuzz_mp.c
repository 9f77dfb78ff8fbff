/*
 * mp_scan(), mp_read() and mp_skip() on any bytes: all three see the same value,
 * and a stream that comes in pieces is judged as one that comes at once.
 */
#include <assert.h>

#include "store/event/mp.h"
#include "tests/fuzz/fuzz.h"

/* Feed the stream in steps of step_bytes, each in an answer of its own. */
static enum mp_scan_result
scan_in_steps(const uint8_t *data, size_t size_bytes, size_t step_bytes, size_t max,
              size_t *ret_size_bytes)
{
    struct mp_scan scan = {0};
    enum mp_scan_result r = MP_SCAN_MORE;
    for (size_t have = 0; r == MP_SCAN_MORE && have < size_bytes;) {
        have = size_bytes - have < step_bytes ? size_bytes : have + step_bytes;
        r = mp_scan(&scan, data, have, max, ret_size_bytes);
    }
    return r;
}

/* Read head by head what the scan called whole. */
static void
check_reads(struct mp m)
{
    uint64_t left = 1;
    while (left > 0) {
        struct mp_value v;
        const uint8_t *before = m.p;
        if (!mp_read(&m, &v))
            assert(false && "a whole value must be readable");
        assert(m.p > before && m.p <= m.end);
        left--;
        if (v.type == MP_ARRAY)
            left += v.count;
        else if (v.type == MP_MAP)
            left += (uint64_t)v.count * 2;
        else if (v.type == MP_STR || v.type == MP_BIN || v.type == MP_EXT)
            assert(v.data >= before && v.data + v.count == m.p);
    }
    assert(m.p == m.end);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    size_t max = size_bytes > 0 && (data[0] & 1) != 0 ? 1024 : 1024 * 1024;
    size_t at_once = 0, in_steps = 0;
    struct mp_scan scan = {0};
    enum mp_scan_result r = mp_scan(&scan, data, size_bytes, max, &at_once);
    for (size_t step = 1; step <= 3; step++) {
        assert(scan_in_steps(data, size_bytes, step, max, &in_steps) == r);
        assert(r != MP_SCAN_WHOLE || in_steps == at_once);
    }
    struct mp m = {data, data + size_bytes};
    bool skipped = mp_skip(&m);
    if (r == MP_SCAN_WHOLE) {
        assert(at_once <= size_bytes && at_once <= max);
        assert(skipped && m.p == data + at_once);
        check_reads((struct mp){data, data + at_once});
    } else {
        assert(m.p == data || r == MP_SCAN_BAD);
        struct mp_value v;
        m = (struct mp){data, data + size_bytes};
        while (mp_read(&m, &v))
            assert(m.p > data && m.p <= m.end);
    }
    return 0;
}

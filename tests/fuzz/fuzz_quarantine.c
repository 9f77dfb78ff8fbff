/*
 * quarantine_read() on any bytes: what it takes can be stored again and reads the same.
 */
#include <assert.h>

#include "store/log/quarantine.h"
#include "tests/fuzz/fuzz.h"

static bool
same_str(struct str a, struct str b)
{
    return a.size_bytes == b.size_bytes &&
           (a.size_bytes == 0 || memcmp(a.data, b.data, a.size_bytes) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct mp m = {data, data + size_bytes};
    struct quarantined q, again;
    while (m.p < m.end) {
        const uint8_t *before = m.p;
        if (!quarantine_read(&m, &q))
            return 0;
        assert(m.p > before && m.p <= m.end);
        struct buf stored;
        buf_init(&stored, 1 << 20);
        if (quarantine_store(&q, &stored)) {
            struct mp s = {stored.data, stored.data + stored.size_bytes};
            bool ok = quarantine_read(&s, &again);
            assert(ok && s.p == s.end && again.entry_utc_ms == q.entry_utc_ms &&
                   again.peer_uid == q.peer_uid && same_str(again.reason, q.reason));
        }
        buf_clear(&stored);
    }
    return 0;
}

/* event_read() on any bytes: steps over exactly one stored event, or stays and says why. */
#include <assert.h>
#include <string.h>

#include "store/event/event.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct mp m = {data, data + size_bytes};
    for (;;) {
        struct event e;
        struct event_defect defect = {""};
        const uint8_t *before = m.p;
        if (!event_read(&m, &e, &defect)) {
            assert(m.p == before && defect.text[0] != '\0');
            return 0;
        }
        assert(m.p > before && m.p <= m.end);
        assert(e.record.data > before && e.record.data + e.record.size_bytes == m.p);
    }
}

/*
 * event_read() on any bytes: steps over exactly one stored event, or stays and says
 * why.
 */
#include <assert.h>
#include <string.h>

#include "store/event/event_fields.h"
#include "store/event/event_plain.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/same_event.h"

/* What the short way for plain usage says must be what the general parser says. */
static void
compare(const struct event *e)
{
    struct mp m = mp_of(e->record);
    struct event other;
    struct event_defect defect;
    if (e->kind != EVENT_USAGE || !event_parse_plain(&m, 7, true, &other))
        return;
    struct event any;
    m = mp_of(e->record);
    bool ok = event_parse_any(EVENT_USAGE, &m, 7, true, &any, &defect);
    assert(ok && m.p == m.end && same_event(&any, &other));
}

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
        compare(&e);
    }
}

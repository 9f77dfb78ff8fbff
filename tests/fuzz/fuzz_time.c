/* time_parse(): any text; what it accepts must survive being written and read again. */
#include <assert.h>

#include "store/base/time.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    int64_t ms, again;
    char text[TIME_TEXT_BYTES];
    if (!time_parse((struct str){(const char *)data, size_bytes}, &ms))
        return 0;
    assert(ms >= 0 && ms < TIME_MAX_MS);
    time_format_ms(ms, text);
    assert(time_parse(str_of(text), &again) && again == ms);
    struct time_civil c = time_civil(ms);
    assert(time_day_of(c.year, c.month, c.day) == ms / TIME_DAY_MS);
    assert(time_month_start_ms(time_month(ms)) <= ms);
    assert(time_month_start_ms(time_month(ms) + 1) > ms);
    return 0;
}

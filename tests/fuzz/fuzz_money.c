/* money_parse(): the first byte gives the decimals; what is accepted must print and parse back. */
#include <assert.h>
#include <string.h>

#include "store/base/money.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    if (size_bytes == 0)
        return 0;
    int decimals = data[0] % 19;
    struct str text = {(const char *)data + 1, size_bytes - 1};
    int64_t value, again;
    char exact[MONEY_TEXT_BYTES], fixed[MONEY_TEXT_BYTES];
    if (!money_parse(text, decimals, &value))
        return 0;
    money_format(value, decimals, exact);
    assert(money_parse(str_of(exact), decimals, &again) && again == value);
    money_format_fixed(value, decimals, decimals, fixed);
    assert(strlen(fixed) < MONEY_TEXT_BYTES);
    assert(money_parse(str_of(fixed), decimals, &again) && again == value);
    return 0;
}

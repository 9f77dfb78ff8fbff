/* figures_read(): any text; what it reads must come out the same when written and read again. */
#include <assert.h>

#include "ingest/figures.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct figures f, again;
    struct buf text;
    if (!figures_read((struct str){(const char *)data, size_bytes}, &f))
        return 0;
    buf_init(&text, 64 * 1024);
    assert(figures_write(&f, &text));
    assert(figures_read((struct str){(const char *)text.data, text.size_bytes}, &again));
    assert(f.events == again.events && f.cpu_ns == again.cpu_ns);
    assert(strcmp(f.version, again.version) == 0);
    (void)figures_quantile(&f.ack_ns, FIGURES_FIRST_NS, 990);
    buf_clear(&text);
    return 0;
}

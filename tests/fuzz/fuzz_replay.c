/*
 * A file of events of any bytes, in each format that `gbill send` reads: the first byte
 * chooses it, the rest is the file.  Every line is an event whose record is msgpack, or
 * is refused with one line; and the reading ends.
 */
#include <assert.h>
#include <string.h>

#include "ingest/replay.h"
#include "store/event/mp.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_file.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct replay *replay = NULL;
    struct replay_shift shift = {.start_day = 20781};
    struct replay_options options = {.now_utc_ms = 1795651200000, .shift = &shift};
    struct err err;
    if (size_bytes == 0)
        return 0;
    options.format = (enum replay_format)(data[0] % 3);
    struct memory_file f = memory_file_make(data + 1, size_bytes - 1);
    if (replay_open(&replay, f.path, &options, &err) == ERR_OK) {
        for (size_t lines = 0; lines <= size_bytes; lines++) {
            struct replay_event e;
            enum err_code code = replay_next(replay, &e, &err);
            assert(code == ERR_OK || code == ERR_INPUT);
            if (code == ERR_OK && e.end)
                break;
            assert(lines < size_bytes);
            struct mp m = mp_of(e.record);
            assert(code != ERR_OK || (mp_skip(&m) && m.p == m.end));
        }
        replay_close(replay);
    }
    memory_file_close(&f);
    return 0;
}

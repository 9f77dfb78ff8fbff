/*
 * A spill file of any bytes: it is refused, or read to its end with whole records
 * only; once recovered it is whole; and what is appended then comes back.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ingest/client/spill.h"
#include "tests/fuzz/fuzz.h"

enum { BYTES_MAX = 1024 * 1024 };

static char path[64], damaged[80];
static uint8_t message[CHUNK_BYTES_MAX];

static void
write_file(const uint8_t *data, size_t size_bytes)
{
    /* Flushing costs nothing in memory. */
    snprintf(path, sizeof path, "%s/gbill-fuzz-spill-%ld",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (long)getpid());
    snprintf(damaged, sizeof damaged, "%s.damaged", path);
    unlink(damaged);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = fd >= 0 ? pwrite(fd, data, size_bytes, 0) : -1;
    assert(n == (ssize_t)size_bytes);
    close(fd);
}

/* Read to the end; the last record's id goes to last_id. */
static uint64_t
read_all(struct spill *spill, uint8_t last_id[CHUNK_ID_BYTES])
{
    struct spill_record record;
    uint64_t events = 0, last_at = 0;
    while (spill_read(spill, &record, message)) {
        assert(record.at > last_at && record.at + record.message_bytes < spill->tail);
        last_at = record.at;
        events += record.event_count;
        memcpy(last_id, record.id, CHUNK_ID_BYTES);
    }
    return events;
}

static void
append_one(struct spill *spill)
{
    static const uint8_t id[CHUNK_ID_BYTES] = "0123456789abcde";
    static uint8_t memory[1024];
    struct chunk chunk;
    struct err err;
    uint64_t at;
    chunk_begin(&chunk, EVENT_USAGE, id, memory, sizeof memory);
    chunk_add(&chunk, 1000, (struct bytes){(const uint8_t *)"\x80", 1});
    chunk_seal(&chunk);
    enum err_code code = spill_append(spill, &chunk, &at, &err);
    assert(code == ERR_OK || code == ERR_LIMIT);
    if (code != ERR_OK)
        return;
    uint8_t last_id[CHUNK_ID_BYTES];
    spill_rewind(spill);
    uint64_t events = read_all(spill, last_id);
    assert(events > 0 && memcmp(last_id, id, sizeof id) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct spill spill;
    struct err err;
    uint8_t last_id[CHUNK_ID_BYTES];
    if (size_bytes > BYTES_MAX)
        return 0;
    write_file(data, size_bytes);
    if (spill_open(&spill, path, BYTES_MAX, &err) == ERR_OK) {
        (void)!spill_recover(&spill, message, &err);
        uint64_t found = spill.found_events, events = read_all(&spill, last_id);
        assert(events == found);
        spill_close(&spill, true);
        if (spill_open(&spill, path, BYTES_MAX, &err) != ERR_OK)
            assert(false && "recovering a file must not break it");
        (void)!spill_recover(&spill, message, &err);
        /* Damage too small for the head of a record stays, until all before it is done. */
        assert(spill.found_events == found);
        append_one(&spill);
        spill_close(&spill, true);
    }
    unlink(path);
    unlink(damaged);
    return 0;
}

/*
 * ingest/client/spill.h - the spill file: chunks on disk while the agent is away,
 * oldest first.  Layout and what survives what: schemas/spill.md.  Private to
 * ingest/client.
 *
 *   4096 <= head <= cursor <= tail
 *   [head, cursor) handed out by spill_read(), not all acknowledged
 *   [cursor, tail) still to be handed out
 *
 * Threads: one.  Processes: the file is locked (flock) as long as it is open.
 */
#ifndef INGEST_CLIENT_SPILL_H
#define INGEST_CLIENT_SPILL_H

#include "ingest/client/chunk.h"
#include "store/base/err.h"

enum {
    SPILL_HEAD_BYTES = 4096, /* before the first record */
    SPILL_RECORD_HEAD_BYTES = 48,
    SPILL_PATH_BYTES_MAX = 500,
};

struct spill {
    int fd; /* -1: there is none */
    char path[SPILL_PATH_BYTES_MAX + 16];
    uint64_t bytes_max;
    uint64_t head, cursor, tail;
    uint64_t written_head; /* what the file's head block says */
    uint64_t generation;   /* of the head block */
    uint64_t live_events;  /* in [head, tail), not acknowledged */
    uint64_t found_events; /* so many were there at spill_recover() */
    uint64_t damaged_bytes;
    bool has_unkept;  /* damage that could not be kept elsewhere, so must stay */
    bool can_punch;   /* space before head can be given back */
    bool is_unsynced; /* something was appended since the last flush */
};

/* A record that spill_read() handed out. */
struct spill_record {
    uint64_t at;
    uint32_t message_bytes, event_count;
    uint8_t id[CHUNK_ID_BYTES];
};

/*
 * Open, or make, and lock the file.
 *
 *   bytes_max  of records
 *
 * ERR_BUSY: another client has it; ERR_CORRUPT: it is no spill file, or its head
 * is damaged: it is left as it is; ERR_LIMIT: the path is too long; ERR_DENIED,
 * ERR_NOT_FOUND, ERR_FULL, ERR_IO.  On failure nothing is open.
 */
enum err_code spill_open(struct spill *spill, const char *path, uint64_t bytes_max,
                         struct err *err) ERR_MUST_CHECK;

/*
 * Close.  With is_ours the lock goes, even if a forked child still has the file
 * open; without (the child of a fork) the lock stays with the parent.
 */
void spill_close(struct spill *spill, bool is_ours);

/*
 * Look through the file, once after spill_open(): count what is there, move what
 * is no whole record to <path>.damaged.  No other call may come before.
 *
 *   message  CHUNK_BYTES_MAX bytes to work in
 *
 * ERR_CORRUPT: there was damage (where and how much is said); the file can be used.
 */
enum err_code spill_recover(struct spill *spill, uint8_t *message, struct err *err) ERR_MUST_CHECK;

/*
 * Append a sealed chunk: it survives the end of this process.
 *
 *   ret_at  where its record is
 *
 * ERR_LIMIT: bytes_max is reached; ERR_FULL, ERR_IO: the disk.  The file is as before.
 */
enum err_code spill_append(struct spill *spill, const struct chunk *chunk, uint64_t *ret_at,
                           struct err *err) ERR_MUST_CHECK;

/* Flush what was appended: it survives the end of the machine too.  ERR_FULL, ERR_IO. */
enum err_code spill_sync(struct spill *spill, struct err *err) ERR_MUST_CHECK;

/*
 * Hand out the record at the cursor and step over it; damage and what has been
 * acknowledged is skipped.
 *
 *   message  filled; CHUNK_BYTES_MAX bytes
 *
 * False when nothing is left.
 */
bool spill_read(struct spill *spill, struct spill_record *ret, uint8_t *message)
    __attribute__((warn_unused_result));

/* Hand out again all that is not acknowledged. */
void spill_rewind(struct spill *spill);

/* A record is acknowledged, so it will not be handed out again; its space comes back. */
void spill_done(struct spill *spill, const struct spill_record *record);

static inline bool
spill_is_open(const struct spill *spill)
{
    return spill->fd >= 0;
}

static inline bool
spill_has_unread(const struct spill *spill)
{
    return spill->fd >= 0 && spill->cursor < spill->tail;
}

#endif

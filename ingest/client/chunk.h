/*
 * ingest/client/chunk.h - a chunk: events of one kind as one PackedForward
 * message.  Private to ingest/client.
 *
 *   93                     array of 3
 *     a? "gbill.<kind>"    tag
 *     c6 <u32>             bin: the entries, one behind the other
 *       92 d7 00 <u32 seconds> <u32 nanoseconds> <record>
 *     82                   option
 *       "chunk" d9 20 <32 hexadecimal digits>
 *       "size"  ce <u32 number of entries>
 *
 * The message is built in place: the length behind c6 is patched when the chunk
 * is sealed, always as four bytes.  The chunk's id is drawn once and is part of
 * the bytes, so that sending again is sending the same.
 *
 * Source: Fluentd forward protocol specification v1.
 */
#ifndef INGEST_CLIENT_CHUNK_H
#define INGEST_CLIENT_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/bytes.h"
#include "store/event/event.h"

enum {
    CHUNK_ID_BYTES = 16, /* random; written as hexadecimal */
    CHUNK_ID_TEXT_BYTES = 2 * CHUNK_ID_BYTES,
    CHUNK_ENTRY_HEAD_BYTES = 11,
    CHUNK_EMPTY_BYTES_MAX = 128, /* a chunk without its entries */
    CHUNK_BYTES_MAX = 512 * 1024,
};

/* EventTime has 32 bits of seconds: until February 2106. */
#define CHUNK_UTC_MS_MAX ((int64_t)UINT32_MAX * 1000 + 999)

struct chunk {
    uint8_t id[CHUNK_ID_BYTES];
    enum event_kind kind;
    uint8_t *message; /* room_bytes of memory, of which size_bytes are used */
    size_t size_bytes, room_bytes;
    size_t entries_at; /* where the entries begin in message */
    uint32_t event_count;
    bool is_sealed;

    /* The queue's and the sender's (queue.h). */
    uint64_t first_event;
    bool was_sent; /* at least in part, over any connection */
    bool is_gone;  /* acknowledged, or in the spill file */
};

/*
 * Start a chunk.
 *
 *   message     borrowed until the chunk is gone
 *   room_bytes  at least CHUNK_EMPTY_BYTES_MAX
 */
void chunk_begin(struct chunk *chunk, enum event_kind kind, const uint8_t id[CHUNK_ID_BYTES],
                 uint8_t *message, size_t room_bytes);

/* Is there room for one more record of record_bytes? */
bool chunk_has_room(const struct chunk *chunk, size_t record_bytes);

/*
 * Append one entry, for which there is room.
 *
 *   utc_ms  0 to CHUNK_UTC_MS_MAX
 *   record  whole msgpack
 */
void chunk_add(struct chunk *chunk, int64_t utc_ms, struct bytes record);

/* Finish the message; nothing can be added after that. */
void chunk_seal(struct chunk *chunk);

#endif

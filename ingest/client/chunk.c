#include "ingest/client/chunk.h"

#include <assert.h>
#include <stdio.h>

#include "store/base/hash.h"

enum { BIN_HEAD_BYTES = 5, TAG_BYTES_MAX = 31, SEAL_BYTES = 51 };

_Static_assert(2 + TAG_BYTES_MAX + BIN_HEAD_BYTES + SEAL_BYTES <= CHUNK_EMPTY_BYTES_MAX,
               "what stands around the entries fits");

static void
append(struct chunk *chunk, const void *data, size_t size_bytes)
{
    assert(size_bytes <= chunk->room_bytes - chunk->size_bytes);
    memcpy(chunk->message + chunk->size_bytes, data, size_bytes);
    chunk->size_bytes += size_bytes;
}

void
chunk_begin(struct chunk *chunk, enum event_kind kind, const uint8_t id[CHUNK_ID_BYTES],
            uint8_t *message, size_t room_bytes)
{
    uint8_t head[2 + TAG_BYTES_MAX + 1 + BIN_HEAD_BYTES];
    int tag_bytes =
        snprintf((char *)head + 2, TAG_BYTES_MAX + 1, "gbill.%s", event_kind_name(kind));
    assert(tag_bytes > 0 && tag_bytes <= TAG_BYTES_MAX);
    head[0] = 0x93;
    head[1] = (uint8_t)(0xa0 | tag_bytes);
    size_t at = 2 + (size_t)tag_bytes;
    head[at] = 0xc6;
    put_be32(head + at + 1, 0);
    at += BIN_HEAD_BYTES;

    *chunk = (struct chunk){
        .kind = kind, .message = message, .room_bytes = room_bytes, .entries_at = at};
    memcpy(chunk->id, id, CHUNK_ID_BYTES);
    append(chunk, head, at);
}

bool
chunk_has_room(const struct chunk *chunk, size_t record_bytes)
{
    size_t after = chunk->size_bytes + CHUNK_ENTRY_HEAD_BYTES + record_bytes;
    return after + SEAL_BYTES <= chunk->room_bytes;
}

void
chunk_add(struct chunk *chunk, int64_t utc_ms, struct bytes record)
{
    assert(!chunk->is_sealed && chunk_has_room(chunk, record.size_bytes));
    assert(utc_ms >= 0 && utc_ms <= CHUNK_UTC_MS_MAX);
    uint8_t head[CHUNK_ENTRY_HEAD_BYTES] = {0x92, 0xd7, 0x00};
    put_be32(head + 3, (uint32_t)(utc_ms / 1000));
    put_be32(head + 7, (uint32_t)(utc_ms % 1000) * 1000000);
    append(chunk, head, sizeof head);
    append(chunk, record.data, record.size_bytes);
    chunk->event_count++;
}

void
chunk_seal(struct chunk *chunk)
{
    uint8_t tail[SEAL_BYTES + 1] = {0x82, 0xa5, 'c', 'h', 'u', 'n', 'k', 0xd9, CHUNK_ID_TEXT_BYTES};
    size_t at = 9;
    hash_hex(chunk->id, CHUNK_ID_BYTES, (char *)tail + at);
    at += CHUNK_ID_TEXT_BYTES;
    memcpy(tail + at, "\xa4size\xce", 6);
    put_be32(tail + at + 6, chunk->event_count);
    at += 10;
    assert(at == SEAL_BYTES);
    uint32_t entries_bytes = (uint32_t)(chunk->size_bytes - chunk->entries_at);
    append(chunk, tail, at);
    put_be32(chunk->message + chunk->entries_at - 4, entries_bytes);
    chunk->is_sealed = true;
}

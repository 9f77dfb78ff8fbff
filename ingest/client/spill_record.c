#include "ingest/client/spill_record.h"

#include <errno.h>
#include <unistd.h>

#include "store/base/hash.h"

enum {
    FLAG_SKIP = 1,
    CHECK_AT = 40, /* of all that stands before it */
    SEARCH_BYTES = 4096,
};

static const char magic[] = "GBR1";

static void
seal_head(uint8_t head[SPILL_RECORD_HEAD_BYTES])
{
    put_le32(head + CHECK_AT, (uint32_t)hash_mem(head, CHECK_AT));
    put_le32(head + SPILL_MARK_AT, 0);
}

void
spill_record_head(uint8_t head[SPILL_RECORD_HEAD_BYTES], const uint8_t id[CHUNK_ID_BYTES],
                  uint32_t event_count, struct bytes body)
{
    memcpy(head, magic, 4);
    put_le32(head + 4, (uint32_t)body.size_bytes);
    put_le32(head + 8, event_count);
    put_le32(head + 12, 0);
    memcpy(head + 16, id, CHUNK_ID_BYTES);
    put_le64(head + 32, hash_checksum((struct bytes){head, 32}, body));
    seal_head(head);
}

void
spill_record_skip(uint8_t head[SPILL_RECORD_HEAD_BYTES], uint32_t body_bytes)
{
    memset(head, 0, SPILL_RECORD_HEAD_BYTES);
    memcpy(head, magic, 4);
    put_le32(head + 4, body_bytes);
    put_le32(head + 12, FLAG_SKIP);
    seal_head(head);
}

void
spill_record_mark(uint8_t mark[SPILL_MARK_BYTES], const uint8_t id[CHUNK_ID_BYTES])
{
    /* Depends on the record, so that no single accident with the disk makes one; never 0. */
    put_le32(mark, (uint32_t)hash_mem(id, CHUNK_ID_BYTES) | 1);
}

bool
spill_record_parse(const uint8_t head[SPILL_RECORD_HEAD_BYTES], struct spill_item *ret)
{
    uint8_t mark[SPILL_MARK_BYTES];
    uint32_t flags = get_le32(head + 12);
    if (memcmp(head, magic, 4) != 0 || flags > FLAG_SKIP ||
        get_le32(head + CHECK_AT) != (uint32_t)hash_mem(head, CHECK_AT))
        return false;
    *ret = (struct spill_item){.kind = flags == FLAG_SKIP ? SPILL_SKIP : SPILL_LIVE,
                               .body_bytes = get_le32(head + 4),
                               .event_count = get_le32(head + 8),
                               .checksum = get_le64(head + 32)};
    memcpy(ret->id, head + 16, CHUNK_ID_BYTES);
    spill_record_mark(mark, ret->id);
    if (memcmp(head + SPILL_MARK_AT, mark, sizeof mark) == 0)
        ret->kind = SPILL_SKIP;
    return ret->kind == SPILL_SKIP ||
           (ret->body_bytes > 0 && ret->body_bytes <= CHUNK_BYTES_MAX && ret->event_count > 0);
}

static bool
read_all(int fd, uint8_t *data, size_t size_bytes, uint64_t at)
{
    while (size_bytes > 0) {
        ssize_t n = pread(fd, data, size_bytes, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        size_bytes -= (size_t)n;
        at += (uint64_t)n;
    }
    return true;
}

/* A head whose body lies before tail. */
static bool
read_head(int fd, uint64_t at, uint64_t tail, uint8_t head[SPILL_RECORD_HEAD_BYTES],
          struct spill_item *ret)
{
    return tail - at >= SPILL_RECORD_HEAD_BYTES &&
           read_all(fd, head, SPILL_RECORD_HEAD_BYTES, at) && spill_record_parse(head, ret) &&
           ret->body_bytes <= tail - at - SPILL_RECORD_HEAD_BYTES;
}

uint64_t
spill_record_find(int fd, uint64_t at, uint64_t end)
{
    uint8_t window[SEARCH_BYTES], head[SPILL_RECORD_HEAD_BYTES];
    struct spill_item item;
    while (end - at >= SPILL_RECORD_HEAD_BYTES) {
        size_t want = end - at < sizeof window ? (size_t)(end - at) : sizeof window;
        if (!read_all(fd, window, want, at))
            return end;
        for (size_t i = 0; i + 4 <= want; i++) {
            if (window[i] == (uint8_t)magic[0] && memcmp(window + i, magic, 4) == 0 &&
                read_head(fd, at + i, end, head, &item))
                return at + i;
        }
        at += want - 3; /* a magic may lie across two windows */
    }
    return end;
}

uint64_t
spill_record_next(int fd, uint64_t at, uint64_t tail, uint8_t *message, struct spill_item *ret)
{
    uint8_t head[SPILL_RECORD_HEAD_BYTES];
    if (!read_head(fd, at, tail, head, ret)) {
        *ret = (struct spill_item){.kind = SPILL_DAMAGED};
        return spill_record_find(fd, at + 1, tail);
    }
    uint64_t body_at = at + sizeof head, end = body_at + ret->body_bytes;
    if (ret->kind == SPILL_SKIP)
        return end;
    struct bytes body = {message, ret->body_bytes};
    /* The head is right, so the damage ends where the record does. */
    if (!read_all(fd, message, ret->body_bytes, body_at) ||
        hash_checksum((struct bytes){head, 32}, body) != ret->checksum)
        ret->kind = SPILL_DAMAGED;
    return end;
}

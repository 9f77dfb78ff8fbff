/*
 * ingest/client/spill_record.h - one record of a spill file, and finding the next
 * one behind damage.  Layout: schemas/spill.md.  Private to ingest/client.
 */
#ifndef INGEST_CLIENT_SPILL_RECORD_H
#define INGEST_CLIENT_SPILL_RECORD_H

#include "ingest/client/spill.h"

enum { SPILL_MARK_AT = 44, SPILL_MARK_BYTES = 4 };

enum spill_kind {
    SPILL_LIVE,
    SPILL_SKIP,    /* acknowledged, or damage that was set aside */
    SPILL_DAMAGED, /* no whole record: up to the next one that is */
};

struct spill_item {
    enum spill_kind kind;
    uint32_t body_bytes, event_count;
    uint64_t checksum;
    uint8_t id[CHUNK_ID_BYTES];
};

/* Write the head of a live record. */
void spill_record_head(uint8_t head[SPILL_RECORD_HEAD_BYTES], const uint8_t id[CHUNK_ID_BYTES],
                       uint32_t event_count, struct bytes body);

/* Write the head of a record to be skipped, whatever its body is. */
void spill_record_skip(uint8_t head[SPILL_RECORD_HEAD_BYTES], uint32_t body_bytes);

/* The mark of a record that is acknowledged. */
void spill_record_mark(uint8_t mark[SPILL_MARK_BYTES], const uint8_t id[CHUNK_ID_BYTES]);

/* Read a head; false: it is none.  The body is not looked at.  Safe on any bytes. */
bool spill_record_parse(const uint8_t head[SPILL_RECORD_HEAD_BYTES], struct spill_item *ret)
    __attribute__((warn_unused_result));

/* The next place in [at, end) with a right head and a body that ends by end; else end. */
uint64_t spill_record_find(int fd, uint64_t at, uint64_t end);

/*
 * Read the record, or the damage, at a place of the file.
 *
 *   at, tail  at < tail
 *   message   CHUNK_BYTES_MAX bytes; holds the body of a live record
 *
 * Returns where it ends, at < end <= tail.  Bytes that cannot be read are damage.
 * Takes time linear in what it steps over.
 */
uint64_t spill_record_next(int fd, uint64_t at, uint64_t tail, uint8_t *message,
                           struct spill_item *ret);

#endif

/*
 * ingest/forward.h - the Fluentd forward protocol, version 1: one whole message
 * taken apart into its entries.
 *
 *   Message        [tag, time, record, option?]
 *   Forward        [tag, [entry, ...], option?]
 *   PackedForward  [tag, bin or str of entries one behind the other, option?]
 *   CompressedPackedForward: the same, gzip or zstd of the entries, as the option says
 *
 * An entry is [time, record] or [[time, metadata], record].  A time is a number
 * of seconds or an EventTime (ext type 0: u32 seconds, u32 nanoseconds).  The
 * option is a map, nil or absent; of it only "chunk" and "compressed" are read.
 *
 * Nothing is copied and nothing allocated: all points into the message, or into
 * what the caller inflated of it.  What a
 * record must hold is no business of this file (store/event/event.h).  A "reason"
 * is a fixed text for one log line; it never holds the client's bytes.
 *
 * Source: the protocol's specification v1 in fluent/fluentd's wiki, and what the
 * clients in tests/data/forward really send.
 */
#ifndef INGEST_FORWARD_H
#define INGEST_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/bytes.h"
#include "store/event/mp.h"

enum {
    FORWARD_MESSAGE_BYTES_MAX = 8 * 1024 * 1024,
    FORWARD_CHUNK_BYTES_MAX = 1024, /* clients use 16 to 24 */
};

enum forward_mode { FORWARD_MESSAGE, FORWARD_FORWARD, FORWARD_PACKED };
enum forward_packing { FORWARD_PLAIN, FORWARD_GZIP, FORWARD_ZSTD };

/* The id that a sender wants back; size_bytes 0: it wants no ack. */
struct forward_chunk {
    struct bytes id;
    bool is_bin; /* else a str: the ack echoes the type */
};

struct forward {
    enum forward_mode mode;
    enum forward_packing packing; /* not FORWARD_PLAIN only with FORWARD_PACKED */
    struct str tag;
    struct forward_chunk chunk;
    struct mp entries;     /* not read yet */
    uint32_t entries_left; /* unless FORWARD_PACKED, which ends with its bytes */
};

struct forward_entry {
    int64_t time_utc_ms; /* cut to 0 ... TIME_MAX_MS - 1 */
    struct bytes record; /* whole msgpack, of any type */
};

/* Is it a heartbeat, a nil between messages? */
static inline bool
forward_is_heartbeat(struct bytes message)
{
    return message.size_bytes == 1 && message.data[0] == 0xc0;
}

/*
 * Read everything of a message but its entries.
 *
 *   message     borrowed; one whole msgpack value
 *   ret         written only on success
 *   ret_reason  written only on failure
 *
 * Safe on any bytes.  False when it is not the protocol.
 */
bool forward_open(struct bytes message, struct forward *ret, const char **ret_reason)
    __attribute__((warn_unused_result));

/* Of a message that is not FORWARD_PLAIN, before its first entry is read: what is packed in it. */
static inline struct bytes
forward_packed(const struct forward *f)
{
    return (struct bytes){f->entries.p, (size_t)(f->entries.end - f->entries.p)};
}

/* The same, inflated: the entries are read from there.  plain must outlive them. */
static inline void
forward_set_plain(struct forward *f, struct bytes plain)
{
    f->entries = mp_of(plain);
    f->packing = FORWARD_PLAIN;
}

enum forward_step { FORWARD_ENTRY, FORWARD_END, FORWARD_BAD };

/*
 * Read the next entry.  After FORWARD_BAD (*ret_reason says why) the whole
 * message is void: the caller forgets the entries that came before.
 */
enum forward_step forward_next(struct forward *f, struct forward_entry *ret,
                               const char **ret_reason);

/*
 * The same in two steps.  Between them f->entries stands before the record: who can read it steps
 * over it there, and leaves the second one out.
 */
enum forward_step forward_next_time(struct forward *f, int64_t *ret_utc_ms,
                                    const char **ret_reason);
enum forward_step forward_record(struct forward *f, struct bytes *ret, const char **ret_reason);

/* Bytes that the ack of a chunk takes at most. */
enum { FORWARD_ACK_BYTES_MAX = 8 + FORWARD_CHUNK_BYTES_MAX };

/* Write {"ack": chunk}; returns its size.  chunk.id is not empty. */
size_t forward_ack(const struct forward_chunk *chunk, uint8_t out[FORWARD_ACK_BYTES_MAX]);

#endif

/*
 * tests/support/make_event.h - events for tests, made as a client makes them.
 */
#ifndef TESTS_SUPPORT_MAKE_EVENT_H
#define TESTS_SUPPORT_MAKE_EVENT_H

#include <criterion/criterion.h>
#include <msgpack.h>
#include <stdarg.h>

#include "store/event/event.h"

struct made {
    msgpack_sbuffer bytes;
    msgpack_packer pk;
    size_t pairs_at;
};

static inline void
make_text(msgpack_packer *pk, const char *text)
{
    msgpack_pack_str(pk, strlen(text));
    msgpack_pack_str_body(pk, text, strlen(text));
}

/* A map of text pairs and numbers: key, "s", text or key, "i", int64; ends with NULL. */
static inline msgpack_sbuffer
make_record(uint32_t pairs, ...)
{
    msgpack_sbuffer b;
    msgpack_packer pk;
    msgpack_sbuffer_init(&b);
    msgpack_packer_init(&pk, &b, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, pairs);
    va_list ap;
    va_start(ap, pairs);
    for (uint32_t i = 0; i < pairs; i++) {
        make_text(&pk, va_arg(ap, const char *));
        const char *type = va_arg(ap, const char *);
        if (type[0] == 's')
            make_text(&pk, va_arg(ap, const char *));
        else
            msgpack_pack_int64(&pk, va_arg(ap, int64_t));
    }
    va_end(ap);
    return b;
}

/* Parse a record, which must be valid, and append its stored form; frees the record. */
static inline void
make_stored(struct buf *out, enum event_kind kind, int64_t time_utc_ms, msgpack_sbuffer record)
{
    struct event e;
    struct event_defect defect = {""};
    struct bytes bytes = {(const uint8_t *)record.data, record.size};
    cr_assert(event_parse(kind, bytes, time_utc_ms, &e, &defect), "%s", defect.text);
    e.peer_uid = 1000;
    cr_assert(event_store(&e, out));
    msgpack_sbuffer_destroy(&record);
}

/* One usage event. */
static inline void
make_usage(struct buf *out, const char *id, const char *organization, const char *model,
           int64_t input, int64_t output, int64_t time_utc_ms)
{
    make_stored(out, EVENT_USAGE, time_utc_ms,
                make_record(8, "id", "s", id, "organizationId", "s", organization, "userId", "s",
                            "u1", "type", "s", "chat", "provider", "s", "openai", "model", "s",
                            model, "inputTokens", "i", input, "outputTokens", "i", output));
}

#endif

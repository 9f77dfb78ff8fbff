/*
 * tests/ingest/wire.h - what a client would send, built with msgpack-c so that
 * the agent's own reader is not its own judge.
 */
#ifndef TESTS_INGEST_WIRE_H
#define TESTS_INGEST_WIRE_H

#include <assert.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "store/base/bytes.h"

struct wire {
    msgpack_sbuffer buf;
    msgpack_packer pk;
};

static inline void
wire_init(struct wire *w)
{
    msgpack_sbuffer_init(&w->buf);
    msgpack_packer_init(&w->pk, &w->buf, msgpack_sbuffer_write);
}

static inline void
wire_clear(struct wire *w)
{
    msgpack_sbuffer_destroy(&w->buf);
}

static inline struct bytes
wire_bytes(const struct wire *w)
{
    return (struct bytes){(const uint8_t *)w->buf.data, w->buf.size};
}

static inline void
wire_text(struct wire *w, const char *s)
{
    msgpack_pack_str(&w->pk, strlen(s));
    msgpack_pack_str_body(&w->pk, s, strlen(s));
}

static inline void
wire_text_pair(struct wire *w, const char *key, const char *value)
{
    wire_text(w, key);
    wire_text(w, value);
}

/* A usage record; id NULL: the contract's one required field too few. */
static inline void
wire_record(struct wire *w, const char *id)
{
    msgpack_pack_map(&w->pk, id != NULL ? 8 : 7);
    if (id != NULL)
        wire_text_pair(w, "id", id);
    wire_text_pair(w, "organizationId", "org_acme");
    wire_text_pair(w, "userId", "u_42");
    wire_text_pair(w, "type", "chat");
    wire_text_pair(w, "provider", "openai");
    wire_text_pair(w, "model", "gpt-4o");
    wire_text(w, "inputTokens");
    msgpack_pack_int(&w->pk, 1187);
    wire_text(w, "outputTokens");
    msgpack_pack_int(&w->pk, 230);
}

static inline void
wire_option(struct wire *w, const char *chunk)
{
    msgpack_pack_map(&w->pk, 1);
    wire_text_pair(w, "chunk", chunk);
}

/* [tag, time, record, {chunk}?] */
static inline void
wire_message(struct wire *w, const char *tag, int64_t time_s, const char *id, const char *chunk)
{
    msgpack_pack_array(&w->pk, chunk != NULL ? 4 : 3);
    wire_text(w, tag);
    msgpack_pack_int64(&w->pk, time_s);
    wire_record(w, id);
    if (chunk != NULL)
        wire_option(w, chunk);
}

/* [tag, bin of count entries, {chunk}]; ids are "<prefix>-<n>". */
static inline void
wire_packed(struct wire *w, int64_t time_s, const char *prefix, int count, const char *chunk)
{
    struct wire in;
    wire_init(&in);
    for (int i = 0; i < count; i++) {
        char id[64];
        snprintf(id, sizeof id, "%s-%d", prefix, i);
        msgpack_pack_array(&in.pk, 2);
        msgpack_pack_int64(&in.pk, time_s);
        wire_record(&in, id);
    }
    msgpack_pack_array(&w->pk, 3);
    wire_text(w, "gbill.usage");
    msgpack_pack_bin(&w->pk, in.buf.size);
    msgpack_pack_bin_body(&w->pk, in.buf.data, in.buf.size);
    wire_option(w, chunk);
    wire_clear(&in);
}

/* Append {"ack": chunk}. */
static inline void
wire_ack(struct wire *w, const char *chunk)
{
    msgpack_pack_map(&w->pk, 1);
    wire_text_pair(w, "ack", chunk);
}

#endif

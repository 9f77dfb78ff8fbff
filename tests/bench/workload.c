#include "tests/bench/workload.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "store/base/bytes.h"
#include "store/event/pack.h"

void
workload_init(struct workload *w, uint64_t seed, int64_t now_ms)
{
    *w = (struct workload){
        .seed = seed * 0x9e3779b97f4a7c15ULL + 1, .now_ms = now_ms, .spread_ms = 3600000};
}

static uint64_t
roll(struct workload *w)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return w->seed;
}

static void
text(msgpack_packer *pk, const char *s)
{
    msgpack_pack_str(pk, strlen(s));
    msgpack_pack_str_body(pk, s, strlen(s));
}

static void
uuid_text(const uint8_t id[16], char out[37])
{
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", id[0],
             id[1], id[2], id[3], id[4], id[5], id[6], id[7], id[8], id[9], id[10], id[11], id[12],
             id[13], id[14], id[15]);
}

static void
fresh_record(struct workload *w, struct buf *out, int64_t *ret_time_ms)
{
    static const struct {
        const char *provider, *model;
    } models[12] = {
        {"openai", "gpt-4o-mini"},
        {"openai", "gpt-4o"},
        {"anthropic", "claude-sonnet-4-5"},
        {"anthropic", "claude-haiku-4-5"},
        {"openai", "gpt-5"},
        {"openai", "gpt-5-mini"},
        {"openai", "gpt-4.1"},
        {"openai", "gpt-4.1-mini"},
        {"anthropic", "claude-opus-4-1"},
        {"openai", "o3"},
        {"openai", "o4-mini"},
        {"openai", "gpt-4.1-nano"},
    };
    static const char *const types[] = {"generation", "chat", "summarization", "embedding"};
    /* The product of two uniform numbers is skewed towards small organizations' indexes. */
    uint64_t org = (roll(w) % 1000) * (roll(w) % 1000) / 1000;
    /* A person works on one project at a time and with a model or two. */
    uint64_t user = roll(w) % 20, project = (user + (roll(w) % 10 == 0)) % 5;
    uint64_t model = (org + (user + roll(w) % 2) % 3) % 12;
    uint8_t id[16];
    char s[40];
    put_be64(id, roll(w));
    put_be64(id + 8, roll(w));
    *ret_time_ms = w->now_ms - (int64_t)(roll(w) % (uint64_t)w->spread_ms);
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, pack_to_buf);
    msgpack_pack_map(&pk, 10);
    text(&pk, "id");
    uuid_text(id, s);
    text(&pk, s);
    text(&pk, "organizationId");
    snprintf(s, sizeof s, "org-%04d", (int)org);
    text(&pk, s);
    text(&pk, "userId");
    snprintf(s, sizeof s, "user-%04d-%02d", (int)org, (int)user);
    text(&pk, s);
    text(&pk, "projectId");
    snprintf(s, sizeof s, "proj-%04d-%d", (int)org, (int)project);
    text(&pk, s);
    text(&pk, "type");
    text(&pk, types[roll(w) % 8 == 0 ? roll(w) % 4 : 0]);
    text(&pk, "provider");
    text(&pk, models[model].provider);
    text(&pk, "model");
    text(&pk, models[model].model);
    text(&pk, "inputTokens");
    msgpack_pack_uint64(&pk, roll(w) % 8000);
    text(&pk, "outputTokens");
    msgpack_pack_uint64(&pk, roll(w) % 1500);
    text(&pk, "latencyMs");
    msgpack_pack_uint64(&pk, 200 + roll(w) % 5000);
}

void
workload_record(struct workload *w, struct buf *out, int64_t *ret_time_ms)
{
    size_t start = out->size_bytes;
    if (w->last_bytes > 0 && roll(w) % 100 < w->duplicate_percent) {
        bool ok = buf_append(out, w->last, w->last_bytes);
        assert(ok);
        *ret_time_ms = w->last_time_ms;
        return;
    }
    fresh_record(w, out, ret_time_ms);
    w->last_bytes = out->size_bytes - start;
    w->last_time_ms = *ret_time_ms;
    assert(w->last_bytes <= sizeof w->last);
    memcpy(w->last, out->data + start, w->last_bytes);
}

static void
entry(struct workload *w, struct buf *out, msgpack_packer *pk, bool in_array)
{
    /* The time stands before the record, so the record is made aside first. */
    struct buf record;
    int64_t time_ms;
    buf_init(&record, 4096);
    workload_record(w, &record, &time_ms);
    if (in_array)
        msgpack_pack_array(pk, 2);
    uint8_t event_time[8];
    put_be32(event_time, (uint32_t)(time_ms / 1000));
    put_be32(event_time + 4, (uint32_t)(time_ms % 1000) * 1000000);
    msgpack_pack_ext(pk, 8, 0);
    msgpack_pack_ext_body(pk, event_time, 8);
    bool ok = buf_append(out, record.data, record.size_bytes);
    assert(ok);
    buf_clear(&record);
}

static void
option(msgpack_packer *pk, const char *chunk)
{
    msgpack_pack_map(pk, 1);
    text(pk, "chunk");
    text(pk, chunk);
}

void
workload_chunk(struct workload *w, struct buf *out, uint32_t events, const char *chunk)
{
    struct buf entries;
    msgpack_packer pk, inner;
    buf_init(&entries, 8 << 20);
    msgpack_packer_init(&inner, &entries, pack_to_buf);
    for (uint32_t i = 0; i < events; i++)
        entry(w, &entries, &inner, true);
    msgpack_packer_init(&pk, out, pack_to_buf);
    msgpack_pack_array(&pk, 3);
    text(&pk, "gbill.usage");
    msgpack_pack_bin(&pk, entries.size_bytes);
    msgpack_pack_bin_body(&pk, entries.data, entries.size_bytes);
    option(&pk, chunk);
    buf_clear(&entries);
}

void
workload_message(struct workload *w, struct buf *out, const char *chunk)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, pack_to_buf);
    msgpack_pack_array(&pk, 4);
    text(&pk, "gbill.usage");
    entry(w, out, &pk, false);
    option(&pk, chunk);
}

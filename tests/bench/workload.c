#include "tests/bench/workload.h"

#include <stdio.h>
#include <string.h>

#include "store/base/bytes.h"
#include "store/base/time.h"
#include "store/event/pack.h"

void
workload_init(struct workload *w, uint64_t seed, int64_t now_ms)
{
    *w = (struct workload){
        .seed = seed * 0x9e3779b97f4a7c15ULL + 1, .now_ms = now_ms, .spread_ms = 3600000};
}

uint64_t
workload_roll(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void
uuid_text(uint64_t hi, uint64_t lo, char out[37])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0, nibble = 0; i < 36; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            out[i] = '-';
            continue;
        }
        uint64_t half = nibble < 16 ? hi : lo;
        out[i] = digits[half >> (60 - 4 * (nibble & 15)) & 15];
        nibble++;
    }
    out[36] = '\0';
}

static void
make_event(const struct workload *w, uint64_t *seed, int64_t now_ms, struct workload_event *e)
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
    uint64_t org = (workload_roll(seed) % 1000) * (workload_roll(seed) % 1000) / 1000;
    /* Of twenty people eight are at work at a time, others as the day goes on. */
    uint64_t on_duty = (uint64_t)(now_ms % TIME_DAY_MS) * 20 / (uint64_t)TIME_DAY_MS;
    uint64_t user = (on_duty + workload_roll(seed) % 8) % 20;
    /* A person works on one project at a time and with a model or two. */
    uint64_t project = (user + (workload_roll(seed) % 10 == 0)) % 5;
    uint64_t model = (org + (user + workload_roll(seed) % 2) % 3) % 12;
    uint64_t id_hi = workload_roll(seed), id_lo = workload_roll(seed);
    uuid_text(id_hi, id_lo, e->id);
    snprintf(e->organization, sizeof e->organization, "org-%04d", (int)org);
    snprintf(e->user, sizeof e->user, "user-%04d-%02d", (int)org, (int)user);
    snprintf(e->project, sizeof e->project, "proj-%04d-%d", (int)org, (int)project);
    e->type = types[workload_roll(seed) % 8 == 0 ? workload_roll(seed) % 4 : 0];
    e->provider = models[model].provider;
    e->model = models[model].model;
    bool is_openai = e->provider[0] == 'o';
    e->tier = workload_roll(seed) % 32 != 0 ? NULL : is_openai ? "priority" : "batch";
    e->input_tokens = workload_roll(seed) % 8000;
    e->cached_tokens = workload_roll(seed) % 4 == 0 ? workload_roll(seed) % 8000 : 0;
    e->output_tokens = workload_roll(seed) % 1500;
    e->latency_ms = 200 + workload_roll(seed) % 5000;
    e->failed = workload_roll(seed) % 64 == 0;
    int64_t ago_ms = (int64_t)(workload_roll(seed) % (uint64_t)w->spread_ms);
    if (workload_roll(seed) % 100 < w->late_percent)
        ago_ms = TIME_HOUR_MS + (int64_t)(workload_roll(seed) % (uint64_t)(3 * TIME_DAY_MS));
    e->time_ms = now_ms - ago_ms;
}

void
workload_next(struct workload *w, struct workload_event *ret)
{
    if (w->made > 0 && workload_roll(&w->seed) % 100 < w->duplicate_percent) {
        uint64_t kept = w->made < WORKLOAD_RETRY_EVENTS ? w->made : WORKLOAD_RETRY_EVENTS;
        struct workload_origin origin = w->origins[workload_roll(&w->seed) % kept];
        make_event(w, &origin.seed, origin.now_ms, ret);
        return;
    }
    w->origins[w->made++ % WORKLOAD_RETRY_EVENTS] = (struct workload_origin){w->seed, w->now_ms};
    make_event(w, &w->seed, w->now_ms, ret);
}

static void
text(msgpack_packer *pk, const char *s)
{
    msgpack_pack_str(pk, strlen(s));
    msgpack_pack_str_body(pk, s, strlen(s));
}

static void
text_field(msgpack_packer *pk, const char *name, const char *value)
{
    text(pk, name);
    text(pk, value);
}

static void
count_field(msgpack_packer *pk, const char *name, uint64_t value)
{
    text(pk, name);
    msgpack_pack_uint64(pk, value);
}

void
workload_record(const struct workload_event *event, struct buf *out)
{
    const struct workload_event *e = event;
    bool is_openai = e->provider[0] == 'o'; /* it counts cached tokens inside the input */
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, pack_to_buf);
    msgpack_pack_map(&pk, 10U + (e->cached_tokens > 0) + (e->tier != NULL) + e->failed);
    text_field(&pk, "id", e->id);
    text_field(&pk, "organizationId", e->organization);
    text_field(&pk, "userId", e->user);
    text_field(&pk, "projectId", e->project);
    text_field(&pk, "type", e->type);
    text_field(&pk, "provider", e->provider);
    text_field(&pk, "model", e->model);
    count_field(&pk, "inputTokens", e->input_tokens + (is_openai ? e->cached_tokens : 0));
    if (e->cached_tokens > 0)
        count_field(&pk, "cachedInputTokens", e->cached_tokens);
    count_field(&pk, "outputTokens", e->output_tokens);
    count_field(&pk, "latencyMs", e->latency_ms);
    if (e->tier != NULL)
        text_field(&pk, "serviceTier", e->tier);
    if (e->failed)
        text_field(&pk, "status", "error");
}

static void
entry(struct workload *w, struct buf *out, msgpack_packer *pk, bool in_array)
{
    struct workload_event e;
    uint8_t event_time[8];
    workload_next(w, &e);
    if (in_array)
        msgpack_pack_array(pk, 2);
    put_be32(event_time, (uint32_t)(e.time_ms / 1000));
    put_be32(event_time + 4, (uint32_t)(e.time_ms % 1000) * 1000000);
    msgpack_pack_ext(pk, 8, 0);
    msgpack_pack_ext_body(pk, event_time, 8);
    workload_record(&e, out);
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

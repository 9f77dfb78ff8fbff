#include "ingest/client/usage.h"

#include "store/base/bytes.h"
#include "store/event/pack.h"

struct text_field {
    const char *name, *text;
};

struct count_field {
    const char *name;
    uint64_t count;
    bool always; /* also when 0 */
};

struct map_field {
    const char *name;
    const void *map;
    size_t map_bytes;
};

static int
pack_text(msgpack_packer *pk, const char *text)
{
    size_t n = strlen(text);
    if (msgpack_pack_str(pk, n) != 0)
        return -1;
    return msgpack_pack_str_body(pk, text, n);
}

/* The packer's answer is 0 or -1, so failures can be or-ed and asked for once. */
static int
pack_texts(msgpack_packer *pk, const struct text_field *fields, size_t count, uint32_t *pairs)
{
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        if (fields[i].text == NULL)
            continue;
        failed |= pack_text(pk, fields[i].name);
        failed |= pack_text(pk, fields[i].text);
        ++*pairs;
    }
    return failed;
}

static int
pack_counts(msgpack_packer *pk, const struct count_field *fields, size_t count, uint32_t *pairs)
{
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        if (fields[i].count == 0 && !fields[i].always)
            continue;
        failed |= pack_text(pk, fields[i].name);
        failed |= msgpack_pack_uint64(pk, fields[i].count);
        ++*pairs;
    }
    return failed;
}

static int
pack_maps(msgpack_packer *pk, struct buf *out, const struct map_field *fields, size_t count,
          uint32_t *pairs)
{
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        if (fields[i].map == NULL)
            continue;
        failed |= pack_text(pk, fields[i].name);
        failed |= buf_append(out, fields[i].map, fields[i].map_bytes) ? 0 : -1;
        ++*pairs;
    }
    return failed;
}

bool
usage_pack(const struct gbill_usage *u, const char *id, struct buf *out)
{
    /* With the provider's own object the two main counts must be absent, not 0. */
    const bool by_hand = u->provider_usage == NULL && !u->uncounted;
    const struct text_field texts[] = {
        {"id", id},
        {"organizationId", u->organization_id},
        {"userId", u->user_id},
        {"projectId", u->project_id},
        {"type", u->type},
        {"provider", u->provider},
        {"model", u->model},
        {"serviceTier", u->service_tier},
        {"status", u->status},
        {"region", u->region},
        {"speed", u->speed},
        {"hold", u->hold},
    };
    const struct count_field counts[] = {
        {"inputTokens", u->input_tokens, by_hand},
        {"outputTokens", u->output_tokens, by_hand},
        {"cachedInputTokens", u->cached_input_tokens, false},
        {"cacheWriteTokens", u->cache_write_tokens, false},
        {"cacheWrite1hTokens", u->cache_write_1h_tokens, false},
        {"inputBytes", u->input_bytes, u->uncounted},
        {"outputBytes", u->output_bytes, u->uncounted},
        {"reasoningTokens", u->reasoning_tokens, false},
        {"audioInputTokens", u->audio_input_tokens, false},
        {"audioCachedInputTokens", u->audio_cached_input_tokens, false},
        {"audioOutputTokens", u->audio_output_tokens, false},
        {"imageInputTokens", u->image_input_tokens, false},
        {"imageCachedInputTokens", u->image_cached_input_tokens, false},
        {"imageOutputTokens", u->image_output_tokens, false},
        {"webSearches", u->web_searches, false},
        {"webFetches", u->web_fetches, false},
        {"fileSearches", u->file_searches, false},
        {"codeSessions", u->code_sessions, false},
        {"latencyMs", u->latency_ms, false},
    };
    const struct map_field maps[] = {
        {"usage", u->provider_usage, u->provider_usage_bytes},
        {"metadata", u->metadata, u->metadata_bytes},
    };
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, pack_to_buf);

    /* Room for a map16 head: how many pairs there are shows at the end. */
    const uint8_t head[3] = {0xde, 0, 0};
    size_t start = out->size_bytes;
    uint32_t pairs = 0;
    int failed = buf_append(out, head, sizeof head) ? 0 : -1;
    failed |= pack_texts(&pk, texts, sizeof texts / sizeof texts[0], &pairs);
    failed |= pack_counts(&pk, counts, sizeof counts / sizeof counts[0], &pairs);
    if (u->estimated) {
        failed |= pack_text(&pk, "estimated");
        failed |= msgpack_pack_true(&pk);
        pairs++;
    }
    failed |= pack_maps(&pk, out, maps, sizeof maps / sizeof maps[0], &pairs);
    if (failed != 0)
        return false;
    if (pairs >= 16) {
        put_be16(out->data + start + 1, (uint16_t)pairs);
        return true;
    }
    /* These bytes are stored as they are: two less an event count. */
    out->data[start] = (uint8_t)(0x80 | pairs);
    out->size_bytes -= 2;
    memmove(out->data + start + 1, out->data + start + 3, out->size_bytes - start - 1);
    return true;
}

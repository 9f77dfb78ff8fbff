#include <criterion/criterion.h>

#include "store/event/event_parts.h"
#include "tests/support/record.h"

struct want {
    const char *provider, *json;
    uint64_t tokens[EVENT_CLASSES]; /* input, cache read, write, write 1 h, output; audio; image */
    uint64_t reasoning;
    const char *tier;
};

static bool
read_usage(const char *provider, const char *json, struct event_usage *u, struct event_defect *d)
{
    static char tier[EVENT_TEXT_BYTES_MAX];
    struct buf object = record_of_json(json);
    bool ok = event_usage_from_provider(str_of(provider), bytes_of_buf(&object), u, d);
    if (ok && u->tier.size_bytes > 0) {
        /* The tier points into the object; keep it beyond. */
        memcpy(tier, u->tier.data, u->tier.size_bytes);
        u->tier.data = tier;
    }
    buf_clear(&object);
    return ok;
}

Test(store_event_usage, each_provider_s_object_splits_into_classes_that_do_not_overlap)
{
    static const struct want wants[] = {
        {"openai",
         "{'prompt_tokens': 1200, 'completion_tokens': 300, 'total_tokens': 1500,"
         " 'prompt_tokens_details': {'cached_tokens': 1024, 'audio_tokens': 0},"
         " 'completion_tokens_details': {'reasoning_tokens': 128}, 'service_tier': 'flex'}",
         {176, 1024, 0, 0, 300},
         128,
         "flex"},
        {"openai",
         "{'input_tokens': 1000, 'input_tokens_details': {'cached_tokens': 0,"
         " 'cache_write_tokens': 1000}, 'output_tokens': 5,"
         " 'output_tokens_details': {'reasoning_tokens': 5}}",
         {0, 0, 1000, 0, 5},
         5,
         ""},
        {"openai", "{'prompt_tokens': 8, 'total_tokens': 8}", {8, 0, 0, 0, 0}, 0, ""},
        {"azure", "{'prompt_tokens': 8, 'prompt_tokens_details': null}", {8, 0, 0, 0, 0}, 0, ""},
        {"openai", "{'prompt_tokens': 8, 'input_tokens': 8}", {8, 0, 0, 0, 0}, 0, ""},
        {"openai", "{'input_tokens': 8, 'cache_read_input_tokens': 0}", {8, 0, 0, 0, 0}, 0, ""},
        {"anthropic",
         "{'input_tokens': 10, 'output_tokens': 20, 'cache_read_input_tokens': 5000,"
         " 'cache_creation_input_tokens': 300, 'service_tier': 'batch',"
         " 'cache_creation': {'ephemeral_5m_input_tokens': 100,"
         " 'ephemeral_1h_input_tokens': 200}, 'server_tool_use': {'web_search_requests': 1}}",
         {10, 5000, 100, 200, 20},
         0,
         "batch"},
        /* No split: all of it lives five minutes. */
        {"anthropic",
         "{'input_tokens': 1, 'cache_creation_input_tokens': 300, 'output_tokens': 2}",
         {1, 0, 300, 0, 2},
         0,
         ""},
        /* What the split does not cover is not lost. */
        {"anthropic",
         "{'input_tokens': 1, 'cache_creation_input_tokens': 350, 'output_tokens': 2,"
         " 'cache_creation': {'ephemeral_1h_input_tokens': 200}}",
         {1, 0, 150, 200, 2},
         0,
         ""},
        {"anthropic",
         "{'input_tokens': 1, 'output_tokens': 2, 'cache_creation':"
         " {'ephemeral_5m_input_tokens': 3, 'ephemeral_1h_input_tokens': 4},"
         " 'output_tokens_details': {'thinking_tokens': 2}, 'cache_read_input_tokens': null}",
         {1, 0, 3, 4, 2},
         2,
         ""},
        /* Realtime: audio and images inside the input, the cached input and the output. */
        {"openai",
         "{'input_tokens': 100, 'output_tokens': 50, 'input_token_details': {'text_tokens': 20,"
         " 'audio_tokens': 70, 'image_tokens': 10, 'cached_tokens': 33, 'cached_tokens_details':"
         " {'text_tokens': 8, 'audio_tokens': 20, 'image_tokens': 5}},"
         " 'output_token_details': {'text_tokens': 10, 'audio_tokens': 40}}",
         {12, 8, 0, 0, 10, 50, 20, 40, 5, 5, 0},
         0,
         ""},
        /* The details alone say how much was cached. */
        {"openai",
         "{'input_tokens': 9, 'input_tokens_details': {'audio_tokens': 5, 'cached_tokens_details':"
         " {'audio_tokens': 3, 'text_tokens': 1}}}",
         {3, 1, 0, 0, 0, 2, 3, 0, 0, 0, 0},
         0,
         ""},
        /* Images. */
        {"openai",
         "{'input_tokens': 60, 'output_tokens': 99, 'input_tokens_details': {'text_tokens': 10,"
         " 'image_tokens': 50}, 'output_tokens_details': {'image_tokens': 90, 'text_tokens': 9}}",
         {10, 0, 0, 0, 9, 0, 0, 0, 50, 0, 90},
         0,
         ""},
        /* Predictions that were rejected are inside the completion, and charged. */
        {"openai",
         "{'prompt_tokens': 7, 'completion_tokens': 30, 'completion_tokens_details':"
         " {'reasoning_tokens': 4, 'audio_tokens': 0, 'accepted_prediction_tokens': 5,"
         " 'rejected_prediction_tokens': 9}}",
         {7, 0, 0, 0, 30},
         4,
         ""},
        /* Passes are what is charged; the top level adds only some of them up. */
        {"anthropic",
         "{'input_tokens': 5, 'output_tokens': 6, 'output_tokens_details': {'thinking_tokens': 3},"
         " 'iterations': [{'type': 'compaction', 'input_tokens': 100, 'output_tokens': 10},"
         " {'type': 'message', 'input_tokens': 5, 'cache_read_input_tokens': 7,"
         " 'cache_creation_input_tokens': 3, 'cache_creation': {'ephemeral_5m_input_tokens': 1,"
         " 'ephemeral_1h_input_tokens': 2}, 'output_tokens': 6}]}",
         {105, 7, 1, 2, 16},
         3,
         ""},
        {"anthropic",
         "{'input_tokens': 5, 'output_tokens': 6, 'iterations': []}",
         {5, 0, 0, 0, 6},
         0,
         ""},
        {"anthropic",
         "{'input_tokens': 5, 'output_tokens': 6, 'iterations': null}",
         {5, 0, 0, 0, 6},
         0,
         ""},
        {"anthropic", "{'iterations': [{'input_tokens': 5}]}", {5, 0, 0, 0, 0}, 0, ""},
        /* Only the pass tells how long it will live. */
        {"anthropic",
         "{'input_tokens': 0, 'cache_creation_input_tokens': 5, 'iterations':"
         " [{'cache_creation_input_tokens': 5, 'cache_creation': {'ephemeral_1h_input_tokens': 5}}]}",
         {0, 0, 0, 5, 0},
         0,
         ""},
        /* Declined before any output, and served by another model: not charged, not counted. */
        {"anthropic",
         "{'input_tokens': 5, 'iterations': [{'type': 'message', 'model': 'a', 'input_tokens': 9,"
         " 'output_tokens': 0}, {'type': 'fallback_message', 'model': 'b', 'input_tokens': 5,"
         " 'output_tokens': 1}]}",
         {5, 0, 0, 0, 1},
         0,
         ""},
    };
    for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
        struct event_usage u = {0};
        struct event_defect d = {""};
        cr_assert(read_usage(wants[i].provider, wants[i].json, &u, &d), "%zu: %s", i, d.text);
        for (int c = 0; c < EVENT_CLASSES; c++)
            cr_assert_eq(u.tokens[c], wants[i].tokens[c], "%zu: %s is %llu", i,
                         event_class_name((enum event_class)c), (unsigned long long)u.tokens[c]);
        cr_assert_eq(u.reasoning_tokens, wants[i].reasoning);
        cr_assert(str_is(u.tier, wants[i].tier), "%zu", i);
    }
}

Test(store_event_usage, contradictions_are_defects_and_never_clamped)
{
    static const struct {
        const char *provider, *json, *says;
    } cases[] = {
        {"openai", "{}", "neither"},
        {"openai", "{'completion_tokens': 5}", "neither"},
        {"openai", "{'prompt_tokens': null}", "neither"},
        {"openai", "[]", "not a map"},
        {"openai", "{'prompt_tokens': -1}", "usage.prompt_tokens"},
        {"openai", "{'prompt_tokens': 1.5}", "usage.prompt_tokens"},
        {"openai", "{'prompt_tokens': '5'}", "usage.prompt_tokens"},
        {"openai", "{'prompt_tokens': 1000000000001}", "usage.prompt_tokens"},
        {"openai", "{'prompt_tokens': 5, 'input_tokens': 6}", "is 6, but prompt_tokens is 5"},
        {"openai", "{'prompt_tokens': 5, 'prompt_tokens_details': {'cached_tokens': 6}}",
         "(6) exceed the input tokens (5)"},
        {"openai", "{'prompt_tokens': 5, 'prompt_tokens_details': 6}", "not a map"},
        {"openai",
         "{'prompt_tokens': 5, 'prompt_tokens_details': {'cached_tokens': 3,"
         " 'cache_write_tokens': 3}}",
         "(6) exceed"},
        {"openai",
         "{'prompt_tokens': 5, 'completion_tokens': 5,"
         " 'completion_tokens_details': {'reasoning_tokens': 6}}",
         "reasoning tokens (6)"},
        {"openai", "{'prompt_tokens': 5, 'service_tier': 7}", "service_tier"},
        {"openai", "{'prompt_tokens': 5, 'service_tier': ''}", "service_tier"},
        {"bedrock", "{'input_tokens': 5, 'cache_read_input_tokens': 9}",
         "cache_read_input_tokens is provider anthropic's"},
        {"bedrock", "{'input_tokens': 5, 'cache_creation_input_tokens': 9}",
         "cache_creation_input_tokens is provider anthropic's"},
        {"anthropic", "{'prompt_tokens': 5, 'completion_tokens': 5}", "no input_tokens"},
        {"anthropic",
         "{'input_tokens': 1, 'cache_creation_input_tokens': 6, 'cache_creation':"
         " {'ephemeral_5m_input_tokens': 3, 'ephemeral_1h_input_tokens': 4}}",
         "(7) exceeds cache_creation_input_tokens (6)"},
        {"anthropic",
         "{'input_tokens': 1, 'output_tokens': 5, 'output_tokens_details':"
         " {'thinking_tokens': 6}}",
         "reasoning tokens (6)"},
        {"anthropic", "{'input_tokens': 9, 'input_tokens_details': {'cached_tokens': 3}}",
         "not how provider anthropic counts"},
        {"openai", "{'prompt_tokens': 5, 'prompt_tokens_details': {'audio_tokens': 6}}",
         "input details (6) exceed the input tokens (5)"},
        {"openai",
         "{'prompt_tokens': 5, 'prompt_tokens_details': {'audio_tokens': 3, 'text_tokens': 3}}",
         "input details (6) exceed"},
        {"openai",
         "{'prompt_tokens': 5, 'completion_tokens': 5, 'completion_tokens_details':"
         " {'audio_tokens': 3, 'image_tokens': 3}}",
         "output details (6) exceed the output tokens (5)"},
        {"openai",
         "{'prompt_tokens': 9, 'prompt_tokens_details': {'cached_tokens': 3, 'audio_tokens': 5,"
         " 'cached_tokens_details': {'audio_tokens': 4}}}",
         "cached_tokens_details (4) exceed the cached tokens (3)"},
        {"openai",
         "{'prompt_tokens': 9, 'prompt_tokens_details': {'cached_tokens': 4, 'audio_tokens': 2,"
         " 'cached_tokens_details': {'audio_tokens': 3}}}",
         "cached audio tokens (3) exceed the audio tokens (2)"},
        {"openai",
         "{'prompt_tokens': 9, 'prompt_tokens_details': {'cached_tokens': 4, 'image_tokens': 2,"
         " 'cached_tokens_details': {'image_tokens': 3}}}",
         "cached image tokens (3) exceed the image tokens (2)"},
        /* Four were cached, but only three are text: which of the audio was cached? */
        {"openai",
         "{'prompt_tokens': 9, 'prompt_tokens_details': {'cached_tokens': 4, 'audio_tokens': 6}}",
         "does not call audio or image (4) exceed the text tokens (3)"},
        {"openai", "{'prompt_tokens': 5, 'iterations': [{}]}",
         "iterations is provider anthropic's"},
        {"openai", "{'prompt_tokens': 5, 'cache_creation': {'ephemeral_1h_input_tokens': 2}}",
         "cache_creation is provider anthropic's"},
        {"openai", "{'prompt_tokens': 5, 'server_tool_use': {'web_search_requests': -2}}",
         "usage.server_tool_use.web_search_requests is not a whole number"},
        {"anthropic", "{'input_tokens': 5, 'inference_geo': 5}", "usage.inference_geo"},
        {"anthropic", "{'input_tokens': 5, 'speed': {}}", "usage.speed"},
        {"anthropic", "{'input_tokens': 5, 'iterations': {}}", "not an array of at most 64 maps"},
        {"anthropic", "{'input_tokens': 5, 'iterations': [5]}", "not a map"},
        {"anthropic", "{'input_tokens': 5, 'iterations': [{'output_tokens': -5}]}",
         "usage.iterations[].output_tokens"},
        /* Passes that lack what the call says it used would lose it without a word. */
        {"anthropic", "{'input_tokens': 6, 'iterations': [{'input_tokens': 5}]}",
         "input tokens (6) exceed the iterations' (5)"},
        {"anthropic",
         "{'output_tokens': 6, 'iterations': [{'output_tokens': 2}, {'output_tokens': 3}]}",
         "output tokens (6) exceed the iterations' (5)"},
        {"anthropic", "{'cache_read_input_tokens': 1, 'iterations': [{'output_tokens': 5}]}",
         "cache-read tokens (1) exceed"},
        {"anthropic",
         "{'cache_creation_input_tokens': 6, 'iterations': [{'cache_creation_input_tokens': 5,"
         " 'cache_creation': {'ephemeral_1h_input_tokens': 5}}]}",
         "cache-write tokens (6) exceed"},
        {"anthropic", "{'iterations': [{'type': 'advisor_message', 'input_tokens': 5}]}",
         "iterations[0] is a advisor_message without a model"},
        {"anthropic", "{'iterations': [{'input_tokens': 999999999999}, {'input_tokens': 2}]}",
         "add up to over 1000000000000"},
        {"anthropic",
         "{'iterations': [{'cache_creation_input_tokens': 1, 'cache_creation':"
         " {'ephemeral_1h_input_tokens': 2}}]}",
         "(2) exceeds cache_creation_input_tokens (1)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct event_usage u = {0};
        struct event_defect d = {""};
        cr_assert_not(read_usage(cases[i].provider, cases[i].json, &u, &d), "%s", cases[i].json);
        cr_assert_not_null(strstr(d.text, cases[i].says), "%s: %s", cases[i].json, d.text);
    }
}

Test(store_event_usage, a_key_given_twice_must_agree_with_itself)
{
    /* JSON forbids it; msgpack does not. */
    uint8_t twice[] = "\x82\xadprompt_tokens\x05\xadprompt_tokens\x06";
    struct bytes object = {twice, sizeof twice - 1};
    struct event_usage u = {0};
    struct event_defect d = {""};
    cr_assert_not(event_usage_from_provider(str_of("openai"), object, &u, &d));
    twice[sizeof twice - 2] = 5;
    cr_assert(event_usage_from_provider(str_of("openai"), object, &u, &d), "%s", d.text);
    cr_assert_eq(u.tokens[EVENT_INPUT], 5u);
}

Test(store_event_usage, uses_place_and_speed_are_read)
{
    struct event_usage u = {0};
    struct event_defect d = {""};
    struct buf object =
        record_of_json("{'input_tokens': 5, 'server_tool_use': {'web_search_requests': 2,"
                       " 'web_fetch_requests': 3}, 'inference_geo': 'us', 'speed': 'fast'}");
    cr_assert(event_usage_from_provider(str_of("anthropic"), bytes_of_buf(&object), &u, &d), "%s",
              d.text);
    cr_assert_eq(u.fees[EVENT_WEB_SEARCH], 2);
    cr_assert_eq(u.fees[EVENT_WEB_FETCH], 3);
    cr_assert_eq(u.fees[EVENT_FILE_SEARCH], 0);
    cr_assert(u.charged_uses);
    cr_assert_not(u.media);
    cr_assert(str_is(u.region, "us"));
    cr_assert(str_is(u.speed, "fast"));
    buf_clear(&object);
}

Test(store_event_usage, parts_are_the_passes_that_are_charged)
{
    struct event_usage u = {.provider = str_of("anthropic"), .model = str_of("served")}, part;
    struct event_defect d = {""};
    struct event_parts parts;
    struct buf object = record_of_json(
        "{'input_tokens': 5, 'service_tier': 'batch', 'iterations': ["
        "{'type': 'message', 'model': 'refuses', 'input_tokens': 9},"
        "{'type': 'compaction', 'input_tokens': 7},"
        "{'type': 'advisor_message', 'model': 'adviser', 'output_tokens': 0, 'input_tokens': 1},"
        "{'type': 'fallback_message', 'model': 'served', 'input_tokens': 5, 'output_tokens': 4}]}");
    cr_assert(event_usage_from_provider(u.provider, bytes_of_buf(&object), &u, &d), "%s", d.text);
    event_parts_begin(&parts, &u);
    static const struct {
        const char *model;
        uint64_t input;
    } want[] = {{"served", 7}, {"adviser", 1}, {"served", 5}};
    for (size_t i = 0; i < 3; i++) {
        cr_assert(event_parts_next(&parts, &part));
        cr_assert(str_is(part.model, want[i].model), "%zu", i);
        cr_assert(str_is(part.tier, "batch"), "%zu", i);
        cr_assert_eq(part.tokens[EVENT_INPUT], want[i].input, "%zu", i);
    }
    cr_assert_not(event_parts_next(&parts, &part));
    cr_assert_eq(u.tokens[EVENT_INPUT], 13);
    u.iterations = (struct bytes){0};
    event_parts_begin(&parts, &u);
    cr_assert_not(event_parts_next(&parts, &part));
    buf_clear(&object);
}

Test(store_event_usage, iterations_are_bounded)
{
    struct event_usage u = {0};
    struct event_defect d = {""};
    char json[4096] = "{'iterations': [{'input_tokens': 1}";
    for (int i = 1; i < EVENT_ITERATIONS_MAX; i++)
        snprintf(json + strlen(json), sizeof json - strlen(json), ",{'input_tokens': 1}");
    size_t n = strlen(json);
    snprintf(json + n, sizeof json - n, "]}");
    cr_assert(read_usage("anthropic", json, &u, &d), "%s", d.text);
    cr_assert_eq(u.tokens[EVENT_INPUT], (uint64_t)EVENT_ITERATIONS_MAX);
    snprintf(json + n, sizeof json - n, ",{}]}");
    cr_assert_not(read_usage("anthropic", json, &u, &d));
}

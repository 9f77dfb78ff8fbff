#include <criterion/criterion.h>

#include "store/event/event.h"
#include "tests/support/record.h"

struct want {
    const char *provider, *json;
    uint64_t tokens[EVENT_CLASSES]; /* input, cache read, write, write 1 h, output */
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
        {"openai", "{'prompt_tokens': 5, 'input_tokens': 6}", "is 6, but 5"},
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

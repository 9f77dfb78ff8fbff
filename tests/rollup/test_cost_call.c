/* What beside tokens of text decides a cost: audio, fees, region, speed, passes, whose call it is. */
#include "rollup/price/cost.h"
#include "tests/rollup/book.h"
#include "tests/support/record.h"

#define NOW "2026-11-24"
#define ROW(tier, more) "{'from':null,'recorded':'2026-01-01','tier':'" tier "'," more "}"

static struct cost
cost_for(const struct price_book *book, const char *organization, const struct event_usage *u)
{
    return cost_of(book, u, &(struct price_query){str_of(organization), ms_of(NOW), ms_of(NOW)});
}

/* The cost of a provider's own usage object, as the shipped book has it. */
static struct cost
cost_of_object(const char *provider, const char *model, const char *json)
{
    struct price_book *book = book_shipped();
    struct buf object = record_of_json(json);
    struct event_usage u = {.provider = str_of(provider), .model = str_of(model)};
    struct event_defect d = {""};
    struct bytes bytes = {object.data, object.size_bytes};
    cr_assert(event_usage_from_provider(u.provider, bytes, &u, &d), "%s", d.text);
    struct cost c = cost_for(book, "", &u);
    buf_clear(&object);
    price_book_free(book);
    return c;
}

static void
expect_pico(const char *what, struct cost c, int64_t pico)
{
    cr_expect_eq(c.state, COST_PRICED, "%s: %s", what, cost_reason_text(c.reason));
    cr_expect_eq(c.cost_pico, pico, "%s: %lld, not %lld", what, (long long)c.cost_pico,
                 (long long)pico);
}

static void
expect_unpriced(const char *what, struct cost c, enum cost_reason reason)
{
    cr_expect_eq(c.state, COST_UNPRICED, "%s", what);
    cr_expect_eq(c.reason, reason, "%s: %s", what, cost_reason_text(c.reason));
    cr_expect_eq(c.cost_pico, 0, "%s", what);
}

static void
expect_object(const char *model, const char *json, int64_t pico)
{
    const char *provider = strncmp(model, "claude", 6) == 0 ? "anthropic" : "openai";
    expect_pico(json, cost_of_object(provider, model, json), pico);
}

Test(rollup_cost_call, audio_and_images_have_rates_of_their_own)
{
    /* gpt-realtime: text 4, cached 0.4, out 16; audio 32, 0.4, 64; image 5, 0.5. */
    expect_object("gpt-realtime",
                  "{'total_tokens': 1200, 'input_tokens': 1000, 'output_tokens': 200,"
                  " 'input_token_details': {'text_tokens': 300, 'audio_tokens': 500,"
                  " 'image_tokens': 200, 'cached_tokens': 400, 'cached_tokens_details':"
                  " {'text_tokens': 100, 'audio_tokens': 250, 'image_tokens': 50}},"
                  " 'output_token_details': {'text_tokens': 50, 'audio_tokens': 150}}",
                  200 * 4000000LL + 100 * 400000 + 250 * 32000000LL + 250 * 400000 +
                      150 * 5000000LL + 50 * 500000 + 50 * 16000000LL + 150 * 64000000LL);
    expect_object("gpt-audio",
                  "{'prompt_tokens': 100, 'completion_tokens': 30,"
                  " 'prompt_tokens_details': {'audio_tokens': 60, 'cached_tokens': 0},"
                  " 'completion_tokens_details': {'audio_tokens': 20, 'reasoning_tokens': 0}}",
                  40 * 2500000LL + 60 * 32000000LL + 10 * 10000000LL + 20 * 64000000LL);
    expect_object("gpt-image-1.5",
                  "{'input_tokens': 60, 'output_tokens': 1000, 'total_tokens': 1060,"
                  " 'input_tokens_details': {'text_tokens': 10, 'image_tokens': 50},"
                  " 'output_tokens_details': {'text_tokens': 100, 'image_tokens': 900}}",
                  10 * 5000000LL + 50 * 8000000LL + 100 * 10000000LL + 900 * 32000000LL);
    /* A text model has no price for audio: never the text rate. */
    struct cost c = cost_of_object("openai", "gpt-4o",
                                   "{'prompt_tokens': 9, 'completion_tokens': 1,"
                                   " 'prompt_tokens_details': {'audio_tokens': 9}}");
    expect_unpriced("audio", c, COST_NO_RATE);
    cr_expect_eq(c.class, EVENT_INPUT_AUDIO);
}

Test(rollup_cost_call, audio_counts_towards_the_band)
{
    struct price_book *book = book_of_text(BOOK_OF(ROW(
        "standard", "'rates':{'input':'1','input_audio':'2'},'bands':[{'input_tokens':10,'op':'>',"
                    "'scope':'request','rates':{'input':'3','input_audio':'5'}}]")));
    struct event_usage u = {.provider = str_of("p"), .model = str_of("m"), .media = true};
    u.tokens[EVENT_INPUT] = 5;
    u.tokens[EVENT_INPUT_AUDIO] = 5;
    expect_pico("10", cost_for(book, "", &u), 5 * 1000000LL + 5 * 2000000LL);
    u.tokens[EVENT_INPUT_AUDIO] = 6;
    expect_pico("11", cost_for(book, "", &u), 5 * 3000000LL + 6 * 5000000LL);
    price_book_free(book);
}

Test(rollup_cost_call, uses_are_charged_by_the_piece_whatever_the_tier_and_region)
{
    struct price_book *book = book_of_text(BOOK_OF(ROW(
        "standard",
        "'rates':{'input':'1'},'fees':{'web_search':'10','web_fetch':'0',"
        "'file_search':'2.5'},'factors':{'region':{'us':'1.1'}}") "," ROW("batch",
                                                                          "'rates':{'input':'0.5'},'fees':{'file_search':'0.000000001'}")));
    struct event_usage u = {.provider = str_of("p"), .model = str_of("m"), .charged_uses = true};
    u.fees[EVENT_WEB_SEARCH] = 2;
    u.fees[EVENT_WEB_FETCH] = 7;
    u.fees[EVENT_FILE_SEARCH] = 3;
    u.region = str_of("us");
    expect_pico("standard", cost_for(book, "", &u), 2 * 10000000000LL + 3 * 2500000000LL);
    u.tier = str_of("batch");
    expect_pico("batch", cost_for(book, "", &u), 2 * 10000000000LL + 3);
    u.fees[EVENT_CODE_SESSION] = 1;
    struct cost c = cost_for(book, "", &u);
    expect_unpriced("no fee", c, COST_NO_FEE);
    cr_expect_eq(c.fee, EVENT_CODE_SESSION);
    price_book_free(book);
}

Test(rollup_cost_call, region_and_speed_multiply_every_rate)
{
    /* claude-opus-4-6: 5 and 25, reads 0.5; region us 1.1, speed fast 6. */
    static const struct {
        const char *json;
        int64_t pico;
    } wants[] = {
        {"{'input_tokens': 10, 'output_tokens': 2}", 100000000},
        {"{'input_tokens': 10, 'output_tokens': 2, 'inference_geo': 'global'}", 100000000},
        {"{'input_tokens': 10, 'output_tokens': 2, 'inference_geo': 'not_available',"
         " 'speed': 'standard'}",
         100000000},
        {"{'input_tokens': 10, 'output_tokens': 2, 'inference_geo': 'us'}", 110000000},
        {"{'input_tokens': 10, 'output_tokens': 2, 'speed': 'fast'}", 600000000},
        {"{'input_tokens': 10, 'output_tokens': 2, 'speed': 'fast', 'inference_geo': 'us'}",
         660000000},
        {"{'input_tokens': 0, 'output_tokens': 0, 'cache_read_input_tokens': 3,"
         " 'service_tier': 'batch', 'inference_geo': 'us'}",
         3 * 275000},
        {"{'input_tokens': 1, 'output_tokens': 0, 'inference_geo': 'us',"
         " 'server_tool_use': {'web_search_requests': 1}}",
         5500000 + 10000000000},
    };
    for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++)
        expect_object("claude-opus-4-6", wants[i].json, wants[i].pico);
    expect_unpriced("a region without a factor",
                    cost_of_object("anthropic", "claude-opus-4-6",
                                   "{'input_tokens': 1, 'inference_geo': 'mars'}"),
                    COST_NO_REGION);
    expect_unpriced(
        "a model without a speed",
        cost_of_object("anthropic", "claude-sonnet-4-5", "{'input_tokens': 1, 'speed': 'fast'}"),
        COST_NO_SPEED);
}

Test(rollup_cost_call, a_factor_that_would_split_a_pico_is_refused_with_the_book)
{
    struct price_book *book = NULL;
    struct err err;
    cr_assert_eq(book_load_text(BOOK_OF(ROW("standard", "'rates':{'input':'0.000001'},'factors':"
                                                        "{'region':{'us':'1.1'}}")),
                                &book, &err),
                 ERR_CONFIG);
    cr_expect_not_null(strstr(err.text, "0.000001 of input times its factors is no whole number"),
                       "%s", err.text);
    /* Another tier's factors reach a row that has none. */
    cr_assert_eq(
        book_load_text(
            BOOK_OF(
                ROW("standard",
                    "'rates':{'input':'1'},'factors':"
                    "{'region':{'us':'1.1'}}") "," ROW("batch", "'rates':{'input':'0.000001'}")),
            &book, &err),
        ERR_CONFIG);
    /* Two factors that are whole only together are whole. */
    cr_assert_eq(
        book_load_text(BOOK_OF(ROW("standard", "'rates':{'input':'0.00001'},'factors':"
                                               "{'region':{'us':'1.1'},'speed':{'x':'10'}}")),
                       &book, &err),
        ERR_OK, "%s", err.text);
    price_book_free(book);
}

/* ---- iterations ---- */

Test(rollup_cost_call, every_iteration_is_rated_on_its_own_model)
{
    /* Anthropic's own example of the advisor tool. */
    expect_object("claude-sonnet-4-5",
                  "{'input_tokens': 412, 'cache_read_input_tokens': 0, 'output_tokens': 531,"
                  " 'cache_creation_input_tokens': 0, 'iterations': ["
                  "{'type': 'message', 'input_tokens': 412, 'cache_read_input_tokens': 0,"
                  " 'cache_creation_input_tokens': 0, 'output_tokens': 89},"
                  "{'type': 'advisor_message', 'model': 'claude-opus-5', 'input_tokens': 823,"
                  " 'cache_read_input_tokens': 0, 'output_tokens': 1612},"
                  "{'type': 'message', 'input_tokens': 1348, 'cache_read_input_tokens': 412,"
                  " 'output_tokens': 442}]}",
                  (412 + 1348) * 3000000LL + 412 * 300000LL + (89 + 442) * 15000000LL +
                      823 * 5000000LL + 1612 * 25000000LL);
}

Test(rollup_cost_call, every_iteration_has_its_own_band)
{
    /* 180,000 and 23,000: no pass is beyond 200,000, though their sum is. */
    expect_object("claude-sonnet-4-5",
                  "{'input_tokens': 23000, 'output_tokens': 1000, 'iterations': ["
                  "{'type': 'compaction', 'input_tokens': 180000, 'output_tokens': 3500},"
                  "{'type': 'message', 'input_tokens': 23000, 'output_tokens': 1000}]}",
                  203000 * 3000000LL + 4500 * 15000000LL);
    expect_object("claude-sonnet-4-5",
                  "{'input_tokens': 1, 'output_tokens': 1, 'iterations': ["
                  "{'type': 'compaction', 'input_tokens': 200001, 'output_tokens': 0},"
                  "{'type': 'message', 'input_tokens': 1, 'output_tokens': 1}]}",
                  200001 * 6000000LL + 3000000 + 15000000);
}

Test(rollup_cost_call, an_attempt_declined_before_any_output_is_not_charged)
{
    expect_object("claude-opus-4-8",
                  "{'input_tokens': 412, 'output_tokens': 5, 'iterations': ["
                  "{'type': 'message', 'model': 'claude-fable-5', 'input_tokens': 535,"
                  " 'output_tokens': 0},"
                  "{'type': 'fallback_message', 'model': 'claude-opus-4-8', 'input_tokens': 412,"
                  " 'output_tokens': 5}]}",
                  412 * 5000000LL + 5 * 25000000LL);
    /* Once it has put something out it is charged, at the rates of the model that ran. */
    expect_object("claude-opus-4-8",
                  "{'input_tokens': 412, 'output_tokens': 5, 'iterations': ["
                  "{'type': 'message', 'model': 'claude-fable-5', 'input_tokens': 535,"
                  " 'output_tokens': 2},"
                  "{'type': 'fallback_message', 'model': 'claude-opus-4-8', 'input_tokens': 412,"
                  " 'output_tokens': 5}]}",
                  412 * 5000000LL + 5 * 25000000LL + 535 * 10000000LL + 2 * 50000000LL);
}

Test(rollup_cost_call, one_iteration_without_a_price_leaves_the_call_without_one)
{
    expect_unpriced("unknown advisor",
                    cost_of_object("anthropic", "claude-sonnet-4-5",
                                   "{'input_tokens': 1, 'iterations': [{'input_tokens': 1},"
                                   "{'type': 'advisor_message', 'model': 'claude-0',"
                                   " 'input_tokens': 1, 'output_tokens': 1}]}"),
                    COST_NO_MODEL);
    expect_object("claude-sonnet-4-5",
                  "{'input_tokens': 1, 'server_tool_use': {'web_search_requests': 3},"
                  " 'iterations': [{'input_tokens': 1, 'output_tokens': 0},"
                  " {'input_tokens': 2, 'output_tokens': 0}]}",
                  3 * 3000000LL + 3 * 10000000000LL);
}

/* ---- one organization's own prices ---- */

#define OVERRIDE(organization, rows) "{'organization':'" organization "','prices':[" rows "]}"
#define BOOK_WITH(rows, overrides)                                                      \
    BOOK_HEAD "{'provider':'p','model':'m','prices':[" rows "],'overrides':[" overrides \
              "]}" BOOK_END

static int64_t
input_pico(const struct price_book *book, const char *organization, const char *event,
           const char *receive)
{
    struct event_usage u = {.provider = str_of("p"), .model = str_of("m")};
    u.tokens[EVENT_INPUT] = 1;
    struct cost c = cost_of(
        book, &u, &(struct price_query){str_of(organization), ms_of(event), ms_of(receive)});
    return c.state == COST_UNPRICED ? -1 : c.cost_pico;
}

Test(rollup_cost_call, an_organization_s_own_rows_win_for_it_alone)
{
    struct price_book *book = book_of_text(
        BOOK_WITH(ROW("standard", "'rates':{'input':'5','output':'9'}"),
                  OVERRIDE("acme", ROW("standard", "'rates':{'input':'3'}")) "," OVERRIDE(
                      "globex", "{'from':'2026-06-01','recorded':'2026-01-01','tier':'standard',"
                                "'rates':{'input':'4'}}")));
    cr_expect_eq(input_pico(book, "", NOW, NOW), 5000000);
    cr_expect_eq(input_pico(book, "acme", NOW, NOW), 3000000);
    cr_expect_eq(input_pico(book, "acm", NOW, NOW), 5000000);
    cr_expect_eq(input_pico(book, "acmf", NOW, NOW), 5000000);
    cr_expect_eq(input_pico(book, "globex", NOW, NOW), 4000000);
    cr_expect_eq(input_pico(book, "globex", "2026-05-31", NOW), 5000000);
    /* A row is a whole price sheet: what it leaves out has no price, not everyone's. */
    struct event_usage u = {.provider = str_of("p"), .model = str_of("m")};
    u.tokens[EVENT_OUTPUT] = 1;
    expect_unpriced("output", cost_for(book, "acme", &u), COST_NO_RATE);
    price_book_free(book);
}

Test(rollup_cost_call, an_override_learned_later_changes_nothing_that_was_priced)
{
    struct price_book *book = book_of_text(
        BOOK_WITH(ROW("standard", "'rates':{'input':'5'}"),
                  OVERRIDE("acme", "{'from':null,'recorded':'2026-03-01','tier':'standard',"
                                   "'rates':{'input':'3'}}")));
    cr_expect_eq(input_pico(book, "acme", "2026-02-01", "2026-02-01"), 5000000);
    cr_expect_eq(input_pico(book, "acme", "2026-02-01", "2026-03-01"), 3000000);
    /* Before either was known: the first that was learned. */
    cr_expect_eq(input_pico(book, "acme", "2025-12-01", "2025-12-01"), 5000000);
    price_book_free(book);
    book = book_of_text(BOOK_WITH("{'from':null,'recorded':'2026-05-01','tier':'standard',"
                                  "'rates':{'input':'5'}}",
                                  OVERRIDE("acme", "{'from':null,'recorded':'2026-03-01',"
                                                   "'retracted':'2026-04-01','tier':'standard',"
                                                   "'rates':{'input':'3'}},"
                                                   "{'from':null,'recorded':'2026-04-01','tier':"
                                                   "'standard','rates':{'input':'2'}}")));
    cr_expect_eq(input_pico(book, "acme", "2026-02-01", "2026-02-01"), 2000000);
    cr_expect_eq(input_pico(book, "acme", "2026-02-01", "2026-03-15"), 3000000);
    cr_expect_eq(input_pico(book, "acme", "2026-02-01", "2026-06-01"), 2000000);
    cr_expect_eq(input_pico(book, "globex", "2026-02-01", "2026-02-01"), 5000000);
    price_book_free(book);
}

Test(rollup_cost_call, a_model_may_have_a_price_for_one_organization_only)
{
    struct price_book *book =
        book_of_text(BOOK_HEAD "{'provider':'p','model':'m','overrides':[" OVERRIDE(
            "acme", ROW("standard", "'rates':{'input':'3'}")) "]}" BOOK_END);
    cr_expect_eq(input_pico(book, "acme", NOW, NOW), 3000000);
    cr_expect_eq(input_pico(book, "globex", NOW, NOW), -1);
    price_book_free(book);
}

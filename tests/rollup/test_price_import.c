#include <stdlib.h>

#include "rollup/price/price_foreign.h"
#include "rollup/price/price_import.h"
#include "rollup/price/price_write.h"
#include "store/base/file.h"
#include "tests/rollup/version.h"

/* One import into a book; what was left out, and the book that came of it. */
struct run {
    struct price_import_result result;
    char skipped[8192];
    struct price_version before, after;
    char book[65536];
};

static struct run run;
static struct told told;

static void
append_skipped(void *context, const char *line)
{
    char *text = context;
    size_t used = strlen(text);
    snprintf(text + used, sizeof run.skipped - used, "%s\n", line);
}

static json_t *
foreign_of(const char *text)
{
    json_t *root = NULL;
    struct err err = {.code = ERR_OK};
    char *json = strdup(text);
    for (char *p = json; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    enum err_code code =
        price_foreign_parse((struct bytes){(uint8_t *)json, strlen(json)}, &root, &err);
    cr_assert_eq(code, ERR_OK, "%s", err.text);
    free(json);
    return root;
}

static enum err_code
import(const char *book, const char *foreign, enum price_import_format format,
       const char *providers, const char *recorded, struct err *err)
{
    struct buf text;
    run.before = version_of_text(book);
    struct price_version grown = version_of_text(book);
    json_t *json = foreign_of(foreign);
    run.skipped[0] = run.book[0] = '\0';
    struct price_import_args args = {.format = format,
                                     .foreign = json,
                                     .book = grown.book,
                                     .root = grown.root,
                                     .providers = providers,
                                     .recorded_ms = ms_of(recorded),
                                     .skipped = append_skipped,
                                     .context = run.skipped};
    enum err_code code = price_import_run(&args, &run.result, err);
    buf_init(&text, PRICE_WRITE_BYTES_MAX);
    if (code == ERR_OK)
        code = price_write_text(grown.root, &text, err);
    if (code == ERR_OK) {
        snprintf(run.book, sizeof run.book, "%.*s", (int)text.size_bytes, (char *)text.data);
        run.after = version_of_text(run.book);
        told_of(&told, &run.before, &run.after);
        cr_expect_eq(told.diff.broken, 0, "an import must only add: %s", told.text);
        price_version_clear(&run.after);
    }
    buf_clear(&text);
    json_decref(json);
    price_version_clear(&grown);
    price_version_clear(&run.before);
    return code;
}

static void
import_ok(const char *book, const char *foreign, enum price_import_format format,
          const char *providers)
{
    struct err err = {.code = ERR_OK};
    cr_assert_eq(import(book, foreign, format, providers, "2026-11-25", &err), ERR_OK, "%s",
                 err.text);
}

static const struct {
    const char *number;
    int decimals;
    enum price_exact exact;
    int64_t value;
} numbers[] = {
    {"1.25e-07", 12, PRICE_EXACT_OK, 125000},
    {"0.000000125", 12, PRICE_EXACT_OK, 125000},
    {"2.5E+0", 6, PRICE_EXACT_OK, 2500000},
    {"1e-12", 12, PRICE_EXACT_OK, 1},
    {"1e-13", 12, PRICE_EXACT_TOO_FINE, 0},
    {"1.5000000000000002e-07", 12, PRICE_EXACT_TOO_FINE, 0},
    {"1.50000000000000000000000000000000e-07", 12, PRICE_EXACT_OK, 150000},
    {"0.000e400", 12, PRICE_EXACT_OK, 0},
    {"9223372036854775807", 0, PRICE_EXACT_OK, INT64_MAX},
    {"9223372036854775808", 0, PRICE_EXACT_TOO_FINE, 0},
    {"1e19", 0, PRICE_EXACT_TOO_LARGE, 0},
    {"1e-99999999999", 12, PRICE_EXACT_TOO_FINE, 0},
    {"-1e-06", 12, PRICE_EXACT_NEGATIVE, 0},
};

Test(rollup_price_import, numbers_are_the_decimals_that_stand_in_the_file)
{
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char text[80];
        int64_t value = 0;
        snprintf(text, sizeof text, "[%s]", numbers[i].number);
        json_t *root = foreign_of(text);
        const json_t *number = json_array_get(root, 0);
        cr_expect_str_eq(price_foreign_number(number), numbers[i].number);
        cr_expect_eq(price_foreign_exact(number, numbers[i].decimals, &value), numbers[i].exact,
                     "%s", numbers[i].number);
        cr_expect_eq(value, numbers[i].value, "%s", numbers[i].number);
        json_decref(root);
    }
}

Test(rollup_price_import, what_is_no_json_or_too_much_of_it_is_refused)
{
    static const struct {
        const char *text, *want;
        enum err_code code;
    } bad[] = {
        {"", "the file is empty", ERR_INPUT},
        {"{\"a\": 01}", "line 1: \"01}\" is no number", ERR_INPUT},
        {"{\"a\":\n -}", "line 2: \"-}\" is no number", ERR_INPUT},
        {"[1.]", "\"1.]\" is no number", ERR_INPUT},
        {"[1e]", "\"1e]\" is no number", ERR_INPUT},
        {"[1,", "line 1: ", ERR_INPUT},
        {"{\"a\":1,\"a\":2}", "duplicate object key", ERR_INPUT},
        {"[\"open", "line 1: ", ERR_INPUT},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "more than 32 levels", ERR_LIMIT},
        {"[1.00000000000000000000000000000000000000000000000000000000000000000000]",
         "a number has 70 bytes, limit is 64", ERR_LIMIT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_t *root = NULL;
        struct err err = {.code = ERR_OK};
        struct bytes text = {(const uint8_t *)bad[i].text, strlen(bad[i].text)};
        cr_expect_eq(price_foreign_parse(text, &root, &err), bad[i].code, "%zu: %s", i, err.text);
        cr_expect(strstr(err.text, bad[i].want) != NULL, "%zu: \"%s\"", i, err.text);
        cr_expect_null(root);
    }
}

#define HEAD "{'format':'gbill-prices/1','currency':'USD','unit':'1000000 tokens','models':["
#define BOOK                                                                           \
    HEAD "{'provider':'openai','model':'gpt-4o','aliases':["                           \
         "{'id':'gpt-4o-2024-08-06','from':null,'recorded':'2026-11-24'}],'prices':["  \
         "{'from':null,'recorded':'2026-11-24','tier':'standard',"                     \
         "'rates':{'input':'3','output':'12'}},"                                       \
         "{'from':'2026-10-01','recorded':'2026-11-24','tier':'standard',"             \
         "'rates':{'input':'2.5','cache_read':'1.25','output':'10'},'bands':["         \
         "{'input_tokens':272000,'op':'>','scope':'request','rates':{'input':'5'}}]}," \
         "{'from':null,'recorded':'2026-11-24','tier':'flex','rates':{'input':'1.25'}}]}]}"

static const struct {
    const char *entry, *told, *skipped;
} litellm[] = {
    /* Equal, in other words; a class that is not stated is no difference. */
    {"'gpt-4o':{'litellm_provider':'openai','input_cost_per_token':2.5e-06,"
     "'output_cost_per_token':0.00001,'input_cost_per_token_above_272k_tokens':5e-06,"
     "'input_cost_per_token_flex':1.25e-06,'max_input_tokens':128000,'supports_vision':true}",
     "", ""},
    {"'openai/gpt-4o-2024-08-06':{'litellm_provider':'openai','input_cost_per_token':2.5e-06,"
     "'input_cost_per_token_above_272k_tokens':5e-06}",
     "", ""},
    /* The row that holds is corrected, not one that it shadows. */
    {"'gpt-4o':{'litellm_provider':'openai','input_cost_per_token':2e-06,"
     "'output_cost_per_token':1e-05,'input_cost_per_token_above_272k_tokens':5e-06}",
     "row added|gpt-4o|prices standard|input 2 (was 2.5, -20 %), output 10, >272000 input 5, "
     "no cache_read (was 1.25)\n",
     "not carried: openai gpt-4o: standard: the new row has no cache_read, which the source does "
     "not state and the book had at 1.25\n"},
    /* All suffixes, in both orders. */
    {"'n':{'litellm_provider':'openai','input_cost_per_token':1e-06,"
     "'cache_read_input_token_cost':1e-07,'cache_creation_input_token_cost':1.25e-06,"
     "'cache_creation_input_token_cost_above_1hr':2e-06,'output_cost_per_token':4e-06,"
     "'cache_creation_input_token_cost_above_1hr_above_200k_tokens':4e-06,"
     "'input_cost_per_token_batches':5e-07,'input_cost_per_token_priority':2e-06,"
     "'output_cost_per_token_flex_above_100_tokens':3e-06,'output_cost_per_token_flex':2e-06,"
     "'input_cost_per_token_above_100_tokens_flex':1e-06}",
     "model added|n||4 prices, 0 aliases\n"
     "row added|n|prices standard|input 1, cache_read 0.1, cache_write 1.25, cache_write_1h 2, "
     "output 4, >200000 cache_write_1h 4\n"
     "row added|n|prices batch|input 0.5\n"
     "row added|n|prices flex|output 2, >100 input 1, >100 output 3\n"
     "row added|n|prices priority|input 2\n",
     ""},
    {"'xai/g':{'litellm_provider':'xai','input_cost_per_token':1e-06,"
     "'input_cost_per_token_above_128k_tokens':2e-06}",
     "model added|g||1 prices, 0 aliases\n"
     "row added|g|prices standard|input 1, >=128000 input 2\n",
     ""},
    {"'n':{'litellm_provider':'openai','input_cost_per_token':1e-06,"
     "'input_cost_per_audio_token':1e-05,'output_cost_per_audio_token_batches':1e-05,"
     "'cache_read_input_audio_token_cost':5e-07,'input_cost_per_image_token':5e-06,"
     "'cache_read_input_image_token_cost':1.25e-06,'output_cost_per_image_token':4e-05}",
     "model added|n||2 prices, 0 aliases\n"
     "row added|n|prices standard|input 1, input_audio 10, cache_read_audio 0.5, input_image 5, "
     "cache_read_image 1.25, output_image 40\n"
     "row added|n|prices batch|output_audio 10\n",
     ""},
    {"'n':{'litellm_provider':'openai','input_cost_per_token':1e-06,"
     "'search_context_cost_per_query':{'search_context_size_low':0.01,"
     "'search_context_size_high':0.01},'file_search_cost_per_1k_calls':0.0025,"
     "'code_interpreter_cost_per_session':0.03,'regional_processing_uplift_multiplier_eu':1.1,"
     "'provider_specific_entry':{'us':1.1,'fast':6.0}}",
     "model added|n||1 prices, 0 aliases\n"
     "row added|n|prices standard|input 1, fees web_search 10, fees code_session "
     "30, factors region eu 1.1, factors region us 1.1, factors speed fast 6\n",
     "not carried: openai n: file_search_cost_per_1k_calls is a fee or a factor that the book has "
     "no word for\n"},
    {"'n':{'litellm_provider':'openai','input_cost_per_token':1e-06,"
     "'search_context_cost_per_query':{'search_context_size_low':0.01,"
     "'search_context_size_high':0.02},'provider_specific_entry':{'slow':0.5,'fast':0},"
     "'regional_endpoint_uplift_multiplier':1.1}",
     "model added|n||1 prices, 0 aliases\nrow added|n|prices standard|input 1\n",
     "not carried: openai n: search_context_cost_per_query depends on the size of the search, which "
     "an event does not tell\n"
     "not carried: openai n: provider_specific_entry slow is a fee or a factor that the book has no "
     "word for\n"
     "not carried: openai n: provider_specific_entry fast must be a factor above 0, at most 1000, "
     "with at most 6 decimals\n"
     "not carried: openai n: regional_endpoint_uplift_multiplier is a fee or a factor that the book "
     "has no word for\n"},
    /* 1.1 times this price is no whole number of picos per token. */
    {"'n':{'litellm_provider':'openai','input_cost_per_token':1.000001e-06,"
     "'regional_processing_uplift_multiplier_eu':1.1}",
     "",
     "skipped: openai n: in the new book: the rate 1.000001 of input times its factors is no whole "
     "number of picos a token; give that case a model or row of its own\n"},
    /* What cannot be carried. */
    {"'a':{'litellm_provider':'openai','input_cost_per_token':1e-06,"
     "'input_cost_per_token_above_1hr':1e-05}",
     "",
     "skipped: openai a: input_cost_per_token_above_1hr (1e-05) has no class in the book; its "
     "tokens would be charged wrongly without it\n"},
    {"'a':{'litellm_provider':'openai','input_cost_per_token':1.0000001e-06}", "",
     "skipped: openai a: input_cost_per_token is 1.0000001e-06, which has more than six decimals "
     "per million tokens\n"},
    {"'a':{'litellm_provider':'openai','input_cost_per_token':'1e-06'}", "",
     "skipped: openai a: input_cost_per_token is no number, which is no number\n"},
    {"'a':{'litellm_provider':'openai','input_cost_per_token':0.0,'output_cost_per_token':0}", "",
     "not carried: openai a: input_cost_per_token is 0, which this format also writes for "
     "unknown\n"
     "not carried: openai a: output_cost_per_token is 0, which this format also writes for "
     "unknown\n"
     "skipped: openai a: has no price per token\n"},
    {"'a':{'litellm_provider':'openai','output_cost_per_token':1e-06,"
     "'output_cost_per_reasoning_token':2e-06}",
     "",
     "skipped: openai a: output_cost_per_reasoning_token differs from the price of output, and "
     "the book counts reasoning as output\n"},
    {"'a':{'litellm_provider':'openai','input_cost_per_token_above_200k_tokens':1e-06}", "",
     "skipped: openai a: standard: a price or a band of it has no rate per token\n"},
    {"'gpt-4o-2024-08-06':{'litellm_provider':'openai','input_cost_per_token':9e-06}", "",
     "skipped: openai gpt-4o-2024-08-06: standard: its price differs from that of gpt-4o, of "
     "which it is an alias in the book\n"},
    {"'azure/eu/a':{'litellm_provider':'azure','input_cost_per_token':1e-06},"
     "'bedrock/us-gov-west-1/a':{'litellm_provider':'bedrock','input_cost_per_token':1e-06}",
     "",
     "skipped: azure eu/a: the name holds a region, which is no part of a model's id\n"
     "skipped: bedrock us-gov-west-1/a: the name holds a region, which is no part of a model's "
     "id\n"},
    {"'a':{'litellm_provider':'openai','tiered_pricing':[{'range':[0,9],"
     "'input_cost_per_token':1e-06}]}",
     "",
     "skipped: openai a: tiered_pricing (no number) has no class in the book; its tokens would be "
     "charged wrongly without it\n"},
    {"'a':{'input_cost_per_token':1e-06},'b':[]", "",
     "skipped:  a: must be an object with a text \"litellm_provider\"\n"
     "skipped:  b: must be an object with a text \"litellm_provider\"\n"},
};

Test(rollup_price_import, each_entry_of_litellm_becomes_rows_or_a_reason)
{
    for (size_t i = 0; i < sizeof litellm / sizeof litellm[0]; i++) {
        char text[2048];
        snprintf(text, sizeof text, "{'sample_spec':{'input_cost_per_token':0.0},%s}",
                 litellm[i].entry);
        import_ok(BOOK, text, PRICE_IMPORT_LITELLM, "all");
        cr_expect_str_eq(told.text, litellm[i].told, "entry %zu: %s", i, told.text);
        cr_expect_str_eq(run.skipped, litellm[i].skipped, "entry %zu: %s", i, run.skipped);
    }
}

#define PROVIDER(models) "[{'id':'openai','name':'x','models':[" models "]}]"

static const struct {
    const char *models, *told, *skipped;
} genai[] = {
    {"{'id':'gpt-4o','match':{'or':[{'equals':'gpt-4o'},{'equals':'gpt-4o-2024-08-06'}]},"
     "'prices':{'input_mtok':{'base':2.5,'tiers':[{'start':271999,'price':5}]},'output_mtok':10}}",
     "",
     "not carried: openai gpt-4o: standard: a threshold differs by one token and no rate does; the "
     "book's \">\" stands\n"},
    /* History: what held before and after a day. */
    {"{'id':'gpt-4o','match':{'equals':'gpt-4o'},'prices':[{'prices':{'input_mtok':3}},"
     "{'constraint':{'start_date':'2026-10-01'},'prices':{'input_mtok':{'base':2.5,'tiers':["
     "{'start':272000,'price':5}]}}},"
     "{'constraint':{'start_date':'2027-01-01','type':'start_date'},'prices':{'input_mtok':1}}]}",
     "row added|gpt-4o|prices standard|input 1 (was 2.5, -60 %), no cache_read (was 1.25), no "
     "output (was 10), no >272000 input (was 5)\n",
     "not carried: openai gpt-4o: standard: the new row has no cache_read, which the source does "
     "not state and the book had at 1.25\n"
     "not carried: openai gpt-4o: standard: the new row has no output, which the source does not "
     "state and the book had at 10\n"},
    {"{'id':'n','match':{'or':[{'equals':'n-1'},{'starts_with':'n-'},{'equals':'gpt-4o'}]},"
     "'prices':{'input_mtok':1,'cache_write_5m_mtok':1.25,'cache_write_1h_mtok':2,"
     "'web_searches_kcount':10,'storage_searches_kcount':2.5,'requests_kcount':5}}",
     "model added|n||1 prices, 1 aliases\nrow added|n|aliases n-1|\n"
     "row added|n|prices standard|input 1, cache_write 1.25, cache_write_1h 2, fees web_search 10, "
     "fees file_search 2.5\n",
     "not carried: openai n: requests_kcount is a fee that the book has no word for\n"
     "not carried: openai n: starts_with \"n-\" matches ids by a guess; add the ids you use as "
     "aliases\n"
     "not carried: openai n: alias gpt-4o is a model of its own in the book\n"},
    {"{'id':'n','prices':{'input_mtok':1,'input_audio_mtok':10,'output_audio_mtok':20,"
     "'cache_audio_read_mtok':0.5,'input_image_mtok':5,'cache_image_read_mtok':1.25,"
     "'output_image_mtok':40}}",
     "model added|n||1 prices, 0 aliases\n"
     "row added|n|prices standard|input 1, input_audio 10, cache_read_audio 0.5, output_audio 20, "
     "input_image 5, cache_read_image 1.25, output_image 40\n",
     ""},
    {"{'id':'n','match':{},'prices':{'input_mtok':1,'audio_hours':0.27}}", "",
     "skipped: openai n: audio_hours (0.27) has no class in the book; its tokens would be charged "
     "wrongly without it\n"},
    {"{'id':'n','match':{},'prices':[{'prices':{'input_mtok':1}},{'constraint':{'start_time':"
     "'00:30:00Z','end_time':'08:30:00Z'},'prices':{'input_mtok':2}}]}",
     "",
     "skipped: openai n: a price has a constraint other than \"start_date\" (an hour of the "
     "day?)\n"},
    {"{'id':'n','match':{},'prices':[{'prices':{'input_mtok':1}},{'prices':{'input_mtok':2}}]}", "",
     "skipped: openai n: has two prices from the same day on\n"},
    {"{'id':'n','match':{},'prices':{'input_mtok':{'base':1,'tiers':[{'start':-1,'price':2}]}}}",
     "", "skipped: openai n: input_mtok: \"start\" of a tier is -1, must be 1 to 1000000000000\n"},
    {"{'id':5,'prices':{}},{'id':'m','prices':[]},{'id':'k','prices':3}", "",
     "skipped: openai : a model must have a text \"id\"\n"
     "skipped: openai m: has no price per token\n"
     "skipped: openai k: \"prices\" must be an object\n"},
};

Test(rollup_price_import, each_model_of_genai_prices_becomes_rows_or_a_reason)
{
    for (size_t i = 0; i < sizeof genai / sizeof genai[0]; i++) {
        char text[2048];
        snprintf(text, sizeof text, PROVIDER("%s"), genai[i].models);
        import_ok(BOOK, text, PRICE_IMPORT_GENAI, NULL);
        cr_expect_str_eq(told.text, genai[i].told, "model %zu: %s", i, told.text);
        cr_expect_str_eq(run.skipped, genai[i].skipped, "model %zu: %s", i, run.skipped);
    }
}

Test(rollup_price_import, every_model_of_the_file_is_in_one_count_and_providers_are_chosen)
{
    const char *file = "[{'id':'openai','models':[{'id':'gpt-4o','prices':{'output_mtok':10,"
                       "'input_mtok':{'base':2.5,'tiers':[{'start':272000,'price':5}]}}},"
                       "{'id':'a','prices':{'input_mtok':1}},{'id':'b','prices':{}},"
                       "{'id':'a','prices':{'input_mtok':2}}]},"
                       "{'id':'x','models':[{'id':'a','prices':{'input_mtok':1}}]}]";
    static const struct {
        const char *providers;
        size_t added, unchanged, skipped, unasked;
    } want[] = {{NULL, 1, 1, 2, 1}, {"all", 2, 1, 2, 0}, {"x", 1, 0, 0, 4}, {"y,x", 1, 0, 0, 4}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        import_ok(BOOK, file, PRICE_IMPORT_GENAI, want[i].providers);
        cr_expect_eq(run.result.models_added, want[i].added, "%zu", i);
        cr_expect_eq(run.result.models_unchanged, want[i].unchanged, "%zu", i);
        cr_expect_eq(run.result.models_skipped, want[i].skipped, "%zu", i);
        cr_expect_eq(run.result.models_unasked, want[i].unasked, "%zu", i);
    }
}

Test(rollup_price_import, a_second_import_of_the_same_file_adds_nothing)
{
    const char *file = "[{'id':'openai','models':[{'id':'n','match':{'equals':'n-1'},'prices':"
                       "{'input_mtok':1}},{'id':'gpt-4o','prices':{'input_mtok':1}}]}]";
    static char first[sizeof run.book];
    struct err err = {.code = ERR_OK};
    import_ok(BOOK, file, PRICE_IMPORT_GENAI, NULL);
    cr_expect_eq(run.result.rows_added, 2);
    memcpy(first, run.book, sizeof first);
    cr_assert_eq(import(first, file, PRICE_IMPORT_GENAI, NULL, "2026-11-26", &err), ERR_OK);
    cr_expect_str_eq(told.text, "");
    cr_expect_str_eq(run.book, first);
}

Test(rollup_price_import, rows_must_be_recorded_after_all_that_the_book_has)
{
    struct err err = {.code = ERR_OK};
    cr_expect_eq(import(BOOK, "[]", PRICE_IMPORT_GENAI, NULL, "2026-11-24", &err), ERR_USAGE);
    cr_expect(strstr(err.text, "would be recorded 2026-11-24, which is not later") != NULL, "%s",
              err.text);
    cr_expect_eq(import(BOOK, "{}", PRICE_IMPORT_GENAI, NULL, "2026-11-25", &err), ERR_INPUT);
    cr_expect_eq(import(BOOK, "[]", PRICE_IMPORT_LITELLM, NULL, "2026-11-25", &err), ERR_INPUT);
    cr_expect_eq(import(BOOK, "[{'id':'x'}]", PRICE_IMPORT_GENAI, NULL, "2026-11-25", &err),
                 ERR_INPUT);
}

Test(rollup_price_import, the_shipped_book_is_written_as_it_stands)
{
    struct bytes have;
    struct buf text;
    json_t *root = NULL;
    struct err err = {.code = ERR_OK};
    const char *path = GBILL_SCHEMAS_DIR "/prices.json";
    cr_assert_eq(file_read(path, PRICE_WRITE_BYTES_MAX, &have, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(json_file_load(path, &root, NULL, &err), ERR_OK, "%s", err.text);
    buf_init(&text, PRICE_WRITE_BYTES_MAX);
    cr_assert_eq(price_write_text(root, &text, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(text.size_bytes, have.size_bytes);
    cr_expect(memcmp(text.data, have.data, have.size_bytes) == 0);
    cr_expect_eq(price_write_check(&text, &err), ERR_OK, "%s", err.text);
    buf_clear(&text);
    free((void *)(uintptr_t)have.data);
    json_decref(root);
}

Test(rollup_price_import, a_book_that_cannot_be_read_back_replaces_nothing)
{
    char folder[] = "/tmp/gbill-write-XXXXXX", path[64];
    struct buf text;
    struct bytes have;
    struct err err = {.code = ERR_OK};
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/book.json", folder);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs("old", f);
    cr_assert_eq(fclose(f), 0);
    buf_init(&text, 1024);
    cr_assert(buf_printf(&text, "{\"format\": \"gbill-prices/1\"}"));
    cr_expect_eq(price_write_file(&text, path, &err), ERR_CONFIG);
    cr_assert_eq(file_read(path, 1024, &have, &err), ERR_OK);
    cr_expect_str_eq((const char *)have.data, "old");
    free((void *)(uintptr_t)have.data);
    unlink(path);
    cr_expect_eq(rmdir(folder), 0, "a file was left beside the book");
    buf_clear(&text);
}

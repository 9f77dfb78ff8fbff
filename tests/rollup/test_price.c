#include "tests/rollup/book.h"

#include "store/base/json.h"
#include "store/base/money.h"

#define ROW(from, more) "{'from':" from ",'recorded':'2026-01-01','tier':'standard'" more "}"
#define RATES(input) ",'rates':{'input':'" input "'}"
#define BAND(tokens, op, scope) \
    "{'input_tokens':" tokens ",'op':'" op "','scope':'" scope "','rates':{'input':'2'}}"
#define TWO_MODELS(first, second)                                                 \
    BOOK_HEAD                                                                     \
    "{'provider':'p','model':'m'," first                                          \
    "'prices':[" ROW("null", RATES("1")) "]},{'provider':'p','model':'n'," second \
                                         "'prices':[" ROW("null", RATES("2")) "]}" BOOK_END
#define ALIAS(id, from) "{'id':'" id "','from':" from ",'recorded':'2026-01-01'}"

/* The price of input at a day, as known on another; -1: no row. */
static int64_t
input_at(const struct price_book *book, const char *event, const char *receive)
{
    const struct price_id *id = price_book_find(book, str_of("p"), str_of("m"));
    cr_assert_not_null(id);
    struct price_query query = {{0}, ms_of(event), ms_of(receive)};
    const struct price_row *row = price_model_row(id->model, PRICE_STANDARD, &query);
    return row != NULL ? row->rates.pico[EVENT_INPUT] : -1;
}

static const struct {
    const char *book, *want;
} bad_books[] = {
    {"{'format':", "unexpected token near end of file"},
    {"[]", "the book: must be an object"},
    {"{'format':'gbill-prices/2','currency':'USD','unit':'1000000 tokens','models':[]}",
     "\"format\" is \"gbill-prices/2\", this gbill reads \"gbill-prices/1\""},
    {"{'format':'gbill-prices/1','currency':'USD','unit':'1000 tokens','models':[]}",
     "\"unit\" is \"1000 tokens\""},
    {"{'format':'gbill-prices/1','currency':'$','unit':'1000000 tokens','models':[]}",
     "\"currency\" is \"$\", must be three letters"},
    {BOOK_HEAD BOOK_END, "the book has 0 models"},
    {"{'format':'gbill-prices/1','currency':'USD','unit':'1000000 tokens','modles':[]}",
     "unknown key \"modles\""},
    {BOOK_HEAD "{'provider':'p','prices':[]}" BOOK_END,
     "models[0]: \"model\" is missing, must be a text"},
    {BOOK_HEAD "{'provider':'','model':'m','prices':[]}" BOOK_END,
     "models[0]: \"provider\" has 0 bytes, must have 1 to 64"},
    {BOOK_OF(""), "models[0] m: \"prices\" is empty"},
    {BOOK_OF("{'recorded':'2026-01-01','tier':'standard'" RATES("1") "}"),
     "models[0] m prices[0]: \"from\" must be a date such as \"2026-11-24\", or null"},
    {BOOK_OF("{'from':null,'recorded':null,'tier':'standard'" RATES("1") "}"),
     "models[0] m prices[0]: \"recorded\" must be a date"},
    {BOOK_OF(ROW("'2026-02-30'", RATES("1"))), "\"from\" is \"2026-02-30\", which is no date"},
    {BOOK_OF(ROW("null", ",'retracted':'2026-01-01'" RATES("1"))),
     "models[0] m prices[0]: \"retracted\" must be later than \"recorded\""},
    {BOOK_OF(ROW("null", "")), "models[0] m prices[0]: \"rates\" is missing or empty"},
    {BOOK_OF(ROW("null", ",'rates':{}")), "\"rates\" is missing or empty"},
    {BOOK_OF(ROW("null", ",'rates':{'imput':'1'}")),
     "models[0] m prices[0] rates: unknown key \"imput\""},
    {BOOK_OF(ROW("null", ",'rates':{'input':2.5}")),
     "models[0] m prices[0] rates: \"input\" is a number, must be a text"},
    {BOOK_OF(ROW("null", RATES("-1"))), "\"input\" is \"-1\", must be a price"},
    {BOOK_OF(ROW("null", RATES("0.0000001"))), "\"input\" is \"0.0000001\", must be a price"},
    {BOOK_OF(ROW("null", RATES("1,5"))), "\"input\" is \"1,5\", must be a price"},
    {BOOK_OF(ROW("null", RATES("9999999999999999"))), "must be a price"},
    {BOOK_OF(ROW("null", RATES("1") ",'price':'1'")),
     "models[0] m prices[0]: unknown key \"price\""},
    {BOOK_OF("{'from':null,'recorded':'2026-01-01','tier':'fast'" RATES("1") "}"),
     "\"tier\" is \"fast\", must be standard, batch, flex or priority"},
    {BOOK_OF(ROW("null", RATES("1")) "," ROW("null", RATES("2"))),
     "models[0] m prices[1]: the row before has the same tier, \"from\" and \"recorded\""},
    {BOOK_OF(ROW("'2026-03-01'", RATES("1")) "," ROW("'2026-02-01'", RATES("2"))),
     "models[0] m prices[1]: rows must be sorted by tier"},
    {BOOK_OF("{'from':null,'recorded':'2026-02-01','tier':'standard'" RATES("1") "}," ROW(
         "null", RATES("2"))),
     "models[0] m prices[1]: rows must be sorted by tier"},
    {BOOK_OF("{'from':null,'recorded':'2026-01-01','tier':'flex'" RATES("1") "}," ROW("null",
                                                                                      RATES("2"))),
     "rows must be sorted by tier"},
    {BOOK_OF(ROW("null", RATES("1") ",'bands':[]")), "\"bands\" is empty; leave it out"},
    {BOOK_OF(
         ROW("null", RATES("1") ",'bands':[{'input_tokens':5,'scope':'request'" RATES("2") "}]")),
     "models[0] m prices[0] bands[0]: \"op\" is missing, must be a text"},
    {BOOK_OF(ROW("null", RATES("1") ",'bands':[" BAND("5", "<", "request") "]")),
     "bands[0]: \"op\" is \"<\", must be \">\" or \">=\""},
    {BOOK_OF(ROW("null", RATES("1") ",'bands':[" BAND("5", ">", "excess") "]")),
     "\"scope\" is \"excess\", the only one known is \"request\""},
    {BOOK_OF(ROW("null", RATES("1") ",'bands':[" BAND("0", ">", "request") "]")),
     "\"input_tokens\" is 0, must lie in 1 to"},
    {BOOK_OF(ROW("null", RATES("1") ",'bands':[" BAND("5", ">", "request") "," BAND(
                             "6", ">=", "request") "]")),
     "bands[1]: bands must rise by their \"input_tokens\""},
    {BOOK_HEAD "{'provider':'p','model':'m','prices':[" ROW(
         "null", RATES("1")) "]},"
                             "{'provider':'p','model':'m','prices':[" ROW("null",
                                                                          RATES("1")) "]}" BOOK_END,
     "models[1] m: provider p has this model already"},
    {TWO_MODELS("'aliases':[" ALIAS("a", "null") "],", "'aliases':[" ALIAS("a", "null") "],"),
     "models[1] n aliases[0]: alias \"a\" points at m with the same dates already"},
    {TWO_MODELS("'aliases':[" ALIAS("a", "null") "," ALIAS("a", "null") "],", ""),
     "models[0] m aliases[1]: alias \"a\" stands twice with the same dates"},
    {TWO_MODELS("'aliases':[" ALIAS("n", "null") "],", ""),
     "models[0] m aliases[0]: \"n\" is a model of its own, not an alias"},
    {TWO_MODELS("'aliases':[{'id':'a','from':null}],", ""),
     "models[0] m aliases[0]: \"recorded\" must be a date"},
    {"{'format':'gbill-prices/1','format':'gbill-prices/1'}", "duplicate object key"},
    {BOOK_OF(ROW("null", RATES("1") ",'fees':{'web_serch':'10'}")),
     "models[0] m prices[0] fees: unknown key \"web_serch\""},
    {BOOK_OF(ROW("null", RATES("1") ",'fees':{'web_search':10}")),
     "fees: \"web_search\" is a number, must be a text"},
    {BOOK_OF(ROW("null", RATES("1") ",'fees':{'web_search':'0.0000000001'}")),
     "\"web_search\" is \"0.0000000001\", must be a price: a decimal of 0 or more with at most 9"},
    {BOOK_OF(ROW("null", RATES("1") ",'factors':{'regoin':{}}")),
     "models[0] m prices[0] factors: unknown key \"regoin\""},
    {BOOK_OF(ROW("null", RATES("1") ",'factors':{'region':{'us':1.1}}")),
     "factors region: \"us\" must be a factor"},
    {BOOK_OF(ROW("null", RATES("1") ",'factors':{'region':{'us':'0'}}")),
     "\"us\" must be a factor"},
    {BOOK_OF(ROW("null", RATES("1") ",'factors':{'speed':{'':'2'}}")), "a word has 0 bytes"},
    {BOOK_OF(ROW("null", RATES("1") ",'factors':{'speed':{'x':'1001'}}")),
     "\"x\" must be a factor"},
    {BOOK_HEAD "{'provider':'p','model':'m','overrides':[]}" BOOK_END,
     "models[0] m: \"overrides\" is empty; leave it out"},
    {BOOK_HEAD "{'provider':'p','model':'m','overrides':[{'prices':[]}]}" BOOK_END,
     "models[0] m overrides[0]: \"organization\" is missing"},
    {BOOK_HEAD "{'provider':'p','model':'m','overrides':[{'organization':'b','prices':[" ROW(
         "null", RATES("1")) "]},{'organization':'a','prices':[" ROW("null",
                                                                     RATES("1")) "]}]}" BOOK_END,
     "models[0] m overrides[1]: overrides must rise by \"organization\", each once"},
    {BOOK_HEAD
     "{'provider':'p','model':'m','overrides':[{'organization':'a','prices':[]}]}" BOOK_END,
     "models[0] m overrides[0]: \"prices\" is empty"},
};

Test(rollup_price, a_malformed_book_is_refused_with_the_file_the_place_and_the_value)
{
    for (size_t i = 0; i < sizeof bad_books / sizeof bad_books[0]; i++) {
        struct price_book *book = NULL;
        struct err err = {.code = ERR_OK};
        enum err_code code = book_load_text(bad_books[i].book, &book, &err);
        cr_expect_eq(code, ERR_CONFIG, "book %zu: code %d", i, (int)code);
        cr_expect_null(book, "book %zu", i);
        cr_expect(strstr(err.text, bad_books[i].want) != NULL, "book %zu: \"%s\" lacks \"%s\"", i,
                  err.text, bad_books[i].want);
        cr_expect(strstr(err.text, "/tmp/gbill-book-") == err.text, "book %zu: %s", i, err.text);
    }
}

Test(rollup_price, a_missing_file_is_not_found)
{
    struct price_book *book = NULL;
    struct err err;
    cr_expect_eq(price_book_load("/nonexistent/prices.json", &book, &err), ERR_NOT_FOUND);
    cr_expect(strstr(err.text, "/nonexistent/prices.json") != NULL, "%s", err.text);
}

Test(rollup_price, every_rate_of_the_shipped_book_reads_back_as_it_is_written)
{
    struct price_book *book = book_shipped();
    json_t *root = NULL, *models, *prices, *rates;
    struct err err;
    uint8_t sha256[HASH_SHA256_BYTES];
    cr_assert_eq(json_file_load(book->path, &root, sha256, &err), ERR_OK);
    cr_expect_arr_eq(sha256, book->sha256, sizeof sha256);
    models = json_object_get(root, "models");
    cr_assert_eq(json_array_size(models), book->model_count);
    size_t compared = 0;
    for (size_t i = 0; i < book->model_count; i++) {
        const struct price_model *m = &book->models[i];
        prices = json_object_get(json_array_get(models, i), "prices");
        /* The tiers' rows stand one behind the other, as in the file. */
        const struct price_row *row = NULL;
        for (size_t t = 0; row == NULL; t++)
            row = m->tiers[t].rows;
        for (size_t r = 0; r < json_array_size(prices); r++, row++) {
            rates = json_object_get(json_array_get(prices, r), "rates");
            for (size_t c = 0; c < EVENT_CLASSES; c++) {
                const char *text = json_string_value(
                    json_object_get(rates, event_class_name((enum event_class)c)));
                char back[MONEY_TEXT_BYTES];
                if (text == NULL) {
                    cr_expect_eq(row->rates.pico[c], PRICE_NONE);
                    continue;
                }
                money_format(row->rates.pico[c], 6, back);
                cr_expect_str_eq(back, text);
                compared++;
            }
        }
    }
    cr_expect_gt(compared, 800);
    json_decref(root);
    price_book_free(book);
}

Test(rollup_price, every_id_of_the_shipped_book_is_found_and_means_a_model_today)
{
    struct price_book *book = book_shipped();
    int64_t now = ms_of("2026-11-24T12:00:00Z");
    cr_expect_eq(book->id_count, book->model_count + book->alias_count);
    for (size_t i = 0; i < book->id_count; i++) {
        const struct price_id *id = &book->ids[i];
        cr_assert_eq(price_book_find(book, id->provider, id->id), id, "%s", id->id.data);
        const struct price_model *m = price_id_model(id, now, now);
        cr_assert_not_null(m, "%s", id->id.data);
        struct price_query query = {{0}, now, now};
        const struct price_row *row = price_model_row(m, PRICE_STANDARD, &query);
        cr_assert_not_null(row, "%s", id->id.data);
        cr_expect_geq(row->rates.pico[EVENT_INPUT], 0, "%s", id->id.data);
        /* Speech and images have no text to put out. */
        cr_expect(row->rates.pico[EVENT_OUTPUT] >= 0 || row->rates.pico[EVENT_OUTPUT_AUDIO] >= 0 ||
                      row->rates.pico[EVENT_OUTPUT_IMAGE] >= 0,
                  "%s", id->id.data);
    }
    price_book_free(book);
}

Test(rollup_price, an_id_is_matched_exactly_and_only_within_its_provider)
{
    struct price_book *book = book_shipped();
    static const char *const strangers[] = {
        "gpt-4",   "gpt-4o-2024",        "gpt-4o-2024-08-06 ", "GPT-4o",
        "gpt-4o-", "gpt-5.4-2026-03-06", "openai/gpt-4o",      ""};
    cr_expect_not_null(price_book_find(book, str_of("openai"), str_of(strangers[0])));
    for (size_t i = 1; i < sizeof strangers / sizeof strangers[0]; i++)
        cr_expect_null(price_book_find(book, str_of("openai"), str_of(strangers[i])), "%s",
                       strangers[i]);
    cr_expect_null(price_book_find(book, str_of("anthropic"), str_of("gpt-4o")));
    cr_expect_null(price_book_find(book, str_of("openaig"), str_of("pt-4o")));
    char long_name[EVENT_MODEL_BYTES_MAX + 2];
    memset(long_name, 'x', sizeof long_name);
    cr_expect_null(price_book_find(book, str_of("openai"),
                                   (struct str){long_name, EVENT_MODEL_BYTES_MAX + 1}));
    price_book_free(book);
}

Test(rollup_price, a_price_change_holds_from_its_first_instant)
{
    struct price_book *book =
        book_of_text(BOOK_OF(ROW("null", RATES("1")) "," ROW("'2026-08-21'", RATES("2"))));
    cr_expect_eq(input_at(book, "2026-08-20T23:59:59.999Z", "2026-09-01"), 1000000);
    cr_expect_eq(input_at(book, "2026-08-21T00:00:00.000Z", "2026-09-01"), 2000000);
    price_book_free(book);
}

Test(rollup_price, a_model_has_no_price_before_its_first_row)
{
    struct price_book *book = book_of_text(BOOK_OF(ROW("'2026-08-21'", RATES("2"))));
    cr_expect_eq(input_at(book, "2026-08-20", "2026-09-01"), -1);
    price_book_free(book);
}

Test(rollup_price, what_was_learned_after_receipt_changes_nothing)
{
    /* The cut of 08-21 was learned on 09-05. */
    struct price_book *book = book_of_text(
        BOOK_OF(ROW("null", RATES("5")) ",{'from':'2026-08-21','recorded':"
                                        "'2026-09-05','tier':'standard'" RATES("4") "}"));
    cr_expect_eq(input_at(book, "2026-08-22", "2026-08-22"), 5000000, "not known then");
    cr_expect_eq(input_at(book, "2026-08-22", "2026-09-04T23:59:59Z"), 5000000);
    cr_expect_eq(input_at(book, "2026-08-22", "2026-09-05"), 4000000, "arrived late, known");
    cr_expect_eq(input_at(book, "2026-09-06", "2026-09-06"), 4000000);
    price_book_free(book);
}

Test(rollup_price, where_nothing_was_known_the_first_that_was_learned_holds_for_ever)
{
    const char *first = "{'from':null,'recorded':'2026-10-01','tier':'standard'" RATES("7") "}";
    const char *then =
        "{'from':'2026-05-01','recorded':'2026-11-01','tier':'standard'" RATES("9") "}";
    char text[1024];
    snprintf(text, sizeof text, BOOK_HEAD "{'provider':'p','model':'m','prices':[%s]}" BOOK_END,
             first);
    struct price_book *young = book_of_text(text);
    snprintf(text, sizeof text, BOOK_HEAD "{'provider':'p','model':'m','prices':[%s,%s]}" BOOK_END,
             first, then);
    struct price_book *grown = book_of_text(text);
    cr_expect_eq(input_at(young, "2026-06-01", "2026-06-01"), 7000000);
    cr_expect_eq(input_at(grown, "2026-06-01", "2026-06-01"), 7000000, "the book only grew");
    cr_expect_eq(input_at(grown, "2026-06-01", "2026-11-01"), 9000000);
    price_book_free(young);
    price_book_free(grown);
}

Test(rollup_price, of_rows_learned_on_one_day_the_latest_from_holds)
{
    struct price_book *book = book_of_text(BOOK_OF(ROW("null", RATES("1")) "," ROW(
        "'2025-03-01'", RATES("2")) "," ROW("'2025-06-01'", RATES("3"))));
    /* All recorded 2026-01-01, all events received before. */
    cr_expect_eq(input_at(book, "2025-02-01", "2025-02-01"), 1000000);
    cr_expect_eq(input_at(book, "2025-04-01", "2025-04-01"), 2000000);
    cr_expect_eq(input_at(book, "2025-07-01", "2025-07-01"), 3000000);
    price_book_free(book);
}

Test(rollup_price, a_correction_of_the_same_day_wins_once_it_is_known)
{
    struct price_book *book = book_of_text(
        BOOK_OF(ROW("'2026-02-01'", RATES("1")) ",{'from':'2026-02-01','recorded':'2026-03-01',"
                                                "'tier':'standard'" RATES("2") "}"));
    cr_expect_eq(input_at(book, "2026-02-15", "2026-02-15"), 1000000);
    cr_expect_eq(input_at(book, "2026-02-15", "2026-03-01"), 2000000);
    price_book_free(book);
}

Test(rollup_price, a_retracted_price_holds_for_what_arrived_before_and_for_nothing_after)
{
    /* A rise announced for 09-01 was called off on 09-03. */
    struct price_book *book = book_of_text(BOOK_OF(
        ROW("null", RATES("2")) "," ROW("'2026-09-01'", ",'retracted':'2026-09-03'" RATES("3"))));
    cr_expect_eq(input_at(book, "2026-08-31", "2026-08-31"), 2000000);
    cr_expect_eq(input_at(book, "2026-09-02", "2026-09-02"), 3000000, "believed on that day");
    cr_expect_eq(input_at(book, "2026-09-02", "2026-09-03"), 2000000);
    cr_expect_eq(input_at(book, "2026-10-01", "2026-10-01"), 2000000);
    price_book_free(book);
}

Test(rollup_price, a_retracted_price_is_never_learned_late)
{
    struct price_book *book =
        book_of_text(BOOK_OF(ROW("null", ",'retracted':'2026-02-01'" RATES("3"))));
    cr_expect_eq(input_at(book, "2025-06-01", "2025-06-01"), -1, "before it was recorded");
    cr_expect_eq(input_at(book, "2026-01-15", "2026-01-15"), 3000000, "while it was believed");
    cr_expect_eq(input_at(book, "2026-03-01", "2026-03-01"), -1, "after it was retracted");
    price_book_free(book);
}

Test(rollup_price, an_alias_means_what_it_meant_on_the_day)
{
    struct price_book *book =
        book_of_text(TWO_MODELS("'aliases':[" ALIAS("latest", "'2026-01-01'") "],",
                                "'aliases':[" ALIAS("latest", "'2026-10-07'") "],"));
    const struct price_id *id = price_book_find(book, str_of("p"), str_of("latest"));
    int64_t now = ms_of("2026-12-01");
    cr_assert_not_null(id);
    cr_expect_null(price_id_model(id, ms_of("2025-12-31"), now));
    cr_expect_eq(price_id_model(id, ms_of("2026-10-06T23:59:59.999Z"), now), &book->models[0]);
    cr_expect_eq(price_id_model(id, ms_of("2026-10-07"), now), &book->models[1]);
    price_book_free(book);
}

Test(rollup_price, the_words_of_a_response_mean_a_tier_or_nothing)
{
    static const struct {
        const char *word;
        int tier; /* -1: none */
    } words[] = {{"", PRICE_STANDARD},
                 {"standard", PRICE_STANDARD},
                 {"default", PRICE_STANDARD},
                 {"auto", PRICE_STANDARD},
                 {"batch", PRICE_BATCH},
                 {"flex", PRICE_FLEX},
                 {"priority", PRICE_PRIORITY},
                 {"fast", PRICE_PRIORITY},
                 {"Batch", -1},
                 {"scale", -1},
                 {"batc", -1},
                 {"batchx", -1}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        enum price_tier tier = PRICE_TIERS;
        bool found = price_tier_find(str_of(words[i].word), &tier);
        cr_expect_eq(found, words[i].tier >= 0, "%s", words[i].word);
        if (found)
            cr_expect_eq((int)tier, words[i].tier, "%s", words[i].word);
        else
            cr_expect_eq(tier, PRICE_TIERS, "%s", words[i].word);
    }
}

Test(rollup_price, a_book_of_thousands_of_models_finds_each)
{
    enum { MODELS = 3000, ROOM = MODELS * 160 };
    char *text = malloc(ROOM);
    cr_assert_not_null(text);
    size_t used = (size_t)snprintf(text, ROOM, "%s", BOOK_HEAD);
    for (int i = 0; i < MODELS; i++)
        used += (size_t)snprintf(text + used, ROOM - used,
                                 "%s{'provider':'p%d','model':'m%d','prices':[" ROW(
                                     "null", ",'rates':{'input':'%d'}") "]}",
                                 i > 0 ? "," : "", i % 3, i / 3, i);
    snprintf(text + used, ROOM - used, BOOK_END);
    struct price_book *book = book_of_text(text);
    for (int i = 0; i < MODELS; i++) {
        char provider[16], model[16];
        snprintf(provider, sizeof provider, "p%d", i % 3);
        snprintf(model, sizeof model, "m%d", i / 3);
        const struct price_id *id = price_book_find(book, str_of(provider), str_of(model));
        cr_assert_not_null(id, "%s %s", provider, model);
        cr_assert_eq(id->model->tiers[0].rows[0].rates.pico[EVENT_INPUT], (int64_t)i * 1000000);
    }
    price_book_free(book);
    free(text);
}

#include "tests/rollup/version.h"

#define HEAD "{'format':'gbill-prices/1','currency':'USD','unit':'1000000 tokens','models':["
#define MODEL(name, prices) "{'provider':'p','model':'" name "','prices':[" prices "]}"
#define ROW(from, recorded, more) \
    "{'from':" from ",'recorded':'" recorded "','tier':'standard'," more "}"
#define RATES "'rates':{'input':'2.5','output':'10'}"
#define OLD HEAD MODEL("m", ROW("null", "2026-11-24", RATES)) "]}"

static struct told told;

static void
compare(const char *old, const char *new)
{
    struct price_version before = version_of_text(old), after = version_of_text(new);
    told_of(&told, &before, &after);
    price_version_clear(&before);
    price_version_clear(&after);
}

Test(rollup_price_diff, equal_books_and_other_ways_to_write_them_differ_in_nothing)
{
    static const char *const same[] = {
        OLD,
        HEAD MODEL("m", ROW("null", "2026-11-24T00:00:00Z",
                            "'note':'x','rates':{'output':'10.00','input':'2.50'}")) "]}",
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        compare(OLD, same[i]);
        cr_expect_str_eq(told.text, "", "book %zu: %s", i, told.text);
        cr_expect_eq(told.diff.broken, 0);
    }
}

static const struct {
    const char *new, *want;
    bool breaks;
} changes[] = {
    {HEAD MODEL("m", ROW("null", "2026-11-24", RATES) "," ROW("'2026-12-01'", "2026-11-25",
                                                              "'rates':{'input':'3'}")) "]}",
     "row added|m|prices standard|input 3 (was 2.5, +20 %), no output (was 10)\n", false},
    {HEAD MODEL("m", ROW("null", "2026-11-24", "'retracted':'2026-11-25'," RATES)) "]}",
     "row retracted|m|prices standard|retracted 2026-11-25, input 2.5, output 10\n", false},
    {HEAD MODEL("l", ROW("null", "2026-11-25", RATES)) "," MODEL(
         "m", ROW("null", "2026-11-24", RATES)) "]}",
     "model added|l||1 prices, 0 aliases\n"
     "row added|l|prices standard|input 2.5, output 10\n",
     false},
    {HEAD "{'provider':'p','model':'m','aliases':[{'id':'a','from':null,'recorded':'2026-11-25'}],"
          "'prices':[" ROW("null", "2026-11-24", RATES) "]}]}",
     "row added|m|aliases a|\n", false},
    {HEAD MODEL("m", ROW("null", "2026-11-24", "'rates':{'input':'2.4','output':'10'}")) "]}",
     "ROW EDITED|m|prices standard|input 2.4 (was 2.5, -4 %)\n", true},
    {HEAD MODEL("m", ROW("null", "2026-11-24",
                         RATES ",'bands':[{'input_tokens':9,'op':'>','scope':'request',"
                               "'rates':{'input':'5'}}]")) "]}",
     "ROW EDITED|m|prices standard|>9 input 5 (new)\n", true},
    {HEAD MODEL("m", ROW("null", "2026-11-25", RATES)) "]}",
     "row added|m|prices standard|input 2.5, output 10\n"
     "ROW DELETED|m|prices standard|input 2.5, output 10\n",
     true},
    {HEAD MODEL("n", ROW("null", "2026-11-25", RATES)) "]}",
     "model added|n||1 prices, 0 aliases\n"
     "row added|n|prices standard|input 2.5, output 10\n"
     "MODEL DELETED|m||with all its rows\n",
     true},
    {HEAD MODEL("m", ROW("null", "2026-11-24", RATES) "," ROW("'2026-10-01'", "2026-11-24",
                                                              "'rates':{'input':'3'}")) "]}",
     "ROW ADDED IN THE PAST|m|prices standard|input 3 (was 2.5, +20 %), no output (was 10), "
     "recorded no later than what the old book had\n",
     true},
    {"{'format':'gbill-prices/1','currency':'EUR','unit':'1000000 tokens','models':[" MODEL(
         "m", ROW("null", "2026-11-24", RATES)) "]}",
     "BOOK EDITED|||currency EUR (was USD)\n", true},
};

Test(rollup_price_diff, each_change_is_told_and_those_that_change_old_bills_are_counted)
{
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        compare(OLD, changes[i].new);
        cr_expect_str_eq(told.text, changes[i].want, "change %zu: %s", i, told.text);
        cr_expect_eq(told.diff.broken, changes[i].breaks, "change %zu", i);
    }
}

Test(rollup_price_diff, a_retraction_stands_as_it_is_and_lies_after_the_old_book)
{
    const char *first =
        HEAD MODEL("m", ROW("null", "2026-11-20", "'retracted':'2026-11-22'," RATES) "," ROW(
                            "null", "2026-11-24", RATES)) "]}";
    compare(first, HEAD MODEL("m", ROW("null", "2026-11-20", RATES) "," ROW("null", "2026-11-24",
                                                                            RATES)) "]}");
    cr_expect_str_eq(told.text,
                     "ROW EDITED|m|prices standard|retracted no more (was 2026-11-22)\n");
    compare(
        HEAD MODEL("m", ROW("null", "2026-11-20", RATES) "," ROW("null", "2026-11-24", RATES)) "]}",
        first);
    cr_expect_str_eq(told.text,
                     "RETRACTED IN THE PAST|m|prices standard|retracted 2026-11-22, no "
                     "later than what the old book had, input 2.5, output 10\n",
                     "%s", told.text);
    cr_expect_eq(told.diff.broken, 1);
}

Test(rollup_price_diff, rows_of_an_organization_are_rows_of_their_own)
{
    compare(OLD,
            HEAD "{'provider':'p','model':'m','prices':[" ROW(
                "null", "2026-11-24",
                RATES) "],'overrides':[{'organization':'acme','prices':[" ROW("null", "2026-11-25",
                                                                              RATES) "]}]}]}");
    cr_expect_str_eq(told.text, "row added|m|acme prices standard|input 2.5, output 10\n", "%s",
                     told.text);
    cr_expect_eq(told.diff.broken, 0);
    compare(HEAD "{'provider':'p','model':'m','overrides':[{'organization':'a','prices':[" ROW(
                "null", "2026-11-24", RATES) "]}]}]}",
            HEAD "{'provider':'p','model':'m','overrides':[{'organization':'b','prices':[" ROW(
                "null", "2026-11-24", RATES) "]}]}]}");
    cr_expect_str_eq(told.text,
                     "ROW ADDED IN THE PAST|m|b prices standard|input 2.5, output 10, recorded no "
                     "later than what the old book had\n"
                     "ROW DELETED|m|a prices standard|input 2.5, output 10\n",
                     "%s", told.text);
}

Test(rollup_price_diff, a_fee_and_a_factor_are_told_like_a_rate)
{
    compare(HEAD MODEL("m", ROW("null", "2026-11-24", RATES ",'fees':{'web_search':'10'}")) "]}",
            HEAD MODEL("m", ROW("null", "2026-11-24",
                                RATES ",'fees':{'web_search':'25'},"
                                      "'factors':{'region':{'us':'1.1'}}")) "]}");
    cr_expect_str_eq(told.text,
                     "ROW EDITED|m|prices standard|fees web_search 25 (was 10, +150 %), "
                     "factors region us 1.1 (new)\n",
                     "%s", told.text);
}

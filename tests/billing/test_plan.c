#include <criterion/criterion.h>
#include <string.h>

#include "tests/billing/office.h"

TestSuite(billing_plan, .init = office_open, .fini = office_close);

#define HEAD \
    "{'format':'gbill-plans/1','currency':'USD','minor_digits':2,'default':'free','plans':["
#define TAIL "]}"
#define LIMITS "'limits':{'projects':1,'documents':2,'ai_credits':3,'members':null}"
#define REST "'overage_per_million':null,'support':'email','analytics':'basic'}"
#define FREE "{'id':'free','name':'Free','order':1,'monthly_fee':'0'," LIMITS "," REST
#define BIG(order, fee, limits, overage)                                        \
    ",{'id':'big','name':'Big','order':" order ",'monthly_fee':" fee "," limits \
    ",'overage_per_million':" overage ",'support':'email','analytics':'basic'}"
#define BOOK(more) HEAD FREE more TAIL

/* Each with what its line of error must say. */
static const struct {
    const char *text, *says;
    enum err_code code;
} wrong[] = {
    {"", "", ERR_CONFIG},
    {"[]", "must be an object", ERR_CONFIG},
    {"{'format':'gbill-plans/1','format':'gbill-plans/1'}", "duplicate", ERR_CONFIG},
    {"{'format':'gbill-plans/2','currency':'USD','minor_digits':2,'default':'free','plans':[]}",
     "\"format\" is \"gbill-plans/2\"", ERR_CONFIG},
    {"{'currency':'USD','minor_digits':2,'default':'free','plans':[" FREE "]}",
     "\"format\" is missing", ERR_CONFIG},
    {"{'format':'gbill-plans/1','currency':'usd','minor_digits':2,'default':'free','plans':[" FREE
     "]}",
     "\"currency\" is \"usd\"", ERR_CONFIG},
    {"{'format':'gbill-plans/1','currency':'USDT','minor_digits':2,'default':'free','plans':[" FREE
     "]}",
     "\"currency\" is \"USDT\"", ERR_CONFIG},
    {"{'format':'gbill-plans/1','currency':'USD','default':'free','plans':[" FREE "]}",
     "\"minor_digits\" is missing", ERR_CONFIG},
    {"{'format':'gbill-plans/1','currency':'JPY','minor_digits':2,'default':'free','plans':[" FREE
     "]}",
     "JPY has 0", ERR_CONFIG},
    {"{'format':'gbill-plans/1','currency':'USD','minor_digits':5,'default':'free','plans':[" FREE
     "]}",
     "0 to 4", ERR_CONFIG},
    {"{'format':'gbill-plans/1','currency':'USD','minor_digits':2,'plans':[" FREE "]}",
     "\"default\" is missing", ERR_CONFIG},
    {"{'format':'gbill-plans/1','currency':'USD','minor_digits':2,'default':'fre','plans':[" FREE
     "]}",
     "\"default\" is \"fre\", which is no plan", ERR_CONFIG},
    {HEAD TAIL, "\"plans\" is empty", ERR_CONFIG},
    {HEAD "1" TAIL, "plans[0]: must be an object", ERR_CONFIG},
    {BOOK(",{'id':'x','colour':'red'}"), "unknown key \"colour\"", ERR_CONFIG},
    {BOOK("," FREE), "plans[1] free: plans[0] has this id already", ERR_CONFIG},
    {BOOK(BIG("1", "'1'", LIMITS, "null")), "\"order\" is 1, as that of free", ERR_CONFIG},
    {BOOK(BIG("0", "'1'", LIMITS, "null")), "\"order\" is 0, must lie in 1", ERR_CONFIG},
    {BOOK(BIG("null", "'1'", LIMITS, "null")), "\"order\" is missing", ERR_CONFIG},
    {BOOK(BIG("2", "29", LIMITS, "null")), "\"monthly_fee\" is a number, must be a text",
     ERR_CONFIG},
    {BOOK(BIG("2", "'-1'", LIMITS, "null")), "\"monthly_fee\" is \"-1\"", ERR_CONFIG},
    {BOOK(BIG("2", "'+1'", LIMITS, "null")), "\"monthly_fee\" is \"+1\"", ERR_CONFIG},
    {BOOK(BIG("2", "''", LIMITS, "null")), "\"monthly_fee\" is \"\"", ERR_CONFIG},
    {BOOK(BIG("2", "'1e3'", LIMITS, "null")), "\"monthly_fee\" is \"1e3\"", ERR_CONFIG},
    {BOOK(BIG("2", "'29.001'", LIMITS, "null")), "at most 2 decimals", ERR_CONFIG},
    {BOOK(BIG("2", "'9223373'", LIMITS, "null")), "beyond 9223372 USD", ERR_CONFIG},
    {BOOK(BIG("2", "'1'", LIMITS, "'0.0000001'")), "at most 6 decimals", ERR_CONFIG},
    {BOOK(BIG("2", "'1'", LIMITS, "'-25'")), "\"overage_per_million\" is \"-25\"", ERR_CONFIG},
    {BOOK(BIG("2", "'1'", LIMITS, "25")), "must be a text", ERR_CONFIG},
    {BOOK(BIG("2", "'1'", "'limits':{'projects':1,'documents':1,'ai_credits':null,'members':1}",
              "'25'")),
     "must be null, since the AI credits are unlimited", ERR_CONFIG},
    {BOOK(BIG("2", "'1'", "'limits':{'projects':1,'documents':1,'ai_credits':1}", "null")),
     "plans[1] big limits: \"members\" is missing", ERR_CONFIG},
    {BOOK(BIG("2", "'1'", "'limits':{'projects':1,'documents':1,'ai_credits':1,'members':-1}",
              "null")),
     "\"members\" is -1", ERR_CONFIG},
    {BOOK(BIG("2", "'1'", "'limits':{'projects':1.5,'documents':1,'ai_credits':1,'members':1}",
              "null")),
     "must be a whole number", ERR_CONFIG},
    {BOOK(BIG("2", "'1'",
              "'limits':{'projects':1,'documents':1,'ai_credits':1,'members':1,'seats':1}",
              "null")),
     "unknown key \"seats\"", ERR_CONFIG},
    {BOOK(BIG("2", "'1'", "'limits':[]", "null")), "must be an object", ERR_CONFIG},
    {BOOK(BIG("2", "'1'", "'limits':null", "null")), "\"limits\" is missing", ERR_CONFIG},
    {BOOK(",{'id':'x','name':'X','order':2,'monthly_fee':'1'," LIMITS
          ",'support':'email','analytics':'basic'}"),
     "\"overage_per_million\" is missing", ERR_CONFIG},
    {BOOK(",{'id':'','name':'X','order':2,'monthly_fee':'1'," LIMITS "," REST),
     "\"id\" has 0 bytes", ERR_CONFIG},
    {BOOK(",{'id':'a b','name':'X','order':2,'monthly_fee':'1'," LIMITS "," REST),
     "printable ASCII", ERR_CONFIG},
    {BOOK(",{'id':'x','name':'X\\nY','order':2,'monthly_fee':'1'," LIMITS "," REST),
     "control character", ERR_CONFIG},
    {BOOK(",{'id':'x','order':2,'monthly_fee':'1'," LIMITS "," REST), "\"name\" is missing",
     ERR_CONFIG},
    {"{'format':'gbill-plans/1','currency':'USD','minor_digits':2,'default':'big','plans':[" FREE
         BIG("2", "'1'", LIMITS, "null") "]}",
     "\"monthly_fee\" is not 0", ERR_CONFIG},
};

Test(billing_plan, every_wrong_book_is_refused_with_one_line_that_names_it)
{
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const char *path = office_book(wrong[i].text);
        struct plan_book *book = NULL;
        struct err err = {.code = ERR_OK};
        cr_expect_eq(plan_book_load(path, &book, &err), wrong[i].code, "%s: %s", wrong[i].text,
                     err.text);
        cr_expect_null(book);
        cr_expect_not_null(strstr(err.text, wrong[i].says), "%s must say %s", err.text,
                           wrong[i].says);
        cr_expect_eq(strncmp(err.text, path, strlen(path)), 0, "%s does not name its file",
                     err.text);
        cr_expect_null(strchr(err.text, '\n'));
    }
}

Test(billing_plan, the_wrong_books_are_wrong_by_one_thing_only)
{
    struct plan_book *book = office_load(office_book(BOOK(BIG("2", "'29.10'", LIMITS, "'25'"))));
    cr_expect_eq(book->plan_count, 2);
    cr_expect_eq(book->plans[1].fee_pico, 29100000000000);
    cr_expect_eq(book->plans[1].overage_pico, 25000000);
    cr_expect(book->plans[1].sells_overage);
    cr_expect_not(book->plans[0].sells_overage);
    plan_book_free(book);
}

Test(billing_plan, a_missing_file_is_not_found)
{
    struct plan_book *book = NULL;
    struct err err;
    cr_expect_eq(plan_book_load("/nowhere/plans.json", &book, &err), ERR_NOT_FOUND);
    plan_book_free(NULL);
}

Test(billing_plan, the_shipped_book_has_the_four_plans_as_they_are_sold)
{
    static const struct {
        const char *id, *support, *analytics;
        int64_t fee_dollars;
        uint64_t projects, documents, credits, members;
    } want[] = {
        {"starter", "email", "basic", 0, 3, 25, 100000, 1},
        {"pro", "priority", "advanced", 29, 15, 200, 1000000, 5},
        {"team", "priority", "advanced", 99, 50, 1000, 5000000, 25},
        {"enterprise", "dedicated", "enterprise", 299, LIMIT_UNLIMITED, LIMIT_UNLIMITED,
         LIMIT_UNLIMITED, LIMIT_UNLIMITED},
    };
    struct plan_book *book = office_load(SHIPPED_PLANS);
    cr_assert_eq(book->plan_count, 4);
    cr_expect_eq(book->default_plan, &book->plans[0]);
    cr_expect_str_eq(book->currency, "USD");
    for (size_t i = 0; i < 4; i++) {
        const struct plan *p = &book->plans[i];
        cr_expect(str_is(p->id, want[i].id), "%s", want[i].id);
        cr_expect(str_is(p->support, want[i].support), "%s", want[i].id);
        cr_expect(str_is(p->analytics, want[i].analytics), "%s", want[i].id);
        cr_expect_eq(p->fee_pico, want[i].fee_dollars * MONEY_PICO_PER_UNIT, "%s", want[i].id);
        cr_expect_eq(p->limits[LIMIT_PROJECTS], want[i].projects, "%s", want[i].id);
        cr_expect_eq(p->limits[LIMIT_DOCUMENTS], want[i].documents, "%s", want[i].id);
        cr_expect_eq(p->limits[LIMIT_AI_CREDITS], want[i].credits, "%s", want[i].id);
        cr_expect_eq(p->limits[LIMIT_MEMBERS], want[i].members, "%s", want[i].id);
        cr_expect_eq(p->sells_overage, i == 1 || i == 2, "%s", want[i].id);
    }
    plan_book_free(book);
}

Test(billing_plan, plans_are_kept_by_order_whatever_the_order_in_the_file)
{
    struct plan_book *book = office_load(office_book(
        HEAD "{'id':'z','name':'Z','order':9,'monthly_fee':'1'," LIMITS "," REST
             ",{'id':'y','name':'Y','order':5,'monthly_fee':'1'," LIMITS "," REST "," FREE TAIL));
    cr_expect(str_is(book->plans[0].id, "free"));
    cr_expect(str_is(book->plans[1].id, "y"));
    cr_expect(str_is(book->plans[2].id, "z"));
    plan_book_free(book);
}

Test(billing_plan, an_upgrade_is_the_smallest_plan_that_would_allow_one_more)
{
    struct plan_book *b = office_load(SHIPPED_PLANS);
    const struct plan *starter = &b->plans[0], *pro = &b->plans[1], *team = &b->plans[2],
                      *enterprise = &b->plans[3];
    cr_expect_eq(plan_upgrade(b, starter, LIMIT_PROJECTS, 3), pro);
    cr_expect_eq(plan_upgrade(b, starter, LIMIT_PROJECTS, 14), pro);
    cr_expect_eq(plan_upgrade(b, starter, LIMIT_PROJECTS, 15), team);
    cr_expect_eq(plan_upgrade(b, pro, LIMIT_PROJECTS, 50), enterprise);
    cr_expect_null(plan_upgrade(b, enterprise, LIMIT_PROJECTS, 50));
    /* Pro sells overage, so it allows more credits than it includes. */
    cr_expect_eq(plan_upgrade(b, starter, LIMIT_AI_CREDITS, 9000000), pro);
    plan_book_free(b);
}

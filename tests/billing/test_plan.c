#include <criterion/criterion.h>
#include <string.h>

#include "tests/billing/office.h"

TestSuite(billing_plan, .init = office_open, .fini = office_close);

#define TOP(more) "{'format':'gbill-plans/2','currency':'USD','minor_digits':2," more "'plans':["
#define HEAD TOP("'default':'free',")
#define TAIL "]}"
#define LIMITS "'limits':{'projects':1,'documents':2,'ai_credits':3,'members':null}"
#define WORDS "'support':'email','analytics':'basic'"
#define NONE "'charges':[]"
#define VERSION(terms) "{" terms "," WORDS "}"
#define PLAN(head, versions) "{" head ",'versions':[" versions "]}"
#define FREE PLAN("'id':'free','name':'Free','order':1", VERSION(LIMITS "," NONE))
#define BIG(terms) "," PLAN("'id':'big','name':'Big','order':2", VERSION(terms))
#define BOOK(more) HEAD FREE more TAIL
#define CHARGE(text) BOOK(BIG(LIMITS ",'charges':[{'id':'c'," text "}]"))
#define COUNTED "'meter':'ai_credits',"

/* Each with what its line of error must say. */
static const struct {
    const char *text, *says;
    enum err_code code;
} wrong[] = {
    {"", "", ERR_CONFIG},
    {"[]", "must be an object", ERR_CONFIG},
    {"{'format':'gbill-plans/2','format':'gbill-plans/2'}", "duplicate", ERR_CONFIG},
    {"{'format':'gbill-plans/1','currency':'USD','minor_digits':2,'default':'free','plans':[]}",
     "\"format\" is \"gbill-plans/1\"", ERR_CONFIG},
    {"{'currency':'USD','minor_digits':2,'default':'free','plans':[" FREE "]}",
     "\"format\" is missing", ERR_CONFIG},
    {"{'format':'gbill-plans/2','currency':'usd','minor_digits':2,'default':'free','plans':[" FREE
     "]}",
     "\"currency\" is \"usd\"", ERR_CONFIG},
    {"{'format':'gbill-plans/2','minor_digits':2,'default':'free','plans':[" FREE "]}",
     "\"currency\" is missing", ERR_CONFIG},
    {"{'format':'gbill-plans/2','currency':'USD','default':'free','plans':[" FREE "]}",
     "\"minor_digits\" is missing", ERR_CONFIG},
    {"{'format':'gbill-plans/2','currency':'JPY','minor_digits':2,'default':'free','plans':[" FREE
     "]}",
     "JPY has 0", ERR_CONFIG},
    {TOP("") FREE TAIL, "\"default\" is missing", ERR_CONFIG},
    {TOP("'default':'fre',") FREE TAIL, "\"default\" is \"fre\", which is no plan", ERR_CONFIG},
    {HEAD TAIL, "\"plans\" is empty", ERR_CONFIG},
    {HEAD "1" TAIL, "plans[0]: must be an object", ERR_CONFIG},
    {BOOK(",{'id':'x','colour':'red'}"), "unknown key \"colour\"", ERR_CONFIG},
    {BOOK("," FREE), "plans[1] free: plans[0] has this id already", ERR_CONFIG},
    {BOOK("," PLAN("'id':'x','name':'X','order':1", VERSION(LIMITS "," NONE))),
     "\"order\" is 1, as that of free", ERR_CONFIG},
    {BOOK("," PLAN("'id':'x','name':'X','order':0", VERSION(LIMITS "," NONE))),
     "\"order\" is 0, must lie in 1", ERR_CONFIG},
    {BOOK("," PLAN("'id':'x','name':'X'", VERSION(LIMITS "," NONE))), "\"order\" is missing",
     ERR_CONFIG},
    {BOOK("," PLAN("'id':'a b','name':'X','order':2", VERSION(LIMITS "," NONE))), "printable ASCII",
     ERR_CONFIG},
    {BOOK("," PLAN("'id':'','name':'X','order':2", VERSION(LIMITS "," NONE))), "\"id\" has 0 bytes",
     ERR_CONFIG},
    {BOOK("," PLAN("'id':'x','name':'X\\nY','order':2", VERSION(LIMITS "," NONE))),
     "control character", ERR_CONFIG},
    {BOOK("," PLAN("'id':'x','name':'X','order':2,'currency':'EUR'", VERSION(LIMITS "," NONE))),
     "\"currency\" is EUR, of which \"rates\" has none", ERR_CONFIG},
    {BOOK("," PLAN("'id':'x','name':'X','order':2,'organizations':[]", VERSION(LIMITS "," NONE))),
     "\"organizations\" is empty", ERR_CONFIG},
    {BOOK("," PLAN("'id':'x','name':'X','order':2", "")), "\"versions\" is empty", ERR_CONFIG},
    {BOOK("," PLAN("'id':'x','name':'X','order':2", VERSION("'from':'2026-01'," LIMITS "," NONE))),
     "it has no \"from\"", ERR_CONFIG},
    {BOOK("," PLAN("'id':'x','name':'X','order':2",
                   VERSION(LIMITS "," NONE) "," VERSION(LIMITS "," NONE))),
     "\"from\" is missing", ERR_CONFIG},
    {BOOK("," PLAN("'id':'x','name':'X','order':2",
                   VERSION(LIMITS "," NONE) "," VERSION(
                       "'from':'2026-02'," LIMITS
                       "," NONE) "," VERSION("'from':'2026-01'," LIMITS "," NONE))),
     "\"from\" must be behind that of versions[1]", ERR_CONFIG},
    {BOOK("," PLAN("'id':'x','name':'X','order':2",
                   VERSION(LIMITS "," NONE) "," VERSION("'from':'2026-02','period':'year'," LIMITS
                                                        "," NONE))),
     "other ones are another plan", ERR_CONFIG},
    {BOOK("," PLAN("'id':'x','name':'X','order':2",
                   VERSION(LIMITS "," NONE) "," VERSION("'from':'soon'," LIMITS "," NONE))),
     "\"from\" is \"soon\", no time", ERR_CONFIG},
    {BOOK(BIG(LIMITS "," NONE ",'period':'week'")), "must be one of month, quarter, year",
     ERR_CONFIG},
    {BOOK(BIG(LIMITS "," NONE ",'period':{}")), "either \"months\" or \"days\"", ERR_CONFIG},
    {BOOK(BIG(LIMITS "," NONE ",'period':{'days':7}")), "must be \"anchored\"", ERR_CONFIG},
    {BOOK(BIG(LIMITS "," NONE ",'period':'quarter','usage_period':{'months':2}")),
     "\"usage_period\" must divide \"period\"", ERR_CONFIG},
    {BOOK(BIG(LIMITS "," NONE ",'day_count':'hours'")), "must be one of seconds, days", ERR_CONFIG},
    {BOOK(BIG("'limits':{'projects':1,'documents':1,'ai_credits':1}," NONE)),
     "plans[1] big versions[0] limits: \"members\" is missing", ERR_CONFIG},
    {BOOK(BIG("'limits':{'projects':1,'documents':1,'ai_credits':1,'members':-1}," NONE)),
     "\"members\" is -1", ERR_CONFIG},
    {BOOK(BIG("'limits':{'projects':1,'documents':1,'ai_credits':{},'members':1}," NONE)),
     "\"soft\" is missing", ERR_CONFIG},
    {BOOK(BIG("'limits':{'projects':1,'documents':1,'ai_credits':1,'members':1,'seats':1}," NONE)),
     "unknown key \"seats\"", ERR_CONFIG},
    {BOOK(BIG("'limits':null," NONE)), "\"limits\" is missing", ERR_CONFIG},
    {BOOK(BIG(LIMITS "," NONE ",'rate_limits':{'requests_per_minute':0}")),
     "\"requests_per_minute\" is 0", ERR_CONFIG},
    {BOOK(BIG(LIMITS "," NONE ",'weights':[{'model':'m','weight':'-1'}]")), "\"weight\" is \"-1\"",
     ERR_CONFIG},
    {BOOK(
         BIG(LIMITS "," NONE ",'weights':[{'model':'m','weight':'1'},{'model':'m','weight':'2'}]")),
     "of this model already", ERR_CONFIG},
    {BOOK(BIG(LIMITS)), "\"charges\" is missing", ERR_CONFIG},
    {CHARGE("'amount':'1'"), "\"model\" is missing", ERR_CONFIG},
    {CHARGE("'model':'tiered'"), "must be one of flat, per_unit", ERR_CONFIG},
    {CHARGE("'model':'flat','amount':29"), "must be a text", ERR_CONFIG},
    {CHARGE("'model':'flat','amount':'-1'"), "\"amount\" is \"-1\"", ERR_CONFIG},
    {CHARGE("'model':'flat','amount':'1e3'"), "\"amount\" is \"1e3\"", ERR_CONFIG},
    {CHARGE("'model':'flat','amount':'9223373'"), "below 9223372", ERR_CONFIG},
    {CHARGE("'model':'flat','amount':'1','bill':'now'"), "must be one of arrears, advance",
     ERR_CONFIG},
    {CHARGE("'model':'flat','amount':'1','minimum':'1'"), "unknown key \"minimum\"", ERR_CONFIG},
    {CHARGE("'model':'flat','amount':'1','discount_percent':'100.1'"), "more than 100 percent",
     ERR_CONFIG},
    {CHARGE("'model':'per_unit','price':'1'"), "\"meter\" is missing", ERR_CONFIG},
    {CHARGE("'model':'per_unit'," COUNTED "'price':'0.0000000000001'"), "at most 12 decimals",
     ERR_CONFIG},
    {CHARGE("'model':'per_unit'," COUNTED "'price':'1','per':1000"), "belong together", ERR_CONFIG},
    {CHARGE("'model':'per_unit'," COUNTED "'price':'1','minimum':'2','maximum':'1'"),
     "\"minimum\" is more than \"maximum\"", ERR_CONFIG},
    {CHARGE("'model':'graduated'," COUNTED "'tiers':[]"), "\"tiers\" has 0", ERR_CONFIG},
    {CHARGE("'model':'graduated'," COUNTED "'tiers':[{'price':'1'}]"), "\"up_to\" is missing",
     ERR_CONFIG},
    {CHARGE("'model':'volume'," COUNTED "'tiers':[{'up_to':'5','price':'1'}]"),
     "must be null in the last tier", ERR_CONFIG},
    {CHARGE("'model':'volume'," COUNTED
            "'tiers':[{'up_to':'5'},{'up_to':'5'},{'up_to':null,'price':'1'}]"),
     "tiers[1]: \"up_to\" must be more", ERR_CONFIG},
    {CHARGE("'model':'package'," COUNTED "'price':'1'"), "\"size\" is missing", ERR_CONFIG},
    {CHARGE("'model':'block'," COUNTED
            "'tiers':[{'size':1,'price':'1'},{'size':1,'price':'1','blocks':1}]"),
     "\"blocks\" may be missing in the last", ERR_CONFIG},
    {CHARGE("'model':'percentage'," COUNTED "'percent':'1'"), "\"meter\" must be llm_cost",
     ERR_CONFIG},
    {CHARGE("'model':'cost_plus','meter':'llm_cost'"), "\"markup_percent\" is missing", ERR_CONFIG},
    {BOOK(BIG(LIMITS ",'charges':[{'id':'c','model':'flat','amount':'1'},"
                     "{'id':'c','model':'flat','amount':'1'}]")),
     "has the id \"c\" already", ERR_CONFIG},
    {TOP("'default':'big',") FREE BIG(LIMITS ",'charges':[{'id':'c','model':'flat','amount':'1'}]")
         TAIL,
     "nobody agreed to pay", ERR_CONFIG},
    {TOP("'default':'big',") FREE BIG(LIMITS "," NONE ",'period':'year'") TAIL,
     "must be the calendar month", ERR_CONFIG},
    {TOP("'default':'free','rates':[{'currency':'EUR','rate':'1'}],") FREE TAIL,
     "\"from\" is missing", ERR_CONFIG},
    {TOP("'default':'free','rates':[{'currency':'EUR','from':'2026','rate':'0'}],") FREE TAIL,
     "no time", ERR_CONFIG},
    {TOP("'default':'free','rates':[{'currency':'EUR','from':'2026-01','rate':'0'}],") FREE TAIL,
     "\"rate\" must be above 0", ERR_CONFIG},
    {TOP("'default':'free','rates':[{'currency':'USD','from':'2026-01','rate':'1'}],") FREE TAIL,
     "the book's own", ERR_CONFIG},
    {TOP("'default':'free','rates':[{'currency':'EUR','from':'2026-02','rate':'1'},"
         "{'currency':'EUR','from':'2026-01','rate':'1'}],") FREE TAIL,
     "rates stand by currency", ERR_CONFIG},
    {TOP("'default':'free','cost_currency':'GBP',")
         FREE BIG(LIMITS ",'charges':[{'id':'c','model':'cost_plus','meter':'llm_cost',"
                         "'markup_percent':'20'}]") TAIL,
     "charges by LLM cost, which is in GBP", ERR_CONFIG},
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
    struct plan_book *book = office_load(office_book(
        TOP("'default':'free','rates':[{'currency':'EUR','from':'2026-01','rate':'0.92'},"
            "{'currency':'EUR','from':'2026-02','rate':'0.93'}],")
            FREE BIG(LIMITS ",'period':{'months':6},'usage_period':'month','cycle':'anchored',"
                            "'day_count':'days','trial_days':14,'commitment':'50',"
                            "'weights':[{'model':'m','weight':'2.5'},{'model':'*','weight':'0.5'}],"
                            "'rate_limits':{'requests_per_minute':60},"
                            "'charges':[{'id':'c','name':'C','model':'flat','amount':'29.10',"
                            "'bill':'advance','prorate':false,'discount_percent':'7.5'},"
                            "{'id':'p','model':'per_unit','meter':'calls','price':'1','per':1000,"
                            "'round':'up','models':['m'],'free_units':'0.5','minimum':'1',"
                            "'maximum':'2'}]") TAIL));
    cr_assert_eq(book->plan_count, 2);
    const struct plan_terms *t = &book->plans[1].terms[0];
    cr_expect_eq(t->cycle.months, 6);
    cr_expect_eq(t->usage_cycle.months, 1);
    cr_expect(t->cycle.anchored && t->usage_cycle.anchored);
    cr_expect_eq(t->day_count, CYCLE_DAYS);
    cr_expect_eq(t->trial_days, 14);
    cr_expect_eq(t->commitment_pico, 50 * MONEY_PICO_PER_UNIT);
    cr_expect_eq(t->weights[0].weight, 2500000);
    cr_expect_eq(t->weight_other, 500000);
    cr_expect_eq(t->requests_per_minute, 60);
    cr_expect_eq(t->tokens_per_minute, LIMIT_UNLIMITED);
    cr_assert_eq(t->charge_count, 2);
    cr_expect_eq(t->charges[0].price_pico, 29100000000000);
    cr_expect(t->charges[0].in_advance && !t->charges[0].prorated);
    cr_expect_eq(t->charges[0].discount, 7500000);
    cr_expect(t->charges[1].has_minimum && t->charges[1].has_maximum);
    cr_expect_eq(t->charges[1].model_count, 1);
    cr_expect_eq(plan_rate_at(book, "EUR", ms_of("2025-01-01")), 920000000);
    cr_expect_eq(plan_rate_at(book, "EUR", ms_of("2026-01-31")), 920000000);
    cr_expect_eq(plan_rate_at(book, "EUR", ms_of("2026-02-01")), 930000000);
    cr_expect_eq(plan_rate_at(book, "USD", 0), 1000000000);
    cr_expect_eq(plan_rate_at(book, "GBP", 0), 0);
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
        int64_t fee_dollars, credit_pico;
        uint64_t projects, documents, credits, members;
    } want[] = {
        {"starter", "email", "basic", 0, 0, 3, 25, 100000, 1},
        {"pro", "priority", "advanced", 29, 25000000, 15, 200, 1000000, 5},
        {"team", "priority", "advanced", 99, 20000000, 50, 1000, 5000000, 25},
        {"enterprise", "dedicated", "enterprise", 299, 0, LIMIT_UNLIMITED, LIMIT_UNLIMITED,
         LIMIT_UNLIMITED, LIMIT_UNLIMITED},
    };
    struct plan_book *book = office_load(SHIPPED_PLANS);
    cr_assert_eq(book->plan_count, 4);
    cr_expect_eq(book->default_plan, &book->plans[0]);
    cr_expect_str_eq(book->currency, "USD");
    for (size_t i = 0; i < 4; i++) {
        const struct plan *p = &book->plans[i];
        const struct plan_terms *t = plan_terms_at(p, ms_of("2026-11-24"));
        int64_t fee = t->charge_count > 0 ? t->charges[0].price_pico : 0;
        cr_expect(str_is(p->id, want[i].id), "%s", want[i].id);
        cr_expect(str_is(t->support, want[i].support), "%s", want[i].id);
        cr_expect(str_is(t->analytics, want[i].analytics), "%s", want[i].id);
        cr_expect_eq(fee, want[i].fee_dollars * MONEY_PICO_PER_UNIT, "%s", want[i].id);
        cr_expect_eq(t->limits[LIMIT_PROJECTS], want[i].projects, "%s", want[i].id);
        cr_expect_eq(t->limits[LIMIT_DOCUMENTS], want[i].documents, "%s", want[i].id);
        cr_expect_eq(t->limits[LIMIT_AI_CREDITS], want[i].credits, "%s", want[i].id);
        cr_expect_eq(t->limits[LIMIT_MEMBERS], want[i].members, "%s", want[i].id);
        cr_expect_eq(t->soft[LIMIT_AI_CREDITS], want[i].credit_pico > 0, "%s", want[i].id);
        cr_expect_eq(plan_credit_price(t), want[i].credit_pico, "%s", want[i].id);
    }
    plan_book_free(book);
}

Test(billing_plan, plans_are_kept_by_order_whatever_the_order_in_the_file)
{
    struct plan_book *book = office_load(
        office_book(HEAD PLAN("'id':'z','name':'Z','order':9", VERSION(LIMITS "," NONE)) "," PLAN(
            "'id':'y','name':'Y','order':5", VERSION(LIMITS "," NONE)) "," FREE TAIL));
    cr_expect(str_is(book->plans[0].id, "free"));
    cr_expect(str_is(book->plans[1].id, "y"));
    cr_expect(str_is(book->plans[2].id, "z"));
    plan_book_free(book);
}

Test(billing_plan, a_version_holds_from_its_date_and_the_first_before_all)
{
    struct plan_book *book = office_load(office_book(BOOK("," PLAN(
        "'id':'x','name':'X','order':2",
        VERSION(LIMITS "," NONE) "," VERSION("'from':'2026-02'," LIMITS "," NONE) "," VERSION(
            "'from':'2026-03'," LIMITS "," NONE)))));
    const struct plan *p = &book->plans[1];
    cr_expect_eq(plan_terms_at(p, 0), &p->terms[0]);
    cr_expect_eq(plan_terms_at(p, ms_of("2026-02-01") - 1), &p->terms[0]);
    cr_expect_eq(plan_terms_at(p, ms_of("2026-02-01")), &p->terms[1]);
    cr_expect_eq(plan_terms_at(p, ms_of("2027-01-01")), &p->terms[2]);
    plan_book_free(book);
}

Test(billing_plan, an_upgrade_is_the_smallest_plan_that_would_allow_one_more)
{
    struct plan_book *b = office_load(SHIPPED_PLANS);
    const struct plan *starter = &b->plans[0], *pro = &b->plans[1], *team = &b->plans[2],
                      *enterprise = &b->plans[3];
    struct str acme = str_of("acme");
    int64_t now = ms_of("2026-11-24");
    cr_expect_eq(plan_upgrade(b, starter, acme, now, LIMIT_PROJECTS, 3), pro);
    cr_expect_eq(plan_upgrade(b, starter, acme, now, LIMIT_PROJECTS, 14), pro);
    cr_expect_eq(plan_upgrade(b, starter, acme, now, LIMIT_PROJECTS, 15), team);
    cr_expect_eq(plan_upgrade(b, pro, acme, now, LIMIT_PROJECTS, 50), enterprise);
    cr_expect_null(plan_upgrade(b, enterprise, acme, now, LIMIT_PROJECTS, 50));
    /* Pro sells overage, so it allows more credits than it includes. */
    cr_expect_eq(plan_upgrade(b, starter, acme, now, LIMIT_AI_CREDITS, 9000000), pro);
    plan_book_free(b);
}

Test(billing_plan, a_custom_plan_is_an_upgrade_for_its_own_organizations_alone)
{
    struct plan_book *b = office_load(office_book(BOOK("," PLAN(
        "'id':'own','name':'Own','order':2,'organizations':['acme','zeta']",
        VERSION("'limits':{'projects':9,'documents':2,'ai_credits':3,'members':1}," NONE)))));
    const struct plan *own = &b->plans[1];
    cr_expect(plan_is_for(own, str_of("zeta")));
    cr_expect_not(plan_is_for(own, str_of("other")));
    cr_expect_eq(plan_upgrade(b, &b->plans[0], str_of("acme"), 0, LIMIT_PROJECTS, 1), own);
    cr_expect_null(plan_upgrade(b, &b->plans[0], str_of("other"), 0, LIMIT_PROJECTS, 1));
    plan_book_free(b);
}

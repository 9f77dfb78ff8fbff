#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "billing/parties.h"
#include "tests/support/temp_dir.h"

/* ' stands for ". */
static enum err_code
load(const char *text, struct parties **ret, struct err *err)
{
    struct temp_dir dir = temp_dir_make();
    char path[160];
    snprintf(path, sizeof path, "%s/parties.json", dir.path);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    for (const char *p = text; *p != '\0'; p++)
        fputc(*p == '\'' ? '"' : *p, f);
    fclose(f);
    enum err_code code = parties_load(path, ret, err);
    temp_dir_remove(&dir);
    return code;
}

Test(reports_parties, what_the_file_says_is_there_and_nothing_else)
{
    struct parties *p = NULL;
    struct err err;
    cr_assert_eq(load("{'format':'gbill-parties/1','seller':{'name':'S','address':['a','b'],"
                      "'taxId':'T','email':'x@y','web':'https://z'},'paymentDays':0,"
                      "'paymentTerms':'now','footer':'f','font':'Lato','customers':{"
                      "'acme':{'name':'Äcme','reference':'PO'},'b':{}}}",
                      &p, &err),
                 ERR_OK, "%s", err.text);
    struct parties_party s = parties_seller(p), c = parties_customer(p, str_of("acme"));
    cr_expect_str_eq(s.name, "S");
    cr_expect_eq(s.address_count, 2);
    cr_expect_str_eq(s.address[1], "b");
    cr_expect_str_eq(s.web, "https://z");
    cr_expect_str_eq(c.name, "Äcme");
    cr_expect_str_eq(c.reference, "PO");
    cr_expect_null(c.tax_id);
    cr_expect_null(parties_customer(p, str_of("b")).name);
    cr_expect_null(parties_customer(p, str_of("acm")).name);
    cr_expect_eq(parties_payment_days(p), 0);
    cr_expect_str_eq(parties_font(p), "Lato");
    parties_free(p);
}

Test(reports_parties, without_a_file_nothing_is_said)
{
    struct parties *p = NULL;
    struct err err;
    cr_assert_eq(parties_load(NULL, &p, &err), ERR_OK);
    cr_expect_null(parties_seller(p).name);
    cr_expect_null(parties_customer(p, str_of("acme")).name);
    cr_expect_eq(parties_payment_days(p), -1);
    cr_expect_null(parties_footer(p));
    parties_free(p);
}

Test(reports_parties, what_is_wrong_is_named)
{
    static const struct {
        const char *text, *want;
    } wrong[] = {
        {"{}", "format"},
        {"{'format':'gbill-parties/2'}", "must be gbill-parties/1"},
        {"{'format':'gbill-parties/1','sellr':{}}", "sellr"},
        {"{'format':'gbill-parties/1','seller':{}}", "seller: needs a \"name\""},
        {"{'format':'gbill-parties/1','seller':{'name':'a\\u0001'}}", "control characters"},
        {"{'format':'gbill-parties/1','seller':{'name':''}}", "1 to 120 bytes"},
        {"{'format':'gbill-parties/1','seller':{'name':'a','email':'x'}}", "no address"},
        {"{'format':'gbill-parties/1','seller':{'name':'a','web':'ftp://x'}}", "no URL"},
        {"{'format':'gbill-parties/1','seller':{'name':'a','web':'https://x\\u0027 y'}}", "no URL"},
        {"{'format':'gbill-parties/1','seller':{'name':'a','reference':'r'}}", "reference"},
        {"{'format':'gbill-parties/1','paymentDays':-1}", "paymentDays"},
        {"{'format':'gbill-parties/1','customers':{'acme':7}}", "acme: must be an object"},
        {"{'format':'gbill-parties/1','customers':{'acme':{'address':'x'}}}", "list of at most 6"},
        {"{'format':'gbill-parties/1','customers':{'acme':{'address':['a',3]}}}", "line 2 of"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct parties *p = NULL;
        struct err err = {0};
        cr_expect_eq(load(wrong[i].text, &p, &err), ERR_CONFIG, "%s", wrong[i].text);
        cr_expect_not_null(strstr(err.text, wrong[i].want), "%s: %s", wrong[i].text, err.text);
        cr_expect_null(p);
    }
}

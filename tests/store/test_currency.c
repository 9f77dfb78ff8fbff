#include <criterion/criterion.h>

#include "store/base/currency.h"

Test(store_currency, minor_units_are_those_of_iso_4217)
{
    cr_expect_eq(currency_minor_digits("USD"), 2);
    cr_expect_eq(currency_minor_digits("JPY"), 0);
    cr_expect_eq(currency_minor_digits("ISK"), 0);
    cr_expect_eq(currency_minor_digits("MGA"), 2);
    cr_expect_eq(currency_minor_digits("KWD"), 3);
}

/* Source: docs.stripe.com/currencies, zero-decimal, special cases, three-decimal. */
Test(store_currency, stripe_s_amounts_are_converted_without_loss_or_not_at_all)
{
    static const struct {
        char code[4];
        int digits;
        int64_t minor, stripe;
    } cases[] = {
        {"USD", 2, 2900, 2900},   {"USD", 2, -2900, -2900}, {"JPY", 0, 500, 500},
        {"ISK", 2, 500, 50000},   {"UGX", 2, -7, -700},     {"MGA", 0, 50000, 500},
        {"KWD", 3, 12340, 12340}, {"BIF", 0, 3, 3},         {"XPF", 0, 9, 9},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t there = 0, back = 0;
        cr_expect_eq(currency_stripe_digits(cases[i].code), cases[i].digits, "%s", cases[i].code);
        cr_expect(currency_to_stripe(cases[i].code, cases[i].minor, &there), "%s", cases[i].code);
        cr_expect_eq(there, cases[i].stripe, "%s", cases[i].code);
        cr_expect(currency_from_stripe(cases[i].code, there, &back), "%s", cases[i].code);
        cr_expect_eq(back, cases[i].minor, "%s", cases[i].code);
    }
}

Test(store_currency, an_amount_that_the_other_unit_cannot_say_is_refused)
{
    int64_t ret = 42;
    cr_expect_not(currency_to_stripe("MGA", 50001, &ret));
    cr_expect_not(currency_to_stripe("KWD", 12345, &ret));
    cr_expect_not(currency_to_stripe("ISK", INT64_MAX / 10, &ret));
    cr_expect_not(currency_from_stripe("ISK", 50001, &ret));
    cr_expect_not(currency_from_stripe("MGA", INT64_MIN / 10, &ret));
    cr_expect_eq(ret, 42, "it is left alone");
}

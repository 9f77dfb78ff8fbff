#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/tables/efficiency.h"
#include "store/tables/recommendation.h"
#include "tests/support/open_tables.h"

enum { ACME = 3, OTHER = 4 };

#define LARGE (((money_sum)1 << 70) + 5)

TestSuite(store_recommendation, .init = open_tables, .fini = close_tables);

static struct recommendation
advice(uint32_t organization, enum recommendation_type type, const char *subject)
{
    struct recommendation r = {.organization = organization,
                               .type = type,
                               .priority = RECOMMENDATION_HIGH,
                               .status = RECOMMENDATION_DISMISSED,
                               .candidate = true,
                               .confidence_percent = 80,
                               .from_hour = 490000,
                               .to_hour = 490720,
                               .calls = 12345678901,
                               .currency = "USD",
                               .cost_pico = LARGE,
                               .saving_pico = LARGE - 1,
                               .share_pico = 7,
                               .created_ms = 1764000000123,
                               .answered_ms = 1764000000456,
                               .answered_pico = LARGE - 2,
                               .position = 99};
    recommendation_id_of(str_of("acme"), type, str_of(subject), r.id);
    r.texts[RECOMMENDATION_SUBJECT] = str_of(subject);
    r.texts[RECOMMENDATION_TITLE] = str_of("Cache the prompt");
    r.texts[RECOMMENDATION_EVIDENCE] = str_of("{\"calls\":3}");
    return r;
}

static void
put(const struct recommendation *r)
{
    cr_assert_eq(recommendation_put(txn, r, &err), ERR_OK, "%s", err.text);
}

static size_t
count_of(uint32_t organization)
{
    struct recommendation_scan scan;
    size_t n = 0;
    recommendation_scan_begin(&scan, txn, organization);
    while (recommendation_scan_next(&scan))
        n++;
    recommendation_scan_end(&scan);
    return n;
}

Test(store_recommendation, comes_back_as_it_was)
{
    struct recommendation put_one = advice(ACME, RECOMMENDATION_CACHE_PROMPT, "chat gpt-4o"), got;
    put(&put_one);
    cr_assert(recommendation_get(txn, ACME, put_one.id, &got));
    for (size_t i = 0; i < RECOMMENDATION_TEXTS; i++)
        cr_expect(str_equal(got.texts[i], put_one.texts[i]), "text %zu", i);
    cr_expect_eq(got.type, put_one.type);
    cr_expect_eq(got.priority, put_one.priority);
    cr_expect_eq(got.status, put_one.status);
    cr_expect(got.candidate);
    cr_expect_eq(got.confidence_percent, 80);
    cr_expect_eq(got.from_hour, put_one.from_hour);
    cr_expect_eq(got.to_hour, put_one.to_hour);
    cr_expect_eq(got.calls, put_one.calls);
    cr_expect_str_eq(got.currency, "USD");
    cr_expect(got.cost_pico == LARGE && got.saving_pico == LARGE - 1 && got.share_pico == 7);
    cr_expect_eq(got.created_ms, put_one.created_ms);
    cr_expect_eq(got.answered_ms, put_one.answered_ms);
    cr_expect(got.answered_pico == LARGE - 2);
    cr_expect_eq(got.position, 99);
    cr_expect_not(recommendation_get(txn, OTHER, put_one.id, &got), "another organization's");
}

Test(store_recommendation, same_advice_is_one_row)
{
    struct recommendation a = advice(ACME, RECOMMENDATION_BATCH, "nightly"), b = a, got;
    uint8_t id[RECOMMENDATION_ID_BYTES];
    put(&a);
    b.saving_pico = 1;
    b.position = 100;
    put(&b);
    cr_expect_eq(count_of(ACME), 1);
    cr_assert(recommendation_get(txn, ACME, a.id, &got));
    cr_expect(got.saving_pico == 1 && got.position == 100);
    b.position = 101; /* nothing else: left alone */
    put(&b);
    cr_assert(recommendation_get(txn, ACME, a.id, &got));
    cr_expect_eq(got.position, 100);

    recommendation_id_of(str_of("acme"), RECOMMENDATION_MODEL, str_of("nightly"), id);
    cr_expect_neq(memcmp(id, a.id, sizeof id), 0, "the type is in the id");
    recommendation_id_of(str_of("acmen"), RECOMMENDATION_BATCH, str_of("ightly"), id);
    cr_expect_neq(memcmp(id, a.id, sizeof id), 0, "names do not run into each other");
}

Test(store_recommendation, each_organization_has_its_own)
{
    struct recommendation a = advice(ACME, RECOMMENDATION_BATCH, "a"),
                          b = advice(ACME, RECOMMENDATION_PLAN, "b"),
                          c = advice(OTHER, RECOMMENDATION_PLAN, "c");
    put(&a);
    put(&b);
    put(&c);
    cr_expect_eq(count_of(ACME), 2);
    cr_expect_eq(count_of(OTHER), 1);
    cr_expect_eq(count_of(0), 3);
    cr_assert_eq(recommendation_delete(txn, &a, &err), ERR_OK, "%s", err.text);
    cr_expect_eq(count_of(ACME), 1);
}

Test(store_recommendation, names_of_types_and_answers)
{
    for (int i = 0; i < RECOMMENDATION_TYPE_COUNT; i++) {
        enum recommendation_type type;
        cr_assert(recommendation_type_find(
            str_of(recommendation_type_name((enum recommendation_type)i)), &type));
        cr_expect_eq((int)type, i);
    }
    for (int i = 0; i < RECOMMENDATION_STATUSES; i++) {
        enum recommendation_status status;
        cr_assert(recommendation_status_find(
            str_of(recommendation_status_name((enum recommendation_status)i)), &status));
        cr_expect_eq((int)status, i);
    }
    enum recommendation_type none;
    cr_expect_not(recommendation_type_find(str_of("cache-promp"), &none));
}

Test(store_recommendation, newest_efficiency_is_an_organizations_own)
{
    struct efficiency e = {.organization = ACME,
                           .from_hour = 490000,
                           .to_hour = 490720,
                           .score = 83,
                           .currency = "EUR",
                           .calls = 5,
                           .unpriced_calls = 1,
                           .actual_pico = LARGE,
                           .avoidable_pico = LARGE / 6,
                           .candidate_pico = LARGE + 9,
                           .computed_ms = 1764000000123,
                           .position = 42};
    struct efficiency got;
    cr_expect_not(efficiency_last(txn, ACME, &got), "there is none yet");
    cr_assert_eq(efficiency_put(txn, &e, &err), ERR_OK, "%s", err.text);
    struct efficiency later = e, other = e;
    later.to_hour += 24;
    later.score = 84;
    other.organization = OTHER;
    other.to_hour += 48;
    cr_assert_eq(efficiency_put(txn, &later, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(efficiency_put(txn, &other, &err), ERR_OK, "%s", err.text);
    cr_expect(efficiency_reaches(txn, ACME, later.to_hour) &&
              efficiency_reaches(txn, ACME, e.to_hour + 1));
    cr_expect_not(efficiency_reaches(txn, ACME, later.to_hour + 1), "that is another's row");
    cr_assert(efficiency_last(txn, ACME, &got));
    cr_expect_eq(got.to_hour, later.to_hour);
    cr_expect_eq(got.score, 84);
    cr_expect_str_eq(got.currency, "EUR");
    cr_expect_eq(got.calls, 5);
    cr_expect_eq(got.unpriced_calls, 1);
    cr_expect(got.actual_pico == LARGE && got.avoidable_pico == LARGE / 6 &&
              got.candidate_pico == LARGE + 9);
    cr_expect_eq(got.computed_ms, e.computed_ms);
    cr_expect_eq(got.position, 42);
}

Test(store_recommendation, more_avoidable_than_spent_is_our_bug, .signal = SIGABRT)
{
    struct efficiency e = {.organization = ACME, .actual_pico = 5, .avoidable_pico = 6};
    (void)!efficiency_put(txn, &e, &err);
}

/*
 * tests/billing/year_model.h - a small model of billing, that shares no code with
 * what it judges: it keeps lists of facts and adds up anew.
 */
#ifndef TESTS_BILLING_YEAR_MODEL_H
#define TESTS_BILLING_YEAR_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FACTS_MAX = 400,
    LINES_MAX = 32,
    INVOICES_MAX = 64,
    ITEMS_MAX = 400,
    NAME_BYTES = 16,
    PLANS = 6,
    HOUR_S = 3600,
    DAY_S = 86400
};

/* What the model knows of the plans; prices of use in hundredths of a cent. */
struct model_plan {
    const char *id;
    int64_t fee_cents, included, price;
    bool ahead;
};

extern const struct model_plan plans[PLANS];

enum fact_kind { SET, CANCEL, PAUSE, RESUME, USE, ADJUST };

struct fact {
    enum fact_kind kind;
    int64_t at_s; /* when it takes effect */
    int plan;
    int64_t amount; /* credits, or cents */
    char id[NAME_BYTES];
    bool voided;
    uint64_t seq;
};

/* The model's own item and invoice. */
struct item {
    char kind; /* f: fee, u: use, a: adjustment */
    int plan;
    int64_t period_s; /* of an adjustment its seq */
    int64_t cents, bill_s;
};

struct line {
    char kind;
    int plan;
    int64_t period_s, cents;
    bool corrects;
};

struct bill {
    int64_t from_s, to_s;
    bool final;
    size_t line_count;
    struct line lines[LINES_MAX];
};

struct org {
    char name[NAME_BYTES];
    bool anchored;
    int64_t anchor_s; /* when its subscription started; 0: not yet */
    struct fact facts[FACTS_MAX];
    size_t fact_count;
    struct bill finals[INVOICES_MAX], drafts[8];
    size_t final_count, draft_count;
};

/* The n-th month behind January 2027, at a day that the month may not have. */
int64_t month_s(int n, int day);

/* The plan that is paid for at a time: the index, or 0; *ret_held tells a pause from nothing. */
int plan_at(const struct org *org, int64_t at_s, bool *ret_held);

/* What final invoices billed of an item. */
int64_t billed_before(const struct org *org, const struct item *item, bool *ret_any);

/* All that the model expects of an organization now; what is due becomes final. */
void bill_organization(struct org *org, int64_t now_s);

#endif

/*
 * billing/plan/plan.h - the plan book: what each plan costs and includes, from when.
 *
 * Its bytes and every rule are in schemas/plans.md; the book itself is
 * schemas/plans.json.  Once loaded it never changes.
 *
 * Invariants, checked while loading: ids and orders are distinct; plans are kept
 * by rising order; a plan's versions by rising date, the first without one; the
 * default plan exists and is free in every version.
 */
#ifndef BILLING_PLAN_PLAN_H
#define BILLING_PLAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "billing/plan/cycle.h"
#include "store/base/arena.h"
#include "store/base/bytes.h"
#include "store/base/conf.h"
#include "store/base/err.h"
#include "store/base/hash.h"
#include "store/base/money.h"
#include "store/tables/limit.h"

/* The option of every command that needs plans. */
#define CONF_ROW_PLANS                                                                           \
    {                                                                                            \
        "plans", "GBILL_PLANS", CONF_TEXT, "FILE", 0, 0, GBILL_SCHEMAS_DIR "/plans.json", false, \
            "plan book"                                                                          \
    }

enum {
    PLAN_TEXT_BYTES_MAX = 64, /* id, name, support, analytics */
    PLANS_MAX = 10000,
    PLAN_CHARGES_MAX = 64,
    PLAN_TIERS_MAX = 100,
};

/* What price books are in, where the plan book does not say. */
#define PLAN_COST_CURRENCY_DEFAULT "USD"

#define PLAN_LIMIT_MAX ((int64_t)1000000000000000)

/* A percent is kept as 10^-8 of the whole: "7.25" % is 7,250,000. */
#define PLAN_PERCENT_WHOLE ((int64_t)100000000)
#define PLAN_WEIGHT_ONE ((int64_t)1000000) /* weights have at most six decimals */

enum charge_model {
    CHARGE_FLAT,       /* an amount per period */
    CHARGE_UNIT,       /* so much for each */
    CHARGE_GRADUATED,  /* each unit at the price of the tier it lies in */
    CHARGE_VOLUME,     /* all units at the price of the tier that the quantity lies in */
    CHARGE_PACKAGE,    /* so much for each begun (or whole) package */
    CHARGE_BLOCK,      /* packages of a size of their own in each tier */
    CHARGE_PERCENTAGE, /* of the LLM cost, and so much for each call */
    CHARGE_COST_PLUS,  /* the LLM cost and a markup */
    CHARGE_MODELS
};

/* What a charge counts. */
enum charge_meter {
    METER_NONE, /* a flat charge */
    METER_CREDITS,
    METER_CALLS,
    METER_TOKENS, /* of all classes */
    METER_INPUT,  /* of all input classes, cached and written ones too */
    METER_OUTPUT,
    METER_COST, /* what the providers charged */
    CHARGE_METERS
};

enum charge_round { ROUND_NONE, ROUND_UP, ROUND_DOWN, ROUND_NEAREST };

#define CHARGE_NO_END ((money_sum)-1)

/* Quantities are kept in 10^-12 of a unit, prices in picos. */
struct charge_tier {
    money_sum end_pico; /* the last quantity of the tier; CHARGE_NO_END: all above */
    int64_t unit_pico, flat_pico;
    int64_t size; /* CHARGE_BLOCK: units of a block */
    int64_t unit_block_pico;
};

struct plan_charge {
    struct str id, name;
    enum charge_model model;
    enum charge_meter meter;
    bool in_advance; /* flat only */
    bool prorated;   /* flat only */
    int64_t price_pico;
    int64_t size;            /* package: units of one */
    enum charge_round round; /* package and conversion */
    int64_t per;             /* the quantity is divided by this first; 1: it is not */
    money_sum free_pico;     /* units that cost nothing, behind the conversion */
    uint64_t free_calls;     /* percentage */
    int64_t percent;         /* percentage; cost plus: the markup */
    const struct charge_tier *tiers;
    size_t tier_count;
    bool top_tier;
    int64_t discount; /* percent */
    bool has_minimum, has_maximum;
    int64_t minimum_pico, maximum_pico;
    const struct str *models; /* only calls of these; none: of all */
    size_t model_count;
};

struct plan_weight {
    struct str model;
    int64_t weight; /* in 10^-6 credits a token */
};

/* A version: what holds from a date on. */
struct plan_terms {
    int64_t from_ms;                                 /* INT64_MIN: always */
    struct cycle cycle;                              /* of its fees; anchor not set */
    struct cycle usage_cycle;                        /* of what is counted; anchor not set */
    enum cycle_count day_count;                      /* of what is prorated */
    int64_t trial_days;                              /* 0: none */
    uint64_t limits[LIMIT_DIMENSIONS];               /* LIMIT_UNLIMITED: no limit */
    bool soft[LIMIT_DIMENSIONS];                     /* more is allowed */
    uint64_t requests_per_minute, tokens_per_minute; /* LIMIT_UNLIMITED: no limit */
    const struct plan_weight *weights;
    size_t weight_count;
    int64_t weight_other; /* of a model that is not among them */
    const struct plan_charge *charges;
    size_t charge_count;
    bool has_commitment;
    int64_t commitment_pico; /* a period's usage charges are at least this */
    struct str support, analytics;
    struct str json; /* the version as the book has it */
};

struct plan {
    struct str id, name;
    int64_t order;
    char currency[4];
    const struct str *organizations; /* a custom plan: for these alone; none: for all */
    size_t organization_count;
    const struct plan_terms *terms; /* by rising from_ms, at least one */
    size_t terms_count;
};

/* Units of a currency for one of the book's, from a time on; in 10^-9. */
struct plan_rate {
    char currency[4];
    int64_t from_ms;
    int64_t rate_nano;
};

struct plan_book {
    const char *path; /* as given to plan_book_load() */
    uint8_t sha256[HASH_SHA256_BYTES];
    char currency[4];
    char cost_currency[4];    /* of the price book */
    const struct plan *plans; /* by rising order */
    size_t plan_count;
    const struct plan *default_plan;
    const struct plan_rate *rates; /* by currency, then time */
    size_t rate_count;
    struct arena arena;
};

/*
 * Read a plan book.
 *
 *   path      borrowed
 *   ret_book  taken by the caller: plan_book_free()
 *
 * Errors: those of reading the file; ERR_CONFIG for anything that schemas/
 * plans.md does not allow (file, plan, key and value are named); ERR_LIMIT for
 * more than PLANS_MAX plans.
 */
enum err_code plan_book_load(const char *path, struct plan_book **ret_book,
                             struct err *err) ERR_MUST_CHECK;

/*
 * The same of a kept book (store/tables/book.h), which its hash names in messages.
 *
 *   text  borrowed for the call
 */
enum err_code plan_book_read(struct bytes text, const uint8_t sha256[HASH_SHA256_BYTES],
                             struct plan_book **ret_book, struct err *err) ERR_MUST_CHECK;

/* Free a book; NULL is allowed. */
void plan_book_free(struct plan_book *book);

/* The plan of an id, matched byte by byte; NULL if the book has none. */
const struct plan *plan_find(const struct plan_book *book, struct str id);

/* The version in force; before the first date the first one. */
const struct plan_terms *plan_terms_at(const struct plan *plan, int64_t utc_ms);

/* May this organization have it? */
bool plan_is_for(const struct plan *plan, struct str organization);

/* Does it charge anything without use: a flat charge, a minimum, a commitment? */
bool plan_terms_cost(const struct plan_terms *terms);

/* Has it a charge that is due when its period begins?  One that counts usage? */
bool plan_terms_in_advance(const struct plan_terms *terms);
bool plan_terms_count(const struct plan_terms *terms);

/* Would these terms let an organization that has `used` take one more? */
bool plan_allows(const struct plan_terms *terms, enum limit_dimension dimension, uint64_t used);

/*
 * The smallest plan above `plan`, by order, that would allow one more to this
 * organization at this time; NULL when no plan would.
 */
const struct plan *plan_upgrade(const struct plan_book *book, const struct plan *plan,
                                struct str organization, int64_t utc_ms,
                                enum limit_dimension dimension, uint64_t used);

/* The price of one AI credit beyond those included, where it is a single one; 0: none. */
int64_t plan_credit_price(const struct plan_terms *terms);

/*
 * The rate of exchange of a currency at a time: units of it for one of the book's,
 * in 10^-9.  The first rate holds before its date too.  0: the book has none.
 */
int64_t plan_rate_at(const struct plan_book *book, const char *currency, int64_t utc_ms);

const char *charge_model_name(enum charge_model model);
const char *charge_meter_name(enum charge_meter meter);

#endif

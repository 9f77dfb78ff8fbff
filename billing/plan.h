/*
 * billing/plan.h - the plan book: what each plan costs and includes.
 *
 * Its bytes and every rule are in schemas/plans.md; the book itself is
 * schemas/plans.json.  Once loaded it never changes.
 *
 * Invariants, checked while loading: ids and orders are distinct; plans are kept
 * by rising order; the default plan exists and is free; a plan that sells overage
 * has a limit to be over.
 */
#ifndef BILLING_PLAN_H
#define BILLING_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
    PLANS_MAX = 1000,
};

#define PLAN_LIMIT_MAX ((int64_t)1000000000000000)

struct plan {
    struct str id, name, support, analytics;
    int64_t order;
    int64_t fee_pico;                  /* a calendar month; whole minor units */
    uint64_t limits[LIMIT_DIMENSIONS]; /* LIMIT_UNLIMITED: no limit */
    bool sells_overage;
    int64_t overage_pico; /* one AI credit beyond the limit, when sold */
};

struct plan_book {
    const char *path; /* as given to plan_book_load() */
    uint8_t sha256[HASH_SHA256_BYTES];
    char currency[4];
    int minor_digits;
    const struct plan *plans; /* by rising order */
    size_t plan_count;
    const struct plan *default_plan;
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

/* Free a book; NULL is allowed. */
void plan_book_free(struct plan_book *book);

/* The plan of an id, matched byte by byte; NULL if the book has none. */
const struct plan *plan_find(const struct plan_book *book, struct str id);

/* Would this plan let an organization that has `used` take one more? */
bool plan_allows(const struct plan *plan, enum limit_dimension dimension, uint64_t used);

/*
 * The smallest plan above `plan`, by order, that would allow one more; NULL when
 * no plan would.
 */
const struct plan *plan_upgrade(const struct plan_book *book, const struct plan *plan,
                                enum limit_dimension dimension, uint64_t used);

#endif

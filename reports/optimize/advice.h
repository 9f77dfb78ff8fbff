/*
 * reports/optimize/advice.h - recommendations in words: what a survey found of one
 * organization, as rows of TABLE_RECOMMENDATIONS and its row of TABLE_EFFICIENCY.
 */
#ifndef REPORTS_OPTIMIZE_ADVICE_H
#define REPORTS_OPTIMIZE_ADVICE_H

#include "reports/optimize/survey.h"
#include "store/base/arena.h"
#include "store/tables/efficiency.h"

enum {
    ADVICE_PERMILLE_MIN = 1, /* of what the organization's calls cost: less is not worth a row */
    ADVICE_HIGH_PERMILLE = 100,
    ADVICE_MEDIUM_PERMILLE = 20,
};
#define ADVICE_PICO_MIN \
    (MONEY_PICO_PER_UNIT / 100) /* nor is less than a hundredth of the currency */

/* The rows of one organization. */
struct advice {
    struct list rows;   /* struct recommendation: pending, first found now */
    struct arena texts; /* theirs */
};

/* What all rows have in common. */
struct advice_basis {
    uint32_t organization; /* dictionary */
    uint32_t from_hour, to_hour;
    char currency[4];
    int64_t now_ms;
    uint64_t position; /* of the log */
};

void advice_init(struct advice *advice);
void advice_clear(struct advice *advice);
void advice_reset(struct advice *advice); /* no rows */

/*
 * Put in words what the survey found of an organization, beside the rows that there are.
 *
 *   order          map_sorted() of survey->groups
 *   from, to       where in it the organization's groups are; to exclusive
 *   ret_efficiency written only on success; avoidable_pico is the sum of the rows' shares
 *
 * Errors: ERR_LIMIT out of memory.
 */
enum err_code advice_make(struct advice *advice, struct survey *survey, const uint32_t *order,
                          size_t from, size_t to, const struct advice_basis *basis,
                          struct efficiency *ret_efficiency, struct err *err) ERR_MUST_CHECK;

/* high, medium or low, by what a saving is of what it is saved from. */
enum recommendation_priority advice_priority(money_sum saving_pico, money_sum cost_pico);

/* Copy a text, or a JSON object (taken), into the advice.  Errors: ERR_LIMIT out of memory. */
enum err_code advice_text(struct advice *advice, struct str *ret, struct err *err, const char *fmt,
                          ...) __attribute__((format(printf, 4, 5)));
struct json_t;
enum err_code advice_json(struct advice *advice, struct json_t *object, struct str *ret,
                          struct err *err) ERR_MUST_CHECK;

#endif

/*
 * tests/bench/spending.h - spending of made-up organizations, hour by hour, with harm
 * done to it at known times.
 *
 * An organization has a size (50 to 5,000 calls in a busy hour, by equal steps of the
 * logarithm), 6 to 40 users of unequal size, a time zone, working days and quiet weekends,
 * a growth of -15 to +50 % a month, a holiday, a third of them a nightly job.  The hour as
 * a whole varies by a factor that has a memory (lognormal, sigma 0.2, AR(1) 0.6); so does
 * each user by the hour (sigma 0.5); calls are Poisson.  What a call costs is heavy-tailed:
 * lognormal, sigma 1.2, and one in three hundred is a long document, from 5 times as dear
 * on (Pareto, exponent 1.5), up to 60 mean calls.  Users have busy spells of their own, 1.5
 * to 3 times as much for one to four hours: no harm, and not to be reported.
 *
 * Harm, at `times` the usual of the organization or its average hour, whichever is more: a
 * loop (one user, one model, 2 to 8 hours), a leaked key (a user never seen before, around
 * the clock, 8 to 36 hours), a price mistake (the main model's cost times so much for 24 to
 * 72 hours, its tokens as ever; none where nothing has a price).  Each organization has one, two or none of them within the last 35 days.
 *
 * Every machine draws the same from one seed.
 */
#ifndef TESTS_BENCH_SPENDING_H
#define TESTS_BENCH_SPENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "reports/spikes/series.h"

enum {
    SPENDING_HOURS = 12 * 7 * 24,
    SPENDING_JUDGED = 35 * 24,
    SPENDING_USERS_MAX = 40,
    SPENDING_HARM_MAX = 2,
    SPENDING_FIRST_HOUR = 490896, /* 2026-01-01 */
};

enum spending_harm_kind { SPENDING_LOOP, SPENDING_LEAKED_KEY, SPENDING_PRICE, SPENDING_HARMS };

struct spending_harm {
    enum spending_harm_kind kind;
    int from, to;
    uint32_t user, model, project;
    double excess; /* dollars or calls an hour, on average */
    bool found;
};

struct spending {
    bool priced;
    double calls, growth, weekend, sigma, state;
    int zone, nightly, holiday, users, projects, harm_count;
    double share[SPENDING_USERS_MAX], busy[SPENDING_USERS_MAX];
    int busy_until[SPENDING_USERS_MAX], user_model[SPENDING_USERS_MAX],
        user_project[SPENDING_USERS_MAX];
    struct spending_harm harm[SPENDING_HARM_MAX];
};

/* Begin to draw. */
void spending_seed(uint64_t seed);

/*
 * Draw an organization and its hours.
 *
 *   ret     filled
 *   set     empty; filled with its series.  No memory: the program ends
 *   times   the harm: so many times the usual
 *   priced  false: no model has a price, nothing costs anything, and harm is measured in
 *           calls instead of cost
 */
void spending_make(struct spending *ret, struct series_set *set, double times, bool priced);

#endif

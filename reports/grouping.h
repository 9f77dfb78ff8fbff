/*
 * reports/grouping.h - what usage can be grouped by, and a choice of it.
 *
 * One table row per dimension: the word of --by, the column's title, and which
 * part of a usage key it is.
 */
#ifndef REPORTS_GROUPING_H
#define REPORTS_GROUPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"
#include "store/tables/usage.h"

/* name, word of --by, title (the event contract's field name), is it a time? */
#define GROUPING_DIMENSIONS(X)                 \
    X(ORG, "org", "organizationId", false)     \
    X(HOUR, "hour", "hour", true)              \
    X(DAY, "day", "day", true)                 \
    X(MONTH, "month", "month", true)           \
    X(PROJECT, "project", "projectId", false)  \
    X(USER, "user", "userId", false)           \
    X(TYPE, "type", "type", false)             \
    X(PROVIDER, "provider", "provider", false) \
    X(MODEL, "model", "model", false)          \
    X(TIER, "tier", "serviceTier", false)

#define GROUPING_WORDS "org, hour, day, month, project, user, type, provider, model, tier"

enum dimension {
#define GROUPING_ENUM(name, word, title, is_time) DIMENSION_##name,
    GROUPING_DIMENSIONS(GROUPING_ENUM)
#undef GROUPING_ENUM
        DIMENSIONS
};

/* Columns in the order they are shown and sorted by; none twice. */
struct grouping {
    enum dimension by[DIMENSIONS];
    size_t count;
};

/*
 * Parse the words of --by: "day,org".  Blanks around a comma do not matter; a
 * column's title says the same as its word.
 *
 *   ret  written only on success; at least one dimension
 *
 * Errors: ERR_USAGE (no word, a word that is no dimension, one named twice).
 */
enum err_code grouping_parse(const char *text, struct grouping *ret,
                             struct err *err) ERR_MUST_CHECK;

const char *dimension_word(enum dimension dimension);
const char *dimension_title(enum dimension dimension);
bool dimension_is_time(enum dimension dimension);

/*
 * The part of an hourly key that a dimension is: a dictionary number, or the
 * number of the hour, day or month since 1970.
 */
uint32_t dimension_of(enum dimension dimension, const struct usage_key *hourly);

#endif

/*
 * tests/ingest/allowances.h - what gbill limits would have left for the agent: rows
 * of a plan "small" that has only AI credits and projects to give, and is upgraded
 * to "large".
 */
#ifndef TESTS_INGEST_ALLOWANCES_H
#define TESTS_INGEST_ALLOWANCES_H

#include <stdint.h>

#include "store/tables/limit.h"

/* Of an organization, or of those without a row. */
struct allowances_row {
    const char *organization; /* NULL: of those without a row */
    uint64_t position, used[LIMIT_DIMENSIONS], limit[LIMIT_DIMENSIONS];
};

/* Write rows into the tables of a data directory, which are made if needed. */
void allowances_put(const char *data, const struct allowances_row *rows, size_t count);

/* The row of those without one: so many credits, all else unlimited, nothing used. */
void allowances_of_all(const char *data, uint64_t credits);

#endif

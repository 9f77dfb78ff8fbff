/*
 * reports/dashboard/parts.h - usage summed by two dictionary numbers, and the dearest of
 * the sums.
 */
#ifndef REPORTS_DASHBOARD_PARTS_H
#define REPORTS_DASHBOARD_PARTS_H

#include "reports/dashboard/board.h"
#include "rollup/map.h"

struct parts {
    struct map sums;                  /* provider and name -> struct board_sum */
    uint32_t ranked[BOARD_PARTS_MAX]; /* entries of sums, once parts_rank() has run */
};

void parts_init(struct parts *parts);
void parts_clear(struct parts *parts);

/* Add to a part's sum; false without memory, or beyond a million parts. */
bool parts_add(struct parts *parts, uint32_t provider, uint32_t name, const struct board_sum *more)
    __attribute__((warn_unused_result));

/*
 * Put the dearest into a cut and sum the others up.  Names are left alone: part i of the
 * cut has the numbers parts_provider(i) and parts_name(i).
 */
void parts_rank(struct parts *parts, struct board_cut *cut);
uint32_t parts_provider(const struct parts *parts, size_t i);
uint32_t parts_name(const struct parts *parts, size_t i);

#endif

/*
 * tests/ingest/standing.h - a monotonic clock that stands where a test sets it; every
 * other test of this program has the true one.
 */
#ifndef TESTS_INGEST_STANDING_H
#define TESTS_INGEST_STANDING_H

#include <stdint.h>

extern int64_t standing_ns; /* 0: the true one */

int64_t standing_true_ns(void);

#endif

/*
 * tests/postgres/fixture.h - tables with known rows, in a temporary data directory.
 */
#ifndef TESTS_POSTGRES_FIXTURE_H
#define TESTS_POSTGRES_FIXTURE_H

#include <stdint.h>

#include "store/postgres/publish.h"
#include "store/tables/tables.h"

/* Make a data directory (16 at most); removed by fixture_clear() with everything else made here. */
const char *fixture_directory(void);
void fixture_clear(void);

/* Copy tables.mdb of one data directory into another. */
void fixture_copy(const char *from, const char *to);

/*
 * Fill the tables: 24 hourly and 4 monthly rows of the organizations "acme" and
 * "globex", 8 limits, a draft and a final invoice, the root of 2026-11-24, 2 budgets,
 * 2 alerts, 3 parts of an invoice; the cursor at event 100.
 */
void fixture_fill(const char *directory);

/*
 * Change them: rows of every table changed, some new, some deleted (an hourly
 * row, a line of the draft); the cursor at event 200.
 */
void fixture_change(const char *directory);

/* Add one to the calls of `rows` hourly rows of "initech"; makes them at first. */
void fixture_touch(const char *directory, unsigned rows);

/* A row of "initech" with so many calls. */
void fixture_calls(const char *directory, uint64_t calls);

/* Move the cursor alone. */
void fixture_move(const char *directory, uint64_t seq);

/* Empty the tables that a rebuild empties. */
void fixture_drop_folds(const char *directory);

/* The number of the last transaction that changed tables.mdb. */
uint64_t fixture_txn_number(const char *directory);

/* How many rows are owed. */
uint64_t fixture_owed(const char *directory);

/* migrate a database, which must work. */
void fixture_migrate(const char *url);

/* publish_run(), in this process, or failing the test if it fails. */
enum err_code fixture_publish(const char *directory, const char *url, bool full,
                              struct publish_result *ret, struct err *err);
struct publish_result fixture_must_publish(const char *directory, const char *url, bool full);

#endif

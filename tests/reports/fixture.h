/*
 * tests/reports/fixture.h - hourly usage in a directory of its own, and gbill's
 * report commands run against it.
 */
#ifndef TESTS_REPORTS_FIXTURE_H
#define TESTS_REPORTS_FIXTURE_H

#include "reports/usage_report.h"
#include "store/base/time.h"
#include "tests/support/temp_dir.h"

struct fixture {
    struct temp_dir dir;
    struct tables *tables;
    struct tables_txn *txn; /* writing, until fixture_commit() */
};

/* One key's calls; NULL texts have a usual value. */
struct calls {
    const char *organization, *when; /* "2026-11-24T08:00Z" */
    const char *project, *user, *type, *provider, *model, *tier;
    struct usage_row row; /* calls == 0: one call */
};

struct fixture fixture_make(void);
void fixture_add(struct fixture *x, const struct calls *calls);
void fixture_commit(struct fixture *x);
void fixture_end(struct fixture *x);

/*
 * Run "gbill report …" in a process of its own, with --data of the fixture.
 *
 *   line  words after "report", parted by single blanks
 *   ret   exit status, and all of both streams, NUL-terminated; free() both texts
 */
struct ran {
    int status;
    char *out, *err;
};
struct ran fixture_run(const struct fixture *x, const char *line);
void ran_free(struct ran *ran);

#endif

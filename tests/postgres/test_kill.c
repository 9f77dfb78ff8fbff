#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"
#include "fixture.h"
#include "server.h"
#include "store/base/clock.h"
#include "store/postgres/published.h"

enum { RANDOM_KILLS = 32, TOUCHED_ROWS = 2000, POINTS_MAX = 1000 };

static char base[32];       /* a database level with the tables before the change */
static const char *changed; /* a data directory with the tables after it */
static const char *work;    /* a data directory for the copy that is published */
static char digest_before[128], digest_after[128];

static void
set_up(void)
{
    char after[32];
    const char *other = fixture_directory();
    snprintf(base, sizeof base, "base_%d", (int)getpid());
    snprintf(after, sizeof after, "after_%d", (int)getpid());
    server_create(base, NULL);
    fixture_migrate(server_url(base));
    changed = fixture_directory();
    fixture_fill(changed);
    fixture_must_publish(changed, server_url(base), false);
    fixture_change(changed);
    snprintf(digest_before, sizeof digest_before, "%s", server_digest(server_url(base)));
    server_create(after, NULL);
    fixture_migrate(server_url(after));
    fixture_copy(changed, other);
    fixture_must_publish(other, server_url(after), true);
    snprintf(digest_after, sizeof digest_after, "%s", server_digest(server_url(after)));
    cr_assert_str_neq(digest_before, digest_after);
    work = fixture_directory();
    server_run(server_url(base), "CREATE SCHEMA saved; "
                                 "CREATE TABLE saved.publish_state AS SELECT * FROM "
                                 "billing.publish_state");
    for (size_t i = 0; i < PUBLISHED_COUNT; i++) {
        char sql[256];
        snprintf(sql, sizeof sql, "CREATE TABLE saved.%s AS SELECT * FROM billing.%s",
                 published[i].name, published[i].name);
        server_run(server_url(base), sql);
    }
}

TestSuite(postgres_kill, .init = set_up, .fini = fixture_clear);

/* What the child's publish said: an err_code, or "killed". */
enum { KILLED = 200 };

static int
publish_in_child(const char *data, const char *url, enum fault fault, unsigned nth,
                 unsigned *ret_passed)
{
    int pipe_fds[2], status;
    unsigned passed = 0;
    cr_assert_eq(pipe(pipe_fds), 0);
    pid_t child = fork();
    if (child == 0) {
        struct publish_result result;
        struct err err;
        faults_arm(fault, nth);
        enum err_code code = fixture_publish(data, url, false, &result, &err);
        passed = faults_passed();
        if (write(pipe_fds[1], &passed, sizeof passed) != sizeof passed)
            _exit(1);
        _exit((int)code);
    }
    close(pipe_fds[1]);
    if (read(pipe_fds[0], &passed, sizeof passed) < 0)
        passed = 0;
    close(pipe_fds[0]);
    cr_assert_eq(waitpid(child, &status, 0), child);
    if (ret_passed != NULL)
        *ret_passed = passed;
    return WIFSIGNALED(status) ? KILLED : WEXITSTATUS(status);
}

/* Put the base database back to its rows of before; "saved" holds them. */
static void
put_back(void)
{
    char sql[4096] = "BEGIN; DELETE FROM billing.publish_state; "
                     "INSERT INTO billing.publish_state SELECT * FROM saved.publish_state";
    size_t used = strlen(sql);
    for (size_t i = 0; i < PUBLISHED_COUNT; i++)
        used += (size_t)snprintf(sql + used, sizeof sql - used, "; DELETE FROM billing.%s",
                                 published[i].name);
    for (size_t i = 0; i < PUBLISHED_COUNT; i++)
        used += (size_t)snprintf(sql + used, sizeof sql - used,
                                 "; INSERT INTO billing.%s SELECT * FROM saved.%s",
                                 published[i].name, published[i].name);
    used += (size_t)snprintf(sql + used, sizeof sql - used, "; COMMIT");
    cr_assert_lt(used, sizeof sql);
    server_run(server_url(base), sql);
}

/*
 * One fault at point nth, then an undisturbed run.  In between the database
 * shows the old rows or the new ones, afterwards the new ones and nothing is owed.
 *
 * Returns false when there was no such point.
 */
static bool
survives(enum fault fault, unsigned nth, unsigned *failed)
{
    char url[256];
    unsigned passed;
    snprintf(url, sizeof url, "%s", server_url(base));
    put_back();
    fixture_copy(changed, work);
    const char *data = work;
    int outcome = publish_in_child(data, url, fault, nth, &passed);
    bool reached = outcome == KILLED || passed >= nth;
    if (reached && fault == FAULT_KILL)
        cr_assert_eq(outcome, KILLED, "point %u", nth);
    if (reached && fault == FAULT_DISCONNECT)
        cr_assert(outcome == ERR_OK || outcome == ERR_PEER, "point %u: %d", nth, outcome);
    if (reached && fault == FAULT_FULL)
        cr_assert(outcome == ERR_OK || outcome == ERR_FULL, "point %u: %d", nth, outcome);
    *failed += outcome != ERR_OK;
    const char *digest = server_digest(url);
    cr_assert(strcmp(digest, digest_before) == 0 || strcmp(digest, digest_after) == 0,
              "point %u: half of a publish shows", nth);
    struct publish_result result = fixture_must_publish(data, url, false);
    cr_assert_neq(result.mode, PUBLISH_FULL, "point %u: %s", nth, result.why);
    cr_assert_str_eq(server_digest(url), digest_after, "point %u", nth);
    cr_assert_eq(fixture_owed(data), 0, "point %u", nth);
    return reached;
}

/* Every second point from `first` on, so that two tests share the work. */
static unsigned
at_every_second_point(enum fault fault, unsigned first, unsigned *failed)
{
    unsigned points = 0;
    *failed = 0;
    for (unsigned nth = first; nth < POINTS_MAX && survives(fault, nth, failed); nth += 2)
        points++;
    return points;
}

static void
kill_at(unsigned first)
{
    unsigned failed, points = at_every_second_point(FAULT_KILL, first, &failed);
    cr_assert_gt(points, 25, "only %u points: does the wrapper see the calls?", points);
    cr_assert_eq(failed, points);
}

static void
disconnect_at(unsigned first)
{
    unsigned failed, points = at_every_second_point(FAULT_DISCONNECT, first, &failed);
    cr_assert_gt(points, 25, "only %u points", points);
    cr_assert_gt(failed, points / 2);
}

Test(postgres_kill, a_kill_before_any_odd_call_is_made_good_by_the_next_run)
{
    kill_at(1);
}

Test(postgres_kill, a_kill_before_any_even_call_is_made_good_by_the_next_run)
{
    kill_at(2);
}

Test(postgres_kill, a_connection_lost_before_any_odd_call_is_made_good_by_the_next_run)
{
    disconnect_at(1);
}

Test(postgres_kill, a_connection_lost_before_any_even_call_is_made_good_by_the_next_run)
{
    disconnect_at(2);
}

Test(postgres_kill, a_full_disk_at_any_commit_of_the_tables_is_made_good_by_the_next_run)
{
    unsigned failed = 0, nth = 1;
    while (survives(FAULT_FULL, nth, &failed))
        nth++;
    cr_assert_eq(failed, 2, "the attempt and the settling, but %u failed", failed);
}

/* Rows of the tables change while the publish of their old values is under way. */
Test(postgres_kill, a_row_that_changes_during_a_publish_stays_owed)
{
    char url[256], command[512];
    snprintf(url, sizeof url, "%s", server_url(base));
    fixture_must_publish(changed, url, false);
    fixture_calls(changed, 10);
    /* Another session holds the table, so the publish stands between COPY and its merge. */
    snprintf(command, sizeof command,
             "psql -X -q '%s' -c 'BEGIN; LOCK billing.usage_hourly IN EXCLUSIVE MODE; "
             "SELECT pg_sleep(3); COMMIT' >/dev/null & sleep 0.5",
             url);
    cr_assert_eq(system(command), 0);
    pid_t child = fork();
    if (child == 0) {
        struct publish_result result;
        struct err err;
        _exit((int)fixture_publish(changed, url, false, &result, &err));
    }
    sleep(1);
    fixture_calls(changed, 100);
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    static const char calls[] = "SELECT calls FROM billing.usage_hourly WHERE organization_id = "
                                "'initech' AND hour = '2026-11-24 00:00Z'";
    cr_assert_str_eq(server_value(url, calls), "10");
    cr_assert_eq(fixture_owed(changed), 1, "the change since is still owed");
    fixture_must_publish(changed, url, false);
    cr_assert_str_eq(server_value(url, calls), "110");
}

Test(postgres_kill, kills_at_random_moments_never_show_half_a_publish)
{
    char url[256];
    unsigned killed = 0;
    const char *data = changed;
    snprintf(url, sizeof url, "%s", server_url(base));
    srandom(20261124);
    fixture_touch(data, TOUCHED_ROWS);
    int64_t start_ns = clock_monotonic_ns();
    fixture_must_publish(data, url, false);
    int64_t whole_us = (clock_monotonic_ns() - start_ns) / 1000;
    for (unsigned i = 0; i < RANDOM_KILLS; i++) {
        fixture_touch(data, TOUCHED_ROWS); /* one call more in every row of initech's */
        pid_t child = fork();
        if (child == 0) {
            struct publish_result result;
            struct err err;
            _exit(fixture_publish(data, url, false, &result, &err) == ERR_OK ? 0 : 1);
        }
        usleep((useconds_t)(random() % (whole_us * 5 / 4)));
        kill(child, SIGKILL);
        int status;
        cr_assert_eq(waitpid(child, &status, 0), child);
        killed += WIFSIGNALED(status) ? 1 : 0;
        cr_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        cr_assert_leq(strtoll(server_value(url, "SELECT count(DISTINCT calls) FROM "
                                                "billing.usage_hourly WHERE organization_id = "
                                                "'initech' AND hour < '2026-11-24 05:00Z'"),
                              NULL, 10),
                      1);
    }
    cr_assert_gt(killed, RANDOM_KILLS / 4, "only %u of them hit", killed);
    cr_log_info("%u of %d kills hit a running publish", killed, (int)RANDOM_KILLS);
    fixture_must_publish(data, url, false);
    cr_assert_eq(fixture_owed(data), 0);
    char was[128];
    snprintf(was, sizeof was, "%s", server_digest(url));
    struct publish_result result = fixture_must_publish(data, url, true);
    cr_assert_str_eq(server_digest(url), was, "a full publish finds nothing to mend");
    for (size_t i = 0; i < PUBLISHED_COUNT; i++)
        cr_assert_eq(result.counts[i].written + result.counts[i].deleted, 0);
}

#include "ingest/complaints.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <string.h>

static struct complaints c;

static void
setup(void)
{
    cr_redirect_stderr();
    memset(&c, 0, sizeof c);
}

TestSuite(ingest_complaints, .init = setup);

static int
lines_with(const char *text)
{
    static char all[65536];
    static size_t n;
    fflush(stderr);
    FILE *f = cr_get_redirected_stderr();
    n += fread(all + n, 1, sizeof all - 1 - n, f);
    all[n] = '\0';
    int count = 0;
    for (char *p = all; (p = strstr(p, text)) != NULL; p++)
        count++;
    return count;
}

Test(ingest_complaints, a_flood_is_one_line_a_second_with_its_count)
{
    static const char reason[] = "looks like HTTP";
    for (int ms = 0; ms < 2500; ms++) {
        for (int i = 0; i < 10; i++)
            complaints_tell(&c, "uid=7", reason, 5000 + ms);
        complaints_on_time(&c, 5000 + ms);
    }
    cr_expect_eq(lines_with("event=rejected uid=7 reason=\"looks like HTTP\""), 3);
    cr_expect_eq(lines_with("count=1\n"), 1);
    cr_expect_eq(lines_with("count=10000\n"), 2);
    /* The rest is told when the second is over, though nothing more comes. */
    cr_expect_eq(complaints_due_ms(&c), 8000);
    complaints_on_time(&c, 8000);
    cr_expect_eq(lines_with("count=4999\n"), 1);
    cr_expect_eq(complaints_due_ms(&c), 0);
}

Test(ingest_complaints, each_reason_and_peer_has_a_line_of_its_own_until_there_are_too_many)
{
    static const char one[] = "one", two[] = "two";
    complaints_tell(&c, "uid=1", one, 1000);
    complaints_tell(&c, "uid=1", two, 1000);
    complaints_tell(&c, "uid=2", one, 1000);
    cr_expect_eq(lines_with("event=rejected"), 3);
    for (int i = 0; i < 1000; i++) {
        char who[32];
        snprintf(who, sizeof who, "from=10.0.0.%d", i);
        complaints_tell(&c, who, one, 1000);
    }
    cr_expect_eq(lines_with("event=rejected"), COMPLAINTS_ROWS);
    complaints_on_time(&c, 2000);
    cr_expect_eq(lines_with("event=rejected others=true count=939\n"), 1);
    cr_expect_eq(complaints_due_ms(&c), 0);
    /* Rows are free again. */
    complaints_tell(&c, "uid=3", one, 2001);
    cr_expect_eq(lines_with("uid=3"), 1);
}

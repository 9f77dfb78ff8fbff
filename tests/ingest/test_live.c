#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ingest/live/delta.h"
#include "ingest/live/holds.h"

static char dir[64];

static void
make_dir(void)
{
    snprintf(dir, sizeof dir, "/tmp/gbill-live-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void
remove_dir(void)
{
    char path[96];
    snprintf(path, sizeof path, "%s/holds", dir);
    unlink(path);
    rmdir(dir);
}

TestSuite(ingest_live, .init = make_dir, .fini = remove_dir);

static void
open_holds(struct holds *h, uint64_t next_seq)
{
    struct err err = {.code = ERR_OK};
    cr_assert_eq(holds_open(h, dir, &err), ERR_OK, "%s", err.text);
    holds_take_over(h, next_seq);
}

static struct hold *
place(struct holds *h, const char *id, uint64_t units)
{
    return holds_place(h, str_of("acme"), str_of(id), LIMIT_AI_CREDITS, units, 1000);
}

static struct hold *
find(const struct holds *h, const char *id)
{
    return holds_find(h, str_of("acme"), str_of(id));
}

Test(ingest_live, holds_outlive_their_agent)
{
    struct holds h;
    open_holds(&h, 1);
    uint64_t key = holds_key(&h, str_of("acme"));
    cr_assert_not_null(place(&h, "kept", 7));
    struct hold *settled = place(&h, "settled", 8), *lost = place(&h, "lost", 9);
    holds_end(&h, settled, 4, 1);
    holds_end(&h, lost, 5, 1);
    holds_end(&h, place(&h, "released", 10), 0, 0);
    holds_close(&h);
    open_holds(&h, 5); /* the log ends at 4 */
    cr_expect_eq(holds_key(&h, str_of("acme")), key);
    cr_expect_not(h.is_new);
    cr_expect_eq(hold_state(find(&h, "kept")), HOLD_HELD);
    cr_expect_eq(find(&h, "kept")->units, 7);
    cr_expect_eq(hold_state(find(&h, "settled")), HOLD_ENDED);
    cr_expect_eq(hold_state(find(&h, "lost")), HOLD_HELD, "its event never reached the log");
    cr_expect_eq(hold_state(find(&h, "released")), HOLD_ENDED);
    cr_expect_eq(h.count, 2);
    holds_close(&h);
}

Test(ingest_live, a_damaged_hold_is_freed_and_a_foreign_file_begun_anew)
{
    struct holds h;
    char path[96];
    open_holds(&h, 1);
    place(&h, "sound", 1);
    place(&h, "damaged", 2)->units = 3;
    holds_close(&h);
    open_holds(&h, 1);
    cr_expect_eq(h.discarded, 1);
    cr_expect_null(find(&h, "damaged"));
    cr_expect_not_null(find(&h, "sound"));
    holds_close(&h);
    snprintf(path, sizeof path, "%s/holds", dir);
    int fd = open(path, O_WRONLY);
    cr_assert_eq(pwrite(fd, "another boot", 12, 8), 12);
    close(fd);
    open_holds(&h, 1);
    cr_expect(h.is_new);
    cr_expect_eq(h.count, 0);
    cr_expect_null(find(&h, "sound"));
    holds_close(&h);
}

Test(ingest_live, a_full_set_has_no_place)
{
    struct holds h;
    char id[16];
    uint64_t placed = 0;
    open_holds(&h, 1);
    for (int i = 0; i < 2 * HOLDS_MAX; i++) {
        snprintf(id, sizeof id, "%d", i);
        placed += place(&h, id, 1) != NULL;
    }
    cr_expect_eq(placed, h.count);
    cr_expect_leq(placed, HOLDS_MAX);
    cr_expect_gt(placed, HOLDS_MAX / 2);
    holds_close(&h);
}

Test(ingest_live, an_ended_one_makes_room_before_a_new_one_is_refused)
{
    struct holds h;
    char id[16];
    open_holds(&h, 1);
    for (int i = 0; i < 4 * HOLDS_MAX; i++) {
        snprintf(id, sizeof id, "%d", i);
        struct hold *placed = place(&h, id, 1);
        cr_assert_not_null(placed, "%d", i);
        if (i > 0)
            holds_end(&h, placed, 1, 1);
    }
    cr_expect_eq(h.count, 1);
    cr_expect_eq(hold_state(find(&h, "0")), HOLD_HELD, "what is held stays");
    snprintf(id, sizeof id, "%d", 4 * HOLDS_MAX - 1);
    cr_expect_eq(hold_state(find(&h, id)), HOLD_ENDED, "the last one that ended is still known");
    holds_close(&h);
}

static void
use(struct delta *d, uint64_t key, uint64_t units, uint64_t seq, int64_t now_s)
{
    struct delta_use u = {.key = key,
                          .dimension = LIMIT_AI_CREDITS,
                          .units = units,
                          .seq = seq,
                          .time_utc_ms = now_s * 1000};
    delta_add(d, &u, now_s);
}

/* Whatever is merged and forgotten: never under, and exact at the floor and at the end. */
Test(ingest_live, what_is_used_since_is_never_told_too_small)
{
    struct delta d;
    uint64_t sums[2001] = {0}, random = 20261129;
    cr_assert(delta_init(&d));
    for (uint64_t seq = 1; seq <= 2000; seq++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t units = random >> 54;
        use(&d, 9, units, seq, (int64_t)(seq / 7));
        sums[seq] = sums[seq - 1] + units;
        const struct delta_org *org = delta_find(&d, 9);
        for (uint64_t p = d.floor_seq; p <= seq; p += 13)
            cr_assert_geq(delta_since(org, p, 0, LIMIT_AI_CREDITS), sums[seq] - sums[p]);
        cr_assert_eq(delta_since(org, seq, 0, LIMIT_AI_CREDITS), 0);
        if (seq % 50 == 0) {
            d.floor_seq = seq;
            cr_assert_eq(delta_since(org, seq, 0, LIMIT_AI_CREDITS), 0);
        }
        if (seq % 50 == 20 && seq > 50) {
            uint64_t over = delta_since(org, d.floor_seq, 0, LIMIT_AI_CREDITS);
            cr_assert_leq(over, sums[seq] - sums[d.floor_seq > 7 ? d.floor_seq - 7 : 0],
                          "more than the second that the floor lies in");
        }
    }
    delta_clear(&d);
}

Test(ingest_live, of_another_period_nothing_counts)
{
    struct delta d;
    cr_assert(delta_init(&d));
    use(&d, 9, 5, 1, 100);
    use(&d, 9, 6, 2, 200);
    const struct delta_org *org = delta_find(&d, 9);
    cr_expect_eq(delta_since(org, 0, 150 * 1000, LIMIT_AI_CREDITS), 6);
    cr_expect_eq(delta_since(org, 0, 50 * 1000, LIMIT_AI_CREDITS), 11);
    cr_expect_eq(delta_since(NULL, 0, 0, LIMIT_AI_CREDITS), 0);
    delta_clear(&d);
}

Test(ingest_live, without_room_use_is_lost_and_that_is_known)
{
    struct delta d;
    cr_assert(delta_init(&d));
    for (uint64_t i = 1; i <= DELTA_WAYS; i++)
        use(&d, i * DELTA_SETS, 1, i, 1);
    cr_expect_eq(d.lost_seq, 0);
    use(&d, 99 * DELTA_SETS, 1, 50, 1);
    cr_expect_eq(d.lost_seq, 50);
    d.floor_seq = 1; /* the first one's use is in its snapshot */
    use(&d, 99 * DELTA_SETS, 1, 51, 2);
    cr_expect_eq(d.lost_seq, 50);
    cr_expect_not_null(delta_find(&d, 99 * DELTA_SETS));
    cr_expect_null(delta_find(&d, DELTA_SETS));
    delta_clear(&d);
}

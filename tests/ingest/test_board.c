/*
 * The board: what a client says from it is what the agent says, whatever changes under
 * it, and nobody but the agent can write on it.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ingest/client/limit_message.h"
#include "ingest/client/local.h"
#include "ingest/live/live.h"
#include "store/base/time.h"
#include "store/tables/allowance.h"
#include "store/tables/budget_pause.h"
#include "store/tables/dict.h"
#include "tests/ingest/answers.h"
#include "tests/ingest/standing.h"

#define NOON_MS ((int64_t)20781 * 86400000 + 43200000)
#define DAY_MS ((int64_t)86400000)

static char dir[64];
static struct live live;
static struct local local;
static int64_t now_utc_ms;

static int64_t
told_now(const struct clock *clock)
{
    (void)clock;
    return now_utc_ms;
}

static void
begin(void)
{
    struct err err = {.code = ERR_OK};
    snprintf(dir, sizeof dir, "/tmp/gbill-board-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    now_utc_ms = NOON_MS;
    standing_ns = 1000 * (int64_t)1000000000;
    cr_assert_eq(live_open(&live, dir, (struct clock){.now_utc_ms = told_now}, &err), ERR_OK, "%s",
                 err.text);
    live_start(&live, live.next_seq);
    local = (struct local){.board = NULL};
    cr_assert(local_init(&local));
}

static void
end(void)
{
    char command[96];
    live_close(&live);
    local_clear(&local, true);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(ingest_board, .init = begin, .fini = end);

/* The jobs ran: one organization's row, and why its budget has paused it, if it has. */
static void
run_jobs(const char *organization, const struct allowance *row, const char *pause)
{
    struct err err = {.code = ERR_OK};
    struct tables *tables = NULL;
    struct tables_txn *txn = NULL;
    struct dict dict = {.used = 0};
    struct allowance of_all = {.plan = str_of("free")}, its = *row;
    cr_assert_eq(tables_open(dir, TABLES_WRITE, &tables, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(tables_begin(tables, TABLES_WRITE, &txn, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(dict_intern(&dict, txn, str_of(organization), &its.organization, &err), ERR_OK);
    cr_assert_eq(allowance_put(txn, &its, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(allowance_put(txn, &of_all, &err), ERR_OK, "%s", err.text);
    if (pause != NULL) {
        const struct budget_pause p = {.organization = its.organization,
                                       .month = time_month(now_utc_ms),
                                       .reason = str_of(pause)};
        cr_assert_eq(budget_pause_put(txn, &p, &err), ERR_OK, "%s", err.text);
    }
    cr_assert_eq(dict_write(&dict.fresh, txn, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(tables_commit(txn, &err), ERR_OK, "%s", err.text);
    tables_close(tables);
    dict_clear(&dict);
}

static void
pass_ms(int64_t ms)
{
    standing_ns += ms * 1000000;
    live_on_time(&live, standing_ns / 1000000);
}

static bool
say(const char *organization, enum limit_dimension d, uint64_t amount,
    struct gbill_limit_answer *ret)
{
    static const char *const actions[] = {"project", "document", "ai", "member"};
    const struct gbill_limit_question q = {
        .organization_id = organization, .action = actions[d], .tokens = amount};
    return local_answer(&local, &q, now_utc_ms, standing_ns / 1000000, ret);
}

static struct gbill_limit_answer
ask(const char *organization, enum limit_dimension d, uint64_t amount)
{
    uint8_t out[ANSWER_BYTES_MAX];
    struct gbill_limit_answer a;
    struct err err;
    const struct question q = {.op = QUESTION_CHECK,
                               .dimension = d,
                               .organization = str_of(organization),
                               .amount = d == LIMIT_AI_CREDITS ? amount : 1,
                               .chunk = {.id = {(const uint8_t *)"c", 1}}};
    size_t n = live_answer(&live, &q, out);
    cr_assert_eq(limit_message_read((struct bytes){out, n}, &a, &err), ERR_OK, "%s", err.text);
    return a;
}

/* Of every action and some amounts: from the board first, where it must be if it is known. */
static void
compare(const char *organization, bool is_known, const char *doing)
{
    struct gbill_limit_answer own, agents;
    for (int d = 0; d < LIMIT_DIMENSIONS; d++) {
        for (uint64_t amount = 1; amount < 1000000; amount *= 7) {
            bool found = say(organization, (enum limit_dimension)d, amount, &own);
            cr_assert_eq(found, is_known, "%s: found %d", doing, found);
            agents = ask(organization, (enum limit_dimension)d, amount);
            if (found)
                answers_match(&own, &agents, doing, d);
            is_known = agents.known;
        }
    }
}

static void
take_board(void)
{
    cr_assert_geq(live_board(&live), 0);
    local_take(&local, dup(live.poster.fd));
    cr_assert_not_null(local.board);
}

static struct allowance
some_row(void)
{
    struct allowance row = {.position = 0,
                            .used = {1, 2, 3000, 4},
                            .limit = {3, LIMIT_UNLIMITED, 100000, 4},
                            .soft = {[LIMIT_MEMBERS] = true},
                            .period_start_ms = NOON_MS - 10 * DAY_MS,
                            .period_end_ms = NOON_MS + DAY_MS / 4,
                            .requests_per_minute = 60,
                            .tokens_per_minute = LIMIT_UNLIMITED,
                            .weight = 1500001,
                            .status = STANDING_PAUSED,
                            .plan = str_of("small")};
    for (int d = 0; d < LIMIT_DIMENSIONS; d++)
        row.upgrade[d] = str_of(d == LIMIT_PROJECTS ? "" : "large");
    return row;
}

Test(ingest_board, what_the_jobs_change_is_on_it_with_the_next_beat)
{
    struct allowance row = some_row();
    run_jobs("acme", &row, NULL);
    pass_ms(1000);
    take_board();
    compare("acme", false, "never asked");
    compare("acme", true, "asked");
    compare("globex", false, "without a row of its own");
    row.limit[LIMIT_AI_CREDITS] = 2;
    row.used[LIMIT_PROJECTS] = 3;
    run_jobs("acme", &row, NULL);
    pass_ms(BOARD_BEAT_MS);
    compare("acme", true, "another plan");
    run_jobs("acme", &row, "the budget of 100 USD is used up");
    pass_ms(BOARD_BEAT_MS);
    compare("acme", true, "paused");
    cr_expect_str_eq(ask("acme", LIMIT_AI_CREDITS, 1).state, "paused");
    run_jobs("globex", &row, NULL);
    pass_ms(BOARD_BEAT_MS);
    compare("globex", true, "with a row of its own");
    cr_expect_eq(ask("globex", LIMIT_PROJECTS, 1).used, 3);
}

/* A reservation of some tokens that may come to more; false: refused. */
static bool
reserve(const char *organization, const char *hold, uint64_t tokens, uint64_t max_tokens)
{
    uint8_t out[ANSWER_BYTES_MAX];
    struct gbill_limit_answer a;
    struct err err;
    const struct question q = {.op = QUESTION_RESERVE,
                               .dimension = LIMIT_AI_CREDITS,
                               .organization = str_of(organization),
                               .hold = str_of(hold),
                               .amount = tokens,
                               .bound = max_tokens,
                               .life_ms = 60000,
                               .chunk = {.id = {(const uint8_t *)"c", 1}}};
    size_t n = live_answer(&live, &q, out);
    cr_assert_eq(limit_message_read((struct bytes){out, n}, &a, &err), ERR_OK, "%s", err.text);
    return a.allowed;
}

Test(ingest_board, what_is_reserved_is_on_it_with_the_most_it_may_come_to)
{
    struct allowance row = some_row();
    run_jobs("acme", &row, NULL);
    pass_ms(1000);
    take_board();
    compare("acme", false, "never asked");
    cr_expect(reserve("acme", "a", 10000, 20000));
    compare("acme", true, "one"); /* 3000 used, 30001 held */
    cr_expect_eq(ask("acme", LIMIT_AI_CREDITS, 1).held, 30001, "a weight of 1.500001, rounded up");
    cr_expect_not(reserve("acme", "b", 44667, 44667), "by 1");
    cr_expect(reserve("acme", "b", 40000, 1000000));
    compare("acme", true, "more than the limit has");
    cr_expect_eq(ask("acme", LIMIT_AI_CREDITS, 1).held, 97000);
    cr_expect_not(reserve("acme", "c", 1, 1));
    row.soft[LIMIT_AI_CREDITS] = true;
    run_jobs("acme", &row, NULL);
    pass_ms(BOARD_BEAT_MS);
    compare("acme", true, "a soft limit");
    cr_expect_eq(ask("acme", LIMIT_AI_CREDITS, 1).held, 1530002);
    pass_ms(60000);
    compare("acme", true, "over");
    cr_expect_eq(ask("acme", LIMIT_AI_CREDITS, 1).held, 0);
}

Test(ingest_board, where_a_period_or_a_month_turns_the_agent_is_asked)
{
    struct allowance row = some_row();
    struct gbill_limit_answer a;
    run_jobs("acme", &row, "the budget is used up");
    pass_ms(1000);
    take_board();
    compare("acme", false, "never asked");
    now_utc_ms = row.period_end_ms - 1;
    compare("acme", true, "the period's last instant");
    now_utc_ms++;
    compare("acme", false, "the next period's first");
    cr_expect_eq(ask("acme", LIMIT_AI_CREDITS, 1).used, 0);
    compare("acme", true, "the next period");
    now_utc_ms--;
    cr_expect_not(say("acme", LIMIT_AI_CREDITS, 1, &a), "a clock that was set back");
    now_utc_ms = time_month_start_ms(time_month(NOON_MS) + 1) - 1;
    compare("acme", true, "the month's last instant");
    cr_expect_str_eq(ask("acme", LIMIT_AI_CREDITS, 1).state, "paused");
    now_utc_ms++;
    compare("acme", false, "the next month");
    cr_expect_str_eq(ask("acme", LIMIT_AI_CREDITS, 1).state, "ok");
}

Test(ingest_board, what_nothing_is_known_of_is_not_on_it)
{
    struct allowance row = some_row();
    struct gbill_limit_answer a;
    char path[96];
    take_board();
    compare("acme", false, "no tables");
    run_jobs("acme", &row, NULL);
    pass_ms(1000);
    compare("acme", false, "never asked");
    compare("acme", true, "asked");
    live_take(&live, 1);
    live.pending_lost = true; /* an event found no memory */
    live_take(&live, 1);
    cr_expect_not(say("acme", LIMIT_AI_CREDITS, 1, &a));
    cr_expect_not(ask("acme", LIMIT_AI_CREDITS, 1).known);
    row.position = 2;
    run_jobs("acme", &row, NULL);
    compare("acme", false, "all is known again");
    compare("acme", true, "asked again");
    snprintf(path, sizeof path, "%s/tables.mdb", dir);
    cr_assert_eq(unlink(path), 0);
    pass_ms(1000);
    cr_expect_not(say("acme", LIMIT_AI_CREDITS, 1, &a), "the tables are gone");
}

Test(ingest_board, an_organization_that_has_to_make_room_goes_with_its_row)
{
    struct allowance row = some_row();
    struct gbill_limit_answer a;
    char name[32];
    unsigned on_it = 0;
    run_jobs("acme", &row, NULL);
    pass_ms(1000);
    take_board();
    for (int i = 0; i < 2 * BOARD_ROWS; i++) {
        snprintf(name, sizeof name, "org-%d", i);
        (void)ask(name, LIMIT_PROJECTS, 1);
        cr_assert(say(name, LIMIT_PROJECTS, 1, &a), "%s", name);
    }
    for (int i = 0; i < 2 * BOARD_ROWS; i++) {
        snprintf(name, sizeof name, "org-%d", i);
        on_it += say(name, LIMIT_PROJECTS, 1, &a);
    }
    cr_expect_eq(on_it, live.poster.count);
    cr_expect_leq(on_it, (unsigned)BOARD_ROWS);
    cr_expect_gt(on_it, BOARD_ROWS * 9 / 10);
    row.used[LIMIT_MEMBERS]++;
    run_jobs("acme", &row, NULL); /* all are read anew, some in a turn */
    pass_ms(BOARD_BEAT_MS);
    cr_expect(live.sweep.is_on);
    for (int turns = 0; live.sweep.is_on && turns < BOARD_ROWS; turns++)
        pass_ms(0);
    cr_expect_not(live.sweep.is_on);
    cr_expect_eq(on_it, live.poster.count);
}

Test(ingest_board, nobody_else_can_write_on_it)
{
    char path[64];
    take_board();
    int fd = dup(live.poster.fd);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 2; i++) {
        int f = i == 0 ? fd : again;
        cr_expect_eq(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0), MAP_FAILED);
        cr_expect_eq(write(f, "x", 1), -1);
        cr_expect_eq(ftruncate(f, 0), -1);
        cr_expect_eq(ftruncate(f, sizeof(struct board) + 1), -1);
        cr_expect_eq(fcntl(f, F_ADD_SEALS, F_SEAL_WRITE), -1);
        void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, f, 0);
        cr_expect_neq(map, MAP_FAILED);
        cr_expect_eq(mprotect(map, 4096, PROT_READ | PROT_WRITE), -1);
        munmap(map, 4096);
        close(f);
    }
}

Test(ingest_board, what_is_none_is_not_mapped)
{
    int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    cr_assert_eq(ftruncate(fd, sizeof(struct board)), 0);
    local_take(&local, dup(fd));
    cr_expect_null(local.board, "it can be cut short");
    cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    local_take(&local, dup(fd));
    cr_expect_null(local.board, "it has no head");
    cr_assert_eq(pwrite(fd, "gbboard1", 8, 0), 8);
    local_take(&local, dup(fd));
    cr_expect_null(local.board, "its size is another");
    uint64_t size_bytes = sizeof(struct board);
    cr_assert_eq(pwrite(fd, &size_bytes, 8, 8), 8);
    local_take(&local, dup(fd));
    cr_expect_not_null(local.board);
    close(fd);
    local_take(&local, open("/dev/null", O_RDONLY));
    cr_expect_not_null(local.board, "what it had it keeps");
}

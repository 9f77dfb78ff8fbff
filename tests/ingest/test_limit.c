/*
 * libgbill's questions about limits: of an agent, of one that is gone or comes back,
 * and of what is none.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allowances.h"
#include "ingest/client/gbill_limit.h"
#include "ingest/client/line.h"
#include "store/base/clock.h"
#include "tests/ingest/client_board.h"
#include "tests/ingest/live_agent.h"
#include "tests/ingest/standing.h"

enum { SOON_MS = 10000 };

static struct gbill *client;
static struct gbill_limit_answer answer;
static struct gbill_err why;

static void
open_client(void)
{
    const struct gbill_options options = {.socket_path = live_sock};
    cr_assert_eq(gbill_open(&client, &options, &why), GBILL_OK, "%s", why.text);
}

/* An agent whose plan has so many credits, and a client. */
static void
begin(uint64_t credits)
{
    allowances_of_all(live_data, credits);
    live_start_agent();
    close(live_dial());
    open_client();
}

static void
end(void)
{
    gbill_close(client);
    client = NULL;
    live_teardown();
}

TestSuite(ingest_limit, .init = live_setup, .fini = end);

static struct gbill_limit_question
of(uint64_t tokens, const char *hold)
{
    return (struct gbill_limit_question){.organization_id = "acme", .tokens = tokens, .hold = hold};
}

static enum gbill_code
check(uint64_t tokens)
{
    const struct gbill_limit_question q = of(tokens, NULL);
    return gbill_limit_check(client, &q, SOON_MS, &answer, &why);
}

static enum gbill_code
reserve(uint64_t tokens, const char *hold)
{
    const struct gbill_limit_question q = of(tokens, hold);
    return gbill_limit_reserve(client, &q, SOON_MS, &answer, &why);
}

static enum gbill_code
release(const char *hold)
{
    const struct gbill_limit_question q = of(0, hold);
    return gbill_limit_release(client, &q, SOON_MS, &answer, &why);
}

static void
settle(const char *hold, uint64_t tokens)
{
    const struct gbill_usage usage = {.organization_id = "acme",
                                      .user_id = "u",
                                      .type = "chat",
                                      .provider = "openai",
                                      .model = "gpt-4o-mini",
                                      .input_tokens = tokens,
                                      .hold = hold};
    cr_assert_eq(gbill_track(client, &usage, &why), GBILL_OK, "%s", why.text);
    cr_assert_eq(gbill_flush(client, SOON_MS, &why), GBILL_OK, "%s", why.text);
}

static void
expect(bool allowed, const char *state, uint64_t used, uint64_t held)
{
    cr_expect_eq(answer.allowed, allowed, "%s", answer.reason);
    cr_expect_str_eq(answer.state, state);
    cr_expect_eq(answer.used, used, "%s", answer.reason);
    cr_expect_eq(answer.held, held, "%s", answer.reason);
}

Test(ingest_limit, what_is_asked_is_answered_in_full)
{
    begin(1000);
    cr_assert_eq(check(400), GBILL_OK, "%s", why.text);
    expect(true, "ok", 0, 0);
    cr_expect(answer.known);
    cr_expect_eq(answer.limit, 1000);
    cr_expect_eq(answer.remaining, 1000);
    cr_expect_eq(answer.requests_per_minute, GBILL_UNLIMITED);
    cr_expect_str_eq(answer.plan, "small");
    cr_expect_str_eq(answer.upgrade_to, "");
    cr_expect_str_eq(answer.hold, "");
    cr_assert_eq(check(1001), GBILL_OK, "%s", why.text);
    expect(false, "refused", 0, 0);
    cr_expect_str_eq(answer.upgrade_to, "large");
    cr_expect_not_null(strstr(answer.reason, "beyond the plan small"), "%s", answer.reason);
    const struct gbill_limit_question project = {.organization_id = "acme", .action = "project"};
    cr_assert_eq(gbill_limit_check(client, &project, SOON_MS, &answer, &why), GBILL_OK);
    expect(true, "ok", 0, 0);
    cr_expect_eq(answer.limit, GBILL_UNLIMITED);
    cr_expect_eq(answer.remaining, GBILL_UNLIMITED);
}

Test(ingest_limit, a_reservation_is_held_until_its_event_names_it_or_it_is_released)
{
    char hold[GBILL_TEXT_BYTES];
    begin(1000);
    cr_assert_eq(reserve(600, NULL), GBILL_OK, "%s", why.text);
    expect(true, "held", 0, 600);
    cr_expect_eq(strlen(answer.hold), 36, "\"%s\" is no UUID", answer.hold);
    cr_expect(answer.expires_in_ms > 0 && answer.expires_in_ms <= 60000);
    memcpy(hold, answer.hold, sizeof hold);
    cr_assert_eq(reserve(600, NULL), GBILL_OK, "%s", why.text);
    expect(false, "refused", 0, 600);
    cr_assert_eq(reserve(600, hold), GBILL_OK, "%s", why.text);
    expect(true, "held", 0, 600);
    settle(hold, 550);
    cr_assert_eq(reserve(450, "second"), GBILL_OK, "%s", why.text);
    expect(true, "held", 550, 450);
    cr_expect_str_eq(answer.hold, "second");
    cr_expect_eq(answer.remaining, 0);
    cr_assert_eq(release("second"), GBILL_OK, "%s", why.text);
    cr_expect_str_eq(answer.state, "released");
    cr_assert_eq(release("second"), GBILL_OK, "%s", why.text);
    cr_expect_str_eq(answer.state, "ended");
    cr_assert_eq(reserve(450, "second"), GBILL_OK, "%s", why.text);
    expect(false, "ended", 550, 0);
}

static enum gbill_code
reserve_up_to(uint64_t tokens, uint64_t max_tokens, const char *hold)
{
    struct gbill_limit_question q = of(tokens, hold);
    q.max_tokens = max_tokens;
    return gbill_limit_reserve(client, &q, SOON_MS, &answer, &why);
}

Test(ingest_limit, a_reservation_is_let_in_by_its_tokens_and_counts_with_its_max_tokens)
{
    begin(1000);
    cr_assert_eq(reserve_up_to(300, 700, "a"), GBILL_OK, "%s", why.text);
    expect(true, "held", 0, 700);
    cr_expect_eq(answer.remaining, 300);
    cr_assert_eq(reserve_up_to(301, 301, "b"), GBILL_OK, "%s", why.text);
    expect(false, "refused", 0, 700);
    cr_assert_eq(reserve_up_to(300, 900, "b"), GBILL_OK, "%s", why.text);
    expect(true, "held", 0, 1000);
    cr_expect_eq(answer.remaining, 0);
    cr_assert_eq(reserve_up_to(1, 5, "b"), GBILL_OK, "%s", why.text);
    expect(true, "held", 0, 1000);
    cr_assert_eq(check(1), GBILL_OK, "%s", why.text);
    expect(false, "refused", 0, 1000);
    settle("a", 700);
    cr_assert_eq(check(1), GBILL_OK, "%s", why.text);
    expect(false, "refused", 700, 300);
    settle("b", 500); /* 200 more than it said, and than the limit has */
    cr_assert_eq(check(1), GBILL_OK, "%s", why.text);
    expect(false, "refused", 1200, 0);
    cr_expect_eq(answer.remaining, 0);
}

Test(ingest_limit, what_a_bound_keeps_is_free_again_when_it_ends)
{
    begin(1000);
    cr_assert_eq(reserve_up_to(10, 1000000000000, "a"), GBILL_OK, "%s", why.text);
    expect(true, "held", 0, 1000);
    cr_assert_eq(release("a"), GBILL_OK, "%s", why.text);
    cr_assert_eq(reserve_up_to(0, 400, "b"), GBILL_OK, "%s", why.text); /* no tokens: 1 */
    expect(true, "held", 0, 400);
    (void)live_end_agent(SIGKILL);
    live_start_agent();
    close(live_dial());
    cr_assert_eq(reserve_up_to(601, 700, "c"), GBILL_OK, "%s", why.text);
    expect(false, "refused", 0, 400);
    settle("b", 20);
    cr_assert_eq(check(980), GBILL_OK, "%s", why.text);
    expect(true, "ok", 20, 0);
}

Test(ingest_limit, a_bound_that_is_none_is_an_error)
{
    struct gbill_limit_question q = {
        .organization_id = "acme", .action = "project", .max_tokens = 5, .hold = "h"};
    begin(1000);
    cr_expect_eq(reserve_up_to(10, 9, "h"), GBILL_INPUT);
    cr_expect_not_null(strstr(why.text, "max_tokens is 9, less than tokens (10)"), "%s", why.text);
    cr_expect_eq(reserve_up_to(10, 1000000000001, "h"), GBILL_INPUT);
    cr_expect_not_null(strstr(why.text, "maxTokens is no whole number in tokens to 10^12"), "%s",
                       why.text);
    cr_expect_eq(gbill_limit_reserve(client, &q, SOON_MS, &answer, &why), GBILL_INPUT);
    cr_expect_not_null(strstr(why.text, "maxTokens is for action ai alone: leave it out"), "%s",
                       why.text);
    cr_expect_eq(gbill_limit_release(client, &q, SOON_MS, &answer, &why), GBILL_OK, "%s", why.text);
    cr_expect_str_eq(answer.state, "none");
    q.action = "ai";
    for (int i = 0; i < 3; i++) { /* of a check it says nothing, from the board as from the agent */
        cr_expect_eq(gbill_limit_check(client, &q, SOON_MS, &answer, &why), GBILL_OK, "%s",
                     why.text);
        expect(true, "ok", 0, 0);
        q.max_tokens = 1000000000000;
    }
    q.action = "project"; /* what is wrong, the agent says: not the board */
    cr_expect_eq(gbill_limit_check(client, &q, SOON_MS, &answer, &why), GBILL_INPUT);
}

Test(ingest_limit, a_wrong_question_is_an_error_and_no_answer)
{
    const struct gbill_limit_question steal = {.organization_id = "acme", .action = "steal"};
    const struct gbill_limit_question nobody = {.tokens = 1};
    const struct gbill_limit_question acme = of(1, NULL);
    char long_text[70];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    begin(1000);
    memset(&answer, 0x5a, sizeof answer);
    const struct gbill_limit_answer before = answer;
    cr_expect_eq(gbill_limit_check(client, &steal, SOON_MS, &answer, &why), GBILL_INPUT);
    cr_expect_not_null(strstr(why.text, "the agent refuses the question: action"), "%s", why.text);
    cr_expect_eq(gbill_limit_check(client, &nobody, SOON_MS, &answer, &why), GBILL_INPUT);
    cr_expect_not_null(strstr(why.text, "organization_id"), "%s", why.text);
    cr_expect_eq(gbill_limit_check(client, &acme, 0, &answer, &why), GBILL_USAGE);
    cr_expect_eq(reserve(1, long_text), GBILL_INPUT);
    cr_expect_not_null(strstr(why.text, "hold has 69 bytes"), "%s", why.text);
    cr_expect_eq(reserve(1, ""), GBILL_INPUT);
    cr_expect_eq(release(NULL), GBILL_INPUT);
    cr_expect_eq(memcmp(&answer, &before, sizeof answer), 0, "an error has left an answer");
    cr_expect_eq(check(1), GBILL_OK, "the next question: %s", why.text);
}

Test(ingest_limit, of_an_organization_that_a_peer_may_not_write_for_it_learns_nothing)
{
    char path[128];
    snprintf(path, sizeof path, "%s.peers", live_errors);
    FILE *f = fopen(path, "w");
    fputs("uid * for globex\n", f);
    fclose(f);
    live_options.peers = path;
    begin(1000);
    cr_expect_eq(check(1), GBILL_INPUT);
    cr_expect_eq(check(1), GBILL_INPUT);
    cr_expect_null(client_board(client), "the board tells of every organization");
    cr_expect_not_null(strstr(why.text, "may not ask about that organization"), "%s", why.text);
    cr_expect_eq(reserve(1, "h"), GBILL_INPUT);
    cr_expect_eq(release("h"), GBILL_INPUT);
    const struct gbill_limit_question own = {.organization_id = "globex", .tokens = 1};
    cr_expect_eq(gbill_limit_check(client, &own, SOON_MS, &answer, &why), GBILL_OK, "%s", why.text);
    expect(true, "ok", 0, 0);
}

Test(ingest_limit, nobody_there_is_an_error_at_once_and_no_answer)
{
    open_client();
    memset(&answer, 0x5a, sizeof answer);
    const struct gbill_limit_answer before = answer;
    cr_expect_eq(reserve(1, "h"), GBILL_PEER);
    cr_expect_eq(why.code, GBILL_PEER);
    cr_expect_not_null(strstr(why.text, "start gbill-agent"), "%s", why.text);
    cr_expect_eq(memcmp(&answer, &before, sizeof answer), 0);
}

Test(ingest_limit, an_agent_that_was_killed_is_found_again_by_the_next_question)
{
    begin(1000);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(reserve(600, "mine"), GBILL_OK, "%s", why.text);
        expect(true, "held", 0, 600);
        (void)live_end_agent(SIGKILL);
        cr_expect_eq(check(1), GBILL_PEER, "of a dead agent");
        live_start_agent();
        close(live_dial());
        cr_assert_eq(reserve(1, "mine"), GBILL_OK, "%s", why.text);
        expect(true, "held", 0, 600);
        /* The connection that is kept now is of an agent that ends. */
        (void)live_end_agent(SIGKILL);
        live_start_agent();
        close(live_dial());
    }
}

/* Whether the agent answers or not: the clock is held where it last said that it lives. */
static void
expect_from_board(uint64_t used, uint64_t held)
{
    cr_assert_not_null(client_board(client));
    int64_t beat_ms = client_board(client)->beat_ms;
    for (int64_t late_ms = 0; late_ms <= BOARD_STALE_MS; late_ms += BOARD_STALE_MS) {
        standing_ns = (beat_ms + late_ms) * 1000000;
        cr_assert_eq(check(1), GBILL_OK, "%s", why.text);
        standing_ns = 0;
        expect(true, "ok", used, held);
    }
}

static void
expect_no_answer(void)
{
    const struct gbill_limit_question q = of(1, NULL);
    int64_t beat_ms = client_board(client)->beat_ms;
    while (clock_monotonic_ms() <= beat_ms + BOARD_STALE_MS)
        usleep(10000);
    cr_expect_eq(gbill_limit_check(client, &q, 50, &answer, &why), GBILL_PEER, "%s", answer.reason);
}

Test(ingest_limit, a_check_is_answered_from_the_board_until_the_agent_is_silent_for_a_second)
{
    begin(1000);
    cr_assert_eq(check(1), GBILL_OK, "%s", why.text);
    cr_expect_null(client_board(client), "for one check it is not worth it");
    cr_assert_eq(check(1), GBILL_OK, "%s", why.text);
    cr_assert_eq(reserve(300, "h"), GBILL_OK, "%s", why.text);
    settle("h", 200);
    cr_assert_eq(reserve(100, "more"), GBILL_OK, "%s", why.text);
    kill(live_pid, SIGSTOP);
    expect_from_board(200, 100);
    expect_no_answer();
    kill(live_pid, SIGCONT);
    cr_expect_eq(check(1), GBILL_OK, "%s", why.text);
    expect(true, "ok", 200, 100);
}

Test(ingest_limit, a_killed_agents_board_is_left_for_the_next_ones)
{
    begin(1000);
    cr_assert_eq(check(1), GBILL_OK, "%s", why.text);
    cr_expect_null(client_board(client), "for one check it is not worth it");
    cr_assert_eq(check(1), GBILL_OK, "%s", why.text);
    for (int i = 0; i < 2; i++) {
        const struct board *old = client_board(client);
        (void)live_end_agent(SIGKILL);
        expect_from_board((uint64_t)i * 10, 0);
        expect_no_answer();
        live_start_agent();
        close(live_dial());
        settle("none", 10);
        for (int tries = 0; client_board(client) == old && tries < 500; tries++) {
            cr_assert_eq(check(1), GBILL_OK, "%s", why.text);
            expect(true, "ok", (uint64_t)i * 10 + 10, 0);
            usleep(10000);
        }
        cr_assert_eq(check(1), GBILL_OK, "%s", why.text);
        kill(live_pid, SIGSTOP);
        expect_from_board((uint64_t)i * 10 + 10, 0);
        kill(live_pid, SIGCONT);
    }
}

Test(ingest_limit, an_agent_that_ends_takes_its_board_down)
{
    begin(1000);
    cr_assert_eq(check(1), GBILL_OK, "%s", why.text);
    cr_expect_null(client_board(client), "for one check it is not worth it");
    cr_assert_eq(check(1), GBILL_OK, "%s", why.text);
    cr_assert_neq(client_board(client)->beat_ms, 0);
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    cr_expect_eq(client_board(client)->beat_ms, 0);
    cr_expect_eq(check(1), GBILL_PEER);
}

Test(ingest_limit, an_agent_that_says_nothing_is_waited_for_no_longer_than_asked)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", live_errors); /* any free path */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    cr_assert_eq(listen(fd, 4), 0);
    const struct gbill_options options = {.socket_path = live_errors};
    cr_assert_eq(gbill_open(&client, &options, &why), GBILL_OK, "%s", why.text);
    const struct gbill_limit_question q = of(1, NULL);
    int64_t before_ns = clock_monotonic_ns();
    cr_expect_eq(gbill_limit_check(client, &q, 50, &answer, &why), GBILL_PEER);
    cr_expect_geq(clock_monotonic_ns() - before_ns, 50 * 1000000);
    cr_expect_not_null(strstr(why.text, "in time"), "%s", why.text);
    close(fd);
}

/* What the other end of a connection sends, before it closes or waits. */
static enum err_code
hear(const char *bytes, size_t size_bytes, bool closes, bool *ret_lost, struct err *err)
{
    static uint8_t room[LIMIT_ANSWER_BYTES_MAX];
    int fds[2];
    struct bytes got;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    cr_assert_eq(write(fds[1], bytes, size_bytes), (ssize_t)size_bytes);
    if (closes)
        shutdown(fds[1], SHUT_WR);
    *ret_lost = false;
    enum err_code code = line_ask(fds[0], (struct bytes){(const uint8_t *)"q", 1},
                                  clock_monotonic_ns() + 20 * 1000000, room, &got, NULL, ret_lost,
                                  err);
    close(fds[1]);
    if (code == ERR_OK)
        close(fds[0]);
    return code;
}

Test(ingest_limit, what_is_no_answer_is_not_taken_for_one)
{
    struct err err;
    bool lost;
    cr_expect_eq(hear("\x81\xa1x\x01", 4, false, &lost, &err), ERR_OK);
    cr_expect_eq(hear("\x81\xa1x", 3, false, &lost, &err), ERR_PEER);
    cr_expect(!lost && strstr(err.text, "in time") != NULL, "%s", err.text);
    cr_expect_eq(hear("\x81\xa1x", 3, true, &lost, &err), ERR_PEER);
    cr_expect(lost, "%s", err.text);
    cr_expect_eq(hear("\x81\xa1x\x01\x01", 5, false, &lost, &err), ERR_PEER);
    cr_expect(!lost && strstr(err.text, "no gbill-agent") != NULL, "%s", err.text);
    cr_expect_eq(hear("\xc6\xff\xff\xff\xff", 5, false, &lost, &err), ERR_PEER);
    cr_expect(!lost && strstr(err.text, "no gbill-agent") != NULL, "%s", err.text);
}

Test(ingest_limit, the_child_of_a_fork_may_not_ask)
{
    int status;
    begin(1000);
    cr_assert_eq(check(1), GBILL_OK, "%s", why.text);
    pid_t pid = fork();
    if (pid == 0) {
        enum gbill_code code = check(1);
        gbill_close(client);
        _exit(code == GBILL_USAGE ? 0 : 1);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_expect_eq(check(1), GBILL_OK, "the parent's connection: %s", why.text);
}

enum { CALLERS = 12, EACH = 40, SIZE = 7 };

static void *
reserve_many(void *context)
{
    unsigned *granted = context;
    struct gbill_limit_answer a;
    struct gbill_err e;
    const struct gbill_limit_question q = of(SIZE, NULL);
    for (int i = 0; i < EACH; i++) {
        if (gbill_limit_reserve(client, &q, SOON_MS, &a, &e) != GBILL_OK)
            return context;
        *granted += a.allowed;
    }
    return NULL;
}

Test(ingest_limit, many_threads_of_one_client_get_no_more_than_there_is)
{
    pthread_t threads[CALLERS];
    unsigned granted[CALLERS] = {0}, sum = 0;
    void *trouble;
    begin(1000);
    for (int i = 0; i < CALLERS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, reserve_many, &granted[i]), 0);
    for (int i = 0; i < CALLERS; i++) {
        cr_assert_eq(pthread_join(threads[i], &trouble), 0);
        cr_expect_null(trouble, "a call failed");
        sum += granted[i];
    }
    cr_expect_eq(sum, 1000 / SIZE);
    cr_assert_eq(check(1), GBILL_OK, "%s", why.text);
    cr_expect_eq(answer.held, 1000 / SIZE * SIZE);
}

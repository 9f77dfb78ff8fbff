/*
 * A thousand callers, each on a connection of its own, reserve and settle without
 * pause while the agent is killed and started again, and do as a client does: connect
 * anew and say the same again.  In the end what is used is what their events used,
 * to the token, and nothing is held.  Beyond the limit is nothing where what they
 * reserve is the most that they use, and where it is an estimate, the error of one.
 *
 * GBILL_CROWD_KILLS=N: so many kills, five to a crowd and its data directory.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "allowances.h"
#include "ingest/client/limit_message.h"
#include "ingest/live/holds.h"
#include "store/event/mp.h"
#include "tests/ingest/live_agent.h"
#include "tests/support/record.h"

enum { CALLERS = 1000, KILLS = 5, ROUNDS = 4, ESTIMATE_MAX = 500, LIFE_MS = 600000 };
enum { SURPLUS_MAX = 4 * ESTIMATE_MAX }; /* of a bound over its estimate */

enum state { RESERVING, SETTLING, RESTING };

struct caller {
    int fd;
    enum state state;
    unsigned round;
    uint64_t estimate, bound, actual; /* bound 0: the estimate is one */
    struct mp_scan scan;
    uint8_t in[LIMIT_ANSWER_BYTES_MAX];
    size_t in_bytes;
};

static struct caller callers[CALLERS];
static uint64_t seed = 42, settled_units, settled, granted, refused, said_again, asked_again;
static uint64_t largest_error, errors; /* of estimates that were too small: of one, of all */
static bool estimates;                 /* two in three say a bound, and use up to that */
static unsigned resting;
static int poller;

static void
name_hold(const struct caller *c, char text[32])
{
    snprintf(text, 32, "h-%d-%u", (int)(c - callers), c->round);
}

static void
send_reserve(struct caller *c)
{
    char hold[32];
    struct buf out;
    const struct gbill_limit_question q = {.organization_id = "crowd",
                                           .tokens = c->estimate,
                                           .max_tokens = c->bound,
                                           .life_ms = LIFE_MS};
    name_hold(c, hold);
    buf_init(&out, LIMIT_QUESTION_BYTES_MAX);
    cr_assert(limit_message_pack("reserve", &q, hold, &out));
    (void)!send(c->fd, out.data, out.size_bytes, MSG_NOSIGNAL);
    buf_clear(&out);
}

static void
send_event(struct caller *c)
{
    char hold[32], id[40];
    struct wire w;
    name_hold(c, hold);
    snprintf(id, sizeof id, "e%s", hold);
    wire_init(&w);
    msgpack_pack_array(&w.pk, 4);
    wire_text(&w, "gbill.usage");
    msgpack_pack_int64(&w.pk, live_now_s());
    msgpack_pack_map(&w.pk, 9);
    wire_text_pair(&w, "id", id);
    wire_text_pair(&w, "organizationId", "crowd");
    wire_text_pair(&w, "userId", "u");
    wire_text_pair(&w, "type", "chat");
    wire_text_pair(&w, "provider", "openai");
    wire_text_pair(&w, "model", "gpt-4o-mini");
    wire_text_pair(&w, "hold", hold);
    wire_text(&w, "inputTokens");
    msgpack_pack_uint64(&w.pk, c->actual);
    wire_text(&w, "outputTokens");
    msgpack_pack_uint64(&w.pk, 0);
    msgpack_pack_map(&w.pk, 1);
    wire_text_pair(&w, "chunk", "c");
    (void)!send(c->fd, w.buf.data, w.buf.size, MSG_NOSIGNAL);
    wire_clear(&w);
}

/* What it waits for the answer of; a connection that is lost is seen by the poller. */
static void
say(struct caller *c)
{
    if (c->state == RESERVING)
        send_reserve(c);
    else if (c->state == SETTLING)
        send_event(c);
}

static void
go_on(struct caller *c)
{
    c->round++;
    c->state = c->round < ROUNDS ? RESERVING : RESTING;
    resting += c->state == RESTING;
    c->estimate = 1 + random_next(&seed) % ESTIMATE_MAX;
    c->bound = 0;
    if (estimates && random_next(&seed) % 3 != 0)
        c->bound = c->estimate + random_next(&seed) % SURPLUS_MAX;
    c->actual = 1 + random_next(&seed) % (c->bound > 0 ? c->bound : c->estimate);
}

static void
count_settled(const struct caller *c)
{
    uint64_t error = c->actual > c->estimate ? c->actual - c->estimate : 0;
    settled++;
    settled_units += c->actual;
    errors += error;
    largest_error = error > largest_error ? error : largest_error;
}

static void
connect_caller(struct caller *c)
{
    c->fd = live_dial();
    c->in_bytes = 0;
    c->scan = (struct mp_scan){.depth = 0};
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    cr_assert_eq(epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e), 0, "%s", strerror(errno));
    say(c);
}

static void
take_answer(struct caller *c, struct bytes answer)
{
    struct gbill_limit_answer a;
    struct err err;
    if (c->state == SETTLING) { /* an ack: what it says is held together by other tests */
        count_settled(c);
        go_on(c);
    } else if (c->state == RESERVING) {
        cr_assert_eq(limit_message_read(answer, &a, &err), ERR_OK, "%s", err.text);
        cr_assert(a.known, "%s", a.reason);
        cr_assert_str_neq(a.state, "ended", "a reservation that nobody ended");
        cr_assert_str_neq(a.state, "full");
        bool is_over = !a.allowed && (!estimates || a.used + c->estimate > a.limit);
        granted += a.allowed;
        refused += is_over;
        asked_again += !a.allowed && !is_over; /* all is promised, and not yet used */
        if (a.allowed)
            c->state = SETTLING;
        else if (is_over)
            go_on(c);
    }
    say(c);
}

static void
serve(struct caller *c)
{
    size_t size;
    ssize_t n = recv(c->fd, c->in + c->in_bytes, sizeof c->in - c->in_bytes, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        /* The agent is a fork of this process: its copy would keep the old one in the poller. */
        cr_assert_eq(epoll_ctl(poller, EPOLL_CTL_DEL, c->fd, NULL), 0, "%s", strerror(errno));
        close(c->fd);
        said_again++;
        connect_caller(c);
        return;
    }
    c->in_bytes += (size_t)n;
    enum mp_scan_result is = mp_scan(&c->scan, c->in, c->in_bytes, sizeof c->in, &size);
    cr_assert_neq(is, MP_SCAN_BAD);
    if (is != MP_SCAN_WHOLE)
        return;
    cr_assert_eq(size, c->in_bytes, "more answers than questions");
    c->in_bytes = 0;
    c->scan = (struct mp_scan){.depth = 0};
    take_answer(c, (struct bytes){c->in, size});
}

static struct gbill_limit_answer
standing(void)
{
    const struct gbill_limit_question q = {.organization_id = "crowd", .tokens = 1};
    const struct gbill_options options = {.socket_path = live_sock};
    struct gbill *client;
    struct gbill_limit_answer a;
    struct gbill_err why;
    cr_assert_eq(gbill_open(&client, &options, &why), GBILL_OK, "%s", why.text);
    cr_assert_eq(gbill_limit_check(client, &q, 10000, &a, &why), GBILL_OK, "%s", why.text);
    gbill_close(client);
    return a;
}

static void
kill_agent(void)
{
    cr_assert_eq(live_end_agent(SIGKILL), 1000 + SIGKILL);
    live_start_agent();
    close(live_dial());
}

static void
run_crowd(void)
{
    struct epoll_event events[256];
    unsigned killed = 0;
    settled = settled_units = granted = refused = said_again = resting = 0;
    largest_error = errors = asked_again = 0;
    poller = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < CALLERS; i++) {
        callers[i].round = UINT32_MAX; /* go_on() makes it 0 */
        go_on(&callers[i]);
        connect_caller(&callers[i]);
    }
    while (resting < CALLERS) {
        int n = epoll_wait(poller, events, 256, 20000);
        cr_assert(n > 0, "%u callers wait for ever", CALLERS - resting);
        for (int i = 0; i < n; i++)
            serve(events[i].data.ptr);
        /* In the midst of it: some reserve, some settle, whatever they have said. */
        if (killed < KILLS &&
            settled + refused >= (uint64_t)(killed + 1) * CALLERS * ROUNDS / (KILLS + 1)) {
            kill_agent();
            killed++;
        }
    }
    cr_expect_eq(killed, (unsigned)KILLS);
    for (int i = 0; i < CALLERS; i++)
        close(callers[i].fd);
    close(poller);
}

TestSuite(ingest_live_crowd, .init = live_setup, .fini = live_teardown);

/* What is left in the file; what is told of it is never more than the limit has. */
static uint64_t
count_held(void)
{
    struct holds holds;
    struct err err;
    uint64_t count = 0;
    cr_assert_eq(holds_open(&holds, live_data, &err), ERR_OK, "%s", err.text);
    cr_assert(!holds.is_new && holds.is_file);
    for (int i = 0; i < HOLDS_MAX; i++)
        count += hold_state(&holds.all[i]) == HOLD_HELD;
    holds_close(&holds);
    return count;
}

static void
try_crowd(uint64_t limit)
{
    allowances_of_all(live_data, limit);
    live_start_agent();
    close(live_dial());
    run_crowd();
    struct gbill_limit_answer a = standing();
    cr_expect_eq(a.used, settled_units, "%" PRIu64 " used, events of %" PRIu64, a.used,
                 settled_units);
    cr_expect_leq(a.used, limit + largest_error,
                  "%" PRIu64 " beyond the limit; one estimate's error is %" PRIu64 " at most",
                  a.used - limit, largest_error);
    cr_expect_eq(a.held, 0, "%" PRIu64 " are still held", a.held);
    cr_expect_eq(count_held(), 0);
    cr_expect_gt(refused, 0);
    if (estimates) /* it was used up before anybody gave up */
        cr_expect_gt(a.used + ESTIMATE_MAX, limit);
    /* And the same from the log alone, with the reservations that were left. */
    kill_agent();
    a = standing();
    cr_expect_eq(a.used, settled_units);
    cr_expect_eq(a.held, 0);
    cr_expect_eq(count_held(), 0);
    cr_log_info("live crowd: %" PRIu64 " of %" PRIu64 " used; %" PRIu64 " were reserved, %" PRIu64
                " refused, %" PRIu64 " said again, %" PRIu64
                " asked again; estimates were too small by %" PRIu64 " in all, one by %" PRIu64,
                a.used, limit, granted, refused, said_again, asked_again, errors, largest_error);
}

/* The limit is such that about three in four can have it, and the last ones find it used up. */
static void
try_crowds(uint64_t demand)
{
    const char *text = getenv("GBILL_CROWD_KILLS");
    unsigned kills = text != NULL ? (unsigned)strtoul(text, NULL, 10) : KILLS;
    uint64_t all = 0;
    live_file_limit = 4096;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){4096, 4096}), 0);
    for (unsigned i = 0; i < kills; i += KILLS) {
        live_teardown(); /* the suite has made one for the first */
        live_setup();
        try_crowd(demand * 3 / 4);
        all += settled;
    }
    cr_log_info("live crowd: %d callers, %u kills; used to the token what %" PRIu64 " events used",
                CALLERS, kills, all);
}

Test(ingest_live_crowd, a_thousand_callers_and_kill_9_lose_and_leak_nothing)
{
    estimates = false;
    try_crowds((uint64_t)CALLERS * ROUNDS * ESTIMATE_MAX / 4);
}

Test(ingest_live_crowd, of_a_thousand_estimates_that_are_too_small_one_goes_beyond_the_limit)
{
    estimates = true;
    try_crowds((uint64_t)CALLERS * ROUNDS * (ESTIMATE_MAX + SURPLUS_MAX) / 6);
}

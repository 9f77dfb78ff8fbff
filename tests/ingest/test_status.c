/*
 * The agent's second socket, while it works: who asks gets figures, and nobody who
 * asks, or does not, stands in the way of events.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ingest/overview.h"
#include "ingest/status_ask.h"
#include "ingest/status_socket.h"
#include "tests/ingest/live_agent.h"

TestSuite(ingest_status, .init = live_setup, .fini = live_teardown);

static const char *
status_path(void)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/status.sock", live_data);
    return path;
}

static int
dial_status(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", status_path());
    cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static struct figures
ask(void)
{
    struct figures f;
    struct buf text;
    struct err err;
    buf_init(&text, STATUS_ASK_BYTES_MAX);
    cr_assert_eq(status_ask(status_path(), &text, &err), ERR_OK, "%s", err.text);
    cr_assert(figures_read((struct str){(const char *)text.data, text.size_bytes}, &f));
    buf_clear(&text);
    return f;
}

/* A client that the agent has surely accepted: connect() returns before that. */
static int
dial_accepted(void)
{
    int fd = live_dial();
    live_send_one(fd, "ev-first", "first");
    live_hear_ack(fd, "first");
    return fd;
}

/* The whole answer to what is sent, until the agent closes; its size. */
static size_t
answer_to(const char *question, bool end_side, char *room, size_t room_bytes)
{
    int fd = dial_status();
    size_t have = 0;
    ssize_t n = send(fd, question, strlen(question), MSG_NOSIGNAL);
    cr_assert_eq(n, (ssize_t)strlen(question));
    if (end_side)
        shutdown(fd, SHUT_WR);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (have < room_bytes - 1 && poll(&p, 1, 10000) == 1 &&
           (n = read(fd, room + have, room_bytes - 1 - have)) > 0)
        have += (size_t)n;
    room[have] = '\0';
    close(fd);
    return have;
}

Test(ingest_status, the_figures_are_those_of_what_was_done)
{
    live_start_agent();
    int fd = live_dial();
    struct figures begun = ask();
    cr_expect_eq(begun.events, 0);
    cr_expect_eq(begun.next_event, 1);
    cr_expect_gt(begun.resident_bytes, 500000);
    cr_expect_leq(begun.start_time_ns / 1000000000, (uint64_t)live_now_s());
    cr_expect_geq(begun.start_time_ns / 1000000000, (uint64_t)live_now_s() - 60);
    live_send_one(fd, "ev-1", "c1");
    live_hear_ack(fd, "c1");
    live_send_one(fd, NULL, "c2");
    live_hear_ack(fd, "c2");
    struct wire w;
    wire_init(&w);
    wire_message(&w, "gbill.usage", live_now_s() - 40 * 86400, "ev-old", "c3");
    wire_message(&w, "other.tag", live_now_s(), "ev-tag", "c4");
    msgpack_pack_nil(&w.pk);
    live_say(fd, wire_bytes(&w));
    live_hear_ack(fd, "c3");
    live_hear_ack(fd, "c4");
    int rubbish = live_dial();
    live_say(rubbish, (struct bytes){(const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18});
    cr_expect(live_is_closed(rubbish));
    struct figures f = ask();
    cr_expect_eq(f.connections, 1);
    cr_expect_eq(f.accepted, 2);
    cr_expect_eq(f.rejected, 1);
    cr_expect_eq(f.messages, 4);
    cr_expect_eq(f.heartbeats, 1);
    cr_expect_eq(f.events, 1);
    cr_expect_eq(f.quarantined_record, 1);
    cr_expect_eq(f.quarantined_time, 1);
    cr_expect_eq(f.quarantined_tag, 1);
    cr_expect_eq(f.next_event, 2);
    cr_expect_eq(f.next_quarantined, 4);
    cr_expect_eq(f.disk_full, 0);
    cr_expect_gt(f.received_bytes, 100);
    cr_expect_eq(f.commits.events.sum, 4);
    cr_expect_eq(figures_count(&f.commits.flush_ns), figures_count(&f.commits.events));
    cr_expect_geq(figures_count(&f.ack_ns), 3);
    cr_expect_geq(f.ack_ns.sum, f.commits.flush_ns.sum / 2);
    cr_expect_eq(live_end_agent(SIGTERM), 0, "see %s", live_errors);
    cr_expect_neq(access(status_path(), F_OK), 0, "the socket file is left behind");
    wire_clear(&w);
    close(fd);
    close(rubbish);
}

Test(ingest_status, whatever_is_said_gets_the_same_figures_and_changes_nothing)
{
    static const char *const questions[] = {"GET /metrics HTTP/1.1\r\nHost: agent\r\n\r\n",
                                            "POST /quit HTTP/1.0\r\n\r\n", "\n", "",
                                            "DELETE /\r\n\r\n\xff\xfe"};
    static char room[64 * 1024];
    live_start_agent();
    close(live_dial());
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        size_t n = answer_to(questions[i], questions[i][0] == '\0', room, sizeof room);
        char *body = strstr(room, "\r\n\r\n"), *length = strstr(room, "Content-Length: ");
        cr_assert(body != NULL && length != NULL, "%zu: %zu bytes", i, n);
        cr_expect_eq(strncmp(room, "HTTP/1.0 200 OK\r\n", 17), 0);
        cr_expect_eq((size_t)(room + n - body - 4), strtoul(length + 16, NULL, 10));
        cr_expect_not_null(strstr(body, "gbill_agent_events_total 0\n"));
    }
    cr_expect_eq(live_end_agent(SIGTERM), 0);
}

Test(ingest_status, who_connects_and_says_nothing_is_in_nobodys_way)
{
    enum { SILENT = 3 * STATUS_WAITING_MAX };
    int silent[SILENT];
    live_start_agent();
    int fd = dial_accepted();
    for (int i = 0; i < SILENT; i++)
        silent[i] = dial_status();
    for (int i = 0; i < 10; i++) {
        cr_expect_eq(ask().connections, 1);
        live_send_one(fd, "ev", "c");
        live_hear_ack(fd, "c");
    }
    /* The oldest made room: it was answered and closed. */
    char room[64];
    struct pollfd p = {.fd = silent[0], .events = POLLIN};
    cr_expect_eq(poll(&p, 1, 10000), 1);
    cr_expect_gt(read(silent[0], room, sizeof room), 10);
    for (int i = 0; i < SILENT; i++)
        close(silent[i]);
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    close(fd);
}

Test(ingest_status, who_asks_and_does_not_read_is_in_nobodys_way)
{
    enum { SLOW = 200 };
    int slow[SLOW];
    live_start_agent();
    int fd = live_dial();
    for (int i = 0; i < SLOW; i++) {
        slow[i] = dial_status();
        cr_expect_eq(send(slow[i], "GET\r\n\r\n", 7, MSG_NOSIGNAL), 7);
    }
    live_send_one(fd, "ev", "c");
    live_hear_ack(fd, "c");
    cr_expect_eq(ask().events, 1);
    /* Its answer waits for it, whole, though the agent has long closed. */
    size_t have = 0;
    char room[4096];
    for (ssize_t n; (n = read(slow[0], room, sizeof room)) > 0;)
        have += (size_t)n;
    cr_expect_gt(have, 4000);
    for (int i = 0; i < SLOW; i++)
        close(slow[i]);
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    close(fd);
}

Test(ingest_status, its_socket_is_for_the_group_and_what_is_no_socket_stays)
{
    struct stat st;
    char command[300];
    live_start_agent();
    close(live_dial());
    cr_assert_eq(lstat(status_path(), &st), 0);
    cr_expect(S_ISSOCK(st.st_mode));
    cr_expect_eq(st.st_mode & 0777, 0660);
    (void)live_end_agent(SIGKILL);
    /* Left behind by the kill: replaced. */
    live_start_agent();
    close(live_dial());
    cr_expect_eq(ask().events, 0);
    (void)live_end_agent(SIGTERM);
    /* A symlink to somebody's file: neither followed nor removed. */
    snprintf(command, sizeof command, "echo mine > '%s.mine' && ln -s '%s.mine' '%s'",
             status_path(), status_path(), status_path());
    cr_assert_eq(system(command), 0);
    live_start_agent();
    cr_expect_eq(live_end_agent(0), err_exit_status(ERR_CONFLICT));
    cr_expect_eq(lstat(status_path(), &st), 0);
    cr_expect(S_ISLNK(st.st_mode));
    cr_expect(live_errors_say("is not a socket"));
}

Test(ingest_status, it_answers_while_the_agent_does_nothing_and_after_a_thousand_times)
{
    live_start_agent();
    int fd = dial_accepted();
    for (int i = 0; i < 1000; i++)
        cr_expect_eq(ask().connections, 1);
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    close(fd);
}

static void
look(struct overview *v, const struct overview_options *o, int64_t later_ms)
{
    struct err err;
    struct clock now = clock_system(), clock = clock_fixed(clock_now_ms(&now) + later_ms);
    enum err_code code = overview_look(o, &clock, v, &err);
    cr_assert_eq(code, ERR_OK, "%s", err.text);
}

Test(ingest_status, the_overview_says_what_state_it_is_in)
{
    struct overview v;
    struct overview_options o = {.data = live_data, .behind_s = 300, .space_s = 1};
    live_start_agent();
    int fd = live_dial();
    look(&v, &o, 0);
    cr_expect_eq(v.state, OVERVIEW_OK, "%s", v.why.text);
    cr_expect_eq(v.behind_events, 0);
    overview_clear(&v);
    live_send_one(fd, "ev-1", "c1");
    live_hear_ack(fd, "c1");
    live_send_one(fd, NULL, "c2");
    live_hear_ack(fd, "c2");
    look(&v, &o, 299000);
    cr_expect_eq(v.state, OVERVIEW_OK, "%s", v.why.text);
    cr_expect_eq(v.behind_events, 1);
    cr_expect_eq(v.log.next_seq[LOG_EVENTS], 2);
    cr_expect_eq(v.log.next_seq[LOG_QUARANTINE], 2);
    cr_expect_eq(v.log.day_count, 1);
    cr_expect_gt(v.log.bytes, 4096);
    overview_clear(&v);
    look(&v, &o, 400000);
    cr_expect_eq(v.state, OVERVIEW_BEHIND);
    cr_expect_eq(overview_state_code(v.state), ERR_LIMIT);
    cr_expect_geq(v.oldest_ms, 400000);
    overview_clear(&v);
    o.behind_s = 0;
    o.space_s = INT64_MAX / 2; /* any disk is full sooner, once there is a rate */
    look(&v, &o, 7200000);
    cr_expect_eq(v.state, OVERVIEW_LOW_SPACE, "%s", v.why.text);
    overview_clear(&v);
    o.space_s = 0;
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    look(&v, &o, 0);
    cr_expect_eq(v.state, OVERVIEW_AGENT_DOWN);
    cr_expect_eq(overview_state_code(v.state), ERR_PEER);
    cr_expect_not_null(strstr(v.why.text, "start gbill-agent"), "%s", v.why.text);
    cr_expect_eq(v.behind_events, 1, "the log is seen without the agent");
    overview_clear(&v);
    close(fd);
}

Test(ingest_status, the_service_manager_hears_that_it_is_ready_alive_and_stopping)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char heard[1024] = "", message[512];
    snprintf(a.sun_path, sizeof a.sun_path, "%s.notify", live_errors);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), alive = 0;
    cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    setenv("NOTIFY_SOCKET", a.sun_path, 1);
    setenv("WATCHDOG_USEC", "40000", 1);
    unsetenv("WATCHDOG_PID");
    live_start_agent();
    ssize_t n = recv(fd, message, sizeof message - 1, 0);
    cr_assert_gt(n, 0);
    message[n] = '\0';
    cr_expect_str_eq(message, "READY=1\nSTATUS=listening");
    cr_expect_eq(access(live_sock, F_OK), 0, "ready before there is a socket");
    /* Nobody speaks to it, and it says that it is alive all the same. */
    for (int i = 0; i < 3; i++) {
        n = recv(fd, message, sizeof message - 1, 0);
        alive += n == 10 && memcmp(message, "WATCHDOG=1", 10) == 0;
    }
    cr_expect_eq(alive, 3);
    cr_expect_eq(live_end_agent(SIGTERM), 0);
    while ((n = recv(fd, message, sizeof message - 1, MSG_DONTWAIT)) > 0) {
        message[n] = '\0';
        snprintf(heard, sizeof heard, "%s", message);
    }
    cr_expect_str_eq(heard, "STOPPING=1\nSTATUS=storing what came whole");
    close(fd);
}

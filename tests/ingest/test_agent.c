/*
 * The agent as a process of its own, over a real socket, on a real log.
 */
#include "ingest/agent.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/event/event.h"
#include "store/log/quarantine.h"
#include "store/log/reader.h"
#include "tests/ingest/wire.h"

static char dir[64], data[96], sock[128], errors[96];
static pid_t agent_pid;

static void
start_agent(void)
{
    agent_pid = fork();
    if (agent_pid == 0) {
        int fd = open(errors, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, 2);
        struct agent_options o = {.data = data, .clock = clock_system()};
        struct err err = {.code = ERR_OK};
        enum err_code code = agent_run(&o, &err);
        if (code != ERR_OK)
            fprintf(stderr, "agent: %s\n", err.text);
        exit(err_exit_status(code)); /* not _exit: the leak check runs here */
    }
}

static int
end_agent(int signal_number)
{
    int status;
    kill(agent_pid, signal_number);
    cr_assert_eq(waitpid(agent_pid, &status, 0), agent_pid);
    agent_pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int
dial_now(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", sock);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

static int
dial(void)
{
    for (int i = 0; i < 500; i++) {
        int fd = dial_now();
        if (fd >= 0)
            return fd;
        poll(NULL, 0, 10);
    }
    cr_assert_fail("nobody listens on %s", sock);
    return -1;
}

static void
say(int fd, struct bytes b)
{
    while (b.size_bytes > 0) {
        ssize_t n = send(fd, b.data, b.size_bytes, MSG_NOSIGNAL);
        cr_assert(n > 0, "send: %s", strerror(errno));
        b = (struct bytes){b.data + n, b.size_bytes - (size_t)n};
    }
}

/* Read exactly what is wanted, within ten seconds. */
static void
hear(int fd, const struct wire *want)
{
    struct bytes w = wire_bytes(want);
    uint8_t *got = malloc(w.size_bytes);
    size_t have = 0;
    while (have < w.size_bytes) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        cr_assert_eq(poll(&p, 1, 10000), 1, "no ack after 10 s; have %zu of %zu bytes", have,
                     w.size_bytes);
        ssize_t n = read(fd, got + have, w.size_bytes - have);
        cr_assert(n > 0, "connection ended after %zu bytes of acks", have);
        have += (size_t)n;
    }
    cr_assert_eq(memcmp(got, w.data, have), 0, "other acks, or in another order");
    free(got);
}

static void
hear_ack(int fd, const char *chunk)
{
    struct wire w;
    wire_init(&w);
    wire_ack(&w, chunk);
    hear(fd, &w);
    wire_clear(&w);
}

/* Does the agent close it, having said nothing, within ten seconds? */
static bool
is_closed(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char c;
    return poll(&p, 1, 10000) == 1 && read(fd, &c, 1) <= 0;
}

static int64_t
now_s(void)
{
    return (int64_t)time(NULL);
}

static void
send_one(int fd, const char *id, const char *chunk)
{
    struct wire w;
    wire_init(&w);
    wire_message(&w, "gbill.usage", now_s(), id, chunk);
    say(fd, wire_bytes(&w));
    wire_clear(&w);
}

/* Events in a stream of the log; the last one's id, or reason, goes to last. */
static uint64_t
count_log(enum log_stream stream, char last[256])
{
    char path[128];
    struct log_reader *reader = NULL;
    struct log_frame frame;
    struct err err;
    uint64_t count = 0;
    bool more = true;
    snprintf(path, sizeof path, "%s/log", data);
    enum err_code code = log_reader_open(path, stream, 0, &reader, &err);
    cr_assert_eq(code, ERR_OK, "%s", err.text);
    log_reader_check_chain(reader);
    while (log_reader_next(reader, &frame, &more, &err) == ERR_OK && more) {
        struct mp m = mp_of(frame.events);
        for (uint32_t i = 0; i < frame.event_count; i++, count++) {
            struct event e;
            struct event_defect defect;
            struct quarantined q;
            if (stream == LOG_EVENTS) {
                cr_assert(event_read(&m, &e, &defect), "%s", defect.text);
                cr_assert_eq(e.peer_uid, getuid());
                snprintf(last, 256, "%.*s", STR_ARG(e.id));
            } else {
                cr_assert(quarantine_read(&m, &q));
                snprintf(last, 256, "%.*s", STR_ARG(q.reason));
            }
        }
    }
    cr_assert_not(more, "%s", err.text);
    log_reader_close(reader);
    return count;
}

static bool
errors_say(const char *text)
{
    char all[16384];
    FILE *f = fopen(errors, "r");
    size_t n = f != NULL ? fread(all, 1, sizeof all - 1, f) : 0;
    if (f != NULL)
        fclose(f);
    all[n] = '\0';
    return strstr(all, text) != NULL;
}

static void
setup(void)
{
    snprintf(dir, sizeof dir, "/tmp/gbill-agent-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(sock, sizeof sock, "%s/agent.sock", data);
    snprintf(errors, sizeof errors, "%s/stderr", dir);
}

static void
teardown(void)
{
    char command[128];
    if (agent_pid > 0)
        (void)end_agent(SIGKILL);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(ingest_agent, .init = setup, .fini = teardown, .timeout = 60);

Test(ingest_agent, an_acked_event_survives_kill_9_at_once)
{
    char last[256];
    start_agent();
    int fd = dial();
    send_one(fd, "ev-1", "c1");
    hear_ack(fd, "c1");
    (void)end_agent(SIGKILL);
    cr_expect_eq(count_log(LOG_EVENTS, last), 1);
    cr_expect_str_eq(last, "ev-1");
    /* What it left behind, socket file included, does not stop the next one. */
    start_agent();
    int again = dial();
    send_one(again, "ev-2", "c2");
    hear_ack(again, "c2");
    cr_expect_eq(end_agent(SIGTERM), 0, "see %s", errors);
    cr_expect_eq(count_log(LOG_EVENTS, last), 2);
    cr_expect_neq(access(sock, F_OK), 0, "the socket file is left behind");
    close(fd);
    close(again);
}

Test(ingest_agent, pipelined_chunks_are_acked_in_order)
{
    enum { CHUNKS = 300 };
    struct wire w, acks;
    char last[256];
    wire_init(&w);
    wire_init(&acks);
    for (int i = 0; i < CHUNKS; i++) {
        char chunk[32];
        snprintf(chunk, sizeof chunk, "chunk-%d", i);
        if (i % 5 == 0)
            msgpack_pack_nil(&w.pk);
        wire_packed(&w, now_s(), chunk, i % 3 * 50, chunk);
        wire_ack(&acks, chunk);
    }
    start_agent();
    int fd = dial();
    say(fd, wire_bytes(&w));
    hear(fd, &acks);
    cr_expect_eq(end_agent(SIGTERM), 0);
    cr_expect_eq(count_log(LOG_EVENTS, last), CHUNKS / 3 * 150);
    close(fd);
    wire_clear(&w);
    wire_clear(&acks);
}

Test(ingest_agent, what_breaks_the_contract_is_in_the_quarantine_and_acked)
{
    char last[256];
    start_agent();
    int fd = dial();
    send_one(fd, NULL, "c1");
    hear_ack(fd, "c1");
    cr_expect_eq(end_agent(SIGTERM), 0);
    cr_expect_eq(count_log(LOG_QUARANTINE, last), 1);
    cr_expect_not_null(strstr(last, "id is missing"), "%s", last);
    cr_expect_eq(count_log(LOG_EVENTS, last), 0);
    close(fd);
}

Test(ingest_agent, rubbish_is_closed_and_others_go_on)
{
    static const struct bytes rubbish[] = {
        {(const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18},
        {(const uint8_t *)"\x16\x03\x01\x02\x00", 5},
        {(const uint8_t *)"{\"tag\":1}", 9},
        {(const uint8_t *)"\xdd\xff\xff\xff\xff", 5},
        {(const uint8_t *)"\xc1", 1},
    };
    char last[256];
    start_agent();
    int good = dial();
    for (size_t i = 0; i < sizeof rubbish / sizeof rubbish[0]; i++) {
        int fd = dial();
        say(fd, rubbish[i]);
        cr_expect(is_closed(fd), "rubbish %zu", i);
        close(fd);
        send_one(good, "ev", "c");
        hear_ack(good, "c");
    }
    cr_expect_eq(end_agent(SIGTERM), 0);
    cr_expect(errors_say("rejected=5"));
    cr_expect(errors_say("event=rejected uid="));
    cr_expect_eq(count_log(LOG_EVENTS, last), 5);
    close(good);
}

Test(ingest_agent, acks_owed_before_the_rubbish_are_still_sent)
{
    start_agent();
    int fd = dial();
    struct wire w;
    wire_init(&w);
    wire_message(&w, "gbill.usage", now_s(), "ev", "c1");
    msgpack_pack_true(&w.pk);
    say(fd, wire_bytes(&w));
    hear_ack(fd, "c1");
    cr_expect(is_closed(fd));
    cr_expect_eq(end_agent(SIGTERM), 0);
    close(fd);
    wire_clear(&w);
}

Test(ingest_agent, a_client_that_ends_its_side_still_gets_its_acks)
{
    start_agent();
    int fd = dial();
    send_one(fd, "ev", "c1");
    shutdown(fd, SHUT_WR);
    hear_ack(fd, "c1");
    cr_expect(is_closed(fd));
    cr_expect_eq(end_agent(SIGTERM), 0);
    close(fd);
}

Test(ingest_agent, a_client_that_never_reads_and_is_gone_loses_no_event)
{
    enum { CHUNKS = 2000 };
    char last[256];
    start_agent();
    int fd = dial();
    for (int i = 0; i < CHUNKS; i++)
        send_one(fd, "ev", "a-chunk-id-of-some-length");
    close(fd);
    int other = dial();
    for (int i = 0; i < 500; i++) {
        send_one(other, "ev", "c");
        hear_ack(other, "c");
        if (count_log(LOG_EVENTS, last) == CHUNKS + (uint64_t)i + 1)
            break;
    }
    cr_expect_eq(end_agent(SIGTERM), 0);
    cr_expect_geq(count_log(LOG_EVENTS, last), CHUNKS + 1);
    close(other);
}

Test(ingest_agent, one_byte_a_write_is_understood)
{
    start_agent();
    int fd = dial();
    struct wire w;
    wire_init(&w);
    wire_packed(&w, now_s(), "p", 5, "slow");
    struct bytes b = wire_bytes(&w);
    for (size_t i = 0; i < b.size_bytes; i++)
        say(fd, (struct bytes){b.data + i, 1});
    hear_ack(fd, "slow");
    cr_expect_eq(end_agent(SIGTERM), 0);
    close(fd);
    wire_clear(&w);
}

Test(ingest_agent, what_is_acked_around_sigterm_is_in_the_log)
{
    for (int round = 0; round < 10; round++) {
        char last[256] = "", id[32];
        start_agent();
        int fd = dial();
        snprintf(id, sizeof id, "round-%d", round);
        send_one(fd, id, "c");
        cr_expect_eq(end_agent(SIGTERM), 0);
        uint8_t ack[16];
        bool acked = read(fd, ack, sizeof ack) > 0;
        if (acked) {
            cr_expect_gt(count_log(LOG_EVENTS, last), 0);
            cr_expect_str_eq(last, id);
        }
        close(fd);
    }
}

Test(ingest_agent, a_second_one_on_the_same_data_is_told_that_it_is_busy)
{
    start_agent();
    int fd = dial();
    pid_t first = agent_pid;
    start_agent();
    int status;
    cr_assert_eq(waitpid(agent_pid, &status, 0), agent_pid);
    cr_expect_eq(WEXITSTATUS(status), 8);
    cr_expect(errors_say("another gbill-agent runs here"));
    agent_pid = first;
    send_one(fd, "ev", "c");
    hear_ack(fd, "c");
    cr_expect_eq(end_agent(SIGTERM), 0);
    close(fd);
}

Test(ingest_agent, the_socket_is_for_owner_and_group_and_the_data_not_for_the_world)
{
    struct stat st;
    umask(0);
    start_agent();
    close(dial());
    cr_assert_eq(stat(sock, &st), 0);
    cr_expect_eq(st.st_mode & 07777, 0660);
    cr_assert_eq(stat(data, &st), 0);
    cr_expect_eq(st.st_mode & 07777, 0750);
    cr_expect_eq(end_agent(SIGTERM), 0);
}

Test(ingest_agent, what_is_no_socket_is_never_removed)
{
    static const char *const kinds[] = {"file", "link"};
    cr_assert_eq(mkdir(data, 0750), 0);
    for (int i = 0; i < 2; i++) {
        if (i == 0)
            close(open(sock, O_WRONLY | O_CREAT, 0600));
        else
            cr_assert_eq(symlink("/nowhere", sock), 0);
        start_agent();
        int status;
        cr_assert_eq(waitpid(agent_pid, &status, 0), agent_pid);
        agent_pid = 0;
        cr_expect_eq(WEXITSTATUS(status), 7, "%s", kinds[i]);
        cr_expect(errors_say("is not a socket"), "%s", kinds[i]);
        cr_expect_eq(unlink(sock), 0, "%s was removed", kinds[i]);
    }
}

Test(ingest_agent, two_hundred_connections_are_served)
{
    enum { CONNS = 200 };
    int fds[CONNS];
    char last[256];
    start_agent();
    for (int i = 0; i < CONNS; i++)
        fds[i] = dial();
    for (int i = 0; i < CONNS; i++)
        send_one(fds[i], "ev", "c");
    for (int i = 0; i < CONNS; i++)
        hear_ack(fds[i], "c");
    for (int i = 0; i < CONNS; i++)
        close(fds[i]);
    cr_expect_eq(end_agent(SIGTERM), 0);
    cr_expect_eq(count_log(LOG_EVENTS, last), CONNS);
}

Test(ingest_agent, a_chunk_larger_than_a_batch_is_taken_and_one_over_8_mib_is_not)
{
    struct wire w;
    char last[256];
    start_agent();
    int fd = dial();
    wire_init(&w);
    wire_packed(&w, now_s(), "big", 50000, "big");
    cr_assert_gt(wire_bytes(&w).size_bytes, 5 * 1024 * 1024);
    say(fd, wire_bytes(&w));
    hear_ack(fd, "big");
    int over = dial();
    static const uint8_t head[] = {0x92, 0xa1, 't', 0xc6, 0x00, 0x80, 0x00, 0x01};
    say(over, (struct bytes){head, sizeof head});
    cr_expect(is_closed(over));
    cr_expect_eq(end_agent(SIGTERM), 0);
    cr_expect_eq(count_log(LOG_EVENTS, last), 50000);
    close(fd);
    close(over);
    wire_clear(&w);
}

Test(ingest_agent, more_than_the_batches_hold_is_taken_from_clients_that_read_late)
{
    enum { CONNS = 4, CHUNKS = 12 };
    int fds[CONNS];
    struct wire w, acks;
    char last[256];
    start_agent();
    wire_init(&w);
    wire_init(&acks);
    for (int i = 0; i < CHUNKS; i++) {
        wire_packed(&w, now_s(), "x", 4000, "chunk");
        wire_ack(&acks, "chunk");
    }
    for (int i = 0; i < CONNS; i++)
        fds[i] = dial();
    pid_t senders[CONNS];
    for (int i = 0; i < CONNS; i++) {
        senders[i] = fork();
        if (senders[i] == 0) {
            struct bytes b = wire_bytes(&w);
            while (b.size_bytes > 0) {
                ssize_t n = write(fds[i], b.data, b.size_bytes);
                if (n <= 0)
                    _exit(1);
                b = (struct bytes){b.data + n, b.size_bytes - (size_t)n};
            }
            _exit(0);
        }
    }
    for (int i = 0; i < CONNS; i++) {
        int status;
        cr_assert_eq(waitpid(senders[i], &status, 0), senders[i]);
        cr_expect_eq(status, 0);
    }
    for (int i = 0; i < CONNS; i++) {
        hear(fds[i], &acks);
        close(fds[i]);
    }
    cr_expect_eq(end_agent(SIGTERM), 0);
    cr_expect_eq(count_log(LOG_EVENTS, last), CONNS * CHUNKS * 4000);
    wire_clear(&w);
    wire_clear(&acks);
}

Test(ingest_agent, check_says_what_is_wrong_and_changes_nothing)
{
    struct err err;
    char deep[160];
    struct agent_options o = {.data = data, .clock = clock_system()};
    cr_expect_eq(agent_check(&o, &err), ERR_OK);
    cr_expect_neq(access(data, F_OK), 0, "it made the directory");
    snprintf(deep, sizeof deep, "%s/missing/data", dir);
    o.data = deep;
    cr_expect_eq(agent_check(&o, &err), ERR_NOT_FOUND);
    cr_expect_eq(agent_run(&o, &err), ERR_NOT_FOUND);
    char long_path[200];
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    o = (struct agent_options){.data = data, .socket = long_path, .clock = clock_system()};
    cr_expect_eq(agent_check(&o, &err), ERR_LIMIT);
    cr_expect_not_null(strstr(err.text, "limit is 107"), "%s", err.text);
}

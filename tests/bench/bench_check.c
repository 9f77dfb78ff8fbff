/*
 * tests/bench/bench_check.c - questions about limits beside events that come in, on
 * one agent: from send to answer, against a bare ping-pong beside the same events.
 *
 *   bench_check SOCKET [seconds [events-a-chunk]]
 *
 * The agent runs already, and gbill limits has run.  Questions leave when they are
 * due, whether or not those before them are answered, so a stall is felt by all that
 * come in it.  Blocks alternate: checks through libgbill, which answers from the agent's
 * board; checks over the socket; pings; reservations.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ingest/client/limit_message.h"
#include "store/base/clock.h"
#include "store/event/mp.h"
#include "tests/bench/check_client.h"
#include "tests/bench/trickle.h"
#include "tests/bench/workload.h"

enum {
    CHECKS_A_SECOND = 10000,
    EVENTS_A_SECOND = 50000,
    BLOCK = 2500, /* a quarter of a second */
    RESERVES_A_SECOND = 1000,
    RESERVES = 250,
    QUESTIONS = 512,
    PREPARED = 64,
    CONNECTIONS = 8,
    ACK_BYTES = 13, /* of {"ack": "c000000"} */
    UNACKED_MAX = 64,
};

#define NS_PER_S ((int64_t)1000000000)

static void
die(const char *what)
{
    fprintf(stderr, "bench_check: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int
dial(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        die(path);
    return fd;
}

static void
send_all(int fd, const uint8_t *data, size_t size_bytes)
{
    while (size_bytes > 0) {
        ssize_t n = send(fd, data, size_bytes, MSG_NOSIGNAL);
        if (n < 0)
            die("send");
        data += n;
        size_bytes -= (size_t)n;
    }
}

static void
sleep_until(int64_t at_ns)
{
    struct timespec t = {.tv_sec = at_ns / NS_PER_S, .tv_nsec = at_ns % NS_PER_S};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

/* ---- the events: a process of its own, until it is killed ---- */

static void
pour(const char *socket_path, uint32_t chunk_events, _Atomic uint64_t *acked)
{
    static struct workload w;
    static struct buf prepared[PREPARED];
    struct clock clock = clock_system();
    int fds[CONNECTIONS];
    size_t owed[CONNECTIONS] = {0};
    const int64_t step_ns = NS_PER_S * chunk_events / EVENTS_A_SECOND;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    workload_init(&w, 11, clock_now_ms(&clock));
    for (size_t i = 0; i < PREPARED; i++) {
        buf_init(&prepared[i], 1 << 20);
        workload_chunk(&w, &prepared[i], chunk_events, "c000000");
    }
    for (size_t i = 0; i < CONNECTIONS; i++)
        fds[i] = dial(socket_path);
    int64_t due_ns = clock_monotonic_ns();
    for (size_t i = 0;; i++, due_ns += step_ns) {
        size_t c = i % CONNECTIONS;
        uint8_t acks[ACK_BYTES * UNACKED_MAX];
        sleep_until(due_ns);
        send_all(fds[c], prepared[i % PREPARED].data, prepared[i % PREPARED].size_bytes);
        owed[c] += ACK_BYTES;
        ssize_t n = recv(fds[c], acks, sizeof acks, owed[c] < sizeof acks ? MSG_DONTWAIT : 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            die("the agent closed the connection");
        owed[c] -= n > 0 ? (size_t)n : 0;
        *acked += n > 0 ? (uint64_t)n : 0; /* bytes of acks */
    }
}

/* ---- the questions ---- */

static void
make_questions(struct buf questions[QUESTIONS])
{
    static struct workload w;
    struct workload_event e;
    workload_init(&w, 7, 0);
    for (size_t i = 0; i < QUESTIONS; i++) {
        workload_next(&w, &e);
        const struct gbill_limit_question q = {.organization_id = e.organization,
                                               .tokens = e.input_tokens + e.output_tokens};
        buf_init(&questions[i], LIMIT_QUESTION_BYTES_MAX);
        if (!limit_message_pack("check", &q, NULL, &questions[i]))
            die("memory");
    }
}

/* Answers that have come, in the order of the questions; returns how many. */
static size_t
take_answers(int fd, struct mp_scan *scan, uint8_t *room, size_t room_bytes, size_t *have)
{
    size_t count = 0, size, at = 0;
    ssize_t n = recv(fd, room + *have, room_bytes - *have, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        die("the other end closed the connection");
    *have += n > 0 ? (size_t)n : 0;
    while (mp_scan(scan, room + at, *have - at, LIMIT_ANSWER_BYTES_MAX, &size) == MP_SCAN_WHOLE) {
        *scan = (struct mp_scan){.depth = 0};
        at += size;
        count++;
    }
    *have -= at;
    memmove(room, room + at, *have);
    return count;
}

/* A block of questions, each sent when it is due: from send to answer. */
static void
ask_block(int fd, const struct buf questions[QUESTIONS], int64_t ret_ns[BLOCK])
{
    static uint8_t room[1 << 16];
    static int64_t sent_ns[BLOCK];
    struct mp_scan scan = {.depth = 0};
    size_t have = 0, sent = 0, answered = 0;
    const int64_t step_ns = NS_PER_S / CHECKS_A_SECOND, start_ns = clock_monotonic_ns();
    while (answered < BLOCK) {
        int64_t now_ns = clock_monotonic_ns();
        while (sent < BLOCK && start_ns + (int64_t)sent * step_ns <= now_ns) {
            const struct buf *q = &questions[sent % QUESTIONS];
            sent_ns[sent] = clock_monotonic_ns();
            /* A whole one or nothing: the kernel does not take a part of so few bytes. */
            ssize_t n = send(fd, q->data, q->size_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n < 0 && errno != EAGAIN)
                die("send");
            if (n < 0)
                break; /* until answers are taken */
            sent++;
        }
        int64_t wait_ns = start_ns + (int64_t)sent * step_ns - clock_monotonic_ns();
        if (sent == BLOCK)
            wait_ns = NS_PER_S;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        const struct timespec t = {.tv_nsec = wait_ns < 0           ? 0
                                              : wait_ns >= NS_PER_S ? NS_PER_S - 1
                                                                    : wait_ns};
        if (ppoll(&p, 1, &t, NULL) <= 0)
            continue;
        size_t n = take_answers(fd, &scan, room, sizeof room, &have);
        for (now_ns = clock_monotonic_ns(); n > 0; n--, answered++)
            ret_ns[answered] = now_ns - sent_ns[answered];
    }
}

/* ---- the machine's own: an answer of the same size from a thread that only sends it ---- */

struct echo {
    int fd;
    struct buf answer;
};

static void *
answer_pings(void *context)
{
    struct echo *e = context;
    static uint8_t room[1 << 16];
    static struct mp_scan scan;
    size_t have = 0;
    for (;;) {
        ssize_t n = recv(e->fd, room + have, sizeof room - have, 0);
        if (n <= 0)
            return NULL;
        have += (size_t)n;
        size_t at = 0, size;
        while (mp_scan(&scan, room + at, have - at, LIMIT_QUESTION_BYTES_MAX, &size) ==
               MP_SCAN_WHOLE) {
            scan = (struct mp_scan){.depth = 0};
            at += size;
            send_all(e->fd, e->answer.data, e->answer.size_bytes);
        }
        have -= at;
        memmove(room, room + at, have);
    }
}

/* What the agent answers to the first question: its bytes, and that it says something. */
static void
first_answer(int fd, const struct buf *question, struct buf *ret)
{
    uint8_t room[LIMIT_ANSWER_BYTES_MAX];
    struct gbill_limit_answer a;
    struct err err = {.code = ERR_OK};
    send_all(fd, question->data, question->size_bytes);
    ssize_t n = recv(fd, room, sizeof room, 0);
    buf_init(ret, sizeof room);
    if (n <= 0 || !buf_append(ret, room, (size_t)n))
        die("no answer");
    if (limit_message_read((struct bytes){room, (size_t)n}, &a, &err) != ERR_OK || !a.known) {
        fprintf(stderr, "bench_check: %s\n", err.code != ERR_OK ? err.text : a.reason);
        exit(1);
    }
}

static int
compare_ns(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* p50 and p99 of all, in microseconds. */
static void
tell(const char *what, int64_t *ns, size_t count, double ret[2])
{
    qsort(ns, count, sizeof *ns, compare_ns);
    ret[0] = (double)ns[count / 2] / 1000;
    ret[1] = (double)ns[count * 99 / 100] / 1000;
    printf("%-46s p50 %6.1f us   p99 %7.1f us   max %7.1f us   (%zu)\n", what, ret[0], ret[1],
           (double)ns[count - 1] / 1000, count);
}

static pid_t
begin_pouring(const char *socket_path, uint32_t chunk_events, _Atomic uint64_t *acked)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0)
        pour(socket_path, chunk_events, acked);
    sleep_until(clock_monotonic_ns() + NS_PER_S / 2); /* until it flows */
    return pid;
}

/* Of each kind so many blocks. */
struct times {
    int64_t *first, *local, *check, *alone, *ping, *reserve;
};

static int64_t *
make_room(size_t blocks, size_t each)
{
    int64_t *room = calloc(blocks, each * sizeof *room);
    if (room == NULL)
        die("memory");
    return room;
}

static void
start_echo(struct echo *echo, int *ret_fd)
{
    int ends[2];
    pthread_t thread;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        die("socketpair");
    echo->fd = ends[1];
    *ret_fd = ends[0];
    if (pthread_create(&thread, NULL, answer_pings, echo) != 0)
        die("thread");
}

static void
tell_all(const struct times *t, size_t blocks, double over_the_socket)
{
    double l[2], c[2], p[2], unused[2];
    tell("board  the first checks, mostly over the socket", t->first, QUESTIONS, l);
    tell("board  10,000 checks/s beside these events", t->local, blocks * BLOCK, l);
    printf("board  goal: p50 <= 30 us, p99 <= 200 us; over the socket went %.2f %% of them\n",
           over_the_socket * 100);
    tell("socket 10,000 checks/s beside these events", t->check, blocks * BLOCK, c);
    tell("bare   10,000 pings/s beside them", t->ping, blocks * BLOCK, p);
    tell("socket 1,000 reservations/s beside them", t->reserve, blocks * RESERVES, unused);
    printf("ratio  check over the socket / bare ping   p50 %.2f   p99 %.2f\n", c[0] / p[0],
           c[1] / p[1]);
}

int
main(int argc, char **argv)
{
    static struct buf questions[QUESTIONS];
    static struct echo echo;
    if (argc < 2) {
        fprintf(stderr, "usage: bench_check SOCKET [seconds [events-a-chunk]]\n");
        return 2;
    }
    size_t seconds = argc > 2 ? strtoul(argv[2], NULL, 10) : 10;
    uint32_t chunk_events = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 50;
    size_t blocks = seconds * CHECKS_A_SECOND / BLOCK;
    const struct times t = {make_room(1, QUESTIONS),  make_room(blocks, BLOCK),
                            make_room(blocks, BLOCK), make_room(blocks, BLOCK),
                            make_room(blocks, BLOCK), make_room(blocks, RESERVES)};
    _Atomic uint64_t *acked =
        mmap(NULL, sizeof *acked, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int ping_fd, fd = dial(argv[1]);
    if (acked == MAP_FAILED)
        die("memory");
    make_questions(questions);
    first_answer(fd, &questions[0], &echo.answer);
    start_echo(&echo, &ping_fd);
    (void)prctl(PR_SET_TIMERSLACK, 1); /* questions leave when they are due */
    int64_t cpu_ns = trickle_cpu_ns(trickle_peer(fd));
    for (size_t i = 0; i < blocks; i++)
        ask_block(fd, questions, t.alone + i * BLOCK);
    cpu_ns = trickle_cpu_ns(trickle_peer(fd)) - cpu_ns;
    pid_t pouring = begin_pouring(argv[1], chunk_events, acked);
    check_client_open(argv[1]);
    check_client_checks(CHECKS_A_SECOND, QUESTIONS, t.first);
    uint64_t acked_before = *acked, asked = 0;
    int64_t start_ns = clock_monotonic_ns();
    for (size_t i = 0; i < blocks; i++) {
        uint64_t asked_before = check_client_asked();
        check_client_checks(CHECKS_A_SECOND, BLOCK, t.local + i * BLOCK);
        asked += check_client_asked() - asked_before;
        ask_block(fd, questions, t.check + i * BLOCK);
        ask_block(ping_fd, questions, t.ping + i * BLOCK);
        check_client_reserves(RESERVES_A_SECOND, RESERVES, t.reserve + i * RESERVES);
    }
    double took_s = (double)(clock_monotonic_ns() - start_ns) / 1e9;
    double events = (double)(*acked - acked_before) / ACK_BYTES * chunk_events / took_s;
    kill(pouring, SIGKILL);
    (void)waitpid(pouring, NULL, 0);
    check_client_close();

    double a[2];
    printf("events %u a chunk, acked                       %.0f events/s   (goal >= 49000)\n",
           chunk_events, events);
    tell("socket 10,000 checks/s alone", t.alone, blocks * BLOCK, a);
    printf("socket CPU of a check, the agent's waking up for it included  %.1f us\n",
           (double)cpu_ns / 1000 / (double)(blocks * BLOCK));
    tell_all(&t, blocks, (double)asked / (double)(blocks * BLOCK));
    return 0;
}

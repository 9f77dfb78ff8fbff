/*
 * tests/faults/kill_cycles.c - the agent is killed (SIGKILL) at a random moment under
 * load, again and again.
 *
 *   kill_cycles CYCLES [SEED]
 *
 * Several clients send chunks without waiting for each ack and send again, unchanged,
 * what was not acknowledged when the agent died.  After each round of cycles: the log
 * verifies, every event of an acknowledged chunk is in it, and a fold counts each event
 * that was ever sent exactly once.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rollup/job.h"
#include "store/base/clock.h"
#include "tests/faults/lab.h"
#include "tests/ingest/wire.h"

enum {
    CLIENTS = 4,
    WINDOW = 3,         /* chunks under way of one client */
    CHUNK_EVENTS = 20,  /* at most 32: a bit each */
    CHUNKS_MAX = 60000, /* of one client in a round */
    ACK_BYTES = 13,
    ROUND_CYCLES = 300,
    UNDER_LOAD_US_MAX = 30000,
    WAIT_MS = 10000,
};

#define ALL_EVENTS (((uint32_t)1 << CHUNK_EVENTS) - 1)

struct client {
    int number, fd;
    uint32_t sent, acked; /* whole chunks, from the beginning; acks come in order */
    struct wire out;      /* the chunk being sent */
    size_t out_at;
    size_t in_bytes; /* of acks on this connection */
    uint32_t acked_before;
    uint32_t seen[CHUNKS_MAX]; /* events found in the log */
};

static struct client clients[CLIENTS];
static uint64_t seed;
static int64_t event_time_s; /* one for all, so that what is sent again is the same */

static uint64_t
roll(uint64_t below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (seed * 0x2545f4914f6cdd1du >> 20) % below;
}

static void
hang_up(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->sent = c->acked; /* the rest goes again */
    wire_clear(&c->out);
    wire_init(&c->out);
    c->out_at = 0;
}

static void
dial(const struct lab *lab, struct client *c)
{
    c->fd = lab_dial(lab, WAIT_MS);
    if (c->fd < 0 || fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0)
        lab_die("the agent does not listen");
    c->in_bytes = 0;
    c->acked_before = c->acked;
}

/* False when the connection is gone. */
static bool
send_some(struct client *c, bool may_begin)
{
    for (;;) {
        if (c->out_at == c->out.buf.size) {
            if (!may_begin || c->sent - c->acked >= WINDOW || c->sent == CHUNKS_MAX)
                return true;
            char prefix[32], chunk[8];
            snprintf(prefix, sizeof prefix, "%d-%" PRIu32, c->number, c->sent);
            snprintf(chunk, sizeof chunk, "%d%06" PRIu32, c->number % 10, c->sent % 1000000);
            c->out.buf.size = c->out_at = 0;
            wire_packed(&c->out, event_time_s, prefix, CHUNK_EVENTS, chunk);
            c->sent++;
        }
        ssize_t n =
            send(c->fd, c->out.buf.data + c->out_at, c->out.buf.size - c->out_at, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN;
        c->out_at += (size_t)n;
    }
}

static bool
take_acks(struct client *c)
{
    uint8_t acks[ACK_BYTES * 16];
    ssize_t n = recv(c->fd, acks, sizeof acks, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    c->in_bytes += (size_t)n;
    c->acked = c->acked_before + (uint32_t)(c->in_bytes / ACK_BYTES);
    return true;
}

/* Send and hear until until_ms is over or, without new chunks, all is acked. */
static void
serve(int64_t until_us, bool may_begin)
{
    for (;;) {
        struct pollfd p[CLIENTS];
        bool waiting = false;
        for (int i = 0; i < CLIENTS; i++) {
            struct client *c = &clients[i];
            if (c->fd >= 0 && !send_some(c, may_begin))
                hang_up(c);
            bool half_sent = c->out_at < c->out.buf.size;
            waiting = waiting || (c->fd >= 0 && c->acked < c->sent);
            p[i] = (struct pollfd){c->fd, (short)(POLLIN | (half_sent ? POLLOUT : 0)), 0};
        }
        int64_t left = until_us - clock_monotonic_ns() / 1000;
        if (left <= 0 || (!may_begin && !waiting))
            return;
        struct timespec wait = {left / 1000000, left % 1000000 * 1000};
        (void)ppoll(p, CLIENTS, &wait, NULL);
        for (int i = 0; i < CLIENTS; i++) {
            if ((p[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !take_acks(&clients[i]))
                hang_up(&clients[i]);
        }
    }
}

static void
cycle(struct lab *lab)
{
    pid_t pid = lab_start_agent(lab);
    for (int i = 0; i < CLIENTS; i++)
        dial(lab, &clients[i]);
    serve(clock_monotonic_ns() / 1000 + (int64_t)roll(UNDER_LOAD_US_MAX), true);
    kill(pid, SIGKILL);
    if (lab_wait(pid, WAIT_MS) != SIGKILL) {
        lab_show_errors(lab);
        lab_die("the agent ended by itself");
    }
    /* What it acked before it died counts. */
    for (int i = 0; i < CLIENTS; i++) {
        while (clients[i].fd >= 0 && take_acks(&clients[i]) && errno != EAGAIN)
            errno = 0;
        hang_up(&clients[i]);
    }
}

/* What is under way is sent once more, to an agent that lives. */
static void
finish(struct lab *lab, const uint32_t sent[CLIENTS])
{
    pid_t pid = lab_start_agent(lab);
    for (int i = 0; i < CLIENTS; i++)
        dial(lab, &clients[i]);
    for (int64_t until = lab_now_ms() + WAIT_MS; lab_now_ms() < until;) {
        bool missing = false;
        for (int i = 0; i < CLIENTS; i++)
            missing = missing || clients[i].acked < sent[i];
        if (!missing)
            break;
        serve(clock_monotonic_ns() / 1000 + 5000, true);
    }
    serve(clock_monotonic_ns() / 1000 + WAIT_MS * 1000, false);
    kill(pid, SIGTERM);
    if (lab_wait(pid, WAIT_MS) != 0)
        lab_die("the last agent does not end well");
}

static void
see(void *context, struct str id)
{
    int number, event;
    uint32_t chunk;
    char text[72];
    uint64_t *logged = context;
    snprintf(text, sizeof text, "%.*s", STR_ARG(id));
    if (sscanf(text, "%d-%" SCNu32 "-%d", &number, &chunk, &event) != 3 || number >= CLIENTS ||
        chunk >= CHUNKS_MAX || event >= CHUNK_EVENTS)
        lab_die("a foreign event is in the log");
    clients[number].seen[chunk] |= (uint32_t)1 << event;
    ++*logged;
}

/* Unequal: say so and count a failure. */
static unsigned
expect(uint64_t have, uint64_t want, const char *what)
{
    if (have == want)
        return 0;
    fprintf(stderr, "FAIL: %s: %" PRIu64 ", expected %" PRIu64 "\n", what, have, want);
    return 1;
}

/* How many failures. */
static unsigned
judge(const struct lab *lab, uint64_t *ret_acked)
{
    char why[ERR_TEXT_BYTES_MAX];
    uint64_t logged = 0, unique = 0, acked = 0, lost = 0;
    struct err err;
    struct rollup_result folded;
    if (!lab_verify(lab, see, &logged, why)) {
        fprintf(stderr, "FAIL: %s\n", why);
        return 1;
    }
    for (int i = 0; i < CLIENTS; i++) {
        for (uint32_t chunk = 0; chunk < CHUNKS_MAX; chunk++) {
            unique += (unsigned)__builtin_popcount(clients[i].seen[chunk]);
            lost += chunk < clients[i].acked && clients[i].seen[chunk] != ALL_EVENTS;
        }
        acked += (uint64_t)clients[i].acked * CHUNK_EVENTS;
    }
    struct rollup_options options = {.data_directory = lab->data,
                                     .price_path = GBILL_SCHEMAS_DIR "/prices.json"};
    if (rollup_run(&options, &folded, &err) != ERR_OK) {
        fprintf(stderr, "FAIL: %s\n", err.text);
        return 1;
    }
    *ret_acked += acked;
    return expect(lost, 0, "acknowledged chunks that are not whole in the log") +
           expect(unique, acked, "events in the log") +
           expect(folded.total.events[BALANCE_PRICED], acked, "events that the fold counted") +
           expect(folded.total.events[BALANCE_DUPLICATE], logged - acked, "duplicates") +
           expect(folded.total.events[BALANCE_CONFLICT], 0, "duplicates of another content");
}

static unsigned
round_of(struct lab *lab, unsigned cycles, uint64_t *ret_acked)
{
    uint32_t sent[CLIENTS];
    lab_clean(lab);
    for (int i = 0; i < CLIENTS; i++) {
        memset(&clients[i], 0, sizeof clients[i]);
        clients[i].number = i;
        clients[i].fd = -1;
        wire_init(&clients[i].out);
    }
    memset(sent, 0, sizeof sent);
    event_time_s = (int64_t)time(NULL);
    for (unsigned i = 0; i < cycles; i++) {
        cycle(lab);
        for (int c = 0; c < CLIENTS; c++)
            sent[c] = clients[c].acked + WINDOW; /* at most: any of these may be in the log */
    }
    finish(lab, sent);
    unsigned failures = judge(lab, ret_acked);
    for (int i = 0; i < CLIENTS; i++)
        hang_up(&clients[i]);
    return failures;
}

int
main(int argc, char **argv)
{
    struct lab lab;
    unsigned cycles = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 300, failures = 0;
    uint64_t acked = 0;
    seed = (argc > 2 ? strtoull(argv[2], NULL, 10) : 1) * 0x9e3779b97f4a7c15u | 1;
    lab_open(&lab);
    for (unsigned done = 0; done < cycles;) {
        unsigned now = cycles - done < ROUND_CYCLES ? cycles - done : ROUND_CYCLES;
        failures += round_of(&lab, now, &acked);
        done += now;
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\r%u of %u kills, %u failures", done, cycles, failures);
    }
    lab_close(&lab);
    printf("%u kills of the agent, %" PRIu64 " events acknowledged, %u failures\n", cycles, acked,
           failures);
    return failures == 0 ? 0 : 1;
}

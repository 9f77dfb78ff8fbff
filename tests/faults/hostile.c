/*
 * tests/faults/hostile.c - bytes that mean harm, against the shipped agent: bombs,
 * lies about lengths, slow and half-sent messages, floods of heartbeats and of file
 * descriptors.
 *
 *   hostile [DESCRIPTORS]
 *
 * After each attack a good client must still be served, the agent's own memory must be
 * back near where it was, and at no time may it have held more than its budget.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "store/base/err.h"
#include "tests/bench/trickle.h"
#include "tests/faults/lab.h"
#include "tests/ingest/wire.h"

enum {
    BUDGET_KIB = 64 * 1024,
    GROWTH_KIB = 20 * 1024, /* batches and buffers that are kept for the next large message */
    WAIT_MS = 10000,
    FDS_PER_MESSAGE = 250, /* the kernel takes 253 */
    HALF_SENDERS = 200,
    BIG_SENDERS = 40,
    TRICKLED_EVENTS = 4000, /* half a megabyte */
    TRICKLE_RATIO_MAX = 2,
};

struct attack {
    struct lab *lab;
    pid_t agent;
    long most_kib;
    uint64_t descriptors; /* to send in the flood */
};

static long
anonymous_kib(pid_t pid)
{
    char line[256];
    long kib = 0;
    snprintf(line, sizeof line, "/proc/%d/status", (int)pid);
    FILE *f = fopen(line, "re");
    while (f != NULL && kib == 0 && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtol(line + 8, NULL, 10);
    }
    if (f != NULL)
        fclose(f);
    return kib;
}

static int
open_descriptors(pid_t pid)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *d = opendir(path);
    while (d != NULL && readdir(d) != NULL)
        count++;
    if (d != NULL)
        closedir(d);
    return count;
}

static void
look(struct attack *a)
{
    long kib = anonymous_kib(a->agent);
    if (kib > a->most_kib)
        a->most_kib = kib;
}

static int
dial(const struct attack *a)
{
    int fd = lab_dial(a->lab, WAIT_MS);
    if (fd < 0)
        lab_die("nobody listens");
    return fd;
}

/* Send in pieces, looking at the agent's memory between; false when it closed. */
static bool
say(struct attack *a, int fd, struct bytes b)
{
    enum { PIECE = 512 * 1024 };
    while (b.size_bytes > 0) {
        size_t n = b.size_bytes < PIECE ? b.size_bytes : PIECE;
        if (!lab_say(fd, (struct bytes){b.data, n}))
            return false;
        look(a);
        b = (struct bytes){b.data + n, b.size_bytes - n};
    }
    return true;
}

static bool
is_closed(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char byte;
    return poll(&p, 1, WAIT_MS) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

/* NULL, or what is wrong. */
static const char *
serves(struct attack *a)
{
    struct wire w;
    int fd = dial(a);
    wire_init(&w);
    wire_message(&w, "gbill.usage", (int64_t)time(NULL), "good", "chunk-1");
    bool acked = lab_say(fd, wire_bytes(&w)) && lab_hear_ack(fd, "chunk-1", WAIT_MS);
    wire_clear(&w);
    close(fd);
    look(a);
    return acked ? NULL : "a good client is not served";
}

/* The bytes again and again, until they are this many; the agent must close. */
static const char *
repeat_is_closed(struct attack *a, const char *unit, size_t unit_bytes, size_t total_bytes)
{
    int fd = dial(a);
    uint8_t *all = malloc(total_bytes);
    if (all == NULL)
        lab_die("no memory");
    for (size_t i = 0; i < total_bytes; i++)
        all[i] = (uint8_t)unit[i % unit_bytes];
    bool open = say(a, fd, (struct bytes){all, total_bytes});
    bool closed = !open || is_closed(fd);
    free(all);
    close(fd);
    return closed ? NULL : "it is not closed";
}

/* ---- the attacks ---- */

static const char *
lengths_that_lie(struct attack *a)
{
    static const char *const heads[] = {
        "\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\xdb\xff\xff\xff\xff",
        "\xc6\xff\xff\xff\xff", "\xc9\xff\xff\xff\xff",
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        if (repeat_is_closed(a, heads[i], 5, 5) != NULL)
            return "a length of four gigabytes is believed";
    }
    return NULL;
}

static const char *
a_million_arrays_within_each_other(struct attack *a)
{
    return repeat_is_closed(a, "\x91", 1, 1000000);
}

static const char *
arrays_of_65535_within_each_other(struct attack *a)
{
    return repeat_is_closed(a, "\xdc\xff\xff", 3, (size_t)3 * 24000);
}

static const char *
other_protocols(struct attack *a)
{
    if (repeat_is_closed(a, "GET / HTTP/1.1\r\n\r\n", 18, 18) != NULL ||
        repeat_is_closed(a, "{\"tag\":1}", 9, 9) != NULL ||
        repeat_is_closed(a, "\x16\x03\x01\x02\x00\x01", 6, 6) != NULL)
        return "it is not closed";
    return NULL;
}

/* [tag, bin of {1:1} maps, {chunk}]: what costs a tree of objects 26 times its size. */
static const char *
three_megabytes_of_tiny_maps(struct attack *a)
{
    enum { MAPS = 1024 * 1024 };
    struct wire w;
    wire_init(&w);
    msgpack_pack_array(&w.pk, 2);
    wire_text(&w, "gbill.usage");
    msgpack_pack_array(&w.pk, MAPS / 8);
    for (int i = 0; i < MAPS / 8; i++) {
        msgpack_pack_array(&w.pk, 2);
        msgpack_pack_int64(&w.pk, (int64_t)time(NULL));
        msgpack_pack_map(&w.pk, 1);
        msgpack_pack_int(&w.pk, 1);
        msgpack_pack_int(&w.pk, 1);
    }
    int fd = dial(a);
    (void)say(a, fd, wire_bytes(&w));
    const char *wrong = serves(a);
    close(fd);
    wire_clear(&w);
    return wrong;
}

static const char *
eight_megabytes_of_heartbeats(struct attack *a)
{
    enum { SIZE = 8 * 1024 * 1024 };
    uint8_t *nils = malloc(SIZE);
    if (nils == NULL)
        lab_die("no memory");
    memset(nils, 0xc0, SIZE);
    int fd = dial(a);
    bool open = say(a, fd, (struct bytes){nils, SIZE});
    free(nils);
    close(fd);
    return open ? NULL : "heartbeats close a connection";
}

/* Many say that eight megabytes come, and send little. */
static const char *
promises_of_large_messages(struct attack *a)
{
    static const uint8_t head[] = {0x92, 0xa1, 't', 0xc6, 0x00, 0x7f, 0x00, 0x00, 1, 2, 3};
    int fds[HALF_SENDERS];
    for (int i = 0; i < HALF_SENDERS; i++) {
        fds[i] = dial(a);
        (void)lab_say(fds[i], (struct bytes){head, sizeof head});
    }
    const char *wrong = serves(a);
    for (int i = 0; i < HALF_SENDERS; i++)
        close(fds[i]);
    return wrong;
}

/* Many send nearly all of eight megabytes, and stop. */
static const char *
large_messages_that_never_end(struct attack *a)
{
    enum { SIZE = 7 * 1024 * 1024 };
    static const uint8_t head[] = {0x92, 0xa1, 't', 0xc6, 0x00, 0x7f, 0x00, 0x00};
    uint8_t *body = calloc(1, SIZE);
    int fds[BIG_SENDERS];
    if (body == NULL)
        lab_die("no memory");
    for (int i = 0; i < BIG_SENDERS; i++) {
        fds[i] = dial(a);
        struct timeval patience = {.tv_usec = 50000};
        if (setsockopt(fds[i], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0)
            lab_die("setsockopt");
        (void)lab_say(fds[i], (struct bytes){head, sizeof head});
        (void)say(a, fds[i], (struct bytes){body, SIZE});
    }
    free(body);
    const char *wrong = serves(a);
    for (int i = 0; i < BIG_SENDERS; i++)
        close(fds[i]);
    return wrong;
}

static const char *
a_flood_of_descriptors(struct attack *a)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int) * FDS_PER_MESSAGE)];
    } control;
    uint8_t nil = 0xc0;
    struct iovec iov = {&nil, 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    int fd = dial(a), before = open_descriptors(a->agent), given[FDS_PER_MESSAGE];
    for (int i = 0; i < FDS_PER_MESSAGE; i++)
        given[i] = STDERR_FILENO;
    for (uint64_t sent = 0; sent < a->descriptors; sent += FDS_PER_MESSAGE) {
        control.head = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof given)};
        memcpy(CMSG_DATA(&control.head), given, sizeof given);
        while (sendmsg(fd, &m, MSG_NOSIGNAL) < 0) {
            if (errno != ETOOMANYREFS) /* it has not read the last ones yet */
                return "the flood is closed";
            poll(NULL, 0, 1);
        }
    }
    const char *wrong = serves(a);
    int after = open_descriptors(a->agent);
    close(fd);
    return wrong == NULL && after > before + 1 ? "descriptors leak" : wrong;
}

/*
 * To take every byte of it the kernel's share alone is some hundred thousand messages; what the agent
 * adds to that must not grow with the message, and it must not ask for each byte.
 */
static const char *
one_byte_a_write_costs_what_the_kernel_takes(struct attack *a)
{
    struct wire w;
    wire_init(&w);
    wire_packed(&w, (int64_t)time(NULL), "slow", TRICKLED_EVENTS, "chunk-2");
    int fd = dial(a);
    int64_t before = trickle_cpu_ns(a->agent);
    bool acked = trickle_send(fd, wire_bytes(&w)) && lab_hear_ack(fd, "chunk-2", WAIT_MS);
    int64_t cost = trickle_cpu_ns(a->agent) - before, bare = trickle_bare_ns(wire_bytes(&w));
    printf("%zu bytes, one a write: %" PRId64 " ms of CPU, a bare reader's %" PRId64 " ms\n",
           wire_bytes(&w).size_bytes, cost / 1000000, bare / 1000000);
    close(fd);
    wire_clear(&w);
    return !acked                            ? "it is not acked"
           : bare < 0                        ? "there is nothing to compare it with"
           : cost > TRICKLE_RATIO_MAX * bare ? "it costs more than twice what the kernel takes"
                                             : NULL;
}

static const struct {
    const char *name;
    const char *(*run)(struct attack *a);
} attacks[] = {
    {"lengths that lie", lengths_that_lie},
    {"a million arrays within each other", a_million_arrays_within_each_other},
    {"arrays of 65,535 within each other", arrays_of_65535_within_each_other},
    {"other protocols", other_protocols},
    {"three megabytes of tiny maps", three_megabytes_of_tiny_maps},
    {"eight megabytes of heartbeats", eight_megabytes_of_heartbeats},
    {"promises of large messages", promises_of_large_messages},
    {"large messages that never end", large_messages_that_never_end},
    {"a flood of descriptors", a_flood_of_descriptors},
    {"one byte a write", one_byte_a_write_costs_what_the_kernel_takes},
};

/* One attack on an agent of its own; how many failures. */
static unsigned
attack(struct lab *lab, size_t number, uint64_t descriptors)
{
    lab_clean(lab);
    struct attack a = {.lab = lab, .descriptors = descriptors};
    a.agent = lab_start_agent(lab);
    const char *wrong = serves(&a);
    long before = anonymous_kib(a.agent);
    if (wrong == NULL)
        wrong = attacks[number].run(&a);
    if (wrong == NULL)
        wrong = serves(&a);
    long after = anonymous_kib(a.agent);
    kill(a.agent, SIGTERM);
    int status = lab_wait(a.agent, WAIT_MS);
    if (wrong == NULL && status != 0)
        wrong = "it does not end well";
    if (wrong == NULL && a.most_kib > BUDGET_KIB)
        wrong = "it held more than its budget";
    if (wrong == NULL && after > before + GROWTH_KIB)
        wrong = "it kept memory";
    printf("%-40s %6ld KiB before, %6ld at most, %6ld after%s%s\n", attacks[number].name, before,
           a.most_kib, after, wrong != NULL ? "  FAIL: " : "", wrong != NULL ? wrong : "");
    if (wrong != NULL)
        lab_show_errors(lab);
    return wrong != NULL;
}

int
main(int argc, char **argv)
{
    struct lab lab;
    unsigned failures = 0;
    uint64_t descriptors = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
    lab_open(&lab);
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++)
        failures += attack(&lab, i, descriptors);
    lab_close(&lab);
    return failures == 0 ? 0 : 1;
}

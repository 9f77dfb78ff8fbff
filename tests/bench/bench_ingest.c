/*
 * tests/bench/bench_ingest.c - acks against the disk's own flush, and events per
 * second acked.
 *
 *   bench_ingest SOCKET DATA_DIRECTORY [latency-rounds [chunks-per-connection]]
 *
 * The agent runs already.  Latency is measured in blocks that alternate with the
 * disk probe, so that both see the same neighbours on the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zstd.h>

#include "store/base/clock.h"
#include "store/log/probe.h"
#include "tests/bench/trickle.h"
#include "tests/bench/workload.h"

enum { BLOCK = 100, PREPARED = 64, IDLE_TURNS = 30 };

static void
die(const char *what)
{
    fprintf(stderr, "bench_ingest: %s: %s\n", what, strerror(errno));
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
        ssize_t n = write(fd, data, size_bytes);
        if (n < 0)
            die("write");
        data += n;
        size_bytes -= (size_t)n;
    }
}

/* {"ack": "cNNNNNN"}: every chunk id here has seven letters, so an ack has 13 bytes. */
enum { ACK_BYTES = 13 };

static void
await_ack(int fd)
{
    uint8_t ack[ACK_BYTES];
    for (size_t got = 0; got < sizeof ack;) {
        ssize_t n = read(fd, ack + got, sizeof ack - got);
        if (n <= 0)
            die("the agent closed the connection");
        got += (size_t)n;
    }
}

static int
compare_ns(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* One connection, one event a request, `count` times. */
static void
lone_acks(const char *socket_path, uint64_t seed, size_t count, int64_t *ret_ns)
{
    struct workload w;
    struct buf message;
    struct clock clock = clock_system();
    int fd = dial(socket_path);
    buf_init(&message, 1 << 20);
    workload_init(&w, seed, clock_now_ms(&clock));
    for (size_t i = 0; i < count; i++) {
        message.size_bytes = 0;
        workload_message(&w, &message, "c000000");
        int64_t start = clock_monotonic_ns();
        send_all(fd, message.data, message.size_bytes);
        await_ack(fd);
        ret_ns[i] = clock_monotonic_ns() - start;
    }
    close(fd);
    buf_clear(&message);
}

static void
bench_latency(const char *socket_path, const char *directory, size_t rounds)
{
    static int64_t block[BLOCK];
    int64_t *ack = calloc(rounds, sizeof *ack), *disk = calloc(rounds, sizeof *disk);
    int64_t *ack99 = calloc(rounds, sizeof *ack99), *disk99 = calloc(rounds, sizeof *disk99);
    for (size_t r = 0; r < rounds; r++) {
        struct probe p;
        struct err err;
        if (probe_disk(directory, BLOCK, &p, &err) != ERR_OK) {
            fprintf(stderr, "bench_ingest: %s\n", err.text);
            exit(1);
        }
        disk[r] = p.p50_ns;
        disk99[r] = p.p99_ns;
        lone_acks(socket_path, 1000 + r, BLOCK, block);
        qsort(block, BLOCK, sizeof *block, compare_ns);
        ack[r] = block[BLOCK / 2];
        ack99[r] = block[BLOCK - 1 - BLOCK / 100];
    }
    /* Of each block its p50 and p99, of these the median: both sides alike. */
    qsort(ack, rounds, sizeof *ack, compare_ns);
    qsort(ack99, rounds, sizeof *ack99, compare_ns);
    qsort(disk, rounds, sizeof *disk, compare_ns);
    qsort(disk99, rounds, sizeof *disk99, compare_ns);
    double d50 = (double)disk[rounds / 2] / 1000, d99 = (double)disk99[rounds / 2] / 1000;
    double a50 = (double)ack[rounds / 2] / 1000, a99 = (double)ack99[rounds / 2] / 1000;
    printf("disk   write + fdatasync of 4 KiB     p50 %8.0f us   p99 %8.0f us\n", d50, d99);
    printf("agent  one client, one event, acked   p50 %8.0f us   p99 %8.0f us   (%zu acks)\n", a50,
           a99, rounds * BLOCK);
    printf("ratio  ack p50 / disk p50  %.2f   (goal <= 2.5)\n", a50 / d50);
    printf("ratio  ack p99 / disk p99  %.2f   (goal <= 3)\n", a99 / d99);
    free(ack);
    free(disk);
    free(ack99);
    free(disk99);
}

/* How clients send: each piece in one go, with so many acks to come, few pieces ahead of them. */
struct load {
    const char *name;
    size_t connections, pieces; /* pieces: on each connection */
    uint32_t messages, events;  /* of a piece; of a message: 1 is a Message, more a PackedForward */
    size_t window;              /* pieces under way on a connection */
};

struct sender {
    int fd;
    size_t sent, acked; /* whole pieces */
    size_t at_bytes;    /* of the piece being sent */
    size_t ack_bytes;
};

/* Returns the bytes of all. */
static size_t
prepare(const struct load *load, struct buf prepared[PREPARED])
{
    struct workload w;
    struct clock clock = clock_system();
    size_t bytes = 0;
    workload_init(&w, 11, clock_now_ms(&clock));
    for (size_t i = 0; i < PREPARED; i++) {
        buf_init(&prepared[i], 1 << 20);
        for (uint32_t m = 0; m < load->messages; m++) {
            if (load->events == 1)
                workload_message(&w, &prepared[i], "c000000");
            else
                workload_chunk(&w, &prepared[i], load->events, "c000000");
        }
        bytes += prepared[i].size_bytes;
    }
    return bytes;
}

static void
serve(struct sender *s, short revents, const struct buf *piece, const struct load *load)
{
    if ((revents & POLLOUT) != 0) {
        ssize_t n = write(s->fd, piece->data + s->at_bytes, piece->size_bytes - s->at_bytes);
        if (n < 0 && errno != EAGAIN)
            die("write");
        s->at_bytes += n > 0 ? (size_t)n : 0;
        if (s->at_bytes == piece->size_bytes) {
            s->at_bytes = 0;
            s->sent++;
        }
    }
    if ((revents & (POLLIN | POLLHUP)) != 0) {
        uint8_t acks[ACK_BYTES * 256];
        ssize_t n = read(s->fd, acks, sizeof acks);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            die("the agent closed the connection");
        s->ack_bytes += n > 0 ? (size_t)n : 0;
        s->acked = s->ack_bytes / ACK_BYTES / load->messages;
    }
}

/* Bytes per second that one core compresses at zstd's level 1, four megabytes at a time. */
static double
zstd_rate(ZSTD_CCtx *ctx, const struct buf *all, struct buf *out)
{
    int64_t start = clock_monotonic_ns();
    for (size_t at = 0; at < all->size_bytes; at += 1 << 22) {
        size_t n = all->size_bytes - at < 1 << 22 ? all->size_bytes - at : 1 << 22;
        if (ZSTD_isError(ZSTD_compressCCtx(ctx, out->data, out->room_bytes, all->data + at, n, 1)))
            die("zstd");
    }
    return (double)all->size_bytes * 1e9 / (double)(clock_monotonic_ns() - start);
}

/* Until all is acked; seconds. */
static double
run(const char *socket_path, const struct load *load, const struct buf prepared[PREPARED])
{
    struct sender *s = calloc(load->connections, sizeof *s);
    struct pollfd *p = calloc(load->connections, sizeof *p);
    for (size_t i = 0; i < load->connections; i++) {
        s[i].fd = dial(socket_path);
        if (fcntl(s[i].fd, F_SETFL, O_NONBLOCK) != 0)
            die("fcntl");
    }
    int64_t start = clock_monotonic_ns();
    for (size_t open = load->connections; open > 0;) {
        open = 0;
        for (size_t i = 0; i < load->connections; i++) {
            bool may_send = s[i].sent < load->pieces && s[i].sent - s[i].acked < load->window;
            p[i] = (struct pollfd){s[i].acked < load->pieces ? s[i].fd : -1,
                                   (short)(POLLIN | (may_send ? POLLOUT : 0)), 0};
            open += s[i].acked < load->pieces;
        }
        if (open > 0 && poll(p, load->connections, -1) < 0)
            die("poll");
        for (size_t i = 0; i < load->connections && open > 0; i++)
            serve(&s[i], p[i].revents, &prepared[(i * 16 + s[i].sent) % PREPARED], load);
    }
    double seconds = (double)(clock_monotonic_ns() - start) / 1e9;
    for (size_t i = 0; i < load->connections; i++)
        close(s[i].fd);
    free(s);
    free(p);
    return seconds;
}

static void
print_rate(const struct load *load, double events_per_second, double bytes_per_second)
{
    printf("agent  %s, acked   %.0f events/s   %.1f MB/s on the wire   (goal >= 160000)\n",
           load->name, events_per_second, bytes_per_second / 1e6);
}

static double
events_of(const struct load *load)
{
    return (double)load->connections * (double)load->pieces * load->messages * load->events;
}

static void
bench_throughput(const char *socket_path, const struct load *load)
{
    static struct buf prepared[PREPARED];
    double bytes = (double)prepare(load, prepared);
    double per_second = events_of(load) / run(socket_path, load, prepared);
    print_rate(load, per_second, per_second * bytes / PREPARED / load->messages / load->events);
    for (size_t i = 0; i < PREPARED; i++)
        buf_clear(&prepared[i]);
}

static int
compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The same beside zstd: turns that alternate, since the machine has its moods too; each against
   the passes of zstd before it and behind it. */
static void
bench_against_zstd(const char *socket_path, const struct load *load)
{
    enum { TURNS = 11 };
    static struct buf prepared[PREPARED];
    double ratios[TURNS], rates[TURNS], bytes = (double)prepare(load, prepared);
    struct buf all, out;
    ZSTD_CCtx *ctx = ZSTD_createCCtx();
    buf_init(&all, 1 << 26);
    buf_init(&out, 1 << 26);
    for (size_t i = 0; i < PREPARED; i++) {
        if (!buf_append(&all, prepared[i].data, prepared[i].size_bytes))
            die("memory");
    }
    if (ctx == NULL || !buf_reserve(&out, ZSTD_compressBound(1 << 22)))
        die("memory");
    double events = events_of(load), zstd = zstd_rate(ctx, &all, &out); /* the first is cold */
    for (size_t turn = 0; turn < TURNS; turn++) {
        double before = zstd_rate(ctx, &all, &out);
        rates[turn] = events / run(socket_path, load, prepared);
        double after = zstd_rate(ctx, &all, &out);
        zstd = (before + after) / 2;
        ratios[turn] = rates[turn] * bytes / PREPARED / load->messages / load->events / zstd;
    }
    qsort(rates, TURNS, sizeof *rates, compare_double);
    qsort(ratios, TURNS, sizeof *ratios, compare_double);
    print_rate(load, rates[TURNS / 2],
               rates[TURNS / 2] * bytes / PREPARED / load->messages / load->events);
    printf("ratio  that / zstd level 1 on one core (%.0f MB/s)   %.2f, %.2f to %.2f in %d turns   "
           "(goal >= 0.5)\n",
           zstd / 1e6, ratios[TURNS / 2], ratios[0], ratios[TURNS - 1], TURNS);
    ZSTD_freeCCtx(ctx);
    buf_clear(&all);
    buf_clear(&out);
    for (size_t i = 0; i < PREPARED; i++)
        buf_clear(&prepared[i]);
}

static pid_t
agent_of(const char *socket_path)
{
    int fd = dial(socket_path);
    pid_t agent = trickle_peer(fd);
    close(fd);
    return agent;
}

/* The agent's peak until now, pages of the log that it has mapped included. */
static void
print_peak(const char *socket_path)
{
    char path[64], line[256];
    unsigned long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)agent_of(socket_path));
    FILE *in = fopen(path, "re");
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtoul(line + 6, NULL, 10);
    }
    if (in == NULL || kib == 0)
        die(path);
    fclose(in);
    printf("agent  peak resident memory of these loads   %.1f MiB   (goal <= 64)\n",
           (double)kib / 1024);
}

/* What lone acks cost, in blocks: the p99 of each, and the agent's CPU time for one. */
struct lone {
    int64_t p99_ns[2 * IDLE_TURNS], cpu_ns[2 * IDLE_TURNS];
    size_t blocks;
};

/* One block, when what came before is over for the agent too. */
static void
lone_block(const char *socket_path, pid_t agent, uint64_t seed, struct lone *lone)
{
    enum { SETTLE = 200, ACKS = 300 };
    static int64_t ns[ACKS];
    lone_acks(socket_path, seed, SETTLE, ns);
    int64_t before = trickle_cpu_ns(agent);
    lone_acks(socket_path, seed, ACKS, ns);
    lone->cpu_ns[lone->blocks] = (trickle_cpu_ns(agent) - before) / ACKS;
    qsort(ns, ACKS, sizeof *ns, compare_ns);
    lone->p99_ns[lone->blocks++] = ns[ACKS * 99 / 100];
}

static double
median_us(int64_t *ns, size_t count)
{
    qsort(ns, count, sizeof *ns, compare_ns);
    return (double)ns[count / 2] / 1000;
}

/* Lone acks beside so many connections that say nothing, against without them: the medians of
   blocks in the order A B B A, since a disk has its moods. */
static void
bench_idle(const char *socket_path, size_t idle)
{
    struct lone without = {.blocks = 0}, beside = {.blocks = 0};
    int *fds = calloc(idle, sizeof *fds);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_max < 2 * idle)
        idle = (size_t)limit.rlim_max / 2;
    pid_t agent = agent_of(socket_path);
    for (uint64_t turn = 0; turn < IDLE_TURNS; turn++) {
        lone_block(socket_path, agent, 4 * turn, &without);
        for (size_t i = 0; i < idle; i++)
            fds[i] = dial(socket_path);
        lone_block(socket_path, agent, 4 * turn + 1, &beside);
        lone_block(socket_path, agent, 4 * turn + 2, &beside);
        for (size_t i = 0; i < idle; i++)
            close(fds[i]);
        lone_block(socket_path, agent, 4 * turn + 3, &without);
    }
    double p99[2] = {median_us(without.p99_ns, without.blocks),
                     median_us(beside.p99_ns, beside.blocks)};
    double cpu[2] = {median_us(without.cpu_ns, without.blocks),
                     median_us(beside.cpu_ns, beside.blocks)};
    printf(
        "agent  beside %zu idle connections   p99 %.0f us, without them %.0f us; CPU an ack %.1f us, "
        "without them %.1f us\n",
        idle, p99[1], p99[0], cpu[1], cpu[0]);
    printf("ratio  p99 beside / p99 without   %.2f   (goal <= 1.1 beside 10,000);   CPU   %.2f\n",
           p99[1] / p99[0], cpu[1] / cpu[0]);
    free(fds);
}

/* A message of 6 MiB, one byte a write, beside what it costs only to read it so. */
static void
bench_trickle(const char *socket_path)
{
    enum { SIZE_BYTES = 6 * 1024 * 1024, EVENT_BYTES = 256 };
    struct workload w;
    struct clock clock = clock_system();
    struct buf message;
    buf_init(&message, 1 << 24);
    workload_init(&w, 12, clock_now_ms(&clock));
    /* How many events that is shows when some are made. */
    workload_chunk(&w, &message, EVENT_BYTES, "c000000");
    uint32_t events = (uint32_t)((uint64_t)SIZE_BYTES * EVENT_BYTES / message.size_bytes);
    message.size_bytes = 0;
    workload_chunk(&w, &message, events, "c000000");
    struct bytes b = {message.data, message.size_bytes};
    int fd = dial(socket_path);
    pid_t agent = trickle_peer(fd);
    int64_t before = trickle_cpu_ns(agent);
    if (before < 0 || !trickle_send(fd, b))
        die("one byte a write");
    await_ack(fd);
    double cost = (double)(trickle_cpu_ns(agent) - before) / 1e9;
    double bare = (double)trickle_bare_ns(b) / 1e9;
    printf("agent  %.1f MiB of one message, one byte a write   %.2f s of CPU   (goal < 2)\n",
           (double)b.size_bytes / 1048576, cost);
    printf("ratio  that / a process that only reads them (%.2f s)   %.2f\n", bare, cost / bare);
    close(fd);
    buf_clear(&message);
}

int
main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_ingest SOCKET DATA_DIRECTORY [rounds [chunks]]\n");
        return 2;
    }
    size_t rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 20;
    size_t chunks = argc > 4 ? strtoul(argv[4], NULL, 10) : 500;
    static const struct load messages = {
        "64 connections x 1 event a message, 64 under way each", 64, 40, 64, 1, 1};
    static const struct load crowd = {"1,000 connections x chunks of 50", 1000, 4, 1, 50, 2};
    struct load few = {
        "4 connections x chunks of 500, 16 under way each", 4, chunks > 0 ? chunks : 1, 1, 500, 16};
    struct load fewer = few; /* then no batch is full */
    fewer.name = "4 connections x chunks of 500, 4 under way each";
    fewer.window = 4;
    bench_latency(argv[1], argv[2], rounds > 0 ? rounds : 1);
    bench_against_zstd(argv[1], &few);
    bench_against_zstd(argv[1], &fewer);
    bench_throughput(argv[1], &messages);
    bench_throughput(argv[1], &crowd);
    print_peak(argv[1]);
    bench_idle(argv[1], 10000);
    bench_idle(argv[1], 10); /* what the disk alone does to that ratio */
    bench_trickle(argv[1]);
    return 0;
}

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
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "store/base/clock.h"
#include "store/log/probe.h"
#include "tests/bench/workload.h"

enum { CONNECTIONS = 4, CHUNK_EVENTS = 500, WINDOW = 4, BLOCK = 100, PREPARED = 64 };

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

static void
bench_latency(const char *socket_path, const char *directory, size_t rounds)
{
    struct workload w;
    struct buf message;
    struct clock clock = clock_system();
    int64_t *ack = calloc(rounds * BLOCK, sizeof *ack), *disk = calloc(rounds, sizeof *disk);
    int64_t *disk99 = calloc(rounds, sizeof *disk99);
    int fd = dial(socket_path);
    buf_init(&message, 1 << 20);
    workload_init(&w, 7, clock_now_ms(&clock));
    for (size_t r = 0; r < rounds; r++) {
        struct probe p;
        struct err err;
        if (probe_disk(directory, BLOCK, &p, &err) != ERR_OK) {
            fprintf(stderr, "bench_ingest: %s\n", err.text);
            exit(1);
        }
        disk[r] = p.p50_ns;
        disk99[r] = p.p99_ns;
        for (size_t i = 0; i < BLOCK; i++) {
            message.size_bytes = 0;
            workload_message(&w, &message, "c000000");
            int64_t start = clock_monotonic_ns();
            send_all(fd, message.data, message.size_bytes);
            await_ack(fd);
            ack[r * BLOCK + i] = clock_monotonic_ns() - start;
        }
    }
    size_t n = rounds * BLOCK;
    qsort(ack, n, sizeof *ack, compare_ns);
    qsort(disk, rounds, sizeof *disk, compare_ns);
    qsort(disk99, rounds, sizeof *disk99, compare_ns);
    double d50 = (double)disk[rounds / 2] / 1000, d99 = (double)disk99[rounds / 2] / 1000;
    double a50 = (double)ack[n / 2] / 1000, a99 = (double)ack[n - 1 - n / 100] / 1000;
    printf("disk   write + fdatasync of 4 KiB     p50 %8.0f us   p99 %8.0f us\n", d50, d99);
    printf("agent  one client, one event, acked   p50 %8.0f us   p99 %8.0f us   (%zu acks)\n", a50,
           a99, n);
    printf("ratio  ack p50 / disk p50  %.2f   (goal <= 4)\n", a50 / d50);
    printf("ratio  ack p99 / disk p99  %.2f\n", a99 / d99);
    close(fd);
    free(ack);
    free(disk);
    free(disk99);
    buf_clear(&message);
}

struct sender {
    int fd;
    size_t sent, acked; /* whole chunks */
    size_t at_bytes;    /* of the chunk being sent */
    size_t ack_bytes;
};

static void
bench_throughput(const char *socket_path, size_t chunks)
{
    struct workload w;
    struct clock clock = clock_system();
    static struct buf prepared[PREPARED];
    size_t bytes = 0;
    workload_init(&w, 11, clock_now_ms(&clock));
    for (size_t i = 0; i < PREPARED; i++) {
        buf_init(&prepared[i], 1 << 20);
        workload_chunk(&w, &prepared[i], CHUNK_EVENTS, "c000000");
        bytes += prepared[i].size_bytes;
    }
    struct sender s[CONNECTIONS] = {0};
    struct pollfd p[CONNECTIONS];
    for (size_t i = 0; i < CONNECTIONS; i++) {
        s[i].fd = dial(socket_path);
        if (fcntl(s[i].fd, F_SETFL, O_NONBLOCK) != 0)
            die("fcntl");
    }
    int64_t start = clock_monotonic_ns();
    for (size_t open = CONNECTIONS; open > 0;) {
        open = 0;
        for (size_t i = 0; i < CONNECTIONS; i++) {
            bool may_send = s[i].sent < chunks && s[i].sent - s[i].acked < WINDOW;
            p[i] = (struct pollfd){s[i].acked < chunks ? s[i].fd : -1,
                                   (short)(POLLIN | (may_send ? POLLOUT : 0)), 0};
            open += s[i].acked < chunks;
        }
        if (open > 0 && poll(p, CONNECTIONS, -1) < 0)
            die("poll");
        for (size_t i = 0; i < CONNECTIONS && open > 0; i++) {
            if ((p[i].revents & POLLOUT) != 0) {
                const struct buf *b = &prepared[(i * 16 + s[i].sent) % PREPARED];
                ssize_t n = write(s[i].fd, b->data + s[i].at_bytes, b->size_bytes - s[i].at_bytes);
                if (n < 0 && errno != EAGAIN)
                    die("write");
                s[i].at_bytes += n > 0 ? (size_t)n : 0;
                if (s[i].at_bytes == b->size_bytes) {
                    s[i].at_bytes = 0;
                    s[i].sent++;
                }
            }
            if ((p[i].revents & (POLLIN | POLLHUP)) != 0) {
                uint8_t acks[ACK_BYTES * 64];
                ssize_t n = read(s[i].fd, acks, sizeof acks);
                if (n == 0 || (n < 0 && errno != EAGAIN))
                    die("the agent closed the connection");
                s[i].ack_bytes += n > 0 ? (size_t)n : 0;
                s[i].acked = s[i].ack_bytes / ACK_BYTES;
            }
        }
    }
    double seconds = (double)(clock_monotonic_ns() - start) / 1e9;
    double events = (double)CONNECTIONS * (double)chunks * CHUNK_EVENTS;
    printf("agent  %d connections x chunks of %d, acked   %.0f events/s   %.1f MB/s on the wire   "
           "(goal >= 150000)\n",
           CONNECTIONS, CHUNK_EVENTS, events / seconds,
           events / seconds * (double)bytes / PREPARED / CHUNK_EVENTS / 1e6);
    for (size_t i = 0; i < CONNECTIONS; i++)
        close(s[i].fd);
    for (size_t i = 0; i < PREPARED; i++)
        buf_clear(&prepared[i]);
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
    bench_latency(argv[1], argv[2], rounds > 0 ? rounds : 1);
    bench_throughput(argv[1], chunks > 0 ? chunks : 1);
    return 0;
}

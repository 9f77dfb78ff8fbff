/*
 * tests/bench/bench_rollup.c - fold a log made for it, and say events per second
 * of CPU.
 *
 *   bench_rollup DIRECTORY PRICE_BOOK [events]
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "rollup/job.h"
#include "store/event/event.h"
#include "store/log/writer.h"
#include "tests/bench/workload.h"

enum { FRAME_EVENTS = 2000, DUPLICATE_PERCENT = 3 };

static const int64_t noon = (int64_t)20781 * 86400000 + 43200000;

static void
check(enum err_code code, const struct err *err)
{
    if (code == ERR_OK)
        return;
    fprintf(stderr, "bench_rollup: %s\n", err->text);
    exit(1);
}

static uint64_t
make_log(const char *directory, uint64_t events)
{
    char log[512];
    struct err err;
    struct workload w;
    struct log_writer *writer;
    struct buf record, frame;
    uint64_t bytes = 0;
    workload_init(&w, 3, noon);
    w.duplicate_percent = DUPLICATE_PERCENT;
    snprintf(log, sizeof log, "%s/log", directory);
    check(log_writer_open(log, &writer, &err), &err);
    buf_init(&record, 1 << 16);
    buf_init(&frame, 64 << 20);
    for (uint64_t done = 0; done < events;) {
        uint32_t count = 0;
        frame.size_bytes = 0;
        for (; count < FRAME_EVENTS && done < events; count++, done++) {
            struct event e;
            struct event_defect defect;
            int64_t time_ms;
            record.size_bytes = 0;
            workload_record(&w, &record, &time_ms);
            struct bytes b = {record.data, record.size_bytes};
            if (!event_parse(EVENT_USAGE, b, time_ms, &e, &defect) || !event_store(&e, &frame)) {
                fprintf(stderr, "bench_rollup: %s\n", defect.text);
                exit(1);
            }
        }
        bytes += frame.size_bytes;
        struct log_part parts[LOG_STREAMS] = {{{frame.data, frame.size_bytes}, count}};

        check(log_writer_append(writer, noon, parts, &err), &err);
    }
    log_writer_close(writer);
    buf_clear(&record);
    buf_clear(&frame);
    return bytes;
}

static double
cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int
main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_rollup DIRECTORY PRICE_BOOK [events]\n");
        return 2;
    }
    uint64_t events = argc > 3 ? strtoull(argv[3], NULL, 10) : 2000000;
    uint64_t bytes = make_log(argv[1], events);
    struct rollup_options o = {.data_directory = argv[1], .price_path = argv[2]};
    struct rollup_result r;
    struct err err;
    double start = cpu_seconds();
    check(rollup_run(&o, &r, &err), &err);
    double cpu = cpu_seconds() - start;
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("rollup %llu events (%.0f bytes each), %llu duplicates, %llu unpriced: %.2f s CPU, "
           "%.0f events/s/core   (goal >= 1000000)   peak memory %ld MiB\n",
           (unsigned long long)r.sum.events[BALANCE_ACCEPTED], (double)bytes / (double)events,
           (unsigned long long)r.sum.events[BALANCE_DUPLICATE],
           (unsigned long long)r.sum.events[BALANCE_UNPRICED], cpu, (double)events / cpu,
           u.ru_maxrss / 1024);
    return 0;
}

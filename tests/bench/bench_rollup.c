/*
 * tests/bench/bench_rollup.c - fold a log made for it, and say events per second
 * of CPU.
 *
 *   bench_rollup DIRECTORY PRICE_BOOK [events]     0: fold the log that is there
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "rollup/job.h"
#include "store/base/heap.h"
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

static void
make_log(const char *directory, uint64_t events)
{
    char log[512];
    struct err err;
    struct workload w;
    struct log_writer *writer;
    struct buf record, frame;
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
        struct log_part parts[LOG_STREAMS] = {{{frame.data, frame.size_bytes}, count}};

        check(log_writer_append(writer, noon, parts, &err), &err);
    }
    log_writer_close(writer);
    buf_clear(&record);
    buf_clear(&frame);
}

static double
cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* What the process holds itself; pages of the mapped files are the kernel's to take back. */
static long
anonymous_mib(void)
{
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtol(line + 8, NULL, 10);
    }
    if (f != NULL)
        fclose(f);
    return kib / 1024;
}

int
main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_rollup DIRECTORY PRICE_BOOK [events]\n");
        return 2;
    }
    uint64_t events = argc > 3 ? strtoull(argv[3], NULL, 10) : 2000000;
    if (events > 0)
        make_log(argv[1], events);
    struct rollup_options o = {.data_directory = argv[1], .price_path = argv[2]};
    struct rollup_result r;
    struct err err;
    heap_prefer_large_pages(256 * 1024 * 1024); /* as the command does */
    double start = cpu_seconds();
    check(rollup_run(&o, &r, &err), &err);
    double cpu = cpu_seconds() - start;
    uint64_t folded = r.sum.events[BALANCE_ACCEPTED];
    printf("rollup %llu events, %llu duplicates, %llu unpriced: %.2f s CPU, %.0f events/s/core   "
           "(goal >= 1000000)   anonymous memory %ld MiB\n",
           (unsigned long long)folded, (unsigned long long)r.sum.events[BALANCE_DUPLICATE],
           (unsigned long long)r.sum.events[BALANCE_UNPRICED], cpu, (double)folded / cpu,
           anonymous_mib());
    return 0;
}

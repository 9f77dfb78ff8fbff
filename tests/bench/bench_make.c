/*
 * tests/bench/bench_make.c - one day of events twice over: as gbill's log and as
 * CSV, for another engine to read.
 *
 *   bench_make EVENTS DATA [HALF [CSV]]
 *
 * DATA/log gets all events, HALF/log the first half of them.  Events are spread
 * over the whole day, whatever their number.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/base/time.h"
#include "tests/bench/workload_frame.h"

enum { FRAME_EVENTS = 2000, DUPLICATE_PERCENT = 3, LATE_PERCENT = 2, SPREAD_MS = 5000 };

static const int64_t midnight_ms = 20781 * TIME_DAY_MS; /* 2026-11-24 */

/* The columns that bench_rollup.js names. */
static void
write_csv(FILE *csv, uint64_t seq, const struct workload_event *e)
{
    if (fprintf(csv,
                "%" PRIu64 ",%s,%s,%s,%s,%s,%s,%s,%s,%" PRId64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
                ",%" PRIu64 ",%d\n",
                seq, e->id, e->organization, e->user, e->project, e->type, e->provider, e->model,
                e->tier != NULL ? e->tier : "", e->time_ms, e->input_tokens, e->cached_tokens,
                e->output_tokens, e->latency_ms, e->failed) > 0)
        return;
    perror("bench_make: the CSV file");
    exit(1);
}

int
main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_make EVENTS DATA [HALF [CSV]]\n");
        return 2;
    }
    static struct workload w;
    struct workload_frame frame;
    uint64_t events = strtoull(argv[1], NULL, 10);
    struct log_writer *all = workload_log_open(argv[2]);
    struct log_writer *half = argc > 3 ? workload_log_open(argv[3]) : NULL;
    FILE *csv = argc > 4 ? fopen(argv[4], "w") : NULL;
    if (argc > 4 && csv == NULL) {
        perror(argv[4]);
        return 1;
    }
    workload_frame_init(&frame);
    workload_init(&w, 3, midnight_ms);
    w.spread_ms = SPREAD_MS;
    w.duplicate_percent = DUPLICATE_PERCENT;
    w.late_percent = LATE_PERCENT;
    for (uint64_t done = 0; done < events;) {
        w.now_ms = midnight_ms + (int64_t)((double)done / (double)events * (double)TIME_DAY_MS);
        workload_frame_reset(&frame);
        while (frame.count < FRAME_EVENTS && done < events) {
            struct workload_event e;
            workload_next(&w, &e);
            workload_frame_add(&frame, &e);
            done++;
            if (csv != NULL)
                write_csv(csv, done, &e);
        }
        workload_frame_append(&frame, all, w.now_ms);
        if (half != NULL && done <= events / 2)
            workload_frame_append(&frame, half, w.now_ms);
    }
    log_writer_close(all);
    log_writer_close(half);
    workload_frame_clear(&frame);
    if (csv != NULL && fclose(csv) != 0) {
        perror(argv[4]);
        return 1;
    }
    return 0;
}
